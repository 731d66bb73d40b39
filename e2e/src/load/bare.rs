//! A bare axum handler that answers every request with the same value: how fast reads could be at best.

use anyhow::Context as _;
use axum::Router;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;

/// Serves on `127.0.0.1:port` until the process ends.
pub async fn serve(port: u16, body_bytes: usize) -> anyhow::Result<()> {
    let body: &'static str = super::value(0, body_bytes).leak();
    let listener = TcpListener::bind(("127.0.0.1", port)).await.context("listen")?;
    let listener = listener.tap_io(|stream| {
        // A connection that is broken already is answered by nobody.
        let _ = stream.set_nodelay(true);
    });
    let router = Router::new().fallback(async move || body);
    axum::serve(listener, router).await.context("serve")
}
