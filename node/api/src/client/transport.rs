//! One request over several endpoints: connect failures move on to the next, everything else is classified.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Method, Response, StatusCode, Url};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::{BuildError, ClientError};
use crate::problem::{Problem, ProblemType};

/// Longest wait for a TCP connection and its TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// After this long without an acknowledged byte the kernel gives a connection up.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle connections are closed before a restarted node would reset them.
const POOL_IDLE: Duration = Duration::from_secs(20);
/// A problem is never larger; what answers more is not a node.
const MAX_PROBLEM_BYTES: usize = 64 * 1024;

/// Header with the log index that an answer has seen.
pub(super) const INDEX: &str = "confman-index";

/// Media type of most bodies.
pub(super) const JSON: &str = "application/json";

/// Whether a call that was sent and not answered may have changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Reads may be repeated elsewhere.
    Read,
    /// The fate of a write that was sent is unknown.
    Write,
}

/// How long an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// As long as any.
    Usual,
    /// So much longer, since it waits for something.
    Longer(Duration),
    /// Its beginning as long as any; the rest comes when it comes.
    Stream,
}

/// A request before an endpoint is chosen.
pub(super) struct Call {
    pub(super) effect: Effect,
    pub(super) patience: Patience,
    /// What is an answer and no problem, beside what is successful.
    pub(super) is_answer: fn(&Response) -> bool,
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    /// Of the body.
    pub(super) media_type: &'static str,
    pub(super) body: Option<Vec<u8>>,
}

impl Call {
    pub(super) fn read(path: impl Into<String>) -> Self {
        Self {
            effect: Effect::Read,
            patience: Patience::Usual,
            is_answer: |_| false,
            media_type: JSON,
            method: Method::GET,
            path: path.into(),
            headers: Vec::new(),
            body: None,
        }
    }

    pub(super) fn write(method: Method, path: impl Into<String>, body: Vec<u8>) -> Self {
        Self {
            effect: Effect::Write,
            patience: Patience::Usual,
            is_answer: |_| false,
            media_type: JSON,
            method,
            path: path.into(),
            headers: Vec::new(),
            body: Some(body),
        }
    }
}

/// The endpoints and the connection pool; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    http: reqwest::Client,
    endpoints: Arc<[Url]>,
    /// Index of the endpoint that answered last; tried first.
    preferred: Arc<AtomicUsize>,
    timeout: Duration,
}

impl Transport {
    pub(super) fn new(endpoints: &[String], tls: ClientConfig, timeout: Duration) -> Result<Self, BuildError> {
        let parsed: Vec<Url> = endpoints
            .iter()
            .map(|endpoint| parse_endpoint(endpoint))
            .collect::<Result<_, _>>()?;
        if parsed.is_empty() {
            return Err(BuildError::BadEndpoint(String::new()));
        }
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .tcp_user_timeout(TCP_USER_TIMEOUT)
            .tcp_nodelay(true)
            .pool_idle_timeout(POOL_IDLE)
            .build()
            .map_err(BuildError::Http)?;
        Ok(Self {
            http,
            endpoints: parsed.into(),
            preferred: Arc::new(AtomicUsize::new(0)),
            timeout,
        })
    }

    /// The same pool, restricted to one endpoint.
    pub(super) fn only(&self, endpoint: &str) -> Result<Self, BuildError> {
        Ok(Self {
            endpoints: Arc::from([parse_endpoint(endpoint)?]),
            preferred: Arc::new(AtomicUsize::new(0)),
            ..self.clone()
        })
    }

    pub(super) fn first_endpoint(&self) -> String {
        self.endpoints.first().map(Url::to_string).unwrap_or_default()
    }

    /// The first answer that is no reason to ask another endpoint.
    pub(super) async fn send(&self, call: &Call) -> Result<Response, ClientError> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut last = ClientError::Unreachable("no endpoint".to_owned());
        for offset in 0..self.endpoints.len() {
            let index = (first + offset) % self.endpoints.len();
            match self.send_to(&self.endpoints[index], call).await {
                Ok(response) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(response);
                }
                Err(error) if tells_nothing_about_others(&error) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    async fn send_to(&self, endpoint: &Url, call: &Call) -> Result<Response, ClientError> {
        let url = endpoint
            .join(&call.path)
            .map_err(|error| ClientError::Unreachable(format!("{}: {error}", call.path)))?;
        let mut request = self.http.request(call.method.clone(), url);
        match call.patience {
            Patience::Usual => request = request.timeout(self.timeout),
            Patience::Longer(wait) => request = request.timeout(self.timeout + wait),
            Patience::Stream => {}
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &call.body {
            request = request
                .header(reqwest::header::CONTENT_TYPE, call.media_type)
                .body(body.clone());
        }
        let answer = match call.patience {
            Patience::Usual | Patience::Longer(_) => request.send().await,
            Patience::Stream => match tokio::time::timeout(self.timeout, request.send()).await {
                Ok(answer) => answer,
                Err(_) => return Err(lost(call.effect, "no answer in time".to_owned())),
            },
        };
        match answer {
            Ok(response) if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED => {
                Ok(response)
            }
            Ok(response) if (call.is_answer)(&response) => Ok(response),
            Ok(response) => Err(read_problem(response, call.effect).await),
            Err(error) => Err(classify(&error, call.effect)),
        }
    }
}

/// Reads a JSON body; a body that breaks off leaves the outcome of a write unknown.
pub(super) async fn read_json<T: serde::de::DeserializeOwned>(
    response: Response,
    effect: Effect,
) -> Result<T, ClientError> {
    let bytes = read_bytes(response, effect).await?;
    serde_json::from_slice(&bytes).map_err(|error| lost(effect, format!("the answer cannot be read: {error}")))
}

/// Reads a body of text; one that breaks off is like one of JSON.
pub(super) async fn read_text(response: Response, effect: Effect) -> Result<String, ClientError> {
    response.text().await.map_err(|error| classify(&error, effect))
}

/// Reads a body as it is; one that breaks off is like one of JSON.
pub(super) async fn read_bytes(response: Response, effect: Effect) -> Result<Vec<u8>, ClientError> {
    let bytes = response.bytes().await.map_err(|error| classify(&error, effect))?;
    Ok(bytes.to_vec())
}

/// TLS with the given roots (PEM) and, where given, a client certificate (PEM chain and key).
pub(super) fn tls_config(ca_pem: Option<&[u8]>, identity: Option<(&[u8], &[u8])>) -> Result<ClientConfig, BuildError> {
    let mut roots = RootCertStore::empty();
    for certificate in ca_pem
        .map(|pem| certificates("CA", pem))
        .transpose()?
        .unwrap_or_default()
    {
        roots.add(certificate).map_err(BuildError::Tls)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(BuildError::Tls)?
        .with_root_certificates(roots);
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| BuildError::BadPem {
                what: "client key",
                detail: error.to_string(),
            })?;
            builder
                .with_client_auth_cert(certificates("client certificate", chain)?, key)
                .map_err(BuildError::Tls)
        }
    }
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BuildError> {
    let bad = |detail: String| BuildError::BadPem { what, detail };
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| bad(error.to_string()))?;
    if found.is_empty() {
        return Err(bad("no certificate in it".to_owned()));
    }
    Ok(found)
}

fn parse_endpoint(endpoint: &str) -> Result<Url, BuildError> {
    let bad = || BuildError::BadEndpoint(endpoint.to_owned());
    let url = Url::parse(endpoint).map_err(|_| bad())?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err(bad()),
    }
}

/// Another endpoint may do better: this one was not reached, or knows no leader.
fn tells_nothing_about_others(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable(_) => true,
        ClientError::Problem(problem) => match problem.kind() {
            Some(
                ProblemType::NoLeader | ProblemType::Overloaded | ProblemType::RateLimited | ProblemType::TooStale,
            ) => true,
            Some(_) | None => false,
        },
        ClientError::Refused(..) | ClientError::OutcomeUnknown(_) => false,
    }
}

fn classify(error: &reqwest::Error, effect: Effect) -> ClientError {
    let text = with_causes(error);
    if error.is_connect() || error.is_builder() {
        ClientError::Unreachable(text)
    } else {
        lost(effect, text)
    }
}

fn lost(effect: Effect, text: String) -> ClientError {
    match effect {
        Effect::Read => ClientError::Unreachable(text),
        Effect::Write => ClientError::OutcomeUnknown(text),
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

async fn read_problem(response: Response, effect: Effect) -> ClientError {
    let status = response.status();
    let parsed = match response.bytes().await {
        Ok(bytes) if bytes.len() <= MAX_PROBLEM_BYTES => serde_json::from_slice::<Problem>(&bytes).ok(),
        Ok(_) | Err(_) => None,
    };
    let Some(mut problem) = parsed else {
        // Not one of ours: a proxy in between, perhaps. A gateway may have passed the request on.
        return match status.as_u16() {
            502 | 504 => lost(effect, format!("a gateway answered {status}")),
            _ => ClientError::Problem(Box::new(foreign_problem(status))),
        };
    };
    if problem.kind() == Some(ProblemType::OutcomeUnknown) {
        return lost(effect, problem.detail);
    }
    match problem.rejection.take() {
        Some(rejection) => {
            problem.rejection = Some(rejection.clone());
            ClientError::Refused(*rejection, Box::new(problem))
        }
        None => ClientError::Problem(Box::new(problem)),
    }
}

fn foreign_problem(status: StatusCode) -> Problem {
    Problem {
        type_uri: "about:blank".to_owned(),
        title: status.canonical_reason().unwrap_or("unknown status").to_owned(),
        status: status.as_u16(),
        detail: "the answer is no problem of Confman".to_owned(),
        instance: None,
        trace_id: None,
        field: None,
        limit: None,
        violations: Vec::new(),
        retry_after: None,
        rejection: None,
    }
}
