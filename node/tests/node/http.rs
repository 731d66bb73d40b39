//! Plain HTTP as any client would speak it, and raw bytes as none should.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use confman_api::problem::Problem;
use reqwest::Method;
use reqwest::header::HeaderMap;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).expect("the answer is JSON")
    }

    pub(crate) fn problem(&self) -> Problem {
        let kind = self.header("content-type");
        assert_eq!(kind, "application/problem+json", "{} {}", self.status, self.text);
        serde_json::from_str(&self.text).expect("the answer is a problem")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("ASCII"))
    }
}

/// A request to be sent.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) key: Option<&'a str>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: Method, url: impl Into<String>, key: Option<&'a str>) -> Self {
        Self {
            method,
            url: url.into(),
            key,
            headers: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", media_type)
    }

    /// Sends it; an error is the text of what went wrong on the way.
    pub(crate) async fn send(self) -> Result<Answer, String> {
        let mut request = client().request(self.method, &self.url);
        if let Some(key) = self.key {
            request = request.header("x-api-key", key);
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        let response = request.send().await.map_err(|error| format!("{error:?}"))?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.map_err(|error| format!("{error:?}"))?,
        })
    }
}

fn client() -> reqwest::Client {
    let builder = builder().timeout(Duration::from_mins(1));
    builder.build().expect("a client can be built")
}

/// For answers without an end.
pub(crate) fn endless() -> reqwest::Client {
    builder().build().expect("a client can be built")
}

/// For many calls on one connection (HTTP/2).
pub(crate) fn multiplexed() -> reqwest::Client {
    let builder = builder().http2_prior_knowledge();
    builder.build().expect("a client can be built")
}

fn builder() -> reqwest::ClientBuilder {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy()
}

pub(crate) async fn get(url: &str, key: Option<&str>) -> Result<Answer, String> {
    Call::new(Method::GET, url, key).send().await
}

/// Sends bytes as they are and reads until the other side closes.
pub(crate) fn raw(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("the node listens");
    stream
        .set_read_timeout(Some(Duration::from_mins(1)))
        .expect("a timeout can be set");
    stream.write_all(bytes).expect("the node reads what is sent");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
