//! The HTTP contract of a Confman node: routes, bodies, problems, limits, and (feature `client`) a typed client.

pub mod internal;

pub use confman_core::{digest, stamp};
