//! The governance rules of Confman as one pure crate: no clock, randomness, I/O, Raft, HTTP or Kubernetes.
//!
//! A committed [`proposal::Proposal`] and a [`state::StateView`] go into [`apply::apply`]; an [`outcome::Applied`]
//! (outcome or rejection, and the [`state::Change`]s to write) comes out. Every replica runs the same function over the
//! same log and so reaches the same state.

pub mod access;
pub mod api_key;
pub mod apply;
pub mod audit;
pub mod cluster;
pub mod diff;
pub mod digest;
pub mod effective;
pub mod entry;
pub mod idempotency;
pub mod identity;
pub mod ids;
pub mod json;
pub mod memory;
pub mod namespace;
pub mod outcome;
pub mod planted;
pub mod principal;
pub mod proposal;
pub mod publish_request;
pub mod reviewers;
pub mod schema;
pub mod stamp;
pub mod state;
pub mod value;
pub mod verdict;
pub mod webhook;
