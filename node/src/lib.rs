//! One node of a Confman cluster: Raft between nodes, HTTP towards clients and the operator.
//!
//! [`node`] puts the parts together; [`propose`] is the one write path and [`read`] the one read path that every route
//! uses. Rules are in `confman-core`, storage in `confman-store`, the HTTP contract in `confman-api`.

#![allow(
    clippy::result_large_err,
    reason = "a problem ends its request; boxing it would cost every handler more than the copy costs"
)]

pub mod applies;
pub mod args;
pub mod audit;
pub mod auth;
pub mod backup;
pub mod dev;
pub mod healthcheck;
pub mod http;
pub mod judge;
pub mod keys;
pub mod logs;
pub mod metrics;
pub mod node;
pub mod propose;
pub mod raft;
pub mod read;
pub mod recover;
pub mod room;
pub mod rotation;
pub mod run;
pub mod schema;
pub mod secrets;
pub mod serve;
pub mod spans;
pub mod tls;
pub mod watch;
pub mod webhooks;
