//! Who may speak on which port is decided in the handshake.

use std::sync::Arc;

use confman_api::problem::ProblemType;
use confman_core::access::Role;
use confman_node::auth::api_keys::{digest_of, generate};
use confman_node::tls::Holder;
use reqwest::Method;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::certificates::{Authority, Identity};
use crate::cluster::{Cluster, INTERNAL, PEER, Settings};
use crate::http::{Call, get};
use crate::wait::eventually;
use crate::workflow::APPS;

/// Trusts the cluster's CA and shows `identity`, if any.
fn client(cluster: &Cluster, identity: Option<&Identity>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(cluster.authority.certificate().as_bytes());
    roots.add(authority.expect("a certificate")).expect("a CA");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS")
        .with_root_certificates(roots);
    let Some(identity) = identity else {
        return Arc::new(builder.with_no_client_auth());
    };
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
    Arc::new(builder.with_client_auth_cert(chain, key).expect("they belong together"))
}

/// True if the node on `port` answers anything inside of the connection. A client of TLS 1.3 learns only then whether
/// its certificate was accepted (RFC 8446 section 4.4.2.4).
async fn is_let_in(cluster: &Cluster, port: u16, identity: Option<&Identity>) -> bool {
    let stream = TcpStream::connect((cluster.ip(0), port))
        .await
        .expect("the port is open");
    let name = ServerName::from(cluster.ip(0));
    let Ok(mut stream) = TlsConnector::from(client(cluster, identity))
        .connect(name, stream)
        .await
    else {
        return false;
    };
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut answer = [0; 16];
    stream.write_all(request).await.is_ok() && stream.read(&mut answer).await.is_ok_and(|length| length > 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_port_lets_only_its_own_holders_in() {
    let cluster = Cluster::running(Settings::nodes(1)).await;
    let other = Cluster::prepare(Settings::nodes(1));
    let own = &cluster.authority;
    let node = own.issue(Holder::Node, &cluster.id, cluster.ip(0));
    let courier = own.issue(Holder::Courier, &cluster.id, cluster.ip(0));
    assert!(
        is_let_in(&cluster, INTERNAL, Some(&courier)).await,
        "the courier on the internal port"
    );
    assert!(is_let_in(&cluster, PEER, Some(&node)).await, "a node on the peer port");
    assert!(
        !is_let_in(&cluster, INTERNAL, Some(&node)).await,
        "a node on the internal port"
    );
    assert!(
        !is_let_in(&cluster, PEER, Some(&courier)).await,
        "the courier on the peer port"
    );

    let stranger = Authority::new();
    for port in [INTERNAL, PEER] {
        assert!(!is_let_in(&cluster, port, None).await, "nobody in particular at {port}");
        for holder in [Holder::Courier, Holder::Node] {
            let unknown = stranger.issue(holder, &cluster.id, cluster.ip(0));
            assert!(
                !is_let_in(&cluster, port, Some(&unknown)).await,
                "{holder:?} of another CA at {port}"
            );
            let foreign = own.issue(holder, &other.id, cluster.ip(0));
            assert!(
                !is_let_in(&cluster, port, Some(&foreign)).await,
                "{holder:?} of another cluster at {port}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_certificate_names_another_cluster_does_not_start() {
    let mut cluster = Cluster::prepare(Settings::nodes(1));
    let other = Cluster::prepare(Settings::nodes(1));
    let foreign = cluster.authority.issue(Holder::Node, &other.id, cluster.ip(0));
    foreign.write(&cluster.path("tls-0"), &cluster.authority);
    cluster.start_node(0);
    let status = eventually("the node gives up", async || {
        cluster.process(0).ended().ok_or("still running")
    })
    .await;
    assert_eq!(status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_authenticates_again_what_a_follower_forwards() {
    let mut cluster = Cluster::prepare(Settings::nodes(3).direct_writes());
    let folders: Vec<_> = (0..3).map(|index| cluster.own_keys(index)).collect();
    for index in 0..3 {
        cluster.start_node(index);
    }
    cluster.bootstrap().await;
    let roles = [(Role::Publisher, "key:reader"), (Role::Publisher, "key:late")];
    let declaration = cluster.stamper.declare(APPS, "/apps", &roles, None);
    let declared = cluster.courier_for_all().declare_namespace(&declaration).await;
    let index = declared.expect("root may declare a namespace").position.index;
    let (leader, follower) = (cluster.leader().await, cluster.follower().await);
    cluster.wait_applied(follower, index).await;

    let late = generate("test").expect("randomness is there");
    let give = |node: u8| std::fs::write(folders[usize::from(node)].join("late"), digest_of(&late).to_string());
    give(follower).expect("the key can be written");
    let put = async |key: &str| {
        let url = format!("http://{}/api/v1/config/apps/colour", cluster.http_address(follower));
        let call = Call::new(Method::PUT, url, Some(key)).body("text/plain", "blue");
        call.send().await.expect("an answer")
    };
    let whoami = format!("http://{}/api/v1/whoami", cluster.http_address(follower));
    eventually("the follower knows the key", async || {
        let answer = get(&whoami, Some(&late)).await?;
        (answer.status == 200).then_some(()).ok_or(answer.text)
    })
    .await;
    let refused = put(&late).await.problem();
    assert_eq!(refused.kind(), Some(ProblemType::Unauthorized), "{refused:?}");
    assert!(refused.detail.contains("leader"), "{}", refused.detail);
    assert_eq!(put(&cluster.reader_key).await.status, 200);

    give(leader).expect("the key can be written");
    eventually("the leader knows the key", async || {
        let answer = put(&late).await;
        (answer.status == 200).then_some(()).ok_or(answer.text)
    })
    .await;
    for node in [leader, follower] {
        let log = std::fs::read_to_string(cluster.path(&format!("log-{node}"))).expect("the log is there");
        assert!(!log.contains(&late), "a key is never logged");
    }
}
