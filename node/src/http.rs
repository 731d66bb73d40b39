//! The HTTP side of a node: one route table (in the contract), one entrance for every request, one handler a route.

pub mod admin;
pub mod audit;
pub mod backups;
pub mod body;
pub mod call;
pub mod config;
pub mod cursor;
pub mod drafts;
pub mod effective;
pub mod entrance;
pub mod health;
pub mod history;
pub mod identity;
pub mod internal;
pub mod keys;
pub mod linger;
pub mod login;
pub mod named;
pub mod namespaces;
pub mod negotiate;
mod observe;
pub mod poll;
pub mod publish_requests;
pub mod render;
pub mod reply;
pub mod rollback;
pub mod schemas;
pub mod stamp_keys;
pub mod target;
pub mod trace;
pub mod watch;
pub mod whoami;
pub mod write;

use std::sync::Arc;

use confman_api::problem::{Problem, ProblemType};
use confman_api::reading::Consistency;
use confman_core::entry::Version;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::schema::KeyRules;
use confman_store::{SnapshotView, StoreStats};
use tokio::sync::Semaphore;

use self::call::{Call, read_problem, storage_problem};
use crate::auth::access::Namespaces;
use crate::auth::authenticator::Authenticator;
use crate::backup::Backups;
use crate::judge::Judge;
use crate::metrics::Metrics;
use crate::propose::Proposer;
use crate::raft::Raft;
use crate::raft::bootstrap::Bootstrap;
use crate::raft::membership::Membership;
use crate::raft::report::Reporter;
use crate::read::{Reader, Seen};
use crate::room::Room;
use crate::rotation::Rotation;
use crate::secrets::{Place, Secrets};
use crate::watch::Feed;

/// What handlers need of the node.
pub struct App {
    /// The read path.
    pub reader: Reader,
    /// What has changed, for those who watch.
    pub feed: Feed,
    /// The write path.
    pub proposer: Proposer,
    /// Bootstrap.
    pub bootstrap: Bootstrap,
    /// The Raft, for its status only.
    pub raft: Raft,
    /// Schemas and sealing keys.
    pub judge: Judge,
    /// What the members say of themselves.
    pub reporter: Reporter,
    /// Who is a member.
    pub membership: Membership,
    /// Backups of the cluster.
    pub backups: Backups,
    /// Room on the volume.
    pub room: Room,
    /// Sizes for the metrics.
    pub stats: StoreStats,
    /// Who is let in.
    pub authenticator: Arc<Authenticator>,
    /// What is due for rotation.
    pub rotation: Rotation,
    /// Counters.
    pub metrics: Metrics,
    /// Requests that may be at work at once on the public port.
    pub public_places: Semaphore,
    /// The same of the internal port, so that clients never keep the operator out.
    pub internal_places: Semaphore,
    /// Exports and verifications of the audit that may read at once.
    pub audit_walks: Arc<Semaphore>,
    /// Set when the node begins to stop: it is not ready any more.
    pub stopping: tokio_util::sync::CancellationToken,
}

impl App {
    /// Waits until the local state is as fresh as `call` asks. For an index that may never come waits only who may read
    /// by all that is committed now; whoever may not is let through to be refused by the handler.
    pub(crate) async fn fresh_for(&self, call: &Call, may_read: impl Fn(&Namespaces) -> bool) -> Result<Seen, Problem> {
        let (wanted, max_age) = (call.consistency()?, call.max_age()?);
        let may_read = || may_read(&self.reader.state().namespaces());
        let prepare = async |consistency| {
            let seen = self.reader.prepare(consistency).await;
            seen.map_err(|error| read_problem(&error))
        };
        let seen = match wanted {
            // A role may be as new as the index is, and not be known here yet.
            Consistency::AtLeast(_) if !may_read() => {
                let seen = prepare(Consistency::Linearizable).await?;
                if may_read() { prepare(wanted).await } else { Ok(seen) }
            }
            Consistency::AtLeast(_) | Consistency::Stale | Consistency::Linearizable => prepare(wanted).await,
        }?;
        seen.at_most(max_age).map_err(|error| read_problem(&error))
    }

    /// What the schemas say about a key now.
    pub(crate) fn rules(&self, namespace: &NamespacePath, key: &ConfigKey) -> Result<KeyRules, Problem> {
        self.judge.rules(namespace, key).map_err(|error| {
            tracing::error!(%error, "the schemas of a namespace cannot be read");
            Problem::new(
                ProblemType::Internal,
                "the schemas cannot be read; the log of the node says why",
            )
        })
    }

    /// `version` as readers see it: its value as it was before it was sealed.
    pub(crate) fn open(&self, version: Version) -> Result<Version, Problem> {
        open(self.judge.secrets(), version)
    }

    /// Reads many rows of one state on a thread of its own: those that serve everybody else must not wait for a disk.
    pub(crate) async fn list<T: Send + 'static>(
        &self,
        read: impl FnOnce(&SnapshotView<'_>) -> Result<T, confman_store::ReadError> + Send + 'static,
    ) -> Result<T, Problem> {
        let state = self.reader.state().clone();
        let listed = off_thread(move || state.read(read)).await?;
        listed.map_err(|error| storage_problem(&error))
    }
}

/// Opens the value of `version`, if it is sealed.
pub(crate) fn open(secrets: &Secrets, mut version: Version) -> Result<Version, Problem> {
    if let Some(sealed) = version.value.as_ref().filter(|value| value.is_sealed()) {
        let place = Place {
            namespace: &version.namespace,
            key: &version.key,
        };
        version.value = Some(secrets.open(place, sealed).map_err(|error| {
            tracing::error!(%error, "a sealed value cannot be opened");
            Problem::new(ProblemType::Internal, error.to_string())
        })?);
    }
    Ok(version)
}

/// Does what takes long on a thread of its own.
pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Problem::new(ProblemType::Internal, "the node failed; its log says why"))
}

/// The handlers' shared view of the node.
pub type SharedApp = Arc<App>;
