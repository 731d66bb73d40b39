//! Tests of [`super`].

use confman_core::api_key::{ApiKeyRecord, KeyScope, KeyState};
use confman_core::ids::NamespacePath;
use confman_core::principal::Principal;

use super::*;
use crate::auth::api_keys::generate;
use crate::auth::directory::FixedDirectory;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const FAILURES: u32 = 5;

fn record(name: &str, text: &str) -> ApiKeyRecord {
    ApiKeyRecord {
        name: name.to_owned(),
        hash: digest_of(text),
        environment: "test".to_owned(),
        scope: KeyScope::default(),
        created_by: Principal::user("ada"),
        created_at: Timestamp::default(),
        expires_at: None,
        revoked_at: None,
    }
}

fn knowing(identity: Identity, keys: impl IntoIterator<Item = ApiKeyRecord>) -> Authenticator {
    Authenticator::new(
        ApiKeys::default(),
        Arc::new(FixedDirectory::new(identity, keys)),
        FAILURES,
    )
}

fn key(text: &str) -> Credential {
    Credential::ApiKey(text.into())
}

fn new_key() -> String {
    generate("test").expect("randomness is there")
}

#[tokio::test]
async fn a_key_of_the_cluster_has_its_scope_and_end_and_its_use_is_noted() {
    let text = new_key();
    let scope = KeyScope {
        namespace: Some(NamespacePath::parse("/teams").expect("a path")),
        read_only: true,
    };
    let end = Timestamp::from_millis(now().as_millis() + 60_000);
    let record = ApiKeyRecord {
        scope: scope.clone(),
        expires_at: Some(end),
        ..record("reader", &text)
    };
    let authenticator = knowing(Identity::default(), [record]);
    assert_eq!(authenticator.last_used("reader"), None);
    let known = authenticator.log_in(&key(&text), HERE).await.expect("a good key");
    assert_eq!(known.principal.to_string(), "key:reader");
    assert_eq!((&known.scope, known.expires_at), (&scope, Some(end)));
    assert!(authenticator.last_used("reader").is_some());
}

#[tokio::test]
async fn an_expired_or_revoked_key_is_refused_and_says_why() {
    let (expired, revoked) = (new_key(), new_key());
    let at = Timestamp::from_millis(1_000);
    let authenticator = knowing(
        Identity::default(),
        [
            ApiKeyRecord {
                expires_at: Some(at),
                ..record("expired", &expired)
            },
            ApiKeyRecord {
                revoked_at: Some(at),
                ..record("revoked", &revoked)
            },
        ],
    );
    let refused = async |text: &str| authenticator.log_in(&key(text), HERE).await;
    let ended = |state| Err(LoginError::Key(KeyError::Ended(state)));
    assert_eq!(refused(&expired).await, ended(KeyState::Expired(at)));
    assert_eq!(refused(&revoked).await, ended(KeyState::Revoked(at)));
    assert_eq!(authenticator.last_used("expired"), None);
}

#[tokio::test]
async fn guessing_is_slowed_and_who_is_in_stays_in() {
    let (text, spare) = (new_key(), new_key());
    let authenticator = knowing(Identity::default(), [record("reader", &text), record("spare", &spare)]);
    assert!(authenticator.log_in(&key(&text), HERE).await.is_ok());
    for _ in 0..FAILURES {
        let refused = authenticator.log_in(&key(&new_key()), HERE).await;
        assert_eq!(refused, Err(LoginError::Key(KeyError::Unknown)));
    }
    let slowed = |result: Result<Arc<Known>, LoginError>| matches!(result, Err(LoginError::Throttled(_)));
    assert!(slowed(authenticator.log_in(&key(&new_key()), HERE).await));
    assert!(
        slowed(authenticator.log_in(&Credential::Bearer("a.b.c".into()), HERE).await),
        "whatever is shown"
    );
    assert!(
        slowed(authenticator.log_in(&key(&spare), HERE).await),
        "a key that was not in use is not looked at"
    );
    assert!(
        authenticator.log_in(&key(&text), HERE).await.is_ok(),
        "the key that was in use is"
    );
    let elsewhere = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    assert!(authenticator.log_in(&key(&spare), elsewhere).await.is_ok());
}

#[tokio::test]
async fn nobody_in_particular_may_read_only_where_the_cluster_says_so() {
    let closed = knowing(Identity::default(), []);
    assert_eq!(closed.anonymous(), Err(LoginError::Missing));
    let open = Identity {
        anonymous_reads: true,
        ..Identity::default()
    };
    let known = knowing(open.clone(), []).anonymous().expect("open");
    assert_eq!(known.principal.to_string(), "user:anonymous/anonymous");
    assert!(known.scope.read_only && !open.is_human(&known.principal));
}

/// A directory that can be changed.
struct Changing(Mutex<Arc<Identity>>);

impl Directory for Changing {
    fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.0.lock())
    }

    fn api_key(&self, _: &Digest) -> Option<Arc<ApiKeyRecord>> {
        None
    }
}

#[tokio::test]
async fn a_changed_identity_is_in_force_with_the_next_request() {
    let directory = Arc::new(Changing(Mutex::default()));
    let authenticator = Authenticator::new(
        ApiKeys::default(),
        Arc::clone(&directory) as Arc<dyn Directory>,
        FAILURES,
    );
    assert!(authenticator.anonymous().is_err());
    *directory.0.lock() = Arc::new(Identity {
        anonymous_reads: true,
        ..Identity::default()
    });
    assert!(authenticator.anonymous().is_ok());
    *directory.0.lock() = Arc::default();
    assert!(authenticator.anonymous().is_err());
}

#[tokio::test]
async fn the_couriers_certificate_logs_nobody_in() {
    let authenticator = knowing(Identity::default(), []);
    assert_eq!(
        authenticator.authenticate(&Credential::Courier).await,
        Err(LoginError::Courier)
    );
}
