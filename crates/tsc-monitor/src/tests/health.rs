use tsc_core::{HealthStatus, Timestamp};

use super::stream::{Batch, Stream, params};
use crate::{Component, Threshold};

#[track_caller]
fn status(stream: &Stream, component: Component) -> HealthStatus {
    let health = stream.monitor.health(stream.now());
    health.components.iter().find(|c| c.component == component).unwrap().status
}

#[test]
fn a_clean_stream_is_healthy_and_so_is_one_whose_alert_was_resolved() {
    let mut stream = Stream::clean();
    for _ in 0..120 {
        stream.push(Batch::default());
        assert_eq!(stream.monitor.status(stream.now()), HealthStatus::Healthy);
    }
    stream.push(Batch::noisy(200));
    assert_eq!(stream.monitor.status(stream.now()), HealthStatus::Critical);
    stream.many(3, Batch::default());
    assert_eq!(stream.monitor.status(stream.now()), HealthStatus::Healthy);
    stream.many(2, Batch { seconds: 6.0, ..Batch::default() });
    assert_eq!(stream.monitor.status(stream.now()), HealthStatus::Warning);
}

#[test]
fn failures_are_judged_by_their_share_of_the_last_fifty_batches() {
    let after = |good: usize, failed: usize| {
        let mut stream = Stream::clean();
        stream.many(good, Batch::default());
        (0..failed).for_each(|_| stream.fail());
        status(&stream, Component::Batches)
    };
    assert_eq!(after(48, 2), HealthStatus::Healthy);
    assert_eq!(after(47, 3), HealthStatus::Warning);
    assert_eq!(after(45, 5), HealthStatus::Critical);
    assert_eq!(after(3, 1), HealthStatus::Warning); // one failure is no rate yet
    assert_eq!(after(3, 2), HealthStatus::Critical);
}

#[test]
fn silence_is_measured_against_the_usual_interval() {
    let mut stream = Stream::clean();
    stream.many(10, Batch::default()); // a minute apart; the floor is five
    let after = |minutes: i64| {
        let health = stream.monitor.health(Timestamp(stream.now().0 + 60_000 * minutes));
        health.components.iter().find(|c| c.component == Component::Staleness).unwrap().status
    };
    assert_eq!(after(14), HealthStatus::Healthy);
    assert_eq!(after(15), HealthStatus::Warning);
    assert_eq!(after(50), HealthStatus::Critical);
    // Batches of another year are a replay, not a feed that stopped.
    assert_eq!(after(60 * 24 * 400), HealthStatus::Unknown);
    assert_eq!(after(-60), HealthStatus::Healthy);
}

#[test]
fn latency_is_compared_with_the_first_fifty_batches() {
    let after = |seconds: f64| {
        let mut stream = Stream::clean();
        stream.many(50, Batch::default());
        assert_eq!(status(&stream, Component::Latency), HealthStatus::Unknown);
        stream.many(50, Batch { seconds, ..Batch::default() });
        status(&stream, Component::Latency)
    };
    assert_eq!(after(0.19), HealthStatus::Healthy);
    assert_eq!(after(0.21), HealthStatus::Warning);
    assert_eq!(after(0.41), HealthStatus::Critical);
}

#[test]
fn memory_and_missing_predictions_are_judged_by_their_limits() {
    let mut params = params();
    params.alert_thresholds.memory_usage = Some(Threshold::Flat(100.0));
    let mut stream = Stream::new(params, 0.05);
    stream.push(Batch { memory_mib: Some(130.0), ..Batch::default() });
    assert_eq!(status(&stream, Component::Memory), HealthStatus::Critical);
    assert_eq!(status(&stream, Component::Predictions), HealthStatus::Healthy);
    stream.push(Batch { unavailable: 4, ..Batch::default() }); // 4 of 400
    assert_eq!(status(&stream, Component::Predictions), HealthStatus::Warning);
    stream.push(Batch { unavailable: 26, ..Batch::default() }); // 30 of 600
    assert_eq!(status(&stream, Component::Predictions), HealthStatus::Critical);
}

#[test]
fn health_is_json_with_every_component() {
    let health = Stream::clean().monitor.health(Timestamp(3));
    assert_eq!(health.components.len(), 7);
    let json = serde_json::to_string(&health).unwrap();
    assert_eq!(serde_json::from_str::<crate::HealthReport>(&json).unwrap(), health);
}
