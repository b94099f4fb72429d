use tsc_core::{
    AlertChange, AlertEvent, AlertSink, Error, ErrorKind, Millis, Severity, Signal, Stage, Timestamp,
};

use super::*;

const HOUR: i64 = 3_600_000;

fn event(signal: Signal, change: AlertChange, severity: Severity) -> AlertEvent {
    AlertEvent::new(signal, change, severity, 0.5, 0.3)
}

fn firing(signal: Signal) -> AlertEvent {
    event(signal, AlertChange::Firing, Severity::Warning)
}

fn resolved(signal: Signal) -> AlertEvent {
    event(signal, AlertChange::Resolved, Severity::Warning)
}

fn feature() -> Signal {
    Signal::Feature("heart_rate".into())
}

/// What is delivered after one push.
fn told(notifier: &mut Notifier, events: &[AlertEvent], at: i64) -> Vec<(Signal, AlertChange)> {
    notifier.push(events, Timestamp(at));
    let (sender, receiver) = std::sync::mpsc::sync_channel(1_000);
    notifier.deliver(&mut [Box::new(ChannelSink::new(sender))]);
    receiver.try_iter().map(|event| (event.signal, event.change)).collect()
}

fn notifier() -> Notifier {
    Notifier::new(NotifierParams::default()).unwrap()
}

use AlertChange::{Escalated, Firing, Reminder, Resolved};

#[test]
fn an_alert_is_told_once_reminded_of_every_day_and_told_when_it_is_over() {
    let mut it = notifier();
    let noise = || Signal::NoiseRatio;
    assert_eq!(told(&mut it, &[firing(noise())], 0), [(noise(), Firing)]);
    assert_eq!(told(&mut it, &[firing(noise())], HOUR), []);
    let worse = event(noise(), Escalated, Severity::Critical);
    assert_eq!(told(&mut it, &[worse], 2 * HOUR), [(noise(), Escalated)]);
    assert_eq!(told(&mut it, &[], 25 * HOUR), []);
    assert_eq!(told(&mut it, &[], 26 * HOUR), [(noise(), Reminder)]);
    assert_eq!(told(&mut it, &[], 27 * HOUR), []);
    assert_eq!(told(&mut it, &[], 50 * HOUR), [(noise(), Reminder)]);
    assert_eq!(told(&mut it, &[resolved(noise())], 51 * HOUR), [(noise(), Resolved)]);
    assert_eq!(told(&mut it, &[], 99 * HOUR), []);
    let params = NotifierParams { reminder: Millis(1), ..NotifierParams::default() };
    let mut often = Notifier::new(params).unwrap();
    told(&mut often, &[firing(noise())], 0);
    assert_eq!(told(&mut often, &[], 1), [(noise(), Reminder)]);
}

#[test]
fn an_acknowledged_alert_is_not_reminded_of_until_it_gets_worse() {
    let mut it = notifier();
    let memory = || Signal::MemoryUsage;
    assert!(!it.acknowledge(&memory()));
    told(&mut it, &[firing(memory())], 0);
    assert!(it.acknowledge(&memory()));
    assert_eq!(told(&mut it, &[], 30 * HOUR), []);
    assert_eq!(told(&mut it, &[event(memory(), Escalated, Severity::Critical)], 31 * HOUR).len(), 1);
    assert_eq!(told(&mut it, &[], 60 * HOUR), [(memory(), Reminder)]);
}

#[test]
fn an_alert_on_all_features_mutes_those_on_single_ones() {
    let mut it = notifier();
    let all = || Signal::FeatureDrift;
    assert_eq!(told(&mut it, &[firing(feature()), firing(all())], 0), [(all(), Firing)]);
    // Over before it was told: nothing to say.
    assert_eq!(told(&mut it, &[resolved(feature())], 1), []);
    assert_eq!(told(&mut it, &[firing(feature())], 2), []);
    // It goes on when the other one ends: now it speaks for itself.
    assert_eq!(told(&mut it, &[resolved(all())], 3), [(all(), Resolved), (feature(), Firing)]);
    // Other alerts are not muted.
    let mut it = notifier();
    assert_eq!(told(&mut it, &[firing(Signal::NoiseRatio), firing(Signal::MemoryUsage)], 0).len(), 2);
}

#[test]
fn a_silenced_alert_is_told_when_the_silence_is_over_and_it_still_fires() {
    let mut it = notifier();
    let matcher = AlertMatcher { signal: Some(feature()), at_most: Some(Severity::Warning), at_least: None };
    it.silence(Silence { matcher, until: Timestamp(10) }).unwrap();
    assert_eq!(told(&mut it, &[firing(feature())], 0), []);
    // Worse than what was silenced.
    assert_eq!(told(&mut it, &[event(feature(), Escalated, Severity::Critical)], 5).len(), 1);
    let mut it = notifier();
    let silence = Silence { matcher: AlertMatcher::default(), until: Timestamp(10) };
    it.silence(silence.clone()).unwrap();
    assert_eq!(told(&mut it, &[firing(feature())], 9), []);
    assert_eq!(told(&mut it, &[], 10), [(feature(), Firing)]);
    (1..=1_000).for_each(|_| it.silence(silence.clone()).unwrap());
    assert_eq!(it.silence(silence).unwrap_err().code(), "TSC-MON-013");
}

#[test]
fn one_window_is_one_notification_and_what_is_over_the_limit_waits() {
    let params = NotifierParams { max_notifications_per_hour: 2, ..NotifierParams::default() };
    let mut it = Notifier::new(params).unwrap();
    let many: Vec<AlertEvent> = (0..50).map(|i| firing(Signal::Feature(format!("f{i}")))).collect();
    assert_eq!(told(&mut it, &many, 0).len(), 50);
    assert_eq!(told(&mut it, &[firing(Signal::MemoryUsage)], 1).len(), 1);
    assert_eq!(told(&mut it, &[firing(Signal::NoiseRatio)], 2), []);
    assert_eq!(told(&mut it, &[resolved(Signal::MemoryUsage)], 3), []);
    assert_eq!(it.held_back(), 2);
    // An hour after the first one there is room: where things stand now.
    let later = told(&mut it, &[], HOUR);
    assert_eq!(later, [(Signal::NoiseRatio, Firing), (Signal::MemoryUsage, Resolved)]);
}

#[test]
fn a_restart_tells_nothing_twice() {
    let mut it = notifier();
    told(&mut it, &[firing(Signal::NoiseRatio), firing(feature())], 0);
    it.push(&[firing(Signal::MemoryUsage)], Timestamp(1));
    let json = serde_json::to_string(&it.state()).unwrap();
    let mut again =
        Notifier::restore(NotifierParams::default(), serde_json::from_str(&json).unwrap()).unwrap();
    assert_eq!(again.state(), it.state());
    // What was queued is still delivered, what was told is not.
    assert_eq!(told(&mut again, &[firing(Signal::NoiseRatio)], 2), [(Signal::MemoryUsage, Firing)]);
    // The feature's alert was muted until now, by noise: that is known after the restart too.
    let both = [(Signal::NoiseRatio, Resolved), (feature(), Firing)];
    assert_eq!(told(&mut again, &[resolved(Signal::NoiseRatio)], 3), both);
}

#[derive(Debug)]
struct Failing;

impl AlertSink for Failing {
    fn deliver(&mut self, _: &AlertEvent) -> tsc_core::Result<()> {
        Err(Error::new(ErrorKind::Artifact, Stage::Monitoring, "TSC-MON-012", "down"))
    }
}

#[test]
fn a_failing_sink_costs_its_events_and_no_others() {
    let mut it = notifier();
    it.push(&[firing(Signal::NoiseRatio), firing(Signal::MemoryUsage)], Timestamp(0));
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let delivery = it.deliver(&mut [Box::new(Failing), Box::new(ChannelSink::new(sender))]);
    // The channel holds one event: it refuses the second.
    assert_eq!((delivery.delivered, delivery.failed, receiver.try_iter().count()), (0, 3, 1));
    assert_eq!(it.queued(), 0);
}

#[test]
fn the_queue_drops_its_oldest_and_counts() {
    let mut it = Notifier::new(NotifierParams { queue: 3, ..NotifierParams::default() }).unwrap();
    let many: Vec<AlertEvent> = (0..5).map(|i| firing(Signal::Feature(format!("f{i}")))).collect();
    it.push(&many, Timestamp(0));
    assert_eq!((it.queued(), it.dropped()), (3, 2));
}

#[test]
fn parameters_outside_their_bounds_are_named_together() {
    let params = NotifierParams { reminder: Millis(0), max_notifications_per_hour: 0, queue: 0 };
    let error = Notifier::new(params).unwrap_err().to_string();
    for key in ["reminder", "max_notifications_per_hour", "queue"] {
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn a_line_of_the_file_is_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts.jsonl");
    let event = firing(Signal::NoiseRatio);
    let mut sink = JsonLinesSink::open(&path).unwrap();
    sink.deliver(&event).unwrap();
    sink.deliver(&event).unwrap();
    let whole = std::fs::read(&path).unwrap();
    // A crash in the middle of the second line, at every byte.
    let first = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
    for cut in 0..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let mut sink = JsonLinesSink::open(&path).unwrap();
        sink.deliver(&event).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<AlertEvent> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), if cut >= first { 2 } else { 1 }, "cut at {cut}");
        assert!(lines.iter().all(|line| *line == event));
    }
    // A last line longer than a block of the search.
    std::fs::write(&path, [&whole[..], &vec![b'x'; 10_000]].concat()).unwrap();
    drop(JsonLinesSink::open(&path).unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    let error = JsonLinesSink::open(folder.path()).unwrap_err();
    assert_eq!((error.code(), error.kind()), ("TSC-MON-012", ErrorKind::Artifact));
}

/// A disk that is full, as Linux offers one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_of_the_sink() {
    let mut sink = LineSink::new(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    assert_eq!(sink.deliver(&firing(Signal::NoiseRatio)).unwrap_err().code(), "TSC-MON-012");
}
