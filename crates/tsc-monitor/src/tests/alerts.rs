use tsc_core::{AlertChange, AlertEvent, Severity, Signal};

use super::stream::{Batch, Stream, params, reference};
use crate::alert::{AlertState, Limits};
use crate::{Monitor, MonitorParams, Threshold, Thresholds};

fn events(values: &[f64]) -> Vec<(usize, AlertChange, f64)> {
    let mut alert = AlertState::default();
    let limits = Limits::new((0.24, 0.3));
    let step =
        |(i, &value)| alert.step(value, &limits).map(|t: crate::alert::Transition| (i, t.change, t.limit));
    values.iter().enumerate().filter_map(step).collect()
}

#[track_caller]
fn check(values: &[f64], expected: &[(usize, AlertChange, f64)]) {
    assert_eq!(events(values), expected);
}

const CLEAR: f64 = 0.7 * 0.24;

/// Trap 17: the event names the limit that was crossed.
#[test]
fn two_of_three_windows_fire_and_critical_fires_at_once() {
    use AlertChange::{Escalated, Firing, Resolved};
    check(&[0.25, 0.1, 0.1, 0.25], &[]);
    check(&[0.25, 0.1, 0.25], &[(2, Firing, 0.24)]);
    check(&[0.3], &[(0, Firing, 0.3)]);
    check(&[0.2, 0.24, 0.24], &[(2, Firing, 0.24)]); // trap 6: reached at >=
    check(&[0.25, 0.25, 0.31, 0.25, 0.31], &[(1, Firing, 0.24), (2, Escalated, 0.3)]);
    check(&[0.3, 0.1, 0.1, 0.1], &[(0, Firing, 0.3), (3, Resolved, CLEAR)]);
    check(&[0.3, 0.1, 0.1, 0.2, 0.1, 0.1], &[(0, Firing, 0.3)]);
    check(&[0.3, 0.1, 0.1, 0.1, 0.25, 0.1, 0.1], &[(0, Firing, 0.3), (3, Resolved, CLEAR)]);
}

#[test]
fn a_value_that_swings_around_a_limit_makes_at_most_two_transitions() {
    for limit in [0.24, 0.3, CLEAR] {
        let swing: Vec<f64> =
            (0..1_000).map(|i| if i % 2 == 0 { limit + 0.01 } else { limit - 0.01 }).collect();
        assert!(events(&swing).len() <= 2, "{limit}");
        let mut rng = fastrand::Rng::with_seed(3);
        let jitter: Vec<f64> = (0..1_000).map(|_| limit + 0.02 * (rng.f64() - 0.5)).collect();
        assert!(events(&jitter).len() <= 2, "{limit}");
    }
    assert!(!events(&[0.25; 3]).is_empty());
}

fn signals(events: &[AlertEvent]) -> Vec<(Signal, AlertChange, Severity)> {
    events.iter().map(|e| (e.signal.clone(), e.change, e.severity)).collect()
}

fn kept(stream: &Stream) -> Vec<AlertEvent> {
    stream.monitor.alerts().cloned().collect()
}

/// F-25: one step of drift is one firing and one resolved event, whatever else drifts with it.
#[test]
fn f25_one_step_of_drift_is_one_firing_and_one_resolved_event() {
    for (rows, shift, rmse) in
        [(200, 0.0, None), (200, 4.0, Some(3.0)), (50, 4.0, Some(3.0)), (1_000, 4.0, None)]
    {
        let mut stream = Stream::clean();
        let clean = Batch { rows, noise: rows as u64 / 20, rmse: rmse.map(|_| 1.0), ..Batch::default() };
        stream.many(30, clean);
        let first = stream.push(Batch { noise: rows as u64, shift, rmse, ..clean });
        assert_eq!(first.alerts.len(), 1);
        let event = &first.alerts[0];
        assert_eq!((event.value, event.limit, event.n, event.batch), (1.0, 0.3, rows as u64, 31));
        assert_eq!((event.at, event.model_version), (stream.now(), 1));
        stream.many(9, Batch { noise: rows as u64, shift, rmse, ..clean });
        stream.many(60, clean);
        use AlertChange::{Firing, Resolved};
        let both = [Firing, Resolved].map(|change| (Signal::NoiseRatio, change, Severity::Critical));
        assert_eq!(signals(&kept(&stream)), both, "{rows} rows");
        assert_eq!(kept(&stream)[1].batch, 43);
        assert_eq!(stream.monitor.firing(), 0);
    }
}

#[test]
fn drift_without_noise_fires_its_own_alert() {
    let mut stream = Stream::clean();
    stream.many(10, Batch::default());
    stream.many(30, Batch { shift: 0.5, ..Batch::default() });
    stream.many(60, Batch::default());
    let both =
        [AlertChange::Firing, AlertChange::Resolved].map(|c| (Signal::FeatureDrift, c, Severity::Warning));
    assert_eq!(signals(&kept(&stream)), both);
}

#[test]
fn a_loss_that_rises_fires_and_names_the_smallest_rise() {
    let mut stream = Stream::clean();
    stream.many(20, Batch { rmse: Some(1.0), ..Batch::default() });
    let verdicts = stream.many(10, Batch { rmse: Some(1.5), ..Batch::default() });
    let finding = verdicts.iter().flat_map(|v| &v.findings).next().unwrap();
    assert_eq!((finding.signal.clone(), finding.limit), (Signal::PerformanceDegradation, 0.1));
    assert!(finding.value >= 0.1 && finding.p_value.unwrap() < 0.0005);
    // All ten batches are at 1.5: the rise is 0.5 by definition.
    let last = verdicts[9].findings.last().unwrap();
    assert!((last.value - 0.5).abs() < 1e-12);
    assert_eq!(last.since, Some(21));
    assert_eq!(signals(&kept(&stream))[0].0, Signal::PerformanceDegradation);
}

/// F-24, one outcome a key: what the batch does under the default and under another value.
#[test]
fn f24_every_threshold_key_changes_an_outcome() {
    #[track_caller]
    fn check(signal: Signal, table: &str, value: &str, batch: Batch, fires_by_default: bool) {
        let key = signal.to_string();
        let fires = |params: MonitorParams| {
            let mut stream = Stream::new(params, 0.05);
            let verdicts = stream.many(10, batch);
            verdicts.iter().flat_map(|v| &v.alerts).any(|event| event.signal == signal)
        };
        assert_eq!(fires(params()), fires_by_default, "{key} by default");
        let set: MonitorParams =
            serde_json::from_str(&format!(r#"{{"{table}": {{"{key}": {value}}}}}"#)).unwrap();
        assert_eq!(fires(set.resolve(0.3)), !fires_by_default, "{key} = {value}");
    }
    use Signal::{MemoryUsage, NoiseRatio, NoiseRatioTrend, PerformanceDegradation, ProcessingTime};
    let alert = "alert_thresholds";
    check(NoiseRatio, alert, "0.9", Batch::noisy(60), true);
    check(NoiseRatio, alert, "{\"warning\": 0.4, \"critical\": 0.9}", Batch::noisy(60), true);
    check(ProcessingTime, alert, "0.05", Batch::default(), false);
    check(ProcessingTime, alert, "20", Batch { seconds: 6.0, ..Batch::default() }, true);
    check(MemoryUsage, alert, "1000", Batch { memory_mib: Some(1100.0), ..Batch::default() }, false);
    let drift = "drift_thresholds";
    check(NoiseRatioTrend, drift, "0.15", Batch::noisy(30), true);
    check(PerformanceDegradation, drift, "0.5", Batch { rmse: Some(1.3), ..Batch::default() }, true);
}

#[test]
fn a_flat_threshold_stands_for_the_levels_of_its_key() {
    #[track_caller]
    fn check(key: &str, v: f64, batch: fn(f64) -> Batch, warning: f64, critical: f64) {
        let at = |value: f64| {
            let json = format!(r#"{{"alert_thresholds": {{"{key}": {v}}}}}"#);
            let mut stream =
                Stream::new(serde_json::from_str::<MonitorParams>(&json).unwrap().resolve(0.3), 0.0);
            let verdicts = stream.many(2, batch(value));
            let events = verdicts.iter().flat_map(|x| &x.alerts).filter(|e| e.signal.to_string() == key);
            events.map(|e| (e.severity, e.limit)).next()
        };
        assert_eq!(at(warning * 0.97), None, "{key}");
        assert_eq!(at(warning), Some((Severity::Warning, warning)), "{key}");
        assert_eq!(at(critical), Some((Severity::Critical, critical)), "{key}");
    }
    check("noise_ratio", 0.5, |v| Batch::noisy((v * 200.0) as u64), 0.4, 0.5);
    check("processing_time", 3.0, |v| Batch { seconds: v, noise: 0, ..Batch::default() }, 3.0, 6.0);
    check(
        "memory_usage",
        800.0,
        |v| Batch { memory_mib: Some(v), noise: 0, ..Batch::default() },
        800.0,
        1000.0,
    );
}

#[test]
fn processing_time_of_a_long_batch_is_scaled_to_batch_size() {
    let long = |rows, seconds| {
        let mut stream = Stream::clean();
        let batch = Batch { rows, noise: rows as u64 / 20, seconds, ..Batch::default() };
        stream.many(2, batch).iter().flat_map(|v| v.alerts.clone()).map(|e| e.value).next()
    };
    assert_eq!(long(4_000, 19.0), None); // 4.75 s for 1,000 rows
    assert_eq!(long(4_000, 24.0), Some(6.0));
    assert_eq!(long(500, 6.0), Some(6.0)); // a short batch is not scaled up
    assert_eq!(long(500, f64::NAN), None);
}

#[test]
fn missing_and_refused_rows_fire_at_five_percent_at_once() {
    let at_once =
        |batch: Batch| Stream::clean().push(batch).alerts.first().map(|e| (e.signal.clone(), e.limit));
    assert_eq!(at_once(Batch { unavailable: 9, ..Batch::default() }), None);
    assert_eq!(at_once(Batch { unavailable: 10, ..Batch::default() }), Some((Signal::Unavailable, 0.05)));
    assert_eq!(
        at_once(Batch { rows: 190, rejected: 10, ..Batch::default() }),
        Some((Signal::RejectedRows, 0.05))
    );
    assert_eq!(at_once(Batch { rejected: 9, ..Batch::default() }), None);
}

/// A pipeline with 90 % training noise: not alarmed by what is usual there, but by more.
#[test]
fn held_out_noise_raises_the_noise_limit() {
    for rows in [50, 200, 1_000] {
        let mut stream = Stream::new(params(), 0.9);
        for _ in 0..500 {
            let noise = super::stream::binomial(&mut stream.rng, rows, 0.9);
            let verdict = stream.push(Batch { rows: rows as usize, noise, ..Batch::default() });
            assert_eq!(verdict.alerts, [], "{rows} rows, {noise} noise");
        }
    }
    let mut stream = Stream::new(params(), 0.9);
    let event = &stream.push(Batch::noisy(200)).alerts[0];
    // min(0.9 + 0.1, (1 + 0.9) / 2).
    assert_eq!((event.signal.clone(), event.limit), (Signal::NoiseRatio, 0.95));
    stream.many(3, Batch::noisy(180));
    assert_eq!(stream.monitor.firing(), 0);

    let limit = |noise| Stream::new(params(), noise).push(Batch::noisy(200)).alerts[0].limit;
    assert_eq!(limit(0.1), 0.3);
    assert_eq!(limit(0.25), 0.35);
    assert_eq!(
        Stream::new(params(), 1.0).many(9, Batch::noisy(200)).iter().map(|v| v.alerts.len()).sum::<usize>(),
        0
    );
}

#[test]
fn thresholds_change_while_running_and_a_broken_one_changes_nothing() {
    let mut stream = Stream::clean();
    let before = stream.monitor.params().clone();
    let broken = |json: &str| serde_json::from_str::<Thresholds>(json).unwrap();
    for (json, message) in [
        (
            r#"{"alert_thresholds": {"noise_ratio": 1.5}}"#,
            "alert_thresholds.noise_ratio is 1.5, must be at most 1",
        ),
        (
            r#"{"alert_thresholds": {"processing_time": -1}}"#,
            "alert_thresholds.processing_time is -1, must be finite and at least 0",
        ),
        (
            r#"{"alert_thresholds": {"memory_usage": {"warning": 2, "critical": 1}}}"#,
            "alert_thresholds.memory_usage.warning is 2, must be at most critical, 1",
        ),
        (
            r#"{"drift_thresholds": {"noise_ratio_trend": -0.1}}"#,
            "drift_thresholds.noise_ratio_trend is -0.1, must be finite and at least 0",
        ),
    ] {
        let error = stream.monitor.set_thresholds(broken(json)).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), ("TSC-MON-001", message));
    }
    let mut nan = Thresholds::default();
    nan.drift_thresholds.performance_degradation = Threshold::Flat(f64::NAN);
    assert!(
        stream
            .monitor
            .set_thresholds(nan)
            .unwrap_err()
            .to_string()
            .contains("performance_degradation is NaN")
    );
    assert_eq!(stream.monitor.params(), &before);

    assert!(stream.push(Batch { seconds: 4.0, ..Batch::default() }).alerts.is_empty());
    stream.monitor.set_thresholds(broken(r#"{"alert_thresholds": {"processing_time": 2}}"#)).unwrap();
    assert_eq!(stream.push(Batch { seconds: 4.0, ..Batch::default() }).alerts[0].limit, 4.0);
    // The noise alert was not named: the resolved one holds.
    assert_eq!(stream.monitor.params().alert_thresholds.noise_ratio, before.alert_thresholds.noise_ratio);
}

#[test]
fn unknown_keys_are_refused() {
    for json in
        [r#"{"noise": 1}"#, r#"{"alert_thresholds": {"noise": 1}}"#, r#"{"drift_thresholds": {"x": 1}}"#]
    {
        assert!(serde_json::from_str::<MonitorParams>(json).is_err(), "{json}");
    }
    let levels = r#"{"alert_thresholds": {"noise_ratio": {"warning": 0.1, "critical": 0.2, "fatal": 0.3}}}"#;
    let error = serde_json::from_str::<MonitorParams>(levels).unwrap_err();
    assert!(error.to_string().contains("fatal"), "{error}");
}

#[test]
fn every_parameter_outside_its_bound_is_named() {
    let json = r#"{"health_window": 0, "health_interval": "0s", "metric_history": 0, "alert_history": 0,
        "error_history": 2000000, "batch_history": 0}"#;
    let params: MonitorParams = serde_json::from_str(json).unwrap();
    let paths: Vec<String> = params.check().into_iter().map(|v| v.path).collect();
    let keys = [
        "health_window",
        "metric_history",
        "alert_history",
        "error_history",
        "batch_history",
        "health_interval",
    ];
    assert_eq!(paths, keys);
    assert_eq!(Monitor::new(params, reference(0.0), 10).unwrap_err().code(), "TSC-MON-001");
    assert_eq!(Monitor::new(MonitorParams::default(), reference(0.0), 0).unwrap_err().code(), "TSC-MON-005");
    let defaults = MonitorParams::default();
    let json = serde_json::to_string(&defaults).unwrap();
    assert_eq!(serde_json::from_str::<MonitorParams>(&json).unwrap(), defaults);
}

#[test]
fn the_summary_counts_events_since_a_time_and_what_fires_now() {
    let mut params = params();
    params.alert_history = 3;
    let mut stream = Stream::new(params, 0.05);
    for _ in 0..2 {
        stream.push(Batch::noisy(200));
        stream.many(3, Batch::default());
    }
    let since = stream.now();
    stream.push(Batch { seconds: 50.0, ..Batch::default() });
    let all = stream.monitor.alert_summary(tsc_core::Timestamp(0));
    assert_eq!((all.total, all.dropped), (3, 2));
    let last = stream.monitor.alert_summary(since);
    assert_eq!(last.total, 2); // the second resolved, and processing time
    assert_eq!(last.by_signal["processing_time"], 1);
    assert_eq!(last.by_severity[&Severity::Critical], 2);
    assert_eq!(last.firing.len(), 1);
    assert_eq!((last.firing[0].signal.clone(), last.firing[0].since_batch), (Signal::ProcessingTime, 9));
}
