//! What an admin does with API keys, the identity of the cluster and the cluster itself.

use confman_core::identity::Identity;
use reqwest::{Method, StatusCode};

use super::transport::{Call, Effect, read_json};
use super::{ClientError, ReadClient};
use crate::api_keys::{ApiKeyView, IssueKeyBody, KeyIssuedView};
use crate::cluster::ClusterStatusView;
use crate::listing::Page;
use crate::namespaces::PendingView;
use crate::whoami::WhoamiView;

/// What came of a change of the identity.
#[derive(Clone, Debug)]
pub enum IdentitySet {
    /// It is in force.
    InForce(Box<Identity>),
    /// Other admins of `/` decide.
    Pending(PendingView),
}

impl ReadClient {
    /// Who the client is to the cluster.
    pub async fn whoami(&self) -> Result<WhoamiView, ClientError> {
        self.get("/api/v1/whoami".to_owned()).await
    }

    /// Issues a key; its text is in the answer and nowhere else.
    pub async fn issue_key(&self, body: &IssueKeyBody) -> Result<KeyIssuedView, ClientError> {
        let call = self.write(Method::POST, "/api/v1/keys".to_owned(), json(body)?);
        read_json(self.transport.send(&call).await?, Effect::Write).await
    }

    /// One page of the keys whose admin the client is.
    pub async fn issued_keys(&self, cursor: Option<&str>) -> Result<Page<ApiKeyView>, ClientError> {
        let query = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
        self.get(format!("/api/v1/keys{query}")).await
    }

    /// Ends a key.
    pub async fn revoke_key(&self, name: &str) -> Result<(), ClientError> {
        let call = self.write(Method::DELETE, format!("/api/v1/keys/{name}"), Vec::new());
        self.transport.send(&call).await.map(drop)
    }

    /// How every member of the cluster does.
    pub async fn cluster_status(&self) -> Result<ClusterStatusView, ClientError> {
        self.get("/api/v1/admin/status".to_owned()).await
    }

    /// What can authenticate a person.
    pub async fn identity(&self) -> Result<Identity, ClientError> {
        self.get("/api/v1/admin/identity".to_owned()).await
    }

    /// Changes it, or asks others to.
    pub async fn set_identity(&self, identity: &Identity) -> Result<IdentitySet, ClientError> {
        let call = self.write(Method::PUT, "/api/v1/admin/identity".to_owned(), json(identity)?);
        let response = self.transport.send(&call).await?;
        if response.status() == StatusCode::ACCEPTED {
            return read_json(response, Effect::Write).await.map(IdentitySet::Pending);
        }
        let identity = read_json(response, Effect::Write).await?;
        Ok(IdentitySet::InForce(Box::new(identity)))
    }

    fn write(&self, method: Method, path: String, body: Vec<u8>) -> Call {
        let mut call = Call::write(method, path, body);
        call.headers.push(("x-api-key", self.api_key.clone()));
        call
    }
}

fn json(body: &impl serde::Serialize) -> Result<Vec<u8>, ClientError> {
    serde_json::to_vec(body).map_err(|error| ClientError::Unreachable(format!("the body is not JSON: {error}")))
}
