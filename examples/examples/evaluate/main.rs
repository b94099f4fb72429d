//! Are the predictions worth having? Each task on its documented split: pipeline, one global model, permuted segments
//! and naive forecasts on rows that none of them saw. docs/EVALUATION.md has the tables.
//!
//! `cargo run --release --example evaluate -- all --data DIR [--json FILE]`, or one of icu, los, mortality24, hospital,
//! hhs, nhs; `cargo xtask eval` is the same. DIR is the folder of the data sets; without it a simulated cohort is judged.
#![expect(clippy::print_stdout, reason = "an example prints what it finds")]

mod judge;
mod panels;
mod stays;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use table::Line;

/// Task, folder below DIR, and what runs it.
const TASKS: [(&str, &str, fn(&Path) -> Result<Vec<Line>>); 6] = [
    ("icu", "physionet2012", stays::icu),
    ("los", "yaib_icu_demo", stays::los),
    ("mortality24", "yaib_icu_demo", stays::mortality24),
    ("hospital", "hyndman_hospital", panels::hospital),
    ("hhs", "hhs_ny_hospitals", panels::hhs),
    ("nhs", "nhs", panels::nhs),
];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut task, mut data, mut json) = (None, None, None);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--data" => data = Some(PathBuf::from(value()?)),
            "--json" => json = Some(PathBuf::from(value()?)),
            name if task.is_none() && !name.starts_with('-') => task = Some(name.to_owned()),
            other => bail!("unknown argument {other}"),
        }
    }
    let Some(data) = data else {
        println!("no --data DIR: judging needs real series; README.md says where they come from");
        return Ok(());
    };
    let task = task.unwrap_or_else(|| "all".into());
    let chosen: Vec<_> = TASKS.iter().filter(|(name, ..)| task == "all" || *name == task).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = TASKS.iter().map(|(name, ..)| *name).collect();
        bail!("unknown task {task}, must be all or one of {}", names.join(", "));
    }
    println!("{}", Line::header());
    let mut lines = Vec::new();
    for (name, folder, run) in chosen {
        // One set alone may be given by its own folder.
        let folder = Some(data.join(folder)).filter(|folder| folder.is_dir()).unwrap_or_else(|| data.clone());
        for line in run(&folder).with_context(|| format!("task {name} on {}", folder.display()))? {
            println!("{}", line.markdown());
            lines.push(line);
        }
    }
    if let Some(path) = json {
        let rows: Vec<_> = lines.iter().map(Line::json).collect();
        let text = serde_json::to_string_pretty(&rows)?;
        let unwritten = || format!("{}", path.display());
        let partial = path.with_extension("part");
        std::fs::write(&partial, text).with_context(unwritten)?;
        std::fs::rename(&partial, &path).with_context(unwritten)?;
    }
    Ok(())
}
