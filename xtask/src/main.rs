//! Development commands of the workspace, started as `cargo xtask`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its user")]

mod exit;
mod flags;
mod setup;
mod steps;
mod workspace;

use anyhow::Result;

use crate::{
    exit::code_of,
    flags::{Xtask, XtaskCmd},
    setup::Source,
    workspace::tool_dir,
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
        _ => todo!(),
    }
}
