//! Prints the definitions of the three kinds, for `kubectl apply -f -`.

use std::io::Write as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    for manifest in confman_crds::manifest::all()? {
        writeln!(out, "---\n{}", manifest.yaml)?;
    }
    Ok(())
}
