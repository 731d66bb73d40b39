//! Published values: read, waited for, listed.

mod views;

use std::time::Duration;

use confman_core::digest::Digest;
use confman_core::entry::EntryMeta;
use confman_core::ids::{ConfigKey, NamespacePath};
use reqwest::StatusCode;

use super::public::{optional, path, query};
use super::transport::{Effect, INDEX, Patience, read_json};
use super::{Client, ClientError};
use crate::config::{ConfigValueView, KeyView};
use crate::listing::Page;

pub use views::RequestFilter;

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

impl Client {
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
            if response.status() == StatusCode::NOT_MODIFIED {
                return Ok(ReadValue::NotModified);
            }
            read_json(response, Effect::Read)
                .await
                .map(|view| ReadValue::Value(Box::new(view)))
        };
        optional(answer.await)
    }

    /// A retained version of a key; none when there is none (any more), or it has no value.
    pub async fn value_of_version(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        version: u64,
    ) -> Result<Option<ConfigValueView>, ClientError> {
        let path = format!("/api/v1/config{}?version={version}", namespace.join(key));
        optional(self.get(path).await)
    }

    /// What is said about a key beside its value; none when there never was such a key (or it may not be seen).
    pub async fn description(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
    ) -> Result<Option<EntryMeta>, ClientError> {
        optional(self.get(format!("/api/v1/config{}:meta", namespace.join(key))).await)
    }

    /// Waits up to `wait` (1 ms to 60 s) until the live value of a key has changed after the log index `index`.
    pub async fn wait_for_value(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        index: u64,
        wait: Duration,
    ) -> Result<Waited, ClientError> {
        let key = namespace.join(key);
        let mut call = self.call(format!("/api/v1/config{key}?wait={}ms&index={index}", wait.as_millis()));
        call.patience = Patience::Longer(wait);
        call.is_answer =
            |response| response.status() == StatusCode::NOT_FOUND && response.headers().contains_key(INDEX);
        let response = self.transport.send(&call).await?;
        let header = response.headers().get(INDEX);
        let seen = header.and_then(|index| index.to_str().ok()?.parse().ok());
        let index = seen.ok_or_else(|| ClientError::Unreachable(format!("the answer has no {INDEX}")))?;
        let change = match response.status() {
            StatusCode::NOT_MODIFIED => WaitedChange::Unchanged,
            StatusCode::NOT_FOUND => WaitedChange::Missing,
            _ => WaitedChange::Value(Box::new(read_json(response, Effect::Read).await?)),
        };
        Ok(Waited { index, change })
    }

    /// One page of the keys of a namespace.
    pub async fn keys(&self, namespace: &NamespacePath, cursor: Option<&str>) -> Result<Page<KeyView>, ClientError> {
        self.get(path("config", namespace) + &query(&[("cursor", cursor)]))
            .await
    }
}
