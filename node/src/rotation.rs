//! Live values that are older than their schemas allow (`x-confman-rotation-days`): every node knows those of its own
//! state, and the leader has the log note each version once, which tells the webhooks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use confman_core::digest::Digest;
use confman_core::entry::Version;
use confman_core::ids::{ConfigKey, NamespacePath, Timestamp};
use confman_core::namespace::{each, schema_lineage};
use confman_core::proposal::{Command, NoteRotation};
use confman_core::state::StateView as _;
use confman_store::{LiveRange, NamespaceMap, ReadError, Room, StateReader};
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::auth::access::lineage;
use crate::judge::own_text;
use crate::metrics::Metrics;
use crate::propose::{Proposer, now};
use crate::schema::{Holding, SchemaCache};

/// Pause between two looks. What is due is days old, so it may become known an hour late.
const LOOK_EVERY: Duration = Duration::from_hours(1);
/// Values that are read in one piece.
const PAGE: usize = 1000;
/// Schemas kept compiled during a look; namespaces come in the order of their paths, so neighbours share them.
const SCHEMAS: usize = 32;
const MS_PER_DAY: i64 = 24 * 60 * 60 * 1000;

/// A live version that is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    version: u64,
    since: Timestamp,
}

type DueKeys = BTreeMap<ConfigKey, Due>;

/// What is due for rotation. Cheap to clone.
#[derive(Clone)]
pub struct Rotation {
    inner: Arc<Inner>,
}

struct Inner {
    state: StateReader,
    schemas: SchemaCache,
    due: RwLock<BTreeMap<NamespacePath, DueKeys>>,
    metrics: Metrics,
}

impl Rotation {
    /// Knows nothing before the first look.
    pub fn new(state: StateReader, metrics: Metrics) -> Self {
        let inner = Inner {
            state,
            schemas: SchemaCache::new(SCHEMAS),
            due: RwLock::default(),
            metrics,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Since when `version` is live for longer than it should be; none if it is not, by the last look.
    pub fn due_since(&self, version: &Version) -> Option<Timestamp> {
        let due = self.inner.due.read();
        let due = due.get(&version.namespace)?.get(&version.key)?;
        (due.version == version.number).then_some(due.since)
    }

    /// Looks every hour, and has what is due noted while `leads` says so; until `stop`.
    pub async fn run(self, proposer: Proposer, mut leads: watch::Receiver<bool>, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                changed = leads.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
            }
            let leads = *leads.borrow_and_update();
            tokio::select! {
                () = self.turn(&proposer, leads) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn turn(&self, proposer: &Proposer, leads: bool) {
        if let Err(error) = self.look(now()).await {
            tracing::error!(%error, "what is due for rotation is not known");
        } else if leads {
            self.note(proposer).await;
        }
    }

    /// Looks at all live values with a time of rotation, as of `at`.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn look(&self, at: Timestamp) -> Result<(), ReadError> {
        let rotation = self.clone();
        let looking = tokio::task::spawn_blocking(move || rotation.look_now(at));
        // A runtime that is going down drops the look; nobody asks any more.
        looking.await.unwrap_or(Ok(()))
    }

    fn look_now(&self, at: Timestamp) -> Result<(), ReadError> {
        let namespaces = self.inner.state.namespaces();
        let mut found = BTreeMap::new();
        for path in namespaces.keys() {
            let holding = self.holding(&namespaces, path)?;
            if holding.rotates() {
                found.insert(path.clone(), self.due_in(path, &holding, at)?);
            }
        }
        self.inner.metrics.rotation_due(found.values().map(BTreeMap::len).sum());
        *self.inner.due.write() = found;
        Ok(())
    }

    fn due_in(&self, namespace: &NamespacePath, holding: &Holding, at: Timestamp) -> Result<DueKeys, ReadError> {
        let mut found = DueKeys::new();
        let mut after = None;
        loop {
            let range = LiveRange {
                namespace,
                prefix: "",
                after: after.as_ref(),
            };
            let take = |version: Version| {
                let since = ends_at(&version, holding).filter(|end| *end <= at);
                let due = |since| Due {
                    version: version.number,
                    since,
                };
                found.extend(since.map(|since| (version.key.clone(), due(since))));
            };
            let mut room = Room::for_items(PAGE);
            let read = self.inner.state.read(|view| view.live_versions(range, &mut room, take));
            after = read?;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    fn holding(&self, namespaces: &NamespaceMap, path: &NamespacePath) -> Result<Holding, ReadError> {
        let lineage = lineage(namespaces, path);
        let mut schemas = Vec::new();
        for namespace in schema_lineage(each(&lineage)) {
            let Some(text) = self.inner.state.read(|view| own_text(view, namespace))? else {
                continue;
            };
            match self.inner.schemas.get(Digest::of(text.as_bytes()), &text) {
                Ok(schema) => schemas.push(schema),
                Err(error) => tracing::warn!(namespace = %namespace.path, %error, "a schema cannot be used"),
            }
        }
        Ok(Holding::new(schemas))
    }

    /// Has the log note what is due and was not noted before; only as leader.
    pub async fn note(&self, proposer: &Proposer) {
        let rotation = self.clone();
        let news = tokio::task::spawn_blocking(move || rotation.not_noted()).await;
        let news = match news {
            Ok(Ok(news)) => news,
            Ok(Err(error)) => return tracing::error!(%error, "what is due for rotation cannot be told"),
            Err(_) => return,
        };
        for command in news {
            if let Err(error) = proposer.propose_here(Command::NoteRotation(command)).await {
                tracing::info!(%error, "what is due for rotation is told later");
                return;
            }
        }
    }

    fn not_noted(&self) -> Result<Vec<NoteRotation>, ReadError> {
        let due = self.inner.due.read().clone();
        let mut news = Vec::new();
        for (namespace, keys) in due {
            for (key, Due { version, since: _ }) in keys {
                let entry = self.inner.state.read(|view| view.entry(&namespace, &key))?;
                if entry.is_some_and(|entry| entry.live == Some(version) && entry.rotation_noted != version) {
                    news.push(NoteRotation {
                        namespace: namespace.clone(),
                        key,
                        version,
                    });
                }
            }
        }
        Ok(news)
    }
}

/// When `version` is as old as its schemas allow; none if they do not say.
fn ends_at(version: &Version, holding: &Holding) -> Option<Timestamp> {
    let days = holding.key_rules(version.key.as_str()).rotation_days?;
    let age = i64::from(days) * MS_PER_DAY;
    Some(Timestamp::from_millis(
        version.published_at.as_millis().saturating_add(age),
    ))
}
