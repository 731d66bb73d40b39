//! Comparison of the replicas: the leader asks every voter what the last comparison noted there, and writes what a majority
//! says into the log. A replica that has noted something else stops, the leader too. Its state was damaged, or a rule was
//! not the same everywhere; either way nobody may read from it.

use std::collections::BTreeMap;
use std::time::Duration;

use confman_core::digest::Digest;
use confman_core::proposal::{Checkpoint, Command, CompareReplicas};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::report::Reporter;
use super::wire::MemberReport;
use crate::propose::Proposer;

/// Has the replicas compared while this node leads, until `stop`.
pub async fn run(
    (reporter, proposer): (Reporter, Proposer),
    interval: Duration,
    leading: watch::Receiver<bool>,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // True while something was written before the last comparison, which the next one confirms.
    let mut is_unconfirmed = true;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        if !*leading.borrow() {
            is_unconfirmed = true;
            continue;
        }
        let own = reporter.own();
        let is_written = own.last_applied_index > own.checkpoint_index;
        if !is_written && !is_unconfirmed {
            continue;
        }
        let others = reporter.other_voters().await;
        let agreed = agreed(&own, &others);
        match proposer
            .propose_here(Command::CompareReplicas(CompareReplicas { agreed }))
            .await
        {
            Ok(_) => is_unconfirmed = is_written,
            Err(error) => tracing::debug!(%error, "the replicas cannot be compared now"),
        }
    }
}

/// What a majority of the voters has noted; none if there is no such majority. What several versions of the program wrote is
/// not compared: the same content may have another form.
fn agreed(own: &MemberReport, others: &[Option<MemberReport>]) -> Option<Checkpoint> {
    let voters = others.len() + 1;
    let answers = std::iter::once(own).chain(others.iter().flatten());
    let mut noted: BTreeMap<(u64, &[u8], &str), usize> = BTreeMap::new();
    for report in answers.filter(|report| report.checkpoint_index > 0 && !report.checkpoint_version.is_empty()) {
        let key = (
            report.checkpoint_index,
            report.checkpoint_hash.as_slice(),
            report.checkpoint_version.as_str(),
        );
        *noted.entry(key).or_default() += 1;
    }
    let ((index, hash, version), _) = noted.into_iter().find(|(_, members)| *members > voters / 2)?;
    Some(Checkpoint {
        index,
        hash: Digest::from_bytes(hash.try_into().ok()?),
        version: version.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(index: u64, hash: &[u8]) -> MemberReport {
        MemberReport {
            checkpoint_version: "1".to_owned(),
            checkpoint_index: index,
            checkpoint_hash: if index == 0 {
                Vec::new()
            } else {
                Digest::of(hash).as_bytes().to_vec()
            },
            ..MemberReport::default()
        }
    }

    fn noted(index: u64, hash: &[u8]) -> Checkpoint {
        Checkpoint {
            index,
            hash: Digest::of(hash),
            version: "1".to_owned(),
        }
    }

    #[test]
    fn the_majority_of_the_voters_is_right() {
        let (one, other) = (report(7, b"one"), report(7, b"other"));
        let both = [Some(one.clone()), Some(one.clone())];
        assert_eq!(agreed(&one, &both), Some(noted(7, b"one")));
        assert_eq!(agreed(&other, &both), Some(noted(7, b"one")), "the leader may be wrong");
        assert_eq!(agreed(&one, &[Some(one.clone()), None]), Some(noted(7, b"one")));
        assert_eq!(agreed(&one, &[Some(other.clone()), None]), None);
        assert_eq!(agreed(&one, &[None, None]), None);
        assert_eq!(agreed(&one, &[Some(other), Some(report(7, b"third"))]), None);
        assert_eq!(agreed(&one, &[]), Some(noted(7, b"one")));
    }

    #[test]
    fn nothing_is_agreed_before_the_first_comparison_or_between_versions() {
        assert_eq!(agreed(&report(0, b""), &[Some(report(0, b"")), None]), None);
        let of = |version: &str| MemberReport {
            checkpoint_version: version.to_owned(),
            ..report(7, b"one")
        };
        assert_eq!(agreed(&of("1"), &[Some(of("2")), None]), None);
        assert_eq!(agreed(&of(""), &[Some(of("")), Some(of(""))]), None, "several wrote it");
    }
}
