//! What a write was authenticated by. It goes with a forwarded write, so that the leader authenticates again and does not
//! take another node's word for who is calling.

use std::fmt;
use std::sync::Arc;

use confman_core::principal::Actor;
use confman_core::proposal::Command;

use super::api_keys::{ApiKeys, KeyError};

/// What a caller showed.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// The text of an API key.
    ApiKey(Arc<str>),
    /// The courier's certificate. Its connection ends at the node that was called, so in a forwarded write the
    /// certificate of that node stands for it.
    Courier,
}

/// Why a command does not go with its credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// This node does not know the key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Only the courier may give the command, or only the holder of a key.
    #[error("the command is not one that this kind of credential may give")]
    WrongKind,
}

impl fmt::Debug for Credential {
    /// Without the key: credentials are never logged.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ApiKey(_) => "ApiKey",
            Self::Courier => "Courier",
        })
    }
}

impl Credential {
    /// Whose it is by what this node knows now; none if it is not accepted (any more), or stands for nobody.
    pub fn holder(&self, api_keys: &ApiKeys) -> Option<Arc<Actor>> {
        match self {
            Self::ApiKey(text) => api_keys.authenticate(text).ok(),
            Self::Courier => None,
        }
    }

    /// `command` in the name of whoever holds the credential by what this node knows, whatever name it came with.
    pub fn authenticate(&self, api_keys: &ApiKeys, command: Command) -> Result<Command, CredentialError> {
        let mut command = command;
        match (self, command.caller_mut()) {
            (Self::Courier, None) => {}
            (Self::ApiKey(text), Some(actor)) => {
                let holder = api_keys.authenticate(text)?;
                *actor = Actor {
                    ip: actor.ip.take(),
                    ..Actor::clone(&holder)
                };
            }
            (Self::Courier, Some(_)) | (Self::ApiKey(_), None) => return Err(CredentialError::WrongKind),
        }
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use confman_core::ids::{ConfigKey, NamespacePath};
    use confman_core::namespace::Claim;
    use confman_core::principal::Principal;
    use confman_core::proposal::{Precondition, PutEntry, ReleaseNamespace};
    use confman_core::value::ConfigValue;

    use super::*;
    use crate::auth::api_keys::generate;

    fn put(actor: Actor) -> Command {
        Command::PutEntry(PutEntry {
            actor,
            namespace: NamespacePath::root(),
            key: ConfigKey::parse("colour").expect("a key"),
            value: ConfigValue::from_text("blue").expect("a value"),
            expected: Precondition::Any,
            verdict: None,
        })
    }

    fn release() -> Command {
        Command::ReleaseNamespace(ReleaseNamespace {
            path: NamespacePath::root(),
            claim: Claim {
                kubernetes_namespace: "confman".to_owned(),
                name: "root".to_owned(),
                uid: "uid".to_owned(),
            },
        })
    }

    #[test]
    fn a_key_acts_in_its_holders_name_and_in_no_other() {
        let key = generate("test").expect("randomness is there");
        let keys = ApiKeys::fixed([("reader", key.as_str())]);
        let credential = Credential::ApiKey(key.as_str().into());
        let ip = Some("10.0.0.1".to_owned());
        let claimed = Actor {
            principal: Principal::user("root"),
            groups: [Principal::group("admins")].into(),
            ip: ip.clone(),
        };
        let expected = Actor {
            ip,
            ..Actor::new(Principal::api_key("reader"))
        };
        assert_eq!(credential.authenticate(&keys, put(claimed)), Ok(put(expected)));
        assert_eq!(
            credential.authenticate(&ApiKeys::default(), put(Actor::new(Principal::api_key("reader")))),
            Err(CredentialError::Key(KeyError::Unknown))
        );
        assert!(!format!("{credential:?}").contains(&key), "credentials are not logged");
    }

    #[test]
    fn the_courier_relays_and_a_key_writes_and_neither_does_the_other() {
        let key = generate("test").expect("randomness is there");
        let keys = ApiKeys::fixed([("reader", key.as_str())]);
        let reader = Actor::new(Principal::api_key("reader"));
        assert_eq!(Credential::Courier.authenticate(&keys, release()), Ok(release()));
        assert_eq!(
            Credential::Courier.authenticate(&keys, put(reader)),
            Err(CredentialError::WrongKind)
        );
        assert_eq!(
            Credential::ApiKey(key.into()).authenticate(&keys, release()),
            Err(CredentialError::WrongKind)
        );
    }
}
