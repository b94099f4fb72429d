//! What the machine does while a run is open, under MLflow's names: as far as `/proc` tells it.
//!
//! Disk and graphics processor, which MLflow has too, are not in `/proc`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::op::Point;

/// One run's view of the machine: processor and network count from the sample before, or from its begin.
#[derive(Debug)]
pub(crate) struct Watch {
    due: Instant,
    step: i64,
    processor: Option<Processor>,
    /// Bytes when the run began.
    network: Option<Network>,
}

/// Ticks since the machine was started.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Processor {
    busy: u64,
    all: u64,
}

/// Bytes since the machine was started, of all interfaces.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Network {
    received: u64,
    transmitted: u64,
}

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Memory {
    used: u64,
    total: u64,
}

impl Watch {
    pub(crate) fn new(every: Duration) -> Self {
        let (processor, network) = (read("stat").and_then(processor), read("net/dev").and_then(network));
        Self { due: clock::instant() + every, step: 0, processor, network }
    }

    /// When the next sample is to be taken.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// A sample, if it is time and there is anything to tell.
    pub(crate) fn points(&mut self, every: Duration) -> Option<Vec<Point>> {
        let now = clock::instant();
        if now < self.due {
            return None;
        }
        self.due = now + every;
        let values = self.values(
            read("stat").and_then(processor),
            read("meminfo").and_then(memory),
            read("net/dev").and_then(network),
        );
        let (at, step) = (clock::now_ms(), self.step);
        self.step += 1;
        let point = |(name, value): (&str, f64)| Point { key: Arc::from(name), value, at, step };
        (!values.is_empty()).then(|| values.into_iter().map(point).collect())
    }

    fn values(
        &mut self,
        processor: Option<Processor>,
        memory: Option<Memory>,
        network: Option<Network>,
    ) -> Vec<(&'static str, f64)> {
        let mut values = Vec::new();
        let since = self.processor.zip(processor).filter(|(before, now)| now.all > before.all);
        if let Some((before, now)) = since {
            let (busy, all) = (now.busy.saturating_sub(before.busy), now.all - before.all);
            values.push(("system/cpu_utilization_percentage", tenth(100.0 * busy as f64 / all as f64)));
        }
        self.processor = processor;
        if let Some(Memory { used, total }) = memory {
            values.push(("system/system_memory_usage_megabytes", tenth(megabytes(used))));
            values.push(("system/system_memory_usage_percentage", tenth(100.0 * used as f64 / total as f64)));
        }
        if let Some((before, now)) = self.network.zip(network) {
            let since = |before: u64, now: u64| megabytes(now.saturating_sub(before));
            values.push(("system/network_receive_megabytes", since(before.received, now.received)));
            values.push(("system/network_transmit_megabytes", since(before.transmitted, now.transmitted)));
        }
        values
    }
}

/// MLflow rounds so.
fn tenth(value: f64) -> f64 {
    (10.0 * value).round() / 10.0
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn read(file: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{file}")).ok()
}

/// The first line of `/proc/stat`: all but idle and waiting for a disk is busy; what guests used is in it twice.
fn processor(text: String) -> Option<Processor> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let (idle, own) = (ticks.get(3)? + ticks.get(4).unwrap_or(&0), &ticks[..ticks.len().min(8)]);
    let all = own.iter().sum::<u64>();
    Some(Processor { busy: all.checked_sub(idle)?, all })
}

fn memory(text: String) -> Option<Memory> {
    let bytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
    };
    let total = bytes("MemTotal").filter(|total| *total > 0)?;
    Some(Memory { used: total.checked_sub(bytes("MemAvailable")?)?, total })
}

fn network(text: String) -> Option<Network> {
    let mut sum = Network { received: 0, transmitted: 0 };
    // Two lines of headings, then one for each interface.
    for line in text.lines().skip(2) {
        let (_, fields) = line.split_once(':')?;
        let mut fields = fields.split_whitespace().map(str::parse::<u64>);
        sum.received = sum.received.checked_add(fields.next()?.ok()?)?;
        sum.transmitted = sum.transmitted.checked_add(fields.nth(7)?.ok()?)?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  57 3 20 800 40 1 2 7 10 5\ncpu0 57 3 20 800 40 1 2 7 10 5\nintr 1\n";
    const LATER: &str = "cpu  117 3 40 860 60 1 2 7 30 5\n";
    const MEMINFO: &str = "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    6000000 kB\n\
                           Buffers:          100000 kB\nCached:          2000000 kB\n";
    const NET: &str = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes packets\n    \
                       lo: 1000000 10 0 0 0 0 0 0 1000000 10 0 0 0 0 0 0\n  \
                       eth0: 2500000 20 1 0 0 0 0 5 500000 30 0 0 0 0 0 0\n";

    // psutil 7.2.2, which MLflow reads, over a folder with these files (`psutil.PROCFS_PATH`).
    #[test]
    fn a_sample_has_the_values_of_mlflows_monitors_for_the_same_files() {
        let before = Network { received: 1_000_000, transmitted: 500_000 };
        let mut watch = Watch {
            due: clock::instant(),
            step: 0,
            processor: processor(STAT.into()),
            network: Some(before),
        };
        let values = watch.values(processor(LATER.into()), memory(MEMINFO.into()), network(NET.into()));
        assert_eq!(
            values,
            [
                ("system/cpu_utilization_percentage", 50.0),
                ("system/system_memory_usage_megabytes", 10_240.0),
                ("system/system_memory_usage_percentage", 62.5),
                ("system/network_receive_megabytes", 2.5),
                ("system/network_transmit_megabytes", 1.0),
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_not_invented() {
        let mut watch = Watch { due: clock::instant(), step: 0, processor: None, network: None };
        assert_eq!(watch.values(processor(STAT.into()), None, network(NET.into())), []);
        for text in
            ["", "cpu", "cpu  1 2", "MemTotal: 1 kB", "MemTotal: 0 kB\nMemAvailable: 0 kB", "a\nb\nlo: x"]
        {
            assert_eq!((processor(text.into()), memory(text.into())), (None, None), "{text:?}");
        }
        assert_eq!(network("a\nb\nlo: x".into()), None);
    }
}
