//! What a write was authenticated by. It goes with a forwarded write, so that the leader authenticates again and does not
//! take another node's word for who is calling.

use std::fmt;
use std::sync::Arc;

use confman_core::principal::Actor;
use confman_core::proposal::Command;

use super::authenticator::{Authenticator, LoginError};
use super::certificates::Chain;

/// What a caller showed.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// The text of an API key.
    ApiKey(Arc<str>),
    /// A token of an issuer.
    Bearer(Arc<str>),
    /// The certificate of a person. It was shown on a connection to another node, which is taken at its word that the
    /// holder of its key did; who that is, is verified again.
    ClientCertificate(Chain),
    /// The courier's certificate. Its connection ends at the node that was called, so in a forwarded write the
    /// certificate of that node stands for it.
    Courier,
}

/// Why a command does not go with its credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// This node does not accept the credential.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// Only the courier may give the command, or only somebody who logged in.
    #[error("the command is not one that this kind of credential may give")]
    WrongKind,
}

impl fmt::Debug for Credential {
    /// Without the credential: it is never logged.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ApiKey(_) => "ApiKey",
            Self::Bearer(_) => "Bearer",
            Self::ClientCertificate(_) => "ClientCertificate",
            Self::Courier => "Courier",
        })
    }
}

impl Credential {
    /// `command` in the name of whoever holds the credential by what this node knows, whatever name it came with.
    pub async fn authenticate(
        &self,
        authenticator: &Authenticator,
        mut command: Command,
    ) -> Result<Command, CredentialError> {
        match (self, command.caller_mut()) {
            (Self::Courier, None) => {}
            (Self::Courier, Some(_)) | (_, None) => return Err(CredentialError::WrongKind),
            (_, Some(actor)) => {
                let holder = authenticator.authenticate(self).await?;
                *actor = Actor {
                    ip: actor.ip.take(),
                    ..holder.login.clone()
                };
            }
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
    use crate::auth::api_keys::{ApiKeys, KeyError, generate};
    use crate::auth::directory::FixedDirectory;

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

    fn knows(key: &str) -> Authenticator {
        let keys = ApiKeys::fixed([("reader", key)]);
        Authenticator::new(keys, Arc::new(FixedDirectory::default()), 20)
    }

    #[tokio::test]
    async fn a_key_acts_in_its_holders_name_and_in_no_other() {
        let key = generate("test").expect("randomness is there");
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
        let named = credential.authenticate(&knows(&key), put(claimed)).await;
        assert_eq!(named, Ok(put(expected)));
        let other = generate("test").expect("randomness is there");
        let reader = put(Actor::new(Principal::api_key("reader")));
        let unknown = Err(CredentialError::Login(LoginError::Key(KeyError::Unknown)));
        assert_eq!(credential.authenticate(&knows(&other), reader).await, unknown);
        assert!(!format!("{credential:?}").contains(&key), "credentials are not logged");
    }

    #[tokio::test]
    async fn the_courier_relays_and_a_key_writes_and_neither_does_the_other() {
        let key = generate("test").expect("randomness is there");
        let authenticator = knows(&key);
        let reader = put(Actor::new(Principal::api_key("reader")));
        let courier = Credential::Courier;
        assert_eq!(courier.authenticate(&authenticator, release()).await, Ok(release()));
        let wrong = Err(CredentialError::WrongKind);
        assert_eq!(courier.authenticate(&authenticator, reader).await, wrong);
        for credential in [
            Credential::ApiKey(key.into()),
            Credential::Bearer("a.b.c".into()),
            Credential::ClientCertificate(Arc::new([])),
        ] {
            assert_eq!(credential.authenticate(&authenticator, release()).await, wrong);
        }
    }
}
