//! Pages that are generated from the code: `CONFMAN_WRITE_GENERATED=1` writes them again (`make generate`).

use confman_api::limits;
use confman_e2e::tidy;

const ABOVE_LIMITS: &str = "\
# Limits of the HTTP interface

Generated from `node/api/src/limits.rs` by `make generate`. A request that exceeds one is answered with a problem that names
the field and the limit, and changes nothing.

";

#[test]
fn the_committed_page_of_limits_is_the_table_of_the_code() -> anyhow::Result<()> {
    let path = tidy::repository_root().join("docs/limits.md");
    let generated = format!("{ABOVE_LIMITS}{}", limits::table());
    if std::env::var_os("CONFMAN_WRITE_GENERATED").is_some() {
        std::fs::write(&path, &generated)?;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    anyhow::ensure!(
        committed == generated,
        "docs/limits.md is not current; run `make generate`"
    );
    Ok(())
}
