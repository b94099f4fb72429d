use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use tsc_core::{Label, RegressionScores, Result};

use crate::data::{self, ReportData, Setting};
use crate::error::ReportError;
use crate::plot::{Plot, Style, colour};
use crate::report::Report;
use crate::summary::{Card, Tone, cards, comparison, health, open_alerts, relative_rmse, verdict};
use crate::text::{count, number, percent, plain, when};

const TEMPLATE: &str = include_str!("report.html");
const CSS: &str = include_str!("report.css");

/// Longest list a page shows; the JSON form has the rest.
const LISTED: usize = 100;
/// Longest piece of foreign text a page shows.
const TEXT: usize = 400;

pub(crate) fn page(report: &Report) -> Result<String> {
    render(report).map_err(|error| ReportError::Render(error).into())
}

// The ending .html in the template's name turns escaping on for every value.
fn render(report: &Report) -> std::result::Result<String, minijinja::Error> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    env.add_template("report.html", TEMPLATE)?;
    env.get_template("report.html")?.render(Serde(Page::of(report)))
}

/// What the template sees, already written out: the template only places it.
#[derive(Serialize)]
struct Page<'a> {
    css: &'a str,
    title: String,
    subject: Option<String>,
    facts: Vec<String>,
    status: &'a str,
    tone: Tone,
    verdict: Option<String>,
    cards: Vec<Card>,
    findings: Findings,
    clusters: Option<Clusters>,
    models: Listed<6>,
    cluster_scores: Listed<7>,
    value: Option<Value>,
    skipped: Listed<2>,
    figures: Vec<Figure>,
    absent: Vec<[String; 2]>,
    retrains: Listed<6>,
    alerts: Alerts,
    degraded: Listed<3>,
    tracking: Option<Vec<[String; 2]>>,
    configuration: Listed<2>,
    provenance: Listed<2>,
}

impl Page<'static> {
    fn of(report: &Report) -> Self {
        let data = report.data();
        let (status, tone) = health(data.health);
        let setting = |s: &Setting| [plain(&s.key, TEXT), plain(&s.value, TEXT)];
        Self {
            css: CSS,
            title: plain(&data.title, TEXT),
            subject: data.subject.as_deref().map(|s| plain(s, TEXT)),
            facts: facts(data),
            status,
            tone,
            verdict: verdict(data).map(|v| plain(&v, TEXT)),
            cards: cards(data),
            findings: findings(data),
            clusters: clusters(data),
            models: models(data),
            cluster_scores: cluster_scores(data),
            value: data.value.as_ref().map(value),
            skipped: listed(&data.skipped, |s| [plain(&s.what, TEXT), plain(&s.reason, TEXT)]),
            figures: figures(report),
            absent: absent(data),
            retrains: retrains(data),
            alerts: alerts(data),
            degraded: listed(&data.degraded, |d| {
                [d.stage.to_string(), plain(&d.code, TEXT), plain(&d.message, TEXT)]
            }),
            tracking: tracking(data),
            configuration: listed(&data.configuration, setting),
            provenance: listed(&data.provenance, setting),
        }
    }
}

/// The newest rows of a list, and how many there are.
#[derive(Serialize)]
struct Listed<const N: usize> {
    total: String,
    cut: bool,
    rows: Vec<Row<N>>,
}

#[derive(Serialize)]
struct Row<const N: usize> {
    #[serde(serialize_with = "as_list")]
    cells: [String; N],
    tone: Tone,
    colour: Option<&'static str>,
}

fn as_list<S: serde::Serializer, const N: usize>(
    cells: &[String; N],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq(cells)
}

fn listed<T, const N: usize>(items: &[T], cells: impl Fn(&T) -> [String; N]) -> Listed<N> {
    listed_with(items, |item| Row { cells: cells(item), tone: Tone::Plain, colour: None })
}

fn listed_with<T, const N: usize>(items: &[T], row: impl Fn(&T) -> Row<N>) -> Listed<N> {
    let from = items.len().saturating_sub(LISTED);
    let rows = items[from..].iter().map(row).collect();
    Listed { total: count(items.len() as u64), cut: from > 0, rows }
}

fn facts(data: &ReportData) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(target) = &data.target {
        let unit = data.unit.as_deref().map(|unit| format!(" ({unit})")).unwrap_or_default();
        facts.push(plain(&format!("Predicts {target}{unit}"), TEXT));
    }
    if let Some(version) = data.model_version {
        facts.push(format!("Models version {version}"));
    }
    facts.extend(data.at.map(when));
    facts
}

#[derive(Serialize)]
struct Findings {
    rows_in: String,
    rows_used: String,
    n_features: String,
    n_groups: Option<String>,
    notes: Vec<String>,
    rejections: Listed<3>,
}

fn findings(data: &ReportData) -> Findings {
    let found = &data.data;
    let mut rejections: Vec<_> = found.rejections.iter().collect();
    // The list keeps its end; the largest counts belong there, and are shown first.
    rejections.sort_by_key(|r| r.count);
    let mut rejections = listed(&rejections, |r| {
        let feature = r.feature.as_deref().unwrap_or("whole row");
        [plain(feature, TEXT), plain(&r.reason, TEXT), count(r.count)]
    });
    rejections.rows.reverse();
    Findings {
        rows_in: count(found.rows_in),
        rows_used: count(found.rows_used),
        n_features: count(found.n_features),
        n_groups: found.n_groups.map(count),
        notes: found.notes.iter().take(LISTED).map(|note| plain(note, TEXT)).collect(),
        rejections,
    }
}

#[derive(Serialize)]
struct Clusters {
    n_samples: String,
    n_noise: String,
    noise_share: String,
    silhouette: String,
    has_persistence: bool,
    table: Listed<4>,
}

fn clusters(data: &ReportData) -> Option<Clusters> {
    let summary = data.clusters.as_ref()?;
    let share = |n: u64| percent((summary.n_samples > 0).then(|| n as f64 / summary.n_samples as f64));
    let table = listed_with(&summary.clusters, |c| Row {
        cells: [format!("cluster {}", c.cluster), count(c.size), share(c.size), number(c.persistence)],
        tone: Tone::Plain,
        colour: Some(colour(Label::of(c.cluster))),
    });
    Some(Clusters {
        n_samples: count(summary.n_samples),
        n_noise: count(summary.n_noise),
        noise_share: share(summary.n_noise),
        silhouette: number(summary.silhouette),
        has_persistence: summary.clusters.iter().any(|c| c.persistence.is_some()),
        table,
    })
}

fn scores(scores: &RegressionScores) -> [String; 4] {
    [count(scores.n), number(scores.rmse), number(scores.mae), number(scores.r2)]
}

fn models(data: &ReportData) -> Listed<6> {
    let indexed: Vec<usize> = (0..data.models.len()).collect();
    let beaten = indexed.iter().skip(1).any(|&i| relative_rmse(data, i).is_some_and(|r| r > 0.0));
    let best = if beaten { Tone::Warn } else { Tone::Good };
    listed_with(&indexed, |&i| {
        let row = &data.models[i];
        let [n, rmse, mae, r2] = scores(&row.scores);
        let name = &data.models[0].model;
        let against = match relative_rmse(data, i) {
            _ if i == 0 => "the one that is served".into(),
            Some(relative) => format!("{name} has {}", comparison(relative, &row.model)),
            None => "not comparable".into(),
        };
        let mut cells = [plain(&row.model, TEXT), n, rmse, mae, r2, plain(&against, TEXT)];
        if row.scores.coverage.is_some_and(|coverage| coverage < 1.0) {
            cells[1].push_str(&format!(" ({} of the rows)", percent(row.scores.coverage)));
        }
        Row { cells, tone: if i == 0 { best } else { Tone::Plain }, colour: None }
    })
}

fn cluster_scores(data: &ReportData) -> Listed<7> {
    listed_with(&data.cluster_scores, |row| {
        let [n, rmse, mae, r2] = scores(&row.scores);
        let name = row.cluster.map_or("noise".into(), |c| format!("cluster {c}"));
        let global = row.global.and_then(|g| g.rmse);
        let against = match (row.scores.rmse, global) {
            (Some(served), Some(global)) if global > 0.0 => {
                let relative = served / global - 1.0;
                let difference = match percent(Some(relative.abs())) {
                    _ if relative.abs() < 5e-4 => "the same".into(),
                    size if relative < 0.0 => format!("{size} smaller"),
                    size => format!("{size} larger"),
                };
                format!("{difference} (global: {})", number(Some(global)))
            }
            _ => "not comparable".into(),
        };
        Row {
            cells: [name, plain(&row.served_by, TEXT), n, rmse, mae, r2, against],
            tone: Tone::Plain,
            colour: Some(colour(row.cluster.map_or(Label::NOISE, Label::of))),
        }
    })
}

#[derive(Serialize)]
struct Value {
    sentence: String,
    measure: String,
    rivals: Listed<6>,
    segments: Listed<6>,
    coverage: Listed<6>,
}

fn value(value: &data::Value) -> Value {
    let between = |interval: Option<[f64; 2]>| match interval {
        Some([lower, upper]) => format!("{} to {}", number(Some(lower)), number(Some(upper))),
        None => "one group only".into(),
    };
    let compared = |row: &data::Compared| {
        let tone = match row.interval {
            Some([_, upper]) if upper < 0.0 => Tone::Good,
            Some([lower, _]) if lower > 0.0 => Tone::Warn,
            _ => Tone::Plain,
        };
        let losses = [number(Some(row.pipeline)), number(Some(row.other))];
        let [pipeline, other] = losses;
        let cells = [
            plain(&row.name, TEXT),
            count(row.rows),
            count(row.groups),
            pipeline,
            other,
            between(row.interval),
        ];
        Row { cells, tone, colour: None }
    };
    Value {
        sentence: plain(&value.sentence, TEXT),
        measure: plain(&value.measure, TEXT),
        rivals: listed_with(&value.rivals, compared),
        segments: listed_with(&value.segments, compared),
        coverage: listed(&value.coverage, |row| {
            [
                plain(&row.name, TEXT),
                percent(Some(row.level)),
                count(row.rows),
                percent(Some(row.share)),
                row.interval.map_or("one group only".into(), |[lower, upper]| {
                    format!("{} to {}", percent(Some(lower)), percent(Some(upper)))
                }),
                number(Some(row.mean_width)),
            ]
        }),
    }
}

#[derive(Serialize)]
struct Figure {
    file: String,
    group: &'static str,
    heading: String,
    caption: String,
    svg: String,
    columns: [&'static str; 2],
    table: Vec<[String; 2]>,
}

fn figures(report: &Report) -> Vec<Figure> {
    let draw = |named: crate::NamedPlot| {
        let (style, heading, columns, table) = match &named.plot {
            Plot::ClusterMap(_) => {
                (Style { width: 960, height: 480 }, "Samples by cluster".into(), ["", ""], vec![])
            }
            Plot::CondensedTree(_) => {
                (Style { width: 960, height: 380 }, "How the clusters come apart".into(), ["", ""], vec![])
            }
            Plot::NoiseTrend(trend) => {
                let trend = trend.newest();
                let rows = trend.batches.iter().zip(&trend.noise_ratios);
                let rows = rows.map(|(batch, noise)| [count(*batch), percent(Some(*noise))]).collect();
                (Style { width: 960, height: 340 }, "Noise per batch".into(), ["Batch", "Noise"], rows)
            }
            Plot::Importance(importance) => {
                let rows = importance.top().into_iter();
                let rows =
                    rows.map(|(name, v)| [plain(name, TEXT), percent(Some(importance.share(v)))]).collect();
                let height = 90 + 26 * importance.top().len() as u32;
                (Style { width: 540, height }, importance.model(), ["Feature", "Share"], rows)
            }
        };
        let svg = named.plot.to_svg(&style).ok()?;
        let (group, caption) = (named.plot.name(), named.plot.caption());
        Some(Figure { file: named.file, group, heading, caption, svg, columns, table })
    };
    report.plots().into_iter().filter_map(draw).collect()
}

/// Every plot of the catalogue that is not shown, with the reason.
fn absent(data: &ReportData) -> Vec<[String; 2]> {
    let reason = |plot: &str, known: Option<String>, default: &str| {
        let given = data.absent.iter().find(|a| a.plot == plot).map(|a| plain(&a.reason, TEXT));
        given.or(known).unwrap_or_else(|| default.into())
    };
    let mut absent = Vec::new();
    let map = data.cluster_map.clone().map(Plot::ClusterMap);
    let tree = data.condensed_tree.clone().map(Plot::CondensedTree);
    let trend = data.noise_trend.clone().map(Plot::NoiseTrend);
    let cases = [
        ("cluster map", map, "no cluster map was computed"),
        ("condensed tree", tree, "the clusterer has no such tree"),
        ("noise trend", trend, "no batch has been scored"),
    ];
    for (name, plot, default) in cases {
        match plot {
            Some(plot) => {
                if let Some(missing) = plot.missing() {
                    absent.push([name.to_owned(), reason(name, Some(missing), default)]);
                }
            }
            None => absent.push([name.to_owned(), reason(name, None, default)]),
        }
    }
    if data.importances.is_empty() {
        absent.push([
            "importance".into(),
            reason("importance", None, "no model tells the importance of its features"),
        ]);
    }
    for importance in &data.importances {
        let name = format!("importance, {}", importance.model());
        if let Some(missing) = Plot::Importance(importance.clone()).missing() {
            absent.push([name.clone(), reason(&name, Some(missing), "")]);
        }
    }
    absent.truncate(LISTED);
    absent
}

fn retrains(data: &ReportData) -> Listed<6> {
    use tsc_core::RetrainOutcome::{Failed, Promoted, Rejected, RolledBack};
    listed_with(&data.retrains, |r| {
        let tone = match r.outcome {
            Promoted => Tone::Good,
            Rejected | RolledBack => Tone::Warn,
            Failed => Tone::Bad,
            _ => Tone::Plain,
        };
        let outcome = match (r.outcome, r.model_version) {
            (Promoted, Some(version)) => format!("promoted: version {version} serves"),
            (outcome, _) => outcome.name().replace('_', " "),
        };
        let test = r.p_value.map(|p| format!(" (p\u{a0}=\u{a0}{})", number(Some(p)))).unwrap_or_default();
        let losses = match (r.champion, r.challenger) {
            (None, None) => "not compared".to_owned(),
            _ => format!("{} → {}{test}", number(r.champion), number(r.challenger)),
        };
        let cells = [
            when(r.at),
            count(r.batch),
            plain(&r.trigger.to_string(), TEXT),
            outcome,
            losses,
            plain(&r.reason, TEXT),
        ];
        Row { cells, tone, colour: None }
    })
}

#[derive(Serialize)]
struct Alerts {
    open: Vec<String>,
    table: Listed<6>,
}

fn alerts(data: &ReportData) -> Alerts {
    use tsc_core::{AlertChange, Severity};
    let table = listed_with(&data.alerts, |a| {
        let tone = match (a.change, a.severity) {
            (AlertChange::Resolved, _) => Tone::Good,
            (_, Severity::Critical) => Tone::Bad,
            (_, Severity::Warning) => Tone::Warn,
            (_, Severity::Info) => Tone::Plain,
        };
        let change = match a.change {
            AlertChange::Firing => "firing",
            AlertChange::Escalated => "escalated",
            AlertChange::Resolved => "resolved",
            _ => "changed",
        };
        let severity = format!("{:?}", a.severity).to_lowercase();
        let cells = [
            when(a.at),
            count(a.batch),
            plain(&a.signal.to_string(), TEXT),
            format!("{change} ({severity})"),
            number(Some(a.value)),
            number(Some(a.limit)),
        ];
        Row { cells, tone, colour: None }
    });
    let open = open_alerts(&data.alerts);
    Alerts { open: open.iter().take(LISTED).map(|a| plain(&a.signal.to_string(), TEXT)).collect(), table }
}

fn tracking(data: &ReportData) -> Option<Vec<[String; 2]>> {
    let tracking = data.tracking.as_ref()?;
    let counts = [
        ("stored", tracking.sent),
        ("waiting", tracking.queued),
        ("on disk, to be sent later", tracking.spooled),
        ("sent from disk", tracking.replayed),
        ("refused by the store", tracking.rejected),
        ("lost for want of room", tracking.dropped),
        ("cut to the store's limits", tracking.truncated),
        ("undefined numbers left out", tracking.non_finite),
    ];
    let shown = counts.iter().filter(|(name, n)| *n > 0 || *name == "stored");
    let mut rows: Vec<[String; 2]> = shown.map(|(name, n)| [(*name).to_owned(), count(*n)]).collect();
    rows.extend(tracking.last_error.iter().map(|e| ["last fault".into(), plain(e, TEXT)]));
    Some(rows)
}
