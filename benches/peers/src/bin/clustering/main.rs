//! One measurement of `cargo xtask bench --peers clustering`, printed as one line of JSON.
//!
//! Arguments are `key=value`; every number of a case comes from the table of cases in xtask.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the line of JSON is the result")]

mod input;
mod ours;
#[cfg(feature = "rivals")]
mod rivals;

use anyhow::{Result, bail};
use tsc_peers::Arguments;

fn main() -> Result<()> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let report = match (arguments.text("task")?, arguments.text("peer")?) {
        ("mixture", _) => return input::mixture(&arguments),
        ("distances", _) => return input::distances(&arguments),
        ("fit", "ours") => ours::fit(&arguments)?,
        ("precomputed", "ours") => ours::precomputed(&arguments)?,
        ("predict", "ours") => ours::predict(&arguments)?,
        ("re-extract", "ours") => ours::re_extract(&arguments)?,
        ("knn", "ours") => ours::knn(&arguments)?,
        ("silhouette", "ours") => ours::silhouette(&arguments)?,
        ("dbcv", "ours") => ours::validity(&arguments)?,
        ("fallback", "ours") => ours::fallback(&arguments)?,
        #[cfg(feature = "rivals")]
        ("knn", "kiddo") => rivals::kiddo_f64(&arguments)?,
        #[cfg(feature = "rivals")]
        ("knn", "kiddo f32") => rivals::kiddo_f32(&arguments)?,
        (task, peer) => bail!("{peer} has no task {task}"),
    };
    println!("{report}");
    Ok(())
}
