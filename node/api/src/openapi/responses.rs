//! What each route answers.

use utoipa::openapi::{
    Content, ContentBuilder, ObjectBuilder, OneOfBuilder, Ref, Response, ResponseBuilder, ResponsesBuilder, Type,
};

use super::{any_content, problems, reference, text_content};
use crate::routes::{Route, RouteId};
use crate::watch::EVENT_STREAM;

/// What success is, where it is not 200.
fn instead_of_ok(id: RouteId) -> Option<(&'static str, Response)> {
    let gone = [RouteId::DeleteDraft, RouteId::DeleteNamespace, RouteId::RevokeKey];
    if gone.contains(&id) {
        return Some(("204", ResponseBuilder::new().description("it is gone").build()));
    }
    let created = [
        (RouteId::OpenPublishRequest, "the request", "PublishRequestView"),
        (
            RouteId::CreateNamespace,
            "the namespace is there",
            "NamespaceWrittenView",
        ),
        (
            RouteId::IssueKey,
            "the key; its text is never shown again",
            "KeyIssuedView",
        ),
    ];
    let (_, about, view) = created.into_iter().find(|(created, ..)| *created == id)?;
    Some(("201", json(about, view)))
}

/// What is answered where the change waits for other people.
fn when_others_decide(id: RouteId) -> Option<Response> {
    if matches!(id, RouteId::RollBack | RouteId::AdminRollBack) {
        return Some(json("the request that others decide", "PublishRequestView"));
    }
    let loosens = matches!(
        id,
        RouteId::WriteNamespace | RouteId::DescribeConfig | RouteId::WriteIdentity | RouteId::AddStampKey
    );
    loosens.then(|| json("it loosens governance, so others decide", "PendingView"))
}

pub(super) fn responses(route: &Route) -> utoipa::openapi::Responses {
    let ok = match route.id {
        RouteId::ListRoot => json("a page of keys", "KeyPage"),
        RouteId::ReadConfig => value_or_page(),
        RouteId::WriteConfig | RouteId::DeleteConfig | RouteId::RollBack | RouteId::AdminRollBack => {
            json("the new version", "WrittenView")
        }
        RouteId::EffectiveRoot | RouteId::Effective => view_or_value(),
        RouteId::History => either(
            "a page of versions, or of KEY:diff the difference",
            ["VersionPage", "VersionDiffView"],
        ),
        RouteId::DraftsRoot => json("a page of drafts", "DraftPage"),
        RouteId::ReadDraft => either("a draft, or a page of drafts", ["DraftView", "DraftPage"]),
        RouteId::ListPublishRequests => json("a page of publish requests", "PublishRequestPage"),
        RouteId::WriteDraft => json("the draft is written", "DraftWrittenView"),
        RouteId::ReadPublishRequest | RouteId::DecidePublishRequest => json("the request", "PublishRequestView"),
        RouteId::ListNamespaces => json("a page of namespaces", "NamespacePage"),
        RouteId::WriteNamespace => json("the namespace is written", "NamespaceWrittenView"),
        RouteId::ReadSchema => json("the schema", "SchemaView"),
        RouteId::WriteSchema => json("the revision is stored", "SchemaWrittenView"),
        RouteId::AuditRoot | RouteId::Audit | RouteId::AdminAuditRoot | RouteId::AdminAudit => ResponseBuilder::new()
            .description("a page of events, or an export as lines of JSON")
            .content("application/json", reference("AuditPage"))
            .content("application/x-ndjson", text_content())
            .build(),
        RouteId::VerifyAudit => json("what the walk found", "AuditVerifyView"),
        RouteId::WatchRoot | RouteId::Watch => stream(),
        RouteId::ClusterStatus => json("the members", "ClusterStatusView"),
        RouteId::ReadStampKeys => json("the keys", "StampKeysView"),
        RouteId::AddStampKey => json("it was there already", "StampKey"),
        RouteId::ChangeMembership => json("what has become of the node", "MembershipView"),
        RouteId::TransferLeader => json("who leads", "LeaderView"),
        RouteId::TakeSnapshot => json("the snapshot", "SnapshotView"),
        RouteId::TakeBackup => json("the backup", "BackupView"),
        RouteId::ListBackups => json("the backups", "BackupsView"),
        RouteId::ListKeys => json("a page of API keys", "ApiKeyPage"),
        RouteId::Whoami => json("the caller", "WhoamiView"),
        RouteId::Health | RouteId::Ready => json("it works", "HealthView"),
        RouteId::OpenApi
        | RouteId::ReadNamespace
        | RouteId::DescribeConfig
        | RouteId::OpenPublishRequest
        | RouteId::CreateNamespace
        | RouteId::DeleteDraft
        | RouteId::DeleteNamespace
        | RouteId::IssueKey
        | RouteId::RevokeKey
        | RouteId::ReadIdentity
        | RouteId::WriteIdentity
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
        | RouteId::ActOnRequest => ResponseBuilder::new()
            .description("the document")
            .content("application/json", any_content())
            .build(),
    };
    let mut responses = ResponsesBuilder::new();
    responses = match instead_of_ok(route.id) {
        Some((status, response)) => responses.response(status, response),
        None => responses.response("200", ok),
    };
    if let Some(waiting) = when_others_decide(route.id) {
        responses = responses.response("202", waiting);
    }
    if route.id == RouteId::ReadConfig || route.id == RouteId::ListRoot {
        let unchanged = "the value still has the digest of If-None-Match, or nothing has changed within `wait`";
        responses = responses.response("304", ResponseBuilder::new().description(unchanged).build());
    }
    for (status, response) in problems::responses(route) {
        responses = responses.response(status, response);
    }
    if route.id == RouteId::Ready {
        responses = responses.response("503", json("it should not be sent requests", "HealthView"));
    }
    responses.build()
}

fn json(about: &str, schema: &str) -> Response {
    ResponseBuilder::new()
        .description(about)
        .content("application/json", reference(schema))
        .build()
}

fn either(about: &str, schemas: [&str; 2]) -> Response {
    ResponseBuilder::new()
        .description(about)
        .content("application/json", one_of(schemas))
        .build()
}

fn one_of(schemas: [&str; 2]) -> Content {
    let either = schemas.into_iter().fold(OneOfBuilder::new(), |either, schema| {
        either.item(Ref::from_schema_name(schema))
    });
    ContentBuilder::new().schema(Some(either)).build()
}

/// What a path under `/config` names: the value of a key in four representations, or a namespace's keys.
fn value_or_page() -> Response {
    ResponseBuilder::new()
        .description("a value, or a page of keys (KeyPage)")
        .content("application/json", one_of(["ConfigValueView", "KeyPage"]))
        .content("application/yaml", reference("ConfigValueView"))
        .content("text/plain", text_content())
        .content("application/octet-stream", any_content())
        .build()
}

/// What a path under `/effective` names: all values of a namespace, or one.
fn view_or_value() -> Response {
    ResponseBuilder::new()
        .description("a page of values with their origins, all of them as text, or one value")
        .content("application/json", one_of(["EffectivePage", "EffectiveValueView"]))
        .content("application/yaml", any_content())
        .content("text/x-dotenv", text_content())
        .content("text/x-java-properties", text_content())
        .content("text/plain", text_content())
        .content("application/octet-stream", any_content())
        .build()
}

/// Server-sent events, each with one line of JSON.
fn stream() -> Response {
    let about = "events: `ready` first; `values`, `workflow` and `governance`; `reset`; `closed` last; a comment as \
                 heartbeat";
    let text = |about: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(about));
    let names = ["ready", "values", "workflow", "governance", "reset", "closed"];
    let data = "one line of JSON: ReadyView, ChangeView (of values, workflow and governance), ResetView or ClosedView";
    let event = ObjectBuilder::new()
        .property("event", text("what it is").enum_values(Some(names)))
        .property("id", text("place in the log: what to send as Last-Event-ID"))
        .property("retry", ObjectBuilder::new().schema_type(Type::Integer))
        .property("data", text(data).content_media_type("application/json"))
        .required("data");
    ResponseBuilder::new()
        .description(about)
        .content(EVENT_STREAM, ContentBuilder::new().schema(Some(event)).build())
        .build()
}
