//! What an admin does with API keys and the identity of the cluster; what a node says of itself.

use confman_core::identity::Identity;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};

use super::transport::{Effect, JSON, read_json, read_text};
use super::{Client, ClientError, Governed};
use crate::api_keys::{ApiKeyView, IssueKeyBody, KeyIssuedView};
use crate::listing::{Page, Paging};
use crate::whoami::{HealthView, WhoamiView};

impl Client {
    /// Who the client is to the cluster.
    pub async fn whoami(&self) -> Result<WhoamiView, ClientError> {
        self.get("/api/v1/whoami".to_owned()).await
    }

    /// Issues a key; its text is in the answer and nowhere else.
    pub async fn issue_key(&self, body: &IssueKeyBody) -> Result<KeyIssuedView, ClientError> {
        let call = self.write_json(Method::POST, "/api/v1/keys".to_owned(), body)?;
        self.change(&call).await
    }

    /// One page of the keys whose admin the client is.
    pub async fn issued_keys(&self, paging: &Paging) -> Result<Page<ApiKeyView>, ClientError> {
        self.get(self.fresh().page(paging).behind("/api/v1/keys")).await
    }

    /// Ends a key.
    pub async fn revoke_key(&self, name: &str) -> Result<(), ClientError> {
        let call = self.write(Method::DELETE, format!("/api/v1/keys/{name}"));
        self.transport.send(&call).await.map(drop)
    }

    /// What can authenticate a person.
    pub async fn identity(&self) -> Result<Identity, ClientError> {
        self.get(self.fresh().behind("/api/v1/admin/identity")).await
    }

    /// Changes it, or asks others to.
    pub async fn set_identity(&self, identity: &Identity) -> Result<Governed<Identity>, ClientError> {
        let call = self.write_json(Method::PUT, "/api/v1/admin/identity".to_owned(), identity)?;
        self.govern(&call).await
    }

    /// Whether the process of the node that answers works.
    pub async fn health(&self) -> Result<HealthView, ClientError> {
        self.get("/health".to_owned()).await
    }

    /// Whether the node that answers should be sent requests; with `quorum`, also whether one confirms the leader.
    pub async fn readiness(&self, quorum: bool) -> Result<HealthView, ClientError> {
        let level = if quorum { "linearizable" } else { "local" };
        let mut call = self.call(format!("/health/ready?level={level}"));
        // Not ready is no problem: a problem is of another media type.
        call.is_answer = |response| {
            let media_type = response.headers().get(CONTENT_TYPE);
            response.status() == StatusCode::SERVICE_UNAVAILABLE
                && media_type.is_some_and(|kind| kind.as_bytes() == JSON.as_bytes())
        };
        read_json(self.transport.send(&call).await?, Effect::Read).await
    }

    /// The description of the interface (`OpenAPI` 3.1), as text.
    pub async fn openapi(&self) -> Result<String, ClientError> {
        let call = self.call("/api/v1/openapi.json".to_owned());
        read_text(self.transport.send(&call).await?, Effect::Read).await
    }
}
