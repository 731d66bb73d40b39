//! Tests of [`super`].

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};

use super::*;
use crate::propose::now;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names are valid names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().expect("a key can be made");
    CertifiedIssuer::self_signed(params, key).expect("the CA can sign itself")
}

fn person(name: &str, organisations: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names are valid names");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    for organisation in organisations {
        params.distinguished_name.push(DnType::OrganizationName, *organisation);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn signed(params: &CertificateParams, authority: &Authority) -> Chain {
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = params.signed_by(&key, authority).expect("the CA can sign");
    Arc::new([certificate.der().clone()])
}

fn trusting(authority: &Authority) -> PeopleCa {
    let people = PeopleCa::default();
    people.set(Some(&authority.pem()));
    people
}

#[test]
fn a_certificate_of_the_trusted_ca_names_a_person_and_their_groups() {
    let authority = authority();
    let chain = signed(&person("ada", &["team-a"]), &authority);
    let holder = trusting(&authority)
        .authenticate(&chain, now())
        .expect("a good certificate");
    assert_eq!(holder.login.principal.to_string(), "user:mtls/ada");
    let groups: Vec<_> = holder.login.groups.iter().map(ToString::to_string).collect();
    assert_eq!(groups, ["group:mtls/team-a"]);
    assert!(holder.expires_at > now());
}

#[test]
fn a_certificate_that_is_not_of_a_person_or_not_valid_logs_nobody_in() {
    let (authority, foreign) = (authority(), self::authority());
    let people = trusting(&authority);
    let refused = |what: &str, chain: Chain| {
        let error = people.authenticate(&chain, now()).expect_err(what);
        assert_ne!(error, CertificateProblem::NotConfigured, "{what}");
    };
    refused("of a foreign CA", signed(&person("ada", &[]), &foreign));
    let mut old = person("ada", &[]);
    old.not_before = rcgen::date_time_ymd(2001, 1, 1);
    old.not_after = rcgen::date_time_ymd(2002, 1, 1);
    refused("expired", signed(&old, &authority));
    let mut early = person("ada", &[]);
    early.not_before = rcgen::date_time_ymd(4000, 1, 1);
    refused("not valid yet", signed(&early, &authority));
    let mut server = person("ada", &[]);
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    refused("for servers", signed(&server, &authority));
    refused("with an empty name", signed(&person("", &[]), &authority));
    refused(
        "with a line break in its name",
        signed(&person("a\nb", &[]), &authority),
    );
    refused("with a long name", signed(&person(&"a".repeat(257), &[]), &authority));
    let mut nameless = person("ada", &[]);
    nameless.distinguished_name = rcgen::DistinguishedName::new();
    refused("without a name", signed(&nameless, &authority));
    let mut courier = person("ada", &[]);
    let uri = "spiffe://confman.io/some-cluster/courier".try_into().expect("ASCII");
    courier.subject_alt_names = vec![SanType::URI(uri)];
    refused("of a part of a cluster", signed(&courier, &authority));
    refused("that is none", Arc::new([CertificateDer::from(vec![0; 64])]));
    refused("that is not there", Arc::new([]));
}

#[test]
fn nobody_has_a_certificate_where_no_ca_is_trusted() {
    let authority = authority();
    let chain = signed(&person("ada", &[]), &authority);
    let people = PeopleCa::default();
    assert_eq!(
        people.authenticate(&chain, now()),
        Err(CertificateProblem::NotConfigured)
    );
    people.set(Some(&authority.pem()));
    assert!(people.authenticate(&chain, now()).is_ok(), "as soon as it is trusted");
    people.set(None);
    assert_eq!(
        people.authenticate(&chain, now()),
        Err(CertificateProblem::NotConfigured)
    );
}
