//! Asks for a change of a key.

use axum::body::Body;
use confman_api::problem::{Problem, ProblemType};
use confman_api::publish_request::OpenRequestBody;
use confman_core::access::Action;
use confman_core::outcome::Outcome;
use confman_core::proposal::{Command, OpenRequest};
use confman_core::publish_request::{Operation, RequestSpec};
use confman_core::state::StateView as _;
use confman_core::value::{ConfigValue, ValueError};
use http::header::LOCATION;
use http::{HeaderValue, Response, StatusCode};

use super::super::App;
use super::super::call::{Call, storage_problem};
use super::super::{body, reply, write};
use super::{PREFIX, view_of};

/// Opens a publish request.
pub async fn open(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    // The body names the namespace, so it is read before anyone can say who may.
    let bytes = body::read(call.headers(), body).await?;
    body::expect_json(call.headers())?;
    let asked: OpenRequestBody = body::parse_json(&bytes)?;
    let incoming = write::begin(app, call, Body::from(bytes), (Action::Submit, &asked.namespace)).await?;
    let spec = spec(app, &asked)?;
    let command = Command::OpenRequest(OpenRequest {
        actor: incoming.actor.clone(),
        namespace: asked.namespace,
        spec,
        resubmits: asked.resubmits,
        verdict: None,
    });
    let accepted = write::propose(app, incoming, command).await?;
    let Outcome::Request(request) = accepted.outcome else {
        return Err(reply::unexpected(&accepted.outcome));
    };
    let location = HeaderValue::try_from(format!("{PREFIX}{}", request.id));
    let mut response = write::answer(StatusCode::CREATED, &view_of(*request)?, accepted.index)?;
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

fn spec(app: &App, asked: &OpenRequestBody) -> Result<RequestSpec, Problem> {
    let value = value(asked)?;
    let mut draft = asked.draft;
    if asked.operation == Operation::Put && value.is_none() && draft.is_none() {
        // Nothing said: the draft as it is now.
        let present = app.reader.state().read(|view| view.draft(&asked.namespace, &asked.key));
        let present = present.map_err(|error| storage_problem(&error))?;
        draft = present.map(|draft| draft.value.digest());
    }
    Ok(RequestSpec {
        namespace_ref: asked.namespace.to_string(),
        key: asked.key.clone(),
        operation: asked.operation,
        value,
        expected_version: asked.expected_version,
        reason: asked.reason.clone(),
        on_behalf_of: asked.on_behalf_of.clone(),
        to_version: asked.to_version,
        draft,
    })
}

fn value(asked: &OpenRequestBody) -> Result<Option<ConfigValue>, Problem> {
    let named = |field: &'static str, value: Result<ConfigValue, ValueError>| {
        value
            .map(Some)
            .map_err(|error| body::invalid_value(&error).field(field))
    };
    match (&asked.value, &asked.text, &asked.binary, &asked.secret_ref) {
        (None, None, None, None) => Ok(None),
        (Some(json), None, None, None) => named("value", ConfigValue::from_json_text(json.get())),
        (None, Some(text), None, None) => named("text", ConfigValue::from_text(text)),
        (None, None, Some(binary), None) => named("binary", ConfigValue::from_base64(binary)),
        (None, None, None, Some(reference)) => named("secretRef", ConfigValue::from_reference(reference)),
        (Some(_) | None, _, _, _) => {
            let detail = "give at most one of value, text, binary and secretRef";
            Err(Problem::new(ProblemType::InvalidBody, detail).field("value"))
        }
    }
}
