//! A throw-away certificate authority with the leaves that nodes and courier of one cluster need.

use std::path::Path;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};

/// One certificate with its key, PEM.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub key: String,
}

/// The authority of one cluster; lives in memory only.
pub struct Authority {
    cluster_id: String,
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority for the cluster with this id.
    pub fn new(cluster_id: &str) -> anyhow::Result<Self> {
        let mut parameters = CertificateParams::new(Vec::<String>::new())?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        parameters
            .distinguished_name
            .push(DnType::CommonName, format!("confman {cluster_id}"));
        let key = KeyPair::generate()?;
        let certificate = parameters.self_signed(&key)?.pem();
        Ok(Self {
            cluster_id: cluster_id.to_owned(),
            certificate,
            issuer: Issuer::new(parameters, key),
        })
    }

    /// The authority's certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A leaf for `host` whose URI name says that its holder is `holder` (`node` or `courier`) of this cluster.
    pub fn leaf(&self, holder: &str, host: &str) -> anyhow::Result<Leaf> {
        let mut parameters = CertificateParams::new(vec!["localhost".to_owned(), host.to_owned()])?;
        let uri = format!("spiffe://confman.io/{}/{holder}", self.cluster_id);
        parameters.subject_alt_names.push(SanType::URI(uri.try_into()?));
        parameters.distinguished_name.push(DnType::CommonName, holder);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        Ok(Leaf {
            certificate: parameters.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }

    /// Writes `ca.crt`, `tls.crt` and `tls.key` of a new node certificate for `host` into `folder`.
    pub fn write_node_folder(&self, folder: &Path, host: &str) -> anyhow::Result<()> {
        let leaf = self.leaf("node", host)?;
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        for (name, text) in [
            ("ca.crt", &self.certificate),
            ("tls.crt", &leaf.certificate),
            ("tls.key", &leaf.key),
        ] {
            std::fs::write(folder.join(name), text).with_context(|| format!("write {name}"))?;
        }
        Ok(())
    }
}
