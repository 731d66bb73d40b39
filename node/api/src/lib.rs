//! The HTTP contract of a Confman node: routes, bodies, problems, limits, and (feature `client`) a typed client.

pub mod api_keys;
pub mod audit;
#[cfg(feature = "client")]
pub mod client;
pub mod cluster;
pub mod config;
pub mod diff;
pub mod draft;
pub mod effective;
pub mod history;
pub mod internal;
pub mod limits;
pub mod listing;
pub mod namespaces;
pub mod openapi;
pub mod problem;
pub mod publish_request;
pub mod reading;
pub mod routes;
pub mod schema;
pub mod watch;
pub mod webhook;
pub mod whoami;

// What operator and admission share with the state machine: one canonical form, one message that is signed.
pub use confman_core::{access, digest, ids, namespace, principal, stamp, value};
