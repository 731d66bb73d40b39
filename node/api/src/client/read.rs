//! Published values: read, waited for, listed.

mod represented;
mod views;

use std::time::Duration;

use confman_core::digest::Digest;
use confman_core::entry::EntryMeta;
use confman_core::ids::{ConfigKey, NamespacePath};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;

use super::public::{header, optional, path};
use super::query::Query;
use super::transport::{Effect, INDEX, Patience, read_json};
use super::{Client, ClientError};
use crate::config::{ConfigValueView, KeyView};
use crate::listing::{Page, Paging};

pub use represented::Represented;
pub use views::RequestFilter;

/// Answer to a conditional read.
#[derive(Clone, Debug)]
pub enum ReadValue {
    /// The live value.
    Value(Box<ConfigValueView>),
    /// Still the one with the given digest.
    NotModified,
}

/// What came of waiting for a change.
#[derive(Clone, Debug)]
pub struct Waited<T> {
    /// Log index of the answer: wait for what comes after it.
    pub index: u64,
    /// What has changed.
    pub change: WaitedChange<T>,
}

/// How what was waited for has changed.
#[derive(Clone, Debug)]
pub enum WaitedChange<T> {
    /// Not at all.
    Unchanged,
    /// To this.
    Found(T),
    /// It is not there (any more), or may not be seen.
    Missing,
}

/// Which keys of a namespace are listed; the default is all of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Only keys that begin with this.
    pub prefix: Option<String>,
    /// Also those of the namespaces below that the caller may read.
    pub recursive: bool,
}

impl KeyFilter {
    fn narrow(&self, query: Query) -> Query {
        let Self { prefix, recursive } = self;
        query.with("prefix", prefix.as_ref()).flag("recursive", *recursive)
    }
}

impl Client {
    /// The live value of a key; none when there is none (or it may not be seen).
    pub async fn value(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
    ) -> Result<Option<ConfigValueView>, ClientError> {
        let path = value_path(namespace, key);
        optional(self.get(self.fresh().behind(&path)).await)
    }

    /// The live value unless it still has the digest `known`.
    pub async fn value_unless(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        known: &Digest,
    ) -> Result<Option<ReadValue>, ClientError> {
        let mut call = self.call(self.fresh().behind(&value_path(namespace, key)));
        call.headers.push(("if-none-match", format!("\"{known}\"")));
        let answer = async {
            let response = self.transport.send(&call).await?;
            if response.status() == StatusCode::NOT_MODIFIED {
                return Ok(ReadValue::NotModified);
            }
            let view = read_json(response, Effect::Read).await;
            view.map(|view| ReadValue::Value(Box::new(view)))
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
        let query = self.fresh().with("version", Some(version));
        optional(self.get(query.behind(&value_path(namespace, key))).await)
    }

    /// What is said about a key beside its value; none when there never was such a key (or it may not be seen).
    pub async fn description(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
    ) -> Result<Option<EntryMeta>, ClientError> {
        let path = format!("{}:meta", value_path(namespace, key));
        optional(self.get(self.fresh().behind(&path)).await)
    }

    /// Waits up to `wait` (1 ms to 60 s) until the live value of a key has changed after the log index `index`; a first
    /// wait after index 0 is answered at once.
    pub async fn wait_for_value(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        index: u64,
        wait: Duration,
    ) -> Result<Waited<ConfigValueView>, ClientError> {
        self.wait(value_path(namespace, key), self.fresh(), (index, wait)).await
    }

    /// Likewise, until a key of a namespace has changed. A change answers the first page of its keys.
    pub async fn wait_for_keys(
        &self,
        namespace: &NamespacePath,
        filter: &KeyFilter,
        index: u64,
        wait: Duration,
    ) -> Result<Waited<Page<KeyView>>, ClientError> {
        let query = filter.narrow(self.fresh());
        self.wait(path("config", namespace), query, (index, wait)).await
    }

    async fn wait<T: DeserializeOwned>(
        &self,
        path: String,
        query: Query,
        (index, wait): (u64, Duration),
    ) -> Result<Waited<T>, ClientError> {
        let query = query
            .with("wait", Some(format!("{}ms", wait.as_millis())))
            .with("index", Some(index));
        let mut call = self.call(query.behind(&path));
        call.patience = Patience::Longer(wait);
        call.is_answer = |response| response.status() == StatusCode::NOT_FOUND && seen(response).is_ok();
        let response = self.transport.send(&call).await?;
        let index = seen(&response)?;
        let change = match response.status() {
            StatusCode::NOT_MODIFIED => WaitedChange::Unchanged,
            StatusCode::NOT_FOUND => WaitedChange::Missing,
            _ => WaitedChange::Found(read_json(response, Effect::Read).await?),
        };
        Ok(Waited { index, change })
    }

    /// One page of the keys of a namespace.
    pub async fn keys(
        &self,
        namespace: &NamespacePath,
        filter: &KeyFilter,
        paging: &Paging,
    ) -> Result<Page<KeyView>, ClientError> {
        let query = filter.narrow(self.fresh()).page(paging);
        self.get(query.behind(&path("config", namespace))).await
    }

    /// One page of the keys of a namespace with their values. A page is bounded by bytes, too.
    pub async fn values(
        &self,
        namespace: &NamespacePath,
        filter: &KeyFilter,
        paging: &Paging,
    ) -> Result<Page<ConfigValueView>, ClientError> {
        let query = filter.narrow(self.fresh()).flag("values", true).page(paging);
        self.get(query.behind(&path("config", namespace))).await
    }
}

/// Log index that an answer has seen.
fn seen(response: &Response) -> Result<u64, ClientError> {
    header(response, INDEX, |index| index.parse().ok())
}

fn value_path(namespace: &NamespacePath, key: &ConfigKey) -> String {
    format!("/api/v1/config{}", namespace.join(key))
}
