//! TLS between nodes and towards the courier: one CA per cluster, and a URI name in each certificate that says what its
//! holder is. A certificate of the right CA for another purpose, or for another cluster, is refused in the handshake.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use confman_core::ids::ClusterId;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, OtherError, RootCertStore, ServerConfig,
    SignatureScheme,
};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::auth::certificates::{OptionalCertificate, PeopleCa};

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or is no PEM of the right kind.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// A file has no certificate.
    #[error("there is no certificate in {}", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The TLS library refused certificate or key.
    #[error("cannot use the certificates")]
    Rustls(#[from] rustls::Error),
    /// The TLS library refused the CA.
    #[error("cannot use the CA")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// This node's own certificate does not say that it is a node of this cluster.
    #[error("the certificate of this node does not name {expected}")]
    WrongName {
        /// The URI that is missing.
        expected: String,
    },
}

/// What the holder of a certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A node of the cluster.
    Node,
    /// The operator.
    Courier,
}

impl Holder {
    /// The URI that a certificate of this holder carries in its subject alternative names.
    pub fn uri(self, cluster_id: &ClusterId) -> String {
        let name = match self {
            Self::Node => "node",
            Self::Courier => "courier",
        };
        format!("spiffe://confman.io/{cluster_id}/{name}")
    }
}

/// CA, certificate and key of this node.
pub struct NodeTls {
    cluster_id: ClusterId,
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl NodeTls {
    /// Reads `ca.crt`, `tls.crt` and `tls.key` in `folder`.
    pub fn load(folder: &Path, cluster_id: &ClusterId) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in read_certificates(&folder.join("ca.crt"))? {
            roots.add(certificate)?;
        }
        let chain = read_certificates(&folder.join("tls.crt"))?;
        let expected = Holder::Node.uri(cluster_id);
        if !chain.first().is_some_and(|leaf| names_uri(leaf, &expected)) {
            return Err(TlsError::WrongName { expected });
        }
        let key = read_key(&folder.join("tls.key"))?;
        Ok(Self {
            cluster_id: cluster_id.clone(),
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            roots: Arc::new(roots),
            chain,
            key,
        })
    }

    /// Client side of the peer port: the server must be a node of this cluster under the name that was dialled.
    pub fn peer_client(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let web_pki =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&self.roots), Arc::clone(&self.provider)).build()?;
        let verifier = NodeServer {
            web_pki,
            uri: Holder::Node.uri(&self.cluster_id),
        };
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }

    /// Server side of the peer port: only nodes of this cluster.
    pub fn peer_server(&self) -> Result<Arc<ServerConfig>, TlsError> {
        self.server(Holder::Node, &[b"h2"])
    }

    /// Server side of the internal port: only the courier of this cluster.
    pub fn internal_server(&self) -> Result<Arc<ServerConfig>, TlsError> {
        self.server(Holder::Courier, &[b"h2", b"http/1.1"])
    }

    fn server(&self, client: Holder, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
        let web_pki =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), Arc::clone(&self.provider)).build()?;
        let verifier = HolderClient {
            web_pki,
            uri: client.uri(&self.cluster_id),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

/// Server side of the public port: `tls.crt` and `tls.key` in `folder`, and a client certificate from whoever has one.
pub fn public_server(folder: &Path, people: Arc<PeopleCa>) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = read_certificates(&folder.join("tls.crt"))?;
    let key = read_key(&folder.join("tls.key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_client_cert_verifier(Arc::new(OptionalCertificate::new(people)))
        .with_single_cert(chain, key)?;
    // A session that is resumed asks for no certificate: who first came before the CA of people was known never could log in.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    if certificates.is_empty() {
        return Err(TlsError::Empty { path: path.to_owned() });
    }
    Ok(certificates)
}

/// True if the certificate has `uri` among its subject alternative names.
fn names_uri(certificate: &CertificateDer<'_>, uri: &str) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return false;
    };
    let Ok(Some(names)) = parsed.subject_alternative_name() else {
        return false;
    };
    let matches = |name: &GeneralName<'_>| matches!(name, GeneralName::URI(found) if *found == uri);
    names.value.general_names.iter().any(matches)
}

/// The certificate is valid, but for another holder.
#[derive(Debug, thiserror::Error)]
#[error("the certificate does not name {expected}")]
struct WrongHolder {
    expected: String,
}

fn require_uri(certificate: &CertificateDer<'_>, uri: &str) -> Result<(), rustls::Error> {
    if names_uri(certificate, uri) {
        return Ok(());
    }
    let expected = uri.to_owned();
    let error = CertificateError::Other(OtherError(Arc::new(WrongHolder { expected })));
    Err(rustls::Error::InvalidCertificate(error))
}

/// Verifies that a server is a node of this cluster.
struct NodeServer {
    web_pki: Arc<WebPkiServerVerifier>,
    uri: String,
}

impl fmt::Debug for NodeServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NodeServer({})", self.uri)
    }
}

impl ServerCertVerifier for NodeServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self
            .web_pki
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        require_uri(end_entity, &self.uri)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.web_pki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.web_pki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.web_pki.supported_verify_schemes()
    }
}

/// Verifies that a client is the expected kind of holder of this cluster.
struct HolderClient {
    web_pki: Arc<dyn ClientCertVerifier>,
    uri: String,
}

impl fmt::Debug for HolderClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HolderClient({})", self.uri)
    }
}

impl ClientCertVerifier for HolderClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.web_pki.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.web_pki.verify_client_cert(end_entity, intermediates, now)?;
        require_uri(end_entity, &self.uri)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.web_pki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.web_pki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.web_pki.supported_verify_schemes()
    }
}
