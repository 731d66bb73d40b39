//! Parts of a namespace that are read and replaced on their own, and what another schema would break.

use axum::body::Body;
use confman_api::namespaces::{NamespaceView, RolesView, SchemaBindingView, WorkflowView};
use confman_api::problem::{Problem, ProblemType};
use confman_api::schema::{BrokenRequestView, SchemaReport};
use confman_api::webhook::WebhooksView;
use confman_core::access::Action;
use confman_core::ids::NamespacePath;
use confman_core::namespace::{ConfigNamespace, NamespaceSettings};
use http::Response;

use super::super::App;
use super::super::call::storage_problem;
use super::super::{body, reply};
use crate::judge::JudgeError;
use crate::webhooks::status::webhooks_view;

/// What behind the colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Everything.
    Whole,
    /// Role assignments.
    Roles,
    /// The binding of a schema.
    Schema,
    /// The workflow.
    Workflow,
    /// The webhooks.
    Webhooks,
}

impl Part {
    /// What one must be allowed to do to read it: how webhooks do is for those who can mend them.
    pub(super) const fn reading(self) -> Action {
        match self {
            Self::Whole | Self::Roles | Self::Schema | Self::Workflow => Action::ReadPublished,
            Self::Webhooks => Action::Govern,
        }
    }

    /// Parses what is behind the colon.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "settings" => Ok(Self::Whole),
            "roles" => Ok(Self::Roles),
            "schema" => Ok(Self::Schema),
            "workflow" => Ok(Self::Workflow),
            "webhooks" => Ok(Self::Webhooks),
            _ => {
                let detail = "a namespace has the parts :settings, :roles, :schema, :workflow and :webhooks";
                Err(Problem::new(ProblemType::NotFound, detail).field("path"))
            }
        }
    }
}

/// The part of `namespace`.
pub(super) fn show(app: &App, part: Part, namespace: &ConfigNamespace) -> Result<Response<Body>, Problem> {
    let governance = &namespace.settings.governance;
    match part {
        Part::Whole => reply::json(&NamespaceView::of(namespace)),
        Part::Roles => reply::json(&RolesView {
            roles: governance.roles.clone(),
        }),
        Part::Schema => reply::json(&SchemaBindingView {
            schema: governance.schema.clone(),
        }),
        Part::Workflow => reply::json(&WorkflowView {
            workflow: governance.workflow,
        }),
        Part::Webhooks => {
            let view = webhooks_view(app.reader.state(), namespace);
            reply::json(&view.map_err(|error| storage_problem(&error))?)
        }
    }
}

/// `settings` with the part in `bytes`.
pub(super) fn over(part: Part, settings: &NamespaceSettings, bytes: &[u8]) -> Result<NamespaceSettings, Problem> {
    let mut settings = settings.clone();
    match part {
        Part::Whole => settings = body::parse_json(bytes)?,
        Part::Roles => settings.governance.roles = body::parse_json::<RolesView>(bytes)?.roles,
        Part::Schema => settings.governance.schema = body::parse_json::<SchemaBindingView>(bytes)?.schema,
        Part::Workflow => settings.governance.workflow = body::parse_json::<WorkflowView>(bytes)?.workflow,
        Part::Webhooks => settings.webhooks = body::parse_json::<WebhooksView>(bytes)?.webhooks,
    }
    Ok(settings)
}

/// What the schema of `settings` would break over the live values and open requests of the namespace.
pub(super) async fn report(
    app: &App,
    path: &NamespacePath,
    settings: &NamespaceSettings,
) -> Result<Response<Body>, Problem> {
    let (judge, path) = (app.judge.clone(), path.clone());
    let schema = settings.governance.schema.clone();
    let broken = tokio::task::spawn_blocking(move || judge.would_break(&path, schema.as_ref())).await;
    let broken = broken.map_err(|_| Problem::new(ProblemType::Internal, "the node failed; its log says why"))?;
    let broken = broken.map_err(|error| match error {
        JudgeError::Refused(rejection) => Problem::from_rejection(rejection),
        JudgeError::State(_) | JudgeError::Secret(_) => {
            tracing::error!(%error, "a schema cannot be tried");
            Problem::new(
                ProblemType::Internal,
                "the schema cannot be tried; the log of the node says why",
            )
        }
    })?;
    reply::json(&SchemaReport {
        live: broken.live,
        requests: broken
            .requests
            .into_iter()
            .map(|(id, key, violations)| BrokenRequestView { id, key, violations })
            .collect(),
    })
}
