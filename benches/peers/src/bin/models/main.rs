//! One measurement of `cargo xtask bench --peers models`, printed as one line of JSON.
//!
//! Arguments are `key=value`; every number of a case comes from the table of cases in xtask.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the line of JSON is the result")]

mod digest;
mod input;
mod road;
mod scoring;
mod series;
mod training;

use anyhow::{Result, bail};
use tsc_peers::Arguments;

fn main() -> Result<()> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let report = match (arguments.text("task")?, arguments.text("peer")?) {
        ("cohort", _) => return input::cohort(&arguments),
        ("segments", _) => return input::segments(&arguments),
        ("model", _) => return input::model(&arguments),
        ("long-csv", _) => return input::long_csv(&arguments),
        ("series", _) => return input::series(&arguments),
        ("stay-folds", _) => return input::stay_folds(&arguments),
        ("train", "ours") => training::train(&arguments)?,
        ("train-sized", "ours") => training::train_sized(&arguments)?,
        ("per-cluster", "ours") => training::per_cluster(&arguments)?,
        ("score", "ours") => scoring::score(&arguments)?,
        ("score-one", "ours") => scoring::one(&arguments)?,
        ("contributions", "ours") => scoring::contributions(&arguments)?,
        ("parse", "ours") => scoring::parse(&arguments)?,
        ("read", "ours") => series::read(&arguments)?,
        ("stats", "ours") => series::stats(&arguments)?,
        ("minimal", "ours") => series::minimal(&arguments)?,
        ("table-memory", "ours") => series::table_memory(&arguments)?,
        ("updater", "ours") => series::updater(&arguments)?,
        ("panel", "ours") => series::panel(&arguments)?,
        ("shape", "ours") => series::shape(&arguments)?,
        ("road", "ours") => road::road(&arguments)?,
        (task, peer) => bail!("{peer} has no task {task}"),
    };
    println!("{report}");
    Ok(())
}
