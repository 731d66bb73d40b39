//! The operator's client: `/internal/v1/*` over mutual TLS.

use std::time::Duration;

use confman_core::ids::RequestId;
use confman_core::outcome::Outcome;
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::transport::{Call, Effect, Transport, read_json, tls_config};
use super::{BuildError, ClientError};
use crate::internal::{
    ConfigNamespace, DeclareNamespace, Initialise, Items, NodeStatus, PublishRequest, Recorded, RegisterStampKey,
    ReleaseNamespace, RequestPage, RequestReference, RequestState, ReviewRequest, StampKey, SubmitRequest,
    WithdrawRequest,
};

/// Names on a page; each is under a kilobyte.
const REFERENCES: usize = 1000;

/// What a courier needs to reach a cluster.
#[derive(Clone)]
pub struct CourierOptions {
    /// `https://host:8444` of every node, in ordinal order.
    pub endpoints: Vec<String>,
    /// CA of the cluster, PEM.
    pub ca_pem: Vec<u8>,
    /// Certificate of the courier, PEM chain.
    pub certificate_pem: Vec<u8>,
    /// Its key, PEM.
    pub key_pem: Vec<u8>,
    /// Longest wait for one answer. A node itself waits up to 10 s for a commit; 15 s leaves it room to say so.
    pub timeout: Duration,
}

/// A client for the courier's routes; cheap to clone, keeps its connections.
#[derive(Clone, Debug)]
pub struct CourierClient {
    transport: Transport,
}

impl CourierClient {
    /// A client with its own connections; nothing is sent yet.
    pub fn new(options: &CourierOptions) -> Result<Self, BuildError> {
        let identity = (options.certificate_pem.as_slice(), options.key_pem.as_slice());
        let tls = tls_config(Some(&options.ca_pem), Some(identity))?;
        Ok(Self {
            transport: Transport::new(&options.endpoints, tls, options.timeout)?,
        })
    }

    /// Over connections that a test has made.
    #[cfg(test)]
    pub(super) fn over(transport: Transport) -> Self {
        Self { transport }
    }

    /// The same identity and connections for one endpoint only, for calls that mean that node.
    pub fn only(&self, endpoint: &str) -> Result<Self, BuildError> {
        Ok(Self {
            transport: self.transport.only(endpoint)?,
        })
    }

    /// How the node behind the first endpoint that answers sees the cluster; see [`Self::only`] for one node.
    pub async fn status(&self) -> Result<NodeStatus, ClientError> {
        self.get("/internal/v1/status").await
    }

    /// Bootstraps the cluster through the first endpoint and no other. Repeating it is harmless.
    pub async fn initialise(&self, body: &Initialise) -> Result<Recorded<Outcome>, ClientError> {
        let first = self.transport.first_endpoint();
        let only = self
            .transport
            .only(&first)
            .map_err(|error| ClientError::Unreachable(error.to_string()))?;
        Self { transport: only }
            .write(Method::POST, "/internal/v1/initialise", body)
            .await
    }

    /// Adds a stamp key that a current one has signed.
    pub async fn register_stamp_key(&self, body: &RegisterStampKey) -> Result<Recorded<Outcome>, ClientError> {
        self.write(Method::POST, "/internal/v1/stamp-keys", body).await
    }

    /// Every stamp key that the cluster knows.
    pub async fn stamp_keys(&self) -> Result<Vec<StampKey>, ClientError> {
        self.list("/internal/v1/stamp-keys").await
    }

    /// Creates or updates a namespace.
    pub async fn declare_namespace(&self, body: &DeclareNamespace) -> Result<Recorded<Outcome>, ClientError> {
        self.write(Method::PUT, "/internal/v1/namespaces", body).await
    }

    /// Every namespace, linearizable.
    pub async fn namespaces(&self) -> Result<Vec<ConfigNamespace>, ClientError> {
        self.list("/internal/v1/namespaces").await
    }

    /// Frees the claim of a deleted object.
    pub async fn release_namespace(&self, body: &ReleaseNamespace) -> Result<Recorded<Outcome>, ClientError> {
        self.write(Method::POST, "/internal/v1/namespaces:release", body).await
    }

    /// Opens a publish request; idempotent by its id.
    pub async fn submit(&self, body: &SubmitRequest) -> Result<Recorded<Outcome>, ClientError> {
        self.write(Method::POST, "/internal/v1/publish-requests", body).await
    }

    /// One publish request, linearizable; none when the cluster does not know it.
    pub async fn publish_request(&self, id: &RequestId) -> Result<Option<PublishRequest>, ClientError> {
        match self.get(format!("/internal/v1/publish-requests/{id}")).await {
            Ok(request) => Ok(Some(request)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names of every publish request in `state`, page by page, each page linearizable.
    pub async fn publish_requests(&self, state: RequestState) -> Result<Vec<RequestReference>, ClientError> {
        let first = format!("/internal/v1/publish-requests?state={state}&limit={REFERENCES}");
        let mut path = first.clone();
        let mut found = Vec::new();
        loop {
            let RequestPage { items, next } = self.get(path).await?;
            found.extend(items);
            match next {
                Some(last) => path = format!("{first}&after={last}"),
                None => return Ok(found),
            }
        }
    }

    /// Relays a stamped approval or rejection.
    pub async fn review(&self, body: &ReviewRequest) -> Result<Recorded<Outcome>, ClientError> {
        let path = format!("/internal/v1/publish-requests/{}:review", body.request_id);
        self.write(Method::POST, path, body).await
    }

    /// Ends a pending request: taken back by its requester, or its object is gone.
    pub async fn withdraw(&self, body: &WithdrawRequest) -> Result<Recorded<Outcome>, ClientError> {
        let path = format!("/internal/v1/publish-requests/{}:withdraw", body.request_id);
        self.write(Method::POST, path, body).await
    }

    async fn get<T: DeserializeOwned>(&self, path: impl Into<String>) -> Result<T, ClientError> {
        let response = self.transport.send(&Call::read(path)).await?;
        read_json(response, Effect::Read).await
    }

    async fn list<T: DeserializeOwned>(&self, path: impl Into<String>) -> Result<Vec<T>, ClientError> {
        self.get::<Items<T>>(path).await.map(|list| list.items)
    }

    async fn write<B: Serialize>(
        &self,
        method: Method,
        path: impl Into<String>,
        body: &B,
    ) -> Result<Recorded<Outcome>, ClientError> {
        let bytes = serde_json::to_vec(body).expect("commands serialise to memory");
        let response = self.transport.send(&Call::write(method, path, bytes)).await?;
        read_json(response, Effect::Write).await
    }
}
