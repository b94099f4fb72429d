use tsc_core::{DeploymentStage, RunStatus};

use super::record::crc32;
use super::*;
use crate::deployment::Deployment;
use crate::op::{Blob, Point};

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
    Op::Metrics(vec![Point { key: "m".into(), value: 0.1, at: 1_000 + step, step }])
}

fn spool(folder: &Path, limit: u64) -> Spool {
    Spool::new(&folder.join("spool"), "http://h", limit)
}

const ROOMY: u64 = 1 << 30;

#[track_caller]
fn only_orphan(spool: &Spool) -> Orphan {
    let (mut orphans, faults) = spool.orphans();
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!(orphans.len(), 1);
    orphans.remove(0)
}

/// The segments of the one run, oldest first.
fn segments(spool: &Spool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(spool.root.join(run().key)).unwrap().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    paths.sort();
    paths
}

// The check value of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms.
#[test]
fn crc32_has_the_published_check_value() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}

#[test]
fn what_is_not_acknowledged_comes_back_after_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let spool = spool(folder.path(), ROOMY);
    let mut spooled = spool.begin(&run()).unwrap();
    spooled.append(&mut Op::Start).unwrap();
    let sent = spooled.append(&mut metric(1)).unwrap();
    spooled.append(&mut metric(2)).unwrap();
    let mut artifact = Op::Artifact { path: "a.txt".into(), content: Blob::Bytes(b"hello"[..].into()) };
    spooled.append(&mut artifact).unwrap();
    spooled.acknowledge(sent).unwrap();
    assert!(spool.orphans().0.is_empty(), "a run whose process lives is left alone");
    drop(spooled);

    let orphan = only_orphan(&spool);
    assert_eq!((&orphan.run, orphan.weight, orphan.damaged), (&run(), 2, 0));
    assert_eq!((orphan.ended, orphan.last_stamp), (false, 1_002));
    let ops = orphan.spooled.unsent(1_000);
    assert_eq!(ops[0].0, metric(2));
    let Op::Artifact { content, .. } = &ops[1].0 else { panic!("the artifact is the last operation") };
    assert_eq!(&content.read().unwrap()[..], b"hello");
    assert!(
        Spool::new(&folder.path().join("spool"), "http://other", ROOMY).orphans().0.is_empty(),
        "another server's spool is not ours"
    );
    orphan.spooled.remove().unwrap();
    assert!(!folder.path().join("spool").exists(), "nothing is left of what was not there before");
}

#[test]
fn a_torn_record_is_dropped_and_the_next_one_is_readable() {
    let folder = tempfile::tempdir().unwrap();
    let spool = spool(folder.path(), ROOMY);
    let mut spooled = spool.begin(&run()).unwrap();
    spooled.append(&mut metric(1)).unwrap();
    drop(spooled);
    let path = &segments(&spool)[0];
    let mut torn = std::fs::read(path).unwrap();
    torn.extend_from_slice(b"0000 {\"op\":{\"met");
    std::fs::write(path, &torn).unwrap();

    let mut orphan = only_orphan(&spool);
    assert_eq!((orphan.weight, orphan.damaged), (1, 0));
    orphan.spooled.append(&mut Op::Finish { status: RunStatus::Failed, at: 9 }).unwrap();
    assert_eq!(orphan.spooled.unsent(10).len(), 2);
    drop(orphan);
    assert!(only_orphan(&spool).ended);
}

#[test]
fn every_flipped_byte_costs_its_own_record_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let spool = spool(folder.path(), ROOMY);
    let mut spooled = spool.begin(&run()).unwrap();
    let ends = [1, 2, 3].map(|step| spooled.append(&mut metric(step)).unwrap());
    drop(spooled);
    let path = &segments(&spool)[0];
    let whole = std::fs::read(path).unwrap();
    for place in usize::try_from(ends[0]).unwrap()..usize::try_from(ends[1]).unwrap() - 1 {
        let mut flipped = whole.clone();
        flipped[place] ^= 1;
        std::fs::write(path, &flipped).unwrap();
        let orphan = only_orphan(&spool);
        let steps: Vec<Op> = orphan.spooled.unsent(10).into_iter().map(|(op, _)| op).collect();
        // A byte that becomes a line break makes two bad records of one.
        assert!((1..=2).contains(&orphan.damaged), "byte {place}");
        assert_eq!((orphan.weight, steps), (2, vec![metric(1), metric(3)]), "byte {place}");
    }
}

#[test]
fn a_run_that_nobody_can_name_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let spool = spool(folder.path(), ROOMY);
    drop(spool.begin(&run()).unwrap());
    std::fs::write(spool.root.join(run().key).join("run"), "nonsense").unwrap();
    let (orphans, faults) = spool.orphans();
    assert!(orphans.is_empty() && faults[0].to_string().contains(&run().key), "{faults:?}");
    std::fs::remove_file(spool.root.join(run().key).join("run")).unwrap();
    let (orphans, faults) = spool.orphans();
    assert!(orphans.is_empty() && faults.is_empty(), "a folder that is being made or removed is no run");
}

/// A block of about 60 kB.
fn block(step: i64) -> Op {
    let point = |n: i64| Point { key: format!("metric_{n}").into(), value: 0.1, at: n, step };
    Op::Metrics((0..1_000).map(point).collect())
}

#[test]
fn segments_that_are_acknowledged_are_removed_and_the_rest_is_read_across_them() {
    let folder = tempfile::tempdir().unwrap();
    let spool = spool(folder.path(), ROOMY);
    let mut spooled = spool.begin(&run()).unwrap();
    let ends: Vec<u64> = (0..400).map(|step| spooled.append(&mut block(step)).unwrap()).collect();
    let all = segments(&spool).len();
    assert!(all >= 3, "{all} segments");
    spooled.acknowledge(ends[299]).unwrap();
    assert!(segments(&spool).len() < all);
    assert_eq!(spooled.unsent(usize::MAX).len(), 100);
    drop(spooled);
    let orphan = only_orphan(&spool);
    assert_eq!((orphan.weight, orphan.damaged), (100_000, 0));
    let ops = orphan.spooled.unsent(1_000);
    assert_eq!((ops.len(), &ops[0].0, ops[0].1), (1, &block(300), ends[300]));
}

#[test]
fn a_full_spool_refuses_metrics_and_files_and_takes_the_end_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let spool = spool(folder.path(), 100_000);
    let mut spooled = spool.begin(&run()).unwrap();
    let end = spooled.append(&mut block(0)).unwrap();
    let error = spooled.append(&mut block(1)).unwrap_err();
    assert_eq!(error.to_string(), "the spool is full, it holds 100000 bytes at most");
    let mut large = Op::Artifact { path: "a".into(), content: Blob::Bytes(vec![0; 60_000].into()) };
    assert!(spooled.append(&mut large).is_err());
    spooled.append(&mut Op::Finish { status: RunStatus::Finished, at: 9 }).unwrap();
    assert_eq!(spooled.unsent(usize::MAX).len(), 2);
    spooled.acknowledge(end).unwrap();
    spooled.remove().unwrap();
    let mut next = spool.begin(&run()).unwrap();
    next.append(&mut block(1)).unwrap();
}

#[test]
fn a_registration_waits_for_the_next_process_and_replaces_its_own_earlier_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let spool = spool(folder.path(), ROOMY);
    let deployment = |at| Deployment {
        name: "A".into(),
        model: "models:/m-0".into(),
        description: "Initial Training".into(),
        run_id: None,
        tags: vec![("k".into(), "v".into())],
        stage: DeploymentStage::Staging,
        at,
    };
    let first = spool.keep(&deployment(1)).unwrap();
    let second = spool.keep(&deployment(2)).unwrap();
    assert!(spool.deployments().is_empty(), "one whose process lives is left alone");
    drop((first, second));
    let mut kept = spool.deployments();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].deployment, deployment(2));
    spool.forget(kept.remove(0)).unwrap();
    assert!(spool.deployments().is_empty() && !folder.path().join("spool").exists());
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_spool() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let spool = spool(folder.path(), ROOMY);
    let _spooled = spool.begin(&run()).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&spool.root.join(run().key)), 0o700);
    assert_eq!(mode(&spool.root.join(run().key).join("run")), 0o600);
    assert_eq!(mode(&segments(&spool)[0]), 0o600);
}
