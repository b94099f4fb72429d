//! Reading PhysioNet 2012: the real set-a, and small archives with one fault each.
#![cfg(feature = "archive")]
#![allow(clippy::unwrap_used, reason = "the helpers of a test file are tests too")]

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tsc_core::{Error, ErrorKind, Result};
use tsc_series::{
    Featurizer, Format, Limits, PatientIx, Reason, SeriesParams, SeriesTable, Source, TableSpec,
};

const STAY: &str = "Time,Parameter,Value\n00:00,RecordID,1\n00:00,Age,54\n00:00,Weight,-1\n00:07,HR,73\n";

fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        // Written by hand: the builder refuses names such as `../x`.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn spec() -> TableSpec {
    TableSpec::preset(Format::PhysioNet2012)
}

fn read(bytes: &[u8]) -> Result<SeriesTable> {
    SeriesTable::read(Source::Bytes { name: "set-x.tar.gz", bytes }, &spec())
}

#[track_caller]
fn refuse(bytes: &[u8], code: &str, message: &str) {
    let error = read(bytes).expect_err("the input has a structural fault");
    check_error(&error, code, message);
}

#[track_caller]
fn check_error(error: &Error, code: &str, message: &str) {
    assert_eq!(
        (error.kind(), error.code(), error.to_string().as_str()),
        (ErrorKind::InvalidData, code, message)
    );
    assert!(error.help().is_some_and(|help| !help.is_empty()));
}

fn value(table: &SeriesTable, patient: &str, variable: &str) -> Option<f64> {
    table.fixed(table.patient(patient).unwrap(), table.variable(variable).unwrap())
}

fn mean_known(values: &[f64]) -> f64 {
    let known: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    known.iter().sum::<f64>() / known.len() as f64
}

fn real() -> Option<SeriesTable> {
    let folder = tsc_testing::shared("data/physionet2012")?;
    Some(SeriesTable::read(Source::Path(&folder), &spec()).unwrap())
}

/// S-13. Expected: counted in the files with pandas 3.1.1, without this crate.
#[test]
fn set_a_is_cleaned_as_counted_independently() {
    let Some(table) = real() else { return };
    let quality = table.quality();
    assert_eq!(table.n_patients(), 4_000);
    assert_eq!(quality.rows.read, 1_757_980);
    assert_eq!(quality.rows.read, quality.rows.used + quality.rows.rejected);
    assert_eq!((quality.outcomes.read, quality.outcomes.rejected), (20_000, 60 + 190 + 144 + 2_526));
    assert_eq!(quality.patients_without_dynamic, 3);

    let sentinels = [("Height", 1_894), ("Weight", 326), ("Gender", 3)];
    for (variable, count) in sentinels {
        assert_eq!(quality.count_of(Reason::Sentinel, variable), count, "{variable}");
    }
    assert_eq!(sentinels.iter().map(|(_, count)| count).sum::<u64>(), 2_223);
    assert_eq!(quality.count_of(Reason::Sentinel, "Length_of_stay"), 60);
    assert_eq!(quality.count(Reason::OutOfRange), 2_227);
    assert_eq!(quality.count(Reason::Clamped), 209);
    assert_eq!(quality.conflicting_repeats.values().sum::<u64>(), 3_730);

    for (variable, removed, clamped) in [
        ("HR", 11, 2),
        ("RespRate", 59, 4),
        ("Temp", 129, 1),
        ("SysABP", 689, 5),
        ("NISysABP", 178, 3),
        ("DiasABP", 684, 9),
        ("NIDiasABP", 103, 3),
        ("MAP", 63, 109),
        ("NIMAP", 45, 1),
        ("SaO2", 0, 1),
        ("Urine", 0, 68),
        ("Weight", 235, 0),
        ("pH", 11, 0),
        ("PaO2", 2, 0),
        ("PaCO2", 1, 0),
        ("K", 1, 2),
        ("BUN", 0, 1),
        ("Height", 16, 0),
        ("GCS", 0, 0),
        ("FiO2", 0, 0),
    ] {
        assert_eq!(quality.count_of(Reason::OutOfRange, variable), removed, "{variable} removed");
        assert_eq!(quality.count_of(Reason::Clamped, variable), clamped, "{variable} clamped");
    }
}

/// S-12, S-14, S-19 on real stays. Expected: pandas 3.1.1, without this crate (agg mean, std, first, last;
/// slope by centred sums; values before 42:00; medians of the 4,000 stays where missing).
#[test]
fn features_of_set_a_equal_pandas() {
    let Some(table) = real() else { return };
    let fitted = Featurizer::new(SeriesParams::icu()).unwrap().fit(&table).unwrap();
    let matrix = fitted.transform(&table).unwrap();
    let schema = matrix.schema();
    let x = matrix.features();
    let check = |patient: &str, feature: &str, expected: f64| {
        let row = matrix.patients().iter().position(|p| p == patient).unwrap();
        let got = x.row(row)[schema.position(feature).unwrap()];
        assert!((got - expected).abs() <= 1e-11 * expected.abs(), "{patient} {feature}: {got}, {expected}");
    };
    for (patient, feature, expected) in [
        ("132539", "HR.mean", 69.911_764_705_882_35),
        ("132539", "HR.std", 8.218_116_156_095_645),
        ("132539", "HR.slope", 0.316_614_604_990_726_86),
        ("132539", "HR.count", 34.0),
        ("132539", "Temp.last", 37.9),
        ("132539", "GCS.first", 15.0),
        ("132539", "Urine.hours_since_last", 0.383_333_333_333_332_86),
        ("132539", "NISysABP.min", 96.0),
        ("132539", "MechVent.mean", 0.0), // never ventilated, not imputed
        ("132539", "Height", 170.2),      // recorded as -1: median
        ("132540", "MAP.slope", 0.108_064_149_410_299_74),
        ("132540", "SysABP.max", 138.0),
        ("132540", "MechVent.count", 5.0),
        ("132540", "Lactate.mean", 1.9),
        ("140501", "HR.mean", 86.340_425_531_914_89), // no measurement at all: medians
        ("140501", "MAP.std", 10.692_403_158_567_062),
        ("140501", "HR.count", 0.0),
        ("140501", "Age", 31.0),
    ] {
        check(patient, feature, expected);
    }
    for (feature, expected) in [
        ("HR.mean", 87.174_985_334_599_54),
        ("HR.slope", -0.028_009_582_991_605_827),
        ("Temp.std", 0.587_714_367_742_651_6),
        ("Urine.mean", 132.117_780_965_435_77),
        ("MechVent.mean", 0.625_75),
        ("SaO2.missing", 0.564_75),
        ("Weight", 81.243_69),
        ("Platelets.hours_since_last", 9.189_591_666_666_667),
    ] {
        let column = schema.position(feature).unwrap();
        let mean = x.rows().map(|row| row[column]).sum::<f64>() / x.n_samples() as f64;
        assert!((mean - expected).abs() <= 1e-11 * expected.abs(), "{feature}: {mean}, {expected}");
    }
    let mean_target = mean_known(matrix.targets().unwrap());
    assert!((mean_target - 86.533_539_088_300_56).abs() < 1e-9, "{mean_target}");
    let targets = matrix.targets().unwrap();
    assert_eq!(targets.iter().filter(|target| !target.is_nan()).count(), 3_886);
    let los = matrix.resources().next().unwrap();
    assert_eq!((los.0.name(), los.1.to_string().as_str()), ("length_of_stay", "days"));
    assert_eq!(los.2.iter().filter(|days| days.is_nan()).count(), 60);
    let dropped: Vec<&str> = fitted.dropped_columns().iter().map(|column| column.feature.as_str()).collect();
    assert_eq!(dropped, ["MechVent.std", "MechVent.slope"]); // only ever 1
}

#[test]
fn a_stay_is_read_with_statics_series_and_times_beyond_a_day() {
    let stay = "Time,Parameter,Value\n00:00,RecordID,7\n00:00,Weight,80\n27:37,Weight,81\n48:00,HR,90\n";
    let table = read(&archive(&[("set-x/7.txt", stay.as_bytes())])).unwrap();
    assert_eq!(value(&table, "7", "Weight"), Some(80.0));
    let weight = table.variable("Weight").unwrap();
    // S-08: the value at 00:00 is the static one, later ones are the series.
    assert_eq!(table.series(PatientIx(0), weight), (&[(27 * 60 + 37) * 60_000][..], &[81.0][..]));
    assert_eq!(table.series(PatientIx(0), table.variable("HR").unwrap()).0, [48 * 3_600_000]);
}

#[test]
fn minus_one_is_a_missing_static() {
    let table = read(&archive(&[("1.txt", STAY.as_bytes())])).unwrap();
    assert_eq!((value(&table, "1", "Age"), value(&table, "1", "Weight")), (Some(54.0), None));
    assert_eq!(table.quality().count_of(Reason::Sentinel, "Weight"), 1);
}

#[test]
fn archive_folder_and_extracted_stays_read_alike_with_their_outcomes() {
    let root = std::env::temp_dir().join(format!("tsc-series-{}", std::process::id()));
    let stays = root.join("set-x");
    std::fs::create_dir_all(&stays).unwrap();
    let outcomes =
        "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death\n1,6,1,5,-1,0\n9,6,1,5,-1,0\n";
    std::fs::write(root.join("Outcomes-x.txt"), outcomes).unwrap();
    std::fs::write(stays.join("1.txt"), STAY).unwrap();
    let of = |path: &Path| SeriesTable::read(Source::Path(path), &spec()).unwrap();
    let from_stays = of(&stays);
    let from_folder_of_stays = of(&root);
    std::fs::write(root.join("set-x.tar.gz"), archive(&[("set-x/1.txt", STAY.as_bytes())])).unwrap();
    let from_folder = of(&root);
    let from_archive = of(&root.join("set-x.tar.gz"));
    let missing = SeriesTable::read(Source::Path(&root.join("set-y.tar.gz")), &spec()).unwrap_err();
    std::fs::remove_dir_all(&root).unwrap();

    assert_eq!(value(&from_archive, "1", "Length_of_stay"), Some(5.0));
    assert_eq!(value(&from_archive, "1", "Survival"), None);
    // An outcome of a stay that is not there is counted, once per outcome.
    assert_eq!(from_archive.quality().count(Reason::NoPatient), 5);
    assert_eq!(from_folder, from_archive);
    assert_eq!(from_stays, from_archive);
    assert_eq!(from_folder_of_stays, from_archive);
    assert_eq!(missing.code(), "TSC-DAT-101");
}

/// S-26: every structural fault names archive, member, line and text.
#[test]
fn structural_faults_name_their_place() {
    let stay = |content: &[u8]| archive(&[("set-x/1.txt", content)]);
    refuse(
        &stay(b"Time,Parameter,Value\n00:00,RecordID,1\n00:07,HR\n"),
        "TSC-DAT-106",
        "set-x.tar.gz, member set-x/1.txt, line 3 has 2 fields, the header has 3: \"00:07,HR\"",
    );
    refuse(
        &stay(b"Time,Parameter,Value\n00:00,RecordID,1\n00:07,H\xffR,70\n"),
        "TSC-DAT-107",
        "set-x.tar.gz, member set-x/1.txt, line 3, column Parameter is not UTF-8: \"H\u{fffd}R\"",
    );
    refuse(
        &stay(b"Time,Param,Value\n00:00,RecordID,1\n"),
        "TSC-DAT-105",
        "set-x.tar.gz, member set-x/1.txt has no column \"Parameter\", the nearest is \"Param\"",
    );
    refuse(
        &stay(b"Time,Parameter,Value\n00:00,RecordID,2\n"),
        "TSC-DAT-108",
        "set-x.tar.gz, member set-x/1.txt: the RecordID differs from the file name: \"2\"",
    );
    refuse(
        &archive(&[("a/1.txt", STAY.as_bytes()), ("b/1.txt", STAY.as_bytes())]),
        "TSC-DAT-108",
        "set-x.tar.gz, member b/1.txt: this stay was read before: \"1\"",
    );
    refuse(&archive(&[]), "TSC-DAT-109", "set-x.tar.gz holds no patient");
    refuse(
        &archive(&[("readme.md", b"x"), ("Outcomes-x.txt", b"y")]),
        "TSC-DAT-109",
        "set-x.tar.gz holds no patient",
    );
}

#[test]
fn an_offending_text_is_cut_after_32_characters() {
    let row = format!("Time,Parameter,Value\n{}\n", "x".repeat(500));
    let error = read(&archive(&[("1.txt", row.as_bytes())])).unwrap_err().to_string();
    assert!(error.ends_with(&format!(": \"{}\"", "x".repeat(32))), "{error}");
}

#[test]
fn a_cut_archive_is_damaged_wherever_it_is_cut() {
    let noise: String =
        (0..4_000).map(|i: u64| format!("00:01,HR,{}\n", i.wrapping_mul(2_654_435_761) % 997)).collect();
    let whole =
        archive(&[("1.txt", STAY.as_bytes()), ("2.txt", (STAY.replace(",1\n", ",2\n") + &noise).as_bytes())]);
    assert!(read(&whole).is_ok());
    for cut in (0..whole.len()).step_by(97) {
        let error = read(&whole[..cut]).expect_err("a part is not the whole");
        assert!(matches!(error.code(), "TSC-DAT-103" | "TSC-DAT-109"), "cut at {cut}: {error}");
    }
    assert_eq!(read(b"not an archive").unwrap_err().code(), "TSC-DAT-103");
    assert_eq!(read(&gzip(b"not a tar")).unwrap_err().code(), "TSC-DAT-103");
}

/// S-07: paths are labels, nothing outside is touched.
#[test]
fn names_that_climb_out_are_labels_only() {
    let table = read(&archive(&[("../../1.txt", STAY.as_bytes())])).unwrap();
    assert_eq!(table.patients(), ["1"]);
    assert!(!Path::new("../../1.txt").exists());
}

/// S-07: entry size, total and ratio are errors.
#[test]
fn limits_are_errors_that_name_the_bound() {
    let with = |limits: Limits, bytes: &[u8]| {
        let spec = TableSpec { limits, ..spec() };
        SeriesTable::read(Source::Bytes { name: "set-x.tar.gz", bytes }, &spec).unwrap_err()
    };
    let small = archive(&[("1.txt", STAY.as_bytes())]);
    let entry = with(Limits { entry_bytes: 10, ..Limits::default() }, &small);
    check_error(&entry, "TSC-DAT-104", "set-x.tar.gz, member 1.txt has a size in bytes of more than 10");
    let total = with(Limits { total_bytes: 1_000, ..Limits::default() }, &small);
    check_error(&total, "TSC-DAT-104", "set-x.tar.gz has an unpacked size in bytes of more than 1000");

    // 32 MB of one repeated row in about 32 kB.
    let bomb = "00:01,HR,70\n".repeat(2_700_000);
    let packed = archive(&[("1.txt", format!("{STAY}{bomb}").as_bytes())]);
    assert!(packed.len() < 160_000);
    let ratio = with(Limits::default(), &packed);
    check_error(&ratio, "TSC-DAT-104", "set-x.tar.gz has an unpacked size over packed size of more than 200");
}

#[test]
fn a_header_that_claims_a_huge_entry_allocates_nothing() {
    let mut header = tar::Header::new_gnu();
    header.set_path("1.txt").unwrap();
    header.set_size(1 << 40);
    header.set_cksum();
    let packed = gzip(header.as_bytes());
    assert_eq!(read(&packed).unwrap_err().code(), "TSC-DAT-104");
    header.set_size(50_000_000);
    header.set_cksum();
    assert_eq!(read(&gzip(header.as_bytes())).unwrap_err().code(), "TSC-DAT-103");
}

/// S-26: random bytes and random damage never panic.
#[test]
fn random_bytes_and_damage_never_panic() {
    let mut rng = fastrand::Rng::with_seed(7);
    let whole = archive(&[("1.txt", STAY.as_bytes())]);
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..rng.usize(0..300)).map(|_| rng.u8(..)).collect();
        assert!(read(&bytes).is_err());
        assert!(read(&gzip(&bytes)).is_err());
        let in_member = read(&archive(&[("1.txt", &bytes)]));
        assert!(in_member.is_err(), "random bytes have no header");
        let mut damaged = whole.clone();
        let at = rng.usize(0..damaged.len());
        damaged[at] ^= 1 << rng.u8(0..8);
        // Damage to a gzip header field may go unseen; a wrong content may not.
        if let Ok(table) = read(&damaged) {
            assert_eq!(table.patients(), ["1"]);
        }
        let mut content = STAY.as_bytes().to_vec();
        let at = rng.usize(0..content.len());
        content[at] = rng.u8(..);
        if let Ok(table) = read(&archive(&[("1.txt", &content)])) {
            let rows = table.quality().rows;
            assert_eq!(rows.read, rows.used + rows.rejected);
        }
    }
}
