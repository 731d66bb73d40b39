//! Does faults to a cluster, one after the other, and looks whether each of them did something.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::call;
use super::cluster::Cluster;
use super::fault::{Kind, Tally};
use super::gaps::Span;
use super::history::{Operation, Outcome, Recorder};
use super::monitor::Monitor;
use super::network::{Cut, Network, between};
use super::oracle::{Broken, Violation};
use super::random::Random;
use super::tracer::Tracer;

/// Longest wait for the effect of a fault that lasts.
const LONGEST: Duration = Duration::from_secs(10);
/// An answer that takes longer than this was held up by something.
const SLOW: Duration = Duration::from_millis(700);
/// A node whose disk failed has to end within this.
const END: Duration = Duration::from_secs(20);
/// What the slow disk adds to each sync.
const SLOW_SYNC: Duration = Duration::from_millis(200);

/// Whoever does the faults.
pub struct Nemesis<'c> {
    /// The victims.
    pub cluster: &'c mut Cluster,
    /// What the clients notice.
    pub recorder: Recorder,
    /// Who leads.
    pub monitor: &'c Monitor,
    /// Chooses victims and times.
    pub random: Random,
    /// What was done so far.
    pub tally: Tally,
    /// From when to when each fault was done.
    pub spans: Vec<Span>,
    /// Promises that were seen to be broken.
    pub violations: Vec<Violation>,
    /// Says what it does.
    pub say: fn(&str),
}

/// What shows that a fault had an effect.
#[derive(Clone, Debug)]
enum Sign {
    /// Somebody leads in a higher term than this.
    NewTerm(u64),
    /// A call at one of these nodes, in flight after this time, failed or was held up.
    Trouble(Vec<usize>, Duration),
    /// A call since this time was refused because a volume is full.
    Full(Duration),
}

impl Nemesis<'_> {
    /// Does one fault and lets the cluster recover, wholly or in part.
    pub async fn play(&mut self, kind: Kind) -> anyhow::Result<()> {
        let began = Instant::now();
        let is_effective = self.inflict(kind).await.with_context(|| format!("while {kind:?}"))?;
        self.cluster.network.heal()?;
        if let Some((_, _, to)) = self.spans.last_mut() {
            *to = self.recorder.now();
        }
        self.tally.count(kind, is_effective);
        let effect = if is_effective { "with effect" } else { "without effect" };
        (self.say)(&format!("{kind:?} {effect}, {:.1} s", began.elapsed().as_secs_f64()));
        self.cluster.expect_running()
    }

    async fn inflict(&mut self, kind: Kind) -> anyhow::Result<bool> {
        if matches!(kind, Kind::LostVolume) {
            // A majority must be there while one node is replaced.
            self.cluster.wait_ready().await?;
        }
        let (leader, term) = self.cluster.leader().await?;
        let term = term.max(self.monitor.term());
        let others: Vec<_> = self.cluster.all().filter(|node| *node != leader).collect();
        let follower = others[self.random.index(others.len())];
        let since = self.recorder.now();
        self.spans.push((kind, since, since));
        let to_leader: Vec<_> = others.iter().map(|other| (*other, leader)).collect();
        let from_leader: Vec<_> = others.iter().map(|other| (leader, *other)).collect();
        let new_term = Sign::NewTerm(term);
        match kind {
            Kind::KillLeader => self.kill(&[leader], Some(new_term)).await,
            Kind::KillFollower => self.kill(&[follower], None).await,
            Kind::KillAll => self.kill(&self.cluster.all().collect::<Vec<_>>(), None).await,
            Kind::PauseLeader => {
                self.pause(leader, &[new_term, Sign::Trouble(vec![leader], since)])
                    .await
            }
            Kind::PauseFollower => self.pause(follower, &[Sign::Trouble(vec![follower], since)]).await,
            Kind::CutLeaderOff => {
                let (inside, outside) = self.minority_with(leader, &others);
                self.cut(&between(&inside, &outside), Cut::Drop, new_term).await
            }
            Kind::CutFollowerOff => {
                let rest: Vec<_> = others.iter().copied().filter(|node| *node != follower).collect();
                let (inside, mut outside) = self.minority_with(follower, &rest);
                outside.push(leader);
                let sign = Sign::Trouble(inside.clone(), since);
                self.cut(&between(&inside, &outside), Cut::Drop, sign).await
            }
            Kind::MuteLeader => self.cut(&from_leader, Cut::Drop, new_term).await,
            Kind::DeafLeader => self.cut(&to_leader, Cut::Drop, new_term).await,
            Kind::Bridge => {
                let rest: Vec<_> = others.iter().copied().filter(|node| *node != follower).collect();
                let (one, other) = rest.split_at(rest.len() / 2);
                let one: Vec<_> = one.iter().copied().chain([leader]).collect();
                let sign = Sign::Trouble(other.to_vec(), since);
                self.cut(&between(&one, other), Cut::Drop, sign).await
            }
            Kind::ResetLeader => {
                let sign = Sign::Trouble(self.cluster.all().collect(), since);
                self.cut(&[to_leader, from_leader].concat(), Cut::Reset, sign).await
            }
            Kind::SlowLink => self.slow_link(leader).await,
            Kind::SlowSync => self.slow_sync(leader).await,
            Kind::FailedSync => self.fail_sync(leader).await,
            Kind::FullDisk => self.fill(leader, Sign::Full(since)).await,
            Kind::PowerCutOfLeader => self.cut_power(&[leader]).await,
            Kind::PowerCutOfAll => self.cut_power(&self.cluster.all().collect::<Vec<_>>()).await,
            Kind::LostVolume => self.lose_volume(follower).await,
            Kind::Handover => self.hand_over(leader, new_term).await,
        }
    }

    /// As many nodes as may fail, `node` among them, and the others.
    fn minority_with(&mut self, node: usize, others: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let mut others = others.to_vec();
        self.random.shuffle(&mut others);
        let more = (self.cluster.all().len() - 1) / 2 - 1;
        let (inside, outside) = others.split_at(more.min(others.len()));
        (inside.iter().copied().chain([node]).collect(), outside.to_vec())
    }

    fn shows(&self, sign: &Sign) -> bool {
        match sign {
            Sign::NewTerm(term) => self.monitor.term() > *term,
            Sign::Trouble(nodes, since) => {
                let is_trouble = |operation: &Operation| {
                    operation.completed > *since
                        && nodes.contains(&operation.node.0)
                        && (matches!(operation.outcome, Outcome::Refused(_) | Outcome::Unknown(_))
                            || operation.took() > SLOW)
                };
                self.recorder.count(is_trouble) > 0
            }
            Sign::Full(since) => {
                let is_full = |operation: &Operation| {
                    operation.invoked > *since && operation.outcome == Outcome::Refused("storage-full".to_owned())
                };
                self.recorder.count(is_full) > 0
            }
        }
    }

    /// Waits until a sign shows, but not for ever.
    async fn look_for(&self, sign: &Sign, longest: Duration) -> bool {
        let deadline = Instant::now() + longest;
        while Instant::now() < deadline {
            if self.shows(sign) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.shows(sign)
    }

    /// Lets a fault last a little longer than it must.
    async fn linger(&mut self) {
        let millis = self.random.below(1_500);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    async fn kill(&mut self, nodes: &[usize], sign: Option<Sign>) -> anyhow::Result<bool> {
        for node in nodes {
            self.cluster.kill(*node);
        }
        let shown = match &sign {
            Some(sign) => self.look_for(sign, LONGEST).await,
            None => true,
        };
        self.linger().await;
        for node in nodes {
            self.cluster.start_node(*node)?;
        }
        // Whoever was killed serves again: only then the kill was one that could be survived.
        self.cluster.wait_ready().await?;
        Ok(shown)
    }

    async fn pause(&mut self, node: usize, signs: &[Sign]) -> anyhow::Result<bool> {
        self.cluster.process(node)?.signal("STOP")?;
        let millis = 500 + self.random.below(4_500);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        self.cluster.process(node)?.signal("CONT")?;
        // What was held up is answered, or given up, soon after.
        for sign in signs {
            if self.look_for(sign, Duration::from_secs(3)).await {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn cut(&mut self, cuts: &[(usize, usize)], how: Cut, sign: Sign) -> anyhow::Result<bool> {
        Network::cut(cuts, how)?;
        let is_shown = self.look_for(&sign, LONGEST).await;
        self.linger().await;
        let lost = self.cluster.network.lost_packets()?;
        Ok(is_shown && lost > 0)
    }

    async fn slow_link(&mut self, node: usize) -> anyhow::Result<bool> {
        Network::slow_down(node)?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.linger().await;
        Ok(Network::held_back(node)? > 0)
    }

    async fn slow_sync(&mut self, node: usize) -> anyhow::Result<bool> {
        let logs = self.cluster.logs().to_owned();
        let tracer = Tracer::delay(self.cluster.process(node)?, SLOW_SYNC, &logs)?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.linger().await;
        Ok(tracer.injected()? > 0)
    }

    async fn fail_sync(&mut self, node: usize) -> anyhow::Result<bool> {
        let logs = self.cluster.logs().to_owned();
        let tracer = Tracer::fail(self.cluster.process(node)?, &logs)?;
        let deadline = Instant::now() + LONGEST;
        while tracer.injected()? == 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let injected = tracer.injected()?;
        let deadline = Instant::now() + END;
        let mut ended = self.cluster.process(node)?.ended()?;
        while ended.is_none() && injected > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(50)).await;
            ended = self.cluster.process(node)?.ended()?;
        }
        if ended.is_none() && injected > 0 {
            let evidence = format!("node {node} ran on for {} s after a sync had failed", END.as_secs());
            self.violations
                .push(Violation::new(Broken::SurvivedFailedSync, evidence));
        }
        drop(tracer);
        self.cluster.kill(node);
        self.cluster.start_node(node)?;
        self.cluster.wait_ready().await?;
        Ok(injected > 0 && ended.is_some())
    }

    async fn fill(&mut self, node: usize, sign: Sign) -> anyhow::Result<bool> {
        self.cluster.volume(node).fill()?;
        let is_shown = self.look_for(&sign, LONGEST).await;
        self.linger().await;
        self.cluster.volume(node).make_room()?;
        Ok(is_shown)
    }

    /// Cuts the power of these nodes at once and starts them with what is on their disks.
    pub(super) async fn cut_power(&mut self, nodes: &[usize]) -> anyhow::Result<bool> {
        for node in nodes {
            self.cluster.volume(*node).prepare_cut()?;
        }
        for node in nodes {
            self.cluster.volume(*node).cut_power()?;
        }
        for node in nodes {
            self.cluster.kill(*node);
        }
        let mut took = false;
        for node in nodes {
            took |= self.cluster.volume(*node).restore_power()?;
            self.cluster.start_node(*node)?;
        }
        self.cluster.wait_ready().await?;
        Ok(took)
    }

    async fn lose_volume(&mut self, node: usize) -> anyhow::Result<bool> {
        let before = self.cluster.status(node).await?.node_id;
        self.cluster.kill(node);
        self.cluster.volume(node).wipe()?;
        self.cluster.start_node(node)?;
        self.cluster.wait_ready().await?;
        let after = self.cluster.status(node).await?.node_id;
        Ok(after != before)
    }

    async fn hand_over(&mut self, leader: usize, sign: Sign) -> anyhow::Result<bool> {
        let addresses = self.cluster.http();
        let path = "/api/v1/admin/transfer-leader";
        let status = call::post(&addresses[leader], self.cluster.api_key(), path, "{}").await?;
        Ok(status == 200 && self.look_for(&sign, LONGEST).await)
    }

    /// Nothing is in the way of the cluster any more; waits until it works again.
    pub async fn heal(&mut self) -> anyhow::Result<()> {
        self.cluster.network.heal()?;
        self.cluster.wait_ready().await
    }
}
