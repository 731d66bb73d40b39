//! Digests and stamps that another program computed: whoever agrees with these files agrees with us.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use confman_core::cluster::StampKey;
use confman_core::digest::{Content, Digest, canonical_json_text, content_digest, governance_digest, spec_digest};
use confman_core::ids::{ClusterId, ConfigKey, NamespacePath, Timestamp};
use confman_core::namespace::Governance;
use confman_core::publish_request::{Operation, RequestSpec};
use confman_core::stamp::{
    GovernanceStatement, RequesterStatement, ReviewStatement, Signed, StampKeyStatement, Statement, stamp_digest,
};
use confman_core::value::ConfigValue;
use ed25519_dalek::SigningKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;

const DIGESTS: &str = include_str!("../../../api/testdata/digest-vectors.json");
const STAMPS: &str = include_str!("../../../api/testdata/stamp-vectors.json");

#[derive(Deserialize)]
struct Digests {
    canonical: Vec<Canonical>,
    values: Vec<Value>,
    contents: Vec<Contents>,
    specs: Vec<Spec>,
    governances: Vec<Governed>,
}

#[derive(Deserialize)]
struct Canonical {
    text: String,
    canonical: String,
}

#[derive(Deserialize)]
struct Value {
    value: ConfigValue,
    digest: Digest,
}

#[derive(Deserialize)]
struct Contents {
    content: OwnedContent,
    digest: Digest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OwnedContent {
    cluster_id: ClusterId,
    namespace: NamespacePath,
    key: ConfigKey,
    operation: Operation,
    value_digest: Option<Digest>,
    base_version: u64,
}

#[derive(Deserialize)]
struct Spec {
    spec: RequestSpec,
    digest: Digest,
}

#[derive(Deserialize)]
struct Governed {
    governance: Governance,
    digest: Digest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signatures {
    seed_hex: String,
    public_key: String,
    stamps: Vec<Stamp>,
}

#[derive(Deserialize)]
struct Stamp {
    kind: String,
    signed: serde_json::Value,
    message: String,
    digest: Digest,
}

fn digests() -> Digests {
    serde_json::from_str(DIGESTS).expect("the file has the shape above")
}

#[test]
fn canonical_json_is_that_of_the_standard() {
    for vector in digests().canonical {
        assert_eq!(canonical_json_text(&vector.text).as_ref(), Ok(&vector.canonical));
    }
}

#[test]
fn value_digests_are_those_of_the_file() {
    for vector in digests().values {
        assert_eq!(vector.value.digest(), vector.digest, "{:?}", vector.value);
    }
}

#[test]
fn content_digests_are_those_of_the_file() {
    for Contents { content, digest } in digests().contents {
        let computed = content_digest(&Content {
            cluster_id: &content.cluster_id,
            namespace: &content.namespace,
            key: &content.key,
            operation: content.operation,
            value_digest: content.value_digest,
            base_version: content.base_version,
            to_version: None,
        });
        assert_eq!(computed, digest, "{} in {}", content.key, content.namespace);
    }
}

#[test]
fn spec_digests_are_those_of_the_file() {
    for vector in digests().specs {
        assert_eq!(spec_digest(&vector.spec), vector.digest, "{:?}", vector.spec);
    }
}

#[test]
fn governance_digests_are_those_of_the_file() {
    for vector in digests().governances {
        assert_eq!(governance_digest(&vector.governance), vector.digest);
    }
}

#[test]
fn stamps_are_those_of_the_file() {
    let vectors: Signatures = serde_json::from_str(STAMPS).expect("the file has the shape above");
    let seed: Vec<u8> = (0..32).collect();
    let hex = seed
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    assert_eq!(vectors.seed_hex, hex);
    let signing = SigningKey::from_bytes(&seed.try_into().expect("32 bytes"));
    let public = STANDARD.decode(&vectors.public_key).expect("base64");
    let mut kinds = Vec::new();
    for stamp in &vectors.stamps {
        kinds.push(stamp.kind.as_str());
        match stamp.kind.as_str() {
            RequesterStatement::KIND => check::<RequesterStatement>(stamp, &signing, &public),
            ReviewStatement::KIND => check::<ReviewStatement>(stamp, &signing, &public),
            GovernanceStatement::KIND => check::<GovernanceStatement>(stamp, &signing, &public),
            StampKeyStatement::KIND => check::<StampKeyStatement>(stamp, &signing, &public),
            other => unreachable!("there are no {other}"),
        }
    }
    kinds.dedup();
    assert_eq!(kinds.len(), 4, "one of each kind: {kinds:?}");
}

fn check<S: Statement + DeserializeOwned>(stamp: &Stamp, signing: &SigningKey, public: &[u8]) {
    let signed: Signed<S> = serde_json::from_value(stamp.signed.clone()).expect("a stamp of this kind");
    let key = StampKey {
        key_id: signed.key_id.clone(),
        public_key: public.to_vec(),
        not_after: Timestamp::default(),
    };
    assert_eq!(signed.verify(&key), Ok(()), "{}", stamp.kind);
    assert_eq!(stamp_digest(&signed), stamp.digest, "{}", stamp.kind);
    assert_eq!(signed.statement.message(), stamp.message.as_bytes(), "{}", stamp.kind);
    // Ed25519 is deterministic (RFC 8032 section 5.1.6).
    let again = Signed::sign(signed.statement, &signed.key_id, signing);
    assert_eq!(again.signature, signed.signature, "{}", stamp.kind);
}
