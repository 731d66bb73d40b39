//! Backups on demand, for the admins of `/`.

use axum::body::Body;
use confman_api::cluster::BackupsView;
use confman_api::problem::{Problem, ProblemType};
use confman_core::access::Action;
use confman_core::ids::NamespacePath;
use http::Response;

use super::call::Call;
use super::{App, admin, reply, write};
use crate::backup::{TakeError, with_causes};

/// Takes one, and answers once it is complete. It is taken to its end also when the caller is gone.
pub async fn take(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    admin::check_now(app, call).await?;
    let incoming = admin::begin(app, call, body).await?;
    tracing::info!(by = %incoming.actor.principal, "taking a backup");
    let backups = app.backups.clone();
    let taken = tokio::spawn(async move { backups.take().await }).await;
    let taken = taken.map_err(|_| TakeError::Stopping).and_then(|taken| taken);
    reply::json(&taken.map_err(|error| problem(&error))?)
}

/// Every complete one; none where there is no place for them.
pub async fn list(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    write::check(
        &app.reader.state().namespaces(),
        call.actor()?,
        (Action::Govern, &NamespacePath::root()),
    )?;
    let items = match app.backups.list().await {
        Ok(items) => items,
        Err(TakeError::NoDestination) => Vec::new(),
        Err(error) => return Err(problem(&error)),
    };
    reply::json(&BackupsView { items })
}

fn problem(error: &TakeError) -> Problem {
    match error {
        TakeError::NoDestination | TakeError::Busy => Problem::new(ProblemType::Conflict, error.to_string()),
        TakeError::NotInitialised => Problem::new(ProblemType::NotInitialised, error.to_string()),
        TakeError::Source(_) | TakeError::Scratch { .. } | TakeError::Destination(_) | TakeError::Stopping => {
            tracing::error!(error = %with_causes(error), "no backup can be taken");
            Problem::new(
                ProblemType::Internal,
                "no backup could be taken; the log of the node says why",
            )
        }
    }
}
