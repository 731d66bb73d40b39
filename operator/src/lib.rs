//! The Kubernetes operator of Confman: it carries intent into the nodes and the nodes' verdict into status.
//!
//! It holds no business rule. A controller is observe → plan (pure) → execute → status.

pub mod admission;
pub mod args;
pub mod backoff;
pub mod conditions;
pub mod config_namespace;
pub mod confman_cluster;
pub mod context;
pub mod courier;
pub mod hex;
pub mod lease;
pub mod logs;
pub mod metrics;
pub mod observe_port;
pub mod publish_request;
pub mod reach;
pub mod report;
pub mod run;
pub mod seen;
pub mod stamp_keys;
pub mod sweep;
pub mod translate;
