//! Raft between nodes: settings, network, server, bootstrap, membership, snapshots, handover.

pub mod bootstrap;
pub mod call_error;
pub mod channel;
pub mod comparison;
pub mod forward;
pub mod freshness;
pub mod handover;
pub mod leadership;
pub mod membership;
pub mod memory;
pub mod network;
pub mod peers;
pub mod report;
pub mod server;
pub mod settings;
pub mod snapshots;
pub mod status;
pub mod wire;

use confman_store::{StateMachine, TypeConfig};

pub use self::settings::config;

/// Generated clients and servers of the peers' service.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code, different with each generator"
)]
pub mod service {
    include!(concat!(env!("OUT_DIR"), "/confman.v1.Peer.rs"));
    include!(concat!(env!("OUT_DIR"), "/confman.v1.Bootstrap.rs"));
}

/// Our Raft: openraft over the store's state machine.
pub type Raft = openraft::Raft<TypeConfig, StateMachine>;
