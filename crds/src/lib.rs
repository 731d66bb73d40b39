//! The Kubernetes types of Confman, `confman.io/v1alpha1`: fields, limits and rules, without logic.
//!
//! The YAML under `crds/yaml` is made from them: [`manifest::all`].

mod cluster;
mod identity;
pub mod manifest;
mod namespace;
mod publish_request;
mod schema;

pub use cluster::{
    ApiKeysSecretRef, Auth, ConfmanCluster, ConfmanClusterSpec, ConfmanClusterStatus, Defaults, Member, Resources,
    Storage,
};
pub use identity::{Identity, Issuer, IssuerSubjects};
pub use namespace::{ClusterRef, ConfigNamespace, ConfigNamespaceSpec, ConfigNamespaceStatus, Roles};
pub use publish_request::{
    NamespaceRef, PublishRequest, PublishRequestSpec, PublishRequestStatus, RecordedStep, RefusedReview, RequestedBy,
    Review, ReviewStamp,
};
pub use schema::Workflow;

/// Annotation of a `ConfigNamespace`: the stamp on its governance fields, as JSON. Written by admission only.
pub const GOVERNANCE_STAMP: &str = "confman.io/governance-stamp";

/// Written as that annotation it asks admission for a fresh stamp, in the name of whoever writes it.
pub const STAMP_AGAIN: &str = "again";
