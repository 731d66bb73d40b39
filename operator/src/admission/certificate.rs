//! The certificate of the webhook: a CA and a leaf in a Secret, made once, renewed in time, shared by the replicas.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::args::AdmissionArgs;
use crate::confman_cluster::certificates::Authority;

const NAME: &str = "confman-admission-tls";
const CA: &str = "ca.crt";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const RENEW_AT: &str = "renew-at";
/// The leaf lives for a year; it is made again after two thirds of that.
const LIFE_DAYS: i64 = 365;
const RENEW_AFTER_DAYS: i64 = 240;

/// What the service shows in the handshake. Cheap to clone; a renewed one is shown from then on.
#[derive(Clone)]
pub struct ServingCertificate {
    current: Arc<RwLock<Current>>,
}

struct Current {
    ca_pem: String,
    acceptor: TlsAcceptor,
}

impl ServingCertificate {
    /// The certificate in the Secret; makes it when there is none, or when it is due.
    pub async fn ensure(client: &Client, args: &AdmissionArgs) -> anyhow::Result<Self> {
        Ok(Self {
            current: Arc::new(RwLock::new(Current::ensure(client, args).await?)),
        })
    }

    /// Makes it again if it is due, shows what the Secret holds, and reads the CA of callers again.
    pub async fn renew(&self, client: &Client, args: &AdmissionArgs) -> anyhow::Result<()> {
        let fresh = Current::ensure(client, args).await?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The CA, PEM.
    pub fn ca_pem(&self) -> String {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.ca_pem.clone()
    }

    /// Accepts TLS with the current certificate.
    pub fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.acceptor.clone()
    }
}

impl Current {
    async fn ensure(client: &Client, args: &AdmissionArgs) -> anyhow::Result<Self> {
        let secret = ensure_secret(client, &args.namespace, &args.hosts()).await?;
        Self::of(&secret, args.client_ca_file.as_deref())
    }

    fn of(secret: &Secret, client_ca: Option<&Path>) -> anyhow::Result<Self> {
        let entry = |name: &str| {
            let data = secret.data.as_ref().and_then(|data| data.get(name));
            data.map(|bytes| bytes.0.clone())
                .with_context(|| format!("Secret {NAME} has no entry {name}"))
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&entry(CERTIFICATE)?).collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&entry(KEY)?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let callers = match client_ca {
            Some(file) => callers(file, &provider).with_context(|| format!("read CA {}", file.display()))?,
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(callers)
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            ca_pem: String::from_utf8(entry(CA)?)?,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }
}

/// Accepts who shows a certificate of the CA in `file`.
fn callers(file: &Path, provider: &Arc<CryptoProvider>) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file)? {
        roots.add(certificate?)?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    Ok(verifier.build()?)
}

async fn ensure_secret(client: &Client, namespace: &str, hosts: &[String]) -> anyhow::Result<Secret> {
    let api = Api::<Secret>::namespaced(client.clone(), namespace);
    let found = api.get_opt(NAME).await?;
    if let Some(secret) = &found
        && !is_due(secret)
    {
        return Ok(secret.clone());
    }
    let metadata = found.map_or_else(
        || ObjectMeta {
            name: Some(NAME.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        |secret| secret.metadata,
    );
    let is_new = metadata.resource_version.is_none();
    let secret = Secret {
        metadata,
        data: Some(new_data(hosts)?.into_iter().collect()),
        ..Secret::default()
    };
    let written = if is_new {
        api.create(&PostParams::default(), &secret).await
    } else {
        api.replace(NAME, &PostParams::default(), &secret).await
    };
    match written {
        Ok(secret) => Ok(secret),
        // Another replica was quicker; its certificate is as good.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(api.get(NAME).await?),
        Err(error) => Err(error).context("write the Secret"),
    }
}

fn is_due(secret: &Secret) -> bool {
    let data = secret.data.as_ref().and_then(|data| data.get(RENEW_AT));
    let due = data
        .and_then(|bytes| std::str::from_utf8(&bytes.0).ok())
        .and_then(|text| text.parse::<jiff::Timestamp>().ok());
    due.is_none_or(|due| due <= jiff::Timestamp::now())
}

fn new_data(hosts: &[String]) -> anyhow::Result<[(String, ByteString); 4]> {
    let authority = Authority::new("confman admission")?;
    let leaf = authority.leaf("confman-admission", hosts, None, LIFE_DAYS)?;
    let renew_at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * RENEW_AFTER_DAYS);
    let entry = |name: &str, text: String| (name.to_owned(), ByteString(text.into_bytes()));
    Ok([
        entry(CA, authority.certificate_pem().to_owned()),
        entry(CERTIFICATE, leaf.certificate_pem),
        entry(KEY, leaf.key_pem),
        entry(RENEW_AT, renew_at.to_string()),
    ])
}
