//! HTTPS for the API server: one route, one question at a time on each connection, everything bounded.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use kube::core::admission::Operation;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::review::{Answer, Denied, Request, Review, to_json};
use super::{Admission, ServingCertificate, config_namespace, publish_request};

/// A review carries the object twice, with field managers: about 3 MiB each at most.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
const MAX_CONNECTIONS: u16 = 512;
/// Out of descriptors, most probably: others end meanwhile.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// The API server waits 10 s at most; it should read our words, not its own about a timeout.
const REVIEW_TIMEOUT: Duration = Duration::from_secs(8);

/// After the signal kube-proxy still sends new connections here for a moment.
const STILL_ROUTED: Duration = Duration::from_secs(5);
/// A peer that does not answer a ping within this is gone.
const PING: Duration = Duration::from_secs(20);
const MAX_STREAMS: u32 = 64;

/// How long a connection may last.
#[derive(Clone, Copy)]
struct Limits {
    /// Without a question.
    idle: Duration,
    /// In all; the API server opens another one.
    age: Duration,
    /// Once it is told to end.
    last_words: Duration,
}

const LIMITS: Limits = Limits {
    idle: Duration::from_mins(2),
    age: Duration::from_mins(10),
    last_words: Duration::from_secs(10),
};

/// Serves until `stop`, and a little longer: who is still sent here is answered, and every question that was begun.
pub async fn serve(
    listener: TcpListener,
    certificate: ServingCertificate,
    admission: Admission,
    stop: CancellationToken,
) {
    let router = Router::new()
        .route("/review", post(review))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(admission);
    let closing = CancellationToken::new();
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS.into()));
    let accepting = accept(listener, certificate, router, (&connections, &closing));
    let left = async {
        stop.cancelled().await;
        tokio::time::sleep(STILL_ROUTED).await;
    };
    tokio::select! {
        () = accepting => {}
        () = left => {}
    }
    closing.cancel();
    let all_ended = connections.acquire_many(MAX_CONNECTIONS.into());
    if tokio::time::timeout(LIMITS.last_words + HANDSHAKE_TIMEOUT, all_ended)
        .await
        .is_err()
    {
        tracing::warn!("some connections did not end in time");
    }
}

async fn accept(
    listener: TcpListener,
    certificate: ServingCertificate,
    router: Router,
    (connections, closing): (&Arc<Semaphore>, &CancellationToken),
) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(connections).try_acquire_owned() else {
            // Too many connections: the API server tries again, and reaches the other replica perhaps.
            continue;
        };
        let (acceptor, router, closing) = (certificate.acceptor(), router.clone(), closing.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => connection(stream, router, closing, LIMITS).await,
                Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
                Err(_) => tracing::debug!("a handshake took too long"),
            }
            drop(permit);
        });
    }
}

async fn connection<S>(stream: S, router: Router, closing: CancellationToken, limits: Limits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (open, questions) = watch::channel(0);
    let router = router.layer(middleware::from_fn(move |request, next| {
        answer(open.clone(), request, next)
    }));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(MAX_STREAMS);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let told_to_end = async {
        tokio::select! {
            () = closing.cancelled() => {}
            () = tokio::time::sleep(limits.age) => {}
            () = idle(questions, limits.idle) => {}
        }
    };
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        }
        () = told_to_end => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(limits.last_words, connection).await;
        }
    }
}

/// Ends when nothing was asked for `limit`.
async fn idle(mut questions: watch::Receiver<usize>, limit: Duration) {
    loop {
        let is_busy = *questions.borrow_and_update() > 0;
        if is_busy {
            if questions.changed().await.is_err() {
                return;
            }
        } else if tokio::time::timeout(limit, questions.changed()).await.is_err() {
            return;
        }
    }
}

/// One question that is being read or answered.
struct Open(watch::Sender<usize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Counts the question while it is open, and bounds how long its bytes may take.
async fn answer(open: watch::Sender<usize>, request: axum::extract::Request, next: Next) -> Response {
    open.send_modify(|count| *count += 1);
    let _open = Open(open);
    let answered = tokio::time::timeout(LIMITS.last_words, next.run(request)).await;
    answered.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
}

async fn review(State(admission): State<Admission>, body: Bytes) -> Response {
    let review: Review<'_> = match serde_json::from_slice(&body) {
        Ok(review) => review,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("not an AdmissionReview: {error}")).into_response(),
    };
    let request = review.request;
    let decided = tokio::time::timeout(REVIEW_TIMEOUT, decide(&admission, &request)).await;
    let answer = decided.unwrap_or_else(|_| Err(Denied::unable("the Kubernetes API server is slow; try again")));
    if let Err(denied) = &answer {
        tracing::info!(
            resource = request.resource.resource,
            sub_resource = request.sub_resource,
            namespace = request.namespace,
            name = request.name,
            user = request.user_info.username,
            message = denied.message(),
            "refused"
        );
    }
    let body = to_json(&request.uid, &answer).to_string();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn decide(admission: &Admission, request: &Request<'_>) -> Answer {
    let what = (request.resource.resource.as_str(), request.sub_resource.as_str());
    match (what, &request.operation) {
        (("publishrequests", ""), Operation::Create) => publish_request::on_create(admission, request).await,
        (("publishrequests", "status"), Operation::Update) => publish_request::on_review(admission, request).await,
        (("confignamespaces", ""), Operation::Create | Operation::Update) => {
            config_namespace::on_write(admission, request).await
        }
        _ => Err(Denied::unable(
            "this webhook is registered for a resource that it does not know",
        )),
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_mins(10);

    fn limits(idle: Duration, age: Duration) -> Limits {
        Limits {
            idle,
            age,
            last_words: SHORT,
        }
    }

    #[tokio::test]
    async fn who_asks_nothing_or_stays_too_long_is_let_go() {
        for (limits, begins_with) in [
            (limits(SHORT, LONG), &b""[..]),
            (limits(SHORT, LONG), &b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"[..]),
            (limits(LONG, SHORT), &b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"[..]),
            (limits(SHORT, LONG), &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..]),
        ] {
            let (mut peer, stream) = tokio::io::duplex(4096);
            let router = Router::new().route("/", get(|| async { "ok" }));
            let served = tokio::spawn(connection(stream, router, CancellationToken::new(), limits));
            peer.write_all(begins_with).await.expect("it is read");
            served.await.expect("it ends by itself");
            let mut answers = Vec::new();
            peer.read_to_end(&mut answers).await.expect("it is closed");
            assert_eq!(answers.ends_with(b"ok"), begins_with.starts_with(b"GET"));
        }
    }

    #[tokio::test]
    async fn a_question_that_was_begun_is_answered() {
        let (mut peer, stream) = tokio::io::duplex(4096);
        let (closing, asked) = (CancellationToken::new(), CancellationToken::new());
        let (closes, was_asked) = (closing.clone(), asked.clone());
        let answer = async move || {
            was_asked.cancel();
            closes.cancelled().await;
            "in the end"
        };
        let router = Router::new().route("/", get(answer));
        let served = tokio::spawn(connection(stream, router, closing.clone(), LIMITS));
        let question = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";
        peer.write_all(question).await.expect("it is read");
        asked.cancelled().await;
        closing.cancel();
        let mut answers = Vec::new();
        peer.read_to_end(&mut answers).await.expect("it is closed");
        assert!(answers.ends_with(b"in the end"));
        served.await.expect("it ends");
    }
}
