//! Roles, actions, and the one table that says which role may do what.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a principal holds in a config namespace. Roles only add up; there is no denial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Reads published values.
    Viewer,
    /// Also drafts and submits.
    Editor,
    /// Also approves, rejects, publishes and rolls back.
    Publisher,
    /// Also manages roles, schema and workflow, and deletes the namespace.
    Admin,
}

impl Role {
    /// Every role, weakest first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Editor, Self::Publisher, Self::Admin];
}

/// What is attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Read published values, requests and audit.
    ReadPublished,
    /// Read drafts.
    ReadDrafts,
    /// Create or edit a draft.
    EditDraft,
    /// Submit a change for review.
    Submit,
    /// Approve or reject.
    Review,
    /// Publish, or write directly where approval is not required.
    Publish,
    /// Roll back to an earlier version.
    Rollback,
    /// Change roles, schema, workflow or inheritance.
    Govern,
    /// Delete the namespace.
    DeleteNamespace,
}

impl Action {
    /// Every action, in the order of the table.
    pub const ALL: [Self; 9] = [
        Self::ReadPublished,
        Self::ReadDrafts,
        Self::EditDraft,
        Self::Submit,
        Self::Review,
        Self::Publish,
        Self::Rollback,
        Self::Govern,
        Self::DeleteNamespace,
    ];

    /// The weakest role that may do it; stronger roles may too.
    pub const fn least_role(self) -> Role {
        match self {
            Self::ReadPublished => Role::Viewer,
            Self::ReadDrafts | Self::EditDraft | Self::Submit => Role::Editor,
            Self::Review | Self::Publish | Self::Rollback => Role::Publisher,
            Self::Govern | Self::DeleteNamespace => Role::Admin,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Publisher => "publisher",
            Self::Admin => "admin",
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ReadPublished => "read published values",
            Self::ReadDrafts => "read drafts",
            Self::EditDraft => "edit drafts",
            Self::Submit => "submit changes",
            Self::Review => "review changes",
            Self::Publish => "publish",
            Self::Rollback => "roll back",
            Self::Govern => "change governance",
            Self::DeleteNamespace => "delete the namespace",
        })
    }
}

/// The permission table: may `role` do `action`?
pub fn allows(role: Role, action: Action) -> bool {
    role >= action.least_role()
}
