//! The methods of the operator's client. What is signed in their bodies is from the published vectors.

use std::collections::BTreeSet;

use confman_core::identity::Identity;
use confman_core::ids::ClusterId;
use confman_core::namespace::{Claim, Workflow};
use confman_core::proposal::{
    DeclareNamespace, RegisterStampKey, ReleaseNamespace, SubmitRequest, WithdrawCause, WithdrawRequest,
};
use confman_core::publish_request::{Operation, RequestSpec, RequestState};
use confman_core::stamp::{Signed, StampKeyStatement, Statement};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{place, request, settings};
use crate::client::CourierClient;
use crate::internal::Initialise;
use crate::routes::RouteId;

const STAMPS: &str = include_str!("../../../testdata/stamp-vectors.json");

/// Calls the method of a route of the courier; false for any other.
pub(super) async fn call(courier: &CourierClient, id: RouteId) -> bool {
    match id {
        RouteId::InternalStatus => drop(courier.status().await),
        RouteId::Initialise => drop(courier.initialise(&initialise()).await),
        RouteId::RegisterStampKey => drop(courier.register_stamp_key(&RegisterStampKey { key: signed() }).await),
        RouteId::StampKeys => drop(courier.stamp_keys().await),
        RouteId::DeclareNamespace => drop(courier.declare_namespace(&declaration()).await),
        RouteId::Namespaces => drop(courier.namespaces().await),
        RouteId::ReleaseNamespace => {
            let (path, claim) = (place().0, claim());
            drop(courier.release_namespace(&ReleaseNamespace { path, claim }).await);
        }
        RouteId::SubmitRequest => drop(courier.submit(&submission()).await),
        RouteId::PublishRequests => drop(courier.publish_requests(RequestState::PendingReview).await),
        RouteId::PublishRequest => drop(courier.publish_request(&request().0).await),
        RouteId::ActOnRequest => {
            let (request_id, cause) = (request().0, WithdrawCause::ObjectDeleted);
            drop(courier.withdraw(&WithdrawRequest { request_id, cause }).await);
        }
        RouteId::ListRoot
        | RouteId::ReadConfig
        | RouteId::WriteConfig
        | RouteId::DeleteConfig
        | RouteId::DescribeConfig
        | RouteId::EffectiveRoot
        | RouteId::Effective
        | RouteId::History
        | RouteId::DraftsRoot
        | RouteId::ReadDraft
        | RouteId::WriteDraft
        | RouteId::DeleteDraft
        | RouteId::ListPublishRequests
        | RouteId::OpenPublishRequest
        | RouteId::DecidePublishRequest
        | RouteId::RollBack
        | RouteId::AdminRollBack
        | RouteId::ListNamespaces
        | RouteId::CreateNamespace
        | RouteId::ReadNamespace
        | RouteId::WriteNamespace
        | RouteId::DeleteNamespace
        | RouteId::ReadSchema
        | RouteId::WriteSchema
        | RouteId::ReadPublishRequest
        | RouteId::AuditRoot
        | RouteId::Audit
        | RouteId::AdminAuditRoot
        | RouteId::AdminAudit
        | RouteId::WatchRoot
        | RouteId::Watch
        | RouteId::VerifyAudit
        | RouteId::IssueKey
        | RouteId::ListKeys
        | RouteId::RevokeKey
        | RouteId::ClusterStatus
        | RouteId::ReadIdentity
        | RouteId::ReadStampKeys
        | RouteId::AddStampKey
        | RouteId::ChangeMembership
        | RouteId::TransferLeader
        | RouteId::TakeSnapshot
        | RouteId::TakeBackup
        | RouteId::ListBackups
        | RouteId::WriteIdentity
        | RouteId::Whoami
        | RouteId::OpenApi
        | RouteId::Health
        | RouteId::Ready
        | RouteId::Metrics => return false,
    }
    true
}

/// The published stamp of this kind.
fn signed<S: Statement + DeserializeOwned>() -> Signed<S> {
    let vectors: Value = serde_json::from_str(STAMPS).expect("JSON");
    let mut stamps = vectors["stamps"].as_array().into_iter().flatten();
    let stamp = stamps.find(|stamp| stamp["kind"] == S::KIND).expect("one of the kind");
    serde_json::from_value(stamp["signed"].clone()).expect("a stamp")
}

fn initialise() -> Initialise {
    let stamp: Signed<StampKeyStatement> = signed();
    Initialise {
        token: "once".to_owned(),
        cluster_id: ClusterId::parse("7f1d1f7e-0000-4000-8000-000000000001").expect("an id"),
        kubernetes_namespace: "confman".to_owned(),
        name: "confman".to_owned(),
        members: vec!["confman-0:9444".to_owned()],
        root_admins: Vec::new(),
        workflow: Workflow::REVIEWED,
        stamp_key: stamp.statement.key,
        identity: Identity::default(),
    }
}

fn claim() -> Claim {
    Claim {
        kubernetes_namespace: "confman".to_owned(),
        name: "payments".to_owned(),
        uid: "0f8fad5b-d9cb-469f-a165-70867728950e".to_owned(),
    }
}

fn declaration() -> DeclareNamespace {
    DeclareNamespace {
        claim: claim(),
        path: place().0,
        settings: settings(),
        governance: signed(),
    }
}

fn submission() -> SubmitRequest {
    let spec = RequestSpec {
        namespace_ref: "payments".to_owned(),
        key: place().1,
        operation: Operation::Delete,
        value: None,
        expected_version: None,
        reason: None,
        on_behalf_of: BTreeSet::new(),
        to_version: None,
        draft: None,
    };
    SubmitRequest {
        request_id: request().0,
        spec,
        requester: signed(),
        verdict: None,
    }
}
