//! The client for the public routes: what it needs, and how it sends.

use std::time::Duration;

use confman_core::idempotency::IdempotencyKey;
use confman_core::ids::NamespacePath;
use confman_core::proposal::Precondition;
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::query::Query;
use super::transport::{Call, Effect, Transport, read_json, tls_config};
use super::{BuildError, ClientError};
use crate::namespaces::PendingView;
use crate::reading::Consistency;

/// What a client needs to reach a cluster.
#[derive(Clone)]
pub struct ClientOptions {
    /// `http://host:8080` or `https://…` of one or more nodes, or of the client Service.
    pub endpoints: Vec<String>,
    /// Who calls.
    pub credential: Credential,
    /// Roots for `https`, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Longest wait for one answer. A node itself waits up to the limit `write-time` for a commit.
    pub timeout: Duration,
}

/// What a caller shows to be known.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// Nothing: only where the cluster lets anybody read.
    Anonymous,
    /// An API key, `confman_ENV_RANDOM`.
    ApiKey(String),
    /// A bearer token: an ID token of a person, or a token of a workload. Only people decide publish requests.
    Token(String),
}

/// A client for the public routes; cheap to clone, keeps its connections.
///
/// Every method is one call and answers [`ClientError`] if that fails: a refusal of the rules, another problem, or what
/// is known of a call that no node answered. What may not be read does not exist: it is none, or a problem with status 404.
#[derive(Clone)]
pub struct Client {
    pub(super) transport: Transport,
    credential: Credential,
    /// Of every write; none: another one each time.
    idempotency_key: Option<IdempotencyKey>,
    /// Of every read.
    consistency: Consistency,
    max_age: Option<Duration>,
}

/// What came of a change that may loosen governance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Governed<T> {
    /// It is in force.
    InForce(T),
    /// Others decide; until then what was in force still is.
    Pending(PendingView),
}

impl Client {
    /// A client with its own connections; nothing is sent yet.
    ///
    /// # Errors
    /// If an endpoint is no URL, or the roots are no certificates.
    pub fn new(options: &ClientOptions) -> Result<Self, BuildError> {
        let tls = tls_config(options.ca_pem.as_deref(), None)?;
        Ok(Self {
            transport: Transport::new(&options.endpoints, tls, options.timeout)?,
            credential: options.credential.clone(),
            idempotency_key: None,
            consistency: Consistency::Stale,
            max_age: None,
        })
    }

    /// The same connections for whoever this bearer token is of. Tokens end; a new one of the same person goes in like this.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            credential: Credential::Token(token.to_owned()),
            ..self.clone()
        }
    }

    /// The same client for one write that may have to be repeated: sent again with the same key within a day it is done
    /// once and answered the same. Without, every call has a key of its own. An API key that is issued is never repeated.
    #[must_use]
    pub fn with_idempotency_key(&self, key: IdempotencyKey) -> Self {
        Self {
            idempotency_key: Some(key),
            ..self.clone()
        }
    }

    /// The same client, whose reads are as fresh as this; without, they are stale. Watches and what a node says of itself
    /// do not depend on it.
    #[must_use]
    pub fn with_consistency(&self, consistency: Consistency) -> Self {
        Self {
            consistency,
            ..self.clone()
        }
    }

    /// The same client, which is refused (`too-stale`, 503) rather than answered from a state that is older, in whole
    /// milliseconds, at least one.
    #[must_use]
    pub fn with_max_age(&self, max_age: Duration) -> Self {
        Self {
            max_age: Some(max_age),
            ..self.clone()
        }
    }

    /// The query of a read that is as fresh as the client wants.
    pub(super) fn fresh(&self) -> Query {
        let consistency = Some(self.consistency).filter(|consistency| *consistency != Consistency::Stale);
        let max_age = self.max_age.map(|age| format!("{}ms", age.as_millis()));
        Query::default()
            .with("consistency", consistency)
            .with("maxAge", max_age)
    }

    pub(super) fn call(&self, path: String) -> Call {
        self.known(Call::read(path))
    }

    /// A write without a body.
    pub(super) fn write(&self, method: Method, path: String) -> Call {
        let key = match &self.idempotency_key {
            Some(key) => key.as_str().replace('\\', "\\\\").replace('"', "\\\""),
            None => Uuid::new_v4().to_string(),
        };
        let mut call = self.known(Call::write(method, path, Vec::new()));
        call.headers.push(("idempotency-key", format!("\"{key}\"")));
        call
    }

    /// A write of `body` as JSON.
    pub(super) fn write_json(&self, method: Method, path: String, body: &impl Serialize) -> Result<Call, ClientError> {
        let unwritable = |error| ClientError::Unreachable(format!("the body is not JSON: {error}"));
        let body = serde_json::to_vec(body).map_err(unwritable)?;
        Ok(Call {
            body: Some(body),
            ..self.write(method, path)
        })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: String) -> Result<T, ClientError> {
        let response = self.transport.send(&self.call(path)).await?;
        read_json(response, Effect::Read).await
    }

    /// Sends a write that is answered in one way.
    pub(super) async fn change<T: DeserializeOwned>(&self, call: &Call) -> Result<T, ClientError> {
        read_json(self.transport.send(call).await?, Effect::Write).await
    }

    /// Sends a write that others may have to agree to.
    pub(super) async fn govern<T: DeserializeOwned>(&self, call: &Call) -> Result<Governed<T>, ClientError> {
        let response = self.transport.send(call).await?;
        if response.status() == StatusCode::ACCEPTED {
            return read_json(response, Effect::Write).await.map(Governed::Pending);
        }
        read_json(response, Effect::Write).await.map(Governed::InForce)
    }

    fn known(&self, mut call: Call) -> Call {
        match &self.credential {
            Credential::Anonymous => {}
            Credential::ApiKey(key) => call.headers.push(("x-api-key", key.clone())),
            Credential::Token(token) => call.headers.push(("authorization", format!("Bearer {token}"))),
        }
        call
    }
}

impl Call {
    /// What must be there for the call to change anything.
    pub(super) fn expecting(mut self, expected: Precondition) -> Self {
        match expected {
            Precondition::Any => {}
            Precondition::Present => self.headers.push(("if-match", "*".to_owned())),
            Precondition::Digest(digest) => self.headers.push(("if-match", format!("\"{digest}\""))),
            Precondition::Absent => self.headers.push(("if-none-match", "*".to_owned())),
        }
        self
    }

    /// Likewise, of what is tagged by revisions; 0 for nothing.
    pub(super) fn expecting_revision(mut self, expected: Option<u64>) -> Self {
        self.headers
            .extend(expected.map(|revision| ("if-match", format!("\"{revision}\""))));
        self
    }
}

/// What is not there is none.
pub(super) fn optional<T>(answer: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is in a header that every answer of its kind has.
pub(super) fn header<T>(
    response: &Response,
    name: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, ClientError> {
    let text = response.headers().get(name).and_then(|value| value.to_str().ok());
    text.and_then(parse)
        .ok_or_else(|| ClientError::Unreachable(format!("the answer has no {name}")))
}

/// The path of a namespace under a resource.
pub(super) fn path(resource: &str, namespace: &NamespacePath) -> String {
    let namespace = if namespace.is_root() { "" } else { namespace.as_str() };
    format!("/api/v1/{resource}{namespace}")
}
