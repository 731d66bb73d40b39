//! What goes wrong in a run: two tasks that never rest, one for the network and one for the members.

mod members;
mod network;

use std::collections::BTreeSet;

use rand::RngExt as _;
use rand::rngs::SmallRng;

use crate::cluster::Cluster;
use crate::record::Event;
use crate::runtime;
use crate::types::NodeId;

pub use members::mend;

/// Every fault by the name that a run counts it under.
pub const FAULTS: [&str; 19] = [
    "fault: partition",
    "fault: one-way cut",
    "fault: bridge",
    "fault: delay",
    "fault: loss",
    "fault: repeats",
    "fault: crash",
    "fault: crash in an election",
    "fault: bridge restarted",
    "fault: power cut",
    "fault: pause",
    "fault: slow sync",
    "fault: clock jump",
    "fault: snapshot and purge",
    "fault: leader transfer",
    "fault: member added",
    "fault: member removed",
    "fault: volume lost",
    "fault: entry damaged",
];

/// Injects faults until it is dropped or killed.
pub struct Faults {
    cluster: Cluster,
    random: SmallRng,
    /// The member whose volume is lost or about to be; there is never a second one before it is replaced.
    losing: Option<NodeId>,
}

impl Faults {
    /// For this cluster.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            random: runtime::random(),
            losing: None,
        }
    }

    fn tell(&self, fault: &'static str, detail: &str) {
        self.cluster.record.count(fault);
        let detail = format!("{} {detail}", fault.trim_start_matches("fault: "));
        self.cluster.record.add(Event::Fault(detail));
    }

    /// Every running member, in a random order.
    fn shuffled(&mut self) -> Vec<NodeId> {
        let mut ids: Vec<_> = self.cluster.processes().iter().map(|process| process.id).collect();
        for last in (1..ids.len()).rev() {
            ids.swap(last, self.random.random_range(0..=last));
        }
        ids
    }

    /// A running member: the leader more often than others.
    fn target(&mut self) -> Option<NodeId> {
        let leader = self.cluster.leader();
        let shuffled = self.shuffled();
        leader
            .filter(|_| self.random.random_bool(0.4))
            .or_else(|| shuffled.first().copied())
    }
}

fn names(ids: impl IntoIterator<Item = NodeId>) -> String {
    let names: BTreeSet<String> = ids.into_iter().map(|id| format!("{id:x}")).collect();
    names.into_iter().collect::<Vec<_>>().join(" ")
}
