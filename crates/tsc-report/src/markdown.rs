use std::fmt::Write as _;

use crate::data::ReportData;
use crate::summary::{cards, health, open_alerts, verdict};
use crate::text::{count, number, plain, when};

const LISTED: usize = 20;

pub(crate) fn text(data: &ReportData) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    let subject = data.subject.as_deref().map(|s| format!(" for {}", cell(s))).unwrap_or_default();
    line(format!("# {}{subject}\n", cell(&data.title)));
    let at = data.at.map(|at| format!(", {}", when(at))).unwrap_or_default();
    line(format!("{}{at}.\n", health(data.health).0));
    if let Some(verdict) = verdict(data) {
        line(format!("{}\n", cell(&verdict)));
    }
    for card in cards(data) {
        line(format!("- {}: {} ({})", card.label, cell(&card.value), cell(&card.note)));
    }
    if !data.models.is_empty() {
        line("\n| model | n | RMSE | MAE | R2 |\n|---|---|---|---|---|".into());
        for row in &data.models {
            let s = &row.scores;
            let mut text = format!("| {} | {} |", cell(&row.model), count(s.n));
            for score in [s.rmse, s.mae, s.r2] {
                write!(text, " {} |", number(score)).expect("a String takes everything");
            }
            line(text);
        }
    }
    if let Some(value) = &data.value {
        line(format!("\n{}\n", cell(&value.sentence)));
        line(format!(
            "| against | rows | pipeline {0} | other {0} | difference, 95 % |\n|---|---|---|---|---|",
            cell(&value.measure)
        ));
        for row in &value.rivals {
            let between = row
                .interval
                .map_or("-".into(), |[a, b]| format!("{} to {}", number(Some(a)), number(Some(b))));
            let (pipeline, other) = (number(Some(row.pipeline)), number(Some(row.other)));
            line(format!("| {} | {} | {pipeline} | {other} | {between} |", cell(&row.name), count(row.rows)));
        }
    }
    let retrains =
        data.retrains.iter().map(|r| format!("batch {}: {}, {}", r.batch, r.outcome.name(), r.trigger));
    section(&mut line, "Retrains", retrains.collect());
    section(&mut line, "Open alerts", open_alerts(&data.alerts).iter().map(ToString::to_string).collect());
    let degraded = data.degraded.iter().map(|d| format!("{} ({}): {}", d.stage, d.code, d.message));
    section(&mut line, "Degraded", degraded.collect());
    out
}

fn section(line: &mut impl FnMut(String), title: &str, items: Vec<String>) {
    if items.is_empty() {
        return;
    }
    line(format!("\n## {title}\n"));
    let from = items.len().saturating_sub(LISTED);
    if from > 0 {
        line(format!("The newest {LISTED} of {}.\n", items.len()));
    }
    for item in &items[from..] {
        line(format!("- {}", cell(item)));
    }
}

// Markdown renders HTML and splits tables at bars; foreign text must stay text.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for c in plain(text, 300).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}
