use tsc_core::{
    Error, ErrorKind, Features, HealthStatus, Predictions, RetrainOutcome, Signal, Stage, Timestamp,
};

use super::stream::{Batch, Stream, binomial, failure};
use crate::{BatchView, Metric, MetricQuery};

/// F-23: an error that is observed once is counted once.
#[test]
fn f23_every_error_is_counted_once() {
    let mut stream = Stream::clean();
    stream.push(Batch::default());
    stream.fail();
    stream.fail();
    let training = Error::new(ErrorKind::Training, Stage::TimeSeriesModel, "TSC-MOD-001", "no row");
    stream.monitor.observe_failed_retrain(&training, Timestamp(5));
    let stats = stream.monitor.error_stats();
    assert_eq!((stats.total, stats.recovered), (3, 0));
    assert_eq!(
        stats.by_kind.into_iter().collect::<Vec<_>>(),
        [(ErrorKind::Training, 1), (ErrorKind::Prediction, 2)]
    );
    assert_eq!(stats.by_stage[&Stage::Clustering], 2);
    stream.push(Batch::default());
    assert_eq!(stream.monitor.error_stats().recovered, 3);
    let last = stream.monitor.recent_errors().last().unwrap();
    assert_eq!((last.code.as_str(), last.message.as_str(), last.at), ("TSC-MOD-001", "no row", Timestamp(5)));
    stream.monitor.clear_errors();
    assert_eq!(stream.monitor.error_stats().total, 0);
    assert_eq!(stream.monitor.recent_errors().len(), 0);
}

/// Trap 1, F-08: the fallback names a cluster for every row here, and the noise is still counted.
#[test]
fn noise_is_counted_before_the_fallback() {
    let mut stream = Stream::clean();
    stream.push(Batch::noisy(58));
    assert_eq!(stream.monitor.metrics(MetricQuery::all(Metric::NoiseRatio))[0].value, 0.29);
}

/// F-26: noise .10 to .25 over 3,000 batches is found before it reaches .17.
#[test]
fn f26_a_slow_trend_is_found_before_the_ratio_reaches_17_percent() {
    for seed in 0..5 {
        let mut stream = Stream::new(super::stream::params(), 0.10);
        stream.rng.seed(seed);
        let found = (0..3_000_u32).find(|&i| {
            let p = 0.10 + 0.15 * f64::from(i) / 3_000.0;
            let noise = binomial(&mut stream.rng, 200, p);
            let verdict = stream.push(Batch::noisy(noise));
            verdict.alerts.iter().any(|e| e.signal == Signal::NoiseRatioTrend)
        });
        let ratio = 0.10 + 0.15 * f64::from(found.unwrap()) / 3_000.0;
        assert!((0.14..0.17).contains(&ratio), "found at {ratio}");
    }
}

/// F-27: a pipeline of which every batch fails is critical, from the first one on.
#[test]
fn f27_all_batches_failing_is_critical() {
    let mut stream = Stream::clean();
    assert_eq!(stream.monitor.status(stream.now()), HealthStatus::Unknown);
    stream.fail();
    let health = stream.monitor.health(stream.now());
    assert_eq!((health.status, health.live, health.ready), (HealthStatus::Critical, true, false));
    (0..99).for_each(|_| stream.fail());
    assert_eq!(stream.monitor.status(stream.now()), HealthStatus::Critical);
    stream.many(50, Batch::default());
    assert_eq!(stream.monitor.status(stream.now()), HealthStatus::Healthy);
}

#[test]
fn a_batch_that_cannot_be_observed_changes_nothing() {
    let mut stream = Stream::clean();
    stream.push(Batch::default());
    let before = stream.monitor.state();
    let values = [1.0, 2.0, 3.0, 4.0];
    let predictions = Predictions::unavailable(3);
    let view = |n_features| BatchView {
        sequence: 2,
        model_version: 1,
        x: Features::new(&values, n_features).unwrap(),
        predictions: &predictions,
        scores: None,
        n_rejected: 0,
        seconds: 0.1,
        memory_mib: None,
    };
    let wide = stream.monitor.observe(&view(4), Timestamp(0)).unwrap_err();
    assert_eq!(wide.to_string(), "batch has 4 features, the model was fitted on 2");
    let short = stream.monitor.observe(&view(2), Timestamp(0)).unwrap_err();
    assert_eq!(short.to_string(), "density_labels has 3 entries, the batch has 2 rows");
    assert_eq!(short.code(), "TSC-MON-004");
    assert_eq!(stream.monitor.state(), before);
}

#[test]
fn a_replayed_batch_changes_nothing() {
    let mut stream = Stream::clean();
    stream.push(Batch::noisy(200));
    let before = stream.monitor.state();
    stream.sequence -= 1;
    let verdict = stream.push(Batch::noisy(200));
    assert!(verdict.repeated && verdict.alerts.is_empty());
    assert_eq!(stream.monitor.state(), before);
}

#[test]
fn errors_of_the_same_call_do_not_count_as_a_failed_batch_when_they_are_a_retrains() {
    let mut stream = Stream::clean();
    stream.many(20, Batch::default());
    for failures in 1..=3 {
        stream.monitor.observe_failed_retrain(&failure(), stream.now());
        let expected = if failures < 3 { HealthStatus::Warning } else { HealthStatus::Critical };
        assert_eq!(stream.monitor.status(stream.now()), expected);
    }
    stream.monitor.observe_retrain(RetrainOutcome::Promoted, stream.now());
    assert_eq!(stream.monitor.status(stream.now()), HealthStatus::Healthy);
    stream.monitor.observe_retrain(RetrainOutcome::Rejected, stream.now());
    assert_eq!(stream.monitor.status(stream.now()), HealthStatus::Warning);
}
