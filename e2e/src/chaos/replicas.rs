//! The state of every node at one log index: what it serves, and where its audit trail ends.

use anyhow::Context as _;

use super::call;
use super::cluster::{Cluster, eventually};
use super::oracle::{Broken, Violation};

/// What one node has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Number of audit events, and hash of the last.
    pub head: (u64, String),
    /// Every live key with its value, as pages of JSON.
    pub pages: Vec<String>,
}

/// What each node has once it has applied everything that was committed by now; and what is wrong with it.
pub async fn read(cluster: &Cluster) -> anyhow::Result<(Vec<Replica>, Vec<Violation>)> {
    let (leader, _) = cluster.leader().await?;
    let status = cluster.status(leader).await?;
    let index = status.last_log_index;
    let (mut replicas, mut violations) = (Vec::new(), Vec::new());
    for (node, address) in cluster.http().iter().enumerate() {
        // A node that has just come back may first need the whole log.
        let (replica, is_sound) = eventually(&format!("node {node} has applied {index}"), async || {
            read_one(address, cluster.api_key(), index).await
        })
        .await?;
        if !is_sound {
            let evidence = format!("node {node} finds its own chain broken");
            violations.push(Violation::new(Broken::AuditBroken, evidence));
        }
        replicas.push(replica);
    }
    violations.extend(compare(&replicas));
    Ok((replicas, violations))
}

async fn read_one(address: &str, api_key: &str, index: u64) -> anyhow::Result<(Replica, bool)> {
    let at = format!("consistency=index={index}");
    let verified = call::get(address, api_key, &format!("/api/v1/audit:verify?{at}")).await?;
    anyhow::ensure!(verified["complete"] == true, "the chain is too long for one call");
    let head = &verified["head"];
    let head = (
        head["count"].as_u64().context("a head has a count")?,
        head["hash"].as_str().context("a head has a hash")?.to_owned(),
    );
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/config?values=true&limit=1000&{at}{cursor}");
        let page = call::get(address, api_key, &path).await?;
        pages.push(page["items"].to_string());
        match page["pagination"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    Ok((Replica { head, pages }, verified["ok"] == true))
}

/// All nodes have the same.
fn compare(replicas: &[Replica]) -> Vec<Violation> {
    let first = replicas.first();
    let others = replicas.iter().enumerate().skip(1);
    let differ = others.filter(|(_, replica)| Some(*replica) != first);
    differ
        .map(|(node, replica)| {
            let evidence = format!(
                "node 0 ends at {:?}, node {node} at {:?}",
                first.map(|first| &first.head),
                replica.head
            );
            Violation::new(Broken::ReplicasDiffer, evidence)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_differs_in_its_trail_or_in_a_value_is_caught() {
        let replica = |hash: &str, value: &str| Replica {
            head: (7, hash.to_owned()),
            pages: vec![value.to_owned()],
        };
        assert_eq!(compare(&[replica("h", "a"), replica("h", "a")]), []);
        assert_eq!(
            compare(&[replica("h", "a"), replica("h", "a"), replica("i", "a")]).len(),
            1
        );
        assert_eq!(compare(&[replica("h", "a"), replica("h", "b")]).len(), 1);
    }
}
