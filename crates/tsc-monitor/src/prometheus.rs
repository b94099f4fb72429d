//! Text exposition format 0.0.4, from a snapshot.

use std::io::{self, Write};

use tsc_core::HealthStatus;

use crate::{DurationHistogram, MonitorSnapshot};

const MAX_SERIES: usize = 2_000;
const OVERFLOW: &str = "overflow";

/// Writes a snapshot in Prometheus' text format: families in a fixed order, HELP and TYPE each.
///
/// Labels are names of the schema, numbers of clusters and words of closed sets, never identifiers of
/// rows. At most 2,000 series: of a family that is too long the rest is one series labelled `overflow`,
/// with the largest value (the smallest p). An undefined value is `NaN`.
///
/// # Errors
///
/// Those of the writer.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use tsc_core::{Features, Schema, Timestamp};
/// use tsc_monitor::{Monitor, MonitorParams, Reference, write_prometheus};
/// let x = Features::new(&[1.0, 2.0], 1)?;
/// let reference = Arc::new(Reference::fit(x, &Schema::unnamed(1), 3, 0.0, 0, None)?);
/// let monitor = Monitor::new(MonitorParams::default(), reference, 100)?;
/// let mut text = Vec::new();
/// write_prometheus(&monitor.snapshot(Timestamp(0)), &mut text).unwrap();
/// let text = String::from_utf8(text).unwrap();
/// assert!(text.contains("# TYPE tsc_clusters gauge\ntsc_clusters 3\n"));
/// # Ok::<(), tsc_core::Error>(())
/// ```
pub fn write_prometheus(snapshot: &MonitorSnapshot, out: &mut dyn Write) -> io::Result<()> {
    let mut families = families(snapshot);
    limit(&mut families);
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        writeln!(out, "# HELP {} {}", family.name, escaped(family.help, false))?;
        writeln!(out, "# TYPE {} {}", family.name, family.kind)?;
        for sample in &family.samples {
            write!(out, "{}{}", family.name, sample.suffix)?;
            for (i, (label, value)) in sample.labels.iter().enumerate() {
                write!(out, "{}{label}=\"{}\"", if i == 0 { '{' } else { ',' }, escaped(value, true))?;
            }
            let close = if sample.labels.is_empty() { "" } else { "}" };
            writeln!(out, "{close} {}", number(sample.value))?;
        }
    }
    Ok(())
}

type Labels = Vec<(&'static str, String)>;

/// What is kept of two values of series that fold into one.
type Fold = fn(f64, f64) -> f64;

struct Family {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    /// Label whose values may be too many, and what of the rest is kept.
    open: Option<(&'static str, Fold)>,
    samples: Vec<Sample>,
}

struct Sample {
    suffix: &'static str,
    labels: Labels,
    value: f64,
}

impl Family {
    fn new(name: &'static str, kind: &'static str, help: &'static str) -> Self {
        Self { name, help, kind, open: None, samples: Vec::new() }
    }

    fn one(self, value: impl Into<Option<f64>>) -> Self {
        self.with(Vec::new(), value.into().unwrap_or(f64::NAN))
    }

    fn with(mut self, labels: Labels, value: f64) -> Self {
        self.samples.push(Sample { suffix: "", labels, value });
        self
    }

    fn all(mut self, samples: impl IntoIterator<Item = (Labels, f64)>) -> Self {
        let sample = |(labels, value)| Sample { suffix: "", labels, value };
        self.samples.extend(samples.into_iter().map(sample));
        self
    }

    fn open(mut self, label: &'static str, fold: Fold) -> Self {
        self.open = Some((label, fold));
        self
    }
}

fn families(s: &MonitorSnapshot) -> Vec<Family> {
    let gauge = |name, help| Family::new(name, "gauge", help);
    let counter = |name, help| Family::new(name, "counter", help);
    let of = |label, value: &str| vec![(label, value.to_owned())];
    let last = s.last.as_ref();
    let mass = last.map_or(&[][..], |last| &last.mass);
    let rows = last.map_or(f64::NAN, |last| last.rows as f64);
    let mass = mass.iter().enumerate().map(|(i, n)| (of("segment", &i.to_string()), *n as f64 / rows));
    let feature =
        |name: &str| vec![("feature", name.to_owned()), ("segment", "all".into()), ("method", "psi".into())];
    let loss = |kind: &str, value: Option<f64>| {
        value.map(|value| (vec![("kind", kind.to_owned()), ("segment", "all".into())], value))
    };
    let losses = last.map_or([None, None, None], |last| {
        [loss("mae", last.mae), loss("r2", last.r2), loss("rmse", last.rmse)]
    });
    let alerts = s.alerts.iter().flat_map(|(rule, by_severity)| {
        by_severity.iter().map(move |(severity, n)| {
            let severity = format!("{severity:?}").to_lowercase();
            (vec![("severity", severity), ("rule", rule.clone())], *n as f64)
        })
    });
    let rows_by_source = [
        ("cluster", s.rows.cluster),
        ("fallback", s.rows.fallback),
        ("pooled", s.rows.pooled),
        ("rejected", s.rows.rejected),
        ("unavailable", s.rows.unavailable),
    ];
    let health = s.health.components.iter().map(|part| {
        let name = format!("{:?}", part.component).to_lowercase();
        (vec![("component", name)], status(part.status))
    });
    vec![
        gauge("tsc_noise_ratio", "Share of noise before the fallback, last batch.")
            .one(last.map(|l| l.noise_ratio)),
        gauge("tsc_clusters", "Clusters of the served models.").one(s.n_clusters as f64),
        gauge("tsc_cluster_mass_ratio", "Share of each cluster, last batch.")
            .all(mass)
            .open("segment", f64::max),
        gauge("tsc_drift_effect", "Corrected effect of each feature, last window.")
            .all(s.features.iter().map(|f| (feature(&f.feature), f.effect)))
            .open("feature", f64::max),
        gauge("tsc_drift_pvalue_adjusted", "Adjusted p of each feature, last window.")
            .all(s.features.iter().map(|f| (feature(&f.feature), f.p_value)))
            .open("feature", f64::min),
        gauge("tsc_chart_statistic", "Running statistic of each chart.")
            .all(s.charts.iter().map(|c| (of("chart", &c.chart), c.statistic.unwrap_or(f64::NAN)))),
        gauge("tsc_chart_limit", "Limit of each chart.")
            .all(s.charts.iter().map(|c| (of("chart", &c.chart), c.limit))),
        gauge("tsc_loss", "Loss of the last batch with targets.").all(losses.into_iter().flatten()),
        durations(&s.seconds),
        gauge("tsc_memory_bytes", "Resident memory of the process.")
            .one(last.and_then(|l| l.memory_mib).map(|mib| mib * 1_048_576.0)),
        gauge("tsc_health_status", "0 unknown, 1 healthy, 2 warning, 3 critical.")
            .all(health)
            .with(of("component", "all"), status(s.health.status)),
        gauge("tsc_alerts_firing", "Alerts that fire now.").one(s.firing.len() as f64),
        gauge("tsc_model_info", "Version of the served models.")
            .all(s.model_version.map(|version| (of("version", &version.to_string()), 1.0))),
        gauge("tsc_last_retrain_timestamp_seconds", "When the last retrain ended.")
            .all(s.last_retrain.map(|(_, at)| (Vec::new(), at.0 as f64 / 1_000.0))),
        counter("tsc_rows_total", "Rows by what gave their prediction.")
            .all(rows_by_source.map(|(source, n)| (of("source", source), n as f64))),
        counter("tsc_batches_total", "Batches by outcome.")
            .with(of("outcome", "failed"), s.batches.failed as f64)
            .with(of("outcome", "scored"), s.batches.scored as f64),
        counter("tsc_alerts_total", "Alert events.").all(alerts),
        counter("tsc_alerts_dropped_total", "Alert events that fell out of the history.")
            .one(s.alerts_dropped as f64),
        counter("tsc_retrain_total", "Retrains by outcome.")
            .all(s.retrains.iter().map(|(outcome, n)| (of("outcome", outcome), *n as f64))),
    ]
}

fn durations(seconds: &DurationHistogram) -> Family {
    let mut family = Family::new("tsc_batch_duration_seconds", "histogram", "Wall time of a batch.");
    let mut below = 0;
    let bounds = DurationHistogram::BOUNDS.into_iter().chain([f64::INFINITY]);
    for (bound, count) in bounds.zip(&seconds.counts) {
        below += count;
        let labels = vec![("le", number(bound))];
        family.samples.push(Sample { suffix: "_bucket", labels, value: below as f64 });
    }
    for (suffix, value) in [("_sum", seconds.sum), ("_count", below as f64)] {
        family.samples.push(Sample { suffix, labels: Vec::new(), value });
    }
    family
}

fn status(status: HealthStatus) -> f64 {
    match status {
        HealthStatus::Healthy => 1.0,
        HealthStatus::Warning => 2.0,
        HealthStatus::Critical => 3.0,
        _ => 0.0,
    }
}

// Families with an open label share what the others leave of the budget.
fn limit(families: &mut [Family]) {
    let total: usize = families.iter().map(|family| family.samples.len()).sum();
    if total <= MAX_SERIES {
        return;
    }
    let is_open = |family: &&Family| family.open.is_some() && !family.samples.is_empty();
    let open = families.iter().filter(is_open).count().max(1);
    let fixed: usize = families.iter().filter(|f| f.open.is_none()).map(|f| f.samples.len()).sum();
    let share = (MAX_SERIES.saturating_sub(fixed) / open).max(1);
    for family in families {
        let Some((label, fold)) = family.open.filter(|_| family.samples.len() > share) else { continue };
        let rest = family.samples.split_off(share - 1);
        let value = rest.iter().map(|sample| sample.value).reduce(fold).unwrap_or(f64::NAN);
        let Some(mut first) = rest.into_iter().next() else { continue };
        first.value = value;
        for (_, value) in first.labels.iter_mut().filter(|(name, _)| *name == label) {
            OVERFLOW.clone_into(value);
        }
        family.samples.push(first);
    }
}

fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        value if value.is_nan() => "NaN".into(),
        value => value.to_string(),
    }
}

fn escaped(text: &str, quotes: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes { text.replace('"', "\\\"") } else { text }
}
