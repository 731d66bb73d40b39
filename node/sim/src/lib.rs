//! A simulation of clusters of members in one thread: the real openraft with the node's settings and the real rules, over
//! volumes that forget what was not synced and a network that delays, loses, repeats and cuts. Everything comes from a seed.

pub mod clients;
pub mod cluster;
pub mod faults;
pub mod invariants;
pub mod network;
pub mod planted;
pub mod reader;
pub mod record;
pub mod run;
pub mod runtime;
#[path = "../../src/raft/settings.rs"]
pub mod settings;
pub mod state;
pub mod types;
pub mod upkeep;
pub mod volume;
pub mod writer;
