//! Stored schemas, and what binding one would break.

use confman_core::ids::{ConfigKey, NamespacePath, RequestId, Timestamp};
use confman_core::principal::Principal;
use confman_core::schema::Violation;
use confman_core::state::StoredSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// One revision of a schema.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchemaView {
    /// Its path behind `/schemas`.
    #[schema(value_type = String)]
    pub path: NamespacePath,
    /// Its revision: 1, 2, 3 …
    pub revision: u64,
    /// The schema itself, JSON Schema 2020-12.
    #[schema(value_type = Object)]
    pub schema: Box<RawValue>,
    /// Who stored it.
    #[schema(value_type = String)]
    pub stored_by: Principal,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub stored_at: Timestamp,
}

impl SchemaView {
    /// The view of `stored`; none if its text is no JSON, which would be a damaged record.
    pub fn of(stored: StoredSchema) -> Option<Self> {
        let StoredSchema {
            reference,
            text,
            stored_by,
            stored_at,
        } = stored;
        Some(Self {
            path: reference.path,
            revision: reference.revision,
            schema: RawValue::from_string(text).ok()?,
            stored_by,
            stored_at,
        })
    }
}

/// A schema that was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchemaWrittenView {
    /// Its path.
    #[schema(value_type = String)]
    pub path: NamespacePath,
    /// Its revision.
    pub revision: u64,
}

/// What a schema would break if it held in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchemaReport {
    /// By the live values; they stay live, and only changes that bring in a violation are refused.
    #[schema(value_type = Vec<Object>)]
    pub live: Vec<Violation>,
    /// By open publish requests, which could not be published then.
    pub requests: Vec<BrokenRequestView>,
}

/// An open request that a schema would stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokenRequestView {
    /// The request.
    #[schema(value_type = String)]
    pub id: RequestId,
    /// Its key.
    #[schema(value_type = String)]
    pub key: ConfigKey,
    /// What it would break.
    #[schema(value_type = Vec<Object>)]
    pub violations: Vec<Violation>,
}
