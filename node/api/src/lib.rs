//! The HTTP contract of a Confman node: routes, bodies, problems, limits, and (feature `client`) a typed client.

#[cfg(feature = "client")]
pub mod client;
pub mod config;
pub mod internal;
pub mod limits;
pub mod listing;
pub mod problem;

pub use confman_core::{digest, stamp};
