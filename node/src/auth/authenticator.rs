//! Turns what a caller shows into who they are.

use std::cell::LazyCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use confman_core::api_key::ApiKeyRecord;
use confman_core::digest::Digest;
use confman_core::identity::Identity;
use confman_core::ids::Timestamp;
use confman_core::principal::Actor;
use parking_lot::Mutex;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::api_keys::{ApiKeys, KeyError, digest_of, require_equal};
use super::certificates::{CertificateProblem, PeopleCa};
use super::claims::Holder;
use super::credential::Credential;
use super::directory::Directory;
use super::issuers::{Issuers, TokenError};
use super::jws::Token;
use super::key_form::is_well_formed;
use super::known::Known;
use super::last_used::LastUsed;
use super::throttle::{Throttle, Throttled, Try};
use crate::propose::now;

/// How often it is looked whether keys of issuers are due and what is in force.
const TICK: Duration = Duration::from_secs(1);
/// A key that was used so lately is accepted whatever others try from the same address, in milliseconds.
const KEY_IN_USE_MS: i64 = 30 * 60 * 1000;

/// Why a caller is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// They showed nothing.
    #[error("this route needs an API key, a bearer token or a client certificate")]
    Missing,
    /// Not a key, or not one that is accepted.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Not a token, or not one that is accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Not a certificate that is accepted.
    #[error(transparent)]
    Certificate(#[from] CertificateProblem),
    /// Too many failed before.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The courier's certificate opens another port.
    #[error("the certificate of the courier is for the internal port")]
    Courier,
}

/// Knows whom to let in. Shared by the ports of a node.
pub struct Authenticator {
    files: ApiKeys,
    directory: Arc<dyn Directory>,
    in_force: ArcSwap<InForce>,
    changing: Mutex<()>,
    people: Arc<PeopleCa>,
    throttle: Throttle,
    last_used: LastUsed,
    anonymous: Arc<Known>,
}

/// An identity, and what was made of it.
struct InForce {
    identity: Arc<Identity>,
    issuers: Issuers,
}

/// A key that this node knows.
enum Key {
    /// By a file.
    OfFile(Arc<Known>),
    /// By the cluster's state.
    Recorded(Arc<ApiKeyRecord>),
}

impl Key {
    fn name(&self) -> &str {
        match self {
            Self::OfFile(known) => &known.login.principal.name,
            Self::Recorded(record) => &record.name,
        }
    }
}

impl Authenticator {
    /// By the keys in `files` and by what `directory` says; an address may fail `login_failures` times at once.
    pub fn new(files: ApiKeys, directory: Arc<dyn Directory>, login_failures: u32) -> Self {
        let identity = directory.identity();
        let people = PeopleCa::default();
        people.set(identity.client_ca_pem.as_deref());
        let issuers = Issuers::new(&identity.issuers, &Issuers::default());
        Self {
            files,
            directory,
            in_force: ArcSwap::from_pointee(InForce { identity, issuers }),
            changing: Mutex::new(()),
            people: Arc::new(people),
            throttle: Throttle::new(login_failures),
            last_used: LastUsed::default(),
            anonymous: Arc::new(Known::anonymous()),
        }
    }

    /// The CA of people, for the handshake.
    pub fn people(&self) -> Arc<PeopleCa> {
        Arc::clone(&self.people)
    }

    /// Number of keys from files.
    pub fn key_count(&self) -> usize {
        self.files.count()
    }

    /// True if this node knows a key of this name by a file.
    pub fn has_file_key(&self, name: &str) -> bool {
        self.files.has(name)
    }

    /// When a key was last used on this node since it started.
    pub fn last_used(&self, key_name: &str) -> Option<Timestamp> {
        self.last_used.of(key_name)
    }

    /// Who calls without a credential, if such may read.
    pub fn anonymous(&self) -> Result<Arc<Known>, LoginError> {
        let allowed = self.in_force().identity.anonymous_reads;
        allowed.then(|| Arc::clone(&self.anonymous)).ok_or(LoginError::Missing)
    }

    /// Who shows `credential` from `address`. Failures are counted, and looked at before anything is verified.
    pub async fn log_in(&self, credential: &Credential, address: IpAddr) -> Result<Arc<Known>, LoginError> {
        // Most callers show a key that is in use, and are never counted.
        let (attempt, now) = (LazyCell::new(|| attempt(credential, address)), Instant::now());
        let known = if let Credential::ApiKey(text) = credential {
            let shown = self.look_up(text);
            if !shown.as_ref().is_ok_and(|key| self.is_in_use(key)) {
                self.throttle.check(&attempt, now)?;
            }
            shown.and_then(|key| self.admit(&key)).map_err(LoginError::from)
        } else {
            self.throttle.check(&attempt, now)?;
            // Keys of an issuer may have to be fetched: requests with an API key carry no room for that.
            Box::pin(self.authenticate(credential)).await
        };
        match (&known, credential) {
            // An issuer that is away is not the caller's fault; and the time of its last use tells of a key.
            (Err(LoginError::Token(TokenError::KeysUnavailable { .. })), _) | (Ok(_), Credential::ApiKey(_)) => {}
            (Err(_), _) => self.throttle.failed(&attempt, now),
            (Ok(_), _) => self.throttle.succeeded(&attempt, now),
        }
        known
    }

    /// Who holds `credential`, by what this node knows.
    pub async fn authenticate(&self, credential: &Credential) -> Result<Arc<Known>, LoginError> {
        match credential {
            Credential::ApiKey(text) => Ok(self.look_up(text).and_then(|key| self.admit(&key))?),
            Credential::Bearer(text) => {
                let in_force = self.in_force();
                let holder = in_force.issuers.authenticate(text, now()).await?;
                Ok(person(&in_force.identity, holder))
            }
            Credential::ClientCertificate(chain) => {
                let in_force = self.in_force();
                let holder = self.people.authenticate(chain, now())?;
                Ok(person(&in_force.identity, holder))
            }
            Credential::Courier => Err(LoginError::Courier),
        }
    }

    /// The key with this text, also when it is expired or revoked.
    fn look_up(&self, text: &str) -> Result<Key, KeyError> {
        if !is_well_formed(text) {
            return Err(KeyError::Malformed);
        }
        let digest = digest_of(text);
        if let Some(known) = self.files.holder(&digest) {
            return Ok(Key::OfFile(known));
        }
        let record = self.directory.api_key(&digest).ok_or(KeyError::Unknown)?;
        require_equal(&record.hash, &digest)?;
        Ok(Key::Recorded(record))
    }

    /// The holder of `key`, if it still counts.
    fn admit(&self, key: &Key) -> Result<Arc<Known>, KeyError> {
        let now = now();
        let known = match key {
            Key::OfFile(known) => Arc::clone(known),
            Key::Recorded(record) => {
                record.check(now)?;
                Arc::new(Known {
                    scope: record.scope.clone(),
                    expires_at: record.expires_at,
                    ..Known::unlimited(Actor::new(record.principal()))
                })
            }
        };
        self.last_used.note(&known.login.principal.name, now);
        Ok(known)
    }

    fn is_in_use(&self, key: &Key) -> bool {
        let last = self.last_used.of(key.name());
        last.is_some_and(|last| now().as_millis() - last.as_millis() < KEY_IN_USE_MS)
    }

    /// What is in force now, made again when it changed.
    fn in_force(&self) -> Arc<InForce> {
        let identity = self.directory.identity();
        let current = self.in_force.load_full();
        if Arc::ptr_eq(&current.identity, &identity) {
            return current;
        }
        let _only_one = self.changing.lock();
        let before = self.in_force.load_full();
        if Arc::ptr_eq(&before.identity, &identity) {
            return before;
        }
        if before.identity.client_ca_pem != identity.client_ca_pem {
            self.people.set(identity.client_ca_pem.as_deref());
        }
        let issuers = Issuers::new(&identity.issuers, &before.issuers);
        let changed = Arc::new(InForce { identity, issuers });
        self.in_force.store(Arc::clone(&changed));
        changed
    }

    /// Keeps the keys of issuers fresh until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            let in_force = self.in_force();
            tokio::select! {
                () = in_force.issuers.refresh_due() => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

fn person(identity: &Identity, holder: Holder) -> Arc<Known> {
    Arc::new(Known::person(identity, holder.login, holder.expires_at))
}

/// Letters of a key's random part that its failures are counted by.
const KEY_PREFIX: usize = 8;

fn attempt(credential: &Credential, address: IpAddr) -> Try {
    match credential {
        Credential::ApiKey(text) => {
            let random = text.rfind('_').map_or(0, |at| at + 1);
            let prefix: String = text.chars().take(random + KEY_PREFIX).take(64).collect();
            Try::new(address, &prefix, text.as_bytes())
        }
        Credential::Bearer(text) => {
            let token = Token::parse(text).ok();
            let said = |claim| {
                token
                    .as_ref()
                    .and_then(|token| token.unverified(claim))
                    .and_then(Value::as_str)
            };
            let claimed = format!("{:?} {:?}", said("iss"), said("sub"));
            Try::new(address, &claimed, text.as_bytes())
        }
        Credential::ClientCertificate(chain) => {
            let leaf = chain.first().map_or(&[][..], |leaf| leaf.as_ref());
            Try::new(address, &Digest::of(leaf).to_string(), leaf)
        }
        Credential::Courier => Try::new(address, "courier", b"courier"),
    }
}

#[cfg(test)]
mod tests;
