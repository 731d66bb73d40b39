//! Commands on their way through this node: what came of them, how long they took, and what the rules refused.

use std::fmt::{self, Write as _};
use std::time::Duration;

use confman_api::limits;
use confman_core::audit::AuditAction;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::register::{Counters, Latencies, Level, Register, set};
use crate::propose::{Answered, ProposeError};

/// Longest name of a variant that becomes a label.
const NAME_BYTES: usize = 64;
const NO_LEADER: &str = "no-leader";
const OVERLOADED: &str = "overloaded";
const STORAGE_FULL: &str = "storage-full";
const UNAUTHORIZED: &str = "unauthorized";
const OUTCOME_UNKNOWN: &str = "outcome-unknown";
const CAUSES: [&str; 5] = [NO_LEADER, OVERLOADED, STORAGE_FULL, UNAUTHORIZED, OUTCOME_UNKNOWN];

pub(super) struct WriteMetrics {
    proposals: Counters<2>,
    faults: Counters<1>,
    refusals: Family<[(&'static str, String); 1], Counter>,
    propose: Latencies<1>,
    forward: Histogram,
    commit: Histogram,
    apply: Latencies<1>,
    batch: Histogram,
    audit_events: Family<[(&'static str, String); 1], Counter>,
    in_flight: Level,
    limit: Level,
}

impl WriteMetrics {
    pub(super) fn new(register: &mut Register) -> Self {
        let faults = register.counters("proposal_faults", ["cause"], "Commands without a verdict, by cause.");
        for cause in CAUSES {
            faults.expect([cause]);
        }
        Self {
            faults,
            proposals: register.counters(
                "proposals",
                ["command", "result"],
                "Commands that callers of this node gave, by result: accepted, refused by a rule, or fault (no verdict).",
            ),
            refusals: register.variants(
                "proposal_refusals",
                "rejection",
                "Commands that the rules refused, by name of the rejection.",
            ),
            propose: register.latencies(
                "propose_duration",
                ["command"],
                "Time from a command to its verdict, waiting for a leader and forwarding included.",
            ),
            forward: register.latency("forward_duration", "Time that the leader took to answer a forwarded write."),
            commit: register.latency(
                "raft_commit_duration",
                "On the leader: time from offering an entry to the log until it is committed and apply begins.",
            ),
            apply: register.latencies(
                "apply_duration",
                ["command"],
                "Time that the rules took for one committed command, on every node.",
            ),
            batch: register.latency(
                "apply_batch_duration",
                "Time from the first command of a batch until the batch is written and visible.",
            ),
            audit_events: register.variants(
                "audit_events",
                "action",
                "Audit events that this node has applied since it started.",
            ),
            in_flight: register.level("writes_in_flight", "Writes that wait for their commit now; at the limit new ones are refused."),
            limit: register.level("writes_limit", "Writes that may wait for their commit at once."),
        }
    }

    pub(super) fn proposed(
        &self,
        command: &'static str,
        result: &Result<Answered, ProposeError>,
        took: Duration,
    ) -> &'static str {
        let word = match result {
            Ok(Answered { verdict: Ok(_), .. }) => "accepted",
            Ok(Answered {
                verdict: Err(rejection),
                ..
            }) => {
                let name = variant_name(rejection);
                self.refusals.get_or_create(&[("rejection", name)]).inc();
                "refused"
            }
            Err(error) => {
                self.faults.count([cause(error)]);
                "fault"
            }
        };
        self.proposals.count([command, word]);
        self.propose.observe([command], took);
        word
    }

    pub(super) fn forwarded(&self, took: Duration) {
        self.forward.observe(took.as_secs_f64());
    }

    pub(super) fn committed(&self, took: Duration) {
        self.commit.observe(took.as_secs_f64());
    }

    pub(super) fn applied(&self, command: &'static str, took: Duration) {
        self.apply.observe([command], took);
    }

    pub(super) fn batch(&self, took: Duration) {
        self.batch.observe(took.as_secs_f64());
    }

    pub(super) fn audited(&self, action: AuditAction) {
        self.audit_events
            .get_or_create(&[("action", variant_name(&action))])
            .inc();
    }

    pub(super) fn sample(&self, in_flight: u64) {
        set(&self.in_flight, in_flight);
        set(&self.limit, limits::WRITES.value as u64);
    }
}

fn cause(error: &ProposeError) -> &'static str {
    match error {
        ProposeError::NoLeader => NO_LEADER,
        ProposeError::Overloaded => OVERLOADED,
        ProposeError::StorageFull => STORAGE_FULL,
        ProposeError::Unauthorized(_) => UNAUTHORIZED,
        ProposeError::OutcomeUnknown(_) => OUTCOME_UNKNOWN,
    }
}

/// Takes a name and refuses whatever follows it.
struct Name(String);

impl fmt::Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let length = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let room = NAME_BYTES.saturating_sub(self.0.len());
        self.0.push_str(&text[..length.min(room)]);
        if length < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Name of the variant and nothing of what it carries: as many names as the enum has variants.
fn variant_name(of: &impl fmt::Debug) -> String {
    let mut name = Name(String::new());
    // The error only ends the writing early.
    let _ = write!(name, "{of:?}");
    name.0
}

#[cfg(test)]
mod tests {
    use confman_core::outcome::Rejection;

    use super::*;

    #[test]
    fn a_rejection_is_counted_by_its_name_and_nothing_it_carries() {
        let rejection = Rejection::InvalidField {
            field: "secret".to_owned(),
            detail: "hunter2".to_owned(),
        };
        assert_eq!(variant_name(&rejection), "InvalidField");
        assert_eq!(variant_name(&Rejection::StampReplayed), "StampReplayed");
        assert_eq!(variant_name(&AuditAction::ConfigPublished), "ConfigPublished");
    }
}
