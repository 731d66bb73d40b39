//! Who the caller is.

use axum::body::Body;
use confman_api::limits;
use confman_api::problem::Problem;
use confman_api::whoami::{RoleView, WhoamiView};
use http::Response;

use super::App;
use super::call::Call;
use super::reply;
use crate::auth::access::strongest_role;

/// Principal, groups and the strongest role in each namespace.
pub fn read(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let actor = call.actor()?;
    let namespaces = app.reader.state().namespaces();
    let roles = namespaces.keys().filter_map(|path| {
        Some(RoleView {
            namespace: path.clone(),
            role: strongest_role(&namespaces, actor, path)?,
        })
    });
    reply::json(&WhoamiView {
        principal: actor.principal.clone(),
        groups: actor.groups.iter().cloned().collect(),
        roles: roles.take(limits::PAGE.value).collect(),
    })
}
