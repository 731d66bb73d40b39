//! What a namespace sees, what a key was, what is being changed and what waits to be approved.

use confman_core::ids::{ConfigKey, NamespacePath, RequestId};
use confman_core::principal::Principal;
use confman_core::publish_request::RequestState;

use crate::client::public::{optional, path};
use crate::client::query::Query;
use crate::client::{Client, ClientError};
use crate::draft::DraftView;
use crate::effective::EffectiveValueView;
use crate::history::{VersionDiffView, VersionView};
use crate::listing::{Page, Paging};
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

impl RequestFilter {
    fn narrow(&self, query: Query) -> Query {
        let Self {
            namespace,
            state,
            submitter,
            waiting_for_me,
        } = self;
        query
            .with("namespace", namespace.as_ref())
            .with("state", *state)
            .with("submitter", submitter.as_ref())
            .with("waiting-for", waiting_for_me.then_some("me"))
    }
}

impl Client {
    /// One page of what a namespace sees.
    pub async fn effective(
        &self,
        namespace: &NamespacePath,
        paging: &Paging,
    ) -> Result<Page<EffectiveValueView>, ClientError> {
        self.get(self.fresh().page(paging).behind(&path("effective", namespace)))
            .await
    }

    /// One key as its namespace sees it; none when there is none (or it may not be seen).
    pub async fn effective_value(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
    ) -> Result<Option<EffectiveValueView>, ClientError> {
        let path = format!("/api/v1/effective{}", namespace.join(key));
        optional(self.get(self.fresh().behind(&path)).await)
    }

    /// One page of the versions of a key, newest first, with or without `values`; none if there never was such a key (or it
    /// may not be seen).
    pub async fn history(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        values: bool,
        paging: &Paging,
    ) -> Result<Option<Page<VersionView>>, ClientError> {
        let path = format!("/api/v1/history{}", namespace.join(key));
        let query = self.fresh().flag("values", values).page(paging);
        optional(self.get(query.behind(&path)).await)
    }

    /// What changed from one version of a key to another, 0 for no value; by default from the one before to the live one.
    /// None when either is not there (any more).
    pub async fn version_diff(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        (from, to): (Option<u64>, Option<u64>),
    ) -> Result<Option<VersionDiffView>, ClientError> {
        let path = format!("/api/v1/history{}:diff", namespace.join(key));
        let query = self.fresh().with("from", from).with("to", to);
        optional(self.get(query.behind(&path)).await)
    }

    /// One page of the drafts of a namespace.
    pub async fn drafts(&self, namespace: &NamespacePath, paging: &Paging) -> Result<Page<DraftView>, ClientError> {
        self.get(self.fresh().page(paging).behind(&path("drafts", namespace)))
            .await
    }

    /// The draft of a key; none when there is none.
    pub async fn draft(&self, namespace: &NamespacePath, key: &ConfigKey) -> Result<Option<DraftView>, ClientError> {
        let path = format!("/api/v1/drafts{}", namespace.join(key));
        optional(self.get(self.fresh().behind(&path)).await)
    }

    /// One page of publish requests, the last submitted first. A page may be empty and not be the last.
    pub async fn publish_requests(
        &self,
        filter: &RequestFilter,
        paging: &Paging,
    ) -> Result<Page<PublishRequestItem>, ClientError> {
        let query = filter.narrow(self.fresh()).page(paging);
        self.get(query.behind("/api/v1/publish-requests")).await
    }

    /// One publish request, with what a reviewer needs to know of it.
    pub async fn publish_request(&self, id: &RequestId) -> Result<Option<PublishRequestView>, ClientError> {
        let path = format!("/api/v1/publish-requests/{id}");
        optional(self.get(self.fresh().behind(&path)).await)
    }
}
