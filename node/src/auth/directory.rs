//! What the cluster's state says about authentication, as the authenticator asks for it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use confman_core::cluster::ClusterRecord;
use confman_store::StateReader;

use confman_core::api_key::ApiKeyRecord;
use confman_core::digest::Digest;
use confman_core::identity::Identity;

/// Looked at for every request, so an answer comes from memory, or from a look-up or two on this machine.
pub trait Directory: Send + Sync {
    /// What is in force now; the same allocation as long as nothing changed.
    fn identity(&self) -> Arc<Identity>;
    /// The key with this hash, also when it is expired or revoked.
    fn api_key(&self, hash: &Digest) -> Option<Arc<ApiKeyRecord>>;
}

/// The state as this node has applied it.
pub struct StateDirectory {
    state: StateReader,
    seen: ArcSwap<SeenIdentity>,
}

/// The identity of a cluster record, in an allocation of its own.
#[derive(Default)]
struct SeenIdentity {
    /// Kept, so that no other record gets its address.
    cluster: Option<Arc<ClusterRecord>>,
    identity: Arc<Identity>,
}

impl StateDirectory {
    /// Of what `state` reads.
    pub fn new(state: StateReader) -> Self {
        Self {
            state,
            seen: ArcSwap::default(),
        }
    }
}

impl Directory for StateDirectory {
    fn identity(&self) -> Arc<Identity> {
        let cluster = self.state.cluster();
        let seen = self.seen.load();
        if cluster.as_ref().map(Arc::as_ptr) == seen.cluster.as_ref().map(Arc::as_ptr) {
            return Arc::clone(&seen.identity);
        }
        let said = cluster.as_ref().map(|cluster| cluster.identity.clone());
        let said = said.unwrap_or_default();
        // A snapshot may bring the same one in another place.
        let identity = if said == *seen.identity {
            Arc::clone(&seen.identity)
        } else {
            Arc::new(said)
        };
        self.seen.store(Arc::new(SeenIdentity {
            cluster,
            identity: Arc::clone(&identity),
        }));
        identity
    }

    fn api_key(&self, hash: &Digest) -> Option<Arc<ApiKeyRecord>> {
        match self.state.api_key_by_hash(*hash) {
            Ok(found) => found.map(Arc::new),
            Err(error) => {
                tracing::error!(%error, "an API key cannot be read; its holder is not let in");
                None
            }
        }
    }
}

/// A directory that never changes.
#[cfg(test)]
#[derive(Clone, Default)]
pub struct FixedDirectory {
    identity: Arc<Identity>,
    keys: Vec<Arc<ApiKeyRecord>>,
}

#[cfg(test)]
impl FixedDirectory {
    /// Of these settings and keys.
    pub fn new(identity: Identity, keys: impl IntoIterator<Item = ApiKeyRecord>) -> Self {
        Self {
            identity: Arc::new(identity),
            keys: keys.into_iter().map(Arc::new).collect(),
        }
    }
}

#[cfg(test)]
impl Directory for FixedDirectory {
    fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.identity)
    }

    fn api_key(&self, hash: &Digest) -> Option<Arc<ApiKeyRecord>> {
        self.keys.iter().find(|key| key.hash == *hash).cloned()
    }
}
