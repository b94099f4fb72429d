"""Writes the Parquet files of this folder: synthetic rows, every type that tsc-series reads.

Made with Python 3.11, pyarrow 25.0.1: python parquet.py
"""

import datetime as dt
import decimal
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

here = pathlib.Path(__file__).parent

# A wide table, two row groups, a type and a codec for each way a time and a value may be stored.
wide = pa.table({
    "stay": pa.array([7, 7, 7, 9, 9], pa.int32()),
    "since": pa.array([0, 90_000, 180_000, 0, 1_500], pa.duration("ms")),
    "when": pa.array([dt.datetime(2024, 3, 31, 12, 30, 15, 250_000)] * 5, pa.timestamp("us")),
    "day": pa.array([dt.date(2024, 2, 29)] * 5, pa.date32()),
    "hours": pa.array([0.0, 0.5, 1.0, 0.0, 2.0], pa.float64()),
    "hr": pa.array([80.0, None, 82.5, 90.0, float("nan")], pa.float64()),
    "temp": pa.array([36.5, 37.0, None, 38.25, 39.0], pa.float32()),
    "gcs": pa.array([15, 14, 13, None, 3], pa.int8()),
    "vent": pa.array([True, False, True, None, True], pa.bool_()),
    "sex": pa.array(["Male", "Male", "Male", "Female", "Female"]).dictionary_encode(),
    "cost": pa.array([decimal.Decimal("1.50")] * 5, pa.decimal128(10, 2)),
})
pq.write_table(wide, here / "wide.parquet", row_group_size=3, compression="snappy")
pq.write_table(wide, here / "wide_v2.parquet", compression="gzip", data_page_version="2.0")
pq.write_table(wide, here / "wide_zstd.parquet", compression="zstd")

# A long table of 5,000 rows, more than are decoded at once, with missing values.
n = 5_000
long = pa.table({
    "patient": pa.array([f"P{i // 50}" for i in range(n)]),
    "time": pa.array([float(i % 50) for i in range(n)]),
    "variable": pa.array(["HR" if i % 2 == 0 else "Temp" for i in range(n)]),
    "value": pa.array([None if i % 10 == 9 else (60.0 + i % 7 if i % 2 == 0 else 36.0 + i % 3) for i in range(n)]),
})
pq.write_table(long, here / "long.parquet", compression="lz4", data_page_size=4_096)
