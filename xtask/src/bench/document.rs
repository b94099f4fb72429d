//! Results as JSON, as a Markdown table, and that table's place in a document.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use super::outcome::{Outcome, Spread, Verdict, digits};

/// The rows with a target, and those that should have one and are void.
pub(crate) fn json(outcomes: &[Outcome]) -> String {
    let rows: Vec<String> = outcomes.iter().filter(|it| it.floor.is_some()).map(json_row).collect();
    format!("[\n  {}\n]\n", rows.join(",\n  "))
}

fn json_row(row: &Outcome) -> String {
    let number = |value: Option<f64>| value.map_or("null".to_owned(), |it| format!("{it:?}"));
    let median = |spread: Option<Spread>| number(spread.map(|it| it.median));
    let note = match row.verdict {
        Verdict::Void => format!(", \"note\": {}", quoted(&row.notes.join("; "))),
        _ => String::new(),
    };
    format!(
        "{{\"case\": {}, \"peer\": {}, \"ours\": {}, \"theirs\": {}, \"unit\": {}, \"ratio\": {}, \"target\": {}{note}}}",
        quoted(&row.case),
        quoted(row.peer),
        median(row.ours),
        median(row.theirs),
        quoted(row.unit),
        number(row.ratio),
        number(row.floor),
    )
}

fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The table, a line a row.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::from(
        "| case | against | ours | theirs | unit | ratio | floor | goal | reached | runs | notes |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in outcomes {
        let spread = |spread: Option<Spread>| match spread {
            None => "-".to_owned(),
            Some(it) if it.runs == 1 => digits(it.median),
            Some(it) => format!("{} ({}-{})", digits(it.median), digits(it.least), digits(it.largest)),
        };
        let optional = |value: Option<f64>| value.map_or(String::new(), digits);
        let runs = [row.ours, row.theirs].map(|it| it.map_or(0, |it| it.runs));
        let cells = [
            row.case.clone(),
            row.peer.to_owned(),
            spread(row.ours),
            spread(row.theirs),
            row.unit.to_owned(),
            row.ratio.map_or("void".to_owned(), digits),
            optional(row.floor),
            optional(row.goal),
            row.verdict.name().to_owned(),
            format!("{} / {}", runs[0], runs[1]),
            row.notes.join("; ").replace('|', "/"),
        ];
        text += &format!("| {} |\n", cells.join(" | "));
    }
    text
}

/// The line that a section of part of the cases starts with.
pub(crate) const PARTIAL: &str = "**Partial:**";

/// Writes a section, unless that would replace all cases by some; gives whether it did.
pub(crate) fn write_section(path: &Path, name: &str, body: &str) -> Result<bool> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let (before, old, after) = sections(&text, name).with_context(|| path.display().to_string())?;
    let is_table = old.lines().any(|line| line.starts_with('|'));
    if body.contains(PARTIAL) && is_table && !old.contains(PARTIAL) {
        return Ok(false);
    }
    write_whole(path, &format!("{before}\n{body}{after}"))?;
    Ok(true)
}

/// Writes a file whole or not at all.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<()> {
    let mut name = path.file_name().context("a file has a name")?.to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    fs::write(&new, text).with_context(|| format!("write {}", new.display()))?;
    fs::rename(&new, path).with_context(|| format!("rename {} to {}", new.display(), path.display()))
}

/// The text up to the section's first line, the section, and the text from its last line on.
fn sections<'a>(text: &'a str, name: &str) -> Result<(&'a str, &'a str, &'a str)> {
    let (begin, end) = (format!("<!-- begin: {name} -->"), format!("<!-- end: {name} -->"));
    let Some((start, stop)) = text.find(&begin).zip(text.find(&end)) else {
        bail!("the document has no lines `{begin}` and `{end}`");
    };
    let start = start + begin.len();
    if stop < start {
        bail!("`{end}` comes before `{begin}`");
    }
    Ok((&text[..start], &text[start..stop], &text[stop..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;

    fn outcome(ratio: Option<f64>, floor: Option<f64>, verdict: Verdict) -> Outcome {
        let spread = |median: f64| Spread { median, least: 0.5, largest: 2.0, runs: 3 };
        Outcome {
            case: "T-10 fit 1k x 2".into(),
            peer: "peer",
            ours: Some(spread(1.0)),
            theirs: Some(spread(2.0)),
            unit: "s",
            ratio,
            floor,
            goal: Some(0.25),
            verdict,
            notes: vec!["a \"b\" | c".into()],
        }
    }

    #[test]
    fn the_results_are_json_with_one_object_a_target() {
        let rows = [
            outcome(Some(0.5), Some(0.6), Verdict::Floor),
            outcome(Some(0.5), None, Verdict::Information),
            outcome(None, Some(0.6), Verdict::Void),
        ];
        let text = json(&rows);
        let json = Json::parse(&text).unwrap();
        let [good, void] = json.list() else { panic!("{text}") };
        let keys: Vec<&str> = good.members().iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["case", "peer", "ours", "theirs", "unit", "ratio", "target"]);
        assert_eq!(good.get("ratio").number(), Some(0.5));
        assert_eq!(good.get("target").number(), Some(0.6));
        assert_eq!((void.get("ratio"), void.get("ours").number()), (&Json::Null, Some(1.0)));
        assert_eq!(void.get("note").text(), Some("a \"b\" | c"));
        assert_eq!(Json::parse(&super::json(&[])).unwrap().list(), []);
    }

    #[test]
    fn every_row_of_the_table_has_every_column() {
        let text =
            table(&[outcome(Some(0.5), Some(0.6), Verdict::Floor), outcome(None, None, Verdict::Void)]);
        let columns: Vec<usize> = text.lines().map(|line| line.matches('|').count()).collect();
        assert_eq!(columns, [12; 4]);
        assert!(
            text.contains("| 1.00 (0.500-2.00) | 2.00 (0.500-2.00) | s | 0.500 | 0.600 | 0.250 | floor |"),
            "{text}"
        );
    }

    #[test]
    fn a_section_is_replaced_whole_and_all_cases_never_by_some() {
        let path = std::env::temp_dir().join(format!("tsc-section-{}.md", std::process::id()));
        let document = |body: &str| format!("prose\n<!-- begin: x -->\n{body}<!-- end: x -->\nmore\n");
        fs::write(&path, document("")).unwrap();
        let partial = format!("{PARTIAL} some\n\n| some |\n");
        for (body, written) in
            [(partial.as_str(), true), ("| all |\n", true), (&partial, false), ("| new |\n", true)]
        {
            let before = fs::read_to_string(&path).unwrap();
            assert_eq!(write_section(&path, "x", body).unwrap(), written, "{body}");
            let expected = if written { document(body) } else { before };
            assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        }
        assert!(write_section(&path, "y", "").is_err());
        fs::remove_file(&path).unwrap();
    }
}
