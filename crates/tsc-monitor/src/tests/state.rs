use std::sync::Arc;

use proptest::prelude::*;
use tsc_core::{AlertChange, Signal};

use super::stream::{Batch, Stream, params, reference};
use crate::{Monitor, MonitorState, Thresholds};

/// Trap 24: through JSON, as it is stored.
fn restarted(stream: &Stream) -> Stream {
    let json = serde_json::to_string(&stream.monitor.state()).unwrap();
    let state: MonitorState = serde_json::from_str(&json).unwrap();
    assert_eq!(state, stream.monitor.state());
    let reference = Arc::clone(stream.monitor.reference());
    let monitor = Monitor::restore(params(), reference, 1_000, state).unwrap();
    Stream { monitor, rng: stream.rng.clone(), sequence: stream.sequence }
}

fn batch() -> impl Strategy<Value = Batch> {
    let kind = (0_usize..6, 20_usize..700, 0.0..1.0_f64);
    kind.prop_map(|(kind, rows, v)| {
        let clean = Batch { rows, noise: rows as u64 / 20, ..Batch::default() };
        match kind {
            0 => Batch { noise: (v * rows as f64) as u64, ..clean },
            1 => Batch { shift: v, ..clean },
            2 => Batch { seconds: if v > 0.9 { f64::NAN } else { 12.0 * v }, ..clean },
            3 => Batch { rmse: Some(0.5 + v), ..clean },
            4 => Batch { unavailable: rows / 15, rejected: 3, memory_mib: Some(v), ..clean },
            _ => clean,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_restart_at_any_batch_changes_no_later_verdict(
        batches in proptest::collection::vec(batch(), 1..40),
        at in 0_usize..40,
        fail in 0_usize..40,
    ) {
        let (mut through, mut restart) = (Stream::clean(), Stream::clean());
        for (i, batch) in batches.into_iter().enumerate() {
            if i == at {
                restart = restarted(&restart);
            }
            if i == fail {
                through.fail();
                restart.fail();
            }
            prop_assert_eq!(through.push(batch), restart.push(batch));
        }
        prop_assert_eq!(through.monitor.state(), restart.monitor.state());
        prop_assert_eq!(through.monitor.health(through.now()), restart.monitor.health(through.now()));
    }
}

#[test]
fn a_restart_while_an_alert_fires_repeats_nothing() {
    let mut stream = Stream::clean();
    assert_eq!(stream.push(Batch::noisy(200)).alerts.len(), 1);
    let mut stream = restarted(&stream);
    assert_eq!(stream.monitor.firing(), 1);
    assert!(stream.push(Batch::noisy(200)).alerts.is_empty());
    let changes: Vec<_> = stream.many(3, Batch::default()).into_iter().flat_map(|v| v.alerts).collect();
    assert_eq!((changes.len(), changes[0].change), (1, AlertChange::Resolved));
}

#[test]
fn thresholds_set_while_running_hold_after_a_restart() {
    let mut stream = Stream::clean();
    let json = r#"{"alert_thresholds": {"processing_time": 0.05}}"#;
    stream.monitor.set_thresholds(serde_json::from_str::<Thresholds>(json).unwrap()).unwrap();
    let mut stream = restarted(&stream);
    assert_eq!(stream.push(Batch::default()).alerts[0].limit, 0.1);
}

#[test]
fn a_state_of_another_reference_or_a_damaged_one_is_refused() {
    let mut stream = Stream::clean();
    stream.push(Batch::noisy(200));
    let restore =
        |state: MonitorState, noise: f64| Monitor::restore(params(), reference(noise), 1_000, state);
    let error = restore(stream.monitor.state(), 0.06).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("TSC-MON-006", "the stored monitor state belongs to another reference")
    );
    let json = serde_json::to_value(stream.monitor.state()).unwrap();
    let damage = |pointer: &str, value: serde_json::Value| {
        let mut json = json.clone();
        *json.pointer_mut(pointer).unwrap() = value;
        serde_json::from_value::<MonitorState>(json).map(|state| restore(state, 0.05).is_err())
    };
    for (pointer, value) in [
        ("/version", 2.into()),
        ("/features/rows", 7.into()),
        ("/features/counts/0/0", u64::MAX.into()),
        ("/features/counts", serde_json::json!([])),
        ("/noise/batches/0/noise", 1_000.into()),
        ("/alerts/firing", serde_json::json!({})),
        ("/first_latencies", serde_json::json!(vec![0.1; 60])),
    ] {
        assert!(damage(pointer, value).unwrap(), "{pointer}");
    }
}

/// Trap 19: a swap raises nothing by itself, under the reference that fits the new models.
#[test]
fn a_swap_raises_no_alarm_and_every_firing_alert_is_resolved_once() {
    let mut stream = Stream::clean();
    stream.many(10, Batch::default());
    stream.many(5, Batch::noisy(70));
    assert_eq!(stream.monitor.firing(), 1);
    // The new models call 20 % noise on their own held-out rows, and 20 % of the batches.
    stream.monitor.rebase(reference(0.2));
    assert_eq!(stream.monitor.firing(), 1);
    let verdicts = stream.many(60, Batch::noisy(40));
    let events: Vec<_> = verdicts.iter().flat_map(|v| &v.alerts).collect();
    assert_eq!(events.iter().map(|e| e.change).collect::<Vec<_>>(), [AlertChange::Resolved]);
    assert!(verdicts.iter().all(|v| v.findings.is_empty()));
    assert_eq!(stream.monitor.firing(), 0);
}

#[test]
fn half_gathered_evidence_does_not_outlive_a_swap() {
    let mut stream = Stream::clean();
    assert!(stream.push(Batch::noisy(50)).alerts.is_empty());
    stream.monitor.rebase(reference(0.05));
    assert!(stream.push(Batch::noisy(50)).alerts.is_empty());
    let verdict = stream.push(Batch::noisy(50));
    assert_eq!(verdict.alerts[0].signal, Signal::NoiseRatio);
}

#[test]
fn memory_is_bounded_by_the_histories() {
    let mut params = params();
    (params.metric_history, params.alert_history, params.error_history) = (20, 20, 20);
    let mut stream = Stream::new(params, 0.05);
    let small = Batch { rows: 4, noise: 0, rmse: Some(1.0), ..Batch::default() };
    let size = |stream: &mut Stream| {
        for i in 0..600 {
            stream.push(if i % 7 < 3 { Batch { noise: 4, ..small } } else { small });
            stream.fail();
        }
        let json: serde_json::Value = serde_json::to_value(stream.monitor.state()).unwrap();
        count(&json)
    };
    // The same phase of every window, so that what is half full is equally full.
    let full = size(&mut stream);
    assert_eq!(size(&mut stream), full);
    assert!(full < 1_500, "{full} values");
}

fn count(json: &serde_json::Value) -> usize {
    match json {
        serde_json::Value::Array(items) => items.iter().map(count).sum(),
        serde_json::Value::Object(fields) => fields.values().map(count).sum(),
        _ => 1,
    }
}
