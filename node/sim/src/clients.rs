//! Clients: people who write directly, who ask for publications and review them, and programs that read.

mod commands;

use std::sync::Arc;
use std::time::Duration;

use confman_core::outcome::Outcome;
use confman_core::proposal::{Command, Proposal};
use confman_core::publish_request::{PublishRequest, RequestState};
use rand::RngExt as _;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;

use crate::cluster::{Cluster, Process};
use crate::reader::{Freshness, read};
use crate::record::Event;
use crate::runtime::{self, sleep, spawn_for, timeout};
use crate::types::{Answer, Verdict};
use crate::writer::{Attempt, propose};

pub(crate) use commands::setup;
use commands::{REVIEWERS, call_of, delete, direct_place, open, put, review, reviewed_place};

/// How long a client waits for one member.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How often a client tries the same write.
const TRIES: u32 = 20;

/// One client: all that it does has its number in it.
pub struct Client {
    cluster: Cluster,
    number: u64,
    calls: u64,
    random: SmallRng,
    /// The last request that it saw, to review something else by its digest.
    other: Option<PublishRequest>,
}

impl Client {
    /// The client of this number.
    pub fn new(cluster: Cluster, number: u64) -> Self {
        Self {
            cluster,
            number,
            calls: 0,
            random: runtime::random(),
            other: None,
        }
    }

    /// Does one thing after the other, for ever.
    pub async fn work(mut self) {
        loop {
            let pause = self.random.random_range(20..400);
            sleep(Duration::from_millis(pause)).await;
            match self.random.random_range(0..10_u32) {
                0..=2 => drop(self.write_directly().await),
                3 => self.publish().await,
                4..=7 => self.read(Freshness::Linearizable).await,
                8.. => self.read(Freshness::Stale).await,
            }
        }
    }

    /// Writes one key directly; none if nobody knows what came of it.
    pub async fn write_directly(&mut self) -> Option<Verdict> {
        let place = direct_place(&mut self.random);
        let value = format!("{}-{}", self.number, self.calls);
        let command = if self.random.random_ratio(1, 6) {
            delete(place)
        } else {
            put(place, &value)
        };
        self.write(command).await
    }

    /// Asks for a publication and has it reviewed.
    async fn publish(&mut self) {
        let place = reviewed_place(&mut self.random);
        let value = format!("{}-{}", self.number, self.calls);
        let Some(Ok(Outcome::Request(request))) = self.write(open(place, &value)).await else {
            return;
        };
        let mut request = *request;
        for _ in 0..5 {
            let Some(&reviewer) = REVIEWERS.choose(&mut self.random) else {
                return;
            };
            let of_other = self.random.random_ratio(1, 5);
            let seen = self.other.as_ref().filter(|_| of_other).unwrap_or(&request);
            let command = review(reviewer, &request, seen.digest);
            if let Some(Ok(Outcome::Request(now))) = self.write(command).await {
                request = *now;
            }
            if request.state == RequestState::Published {
                self.cluster.record.count("requests published");
            }
            if request.state.is_final() {
                break;
            }
        }
        self.other = Some(request);
    }

    /// Writes until it is known what came of it.
    pub async fn write(&mut self, command: Command) -> Option<Verdict> {
        self.calls += 1;
        let proposal = Proposal {
            proposed_at: confman_core::ids::Timestamp::default(),
            trace_id: None,
            idempotency: call_of(&command, (self.number, self.calls)),
            command,
        };
        for _ in 0..TRIES {
            match self.try_to_write(proposal.clone()).await {
                Attempt::Answered(answer) => return self.answered(proposal, answer),
                Attempt::NotLeader => {}
                Attempt::Unknown => {
                    self.cluster.record.count("outcomes unknown");
                    // Some give up, and never learn of it.
                    if proposal.idempotency.is_none() || self.random.random_ratio(1, 8) {
                        return None;
                    }
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
        None
    }

    fn answered(&self, proposal: Proposal, answer: Answer) -> Option<Verdict> {
        let verdict = answer.verdict.clone();
        self.cluster.record.count("writes acknowledged");
        if let Some(Ok(Outcome::EntryWritten { position, .. })) = &verdict
            && *position != answer.position
        {
            self.cluster.record.count("repeated calls recognised");
        }
        if let (Command::ApproveRequest(_), Some(Err(_))) = (&proposal.command, &verdict) {
            self.cluster.record.count("approvals refused");
        }
        self.cluster.record.add(Event::Acknowledged {
            proposal: Arc::new(proposal),
            answer: Box::new(answer),
        });
        verdict
    }

    async fn try_to_write(&mut self, proposal: Proposal) -> Attempt {
        let Some(process) = self.some_member() else {
            return Attempt::NotLeader;
        };
        let (cluster, owner) = (self.cluster.clone(), process.owner);
        let work = spawn_for(owner, async move { propose(&cluster, &process, proposal).await });
        match timeout(PATIENCE, work).await {
            Ok(Ok(attempt)) => attempt,
            Ok(Err(_)) | Err(_) => Attempt::Unknown,
        }
    }

    async fn read(&mut self, freshness: Freshness) {
        let place = if self.random.random() {
            direct_place(&mut self.random)
        } else {
            reviewed_place(&mut self.random)
        };
        let Some(process) = self.some_member() else {
            return;
        };
        let number = self.random.random();
        let began = Event::ReadBegan {
            number,
            place: place.clone(),
        };
        self.cluster.record.add(began);
        let (cluster, owner, of) = (self.cluster.clone(), process.owner, place.clone());
        let work = spawn_for(owner, async move { read(&cluster, &process, &of, freshness).await });
        if let Ok(Ok(Some(read))) = timeout(PATIENCE, work).await {
            let newest = self.cluster.record.last_index();
            self.cluster
                .record
                .count_many("reads of a member that lags", u64::from(read.index < newest));
            self.cluster.record.count(match freshness {
                Freshness::Stale => "stale reads",
                Freshness::Linearizable => "linearizable reads",
            });
            self.cluster.record.add(Event::ReadEnded {
                number,
                place,
                freshness,
                read,
            });
        }
    }

    fn some_member(&mut self) -> Option<Process> {
        self.cluster.processes().choose(&mut self.random).cloned()
    }
}
