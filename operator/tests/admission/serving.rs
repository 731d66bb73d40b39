//! The port of the service: who is answered there, and what a replica does before it goes.

use std::net::SocketAddr;
use std::sync::Arc;

use kube::Client;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use crate::service::{account, listener, pki, replica};
use crate::wait::eventually;
use crate::world::{World, webhooks};

/// A replica of a test's own, beside the two of everybody.
struct Replica {
    webhook: SocketAddr,
    observe: SocketAddr,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<anyhow::Result<()>>,
}

async fn start() -> Replica {
    let listeners = (listener(), listener());
    let webhook = listeners.0.local_addr().expect("it is bound");
    let observe = listeners.1.local_addr().expect("it is bound");
    let client = Client::try_from(account("confman-admission").await).expect("a client can be built");
    let stop = CancellationToken::new();
    let served = tokio::spawn(replica(client, listeners, stop.clone()));
    eventually("it is ready", async || is_ready(observe).await).await;
    Replica {
        webhook,
        observe,
        stop,
        served,
    }
}

async fn is_ready(observe: SocketAddr) -> Result<(), String> {
    let mut stream = TcpStream::connect(observe).await.map_err(|error| error.to_string())?;
    let question = b"GET /readyz HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
    stream.write_all(question).await.map_err(|error| error.to_string())?;
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer).await;
    read.map_err(|error| error.to_string())?;
    if answer.starts_with("HTTP/1.1 200") {
        Ok(())
    } else {
        Err(answer)
    }
}

/// Asks in bob's name, as `shown` (the stem of a certificate), or without one.
async fn ask(webhook: SocketAddr, shown: Option<&str>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    let configured = webhooks(&crate::kubernetes::client("admin").await).await;
    let bundle = configured[0].client_config.ca_bundle.as_ref().expect("it is written");
    let ca = CertificateDer::from_pem_slice(&bundle.0).expect("a certificate");
    roots.add(ca).expect("a CA");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("there are versions")
        .with_root_certificates(roots);
    let config = match shown {
        Some(stem) => {
            let chain = CertificateDer::from_pem_file(pki(&format!("{stem}.crt"))).expect("a certificate");
            let key = PrivateKeyDer::from_pem_file(pki(&format!("{stem}.key"))).expect("a key");
            config.with_client_auth_cert(vec![chain], key).expect("they fit")
        }
        None => config.with_no_client_auth(),
    };
    let review = json!({"request": {"uid": "u", "resource": {"resource": "publishrequests"}, "operation": "CREATE",
        "userInfo": {"username": "bob"}, "object": {"metadata": {}, "spec": {}}}})
    .to_string();
    let question = format!(
        "POST /review HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{review}",
        review.len()
    );
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let stream = TcpStream::connect(webhook).await?;
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(question.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_api_server_is_answered_where_its_ca_is_known() {
    World::empty().await;
    let replica = start().await;
    for stranger in [None, Some("bob"), Some("admin")] {
        let answer = ask(replica.webhook, stranger).await;
        assert!(answer.is_err(), "{stranger:?} was answered: {answer:?}");
    }
    let answer = ask(replica.webhook, Some("webhooks")).await.expect("it is answered");
    assert!(answer.contains("AdmissionReview"), "{answer}");
    replica.stop.cancel();
    replica.served.await.expect("it ends").expect("it ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_leaves_is_not_ready_and_still_answers_who_is_sent_to_it() {
    World::empty().await;
    let replica = start().await;
    replica.stop.cancel();
    is_ready(replica.observe).await.expect_err("it leaves");
    let answer = ask(replica.webhook, Some("webhooks")).await.expect("it is answered");
    assert!(answer.contains("AdmissionReview"), "{answer}");
    replica.served.await.expect("it ends").expect("it ends well");
    assert!(TcpStream::connect(replica.webhook).await.is_err(), "the port is closed");
}
