//! Generates the peers' gRPC service; messages are written by hand in `src/raft/wire.rs`, so no protobuf compiler is needed.

use tonic_build::manual::{Builder, Method, Service};

/// Name, route name, and which sides stream.
const PEER_METHODS: &[(&str, &str, bool, bool)] = &[
    ("append", "Append", true, true),
    ("vote", "Vote", false, false),
    ("pre_vote", "PreVote", false, false),
    ("transfer_leader", "TransferLeader", false, false),
    ("snapshot", "Snapshot", true, false),
    ("forward", "Forward", true, true),
    ("read_index", "ReadIndex", false, false),
    ("report", "Report", false, false),
    ("membership", "Membership", false, false),
];

fn main() {
    let mut peer = Service::builder().name("Peer").package("confman.v1");
    for (name, route_name, client_streams, server_streams) in PEER_METHODS {
        peer = peer.method(method(name, route_name, *client_streams, *server_streams));
    }
    let bootstrap = Service::builder()
        .name("Bootstrap")
        .package("confman.v1")
        .method(method("hello", "Hello", false, false));
    Builder::new().compile(&[peer.build(), bootstrap.build()]);
}

fn method(name: &str, route_name: &str, client_streams: bool, server_streams: bool) -> Method {
    let mut builder = Method::builder()
        .name(name)
        .route_name(route_name)
        .input_type("crate::raft::wire::Frame")
        .output_type("crate::raft::wire::Frame")
        .codec_path("tonic_prost::ProstCodec");
    if client_streams {
        builder = builder.client_streaming();
    }
    if server_streams {
        builder = builder.server_streaming();
    }
    builder.build()
}
