//! X.509: the CA of a cluster, and the leaves of its nodes and of the courier. Names are in the leaves, rights in the names.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};

/// A CA lives for ten years: it is made again only with a new cluster.
const CA_LIFE_DAYS: i64 = 3650;

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The library refused a name or a key.
    #[error("make a certificate")]
    Make(#[from] rcgen::Error),
}

/// A CA with its key.
pub struct Authority {
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub struct Leaf {
    /// Certificate, PEM.
    pub certificate_pem: String,
    /// Key, PEM.
    pub key_pem: String,
}

impl Authority {
    /// A new CA.
    pub fn new(name: &str) -> Result<Self, CertificateError> {
        let key = KeyPair::generate()?;
        let params = authority_params(name)?;
        Ok(Self {
            certificate_pem: params.self_signed(&key)?.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// A CA that was made before, under the same name.
    pub fn load(name: &str, certificate_pem: String, key_pem: &str) -> Result<Self, CertificateError> {
        Ok(Self {
            certificate_pem,
            issuer: Issuer::new(authority_params(name)?, KeyPair::from_pem(key_pem)?),
        })
    }

    /// Its certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its key, PEM.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A certificate for `hosts` (names or addresses), and for a holder named by `uri`.
    pub fn leaf(&self, name: &str, hosts: &[String], uri: Option<&str>, days: i64) -> Result<Leaf, CertificateError> {
        let mut params = CertificateParams::new(hosts)?;
        params.distinguished_name.push(DnType::CommonName, name);
        if let Some(uri) = uri {
            params.subject_alt_names.push(SanType::URI(uri.try_into()?));
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, days);
        let key = KeyPair::generate()?;
        Ok(Leaf {
            certificate_pem: params.signed_by(&key, &self.issuer)?.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

fn authority_params(name: &str) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, CA_LIFE_DAYS);
    Ok(params)
}

/// From a day ago, so that clocks may differ, for `days`.
fn set_validity(params: &mut CertificateParams, days: i64) {
    let day = |offset: i64| {
        let time = Timestamp::now() + SignedDuration::from_hours(24 * offset);
        let date = time.to_zoned(TimeZone::UTC).date();
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        rcgen::date_time_ymd(i32::from(date.year()), month, day)
    };
    params.not_before = day(-1);
    params.not_after = day(days);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loaded_authority_signs_like_the_one_that_was_made() {
        let made = Authority::new("confman demo").expect("made");
        let loaded = Authority::load("confman demo", made.certificate_pem().to_owned(), &made.key_pem());
        let loaded = loaded.expect("loaded");
        assert_eq!(made.certificate_pem(), loaded.certificate_pem());
        assert_eq!(made.key_pem(), loaded.key_pem());
        let hosts = ["demo-0.demo-peers.apps.svc".to_owned(), "127.0.0.1".to_owned()];
        let leaf = loaded.leaf("node", &hosts, Some("spiffe://confman.io/1/node"), 30);
        assert!(leaf.expect("signed").certificate_pem.contains("BEGIN CERTIFICATE"));
    }
}
