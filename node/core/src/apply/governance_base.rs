//! What a change of governance was made against: approving it must not undo what was changed since.

use crate::digest::{Digest, GovernanceContent};
use crate::entry::ConfigEntry;
use crate::ids::NamespacePath;
use crate::publish_request::{GovernanceChange, Operation};
use crate::state::StateView;

use super::context::{Context, Step};

/// The digest that an approval of `change` binds to, as of now. The revision of the namespace tells of its settings; the
/// description of a key and the identity have none, so their digest is part of it.
pub(super) fn content_digest<V: StateView>(
    context: &Context<'_, V>,
    namespace: &NamespacePath,
    change: &GovernanceChange,
    base_revision: u64,
) -> Step<Digest, V> {
    let base_digest = match change {
        // A key is added to those that are there, whichever they are.
        GovernanceChange::Settings(_) | GovernanceChange::StampKey(_) => None,
        GovernanceChange::Entry { key, meta: _ } => context.entry(namespace, key)?.as_ref().map(meta_digest),
        GovernanceChange::Identity(_) => Some(Digest::of_canonical(&context.cluster()?.identity)),
    };
    Ok(Digest::of_canonical(&GovernanceContent {
        cluster_id: &context.cluster()?.cluster_id,
        namespace,
        operation: Operation::Govern,
        change_digest: Digest::of_canonical(change),
        base_revision,
        base_digest,
    }))
}

fn meta_digest(entry: &ConfigEntry) -> Digest {
    Digest::of_canonical(&entry.meta)
}
