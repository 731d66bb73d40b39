//! Publish requests as readers see them.

use axum::body::Body;
use confman_api::problem::{Problem, ProblemType};
use confman_api::publish_request::PublishRequestView;
use confman_core::access::Action;
use http::Response;

use super::App;
use super::call::{Call, read_problem, storage_problem};
use super::{reply, target};
use crate::auth::access::may;

const PREFIX: &str = "/api/v1/publish-requests/";

/// One request, for whoever may read the namespace it is for.
pub async fn read(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let id = target::request_id(call.path().strip_prefix(PREFIX).unwrap_or(""))?;
    let seen = app
        .reader
        .prepare(call.consistency()?)
        .await
        .map_err(|error| read_problem(&error))?;
    let state = app.reader.state();
    let request = state
        .request(&id)
        .map_err(|error| storage_problem(&error))?
        .ok_or_else(not_found)?;
    if !may(
        &state.namespaces(),
        call.actor()?,
        Action::ReadPublished,
        &request.namespace,
    ) {
        return Err(not_found());
    }
    let damaged = || Problem::new(ProblemType::Internal, "the stored request cannot be shown");
    let view = PublishRequestView::of(request).ok_or_else(damaged)?;
    let mut response = reply::json(&view)?;
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

fn not_found() -> Problem {
    Problem::new(
        ProblemType::NotFound,
        "there is no such publish request that the caller may read",
    )
}
