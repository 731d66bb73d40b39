//! Who may speak on which port is decided in the handshake.

use confman_api::client::ClientError;
use confman_node::tls::Holder;

use crate::certificates::Authority;
use crate::cluster::{Cluster, PEER, Settings};

/// True if the handshake failed: no HTTP was spoken, in either direction.
fn was_shut_out<T>(answer: &Result<T, ClientError>) -> bool {
    match answer {
        Err(ClientError::Unreachable(_)) => true,
        Ok(_) | Err(ClientError::Refused(..) | ClientError::Problem(_) | ClientError::OutcomeUnknown(_)) => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_port_lets_only_its_own_holders_in() {
    let cluster = Cluster::running(Settings::nodes(1)).await;
    let internal = || vec![cluster.internal_url(0)];
    let peer = || vec![format!("https://{}:{PEER}", cluster.ip(0))];
    let own = &cluster.authority;

    let courier = cluster.courier_with(Holder::Courier, own, internal());
    courier
        .status()
        .await
        .expect("the courier is let in on the internal port");
    let node = cluster.courier_with(Holder::Node, own, internal());
    assert!(
        was_shut_out(&node.status().await),
        "a node's certificate on the internal port"
    );

    let node = cluster.courier_with(Holder::Node, own, peer());
    assert!(
        !was_shut_out(&node.status().await),
        "a node is let in on the peer port, though it speaks no gRPC"
    );
    let courier = cluster.courier_with(Holder::Courier, own, peer());
    assert!(
        was_shut_out(&courier.status().await),
        "the courier's certificate on the peer port"
    );

    let stranger = Authority::new();
    for endpoints in [internal(), peer()] {
        for holder in [Holder::Courier, Holder::Node] {
            let foreign = cluster.courier_with(holder, &stranger, endpoints.clone());
            assert!(
                was_shut_out(&foreign.status().await),
                "another CA: {holder:?} at {endpoints:?}"
            );
        }
    }
    let other = Cluster::prepare(Settings::nodes(1));
    for endpoints in [internal(), peer()] {
        for holder in [Holder::Courier, Holder::Node] {
            // The right CA, a certificate that names another cluster.
            let foreign = other.courier_of(holder, &cluster, endpoints.clone());
            assert!(
                was_shut_out(&foreign.status().await),
                "another cluster: {holder:?} at {endpoints:?}"
            );
        }
    }
}
