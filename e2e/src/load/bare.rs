//! A bare hyper server that answers every request with the same bytes: how fast reads could be at best.

use std::convert::Infallible;

use anyhow::Context as _;
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::drive::Client;
use super::http::Connection;

/// Serves on `127.0.0.1:port` until the process ends.
pub async fn serve(port: u16, body_bytes: usize) -> anyhow::Result<()> {
    let body = Bytes::from(super::value(0, body_bytes));
    let listener = TcpListener::bind(("127.0.0.1", port)).await.context("listen")?;
    loop {
        let (stream, _) = listener.accept().await.context("accept")?;
        stream.set_nodelay(true).context("switch Nagle's algorithm off")?;
        let body = body.clone();
        let service = service_fn(move |_| {
            let answer = Response::new(Full::new(body.clone()));
            async move { Ok::<_, Infallible>(answer) }
        });
        // A client that goes away is no event for a server that only sets the scale.
        tokio::spawn(async move {
            http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
        });
    }
}

/// A client of the bare server.
#[derive(Debug)]
pub struct BareClient {
    connection: Connection,
}

impl BareClient {
    /// Connects.
    pub async fn open(address: &str) -> anyhow::Result<Self> {
        Ok(Self {
            connection: Connection::open(address).await?,
        })
    }
}

impl Client for BareClient {
    async fn call(&mut self, sequence: u64) -> anyhow::Result<()> {
        let request = format!("GET /{sequence} HTTP/1.1\r\nhost: bare\r\naccept: text/plain\r\n\r\n");
        let (status, _) = self.connection.send(request.as_bytes()).await?;
        anyhow::ensure!(status == 200, "status {status}");
        Ok(())
    }
}
