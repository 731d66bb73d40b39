//! Which body each route takes.

use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::{Content, Required};

use super::{any_content, reference, text_content};
use crate::routes::RouteId;

/// The body of the route; none where it takes none.
pub(super) fn body(id: RouteId) -> Option<RequestBody> {
    let named = |schema: &str| Some(json(reference(schema)));
    match id {
        RouteId::WriteConfig | RouteId::WriteDraft => Some(value()),
        RouteId::DescribeConfig => named("MetaPatch"),
        RouteId::OpenPublishRequest => named("OpenRequestBody"),
        RouteId::DecidePublishRequest => Some(optional(reference("DecisionBody"))),
        RouteId::RollBack => named("RollbackBody"),
        RouteId::AdminRollBack => named("NamedRollbackBody"),
        RouteId::CreateNamespace => named("CreateNamespaceBody"),
        RouteId::IssueKey => named("IssueKeyBody"),
        RouteId::AddStampKey => named("StampKey"),
        RouteId::ChangeMembership => named("MembershipBody"),
        RouteId::TransferLeader => Some(optional(reference("TransferBody"))),
        RouteId::WriteNamespace | RouteId::WriteSchema | RouteId::WriteIdentity => Some(json(any_content())),
        RouteId::ListRoot
        | RouteId::ReadConfig
        | RouteId::DeleteConfig
        | RouteId::EffectiveRoot
        | RouteId::Effective
        | RouteId::History
        | RouteId::DraftsRoot
        | RouteId::ReadDraft
        | RouteId::DeleteDraft
        | RouteId::ListNamespaces
        | RouteId::ReadNamespace
        | RouteId::DeleteNamespace
        | RouteId::ReadSchema
        | RouteId::ListPublishRequests
        | RouteId::ReadPublishRequest
        | RouteId::AuditRoot
        | RouteId::Audit
        | RouteId::AdminAuditRoot
        | RouteId::AdminAudit
        | RouteId::VerifyAudit
        | RouteId::WatchRoot
        | RouteId::Watch
        | RouteId::ListKeys
        | RouteId::RevokeKey
        | RouteId::ClusterStatus
        | RouteId::ReadIdentity
        | RouteId::ReadStampKeys
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
        | RouteId::ActOnRequest => None,
    }
}

fn json(content: Content) -> RequestBody {
    let body = RequestBodyBuilder::new().content("application/json", content);
    body.required(Some(Required::True)).build()
}

fn optional(content: Content) -> RequestBody {
    let body = RequestBodyBuilder::new().content("application/json", content);
    body.required(Some(Required::False)).build()
}

fn value() -> RequestBody {
    RequestBodyBuilder::new()
        .content("application/json", any_content())
        .content("text/plain", text_content())
        .content("application/octet-stream", text_content())
        .required(Some(Required::True))
        .build()
}
