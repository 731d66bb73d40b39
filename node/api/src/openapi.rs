//! The description (`OpenAPI` 3.1) of the public port, generated from the route table and the bodies; committed as `openapi.json`.

mod bodies;
mod problems;

use std::fmt::Write as _;

use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, ContentBuilder, Info, License, ObjectBuilder, OneOfBuilder, OpenApi, OpenApiBuilder,
    Paths, Ref, RefOr, Required, Response, ResponseBuilder, ResponsesBuilder, Schema, Type,
};

use crate::api_keys::{ApiKeyView, IssueKeyBody, KeyIssuedView};
use crate::audit::{
    AuditActorSchema, AuditChangeSchema, AuditEventSchema, AuditHeadView, AuditResourceSchema, AuditVerifyView,
    AuditWorkflowSchema, BrokenView,
};
use crate::config::{ConfigValueView, KeyView, MetaPatch, PositionView, WrittenView};
use crate::diff::{BinaryView, DiffEntryView, DiffView};
use crate::draft::{DraftView, DraftWrittenView};
use crate::effective::EffectiveValueView;
use crate::history::{VersionDiffView, VersionView};
use crate::limits;
use crate::listing::Pagination;
use crate::namespaces::{CreateNamespaceBody, NamespaceView, NamespaceWrittenView, PendingView};
use crate::problem::{Problem, ProblemType};
use crate::publish_request::{
    DecisionBody, NamedRollbackBody, ObjectView, OpenRequestBody, PublishRequestItem, PublishRequestView, ReviewView,
    RollbackBody, StepView,
};
use crate::routes::{Access, Method, Port, ROUTES, Route, RouteId};
use crate::schema::{BrokenRequestView, SchemaReport, SchemaView, SchemaWrittenView};
use crate::watch::{
    ChangeView, ChangedRequest, ClosedReason, ClosedView, EVENT_STREAM, ReadyView, ResetReason, ResetView,
};
use crate::webhook::{WebhookStatusView, WebhooksView};
use crate::whoami::{CredentialKind, HealthView, RoleView, WhoamiView};

/// Name of the security scheme of keys; the one of tokens is `bearer`, and client certificates need none in a request.
const API_KEY_SCHEME: &str = "apiKey";
const BEARER_SCHEME: &str = "bearer";

/// The document as JSON text with a newline at its end, exactly as committed.
///
/// # Panics
/// Never: the document has text keys only.
pub fn document() -> String {
    let mut text = openapi()
        .to_pretty_json()
        .expect("the document is made of our own literals");
    text.push('\n');
    text
}

fn openapi() -> OpenApi {
    let mut info = Info::new("Confman", env!("CARGO_PKG_VERSION"));
    info.description = Some(description());
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    info.license = Some(license);
    let mut paths = Paths::new();
    for route in ROUTES.iter().filter(|route| route.port == Port::Public) {
        let pattern = route.pattern.replace("{*", "{");
        paths.add_path_operation(&pattern, vec![http_method(route.method)], operation(route));
    }
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components().build()))
        .build()
}

fn description() -> String {
    let mut text = String::from(
        "A governed, hierarchical configuration store. Values are published by reviewed requests and read here.\n\n\
         Every error is a problem (RFC 9457). Its `type` is one of:\n\n| Type | Status | Title |\n|---|---|---|\n",
    );
    for kind in ProblemType::ALL {
        let row = writeln!(text, "| `{}` | {} | {} |", kind.uri(), kind.status(), kind.title());
        row.expect("writing to a string does not fail");
    }
    text.push_str("\nLimits:\n\n");
    text.push_str(&limits::table());
    text
}

fn components() -> ComponentsBuilder {
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

fn http_method(method: Method) -> HttpMethod {
    match method {
        Method::Get => HttpMethod::Get,
        Method::Put => HttpMethod::Put,
        Method::Post => HttpMethod::Post,
        Method::Patch => HttpMethod::Patch,
        Method::Delete => HttpMethod::Delete,
    }
}

fn operation(route: &Route) -> utoipa::openapi::path::Operation {
    let mut builder = OperationBuilder::new()
        .operation_id(Some(format!("{:?}", route.id)))
        .summary(Some(route.summary));
    for part in route.pattern.split('{').skip(1) {
        let name = part.split('}').next().unwrap_or("").trim_start_matches('*');
        builder = builder.parameter(parameter(name, ParameterIn::Path, "as in the pattern"));
    }
    for query in route.query {
        builder = builder.parameter(parameter(query.name, ParameterIn::Query, query.about));
    }
    for (name, about) in headers(route.id) {
        builder = builder.parameter(parameter(name, ParameterIn::Header, about));
    }
    builder = builder.request_body(bodies::body(route.id));
    if route.access == Access::Known {
        for scheme in [API_KEY_SCHEME, BEARER_SCHEME] {
            builder = builder.security(SecurityRequirement::new(scheme, Vec::<String>::new()));
        }
    }
    builder.responses(responses(route)).build()
}

const IDEMPOTENCY: (&str, &str) = (
    "Idempotency-Key",
    "names this write: sent again within a day, it is done once and answered the same",
);

/// Request headers that mean something to the route.
fn headers(id: RouteId) -> &'static [(&'static str, &'static str)] {
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
        RouteId::WriteConfig => &[
            ("If-Match", "digest in quotes that the live value must have"),
            IDEMPOTENCY,
        ],
        RouteId::DeleteConfig
        | RouteId::DescribeConfig
        | RouteId::WriteDraft
        | RouteId::DeleteDraft
        | RouteId::WriteNamespace
        | RouteId::DeleteNamespace
        | RouteId::WriteSchema => &[("If-Match", "what is there must have this entity tag"), IDEMPOTENCY],
        RouteId::OpenPublishRequest
        | RouteId::DecidePublishRequest
        | RouteId::RollBack
        | RouteId::AdminRollBack
        | RouteId::CreateNamespace
        | RouteId::RevokeKey
        | RouteId::WriteIdentity => &[IDEMPOTENCY],
        RouteId::AuditRoot | RouteId::Audit => &[(
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
        | RouteId::ReadIdentity
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

fn parameter(name: &str, place: ParameterIn, about: &str) -> ParameterBuilder {
    let required = if matches!(place, ParameterIn::Path) {
        Required::True
    } else {
        Required::False
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(about))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
}

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
        RouteId::WriteNamespace | RouteId::DescribeConfig | RouteId::WriteIdentity
    );
    loosens.then(|| json("it loosens governance, so others decide", "PendingView"))
}

fn responses(route: &Route) -> utoipa::openapi::Responses {
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
        RouteId::AuditRoot | RouteId::Audit => ResponseBuilder::new()
            .description("a page of events, or an export as lines of JSON")
            .content("application/json", reference("AuditPage"))
            .content("application/x-ndjson", text_content())
            .build(),
        RouteId::VerifyAudit => json("what the walk found", "AuditVerifyView"),
        RouteId::WatchRoot | RouteId::Watch => stream(),
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
    let about = "events: `ready` (ReadyView) first; `values`, `workflow` and `governance` (ChangeView); `reset` \
                 (ResetView); `closed` (ClosedView) last; a comment as heartbeat";
    ResponseBuilder::new()
        .description(about)
        .content(EVENT_STREAM, reference("ChangeView"))
        .build()
}

fn reference(schema: &str) -> Content {
    let schema: RefOr<Schema> = Ref::from_schema_name(schema).into();
    ContentBuilder::new().schema(Some(schema)).build()
}

fn any_content() -> Content {
    ContentBuilder::new()
        .schema(Some(utoipa::openapi::schema::empty()))
        .build()
}

fn text_content() -> Content {
    let text = ObjectBuilder::new().schema_type(Type::String);
    ContentBuilder::new().schema(Some(text)).build()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_schema_and_response_that_is_named_is_there() {
        let document: serde_json::Value = serde_json::from_str(&super::document()).expect("the document is JSON");
        let text = document.to_string();
        for kind in ["schemas", "responses"] {
            for named in text.split(&format!("#/components/{kind}/")).skip(1) {
                let name = named.split('"').next().expect("a name");
                assert!(document["components"][kind][name].is_object(), "{kind}: {name}");
            }
        }
    }

    /// `CONFMAN_WRITE_GENERATED=1 cargo test -p confman-api openapi` writes it again.
    #[test]
    fn the_committed_document_is_the_generated_one() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        let generated = super::document();
        if std::env::var_os("CONFMAN_WRITE_GENERATED").is_some() {
            std::fs::write(&path, &generated).expect("the document can be written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == generated,
            "node/api/openapi.json is not current; run `make generate`"
        );
    }
}
