//! A CA per cluster and the certificates of its holders, as the operator makes them.

use std::net::IpAddr;
use std::path::Path;

use confman_core::ids::ClusterId;
use confman_node::tls::Holder;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};

/// A certificate with its key.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The CA of a cluster.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names are valid names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be made");
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).expect("the CA can sign itself"),
        }
    }

    pub(crate) fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for `holder` of `cluster`, valid at `address`.
    pub(crate) fn issue(&self, holder: Holder, cluster: &ClusterId, address: IpAddr) -> Identity {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a valid name");
        let uri = holder.uri(cluster).try_into().expect("ASCII");
        params
            .subject_alt_names
            .extend([SanType::URI(uri), SanType::IpAddress(address)]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("the CA can sign");
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Identity {
    /// Writes what `--tls-dir` holds.
    pub(crate) fn write(&self, folder: &Path, authority: &Authority) {
        std::fs::create_dir_all(folder).expect("the folder can be made");
        let files = [
            ("ca.crt", &authority.certificate()),
            ("tls.crt", &self.certificate),
            ("tls.key", &self.key),
        ];
        for (name, text) in files {
            std::fs::write(folder.join(name), text).expect("the file can be written");
        }
    }
}
