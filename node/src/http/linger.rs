//! A refusal that the client can hear: whatever of the body was not read is thrown away before the answer goes out.
//!
//! HTTP/1 has one connection for both directions. Closing it while the client still sends makes its system report a
//! broken connection in place of the answer (RFC 9112, section 9.6). HTTP/2 resets the one stream and needs none of it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::EXPECT;
use http::{Request, Version};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Most that is thrown away for one request; who sends more hears of it only by the connection.
const BYTES: usize = 16 << 20;
/// Longest that the answer waits for the next piece of it.
const STANDSTILL: Duration = Duration::from_secs(3);
/// Longest that the answer waits for all of it.
const TIME: Duration = Duration::from_secs(30);

/// What a handler left of a body.
pub struct Rest(Option<oneshot::Receiver<Body>>);

impl Rest {
    /// Reads and forgets it, up to a bound in bytes and in time. To be called once the handler has let go of its
    /// request.
    pub async fn discard(self) {
        let Some(body) = self.0.and_then(|mut left| left.try_recv().ok()) else {
            return;
        };
        let mut body = Limited::new(body, BYTES);
        let discarded = async { while let Ok(Some(Ok(_))) = timeout(STANDSTILL, body.frame()).await {} };
        if timeout(TIME, discarded).await.is_err() {
            tracing::debug!("a client sends the body of a request that was answered too slowly to wait for it");
        }
    }
}

/// Lends the body of `request` to the handler. A client that asks first (`Expect: 100-continue`) has sent nothing.
pub fn lend(request: Request<Body>) -> (Request<Body>, Rest) {
    if request.version() > Version::HTTP_11 || request.headers().contains_key(EXPECT) || request.body().is_end_stream()
    {
        return (request, Rest(None));
    }
    let (back, rest) = oneshot::channel();
    let lent = request.map(|body| Body::new(Lent { body, back: Some(back) }));
    (lent, Rest(Some(rest)))
}

/// A body that comes back when its reader drops it.
struct Lent {
    body: Body,
    back: Option<oneshot::Sender<Body>>,
}

impl hyper::body::Body for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.back = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(back) = self.back.take() {
            // Nobody waits for it if the connection is gone.
            let _ = back.send(std::mem::take(&mut self.body));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::{FutureExt as _, StreamExt as _, stream};

    use super::*;

    fn rest(frames: impl futures::Stream<Item = Result<Bytes, axum::Error>> + Send + 'static) -> Rest {
        let (back, rest) = oneshot::channel();
        back.send(Body::from_stream(frames)).expect("somebody waits for it");
        Rest(Some(rest))
    }

    #[tokio::test]
    async fn a_client_that_goes_on_is_waited_for_and_one_that_stops_is_not() {
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        let slow = stream::iter(0..5).then(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            // A slow client, well within the bound of one piece.
            tokio::time::sleep(STANDSTILL / 4).map(|()| Ok(Bytes::from_static(b"x")))
        });
        let stopped = stream::iter([Ok(Bytes::from_static(b"x"))]).chain(stream::pending());
        let both = futures::future::join(rest(slow).discard(), rest(stopped).discard());
        let ended = timeout(TIME, both).await;
        assert!(ended.is_ok(), "nobody waits for a client that has stopped");
        assert_eq!(sent.load(Ordering::SeqCst), 5, "the slow one was heard to its end");
    }
}
