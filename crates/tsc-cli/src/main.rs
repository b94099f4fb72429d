//! `tsclust`: fit, score and watch patient segments from the command line.
#![forbid(unsafe_code)]

mod commands;
mod data;
mod demo;
mod failure;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use failure::Failure;

/// Patient time series to segments and predictions, watched and retrained, with every step in MLflow.
#[derive(Debug, Parser)]
#[command(name = "tsclust", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// One JSON document on stdout instead of text; errors as JSON on stderr.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes a commented configuration; never overwrites.
    ///
    /// Example: tsclust init tsclust.toml
    Init {
        /// File to write.
        #[arg(default_value = "tsclust.toml")]
        file: PathBuf,
        /// Start from a preset: small, large, medical, ..
        #[arg(long)]
        preset: Option<String>,
    },
    /// Fits a pipeline: clusters, models, fallback, run tree, bundle, report.
    ///
    /// Example: tsclust fit patients.csv -c tsclust.toml -o bundle
    Fit(FitArgs),
    /// Scores a file with a stored pipeline, batch by batch.
    ///
    /// Example: tsclust score patients.csv --model bundle -o scored.csv
    Score(ScoreArgs),
    /// Checks this machine, the build, the tracking store and, where given, a bundle.
    ///
    /// Example: tsclust doctor --model bundle
    Doctor {
        /// Bundle to load.
        #[arg(long)]
        model: Option<PathBuf>,
        /// Configuration to check.
        #[arg(short, long)]
        config: Option<PathBuf>,
    },
    /// Deals with runs that could not be delivered.
    Tracking {
        #[command(subcommand)]
        action: Tracking,
    },
    /// Runs everything once: fit, 15 batches, drift, retrain, save, reload, report.
    ///
    /// Example: tsclust demo --out demo
    Demo(DemoArgs),
}

#[derive(Debug, Subcommand)]
enum Tracking {
    /// Sends what waits in `.tsc/spool` of this folder; exit code 5 if something is left.
    ///
    /// Example: tsclust tracking replay -c tsclust.toml
    Replay {
        /// Configuration that names the store.
        #[arg(short, long)]
        config: Option<PathBuf>,
        /// Seconds after which the rest is left for another time.
        #[arg(long, default_value_t = 60)]
        wait: u32,
    },
}

#[derive(Debug, Args)]
pub(crate) struct FitArgs {
    /// CSV of features, or patient series where the configuration has a `[series]` table.
    pub(crate) data: PathBuf,
    /// Configuration.
    #[arg(short, long)]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the bundle.
    #[arg(short, long, default_value = "bundle")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    /// CSV of features, or patient series where the bundle has a featurizer.
    pub(crate) data: PathBuf,
    /// Bundle folder, or `models:/NAME/Staging` in the registry.
    #[arg(short, long)]
    pub(crate) model: String,
    /// CSV to write; absent = stdout.
    #[arg(short, long)]
    pub(crate) output: Option<PathBuf>,
    /// Store monitor, window and retrained models back into the bundle.
    #[arg(long, conflicts_with = "predict_only")]
    pub(crate) save: bool,
    /// Predict and nothing else: no monitoring, no retrain, no run.
    #[arg(long)]
    pub(crate) predict_only: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Real stays of PhysioNet 2012 (a folder with `set-a.tar.gz` and `Outcomes-a.txt`).
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Folder of bundle, runs and report.
    #[arg(long, default_value = "tsc-demo")]
    pub(crate) out: PathBuf,
    /// Seed of cohort, split and models.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && std::env::args_os().any(|arg| arg == "--json") => {
            return usage_as_json(&error);
        }
        Err(error) => {
            // Help and version go to stdout with code 0, usage faults to stderr with code 2.
            let code = if error.use_stderr() { failure::USAGE } else { 0 };
            return match error.print() {
                Ok(()) => ExitCode::from(code),
                // A closed pipe: whoever asked for help has read enough.
                Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::from(code),
                Err(_) => ExitCode::from(failure::INTERNAL),
            };
        }
    };
    let result = match cli.command {
        Command::Init { file, preset } => commands::init(&file, preset.as_deref(), cli.json),
        Command::Fit(args) => commands::fit(&args, cli.json),
        Command::Score(args) => commands::score(&args, cli.json),
        Command::Doctor { model, config } => commands::doctor(model.as_deref(), config.as_deref(), cli.json),
        Command::Tracking { action: Tracking::Replay { config, wait } } => {
            commands::replay(config.as_deref(), wait, cli.json)
        }
        Command::Demo(args) => demo::run(&args, cli.json),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => failure.report(cli.json),
    }
}

/// The error object for a command line that was never understood.
fn usage_as_json(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    let mut parts = text.trim_end().splitn(2, "\n\n");
    let message = parts.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    Failure::usage("TSC-CLI-002", message, parts.next().unwrap_or("see tsclust --help").trim()).report(true)
}

/// Exit code of a command that did what it was asked.
type Outcome = Result<u8, Failure>;
