//! One run: a cluster is made, disturbed for a while, and then left alone until it has recovered.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rand::RngExt as _;

use crate::clients::{Client, setup};
use crate::cluster::Cluster;
use crate::faults::{Faults, mend};
use crate::invariants::{Ending, Violation};
use crate::record::{Event, Record};
use crate::runtime::{self, Owner, kill, new_owner, now, sleep, spawn_for, take_panics};
use crate::settings;
use crate::state::StoredState;

/// Clients at once.
const CLIENTS: u64 = 4;
/// How long a new cluster may take to be ready.
const SETUP_LIMIT: Duration = Duration::from_secs(20);
/// How long a cluster may take to recover.
const RECOVERY_LIMIT: Duration = Duration::from_mins(1);
/// Entries that stay in the log behind a snapshot: few, so that snapshots are sent.
const KEEP_ENTRIES: u64 = 5;

/// What a run is made of.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// All choices come from it.
    pub seed: u64,
    /// How long it is disturbed, in simulated time.
    pub disturbed_for: Duration,
    /// Whether every event is printed to the standard error.
    pub prints: bool,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// What was violated.
    pub violations: Vec<Violation>,
    /// The faults in order.
    pub faults: Vec<String>,
    /// How often each thing happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// The hash of all that happened.
    pub trace: u64,
}

impl Report {
    /// How often `what` happened.
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "seed {}", self.seed)?;
        for fault in &self.faults {
            writeln!(formatter, "  {fault}")?;
        }
        for (what, count) in &self.counts {
            writeln!(formatter, "  {count:>6} {what}")?;
        }
        for violation in &self.violations {
            writeln!(formatter, "  {violation}")?;
        }
        Ok(())
    }
}

/// Runs once.
pub fn run(options: Options) -> Report {
    let record = Record::new(options.prints);
    let recorded = record.clone();
    if let Err(stalled) = runtime::run(options.seed, story(record.clone(), options.disturbed_for)) {
        record.add(Event::Stuck(stalled.to_string()));
    }
    Report {
        seed: options.seed,
        violations: recorded.violations(),
        faults: recorded.faults(),
        counts: recorded.counts(),
        trace: recorded.trace(),
    }
}

async fn story(record: Record, disturbed_for: Duration) {
    let config = settings::config("sim", KEEP_ENTRIES).expect("the node starts with these settings");
    let cluster = Cluster::new(config, record.clone());
    if begin(&cluster).await {
        disturb(&cluster, disturbed_for).await;
        recover(&cluster).await;
    } else {
        record.add(Event::Stuck("a new cluster is not ready in time".to_owned()));
    }
    end(&cluster);
}

/// Makes a cluster of three or five and its namespaces.
async fn begin(cluster: &Cluster) -> bool {
    let count = if runtime::random().random_bool(0.5) { 3 } else { 5 };
    let addresses: Vec<String> = (0..count).map(|_| cluster.add_place().0).collect();
    for address in &addresses {
        cluster.start(address).await;
    }
    let Some(first) = cluster.processes().first().cloned() else {
        return false;
    };
    let everybody = cluster.everybody();
    let raft = first.raft.clone();
    drop(spawn_for(first.owner, async move { raft.initialize(everybody).await }));
    let mut client = Client::new(cluster.clone(), 0);
    for command in setup() {
        let give_up = now() + SETUP_LIMIT;
        while !matches!(client.write(command.clone()).await, Some(Ok(_))) {
            if now() > give_up {
                return false;
            }
        }
    }
    true
}

async fn disturb(cluster: &Cluster, disturbed_for: Duration) {
    let clients = start_clients(cluster);
    let troublemaker = new_owner();
    drop(spawn_for(troublemaker, Faults::new(cluster.clone()).disturb_network()));
    drop(spawn_for(troublemaker, Faults::new(cluster.clone()).disturb_members()));
    let until = now() + disturbed_for;
    while now() < until {
        sleep(Duration::from_millis(100)).await;
        tell_panics(cluster);
    }
    kill(troublemaker);
    kill(clients);
}

fn start_clients(cluster: &Cluster) -> Owner {
    let owner = new_owner();
    for number in 1..=CLIENTS {
        drop(spawn_for(owner, Client::new(cluster.clone(), number).work()));
    }
    owner
}

fn tell_panics(cluster: &Cluster) {
    for panicked in take_panics() {
        let owner = panicked.owner;
        let processes = cluster.processes();
        let member = processes.iter().find(|process| process.owner == owner);
        cluster.record.add(Event::Stopped {
            member: member.map_or(0, |process| process.id),
            reason: format!("it panicked: {}", panicked.message),
        });
    }
}

/// Ends the faults and waits until the cluster is as it should be.
async fn recover(cluster: &Cluster) {
    let began = now();
    let mut client = Client::new(cluster.clone(), CLIENTS + 1);
    let mut reason = "nothing was written".to_owned();
    while now() - began < RECOVERY_LIMIT {
        mend(cluster).await;
        tell_panics(cluster);
        if let Some(Ok(_)) = client.write_directly().await {
            sleep(Duration::from_secs(1)).await;
            match unsettled(cluster) {
                None => return,
                Some(found) => reason = found,
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
    let limit = RECOVERY_LIMIT.as_secs();
    cluster
        .record
        .add(Event::Stuck(format!("not recovered after {limit} s: {reason}")));
}

/// What is not as it should be yet.
fn unsettled(cluster: &Cluster) -> Option<String> {
    let Some(leader) = cluster.leader().and_then(|id| cluster.process(id)) else {
        return Some("nobody leads".to_owned());
    };
    let metrics = leader.metrics();
    let membership = metrics.committed_membership_config.membership();
    if membership.get_joint_config().len() > 1 {
        return Some("the membership is between two sets of voters".to_owned());
    }
    let committed = metrics.cluster_committed.map_or(0, |log_id| log_id.index);
    for (id, member) in membership.nodes() {
        let Some(process) = cluster.process(*id) else {
            return Some(format!("{id:x} at {} does not run and is a member", member.address));
        };
        let applied = process.state.lock().index();
        if applied < committed {
            return Some(format!("{id:x} has applied {applied} of {committed}"));
        }
        if membership.voter_ids().all(|voter| voter != *id) {
            return Some(format!("{id:x} does not vote yet"));
        }
    }
    None
}

/// Stops everybody and lets the invariants look at what is left.
fn end(cluster: &Cluster) {
    let log = cluster.record.log();
    let mut replay = StoredState::default();
    for entry in &log {
        replay.apply(entry);
    }
    let processes = cluster.processes();
    let members = processes
        .iter()
        .map(|process| (process.id, process.state.lock().clone()));
    let ending = Ending {
        log,
        replay,
        members: members.collect(),
    };
    cluster.record.count_many("entries committed", ending.log.len() as u64);
    cluster.record.end(&ending);
}
