//! The client for the public routes: what it needs, and how it sends.

use std::time::Duration;

use confman_core::idempotency::IdempotencyKey;
use confman_core::ids::NamespacePath;
use confman_core::proposal::Precondition;
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::transport::{Call, Effect, Transport, read_json, tls_config};
use super::{BuildError, ClientError};
use crate::namespaces::PendingView;

/// What a client needs to reach a cluster.
#[derive(Clone)]
pub struct ClientOptions {
    /// `http://host:8080` or `https://…` of one or more nodes, or of the client Service.
    pub endpoints: Vec<String>,
    /// The API key, `confman_ENV_RANDOM`.
    pub api_key: String,
    /// Roots for `https`, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Longest wait for one answer.
    pub timeout: Duration,
}

/// A client for the public routes; cheap to clone, keeps its connections.
#[derive(Clone)]
pub struct Client {
    pub(super) transport: Transport,
    /// Header, and what is in it.
    credential: (&'static str, String),
    /// Of every write; none: another one each time.
    idempotency_key: Option<IdempotencyKey>,
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
    pub fn new(options: &ClientOptions) -> Result<Self, BuildError> {
        let tls = tls_config(options.ca_pem.as_deref(), None)?;
        Ok(Self {
            transport: Transport::new(&options.endpoints, tls, options.timeout)?,
            credential: ("x-api-key", options.api_key.clone()),
            idempotency_key: None,
        })
    }

    /// The same connections for whoever this bearer token is of, instead of the API key: only people decide requests.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            credential: ("authorization", format!("Bearer {token}")),
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
        call.headers.push(self.credential.clone());
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

/// The path of a namespace under a resource.
pub(super) fn path(resource: &str, namespace: &NamespacePath) -> String {
    let namespace = if namespace.is_root() { "" } else { namespace.as_str() };
    format!("/api/v1/{resource}{namespace}")
}

/// The query with the parameters that are there, or nothing.
pub(super) fn query(parameters: &[(&str, Option<&str>)]) -> String {
    let given = parameters.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let url = Url::parse_with_params("http://node", given);
    let query = url.ok().and_then(|url| url.query().map(|query| format!("?{query}")));
    query.filter(|query| query.len() > 1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_what_is_there_and_encodes_it() {
        assert_eq!(query(&[("cursor", None)]), "");
        let both = query(&[
            ("submitter", Some("user:corp/a&b")),
            ("state", None),
            ("cursor", Some("x")),
        ]);
        assert_eq!(both, "?submitter=user%3Acorp%2Fa%26b&cursor=x");
    }
}
