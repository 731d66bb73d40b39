//! How the cluster does, for the admins of `/`.

use axum::body::Body;
use confman_api::problem::Problem;
use confman_core::access::Action;
use confman_core::ids::NamespacePath;
use http::Response;

use super::call::{Call, not_found};
use super::{App, reply, write};

/// Every member, with what it says of itself.
pub async fn status(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let state = app.reader.state();
    write::check(
        &state.namespaces(),
        call.actor()?,
        (Action::Govern, &NamespacePath::root()),
    )?;
    let cluster = state.cluster().ok_or_else(not_found)?;
    reply::json(&app.reporter.cluster(cluster.cluster_id.clone()).await)
}
