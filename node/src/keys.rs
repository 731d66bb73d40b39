//! `confman-node keys`: makes API keys and the digests that their files hold.

use std::io::{BufRead as _, Write as _};

use anyhow::Context as _;

use crate::args::{KeysArgs, KeysCommand};
use crate::auth::api_keys::{digest_of, generate};

/// Runs `keys`.
pub fn run(args: &KeysArgs) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match &args.command {
        KeysCommand::Generate { environment } => {
            let key = generate(environment).context("no randomness")?;
            writeln!(out, "key:  {key}\nfile: {}", digest_of(&key))?;
        }
        KeysCommand::Hash => {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line)?;
            writeln!(out, "{}", digest_of(line.trim()))?;
        }
    }
    Ok(())
}
