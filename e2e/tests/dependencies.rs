//! Who depends on whom: the arrows of the architecture, and a snapshot of every crate's direct dependencies.

use confman_e2e::tidy::{self, arrows};

#[test]
fn crates_depend_only_along_the_arrows() -> anyhow::Result<()> {
    let metadata = arrows::Metadata::load(&tidy::repository_root())?;
    tidy::expect_none(arrows::check(&metadata))
}

/// A new dependency is a decision: it shows in review as a line of the snapshot (`make generate` writes it again).
#[test]
fn direct_dependencies_are_the_committed_ones() -> anyhow::Result<()> {
    let metadata = arrows::Metadata::load(&tidy::repository_root())?;
    insta::assert_snapshot!("direct_dependencies", metadata.direct_dependencies());
    Ok(())
}
