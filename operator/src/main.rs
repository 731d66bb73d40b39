//! `confman-operator`: controllers for the three kinds, and the admission service.

use clap::Parser as _;
use confman_operator::args::{Args, Command};

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    confman_operator::logs::init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match args.command {
            Command::Run(args) => confman_operator::run::run(args).await,
            Command::Admission(args) => confman_operator::admission::run(args).await,
            Command::Crds => confman_operator::args::print_crds(),
        }
    })
}
