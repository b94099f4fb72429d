//! Development commands of the workspace, started as `cargo xtask`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its user")]

mod bench;
mod demo;
mod eval;
mod exit;
mod flags;
mod json;
mod metadata;
mod mlflow;
mod server;
mod setup;
mod steps;
mod test;
mod tidy;
mod workspace;

use anyhow::Result;

use crate::{
    exit::{code_of, stop},
    flags::{Xtask, XtaskCmd},
    setup::Source,
    workspace::{root, shell, tool_dir},
};

fn main() {
    let flags = Xtask::from_env_or_exit();
    if let Err(error) = run(flags) {
        eprintln!("error: {error:#}");
        std::process::exit(code_of(&error));
    }
}

fn run(flags: Xtask) -> Result<()> {
    match flags.subcommand {
        XtaskCmd::Setup(it) => setup::run(&tool_dir(), &Source { wheels: it.wheels, offline: false }),
        XtaskCmd::Demo(it) => demo::run(it.data, it.ui, it.no_lightgbm),
        XtaskCmd::Test(it) => {
            let options = test::Options { full: it.full, offline: it.offline, no_lightgbm: it.no_lightgbm };
            test::run(&options)
        }
        XtaskCmd::Ci(_) => test::ci(),
        XtaskCmd::Tidy(_) => tidy::run(&shell()?),
        XtaskCmd::Conformance(_) => test::conformance(),
        XtaskCmd::Deny(_) => test::deny(),
        XtaskCmd::Env(_) => {
            print!("{}", setup::exports(&root())?);
            Ok(())
        }
        XtaskCmd::Bench(it) => bench::run(&bench::Options {
            area: it.peers,
            case: it.case,
            rounds: it.rounds,
            data: it.data,
            json: it.json,
        }),
        XtaskCmd::Eval(it) => eval::run(&it.name, it.data, it.json),
    }
}

/// An honest no: exit code 2 and never an empty result file.
fn absent(kind: &str, name: &str) -> anyhow::Error {
    stop(format!("{kind} `{name}` is not there yet, nothing was measured"))
}
