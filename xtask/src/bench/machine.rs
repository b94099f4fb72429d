//! What the machine is, and how busy it is before a round.

use std::{fs, thread, time::Duration};

/// Busy share of the cores above which a round is put off.
pub(crate) const MAX_LOAD: f64 = 0.3;
/// How often a round is put off before it runs anyway and is marked.
const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_secs(3);
/// How long the load is watched.
const SAMPLE: Duration = Duration::from_millis(300);

/// The processor's own name, cores and memory.
pub(crate) fn describe() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field =
        |name: &str| info.lines().find(|line| line.starts_with(name))?.split_once(": ").map(|it| it.1);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    let gib =
        total.and_then(|it| it.parse::<f64>().ok()).map_or("?".into(), |it| format!("{:.0}", it / 1048576.0));
    let model =
        [field("model name"), field("cpu family"), field("model\t")].map(|it| it.unwrap_or("?").trim());
    format!(
        "{} (family {}, model {}), {cores} cores, {gib} GiB, {}",
        model[0],
        model[1],
        model[2],
        std::env::consts::OS
    )
}

/// Waits for the cores to be free; gives the share of them that is busy.
///
/// What else runs is what is measured: nothing of ours runs now. `None` where the system does not
/// tell, which `/proc/stat` of Linux does. The load average would not do: it remembers our own last round.
pub(crate) fn quiet() -> Option<f64> {
    let mut load = busy_share()?;
    for _ in 1..ATTEMPTS {
        if load <= MAX_LOAD {
            break;
        }
        println!("  load {load:.2} per core is above {MAX_LOAD}, the round is put off");
        thread::sleep(PAUSE);
        load = busy_share()?;
    }
    Some(load)
}

fn busy_share() -> Option<f64> {
    let before = Ticks::now()?;
    thread::sleep(SAMPLE);
    Some(before.busy_until(&Ticks::now()?))
}

/// Time that the cores have spent since the start of the system.
#[derive(Debug)]
struct Ticks {
    idle: f64,
    all: f64,
}

impl Ticks {
    fn now() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are counted in user already.
        let ticks: Vec<f64> = line.split_whitespace().take(8).map_while(|it| it.parse().ok()).collect();
        Some(Self { idle: ticks.get(3)? + ticks.get(4)?, all: ticks.iter().sum() })
    }

    fn busy_until(&self, later: &Self) -> f64 {
        let all = later.all - self.all;
        if all > 0.0 { 1.0 - (later.idle - self.idle) / all } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_is_the_share_of_all_cores_that_is_not_idle() {
        let before = Ticks::parse("cpu  10 0 10 80 0 0 0 0 5 5\ncpu0 1 1 1 1\n").unwrap();
        let after = Ticks::parse("cpu  60 0 10 120 10 0 0 0 9 9\n").unwrap();
        assert_eq!(before.busy_until(&after), 0.5);
        assert_eq!(before.busy_until(&before), 0.0);
        assert!(Ticks::parse("intr 1 2 3").is_none());
    }
}
