//! The program of one node; see `confman-node --help`.

use std::process::ExitCode;

use clap::Parser as _;
use confman_node::args::{Args, Command};
use confman_node::{audit, dev, healthcheck, keys, recover, run};

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Run(args) => run::run(args),
        Command::Dev(args) => dev::run(args),
        Command::Keys(args) => keys::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Backups(args) => recover::list(&args),
        Command::Restore(args) => recover::restore(args),
        Command::Recover(args) => recover::recover(&args),
        Command::Healthcheck(args) => healthcheck::run(&args),
    };
    run::exit_code(done)
}
