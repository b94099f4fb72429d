use tsc_core::RunStatus;

use super::*;
use crate::op::Metric;

fn run() -> NewRun {
    NewRun {
        key: "0123456789abcdef0123456789abcdef".into(),
        experiment: "E".into(),
        note: String::new(),
        parent: None,
        name: "Pipeline".into(),
        start_time: 7,
        user: "u".into(),
        source: "s".into(),
    }
}

fn metric(step: i64) -> Op {
    Op::Metrics { at: 1_000 + step, step, values: vec![Metric { key: "m".into(), value: 0.1 }] }
}

// The check value of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms.
#[test]
fn crc32_has_the_published_check_value() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}

#[test]
fn what_is_not_acknowledged_comes_back_after_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::new(folder.path(), "http://h");
    let mut spooled = spool.begin(&run()).unwrap();
    spooled.append(&mut Op::Start).unwrap();
    let sent = spooled.append(&mut metric(1)).unwrap();
    spooled.append(&mut metric(2)).unwrap();
    let mut artifact = Op::Artifact { path: "a.txt".into(), content: Blob::Bytes(b"hello"[..].into()) };
    spooled.append(&mut artifact).unwrap();
    spooled.acknowledge(sent).unwrap();
    assert!(spool.orphans().is_empty(), "a run whose process lives is left alone");
    drop(spooled);

    let orphans = spool.orphans();
    assert_eq!(orphans.len(), 1);
    let orphan = &orphans[0];
    assert_eq!((&orphan.run, orphan.weight, orphan.ended, orphan.last_stamp), (&run(), 2, false, 1_002));
    let ops = orphan.spooled.unsent(1_000).unwrap();
    assert_eq!(ops[0].0, metric(2));
    let Op::Artifact { content, .. } = &ops[1].0 else { panic!("the artifact is the last operation") };
    assert_eq!(&content.read().unwrap()[..], b"hello");
    assert!(
        Spool::new(folder.path(), "http://other").orphans().is_empty(),
        "another server's spool is not ours"
    );
}

#[test]
fn a_torn_or_damaged_record_ends_the_replay_and_keeps_what_is_before() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::new(folder.path(), "http://h");
    let mut spooled = spool.begin(&run()).unwrap();
    spooled.append(&mut metric(1)).unwrap();
    let path = spooled.folder.join("records.jsonl");
    drop(spooled);
    let whole = std::fs::read(&path).unwrap();

    let mut torn = whole.clone();
    torn.extend_from_slice(b"0000 {\"op\":{\"met");
    let mut flipped = whole.clone();
    flipped.extend_from_slice(&whole[whole.iter().position(|b| *b == b'\n').unwrap() + 1..]);
    let last = flipped.len() - 5;
    flipped[last] ^= 1;
    for damaged in [torn, flipped] {
        std::fs::write(&path, &damaged).unwrap();
        let mut orphan = spool.orphans().pop().unwrap();
        assert_eq!(orphan.spooled.unsent(10).unwrap().len(), 1);
        orphan.spooled.append(&mut Op::Finish { status: RunStatus::Failed, at: 9 }).unwrap();
        assert_eq!(orphan.spooled.unsent(10).unwrap().len(), 2, "the next record is readable");
        drop(orphan);
        assert!(spool.orphans()[0].ended);
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_spool() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let spooled = Spool::new(folder.path(), "http://h").begin(&run()).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&spooled.folder), 0o700);
    assert_eq!(mode(&spooled.folder.join("records.jsonl")), 0o600);
}
