//! Memory of tables and streams, counted by the allocator.
#![allow(clippy::unwrap_used, reason = "the helpers of a test file are tests too")]

use std::sync::{Mutex, PoisonError};

use peak_alloc::PeakAlloc;
use tsc_series::{SeriesTable, Source, TableSpec};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The counters are those of the process, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn text(patients: usize, values: usize) -> String {
    let rows = |p: usize| (0..values).map(move |v| format!("P{p:05},{v},HR,{}\n", 60 + (p + v) % 40));
    format!("patient,time,variable,value\n{}", (0..patients).flat_map(rows).collect::<String>())
}

/// Bytes a value, as stored: at most 16 of time and value, and 16 a cell of offset and static value. The rest of the
/// bound are names and the quality report.
#[test]
fn a_table_keeps_to_its_storage_budget() {
    let text = text(40, 2_000);
    let spec = TableSpec::default();
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = MEMORY.current_usage();
    let table = SeriesTable::read(Source::Bytes { name: "ward.csv", bytes: text.as_bytes() }, &spec).unwrap();
    let used = MEMORY.current_usage().saturating_sub(before);
    let cells = table.n_patients() * table.variables().len();
    let budget = 16 * table.n_values() + 16 * (cells + 1);
    assert!(used < budget + (64 << 10), "{used} bytes, the budget is {budget}");
    assert_eq!(table.n_values(), 80_000);
}

/// S-24: ten times the patients, and the peak grows by what a stream remembers of each, nothing else.
#[test]
fn the_peak_of_a_stream_does_not_grow_with_the_patients() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let peak = |patients: usize| {
        let text = text(patients, 50);
        let spec = TableSpec::default();
        let source = Source::Bytes { name: "ward.csv", bytes: text.as_bytes() };
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let mut values = 0;
        let stream = SeriesTable::stream(source, &spec).unwrap().with_patients(100).unwrap();
        stream
            .for_each(|table| {
                values += table.n_values();
                Ok(())
            })
            .unwrap();
        assert_eq!(values, patients * 50);
        MEMORY.peak_usage() - before
    };
    let (one, ten) = (peak(1_000), peak(10_000));
    // A tree of pairs of 8 bytes is at least half full.
    assert!(ten < one + 9_000 * 48, "{one} bytes at 1,000 patients, {ten} at 10,000");
    assert!(one < 2 << 20, "{one}");
}
