//! Which request headers mean something to each route.

use crate::routes::{Route, RouteId};

const IDEMPOTENCY: (&str, &str) = (
    "Idempotency-Key",
    "names this write: sent again within a day, it is done once and answered the same",
);

/// What `If-Match` is compared with, where it is.
pub(super) fn precondition(route: &Route) -> Option<(&'static str, &'static str)> {
    let about = if route.id == RouteId::WriteConfig {
        "digest in quotes that the live value must have"
    } else {
        "what is there must have this entity tag"
    };
    route.is_conditional().then_some(("If-Match", about))
}

/// Request headers that mean something to the route, beside [`precondition`].
pub(super) fn headers(id: RouteId) -> &'static [(&'static str, &'static str)] {
    match id {
        RouteId::ListRoot | RouteId::ReadConfig => &[
            (
                "Accept",
                "application/json (default), application/yaml, text/plain or application/octet-stream",
            ),
            (
                "If-None-Match",
                "digest in quotes: 304 while the live value still has it",
            ),
        ],
        RouteId::WriteConfig
        | RouteId::DeleteConfig
        | RouteId::WriteDraft
        | RouteId::DeleteDraft
        | RouteId::WriteNamespace
        | RouteId::DeleteNamespace
        | RouteId::WriteSchema
        | RouteId::OpenPublishRequest
        | RouteId::DecidePublishRequest
        | RouteId::RollBack
        | RouteId::AdminRollBack
        | RouteId::CreateNamespace
        | RouteId::DescribeConfig
        | RouteId::RevokeKey
        | RouteId::AddStampKey
        | RouteId::WriteIdentity => &[IDEMPOTENCY],
        RouteId::AuditRoot | RouteId::Audit | RouteId::AdminAuditRoot | RouteId::AdminAudit => &[(
            "Accept",
            "application/json (default): a page; application/x-ndjson or application/jsonl: an export of the whole \
             chain, oldest first, with stubs for what is not shown",
        )],
        RouteId::EffectiveRoot | RouteId::Effective => &[(
            "Accept",
            "application/json (default) or application/yaml; of a namespace also text/x-dotenv or \
             text/x-java-properties; of a key also text/plain or application/octet-stream",
        )],
        RouteId::WatchRoot | RouteId::Watch => {
            &[("Last-Event-ID", "id of the last event that was seen: go on after it")]
        }
        RouteId::ReadPublishRequest
        | RouteId::ReadDraft
        | RouteId::DraftsRoot
        | RouteId::History
        | RouteId::ListPublishRequests
        | RouteId::ListNamespaces
        | RouteId::ReadNamespace
        | RouteId::ReadSchema
        | RouteId::VerifyAudit
        | RouteId::IssueKey
        | RouteId::ListKeys
        | RouteId::ClusterStatus
        | RouteId::ReadIdentity
        | RouteId::ReadStampKeys
        | RouteId::ChangeMembership
        | RouteId::TransferLeader
        | RouteId::TakeSnapshot
        | RouteId::TakeBackup
        | RouteId::ListBackups
        | RouteId::Whoami
        | RouteId::OpenApi
        | RouteId::Health
        | RouteId::Ready
        | RouteId::Metrics
        | RouteId::InternalStatus
        | RouteId::Initialise
        | RouteId::RegisterStampKey
        | RouteId::StampKeys
        | RouteId::DeclareNamespace
        | RouteId::Namespaces
        | RouteId::ReleaseNamespace
        | RouteId::SubmitRequest
        | RouteId::PublishRequests
        | RouteId::PublishRequest
        | RouteId::ActOnRequest => &[],
    }
}
