//! Streaming: tables of a chunk of patients, as the whole input would give.
#![allow(clippy::unwrap_used, reason = "the helpers of a test file are tests too")]

use std::io::Write;

use proptest::prelude::*;
use tsc_series::{QualityReport, RowOrder, SeriesTable, Source, TableSpec};

fn text(patients: usize, values: usize) -> String {
    let rows = |p: usize| (0..values).map(move |v| format!("P{p:05},{v},HR,{}\n", 60 + (p + v) % 40));
    format!("patient,time,variable,value\n{}", (0..patients).flat_map(rows).collect::<String>())
}

fn stream(text: &str, spec: &TableSpec, patients: usize) -> (Vec<SeriesTable>, QualityReport) {
    let source = Source::Bytes { name: "ward.csv", bytes: text.as_bytes() };
    let mut tables = Vec::new();
    let report =
        SeriesTable::stream(source, spec).unwrap().with_patients(patients).unwrap().for_each(|table| {
            tables.push(table);
            Ok(())
        });
    (tables, report.unwrap())
}

#[test]
fn chunks_hold_the_patients_of_the_whole_table() {
    let text = text(25, 4);
    let spec = TableSpec::default();
    let whole = SeriesTable::read(Source::Bytes { name: "ward.csv", bytes: text.as_bytes() }, &spec).unwrap();
    let (tables, report) = stream(&text, &spec, 10);
    assert_eq!(tables.iter().map(SeriesTable::n_patients).collect::<Vec<_>>(), [10, 10, 5]);
    let hr = whole.variable("HR").unwrap();
    for table in &tables {
        for (position, id) in table.patients().iter().enumerate() {
            let here = table.series(tsc_series::PatientIx(position), hr);
            assert_eq!(here, whole.series(whole.patient(id).unwrap(), hr));
        }
    }
    assert_eq!(report.rows, whole.quality().rows);
    assert_eq!(report.patients, 25);
    let of = |quality: &QualityReport| {
        let hr = quality.coverage.iter().find(|c| c.variable == "HR").unwrap().clone();
        (hr.patients, hr.values, hr.min, hr.max, hr.mean_gap, hr.longest_gap)
    };
    assert_eq!(of(&report), of(whole.quality()));
}

/// Section 9: the error names both lines and the option that reads all.
#[test]
fn a_patient_that_comes_again_is_an_error_or_read_whole() {
    let text = "patient,time,variable,value\nA,0,HR,80\nA,1,HR,81\nB,0,HR,90\nA,2,HR,82\n";
    let source = Source::Bytes { name: "ward.csv", bytes: text.as_bytes() };
    let spec = TableSpec::default();
    for patients in [1, 100] {
        let stream = SeriesTable::stream(source, &spec).unwrap().with_patients(patients).unwrap();
        let error = stream.for_each(|_| Ok(())).unwrap_err();
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            (
                "TSC-DAT-131",
                "ward.csv, line 5: a patient whose rows began in line 2 comes again after another"
            )
        );
        assert!(error.help().unwrap().contains("order = \"any\""));
    }
    let (tables, _) = stream(text, &TableSpec { order: RowOrder::Any, ..spec.clone() }, 1);
    assert_eq!(tables, [SeriesTable::read(source, &spec).unwrap()]);
}

#[test]
fn a_row_without_a_patient_ends_nobodys_rows() {
    let text = "patient,time,variable,value\nA,0,HR,80\n,1,HR,81\nA,2,HR,82\n";
    let (tables, report) = stream(text, &TableSpec { max_rejected_ratio: 1.0, ..TableSpec::default() }, 1);
    assert_eq!((tables.len(), tables[0].n_values(), report.rows.rejected), (1, 2, 1));
}

#[test]
fn a_receiver_can_stop_the_stream() {
    let text = text(5, 1);
    let source = Source::Bytes { name: "ward.csv", bytes: text.as_bytes() };
    let spec = TableSpec::default();
    let mut seen = 0;
    let stopped = SeriesTable::stream(source, &spec).unwrap().with_patients(1).unwrap().for_each(|_| {
        seen += 1;
        Err(SeriesTable::stream(source, &spec)?.with_patients(0).unwrap_err())
    });
    assert_eq!((stopped.unwrap_err().code(), seen), ("TSC-DAT-117", 1));
}

#[cfg(feature = "archive")]
#[test]
fn an_archive_streams_with_its_outcomes() {
    let folder = std::env::temp_dir().join(format!("tsc-series-stream-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let packed = Vec::new();
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(packed, flate2::Compression::default()));
    let mut outcomes = "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death\n".to_string();
    for stay in 0..7 {
        let content = format!("Time,Parameter,Value\n00:00,RecordID,{stay}\n00:07,HR,{}\n", 70 + stay);
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, format!("set-s/{stay}.txt"), content.as_bytes()).unwrap();
        outcomes.push_str(&format!("{stay},1,2,{},-1,0\n", stay + 1));
    }
    outcomes.push_str("99,1,2,3,-1,0\n");
    let mut file = std::fs::File::create(folder.join("set-s.tar.gz")).unwrap();
    file.write_all(&tar.into_inner().unwrap().finish().unwrap()).unwrap();
    std::fs::write(folder.join("Outcomes-s.txt"), outcomes).unwrap();

    let spec = TableSpec::preset(tsc_series::Format::PhysioNet2012);
    let whole = SeriesTable::read(Source::Path(&folder), &spec).unwrap();
    let mut stays = Vec::new();
    let stream = SeriesTable::stream(Source::Path(&folder), &spec).unwrap().with_patients(3).unwrap();
    let report = stream
        .for_each(|table| {
            let los = table.variable("Length_of_stay").unwrap();
            let ids = table.patients().iter().enumerate();
            stays.extend(ids.map(|(p, id)| (id.clone(), table.fixed(tsc_series::PatientIx(p), los))));
            Ok(())
        })
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let expected: Vec<_> = (0..7).map(|stay| (stay.to_string(), Some(f64::from(stay) + 1.0))).collect();
    assert_eq!(stays, expected);
    assert_eq!((report.rows, report.outcomes), (whole.quality().rows, whole.quality().outcomes));
    assert_eq!(report.warnings, whole.quality().warnings);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    /// S-02, S-25: any chunking counts the same.
    #[test]
    fn the_report_does_not_depend_on_the_chunks(
        rows in prop::collection::vec((0..6usize, 0..4i64, prop_oneof![Just("HR"), Just("Age"), Just("Mood")], -5.0..400.0f64), 1..40),
        patients in 1..5usize,
    ) {
        let mut rows = rows;
        rows.sort_by_key(|row| row.0);
        let line = |(p, t, v, x): &(usize, i64, &str, f64)| format!("P{p},{t},{v},{x}\n");
        let text = format!("patient,time,variable,value\n{}", rows.iter().map(line).collect::<String>());
        let spec = TableSpec { max_rejected_ratio: 1.0, ..TableSpec::default() };
        let whole = SeriesTable::read(Source::Bytes { name: "ward.csv", bytes: text.as_bytes() }, &spec).unwrap();
        let (_, report) = stream(&text, &spec, patients);
        prop_assert_eq!(report.rows, whole.quality().rows);
        prop_assert_eq!(&report.counts, &whole.quality().counts);
        prop_assert_eq!(&report.conflicting_repeats, &whole.quality().conflicting_repeats);
        prop_assert_eq!(report.patients_without_dynamic, whole.quality().patients_without_dynamic);
    }
}
