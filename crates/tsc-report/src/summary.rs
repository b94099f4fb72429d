//! What the report says first, computed from the data it shows further down.

use std::collections::BTreeMap;

use serde::Serialize;
use tsc_core::{AlertChange, AlertEvent, HealthStatus, RetrainOutcome, Severity};

use crate::data::ReportData;
use crate::text::{UNDEFINED, count, number, percent};

/// How a card or a row looks; the words say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tone {
    Plain,
    Good,
    Warn,
    Bad,
}

/// One headline: what, how much, and what to compare it with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Card {
    pub(crate) label: &'static str,
    pub(crate) value: String,
    pub(crate) note: String,
    pub(crate) tone: Tone,
}

pub(crate) fn health(status: Option<HealthStatus>) -> (&'static str, Tone) {
    match status {
        Some(HealthStatus::Healthy) => ("Healthy: nothing needs attention", Tone::Good),
        Some(HealthStatus::Warning) => ("Warning: look soon", Tone::Warn),
        Some(HealthStatus::Critical) => ("Critical: look now", Tone::Bad),
        _ => ("No health yet: no batch has been scored", Tone::Plain),
    }
}

/// The error of the pipeline against one other row of the value table; `None` where one is undefined.
///
/// Below 0 the pipeline is better.
pub(crate) fn relative_rmse(data: &ReportData, other: usize) -> Option<f64> {
    let pipeline = data.models.first()?.scores.rmse?;
    let other = data.models.get(other)?.scores.rmse.filter(|rmse| *rmse > 0.0)?;
    Some(pipeline / other - 1.0)
}

/// `12 % smaller error than the global model`.
pub(crate) fn comparison(relative: f64, than: &str) -> String {
    if relative.abs() < 5e-4 {
        return format!("the same error as the {than}");
    }
    let direction = if relative < 0.0 { "smaller" } else { "larger" };
    format!("{} {direction} error than the {than}", percent(Some(relative.abs())))
}

/// The pipeline against everything it is measured with, in one sentence.
pub(crate) fn verdict(data: &ReportData) -> Option<String> {
    let pipeline = data.models.first()?;
    let rmse = pipeline.scores.rmse?;
    let others: Vec<String> = (1..data.models.len())
        .filter_map(|other| Some(comparison(relative_rmse(data, other)?, &data.models[other].model)))
        .collect();
    let unit = data.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
    let n = count(pipeline.scores.n);
    let against = if others.is_empty() { String::new() } else { format!(": {}", others.join(", and ")) };
    Some(format!(
        "On {n} held-out rows the {} is off by {}{unit} (RMSE){against}.",
        pipeline.model,
        number(Some(rmse))
    ))
}

/// Alerts that fire and have not been resolved, by signal.
pub(crate) fn open_alerts(alerts: &[AlertEvent]) -> Vec<&AlertEvent> {
    let mut open = BTreeMap::new();
    for alert in alerts {
        if alert.change == AlertChange::Resolved {
            open.remove(&alert.signal);
        } else {
            open.insert(&alert.signal, alert);
        }
    }
    open.into_values().collect()
}

pub(crate) fn cards(data: &ReportData) -> Vec<Card> {
    let mut cards = vec![rows_card(data)];
    if let Some(clusters) = &data.clusters {
        let noise = (clusters.n_samples > 0).then(|| clusters.n_noise as f64 / clusters.n_samples as f64);
        cards.push(Card {
            label: "Groups of similar patients",
            value: count(clusters.clusters.len() as u64),
            note: format!("{} of the samples fit no group (noise)", percent(noise)),
            tone: Tone::Plain,
        });
    }
    if let Some(pipeline) = data.models.first() {
        let relative = relative_rmse(data, 1);
        let tone = match relative {
            Some(relative) if relative < -5e-4 => Tone::Good,
            Some(relative) if relative > 5e-4 => Tone::Warn,
            _ => Tone::Plain,
        };
        let unit = data.unit.as_deref().filter(|_| pipeline.scores.rmse.is_some());
        let note = match (relative, data.models.get(1)) {
            (Some(relative), Some(other)) => comparison(relative, &other.model),
            _ => "nothing to compare with".into(),
        };
        let value = number(pipeline.scores.rmse);
        let value = unit.map(|unit| format!("{value} {unit}")).unwrap_or(value);
        cards.push(Card { label: "Prediction error (RMSE)", value, note, tone });
    }
    cards.push(alerts_card(data));
    if !data.retrains.is_empty() {
        let promoted = data.retrains.iter().filter(|r| r.outcome == RetrainOutcome::Promoted).count() as u64;
        cards.push(Card {
            label: "Retrains",
            value: count(data.retrains.len() as u64),
            note: format!("{} brought new models into service", count(promoted)),
            tone: Tone::Plain,
        });
    }
    let degraded = data.degraded.len() as u64;
    cards.push(Card {
        label: "Degraded parts",
        value: count(degraded),
        note: if degraded == 0 { "everything worked".into() } else { "see Degraded items".into() },
        tone: if degraded == 0 { Tone::Good } else { Tone::Warn },
    });
    cards
}

fn rows_card(data: &ReportData) -> Card {
    let rejected = data.data.rows_in.saturating_sub(data.data.rows_used);
    let patients = data.data.n_groups.map(|n| format!(" from {} patients", count(n))).unwrap_or_default();
    let value = if data.data.rows_in == 0 { UNDEFINED.into() } else { count(data.data.rows_used) };
    let note = match rejected {
        0 => format!("rows{patients}, none refused"),
        n => format!("rows{patients}, {} refused", count(n)),
    };
    let tone = if rejected == 0 { Tone::Plain } else { Tone::Warn };
    Card { label: "Data used", value, note, tone }
}

fn alerts_card(data: &ReportData) -> Card {
    let open = open_alerts(&data.alerts);
    let tone = match open.iter().map(|alert| alert.severity).max() {
        None => Tone::Good,
        Some(Severity::Critical) => Tone::Bad,
        Some(_) => Tone::Warn,
    };
    let names: Vec<String> = open.iter().map(|alert| alert.signal.to_string()).collect();
    let note = if names.is_empty() { "none is firing".into() } else { names.join(", ") };
    Card { label: "Open alerts", value: count(open.len() as u64), note, tone }
}

#[cfg(test)]
mod tests {
    use tsc_core::{RegressionScores, Signal};

    use super::*;
    use crate::ModelScores;

    fn models(predicted: &[(&str, f64)]) -> ReportData {
        let truth = [1.0, 2.0, 3.0, 4.0];
        let scores = |off: f64| RegressionScores::of(&truth, &truth.map(|t| t + off));
        let models =
            predicted.iter().map(|(name, off)| ModelScores { model: (*name).into(), scores: scores(*off) });
        ReportData { models: models.collect(), ..ReportData::default() }
    }

    #[test]
    fn the_verdict_says_who_is_better_and_by_how_much() {
        let better = models(&[("pipeline", 0.6), ("global model", 0.8), ("last value", 0.5)]);
        let expected = "On 4 held-out rows the pipeline is off by 0.6 (RMSE): 25\u{202f}% smaller error than the \
                        global model, and 20\u{202f}% larger error than the last value.";
        assert_eq!(verdict(&better).unwrap(), expected);
        let card = cards(&better).into_iter().find(|c| c.label.starts_with("Prediction")).unwrap();
        assert_eq!(
            (card.tone, card.note.as_str()),
            (Tone::Good, "25\u{202f}% smaller error than the global model")
        );
    }

    #[test]
    fn a_worse_pipeline_is_not_shown_as_good() {
        let worse = models(&[("pipeline", 0.8), ("global model", 0.4)]);
        let card = cards(&worse).into_iter().find(|c| c.label.starts_with("Prediction")).unwrap();
        assert_eq!(
            (card.tone, card.note.as_str()),
            (Tone::Warn, "100\u{202f}% larger error than the global model")
        );
        assert_eq!(verdict(&models(&[])), None);
        let perfect = models(&[("pipeline", 0.5), ("global model", 0.0)]);
        assert_eq!(relative_rmse(&perfect, 1), None, "a ratio to a perfect model is not defined");
    }

    #[test]
    fn only_alerts_that_were_not_resolved_are_open() {
        let event = |signal: Signal, change| AlertEvent::new(signal, change, Severity::Warning, 0.4, 0.3);
        let alerts = [
            event(Signal::NoiseRatio, AlertChange::Firing),
            event(Signal::RejectedRows, AlertChange::Firing),
            event(Signal::NoiseRatio, AlertChange::Resolved),
        ];
        let open = open_alerts(&alerts);
        assert_eq!(open.iter().map(|a| &a.signal).collect::<Vec<_>>(), [&Signal::RejectedRows]);
        assert!(open_alerts(&alerts[..0]).is_empty());
    }
}
