//! One accept loop for every port: bounded connections, TLS where asked for, HTTP/1 and HTTP/2, graceful stop.

mod patience;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use confman_api::limits;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use self::patience::Patient;
use crate::auth::certificates::Chain;
use crate::http::call::{ConnectionPlace, PeerCertificates, RemoteAddress};
use crate::http::linger;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// After a failed accept (out of file descriptors, say) the loop must not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Read buffer of an HTTP/1 connection. Headers over [`limits::HEADER`] that fit it are refused with a problem.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long a client may take nothing of an answer.
const STANDSTILL: Duration = Duration::from_millis(limits::STANDSTILL.value as u64);
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
const MAX_STREAMS: u32 = 4096;

/// A bound port and what is served on it.
pub struct Listener {
    /// For logs.
    pub name: &'static str,
    /// The socket.
    pub socket: TcpListener,
    /// TLS, where the port has it.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Handlers.
    pub router: Router,
}

/// The other side of a connection, as each of its requests knows it.
#[derive(Clone)]
struct Client {
    remote: RemoteAddress,
    /// Free again once the connection has ended, or has become a stream.
    place: ConnectionPlace,
    /// What it proved to hold the key of.
    certificates: Option<PeerCertificates>,
}

/// Binds a port.
pub async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = TcpListener::bind(address).await?;
    let bound = socket.local_addr()?;
    Ok((socket, bound))
}

/// Accepts until `stop`, then lets each connection finish the request it is at. Tasks are tracked by `tasks`.
pub async fn serve(listener: Listener, tasks: TaskTracker, stop: CancellationToken) {
    let Listener {
        name,
        socket,
        tls,
        router,
    } = listener;
    let acceptor = tls.map(TlsAcceptor::from);
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS.value));
    let builder = Arc::new(builder());
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(port = name, %error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Whoever comes when the port is full is hung up on; those inside are not disturbed.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(port = name, limit = limits::CONNECTIONS.value, "too many connections");
            continue;
        };
        let (acceptor, router, builder, stop) = (acceptor.clone(), router.clone(), Arc::clone(&builder), stop.clone());
        tasks.spawn(async move {
            let client = Client {
                remote: RemoteAddress(remote.ip()),
                place: ConnectionPlace(Arc::new(Mutex::new(Some(place)))),
                certificates: None,
            };
            connection(stream, acceptor, &builder, (router, client), stop).await;
        });
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits::HEADER_TIME.value as u64))
        .max_buf_size(BUFFER_BYTES)
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(BUFFER_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

/// What the client showed in the handshake, leaf first.
fn shown(connection: &rustls::ServerConnection) -> Option<PeerCertificates> {
    let certificates = connection.peer_certificates()?;
    let chain: Chain = certificates
        .iter()
        .map(|certificate| certificate.clone().into_owned())
        .collect();
    Some(PeerCertificates(chain))
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    builder: &Builder<TokioExecutor>,
    served: (Router, Client),
    stop: CancellationToken,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    match acceptor {
        None => exchange(stream, builder, served, stop).await,
        // On the heap: a connection without TLS has no room for one with it.
        Some(acceptor) => Box::pin(secured(stream, acceptor, builder, served, stop)).await,
    }
}

async fn secured(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    builder: &Builder<TokioExecutor>,
    (router, mut client): (Router, Client),
    stop: CancellationToken,
) {
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            client.certificates = shown(stream.get_ref().1);
            exchange(stream, builder, (router, client), stop).await;
        }
        Ok(Err(error)) => tracing::warn!(remote = %client.remote.0, %error, "handshake refused"),
        Err(_) => tracing::debug!(remote = %client.remote.0, "handshake took too long"),
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    builder: &Builder<TokioExecutor>,
    (router, client): (Router, Client),
    stop: CancellationToken,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        let (mut request, rest) = linger::lend(request.map(Body::new));
        request.extensions_mut().insert(client.remote);
        request.extensions_mut().insert(client.place.clone());
        if let Some(certificates) = client.certificates.clone() {
            request.extensions_mut().insert(certificates);
        }
        async move {
            let response = router.call(request).await;
            rest.discard().await;
            response
        }
    });
    // On the heap, so that the task does not keep room for moving it.
    let mut connection = Box::pin(builder.serve_connection(TokioIo::new(Patient::new(stream, STANDSTILL)), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

#[cfg(test)]
mod tests;
