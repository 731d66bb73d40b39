//! The replicated outbox as the sender sees it: what waits, what it is about, and where results are written.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use confman_api::reading::Consistency;
use confman_core::audit::AuditEvent;
use confman_core::ids::{LogPosition, NamespacePath, Timestamp};
use confman_core::proposal::{Command, RecordDelivery};
use confman_core::webhook::{Delivery, DeliveryResult, WebhookTarget};
use confman_store::{AuditPosition, AuditRange, Order, ReadError, StateReader, Take};
use tokio::sync::watch;

use super::lanes::{Target, target_of};
use super::payload::EventFacts;
use crate::propose::{ProposeError, Proposer};
use crate::read::Reader;

/// Why the outbox cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The state cannot be read.
    #[error("the state cannot be read")]
    Read(#[from] ReadError),
    /// A delivery names an event that is not in the state.
    #[error("event {event_id} of a delivery is not in the audit trail")]
    NoEvent {
        /// Its id.
        event_id: String,
    },
    /// There is no cluster yet.
    #[error("the cluster is not initialised")]
    NoCluster,
    /// The result is not written.
    #[error("the result is not written: {0}")]
    Propose(#[from] ProposeError),
    /// No randomness for the next pause.
    #[error("there is no randomness")]
    Random(#[from] getrandom::Error),
    /// The runtime is going down.
    #[error("the process is stopping")]
    Stopping,
}

/// What waits.
#[derive(Default)]
pub struct Pending {
    /// The delivery of each target that is due first: a target has one attempt at a time.
    pub first: BTreeMap<Target, Delivery>,
    /// How many deliveries there are.
    pub count: u64,
}

impl Pending {
    fn add(&mut self, delivery: Delivery) {
        self.count += 1;
        match self.first.entry(target_of(&delivery)) {
            Entry::Vacant(place) => {
                place.insert(delivery);
            }
            Entry::Occupied(mut place) => {
                if delivery.next_attempt_at < place.get().next_attempt_at {
                    place.insert(delivery);
                }
            }
        }
    }

    /// What is due at `now`, the longest overdue first.
    pub fn due(self, now: Timestamp) -> Vec<Delivery> {
        let first = self.first.into_values();
        let mut due: Vec<_> = first.filter(|delivery| delivery.next_attempt_at <= now).collect();
        due.sort_by_key(|delivery| delivery.next_attempt_at);
        due
    }
}

/// Reads and writes deliveries. Cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    state: StateReader,
    reader: Reader,
    proposer: Proposer,
}

impl Outbox {
    /// The outbox in `state`; results are written by `proposer`.
    pub fn new(state: StateReader, reader: Reader, proposer: Proposer) -> Self {
        Self {
            state,
            reader,
            proposer,
        }
    }

    /// Waits until what earlier leaders have recorded is applied here, so that as little as can be is sent twice.
    pub async fn catch_up(&self) {
        if let Err(error) = self.reader.prepare(Consistency::Linearizable).await {
            tracing::info!(%error, "webhooks begin without having caught up");
        }
    }

    /// Follows what is applied: any of it may be a new delivery.
    pub fn watch_applied(&self) -> watch::Receiver<Option<LogPosition>> {
        self.state.watch_applied()
    }

    /// What waits now. Takes time in proportion to the outbox, on a thread of its own.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn pending(&self) -> Result<Pending, OutboxError> {
        let state = self.state.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let mut pending = Pending::default();
            state.read(|view| view.deliveries(|delivery| pending.add(delivery)))?;
            Ok(pending)
        });
        reading.await.map_err(|_| OutboxError::Stopping)?
    }

    /// The target of `delivery` as it is configured now.
    pub fn target(&self, delivery: &Delivery) -> Option<WebhookTarget> {
        let namespace = self.state.namespace(&delivery.namespace)?;
        let mut targets = namespace.settings.webhooks.iter();
        targets.find(|target| target.name == delivery.target).cloned()
    }

    /// What `delivery` is about.
    ///
    /// # Errors
    /// The state cannot be read, or does not have the event.
    pub fn facts(&self, delivery: &Delivery) -> Result<EventFacts, OutboxError> {
        let cluster = self.state.cluster().ok_or(OutboxError::NoCluster)?;
        let audited = self.event(&delivery.event_id)?;
        Ok(EventFacts::of(delivery.event, &audited, &cluster.cluster_id))
    }

    fn event(&self, event_id: &str) -> Result<AuditEvent, OutboxError> {
        let missing = || OutboxError::NoEvent {
            event_id: event_id.to_owned(),
        };
        let at = position_of(event_id).ok_or_else(missing)?;
        let range = AuditRange {
            from: Bound::Included(at),
            to: Bound::Included(at),
            order: Order::OldestFirst,
            limit: 1,
            walk: 1,
        };
        let page = self
            .state
            .read(|view| view.audit_below(&NamespacePath::root(), range, |_| Take::Keep))?;
        page.items.into_iter().next().ok_or_else(missing)
    }

    /// Writes what came of one more attempt for `delivery`; only as leader.
    ///
    /// # Errors
    /// It is not written, or not known to be.
    pub async fn record(&self, delivery: &Delivery, result: DeliveryResult) -> Result<(), OutboxError> {
        let command = Command::RecordDelivery(RecordDelivery {
            delivery_id: delivery.id.clone(),
            attempt: delivery.attempts,
            result,
            jitter_permille: u16::try_from(getrandom::u32()? % 1001).unwrap_or(0),
        });
        self.proposer.propose_here(command).await?;
        Ok(())
    }
}

/// The place of an audit event by its id, `evt_INDEX_SEQ`.
fn position_of(event_id: &str) -> Option<AuditPosition> {
    let (index, seq) = event_id.strip_prefix("evt_")?.split_once('_')?;
    Some(AuditPosition {
        index: index.parse().ok()?,
        seq: seq.parse().ok()?,
    })
}
