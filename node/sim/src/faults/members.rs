//! Faults of members: their processes, their volumes, their clocks, and who is one.

use std::collections::BTreeSet;
use std::time::Duration;

use openraft::ServerState;
use rand::RngExt as _;

use super::{Faults, names};
use crate::cluster::{Cluster, Process};
use crate::network::Links;
use crate::record::Event;
use crate::runtime::{sleep, spawn_for, timeout};
use crate::types::NodeId;
use crate::upkeep;

/// A cluster never has more voters in a run.
const MOST_VOTERS: usize = 7;
/// Nor fewer.
const FEWEST_VOTERS: usize = 3;
/// How often a look is taken whether somebody stands for election.
const ELECTION_LOOK: Duration = Duration::from_millis(3);
/// Looks before nobody does.
const ELECTION_LOOKS: u32 = 1_000;
/// How long a change of the membership may take.
const CHANGE_LIMIT: Duration = Duration::from_secs(3);

impl Faults {
    /// One fault of a member after the other, with some rest between them.
    pub async fn disturb_members(mut self) {
        loop {
            let rest = self.random.random_range(100..1_200);
            sleep(Duration::from_millis(rest)).await;
            self.bury().await;
            let Some(target) = self.target() else { continue };
            match self.random.random_range(0..23_u32) {
                0..=3 => self.crash(target).await,
                4..=5 => self.power_cut().await,
                6..=8 => self.pause(target).await,
                9..=10 => self.slow_sync(target).await,
                11 => self.clock_jump(target),
                12..=14 => self.snapshot(target).await,
                15 => self.transfer(target).await,
                16 => self.add_member().await,
                17 => self.remove_member(target).await,
                18 => self.lose_volume(target).await,
                19 => self.damage(target),
                20..=21 => self.crash_in_election().await,
                22.. => self.restart_bridge().await,
            }
        }
    }

    fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.random.random_range(1..most))
    }

    async fn crash(&mut self, target: NodeId) {
        self.tell("fault: crash", &format!("{target:x}"));
        self.cluster.crash(target);
        // Sometimes it is back before anybody misses it.
        let away = if self.random.random_bool(0.5) { 50 } else { 4_000 };
        sleep(self.millis(away)).await;
        self.start(target).await;
    }

    /// The leader goes, and then another one just when somebody stands for election.
    async fn crash_in_election(&mut self) {
        let Some(leader) = self.cluster.leader() else { return };
        self.cluster.crash(leader);
        for _ in 0..ELECTION_LOOKS {
            sleep(ELECTION_LOOK).await;
            let processes = self.cluster.processes();
            if processes
                .iter()
                .any(|process| process.metrics().state == ServerState::Candidate)
            {
                break;
            }
        }
        sleep(self.millis(8)).await;
        let other = self.shuffled().first().copied();
        self.tell("fault: crash in an election", &names([leader].into_iter().chain(other)));
        for id in other.into_iter().chain([leader]) {
            self.cluster.crash(id);
            self.start(id).await;
        }
    }

    /// Whoever still connects the leader with the others is gone for a moment, and may forget what it has promised to the
    /// leader: then the others elect another one while the first still believes that it leads.
    async fn restart_bridge(&mut self) {
        let Some(leader) = self.cluster.leader() else { return };
        let others = self.shuffled().into_iter().filter(|id| *id != leader);
        let others: Vec<NodeId> = others.collect();
        let [bridge, others @ ..] = others.as_slice() else {
            return;
        };
        self.cluster.with_links(|links| {
            for other in others {
                links.cut(leader, *other);
                links.cut(*other, leader);
            }
        });
        sleep(Duration::from_secs(2) + self.millis(2_000)).await;
        self.tell("fault: bridge restarted", &format!("{bridge:x} beside {leader:x}"));
        self.cluster.crash(*bridge);
        self.start(*bridge).await;
        sleep(Duration::from_millis(500) + self.millis(1_500)).await;
        self.cluster.with_links(|links| *links = Links::default());
    }

    /// Every member goes at once; they come back one by one.
    async fn power_cut(&mut self) {
        let ids = self.shuffled();
        self.tell("fault: power cut", &names(ids.iter().copied()));
        for id in &ids {
            self.cluster.crash(*id);
        }
        for id in ids {
            sleep(self.millis(600)).await;
            self.start(id).await;
        }
    }

    async fn start(&self, id: NodeId) {
        if let Some(address) = self.cluster.places().get(&id) {
            self.cluster.start(address).await;
        }
    }

    async fn pause(&mut self, target: NodeId) {
        self.tell("fault: pause", &format!("{target:x}"));
        self.cluster.set_paused(target, true);
        sleep(self.millis(6_000)).await;
        self.cluster.set_paused(target, false);
    }

    async fn slow_sync(&mut self, target: NodeId) {
        let Some(process) = self.cluster.process(target) else {
            return;
        };
        self.tell("fault: slow sync", &format!("{target:x}"));
        process.volume.set_slow(true);
        sleep(self.millis(3_000)).await;
        if self.random.random_bool(0.5) {
            self.crash(target).await;
        }
        process.volume.set_slow(false);
    }

    fn clock_jump(&mut self, target: NodeId) {
        let Some(process) = self.cluster.process(target) else {
            return;
        };
        let millis = self.random.random_range(-7_200_000..7_200_000);
        self.tell("fault: clock jump", &format!("{target:x} by {millis} ms"));
        *process.clock_error.lock() = millis;
    }

    async fn snapshot(&mut self, target: NodeId) {
        let Some(process) = self.cluster.process(target) else {
            return;
        };
        self.tell("fault: snapshot and purge", &format!("{target:x}"));
        let raft = process.raft.clone();
        drop(spawn_for(process.owner, async move { raft.trigger().snapshot().await }));
        sleep(self.millis(200)).await;
    }

    async fn transfer(&mut self, target: NodeId) {
        let leader = self.cluster.leader().and_then(|id| self.cluster.process(id));
        let Some(leader) = leader.filter(|leader| leader.id != target) else {
            return;
        };
        if !leader
            .metrics()
            .membership_config
            .voter_ids()
            .any(|voter| voter == target)
        {
            return;
        }
        self.tell("fault: leader transfer", &format!("{:x} to {target:x}", leader.id));
        let raft = leader.raft.clone();
        drop(spawn_for(leader.owner, async move {
            raft.trigger().transfer_leader(target).await
        }));
        sleep(self.millis(500)).await;
    }

    fn leading(&self) -> Option<Process> {
        self.cluster.leader().and_then(|id| self.cluster.process(id))
    }

    async fn add_member(&mut self) {
        let Some(leader) = self.leading() else { return };
        if self.cluster.places().len() >= MOST_VOTERS {
            return;
        }
        let (address, id) = self.cluster.add_place();
        self.tell("fault: member added", &format!("{id:x}"));
        self.cluster.start(&address).await;
        let change = spawn_for(leader.owner, async move { upkeep::add(&leader, id, &address).await });
        // Whatever comes of it, the leader goes on from there.
        let _ = timeout(CHANGE_LIMIT, change).await;
    }

    async fn remove_member(&mut self, target: NodeId) {
        let Some(leader) = self.leading() else { return };
        let voters: BTreeSet<NodeId> = leader.metrics().membership_config.voter_ids().collect();
        if voters.len() <= FEWEST_VOTERS || !voters.contains(&target) || self.losing.is_some() {
            return;
        }
        self.tell("fault: member removed", &format!("{target:x}"));
        let change = spawn_for(leader.owner, async move { upkeep::remove(&leader, target).await });
        if let Ok(Ok(true)) = timeout(CHANGE_LIMIT, change).await {
            self.cluster.crash(target);
            self.cluster.remove_place(target);
        }
    }

    /// True if no volume is lost, or about to be, that is not replaced.
    fn may_lose(&mut self) -> bool {
        let Some(leader) = self.leading() else { return false };
        let metrics = leader.metrics();
        let committed = &metrics.committed_membership_config;
        if metrics.membership_config.log_id() != committed.log_id()
            || committed.membership().get_joint_config().len() > 1
        {
            return false;
        }
        if self
            .losing
            .is_some_and(|lost| committed.membership().get_node(&lost).is_none())
        {
            self.losing = None;
        }
        let places = self.cluster.places();
        let mut voters = committed.voter_ids();
        self.losing.is_none() && voters.all(|voter| places.contains_key(&voter))
    }

    async fn lose_volume(&mut self, target: NodeId) {
        let Some(address) = self.cluster.places().get(&target).cloned() else {
            return;
        };
        if !self.may_lose() {
            return;
        }
        self.losing = Some(target);
        self.tell("fault: volume lost", &format!("{target:x}"));
        self.cluster.crash(target);
        self.cluster.lose_volume(&address);
        sleep(self.millis(1_000)).await;
        self.cluster.start(&address).await;
    }

    fn damage(&mut self, target: NodeId) {
        let Some(process) = self.cluster.process(target).filter(|_| self.may_lose()) else {
            return;
        };
        self.losing = Some(target);
        self.tell("fault: entry damaged", &format!("{target:x}"));
        process.volume.damage();
    }

    /// Whoever stopped by itself: with damage it comes back as somebody new, and otherwise it should not have.
    async fn bury(&mut self) {
        bury(&self.cluster).await;
    }
}

async fn bury(cluster: &Cluster) {
    for process in cluster.processes() {
        let Err(reason) = process.metrics().running_state else {
            continue;
        };
        let member = process.id;
        let Some(address) = cluster.places().get(&member).cloned() else {
            continue;
        };
        cluster.crash(member);
        if process.volume.is_damaged() {
            cluster.record.count("members stopped by damage");
            cluster.lose_volume(&address);
        } else {
            let reason = reason.to_string();
            cluster.record.add(Event::Stopped { member, reason });
        }
        cluster.start(&address).await;
    }
}

/// Ends every fault.
pub async fn mend(cluster: &Cluster) {
    cluster.with_links(|links| *links = Links::default());
    for id in cluster.paused() {
        cluster.set_paused(id, false);
    }
    bury(cluster).await;
    for (id, address) in cluster.places() {
        match cluster.process(id) {
            Some(process) => {
                process.volume.set_slow(false);
                process.volume.repair();
            }
            None => {
                cluster.start(&address).await;
            }
        }
    }
}
