//! One bounded GET over https, for the public keys of issuers. Redirects are not followed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// From the name to the last byte.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest document.
const MAX_BYTES: usize = 256 * 1024;

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// Not an https URL with a host.
    #[error("{0} is not an https URL")]
    Url(String),
    /// TLS cannot be set up with the configured CA.
    #[error("the CA cannot be used: {0}")]
    Ca(String),
    /// Name, connection, handshake or HTTP.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why.
        reason: String,
    },
    /// Another status than 200.
    #[error("{url} answered {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: StatusCode,
    },
    /// Took too long.
    #[error("{url} did not answer within {} s", TIMEOUT.as_secs())]
    Slow {
        /// What was asked for.
        url: String,
    },
    /// What came is not what was asked for.
    #[error("{url} answered something else: {reason}")]
    Rubbish {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Trusts the certificates in `ca_pem`, or without them those that this machine trusts.
pub(super) fn client(ca_pem: Option<&str>) -> Result<Arc<ClientConfig>, FetchError> {
    let mut roots = RootCertStore::empty();
    let failed = |error: &dyn std::fmt::Display| FetchError::Ca(error.to_string());
    match ca_pem {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|error| failed(&error))?;
                roots.add(certificate).map_err(|error| failed(&error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// The text at `url`.
pub(super) async fn get(url: &str, tls: &Arc<ClientConfig>) -> Result<String, FetchError> {
    let slow = || FetchError::Slow { url: url.to_owned() };
    tokio::time::timeout(TIMEOUT, exchange(url, tls))
        .await
        .unwrap_or_else(|_| Err(slow()))
}

async fn exchange(url: &str, tls: &Arc<ClientConfig>) -> Result<String, FetchError> {
    let no_url = || FetchError::Url(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| no_url())?;
    let (Some("https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(no_url());
    };
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let name = ServerName::try_from(host.clone()).map_err(|_| no_url())?;
    let unreachable = |reason: &dyn std::fmt::Display| FetchError::Unreachable {
        url: url.to_owned(),
        reason: reason.to_string(),
    };
    let port = authority.port_u16().unwrap_or(443);
    let stream = TcpStream::connect((host.as_str(), port)).await;
    let stream = stream.map_err(|error| unreachable(&error))?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
    let stream = stream.map_err(|error| unreachable(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable(&error))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, authority.as_str())
        .header(ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|_| no_url())?;
    let talk = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| unreachable(&error))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status {
                url: url.to_owned(),
                status: response.status(),
            });
        }
        let rubbish = |reason: String| FetchError::Rubbish {
            url: url.to_owned(),
            reason,
        };
        let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
        let body = body.map_err(|error| rubbish(error.to_string()))?.to_bytes();
        String::from_utf8(body.to_vec()).map_err(|_| rubbish("it is no text".to_owned()))
    };
    // The connection makes progress only while it is polled too; it ends with the sender at the latest.
    tokio::select! {
        answer = talk => answer,
        Err(error) = connection => Err(unreachable(&error)),
    }
}
