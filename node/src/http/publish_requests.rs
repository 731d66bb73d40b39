//! Publish requests: read, listed, opened and decided.

pub mod decide;
pub mod list;
pub mod open;
mod review;

use axum::body::Body;
use confman_api::problem::{Problem, ProblemType};
use confman_api::publish_request::PublishRequestView;
use confman_core::access::Action;
use confman_core::publish_request::PublishRequest;
use http::Response;

use super::App;
use super::call::{Call, not_found, storage_problem};
use super::{reply, target};
use crate::auth::access::{Namespaces, may};

const PREFIX: &str = "/api/v1/publish-requests/";

/// One request, for whoever may read the namespace it is for.
pub async fn read(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let id = target::request_id(call.path().strip_prefix(PREFIX).unwrap_or(""))?;
    let (state, actor) = (app.reader.state(), call.actor()?);
    let may_read = |namespaces: &Namespaces, request: &PublishRequest| {
        may(namespaces, actor, Action::ReadPublished, &request.namespace)
    };
    let is_visible = |namespaces: &Namespaces| {
        let request = state.request(&id).ok().flatten();
        request.is_some_and(|request| may_read(namespaces, &request))
    };
    let seen = app.fresh_for(call, is_visible).await?;
    let request = state.request(&id).map_err(|error| storage_problem(&error))?;
    let request = request.filter(|request| may_read(&state.namespaces(), request));
    let request = request.ok_or_else(not_found)?;
    let (request, review) = app.list(move |view| review::of(view, request)).await?;
    let mut response = reply::json(&PublishRequestView {
        review: Some(review),
        ..view_of(request)?
    })?;
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

/// A request as readers see it.
pub(super) fn view_of(request: PublishRequest) -> Result<PublishRequestView, Problem> {
    let damaged = || Problem::new(ProblemType::Internal, "the stored request cannot be shown");
    PublishRequestView::of(request).ok_or_else(damaged)
}
