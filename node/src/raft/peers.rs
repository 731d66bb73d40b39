//! The connections of this node to its peers, kept as long as it runs, and whether each of them answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use confman_store::Member;
use confman_store::types::NodeId;
use parking_lot::Mutex;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use super::call_error::CallError;
use super::channel::{Connector, PeerChannels};
use super::service::peer_client::PeerClient;
use super::wire::{CallHeaders, MAX_FRAME_BYTES, Speaker};

/// A client for one connection to one peer.
pub type Client = PeerClient<InterceptedService<Channel, CallHeaders>>;

/// Every connection of this node to its peers. Cheap to clone.
#[derive(Clone)]
pub struct Peers {
    speaker: Speaker,
    connector: Connector,
    known: Arc<Mutex<HashMap<(NodeId, String), Known>>>,
}

/// What is kept for one member.
#[derive(Clone)]
struct Known {
    channels: PeerChannels,
    health: Arc<Health>,
}

/// The clients for one member, one a connection.
#[derive(Clone)]
pub struct MemberClients {
    /// Appends.
    pub append: Client,
    /// Heartbeats, votes, read indexes, handover.
    pub control: Client,
    /// Snapshots.
    pub snapshot: Client,
    /// Forwarded writes.
    pub forward: Client,
    /// Whether it answers.
    pub health: Arc<Health>,
}

impl Peers {
    /// No connection yet.
    pub fn new(speaker: Speaker, connector: Connector) -> Self {
        Self {
            speaker,
            connector,
            known: Arc::default(),
        }
    }

    /// Who this node is.
    pub fn speaker(&self) -> &Speaker {
        &self.speaker
    }

    /// How connections are made.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Clients for `member`; none for an address that is no address.
    pub fn member(&self, id: NodeId, member: &Member) -> Option<MemberClients> {
        let Known { channels, health } = self.known(id, member)?;
        let headers = CallHeaders::new(&self.speaker, id);
        let client = |channel| {
            PeerClient::with_interceptor(channel, headers.clone())
                .max_decoding_message_size(MAX_FRAME_BYTES)
                .max_encoding_message_size(MAX_FRAME_BYTES)
        };
        Some(MemberClients {
            append: client(channels.append),
            control: client(channels.control),
            snapshot: client(channels.snapshot),
            forward: client(channels.forward),
            health,
        })
    }

    fn known(&self, id: NodeId, member: &Member) -> Option<Known> {
        let mut known = self.known.lock();
        let key = (id, member.address.clone());
        if let Some(found) = known.get(&key) {
            return Some(found.clone());
        }
        match self.connector.channels(&member.address) {
            Ok(channels) => {
                let health = Arc::new(Health::new(id, &member.address));
                let made = Known { channels, health };
                known.insert(key, made.clone());
                Some(made)
            }
            Err(error) => {
                tracing::error!(peer = id, address = member.address, %error, "the address of a member is not usable");
                None
            }
        }
    }
}

/// Whether a peer answers; logged when that changes, not for every heartbeat.
#[derive(Debug)]
pub struct Health {
    node_id: NodeId,
    address: String,
    /// Kind of the last failure, 0 while it answers.
    failing: AtomicU8,
}

impl Health {
    fn new(node_id: NodeId, address: &str) -> Self {
        Self {
            node_id,
            address: address.to_owned(),
            failing: AtomicU8::new(0),
        }
    }

    /// The peer has answered.
    pub fn answered(&self) {
        // It mostly did before: a load alone does not take the cache line from other threads.
        if self.failing.load(Ordering::Relaxed) != 0 && self.failing.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!(peer = self.node_id, address = self.address, "a peer answers again");
        }
    }

    /// The peer has not answered.
    pub fn failed(&self, error: &CallError) {
        let kind = error.kind();
        if self.failing.swap(kind, Ordering::Relaxed) != kind {
            tracing::warn!(peer = self.node_id, address = self.address, %error, "a peer does not answer");
        }
    }
}
