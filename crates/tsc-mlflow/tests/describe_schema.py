"""Describes the tables of an SQLite database: one fact a line, sorted.

    python describe_schema.py mlflow.db > golden/schema-6953534de441.txt

The golden file was recorded with Python 3.11, SQLAlchemy 2.0, from the database that
`MlflowClient("sqlite:///mlflow.db")` of mlflow==3.0.0 creates on first use.
"""

import re
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1])
facts = []
for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
    for cid, name, kind, notnull, default, pk in db.execute(f"PRAGMA table_info({table})"):
        facts.append(f"{table} column {cid} {name} {kind} notnull={notnull} default={default} pk={pk}")
    for _, _, other, column, target, update, delete, _ in db.execute(f"PRAGMA foreign_key_list({table})"):
        facts.append(f"{table} foreign key {column} -> {other}.{target} update={update.upper()} delete={delete.upper()}")
    for _, name, unique, origin, partial in db.execute(f"PRAGMA index_list({table})"):
        columns = ",".join(row[2] for row in db.execute(f"PRAGMA index_info({name})"))
        facts.append(f"{table} index {name} ({columns}) unique={unique} origin={origin} partial={partial}")
    (sql,) = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    for name in re.findall(r"CONSTRAINT (\w+)", sql):
        facts.append(f"{table} constraint {name}")
    for check in re.findall(r"CHECK \((.*?\))\)", sql):
        facts.append(f"{table} check {check}")
print("\n".join(sorted(facts)))
