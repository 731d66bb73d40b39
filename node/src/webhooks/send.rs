//! One attempt: resolve, check every address, connect to exactly a checked one, post, read the status.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use confman_core::webhook::{DeliveryResult, FailureCause, WebhookHost, WebhookUrl};
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;

use super::address::AddressRules;
use super::resolve::Names;
use crate::tls::TlsError;

/// Time for one attempt in all.
pub const ATTEMPT: Duration = Duration::from_secs(15);
/// Time to look a name up, and again to connect to what it has.
pub const CONNECT: Duration = Duration::from_secs(3);
/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;
/// Most bytes of an answer's header.
const ANSWER_HEADER_BYTES: usize = 16 * 1024;
/// Most lines of an answer's header.
const ANSWER_HEADER_LINES: usize = 64;
/// An answer's body says nothing to us; this much of it, for this long, is taken so that the receiver can finish.
const ANSWER_BODY_BYTES: usize = 16 * 1024;
const ANSWER_BODY: Duration = Duration::from_secs(1);

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What is sent. Has no `Debug`: the path may hold a token.
pub struct Message<'a> {
    /// The target's URL.
    pub url: &'a WebhookUrl,
    /// Put in place of `{secret}` in the URL.
    pub token: Option<&'a str>,
    /// Id of the delivery, the same on every attempt.
    pub id: &'a str,
    /// Now, in seconds since the epoch.
    pub timestamp_s: i64,
    /// The signatures; none is sent where it is empty.
    pub signature: String,
    /// JSON.
    pub body: Vec<u8>,
}

/// Sends messages. Cheap to clone.
#[derive(Clone)]
pub struct Sender {
    names: Names,
    rules: Arc<AddressRules>,
    tls: Arc<ClientConfig>,
    attempt: Duration,
}

type Stream = TokioIo<Either<TcpStream, tokio_rustls::client::TlsStream<TcpStream>>>;

impl Sender {
    /// Sends to what `names` and `rules` allow, over TLS that `roots` vouch for.
    ///
    /// # Errors
    /// The TLS library refused its own settings.
    pub fn new(names: Names, rules: AddressRules, roots: RootCertStore) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            names,
            rules: Arc::new(rules),
            tls: Arc::new(tls),
            attempt: ATTEMPT,
        })
    }

    /// With less time for an attempt.
    #[must_use]
    pub fn within(mut self, attempt: Duration) -> Self {
        self.attempt = attempt;
        self
    }

    /// Makes one attempt; takes at most [`ATTEMPT`].
    pub async fn send(&self, message: Message<'_>) -> DeliveryResult {
        match tokio::time::timeout(self.attempt, self.attempt(message)).await {
            Ok(Ok(result)) => result,
            Ok(Err(cause)) => DeliveryResult::Failed { cause },
            Err(_) => DeliveryResult::Failed {
                cause: FailureCause::TimedOut,
            },
        }
    }

    async fn attempt(&self, message: Message<'_>) -> Result<DeliveryResult, FailureCause> {
        let url = message.url;
        if !url.is_https() && !self.rules.allow_loopback {
            return Err(FailureCause::AddressForbidden);
        }
        let request = request(message).ok_or(FailureCause::SecretUnusable)?;
        let stream = self.connect(url).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(ANSWER_HEADER_BYTES)
            .max_headers(ANSWER_HEADER_LINES)
            .handshake(stream)
            .await
            .map_err(|_| FailureCause::AnswerBroken)?;
        let mut connection = std::pin::pin!(connection);
        let mut answering = std::pin::pin!(async {
            let answer = sender
                .send_request(request)
                .await
                .map_err(|_| FailureCause::AnswerBroken)?;
            let result = result_of(&answer);
            // Whatever comes of the body: the status has been said.
            let body = Limited::new(answer.into_body(), ANSWER_BODY_BYTES).collect();
            let _ = tokio::time::timeout(ANSWER_BODY, body).await;
            Ok(result)
        });
        tokio::select! {
            answered = &mut answering => answered,
            // The connection has ended; what it delivered before is still to be read.
            _ = &mut connection => answering.await,
        }
    }

    async fn connect(&self, url: &WebhookUrl) -> Result<Stream, FailureCause> {
        let looking = tokio::time::timeout(CONNECT, self.names.addresses(url.host())).await;
        let addresses = match looking {
            Err(_) => return Err(FailureCause::TimedOut),
            Ok(Err(_)) => return Err(FailureCause::NameUnresolved),
            Ok(Ok(addresses)) if addresses.is_empty() => return Err(FailureCause::NameUnresolved),
            Ok(Ok(addresses)) => addresses,
        };
        // One bad address among good ones is no accident, so all must be good.
        if !addresses.iter().all(|address| self.rules.permit(*address)) {
            return Err(FailureCause::AddressForbidden);
        }
        let tcp = connect_to_one(&addresses, url.port()).await?;
        if !url.is_https() {
            return Ok(TokioIo::new(Either::Left(tcp)));
        }
        let name = match url.host() {
            WebhookHost::Name(name) => ServerName::try_from(name.to_owned()).map_err(|_| FailureCause::TlsFailed)?,
            WebhookHost::Address(address) => ServerName::from(address),
        };
        let handshake = TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp);
        let stream = handshake.await.map_err(|_| FailureCause::TlsFailed)?;
        Ok(TokioIo::new(Either::Right(stream)))
    }
}

/// Connects to the first address that answers, all within [`CONNECT`].
async fn connect_to_one(addresses: &[IpAddr], port: u16) -> Result<TcpStream, FailureCause> {
    let tried = &addresses[..addresses.len().min(MAX_ADDRESSES)];
    let share = CONNECT / u32::try_from(tried.len().max(1)).unwrap_or(1);
    let mut cause = FailureCause::ConnectFailed;
    for address in tried {
        let connecting = TcpStream::connect(SocketAddr::new(*address, port));
        match tokio::time::timeout(share, connecting).await {
            Ok(Ok(stream)) => {
                // Only costs time where it fails.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(_)) => cause = FailureCause::ConnectFailed,
            Err(_) => cause = FailureCause::TimedOut,
        }
    }
    Err(cause)
}

/// None where the token makes no valid request of it.
fn request(message: Message<'_>) -> Option<Request<Full<Bytes>>> {
    let path = message.url.path_and_query();
    let path = match message.token {
        Some(token) => path.replace(WebhookUrl::SECRET, token),
        None => path.to_owned(),
    };
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(HOST, message.url.authority())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("confman-webhooks/", env!("CARGO_PKG_VERSION")))
        .header(WEBHOOK_ID, message.id)
        .header(WEBHOOK_TIMESTAMP, message.timestamp_s);
    if !message.signature.is_empty() {
        request = request.header(WEBHOOK_SIGNATURE, message.signature);
    }
    request.body(Full::new(Bytes::from(message.body))).ok()
}

fn result_of(answer: &Response<Incoming>) -> DeliveryResult {
    let status = answer.status();
    if status.is_success() {
        return DeliveryResult::Delivered {
            status: status.as_u16(),
        };
    }
    DeliveryResult::Refused {
        status: status.as_u16(),
        retry_after_s: retry_after_s(answer.headers(), jiff::Timestamp::now()),
    }
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.
fn retry_after_s(headers: &HeaderMap<HeaderValue>, now: jiff::Timestamp) -> Option<u32> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().unwrap_or(u32::MAX));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let seconds = date.as_second().saturating_sub(now.as_second()).max(0);
    Some(u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// The roots that vouch for receivers: those of `file` (PEM), or the system's.
///
/// # Errors
/// The file cannot be read or has no certificate. A system without roots is no error: then every https target fails.
pub fn trusted_roots(file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = file else {
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            tracing::warn!("the system has no trusted certificates: no https webhook can be delivered");
        }
        return Ok(roots);
    };
    let failed = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    for certificate in CertificateDer::pem_file_iter(path).map_err(failed)? {
        roots.add(certificate.map_err(failed)?)?;
    }
    if roots.is_empty() {
        return Err(TlsError::Empty { path: path.to_owned() });
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let now: jiff::Timestamp = "2026-01-31T12:00:00Z".parse().expect("a time");
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).expect("a header"));
            retry_after_s(&headers, now)
        };
        for (text, seconds) in [
            ("120", Some(120)),
            ("0", Some(0)),
            ("99999999999999999999", Some(u32::MAX)),
            ("Sat, 31 Jan 2026 12:01:00 GMT", Some(60)),
            ("Sat, 31 Jan 2026 11:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(read(text), seconds, "{text:?}");
        }
    }
}
