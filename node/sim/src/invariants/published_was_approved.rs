//! I6: what was published was approved before by enough different people who had no hand in it, each of exactly that
//! content. Told from the audit events, and from the log for what a reviewer saw.

use std::collections::{BTreeMap, BTreeSet};

use confman_core::audit::{AuditAction, AuditEvent, AuditWorkflow};
use confman_core::digest::Digest;
use confman_core::principal::Principal;
use confman_core::proposal::{Command, Review};
use openraft::EntryPayload;

use super::{Ending, Invariant};
use crate::record::Event;
use crate::types::Entry;

/// What the reviewed namespace of a simulation asks for.
const APPROVALS: usize = 2;

/// Looks at the end only.
#[derive(Default)]
pub(super) struct PublishedWasApproved;

impl Invariant for PublishedWasApproved {
    fn name(&self) -> &'static str {
        "published-was-approved"
    }

    fn see(&mut self, _event: &Event) -> Result<(), String> {
        Ok(())
    }

    fn at_end(&mut self, ending: &Ending) -> Result<(), String> {
        let seen = digests_seen(&ending.log);
        for (_, state) in &ending.members {
            check(state.memory.audit(), &seen)?;
        }
        check(ending.replay.memory.audit(), &seen)
    }
}

/// The digest that the reviewer of each entry saw, by log index.
fn digests_seen(log: &[Entry]) -> BTreeMap<u64, Digest> {
    let seen = |entry: &Entry| {
        let EntryPayload::Normal(proposed) = &entry.payload else {
            return None;
        };
        let Command::ApproveRequest(review) = &proposed.0.command else {
            return None;
        };
        match &review.review {
            Review::Authenticated(review) => Some((entry.log_id.index, review.digest)),
            Review::Stamped(signed) => Some((entry.log_id.index, signed.statement.digest)),
        }
    };
    log.iter().filter_map(seen).collect()
}

fn check(audit: &[AuditEvent], seen: &BTreeMap<u64, Digest>) -> Result<(), String> {
    let mut approvers: BTreeMap<Digest, BTreeSet<&Principal>> = BTreeMap::new();
    let mut authors: BTreeMap<Digest, BTreeSet<&Principal>> = BTreeMap::new();
    for event in audit {
        let Some(AuditWorkflow {
            digest, contributors, ..
        }) = &event.workflow
        else {
            continue;
        };
        let hands = authors.entry(*digest).or_default();
        hands.extend(contributors);
        let person = &event.actor.principal;
        if event.action == AuditAction::RequestSubmitted {
            hands.insert(person);
        }
        let given = approvers.entry(*digest).or_default();
        if event.action == AuditAction::RequestApproved {
            if seen.get(&event.position.index) != Some(digest) {
                return Err(format!("{} is no approval of {digest}", event.id));
            }
            given.insert(person);
        }
        let counted = given.difference(hands).count();
        if event.action == AuditAction::ConfigPublished && counted < APPROVALS {
            return Err(format!("{} publishes {digest} after {counted} approvals", event.id));
        }
    }
    Ok(())
}
