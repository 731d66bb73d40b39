//! Client certificates of people: the chain is verified in the handshake, and again wherever it is forwarded to.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use confman_api::limits;
use confman_core::identity::CERTIFICATE_REALM;
use confman_core::ids::Timestamp;
use confman_core::principal::{Actor, Principal, PrincipalKind};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::claims::{Holder, is_name};

/// Most certificates in a chain.
const MAX_CHAIN: usize = 8;
/// Certificates that carry a name beginning so belong to the parts of a cluster, never to people.
const CLUSTER_NAMES: &str = "spiffe://confman.io/";

/// Leaf first, as the client sent it.
pub type Chain = Arc<[CertificateDer<'static>]>;

/// Why a certificate does not log anybody in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateProblem {
    /// The cluster trusts no CA of people.
    #[error("client certificates are not accepted here")]
    NotConfigured,
    /// Another CA, not valid now, not for clients.
    #[error("the client certificate is not accepted: {0}")]
    Untrusted(String),
    /// It does not name anybody, or a part of a cluster.
    #[error("the client certificate must have one common name of 1 to 256 bytes, at most {} organisations, and belong to a person", limits::GROUPS.value)]
    Name,
}

/// The CA of people that is trusted now; replaced when the cluster's changes.
#[derive(Default)]
pub struct PeopleCa {
    verifier: ArcSwapOption<Verifier>,
}

struct Verifier(Arc<dyn ClientCertVerifier>);

impl PeopleCa {
    /// Trusts the certificates in `pem`, or nobody.
    pub fn set(&self, pem: Option<&str>) {
        let verifier = pem.and_then(|pem| match verifier(pem) {
            Ok(verifier) => Some(Arc::new(Verifier(verifier))),
            Err(error) => {
                tracing::error!(%error, "the CA of people cannot be used; no client certificate is accepted");
                None
            }
        });
        self.verifier.store(verifier);
    }

    /// The person whose certificate leads `chain`.
    pub fn authenticate(&self, chain: &Chain, now: Timestamp) -> Result<Holder, CertificateProblem> {
        let verifier = self.verifier.load_full().ok_or(CertificateProblem::NotConfigured)?;
        let (leaf, intermediates) = chain.split_first().ok_or(CertificateProblem::Name)?;
        let seconds = u64::try_from(now.as_millis() / 1000).unwrap_or(0);
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let checked = verifier.0.verify_client_cert(leaf, intermediates, now);
        checked.map_err(|error| CertificateProblem::Untrusted(error.to_string()))?;
        holder(leaf).ok_or(CertificateProblem::Name)
    }
}

fn verifier(pem: &str) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let built = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    built.map_err(|error| error.to_string())
}

/// Common name as the user, organisations as its groups.
fn holder(leaf: &CertificateDer<'_>) -> Option<Holder> {
    let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
    if let Ok(Some(names)) = parsed.subject_alternative_name() {
        let is_part = |name: &GeneralName<'_>| matches!(name, GeneralName::URI(uri) if uri.starts_with(CLUSTER_NAMES));
        if names.value.general_names.iter().any(is_part) {
            return None;
        }
    }
    let subject = parsed.subject();
    let mut names = subject.iter_common_name();
    let (name, None) = (names.next()?.as_str().ok()?, names.next()) else {
        return None;
    };
    let organisations = subject.iter_organization().map(|name| name.as_str().ok());
    let organisations: BTreeSet<&str> = organisations.collect::<Option<_>>()?;
    let fits = is_name(name)
        && organisations.len() <= limits::GROUPS.value
        && organisations.iter().all(|organisation| is_name(organisation));
    let of = |kind, name: &str| Principal {
        kind,
        realm: CERTIFICATE_REALM.to_owned(),
        name: name.to_owned(),
    };
    fits.then(|| Holder {
        login: Actor {
            principal: of(PrincipalKind::User, name),
            groups: organisations
                .iter()
                .map(|name| of(PrincipalKind::Group, name))
                .collect(),
            ip: None,
        },
        expires_at: Timestamp::from_millis(parsed.validity().not_after.timestamp().saturating_mul(1000)),
    })
}

/// Asks clients for a certificate while a CA of people is trusted, and lets those without one in.
pub struct OptionalCertificate {
    people: Arc<PeopleCa>,
    schemes: Arc<rustls::crypto::CryptoProvider>,
}

impl OptionalCertificate {
    /// By the CA that `people` trusts at the time of each handshake.
    pub fn new(people: Arc<PeopleCa>) -> Self {
        Self {
            people,
            schemes: Arc::new(rustls::crypto::ring::default_provider()),
        }
    }
}

impl fmt::Debug for OptionalCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OptionalCertificate")
    }
}

impl ClientCertVerifier for OptionalCertificate {
    fn offer_client_auth(&self) -> bool {
        self.people.verifier.load().is_some()
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let unknown = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        if intermediates.len() >= MAX_CHAIN {
            return Err(unknown());
        }
        let verifier = self.people.verifier.load_full().ok_or_else(unknown)?;
        verifier.0.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let schemes = &self.schemes.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, schemes)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let schemes = &self.schemes.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
