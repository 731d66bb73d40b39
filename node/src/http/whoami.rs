//! Who the caller is.

use axum::body::Body;
use confman_api::limits;
use confman_api::problem::Problem;
use confman_api::whoami::{CredentialKind, RoleView, WhoamiView};
use confman_core::principal::PrincipalKind;
use http::Response;

use super::App;
use super::call::{Call, Caller};
use super::reply;
use crate::auth::access::strongest_role;
use crate::auth::credential::Credential;

/// The person, how they logged in, until when, and their strongest role in each namespace.
pub fn read(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let known = call.actor()?;
    let namespaces = app.reader.state().namespaces();
    let roles = namespaces.keys().filter_map(|path| {
        Some(RoleView {
            namespace: path.clone(),
            role: strongest_role(&namespaces, known, path)?,
        })
    });
    let login = &known.login.principal;
    let realm = match login.kind {
        PrincipalKind::User | PrincipalKind::Group => Some(login.realm.clone()),
        PrincipalKind::ServiceAccount | PrincipalKind::ApiKey => None,
    };
    reply::json(&WhoamiView {
        principal: known.principal.clone(),
        login: login.clone(),
        realm,
        credential: credential(&call.caller),
        expires_at: known.expires_at,
        scope: (!known.scope.is_unlimited()).then(|| known.scope.clone()),
        groups: known.groups.iter().cloned().collect(),
        roles: roles.take(limits::PAGE.value).collect(),
    })
}

fn credential(caller: &Caller) -> CredentialKind {
    match caller {
        Caller::Known(_, Credential::ApiKey(_)) => CredentialKind::ApiKey,
        Caller::Known(_, Credential::Bearer(_)) => CredentialKind::BearerToken,
        Caller::Known(_, Credential::ClientCertificate(_)) => CredentialKind::ClientCertificate,
        Caller::Known(_, Credential::Courier) | Caller::Courier => CredentialKind::Courier,
        Caller::Anonymous(_) | Caller::Anyone => CredentialKind::Nothing,
    }
}
