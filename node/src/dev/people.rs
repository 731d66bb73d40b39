//! The people of dev mode: an issuer of tokens whose key lies beside the data, and which the cluster trusts from the start.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use confman_core::identity::{Identity, Issuer, IssuerKeys, IssuerSubjects, SigningAlgorithm};
use confman_core::principal::{Principal, PrincipalKind};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::kept::kept;
use crate::propose::now;

/// Names of the people, in lower case: admins of `/`, and so of everything.
pub(super) const NAMES: [&str; 2] = ["ada", "bob"];
/// How long a token lasts, in hours.
pub(super) const TOKEN_HOURS: i64 = 8;

const REALM: &str = "dev";
/// Nothing is ever fetched from there: the cluster holds the key.
const URL: &str = "https://dev.confman.invalid";
const AUDIENCE: &str = "confman";
const KEY_ID: &str = "dev";

/// Signs the tokens of Ada and Bob.
pub struct People {
    key: Ed25519KeyPair,
}

impl People {
    /// Those whose key is in `folder`; a new key for an empty one.
    pub fn of(folder: &Path) -> anyhow::Result<Self> {
        let pkcs8 = kept(folder, "people-key", || {
            let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
            let made = made.map_err(|_| anyhow::anyhow!("no randomness for the key that signs tokens"))?;
            Ok(made.as_ref().to_vec())
        })?;
        let key = Ed25519KeyPair::from_pkcs8(&pkcs8);
        let key = key.map_err(|error| anyhow::anyhow!("the file people-key is damaged: {error}"))?;
        Ok(Self { key })
    }

    /// What makes the cluster trust their tokens.
    pub(super) fn identity(&self) -> Identity {
        let public = URL_SAFE_NO_PAD.encode(self.key.public_key());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": KEY_ID, "alg": "EdDSA", "x": public}]});
        Identity {
            issuers: vec![Issuer {
                realm: REALM.to_owned(),
                url: URL.to_owned(),
                audiences: vec![AUDIENCE.to_owned()],
                algorithms: vec![SigningAlgorithm::EdDsa],
                username_claim: "sub".to_owned(),
                groups_claim: None,
                subjects: IssuerSubjects::People,
                keys: IssuerKeys::Inline(keys.to_string()),
                ca_pem: None,
            }],
            ..Identity::default()
        }
    }

    /// As roles name them.
    pub(super) fn principals() -> impl Iterator<Item = Principal> {
        NAMES.into_iter().map(|name| Principal {
            kind: PrincipalKind::User,
            realm: REALM.to_owned(),
            name: name.to_owned(),
        })
    }

    /// A token of `name` that works from now on.
    pub fn token(&self, name: &str) -> String {
        let seconds = now().as_millis() / 1000;
        let end = seconds + TOKEN_HOURS * 3600;
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(&json!({"alg": "EdDSA", "kid": KEY_ID, "typ": "JWT"}));
        let claims = json!({"iss": URL, "aud": AUDIENCE, "sub": name, "iat": seconds, "exp": end});
        let signed = format!("{header}.{}", part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}
