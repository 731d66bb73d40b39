//! The bodies that the description names.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, ObjectBuilder, Ref, Schema};

use super::{API_KEY_SCHEME, BEARER_SCHEME, problems};
use crate::api_keys::{ApiKeyView, IssueKeyBody, KeyIssuedView};
use crate::audit::{
    AuditActorSchema, AuditChangeSchema, AuditEventSchema, AuditHeadView, AuditResourceSchema, AuditVerifyView,
    AuditWorkflowSchema, BrokenView,
};
use crate::cluster::{
    BackupView, BackupsView, ClusterMemberView, ClusterStatusView, DiskView, LeaderView, MemberReportView,
    MembershipBody, MembershipState, MembershipView, SnapshotView, StampKeySchema, StampKeysView, TransferBody,
};
use crate::config::{ConfigValueView, KeyView, MetaPatch, PositionView, WrittenView};
use crate::diff::{BinaryView, DiffEntryView, DiffView};
use crate::draft::{DraftView, DraftWrittenView};
use crate::effective::EffectiveValueView;
use crate::history::{VersionDiffView, VersionView};
use crate::internal::MemberRole;
use crate::listing::Pagination;
use crate::namespaces::{CreateNamespaceBody, NamespaceView, NamespaceWrittenView, PendingView};
use crate::problem::Problem;
use crate::publish_request::{
    DecisionBody, NamedRollbackBody, ObjectView, OpenRequestBody, PublishRequestItem, PublishRequestView, ReviewView,
    RollbackBody, StepView,
};
use crate::schema::{BrokenRequestView, SchemaReport, SchemaView, SchemaWrittenView};
use crate::watch::{ChangeView, ChangedRequest, ClosedReason, ClosedView, ReadyView, ResetReason, ResetView};
use crate::webhook::{WebhookStatusView, WebhooksView};
use crate::whoami::{CredentialKind, HealthView, RoleView, WhoamiView};

pub(super) fn components() -> ComponentsBuilder {
    ComponentsBuilder::new()
        .schema_from::<ConfigValueView>()
        .schema_from::<KeyView>()
        .schema_from::<WrittenView>()
        .schema_from::<PositionView>()
        .schema_from::<PublishRequestView>()
        .schema_from::<StepView>()
        .schema_from::<ObjectView>()
        .schema_from::<OpenRequestBody>()
        .schema_from::<DecisionBody>()
        .schema_from::<RollbackBody>()
        .schema_from::<NamedRollbackBody>()
        .schema_from::<MetaPatch>()
        .schema_from::<DraftView>()
        .schema_from::<DraftWrittenView>()
        .schema_from::<NamespaceView>()
        .schema_from::<NamespaceWrittenView>()
        .schema_from::<CreateNamespaceBody>()
        .schema_from::<PendingView>()
        .schema_from::<WebhooksView>()
        .schema_from::<WebhookStatusView>()
        .schema_from::<SchemaView>()
        .schema_from::<SchemaWrittenView>()
        .schema_from::<SchemaReport>()
        .schema_from::<BrokenRequestView>()
        .schema_from::<AuditEventSchema>()
        .schema_from::<AuditActorSchema>()
        .schema_from::<AuditResourceSchema>()
        .schema_from::<AuditChangeSchema>()
        .schema_from::<AuditWorkflowSchema>()
        .schema_from::<AuditVerifyView>()
        .schema_from::<AuditHeadView>()
        .schema_from::<BrokenView>()
        .schema_from::<ChangeView>()
        .schema_from::<ChangedRequest>()
        .schema_from::<ReadyView>()
        .schema_from::<ResetView>()
        .schema_from::<ResetReason>()
        .schema_from::<ClosedView>()
        .schema_from::<ClosedReason>()
        .schema_from::<StampKeySchema>()
        .schema_from::<StampKeysView>()
        .schema_from::<MembershipBody>()
        .schema_from::<MembershipView>()
        .schema_from::<MembershipState>()
        .schema_from::<TransferBody>()
        .schema_from::<LeaderView>()
        .schema_from::<SnapshotView>()
        .schema_from::<BackupView>()
        .schema_from::<BackupsView>()
        .schema_from::<ClusterStatusView>()
        .schema_from::<ClusterMemberView>()
        .schema_from::<MemberReportView>()
        .schema_from::<DiskView>()
        .schema_from::<MemberRole>()
        .schema_from::<WhoamiView>()
        .schema_from::<CredentialKind>()
        .schema_from::<ApiKeyView>()
        .schema_from::<IssueKeyBody>()
        .schema_from::<KeyIssuedView>()
        .schema_from::<RoleView>()
        .schema_from::<HealthView>()
        .schema_from::<Pagination>()
        .schema_from::<Problem>()
        .schema_from::<EffectiveValueView>()
        .schema_from::<VersionView>()
        .schema_from::<VersionDiffView>()
        .schema_from::<DiffView>()
        .schema_from::<DiffEntryView>()
        .schema_from::<BinaryView>()
        .schema_from::<ReviewView>()
        .schema_from::<PublishRequestItem>()
        .responses_from_iter(problems::components())
        .schema("KeyPage", page("KeyView"))
        .schema("EffectivePage", page("EffectiveValueView"))
        .schema("VersionPage", page("VersionView"))
        .schema("DraftPage", page("DraftView"))
        .schema("PublishRequestPage", page("PublishRequestItem"))
        .schema("AuditPage", page("AuditEvent"))
        .schema("NamespacePage", page("NamespaceView"))
        .schema("ApiKeyPage", page("ApiKeyView"))
        .security_scheme(
            API_KEY_SCHEME,
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))),
        )
        .security_scheme(BEARER_SCHEME, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)))
}

fn page(item: &str) -> Schema {
    let items = utoipa::openapi::ArrayBuilder::new().items(Ref::from_schema_name(item));
    let object = ObjectBuilder::new()
        .property("items", items)
        .property("pagination", Ref::from_schema_name("Pagination"))
        .required("items")
        .required("pagination");
    Schema::Object(object.build())
}
