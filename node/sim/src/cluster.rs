//! The members of a cluster: places with a volume each, and the processes that run there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver as _;
use openraft::{Config, RaftMetrics};
use parking_lot::Mutex;
use rand::RngExt as _;
use rand::rngs::SmallRng;

use crate::network::{Links, Network};
use crate::planted::{Mistake, is_planted};
use crate::record::{Event, Record};
use crate::runtime::{self, Owner, kill, new_owner, pause, resume, spawn_for};
use crate::state::{StateMachine, Visible};
use crate::types::{Member, NodeId, Raft, TypeConfig};
use crate::upkeep;
use crate::volume::{Log, Volume};

/// A running member.
#[derive(Clone)]
pub struct Process {
    /// Whose tasks are its own.
    pub owner: Owner,
    /// Which member it is.
    pub id: NodeId,
    /// Its Raft.
    pub raft: Raft,
    /// Its state.
    pub state: Visible,
    /// Where it keeps everything.
    pub volume: Volume,
    /// Where it tells what happens.
    pub record: Record,
    /// How far its clock is off, in milliseconds.
    pub clock_error: Arc<Mutex<i64>>,
    /// The index that it was last given for a read.
    pub last_read_index: Arc<Mutex<Option<u64>>>,
}

impl Process {
    /// What its Raft says of itself now.
    pub fn metrics(&self) -> RaftMetrics<TypeConfig> {
        self.raft.metrics().borrow_watched().clone()
    }
}

/// Where a member runs: an address that stays, and a volume.
#[derive(Clone)]
struct Place {
    id: NodeId,
    volume: Volume,
}

/// A cluster; clones are the same one.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Mutex<Inner>>,
    config: Arc<Config>,
    /// What happens.
    pub record: Record,
}

struct Inner {
    places: BTreeMap<String, Place>,
    last_place: u32,
    processes: BTreeMap<NodeId, Process>,
    paused: BTreeSet<NodeId>,
    links: Links,
    random: SmallRng,
}

impl Cluster {
    /// One without members.
    pub fn new(config: Arc<Config>, record: Record) -> Self {
        let inner = Inner {
            places: BTreeMap::new(),
            last_place: 0,
            processes: BTreeMap::new(),
            paused: BTreeSet::new(),
            links: Links::default(),
            random: runtime::random(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            config,
            record,
        }
    }

    /// Makes a place with an empty volume, and a new member for it that does not run yet.
    pub fn add_place(&self) -> (String, NodeId) {
        let mut inner = self.inner.lock();
        let id = inner.random.random();
        inner.last_place += 1;
        let address = format!("member-{}", inner.last_place);
        let volume = Volume::empty();
        inner.places.insert(address.clone(), Place { id, volume });
        (address, id)
    }

    /// Gives the place of `id` up.
    pub fn remove_place(&self, id: NodeId) {
        self.inner.lock().places.retain(|_, place| place.id != id);
    }

    /// The member of each place.
    pub fn places(&self) -> BTreeMap<NodeId, String> {
        let inner = self.inner.lock();
        let places = inner.places.iter();
        places.map(|(address, place)| (place.id, address.clone())).collect()
    }

    /// The members of a new cluster: every one that has a place.
    pub fn everybody(&self) -> BTreeMap<NodeId, Member> {
        let places = self.places().into_iter();
        places.map(|(id, address)| (id, Member { address })).collect()
    }

    /// Takes the volume of `address` away: whoever is there next is somebody else.
    pub fn lose_volume(&self, address: &str) {
        let mut inner = self.inner.lock();
        let new_id = inner.random.random();
        let reuses_id = is_planted(Mistake::IdUsedAgain);
        if let Some(place) = inner.places.get_mut(address) {
            place.volume = Volume::empty();
            place.id = if reuses_id { place.id } else { new_id };
        }
    }

    /// Who is at `address`, and whether it has an empty volume; none if nobody runs there.
    pub fn who_is_at(&self, address: &str) -> Option<(NodeId, bool)> {
        let inner = self.inner.lock();
        let place = inner.places.get(address)?;
        inner.processes.contains_key(&place.id).then_some(())?;
        Some((place.id, place.volume.is_blank()))
    }

    /// Starts the member at `address`, and somebody new there if the old one's volume is damaged; false if its volume does
    /// not let it start.
    pub async fn start(&self, address: &str) -> bool {
        loop {
            let Some(place) = self.inner.lock().places.get(address).cloned() else {
                return false;
            };
            let (member, volume) = (place.id, place.volume.clone());
            match self.try_to_start(place).await {
                Ok(()) => return true,
                Err(_) if volume.is_damaged() => {
                    self.record.count("members stopped by damage");
                    self.lose_volume(address);
                }
                Err(reason) => {
                    self.record.add(Event::Stopped { member, reason });
                    return false;
                }
            }
        }
    }

    async fn try_to_start(&self, place: Place) -> Result<(), String> {
        let Place { id, volume } = place;
        let owner = new_owner();
        let network = Network {
            cluster: self.clone(),
            from: id,
        };
        volume.open();
        let machine = StateMachine::open(id, volume.clone(), self.record.clone());
        let state = machine.visible();
        let config = Arc::clone(&self.config);
        let log = Log {
            volume: volume.clone(),
            member: id,
            record: self.record.clone(),
        };
        let starting = async move { Raft::new(id, config, network, log, machine).await };
        let started = spawn_for(owner, starting).await;
        let started = started.map_err(|error| error.to_string());
        let started = started.and_then(|started| started.map_err(|fatal| fatal.to_string()));
        let raft = started.map_err(|reason| {
            kill(owner);
            format!("it does not start: {reason}")
        })?;
        let process = Process {
            owner,
            id,
            raft,
            state,
            volume,
            record: self.record.clone(),
            clock_error: Arc::default(),
            last_read_index: Arc::default(),
        };
        drop(spawn_for(owner, watch_leadership(process.clone())));
        drop(spawn_for(owner, upkeep::tend(self.clone(), process.clone())));
        self.inner.lock().processes.insert(id, process);
        Ok(())
    }

    /// Ends the process of `id` where it stands; what it did not sync is lost.
    pub fn crash(&self, id: NodeId) {
        let process = {
            let mut inner = self.inner.lock();
            inner.paused.remove(&id);
            inner.processes.remove(&id)
        };
        let Some(process) = process else { return };
        kill(process.owner);
        let lost = process.volume.crash();
        self.record.count_many("entries lost unsynced", lost.entries as u64);
        self.record.count_many("votes lost unsynced", lost.votes as u64);
    }

    /// Stops or resumes everything that `id` does.
    pub fn set_paused(&self, id: NodeId, is_paused: bool) {
        let Some(process) = self.process(id) else { return };
        if is_paused {
            self.inner.lock().paused.insert(id);
            pause(process.owner);
        } else {
            self.inner.lock().paused.remove(&id);
            resume(process.owner);
        }
    }

    /// Those who are paused.
    pub fn paused(&self) -> BTreeSet<NodeId> {
        self.inner.lock().paused.clone()
    }

    /// The running process of `id`.
    pub fn process(&self, id: NodeId) -> Option<Process> {
        self.inner.lock().processes.get(&id).cloned()
    }

    /// Every running process.
    pub fn processes(&self) -> Vec<Process> {
        self.inner.lock().processes.values().cloned().collect()
    }

    /// Who leads, by the word of the running member with the highest vote.
    pub fn leader(&self) -> Option<NodeId> {
        let processes = self.processes();
        let leading = processes.iter().map(Process::metrics);
        let leading = leading.filter(|metrics| metrics.state.is_leader());
        leading
            .max_by(|one, other| one.vote.partial_cmp(&other.vote).unwrap_or(std::cmp::Ordering::Equal))
            .map(|metrics| metrics.id)
    }

    /// Changes the network.
    pub fn with_links<T>(&self, change: impl FnOnce(&mut Links) -> T) -> T {
        change(&mut self.inner.lock().links)
    }

    pub(crate) fn passage(&self, from: NodeId, to: NodeId) -> Option<Duration> {
        let inner = &mut *self.inner.lock();
        inner.links.passage(from, to, &mut inner.random)
    }

    pub(crate) fn repeats(&self) -> bool {
        let inner = &mut *self.inner.lock();
        inner.random.random_range(0..100) < inner.links.repeats
    }
}

/// Tells when the member leads.
async fn watch_leadership(process: Process) {
    let mut metrics = process.raft.metrics();
    let mut led_by = None;
    loop {
        let now = metrics.borrow_watched().clone();
        let leads = now.state.is_leader().then_some(now.vote);
        if let Some(vote) = leads.filter(|vote| led_by != Some(*vote)) {
            process.record.add(Event::Leads {
                member: process.id,
                vote,
                committed: now.cluster_committed,
            });
            process.record.count("leaders");
        }
        led_by = leads;
        if metrics.changed().await.is_err() {
            return;
        }
    }
}
