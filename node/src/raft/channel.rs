//! Connections to peers: plain on the loopback of a single node, mutual TLS otherwise; four a peer, so that a snapshot
//! or a flood of writes never delays a heartbeat.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;
use tonic::transport::{Channel, Endpoint};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// A handshake costs both sides CPU, which a busy machine may not have at once.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(3);
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Makes connections to peers.
#[derive(Clone)]
pub struct Connector {
    tls: Option<Arc<ClientConfig>>,
}

/// The connections to one peer; each is opened when first used, and again when it breaks.
#[derive(Clone)]
pub struct PeerChannels {
    /// Appends.
    pub append: Channel,
    /// Heartbeats, votes, read indexes, handover.
    pub control: Channel,
    /// Snapshots.
    pub snapshot: Channel,
    /// Forwarded writes.
    pub forward: Channel,
}

impl Connector {
    /// A connector; without TLS only for one node on its own loopback.
    pub fn new(tls: Option<Arc<ClientConfig>>) -> Self {
        Self { tls }
    }

    /// Connections to the peer at `address` (`host:port`).
    pub fn channels(&self, address: &str) -> Result<PeerChannels, tonic::transport::Error> {
        Ok(PeerChannels {
            append: self.channel(address)?,
            control: self.channel(address)?,
            snapshot: self.channel(address)?,
            forward: self.channel(address)?,
        })
    }

    /// One connection to `address`.
    pub fn channel(&self, address: &str) -> Result<Channel, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let tls = self.tls.clone();
        let connect = tower::service_fn(move |uri: Uri| connect(uri, tls.clone()));
        Ok(endpoint.connect_with_connector_lazy(connect))
    }
}

type PeerIo = TokioIo<Either<TcpStream, tokio_rustls::client::TlsStream<TcpStream>>>;

async fn connect(uri: Uri, tls: Option<Arc<ClientConfig>>) -> io::Result<PeerIo> {
    let host = uri
        .host()
        .ok_or_else(|| io::Error::other("the peer's address has no host"))?;
    let port = uri
        .port_u16()
        .ok_or_else(|| io::Error::other("the peer's address has no port"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let tcp = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port))).await??;
    tcp.set_nodelay(true)?;
    let Some(config) = tls else {
        return Ok(TokioIo::new(Either::Left(tcp)));
    };
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let handshake = TlsConnector::from(config).connect(name, tcp);
    let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await??;
    Ok(TokioIo::new(Either::Right(stream)))
}
