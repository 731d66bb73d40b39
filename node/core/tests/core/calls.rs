//! What people try over HTTP, by a login of their own and for one key, as commands.

use confman_core::proposal::{
    Command, DeleteEntry, DescribeEntry, OpenRequest, Precondition, PutDraft, RollBackEntry, SetIdentity,
};
use confman_core::publish_request::{Operation, RequestSpec};
use confman_core::state::StateView as _;

use crate::acts::{Act, KEYS, NAMESPACES, PEOPLE, SECOND_LOGINS};
use crate::builders::{caller, key, path, spec, subject, value, writing};
use crate::world::World;

/// The command of `act`, in the world as it is; none of what is not tried over HTTP for a key.
pub(crate) fn call(world: &World, act: &Act) -> Option<Command> {
    let place = |at: &(usize, usize)| (path(NAMESPACES[at.0].0), key(KEYS[at.1]));
    let command = match act {
        Act::Draft { who, at, value: wanted } => {
            let (namespace, key) = place(at);
            Command::PutDraft(PutDraft {
                actor: caller(PEOPLE[*who]),
                namespace,
                key,
                value: value(&wanted.to_string()),
                expected: Precondition::Any,
                verdict: None,
            })
        }
        Act::Open {
            who,
            at,
            value,
            by_draft,
        } => {
            let at = &value.map_or_else(|| seen(world, *at), |_| *at);
            let (namespace, key) = place(at);
            let mut wanted = asking(namespace.as_str(), key.as_str(), *value);
            if *by_draft && wanted.value.is_some() {
                let draft = world.state.draft(&namespace, &key).expect("memory is always readable");
                let value = draft.map(|draft| draft.value).or_else(|| wanted.value.take());
                wanted.draft = value.map(|value| value.digest());
                wanted.value = None;
            }
            Command::OpenRequest(OpenRequest {
                actor: caller(PEOPLE[*who]),
                namespace,
                spec: wanted,
                resubmits: None,
                verdict: None,
            })
        }
        Act::RollBack { who, at, to } => {
            let (namespace, key) = place(at);
            Command::RollBackEntry(RollBackEntry {
                actor: caller(PEOPLE[*who]),
                namespace,
                key,
                to_version: *to,
                comment: None,
                verdict: None,
            })
        }
        Act::Identify { who, which } => {
            let cluster = world.state.cluster().expect("memory is always readable");
            let mut identity = cluster.expect("a cluster").identity.clone();
            let (login, person) = SECOND_LOGINS[*which];
            identity.aliases.insert(subject(login), subject(person));
            Command::SetIdentity(SetIdentity {
                actor: caller(PEOPLE[*who]),
                identity,
            })
        }
        Act::Write { who, at, value } => {
            let key = KEYS[usize::from(value % 2)];
            writing(PEOPLE[*who], NAMESPACES[at.0].0, key, &value.to_string())
        }
        Act::Delete { who, at } => {
            let (namespace, key) = place(&seen(world, *at));
            Command::DeleteEntry(DeleteEntry {
                actor: caller(PEOPLE[*who]),
                namespace,
                key,
                expected: Precondition::Any,
                verdict: None,
            })
        }
        Act::Describe { who, at, meta } => {
            let (namespace, key) = place(&seen(world, *at));
            Command::DescribeEntry(DescribeEntry {
                actor: caller(PEOPLE[*who]),
                namespace,
                key,
                meta: meta.clone(),
            })
        }
        Act::Submit { .. }
        | Act::Replay { .. }
        | Act::Review { .. }
        | Act::Discard { .. }
        | Act::ObjectDeleted { .. }
        | Act::Drop { .. }
        | Act::Widen { .. }
        | Act::Ask { .. }
        | Act::Release { .. }
        | Act::Rotate
        | Act::Wait { .. } => return None,
    };
    Some(command)
}

/// A spec that asks for `value` at a key, or for its deletion.
pub(crate) fn asking(namespace_ref: &str, key: &str, value: Option<u8>) -> RequestSpec {
    match value {
        Some(value) => spec(namespace_ref, key, &value.to_string()),
        None => RequestSpec {
            operation: Operation::Delete,
            value: None,
            ..spec(namespace_ref, key, "0")
        },
    }
}

/// The key at this place, or else one that is live: people delete and describe what they see.
pub(crate) fn seen(world: &World, at: (usize, usize)) -> (usize, usize) {
    let is_live = |at: &(usize, usize)| world.live(NAMESPACES[at.0].0, KEYS[at.1]).is_some();
    let everywhere = (0..NAMESPACES.len()).flat_map(|namespace| (0..KEYS.len()).map(move |key| (namespace, key)));
    std::iter::once(at).chain(everywhere).find(is_live).unwrap_or(at)
}
