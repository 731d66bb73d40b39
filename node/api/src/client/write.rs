//! Direct writes of values, drafts, and the way back to an earlier version.

use confman_core::entry::EntryMeta;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::proposal::Precondition;
use reqwest::{Method, StatusCode};
use serde_json::value::RawValue;

use super::transport::{Call, Effect, JSON, read_json};
use super::{Client, ClientError, Governed};
use crate::config::{MetaPatch, WrittenView};
use crate::draft::DraftWrittenView;
use crate::publish_request::{PublishRequestView, RollbackBody};

/// A value to be written.
#[derive(Clone, Debug)]
pub enum NewValue {
    /// Any JSON, as it is written.
    Json(Box<RawValue>),
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// The address of a secret, like `vault://payments/stripe#key`.
    SecretRef(String),
}

/// What came of a rollback.
#[derive(Clone, Debug)]
pub enum RolledBack {
    /// The old value is live again.
    Live(WrittenView),
    /// Others decide this request.
    Pending(Box<PublishRequestView>),
}

impl Client {
    /// Writes a key directly, where its namespace does not require approval.
    pub async fn write_value(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        value: NewValue,
        expected: Precondition,
    ) -> Result<WrittenView, ClientError> {
        let call = self.write_new("config", (namespace, key), value);
        self.change(&call.expecting(expected)).await
    }

    /// Deletes a key directly, where its namespace does not require approval.
    pub async fn delete_value(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        expected: Precondition,
    ) -> Result<WrittenView, ClientError> {
        let call = self.write(Method::DELETE, format!("/api/v1/config{}", namespace.join(key)));
        self.change(&call.expecting(expected)).await
    }

    /// Changes what is said about a key beside its value; what clears `final` or a pin waits for others.
    pub async fn describe(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        changes: &MetaPatch,
    ) -> Result<Governed<EntryMeta>, ClientError> {
        let path = format!("/api/v1/config{}:meta", namespace.join(key));
        let call = self.write_json(Method::PATCH, path, changes)?;
        self.govern(&call).await
    }

    /// Writes the draft of a key.
    pub async fn write_draft(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        value: NewValue,
        expected: Precondition,
    ) -> Result<DraftWrittenView, ClientError> {
        let call = self.write_new("drafts", (namespace, key), value);
        self.change(&call.expecting(expected)).await
    }

    /// Throws the draft of a key away.
    pub async fn delete_draft(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        expected: Precondition,
    ) -> Result<(), ClientError> {
        let call = self.write(Method::DELETE, format!("/api/v1/drafts{}", namespace.join(key)));
        self.transport.send(&call.expecting(expected)).await.map(drop)
    }

    /// Goes back to an earlier version of a key: at once, or by a request where the namespace says so.
    pub async fn roll_back(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        body: &RollbackBody,
    ) -> Result<RolledBack, ClientError> {
        let path = format!("/api/v1/rollback{}", namespace.join(key));
        let call = self.write_json(Method::POST, path, body)?;
        let response = self.transport.send(&call).await?;
        if response.status() == StatusCode::ACCEPTED {
            let request = read_json(response, Effect::Write).await?;
            return Ok(RolledBack::Pending(Box::new(request)));
        }
        read_json(response, Effect::Write).await.map(RolledBack::Live)
    }

    fn write_new(&self, resource: &str, (namespace, key): (&NamespacePath, &ConfigKey), value: NewValue) -> Call {
        let (media_type, query, body) = match value {
            NewValue::Json(json) => (JSON, "", json.get().as_bytes().to_vec()),
            NewValue::Text(text) => ("text/plain", "", text.into_bytes()),
            NewValue::Binary(bytes) => ("application/octet-stream", "", bytes),
            NewValue::SecretRef(address) => ("text/plain", "?type=secret-ref", address.into_bytes()),
        };
        let path = format!("/api/v1/{resource}{}{query}", namespace.join(key));
        Call {
            media_type,
            body: Some(body),
            ..self.write(Method::PUT, path)
        }
    }
}
