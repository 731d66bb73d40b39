//! `demo`: plays the story on a Kubernetes and leaves it running, or removes it.

use clap::Parser;
use confman_e2e::console::Console;
use confman_e2e::kubernetes::{Kubernetes, Origin};
use confman_e2e::story;

/// `CLUSTER` says where: local (default), kind, or current.
#[derive(Debug, Parser)]
enum Arguments {
    /// Plays the story.
    Up,
    /// Removes everything that `up` made.
    Down,
}

const NAME: &str = "confman-demo";

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let console = Console::default();
    let origin = Origin::from_environment()?;
    match arguments {
        Arguments::Up => {
            console.title("Confman, from one person's request to a pod's read");
            let kubernetes = Kubernetes::up(&console, origin, NAME)?;
            story::play(&console, &kubernetes)?;
            story::epilogue(&console, &kubernetes);
            Ok(())
        }
        Arguments::Down => Kubernetes::known(origin, NAME)?.down(&console),
    }
}
