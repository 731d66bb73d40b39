//! Parts of a namespace that are read and replaced on their own, and what another schema would break.

use axum::body::Body;
use confman_api::problem::{Problem, ProblemType};
use confman_api::schema::{BrokenRequestView, SchemaReport};
use confman_core::ids::NamespacePath;
use confman_core::namespace::{NamespaceSettings, RoleAssignments, SchemaBinding, Workflow};
use confman_core::webhook::WebhookTarget;
use http::Response;
use serde::{Deserialize, Serialize};

use super::super::App;
use super::super::{body, reply};
use crate::judge::JudgeError;

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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RolesBody {
    roles: RoleAssignments,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaBody {
    schema: Option<SchemaBinding>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkflowBody {
    workflow: Option<Workflow>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhooksBody {
    webhooks: Vec<WebhookTarget>,
}

impl Part {
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

/// The part of `settings`.
pub(super) fn show(part: Part, settings: &NamespaceSettings) -> Result<Response<Body>, Problem> {
    let NamespaceSettings {
        webhooks, governance, ..
    } = settings.clone();
    match part {
        Part::Whole => reply::json(settings),
        Part::Roles => reply::json(&RolesBody {
            roles: governance.roles,
        }),
        Part::Schema => reply::json(&SchemaBody {
            schema: governance.schema,
        }),
        Part::Workflow => reply::json(&WorkflowBody {
            workflow: governance.workflow,
        }),
        Part::Webhooks => reply::json(&WebhooksBody { webhooks }),
    }
}

/// `settings` with the part in `bytes`.
pub(super) fn over(part: Part, settings: &NamespaceSettings, bytes: &[u8]) -> Result<NamespaceSettings, Problem> {
    let mut settings = settings.clone();
    match part {
        Part::Whole => settings = body::parse_json(bytes)?,
        Part::Roles => settings.governance.roles = body::parse_json::<RolesBody>(bytes)?.roles,
        Part::Schema => settings.governance.schema = body::parse_json::<SchemaBody>(bytes)?.schema,
        Part::Workflow => settings.governance.workflow = body::parse_json::<WorkflowBody>(bytes)?.workflow,
        Part::Webhooks => settings.webhooks = body::parse_json::<WebhooksBody>(bytes)?.webhooks,
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
