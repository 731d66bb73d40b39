//! A reader's client: the public routes with an API key.

mod views;

use std::time::Duration;

use confman_core::digest::Digest;
use confman_core::ids::{ConfigKey, NamespacePath};
use reqwest::Response;
use serde::de::DeserializeOwned;

use super::transport::{Call, Effect, INDEX, Patience, Transport, read_json, tls_config};
use super::{BuildError, ClientError};
use crate::config::{ConfigValueView, KeyView};
use crate::listing::Page;

pub use views::RequestFilter;

/// What a reader needs to reach a cluster.
#[derive(Clone)]
pub struct ReadOptions {
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
pub struct ReadClient {
    pub(super) transport: Transport,
    pub(super) api_key: String,
}

/// Answer to a conditional read.
#[derive(Clone, Debug)]
pub enum ReadValue {
    /// The live value.
    Value(Box<ConfigValueView>),
    /// Still the one with the given digest.
    NotModified,
}

/// What came of waiting for a change of a key.
#[derive(Clone, Debug)]
pub struct Waited {
    /// Log index of the answer: wait for what comes after it.
    pub index: u64,
    /// What has changed.
    pub change: WaitedChange,
}

/// How a key has changed.
#[derive(Clone, Debug)]
pub enum WaitedChange {
    /// Not at all.
    Unchanged,
    /// To this value.
    Value(Box<ConfigValueView>),
    /// There is no such key (any more).
    Missing,
}

impl ReadClient {
    /// A client with its own connections; nothing is sent yet.
    pub fn new(options: &ReadOptions) -> Result<Self, BuildError> {
        let tls = tls_config(options.ca_pem.as_deref(), None)?;
        Ok(Self {
            transport: Transport::new(&options.endpoints, tls, options.timeout)?,
            api_key: options.api_key.clone(),
        })
    }

    /// The live value of a key; none when there is none (or it may not be seen). `consistency` as in the query.
    pub async fn value(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        consistency: Option<&str>,
    ) -> Result<Option<ConfigValueView>, ClientError> {
        let mut path = format!("/api/v1/config{}", namespace.join(key));
        if let Some(consistency) = consistency {
            path = format!("{path}?consistency={consistency}");
        }
        optional(self.get(path).await)
    }

    /// The live value unless it still has the digest `known`.
    pub async fn value_unless(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        known: &Digest,
    ) -> Result<Option<ReadValue>, ClientError> {
        let mut call = self.call(format!("/api/v1/config{}", namespace.join(key)));
        call.headers.push(("if-none-match", format!("\"{known}\"")));
        let answer = async {
            let response = self.transport.send(&call).await?;
            if response.status() == reqwest::StatusCode::NOT_MODIFIED {
                return Ok(ReadValue::NotModified);
            }
            read_json(response, Effect::Read)
                .await
                .map(|view| ReadValue::Value(Box::new(view)))
        };
        optional(answer.await)
    }

    /// Waits up to `wait` (1 ms to 60 s) until the live value of a key has changed after the log index `index`.
    pub async fn wait_for_value(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        index: u64,
        wait: Duration,
    ) -> Result<Waited, ClientError> {
        let path = namespace.join(key);
        let mut call = self.call(format!(
            "/api/v1/config{path}?wait={}ms&index={index}",
            wait.as_millis()
        ));
        call.patience = Patience::Longer(wait);
        call.missing_is_answer = true;
        let response = self.transport.send(&call).await?;
        let header = response.headers().get(INDEX);
        let seen = header.and_then(|index| index.to_str().ok()?.parse().ok());
        let index = seen.ok_or_else(|| ClientError::Unreachable(format!("the answer has no {INDEX}")))?;
        let change = match response.status() {
            reqwest::StatusCode::NOT_MODIFIED => WaitedChange::Unchanged,
            reqwest::StatusCode::NOT_FOUND => WaitedChange::Missing,
            _ => WaitedChange::Value(Box::new(read_json(response, Effect::Read).await?)),
        };
        Ok(Waited { index, change })
    }

    /// One page of the keys of a namespace.
    pub async fn keys(&self, namespace: &NamespacePath, cursor: Option<&str>) -> Result<Page<KeyView>, ClientError> {
        let path = if namespace.is_root() { "" } else { namespace.as_str() };
        let query = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
        self.get(format!("/api/v1/config{path}{query}")).await
    }

    pub(super) fn call(&self, path: String) -> Call {
        let mut call = Call::read(path);
        call.headers.push(("x-api-key", self.api_key.clone()));
        call
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: String) -> Result<T, ClientError> {
        let response: Response = self.transport.send(&self.call(path)).await?;
        read_json(response, Effect::Read).await
    }
}

fn optional<T>(answer: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
