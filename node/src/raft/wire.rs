//! What peers exchange: one frame type for every call, the headers that say who speaks, and the small messages that
//! belong to no record of the store.

use std::fmt;

use bytes::Bytes;
use confman_core::ids::ClusterId;
use confman_store::types::NodeId;
use rustls::pki_types::CertificateDer;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::{Request, Status};

use super::forward::Forwarded;
use super::membership::{Changed, MembershipError};
use crate::auth::credential::Credential;

/// Version of the protocol between peers; a peer that speaks another is refused.
pub const PROTOCOL: u32 = 1;

/// Largest frame: an append of 1 MiB may carry one entry that is larger.
pub const MAX_FRAME_BYTES: usize = 64 * 1024 * 1024;

const PROTOCOL_HEADER: &str = "confman-protocol";
const CLUSTER_HEADER: &str = "confman-cluster";
const FROM_HEADER: &str = "confman-from";
const TO_HEADER: &str = "confman-to";

/// The message of every call: a record of `confman_store::codec::wire`, or one of the messages below.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Frame {
    /// The record.
    #[prost(bytes = "bytes", tag = "1")]
    pub body: Bytes,
}

impl Frame {
    /// A frame with this body.
    pub fn new(body: Bytes) -> Self {
        Self { body }
    }

    /// A frame with this message.
    pub fn of(message: &impl prost::Message) -> Self {
        Self::new(message.encode_to_vec().into())
    }

    /// Reads the message.
    pub fn read<M: prost::Message + Default>(self) -> Result<M, Status> {
        M::decode(self.body).map_err(|error| Status::invalid_argument(format!("cannot decode the message: {error}")))
    }
}

/// What a node that bootstraps, or starts again, asks every other member.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HelloRequest {
    /// SHA-256 of the one-use token.
    #[prost(bytes = "bytes", tag = "1")]
    pub token_sha256: Bytes,
    /// Who asks.
    #[prost(uint64, tag = "2")]
    pub node_id: u64,
}

/// Answer to [`HelloRequest`].
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct HelloResponse {
    /// Id on the volume of the answering node.
    #[prost(uint64, tag = "1")]
    pub node_id: u64,
    /// True if it has no log, no vote and no state.
    #[prost(bool, tag = "2")]
    pub empty: bool,
    /// True if it was started with the same token.
    #[prost(bool, tag = "3")]
    pub same_token: bool,
    /// Index up to which it knows the log of who asks, if it leads; 0 otherwise.
    #[prost(uint64, tag = "4")]
    pub matched_index: u64,
    /// Its term.
    #[prost(uint64, tag = "5")]
    pub term: u64,
}

/// What a member says of itself.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MemberReport {
    /// Version of its program.
    #[prost(string, tag = "1")]
    pub version: String,
    /// Its term.
    #[prost(uint64, tag = "2")]
    pub term: u64,
    /// Index of the last entry of its log.
    #[prost(uint64, tag = "3")]
    pub last_log_index: u64,
    /// Index of the last entry that it has applied.
    #[prost(uint64, tag = "4")]
    pub last_applied_index: u64,
    /// Index of the last entry in its newest snapshot; 0 for none.
    #[prost(uint64, tag = "5")]
    pub snapshot_index: u64,
    /// Bytes of the log's tables.
    #[prost(uint64, tag = "6")]
    pub log_bytes: u64,
    /// Bytes of the state's tables.
    #[prost(uint64, tag = "7")]
    pub state_bytes: u64,
    /// Bytes of its file system that are free to it; 0 if it cannot tell.
    #[prost(uint64, tag = "8")]
    pub free_bytes: u64,
    /// Bytes of its file system; 0 if it cannot tell.
    #[prost(uint64, tag = "9")]
    pub total_bytes: u64,
    /// Log index of the last comparison of the replicas; 0 before the first.
    #[prost(uint64, tag = "10")]
    pub checkpoint_index: u64,
    /// What it noted, 32 bytes.
    #[prost(bytes = "vec", tag = "11")]
    pub checkpoint_hash: Vec<u8>,
    /// Version of the program that wrote everything it is of; empty if several did.
    #[prost(string, tag = "12")]
    pub checkpoint_version: String,
}

/// What an admin asks of the leader.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MembershipRequest {
    /// What; none from a newer peer.
    #[prost(oneof = "MembershipAsk", tags = "1, 2, 3")]
    pub ask: Option<MembershipAsk>,
    /// Who, for the log of the leader.
    #[prost(string, tag = "4")]
    pub by: String,
}

/// The changes that can be asked for.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum MembershipAsk {
    /// Whoever is at this address, `host:port`, becomes a member.
    #[prost(string, tag = "1")]
    Add(String),
    /// This node is a member no longer.
    #[prost(uint64, tag = "2")]
    Remove(u64),
    /// This voter leads; 0: the one that is closest to it.
    #[prost(uint64, tag = "3")]
    Transfer(u64),
}

/// Answer to [`MembershipRequest`].
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct MembershipResponse {
    /// Whom it is about.
    #[prost(uint64, tag = "1")]
    pub node_id: u64,
    /// What has become of it.
    #[prost(enumeration = "MembershipState", tag = "2")]
    pub state: i32,
}

/// What has become of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum MembershipState {
    /// Not said: a newer peer.
    Unspecified = 0,
    /// It is a member and does not vote yet.
    Learner = 1,
    /// It votes.
    Voter = 2,
    /// It is no member.
    Removed = 3,
    /// It leads.
    Leads = 4,
}

impl MembershipResponse {
    /// The answer that says `changed`.
    pub fn of(changed: Changed) -> Self {
        let (state, node_id) = match changed {
            Changed::Learner(id) => (MembershipState::Learner, id),
            Changed::Voter(id) => (MembershipState::Voter, id),
            Changed::Removed(id) => (MembershipState::Removed, id),
            Changed::Leads(id) => (MembershipState::Leads, id),
        };
        Self {
            node_id,
            state: state.into(),
        }
    }

    /// What it says.
    pub fn read(self) -> Result<Changed, MembershipError> {
        match self.state() {
            MembershipState::Learner => Ok(Changed::Learner(self.node_id)),
            MembershipState::Voter => Ok(Changed::Voter(self.node_id)),
            MembershipState::Removed => Ok(Changed::Removed(self.node_id)),
            MembershipState::Leads => Ok(Changed::Leads(self.node_id)),
            MembershipState::Unspecified => {
                let detail = "the leader is newer than this node".to_owned();
                Err(MembershipError::Unknown(detail))
            }
        }
    }
}

/// Why a forwarded write has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ForwardFailure {
    /// Not said: an older or newer peer.
    Unspecified = 0,
    /// Not written: the asked node does not lead. Try again elsewhere.
    NotLeader = 1,
    /// Not written: too many writes wait already.
    Overloaded = 2,
    /// May or may not be written.
    Unknown = 3,
    /// Not written: the leader does not accept the credential.
    Unauthorized = 4,
    /// Not written: the leader's volume is almost full.
    StorageFull = 5,
}

/// Some writes for the leader.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ForwardRequest {
    /// The writes.
    #[prost(message, repeated, tag = "1")]
    pub items: Vec<ForwardItem>,
}

/// One write for the leader.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct ForwardItem {
    /// Unique in its stream.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// The proposal, as a record of the store.
    #[prost(bytes = "bytes", tag = "2")]
    pub proposal: Bytes,
    /// The API key that the caller showed; none from the courier.
    #[prost(string, optional, tag = "3")]
    pub api_key: Option<String>,
    /// The bearer token that the caller showed.
    #[prost(string, optional, tag = "4")]
    pub token: Option<String>,
    /// The client certificate that the caller showed and those above it, in DER.
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub certificates: Vec<Vec<u8>>,
    /// W3C trace context of the forwarding node's span.
    #[prost(string, optional, tag = "10")]
    pub traceparent: Option<String>,
}

impl ForwardItem {
    /// The item `id` of its stream.
    pub(crate) fn new(id: u64, write: Forwarded) -> Self {
        let Forwarded {
            proposal,
            credential,
            traceparent,
        } = write;
        let mut item = Self {
            id,
            proposal,
            traceparent,
            ..Self::default()
        };
        match credential {
            Credential::ApiKey(text) => item.api_key = Some(text.as_ref().to_owned()),
            Credential::Bearer(text) => item.token = Some(text.as_ref().to_owned()),
            Credential::ClientCertificate(chain) => {
                item.certificates = chain.iter().map(|certificate| certificate.as_ref().to_vec()).collect();
            }
            Credential::Courier => {}
        }
        item
    }

    /// What the caller was authenticated by.
    pub fn credential(&self) -> Credential {
        if let Some(text) = &self.api_key {
            return Credential::ApiKey(text.as_str().into());
        }
        if let Some(text) = &self.token {
            return Credential::Bearer(text.as_str().into());
        }
        if self.certificates.is_empty() {
            return Credential::Courier;
        }
        let chain = self.certificates.iter().cloned().map(CertificateDer::from);
        Credential::ClientCertificate(chain.collect())
    }
}

impl fmt::Debug for ForwardItem {
    /// Without the key: credentials are never logged.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "write {} by {:?}", self.id, self.credential())
    }
}

/// Answers to some forwarded writes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ForwardResponse {
    /// The answers.
    #[prost(message, repeated, tag = "1")]
    pub items: Vec<ForwardAnswer>,
}

/// Answer to one forwarded write.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ForwardAnswer {
    /// Of which write.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// The answer of the state machine, as a record of the store.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub answer: Option<Bytes>,
    /// Set when there is no answer.
    #[prost(enumeration = "ForwardFailure", tag = "3")]
    pub failure: i32,
    /// For people.
    #[prost(string, tag = "4")]
    pub detail: String,
}

/// Who this node is, as every call says and every answer checks.
#[derive(Clone, Debug)]
pub struct Speaker {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// This node.
    pub node_id: NodeId,
}

/// The headers of calls to one peer, made once and added to each.
#[derive(Clone, Debug)]
pub struct CallHeaders {
    cluster: MetadataValue<Ascii>,
    from: MetadataValue<Ascii>,
    to: MetadataValue<Ascii>,
}

impl CallHeaders {
    /// Headers of calls from `speaker` to `to`; 0 when its id is what is asked for.
    ///
    /// # Panics
    /// Never: a cluster id is made of letters, digits, `_` and `-`.
    pub fn new(speaker: &Speaker, to: NodeId) -> Self {
        Self {
            cluster: MetadataValue::try_from(speaker.cluster_id.as_str()).expect("cluster ids are ASCII"),
            from: MetadataValue::from(speaker.node_id),
            to: MetadataValue::from(to),
        }
    }
}

impl tonic::service::Interceptor for CallHeaders {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert(PROTOCOL_HEADER, MetadataValue::from(PROTOCOL));
        metadata.insert(CLUSTER_HEADER, self.cluster.clone());
        metadata.insert(FROM_HEADER, self.from.clone());
        metadata.insert(TO_HEADER, self.to.clone());
        Ok(request)
    }
}

/// Refuses calls for another cluster, node or protocol before their body is looked at.
#[derive(Clone, Debug)]
pub struct CheckHeaders {
    speaker: Speaker,
    /// The bootstrap service is asked for its id, so it takes calls to no id in particular.
    any_target: bool,
}

impl CheckHeaders {
    /// For calls that mean exactly this node.
    pub fn exact(speaker: Speaker) -> Self {
        Self {
            speaker,
            any_target: false,
        }
    }

    /// For the call that asks which node this is.
    pub fn any_target(speaker: Speaker) -> Self {
        Self {
            speaker,
            any_target: true,
        }
    }
}

impl tonic::service::Interceptor for CheckHeaders {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata();
        let protocol = header(metadata, PROTOCOL_HEADER)?;
        if protocol != PROTOCOL.to_string() {
            return Err(mismatch("protocol version", protocol, &PROTOCOL.to_string()));
        }
        let cluster = header(metadata, CLUSTER_HEADER)?;
        if cluster != self.speaker.cluster_id.as_str() {
            return Err(mismatch("cluster", cluster, self.speaker.cluster_id.as_str()));
        }
        let to = header(metadata, TO_HEADER)?;
        if !self.any_target && to.parse() != Ok(self.speaker.node_id) {
            return Err(mismatch("node id", to, &self.speaker.node_id.to_string()));
        }
        let from = header(metadata, FROM_HEADER)?;
        if from.parse::<NodeId>().is_err() {
            return Err(mismatch("sender", from, "a node id"));
        }
        Ok(request)
    }
}

/// The node that a call whose headers were checked comes from.
pub fn sender(metadata: &MetadataMap) -> Option<NodeId> {
    header(metadata, FROM_HEADER).ok()?.parse().ok()
}

fn header<'a>(metadata: &'a MetadataMap, name: &'static str) -> Result<&'a str, Status> {
    metadata
        .get(name)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| Status::failed_precondition(format!("the header {name} is missing")))
}

fn mismatch(what: &str, given: &str, expected: &str) -> Status {
    Status::failed_precondition(format!("{what} {given:?} is not {expected:?}"))
}

#[cfg(test)]
mod tests {
    use tonic::service::Interceptor as _;

    use super::*;

    fn speaker(cluster: &str, node_id: NodeId) -> Speaker {
        Speaker {
            cluster_id: ClusterId::parse(cluster).expect("a valid id"),
            node_id,
        }
    }

    fn check(headers: &CallHeaders, mut checker: CheckHeaders) -> Result<(), String> {
        let request = headers.clone().call(Request::new(())).expect("headers can be added");
        checker
            .call(request)
            .map(drop)
            .map_err(|status| status.message().to_owned())
    }

    #[test]
    fn a_call_to_this_node_of_this_cluster_passes() {
        let headers = CallHeaders::new(&speaker("c1", 1), 2);
        assert_eq!(check(&headers, CheckHeaders::exact(speaker("c1", 2))), Ok(()));
    }

    #[test]
    fn a_call_for_another_cluster_or_node_is_refused() {
        let headers = CallHeaders::new(&speaker("c1", 1), 2);
        let other_cluster = check(&headers, CheckHeaders::exact(speaker("c2", 2)));
        assert_eq!(other_cluster, Err("cluster \"c1\" is not \"c2\"".to_owned()));
        let other_node = check(&headers, CheckHeaders::exact(speaker("c1", 3)));
        assert_eq!(other_node, Err("node id \"2\" is not \"3\"".to_owned()));
        assert_eq!(check(&headers, CheckHeaders::any_target(speaker("c1", 3))), Ok(()));
    }

    #[test]
    fn a_call_without_headers_is_refused() {
        let refused = CheckHeaders::exact(speaker("c1", 1)).call(Request::new(()));
        assert!(refused.is_err());
    }
}
