//! What the cluster has in the end: the versions of every key by their histories, held against the audit trail.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::Value;

use super::call;
use super::oracle::{Broken, Change, Record, Violation};
use crate::audit;

/// Log index and digest of each version of each key.
type Digests = BTreeMap<(String, u64), (u64, Option<String>)>;

/// Reads everything from one node, linearizably.
pub async fn read(address: &str, api_key: &str) -> anyhow::Result<(Record, Vec<Violation>)> {
    let lines = export(address, api_key).await?;
    let (audited, mut violations) = audited(&lines)?;
    let mut keys: Vec<_> = audited.keys().map(|(key, _)| key.clone()).collect();
    keys.dedup();
    let (mut record, mut kept) = (Record::new(), Digests::new());
    for key in keys {
        let (changes, digests) = history(address, api_key, &key).await?;
        kept.extend(digests);
        record.insert(key, changes);
    }
    violations.extend(compare(&audited, &kept));
    Ok((record, violations))
}

/// The lines of the audit export.
async fn export(address: &str, api_key: &str) -> anyhow::Result<Vec<String>> {
    let path = "/api/v1/audit?consistency=linearizable";
    let mut stream = call::stream(address, api_key, path, "accept: application/x-ndjson\r\n").await?;
    let mut lines = Vec::new();
    while let Some(line) = stream.body_line().await? {
        lines.push(line);
    }
    Ok(lines)
}

/// What the audit trail says of values, and what is wrong with it.
fn audited(lines: &[String]) -> anyhow::Result<(Digests, Vec<Violation>)> {
    let report = audit::verify(lines.concat().as_bytes(), None).context("verify the export")?;
    let wrong = report
        .objections
        .iter()
        .map(|objection| format!("line {}: {}", objection.line, objection.what));
    let cut_off = (!report.has_end).then(|| "the export has no end".to_owned());
    let wrong = wrong
        .chain(cut_off)
        .map(|what| Violation::new(Broken::AuditBroken, what));
    let mut violations: Vec<_> = wrong.collect();
    let mut found = Digests::new();
    for line in lines {
        let event: Value = serde_json::from_str(line).context("an event is JSON")?;
        let (Some(key), Some(version)) = (
            event["resource"]["key"].as_str(),
            event["change"]["newVersion"].as_u64(),
        ) else {
            continue;
        };
        let index = event["position"]["index"].as_u64().context("an event has an index")?;
        let digest = event["change"]["newDigest"].as_str().map(str::to_owned);
        if found.insert((key.to_owned(), version), (index, digest)).is_some() {
            let evidence = format!("version {version} of {key} was made twice");
            violations.push(Violation::new(Broken::AuditBroken, evidence));
        }
    }
    Ok((found, violations))
}

/// Every version that is there has one event that tells of it, and the other way round.
fn compare(audited: &Digests, kept: &Digests) -> Vec<Violation> {
    let all = audited
        .keys()
        .chain(kept.keys().filter(|at| !audited.contains_key(*at)));
    let differ = all.filter(|at| audited.get(*at) != kept.get(*at));
    let tell = |at: &(String, u64)| format!("{at:?}: audited {:?}, there is {:?}", audited.get(at), kept.get(at));
    differ.map(|at| Violation::new(Broken::AuditBroken, tell(at))).collect()
}

/// The versions of one key, oldest first.
async fn history(address: &str, api_key: &str, key: &str) -> anyhow::Result<(Vec<Change>, Digests)> {
    let (mut changes, mut digests, mut cursor) = (Vec::new(), Digests::new(), String::new());
    loop {
        let path = format!("/api/v1/history/{key}?values=true&limit=1000&consistency=linearizable{cursor}");
        let page = call::get(address, api_key, &path).await?;
        for item in page["items"].as_array().context("a page has items")? {
            let number = |value: &Value| value.as_u64().with_context(|| format!("{key}: {item}"));
            let (version, index) = (number(&item["version"])?, number(&item["position"]["index"])?);
            let value = item["value"].as_str().map(str::to_owned);
            changes.push(Change { version, index, value });
            let digest = item["digest"].as_str().map(str::to_owned);
            digests.insert((key.to_owned(), version), (index, digest));
        }
        match page["pagination"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    changes.reverse();
    Ok((changes, digests))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_only_one_of_audit_and_state_has_is_caught() {
        let version = |number, digest: &str| (("key".to_owned(), number), (number, Some(digest.to_owned())));
        let whole = Digests::from([version(1, "a"), version(2, "b")]);
        assert_eq!(compare(&whole, &whole), []);
        let missing = Digests::from([version(1, "a")]);
        assert_eq!(compare(&whole, &missing).len(), 1);
        assert_eq!(compare(&missing, &whole).len(), 1);
        let other = Digests::from([version(1, "a"), version(2, "x")]);
        assert_eq!(compare(&whole, &other).len(), 1);
    }
}
