//! What a namespace sees, what a key was, what is being changed and what waits to be approved.

use confman_core::ids::{ConfigKey, NamespacePath, RequestId};
use confman_core::principal::Principal;
use confman_core::publish_request::RequestState;

use crate::client::public::{optional, path, query};
use crate::client::transport::{Effect, read_text};
use crate::client::{Client, ClientError};
use crate::draft::DraftView;
use crate::effective::EffectiveValueView;
use crate::history::{VersionDiffView, VersionView};
use crate::listing::Page;
use crate::publish_request::{PublishRequestItem, PublishRequestView};

/// Which publish requests are listed; the default is all that the caller may read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// Only those of this namespace and the ones below it.
    pub namespace: Option<NamespacePath>,
    /// Only those in this state.
    pub state: Option<RequestState>,
    /// Only those that this principal asked for.
    pub submitter: Option<Principal>,
    /// Only those that the caller can approve, or publish, now.
    pub waiting_for_me: bool,
}

impl Client {
    /// One page of what a namespace sees.
    pub async fn effective(
        &self,
        namespace: &NamespacePath,
        cursor: Option<&str>,
    ) -> Result<Page<EffectiveValueView>, ClientError> {
        self.get(path("effective", namespace) + &query(&[("cursor", cursor)]))
            .await
    }

    /// All of what a namespace sees as `application/yaml`, `text/x-dotenv` or `text/x-java-properties`.
    pub async fn effective_file(&self, namespace: &NamespacePath, media_type: &str) -> Result<String, ClientError> {
        let mut call = self.call(path("effective", namespace));
        call.headers.push(("accept", media_type.to_owned()));
        read_text(self.transport.send(&call).await?, Effect::Read).await
    }

    /// One key as its namespace sees it; none when there is none (or it may not be seen).
    pub async fn effective_value(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
    ) -> Result<Option<EffectiveValueView>, ClientError> {
        optional(self.get(format!("/api/v1/effective{}", namespace.join(key))).await)
    }

    /// One page of the versions of a key, newest first; none if there never was such a key (or it may not be seen).
    pub async fn history(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        cursor: Option<&str>,
    ) -> Result<Option<Page<VersionView>>, ClientError> {
        let path = format!("/api/v1/history{}", namespace.join(key));
        let query = query(&[("values", Some("true")), ("cursor", cursor)]);
        optional(self.get(path + &query).await)
    }

    /// What changed from one version of a key to another; by default from the one before to the live one.
    pub async fn version_diff(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        (from, to): (Option<u64>, Option<u64>),
    ) -> Result<Option<VersionDiffView>, ClientError> {
        let path = format!("/api/v1/history{}:diff", namespace.join(key));
        let [from, to] = [from, to].map(|number| number.map(|number| number.to_string()));
        let query = query(&[("from", from.as_deref()), ("to", to.as_deref())]);
        optional(self.get(path + &query).await)
    }

    /// One page of the drafts of a namespace.
    pub async fn drafts(
        &self,
        namespace: &NamespacePath,
        cursor: Option<&str>,
    ) -> Result<Page<DraftView>, ClientError> {
        self.get(path("drafts", namespace) + &query(&[("cursor", cursor)]))
            .await
    }

    /// The draft of a key; none when there is none.
    pub async fn draft(&self, namespace: &NamespacePath, key: &ConfigKey) -> Result<Option<DraftView>, ClientError> {
        optional(self.get(format!("/api/v1/drafts{}", namespace.join(key))).await)
    }

    /// One page of publish requests, the last submitted first. A page may be empty and not be the last.
    pub async fn publish_requests(
        &self,
        filter: &RequestFilter,
        cursor: Option<&str>,
    ) -> Result<Page<PublishRequestItem>, ClientError> {
        let state = filter.state.map(|state| state.to_string());
        let submitter = filter.submitter.as_ref().map(ToString::to_string);
        let query = query(&[
            ("namespace", filter.namespace.as_ref().map(NamespacePath::as_str)),
            ("state", state.as_deref()),
            ("submitter", submitter.as_deref()),
            ("waiting-for", filter.waiting_for_me.then_some("me")),
            ("cursor", cursor),
        ]);
        self.get(format!("/api/v1/publish-requests{query}")).await
    }

    /// One publish request, with what a reviewer needs to know of it.
    pub async fn publish_request(&self, id: &RequestId) -> Result<Option<PublishRequestView>, ClientError> {
        optional(self.get(format!("/api/v1/publish-requests/{id}")).await)
    }
}
