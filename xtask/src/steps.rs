//! Named steps, each timed, with a table at the end.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// What a step came to.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed,
    /// Not run, and why.
    Skipped(String),
}

/// The steps of one command, in the order they ran.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    wall: Duration,
    skipped: bool,
}

impl Steps {
    /// Runs a step that either passes or fails.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<()>) -> Result<()> {
        self.run_or_skip(name, || step().map(|()| Outcome::Passed))
    }

    /// Runs a step that may find that what it needs is absent.
    ///
    /// The first failing step ends the command: its name is in the error.
    pub(crate) fn run_or_skip(&mut self, name: &str, step: impl FnOnce() -> Result<Outcome>) -> Result<()> {
        println!("\n=== {name}");
        let start = now();
        let outcome = step().with_context(|| format!("step `{name}` failed"))?;
        let skipped = match outcome {
            Outcome::Passed => false,
            Outcome::Skipped(reason) => {
                println!("skipped: {name}: {reason}");
                true
            }
        };
        self.rows.push(Row { name: name.to_owned(), wall: start.elapsed(), skipped });
        Ok(())
    }

    /// Prints wall seconds per step and the count of steps.
    pub(crate) fn finish(&self) {
        print!("{}", self.table());
    }

    fn table(&self) -> String {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max("total".len());
        let mut text = format!("\n{:width$}  wall s\n", "step");
        for row in &self.rows {
            let note = if row.skipped { "  skipped" } else { "" };
            text += &format!("{:width$}  {:6.1}{note}\n", row.name, row.wall.as_secs_f64());
        }
        let total: Duration = self.rows.iter().map(|row| row.wall).sum();
        text += &format!("{:width$}  {:6.1}\n", "total", total.as_secs_f64());
        let skipped = self.rows.iter().filter(|row| row.skipped).count();
        text += &format!("steps: {} passed, 0 failed, {skipped} skipped\n", self.rows.len() - skipped);
        text
    }
}

#[expect(clippy::disallowed_methods, reason = "xtask measures its own steps")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_step_and_the_last_line_counts_them() {
        let mut steps = Steps::default();
        steps.run("fmt", || Ok(())).unwrap();
        steps.run_or_skip("mlflow", || Ok(Outcome::Skipped("no python3".into()))).unwrap();
        let table = steps.table();
        assert!(table.contains("fmt  "), "{table}");
        assert!(table.contains("skipped"), "{table}");
        assert!(table.ends_with("steps: 1 passed, 0 failed, 1 skipped\n"), "{table}");
    }

    #[test]
    fn a_failing_step_ends_the_run_and_is_named() {
        let error = Steps::default().run("clippy", || anyhow::bail!("2 warnings")).unwrap_err();
        assert_eq!(format!("{error:#}"), "step `clippy` failed: 2 warnings");
    }
}
