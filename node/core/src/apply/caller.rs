//! Who acts, as the person behind the login, and how that is known.

use crate::ids::NamespacePath;
use crate::namespace::{Channel, each, effective_workflow};
use crate::outcome::Rejection;
use crate::principal::{Actor, Principal, PrincipalKind};
use crate::stamp::StampedUser;
use crate::state::StateView;

use super::context::{Context, Lineage, Step, Stop, check_user};

/// One acting person or machine.
#[derive(Clone)]
pub(super) struct Caller {
    /// Under the name of the person, where the login is an alias of one.
    pub(super) actor: Actor,
    /// As they logged in.
    pub(super) login: Principal,
    /// Where they act.
    pub(super) channel: Channel,
    /// The key that signed for them, where they act by a stamp.
    pub(super) stamp_key_id: Option<String>,
}

impl Caller {
    /// The caller's name.
    pub(super) fn principal(&self) -> &Principal {
        &self.actor.principal
    }
}

impl<V: StateView> Context<'_, V> {
    /// The user of a stamp that `key_id` signed. Verify the stamp first.
    pub(super) fn stamped(&self, user: &StampedUser, key_id: &str) -> Result<Caller, Rejection> {
        check_user(user)?;
        let actor = user.actor();
        Ok(Caller {
            login: actor.principal.clone(),
            actor: self.cluster()?.identity.canonical_actor(&actor),
            channel: Channel::Kubernetes,
            stamp_key_id: Some(key_id.to_owned()),
        })
    }

    /// A caller that the proposer has authenticated, about to write at `namespace`.
    pub(super) fn authenticated(&self, actor: &Actor, namespace: &NamespacePath) -> Step<Caller, V> {
        let identity = &self.cluster()?.identity;
        if actor.principal.kind == PrincipalKind::ApiKey {
            self.check_key(&actor.principal, namespace)?;
        }
        Ok(Caller {
            login: actor.principal.clone(),
            actor: identity.canonical_actor(actor),
            channel: Channel::Http,
            stamp_key_id: None,
        })
    }

    /// A key that the cluster keeps may have ended since the proposer looked. One that it does not keep is known to the
    /// nodes by a file.
    fn check_key(&self, principal: &Principal, namespace: &NamespacePath) -> Step<(), V> {
        let Some(key) = self.view.api_key(&principal.name).map_err(Stop::Fault)? else {
            return Ok(());
        };
        let refused = |detail: String| Rejection::KeyNotAccepted {
            principal: principal.clone(),
            detail,
        };
        key.check(self.time).map_err(|state| refused(state.to_string()))?;
        if key.scope.read_only {
            Err(refused("it is for reading only".to_owned()))?;
        }
        if !key.scope.covers(namespace) {
            Err(refused(format!("its scope does not cover {namespace}")))?;
        }
        Ok(())
    }
}

/// Refuses a channel that the namespace has closed; where nothing is said about channels, the caller's is open if
/// `by_default`: people ask and review from where the namespace is managed, and what takes effect at once may come from
/// anywhere.
pub(super) fn check_channel(lineage: &Lineage, caller: &Caller, by_default: bool) -> Result<(), Rejection> {
    let said = effective_workflow(each(lineage)).channels;
    let is_open = said.map_or(by_default, |channels| channels.are_open_to(caller.channel));
    if is_open {
        return Ok(());
    }
    let other = match caller.channel {
        Channel::Kubernetes => "HTTP",
        Channel::Http => "Kubernetes objects",
    };
    Err(Rejection::ChannelClosed {
        namespace: lineage
            .first()
            .map_or_else(NamespacePath::root, |nearest| nearest.path.clone()),
        open: other.to_owned(),
    })
}

/// True if a namespace with this lineage is managed from where `caller` acts.
pub(super) fn is_managed_from(lineage: &Lineage, caller: &Caller) -> bool {
    let has_object = lineage.first().is_some_and(|nearest| nearest.claim.is_some());
    match caller.channel {
        Channel::Kubernetes => true,
        Channel::Http => !has_object,
    }
}
