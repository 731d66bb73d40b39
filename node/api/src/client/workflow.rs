//! Publish requests: opened and decided.

use confman_core::digest::Digest;
use confman_core::ids::RequestId;
use reqwest::Method;

use super::{Client, ClientError};
use crate::publish_request::{DecisionBody, OpenRequestBody, PublishRequestView};

impl Client {
    /// Asks for a change of a key: of a value in the body, of a draft, a deletion or a rollback.
    pub async fn open_request(&self, body: &OpenRequestBody) -> Result<PublishRequestView, ClientError> {
        let call = self.write_json(Method::POST, "/api/v1/publish-requests".to_owned(), body)?;
        self.change(&call).await
    }

    /// Agrees to a request whose content has this digest; the last approval that is needed may publish it.
    pub async fn approve(
        &self,
        id: &RequestId,
        digest: Digest,
        comment: Option<&str>,
    ) -> Result<PublishRequestView, ClientError> {
        self.decide(id, "approve", (Some(digest), comment)).await
    }

    /// Publishes an approved request whose content has this digest, where a publisher does that.
    pub async fn publish(
        &self,
        id: &RequestId,
        digest: Digest,
        comment: Option<&str>,
    ) -> Result<PublishRequestView, ClientError> {
        self.decide(id, "publish", (Some(digest), comment)).await
    }

    /// Says no to a request: to whatever its content is, or only if that has this digest.
    pub async fn reject(
        &self,
        id: &RequestId,
        digest: Option<Digest>,
        comment: Option<&str>,
    ) -> Result<PublishRequestView, ClientError> {
        self.decide(id, "reject", (digest, comment)).await
    }

    /// Takes a request back: whatever its content is, or only if that has this digest.
    pub async fn withdraw(
        &self,
        id: &RequestId,
        digest: Option<Digest>,
        comment: Option<&str>,
    ) -> Result<PublishRequestView, ClientError> {
        self.decide(id, "withdraw", (digest, comment)).await
    }

    async fn decide(
        &self,
        id: &RequestId,
        action: &str,
        (digest, comment): (Option<Digest>, Option<&str>),
    ) -> Result<PublishRequestView, ClientError> {
        let body = DecisionBody {
            digest,
            comment: comment.map(str::to_owned),
        };
        let path = format!("/api/v1/publish-requests/{id}/{action}");
        let call = self.write_json(Method::POST, path, &body)?;
        self.change(&call).await
    }
}
