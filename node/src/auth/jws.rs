//! Signed tokens in compact form (RFC 7515), and the public keys that verify them (RFC 7517). Which signatures are possible
//! at all is a closed list of public-key algorithms: there is neither `none` nor a shared secret to confuse one with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use confman_api::limits;
use confman_core::digest::canonical_json_text;
use confman_core::identity::SigningAlgorithm;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Most keys of a set that are looked at.
const MAX_KEYS: usize = 64;
/// Most keys that are tried for a token that does not say which one signed it.
const MAX_TRIES: usize = 8;
/// Longest id of a key in bytes.
const MAX_KEY_ID_BYTES: usize = 256;

/// Why a token is not accepted, before anything it says is looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Longer than [`limits::TOKEN`].
    #[error("the token is longer than {}", limits::TOKEN.text())]
    TooLong,
    /// Not three parts of base64url with JSON in the first two, each member once.
    #[error("the token is not a signed JSON Web Token: {0}")]
    Malformed(&'static str),
    /// Signed in a way that is not allowed, or with a key made for another.
    #[error("the signature algorithm of the token is not allowed")]
    Algorithm,
    /// The set has no such key, but may have it after it was fetched again.
    #[error("the token is signed with a key that its issuer does not publish")]
    UnknownKey,
    /// The signature is not by the key.
    #[error("the signature of the token does not verify")]
    Signature,
}

/// A token that is well formed; nothing of it is verified yet.
#[derive(Debug)]
pub struct Token<'t> {
    algorithm: SigningAlgorithm,
    key_id: Option<String>,
    signed: &'t str,
    signature: Vec<u8>,
    claims: Map<String, Value>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood; none is.
    crit: Option<Value>,
}

impl<'t> Token<'t> {
    /// Takes a token apart.
    pub fn parse(text: &'t str) -> Result<Self, JwsError> {
        if text.len() > limits::TOKEN.value {
            return Err(JwsError::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(JwsError::Malformed("it has no parts"))?;
        let (header, payload) = signed
            .split_once('.')
            .filter(|(_, payload)| !payload.contains('.'))
            .ok_or(JwsError::Malformed("it does not have three parts"))?;
        let header: Header = serde_json::from_value(Value::Object(json(header)?))
            .map_err(|_| JwsError::Malformed("its header has no algorithm as text"))?;
        if header.crit.is_some() {
            return Err(JwsError::Malformed("its header asks for an extension"));
        }
        if header.kid.as_ref().is_some_and(|id| id.len() > MAX_KEY_ID_BYTES) {
            return Err(JwsError::Malformed("the id of its key is too long"));
        }
        Ok(Self {
            algorithm: algorithm(&header.alg).ok_or(JwsError::Algorithm)?,
            key_id: header.kid,
            signed,
            signature: bytes(signature)?,
            claims: json(payload)?,
        })
    }

    /// What it says about a claim, which nobody vouches for yet.
    pub fn unverified(&self, claim: &str) -> Option<&Value> {
        self.claims.get(claim)
    }

    /// What it says, once a key of `keys` vouches for it by an algorithm of `allowed`.
    pub fn verify(&self, allowed: &[SigningAlgorithm], keys: &KeySet) -> Result<&Map<String, Value>, JwsError> {
        if !allowed.contains(&self.algorithm) {
            return Err(JwsError::Algorithm);
        }
        let named: Vec<&PublicKey> = match &self.key_id {
            Some(id) => keys.keys.iter().filter(|key| key.id.as_ref() == Some(id)).collect(),
            None => keys.keys.iter().collect(),
        };
        if named.is_empty() {
            return Err(JwsError::UnknownKey);
        }
        let fitting: Vec<_> = named.into_iter().filter(|key| key.fits(self.algorithm)).collect();
        if fitting.is_empty() {
            return Err(JwsError::Algorithm);
        }
        let message = self.signed.as_bytes();
        let verifies = |key: &&PublicKey| key.material.verifies(self.algorithm, message, &self.signature);
        if fitting.iter().copied().take(MAX_TRIES).any(|key| verifies(&key)) {
            return Ok(&self.claims);
        }
        Err(JwsError::Signature)
    }
}

/// The name of an algorithm, exactly as registered; what is not in the list does not exist.
fn algorithm(name: &str) -> Option<SigningAlgorithm> {
    serde_json::from_value(Value::String(name.to_owned())).ok()
}

fn bytes(part: &str) -> Result<Vec<u8>, JwsError> {
    let decoded = URL_SAFE_NO_PAD.decode(part);
    decoded.map_err(|_| JwsError::Malformed("a part is not base64url"))
}

/// JSON in which no member is there twice, so that nobody reads another one.
fn json(part: &str) -> Result<Map<String, Value>, JwsError> {
    let text = String::from_utf8(bytes(part)?).map_err(|_| JwsError::Malformed("a part is not UTF-8"))?;
    let strict =
        canonical_json_text(&text).map_err(|_| JwsError::Malformed("a part is not JSON, or has a member twice"))?;
    match serde_json::from_str(&strict) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) | Err(_) => Err(JwsError::Malformed("a part is not a JSON object")),
    }
}

/// The public keys of an issuer that can verify a signature.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

#[derive(Debug)]
struct PublicKey {
    id: Option<String>,
    /// The only algorithm the key is for, where the set says so.
    only: Option<String>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// A text that is no set of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no usable public key in the JWKS")]
pub struct KeySetError;

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a JWKS; keys of unknown kinds, for encryption, or symmetric ones are passed over.
    pub fn parse(text: &str) -> Result<Self, KeySetError> {
        let jwks: Jwks = serde_json::from_str(text).map_err(|_| KeySetError)?;
        let keys: Vec<_> = jwks.keys.into_iter().filter_map(public_key).take(MAX_KEYS).collect();
        if keys.is_empty() {
            return Err(KeySetError);
        }
        Ok(Self { keys })
    }
}

fn public_key(value: Value) -> Option<PublicKey> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    if jwk.r#use.as_deref().is_some_and(|usage| usage != "sig") {
        return None;
    }
    let part = |part: &Option<String>| bytes(part.as_deref()?).ok();
    let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => Material::Rsa {
            modulus: without_leading_zeros(part(&jwk.n)?),
            exponent: without_leading_zeros(part(&jwk.e)?),
        },
        ("EC", Some("P-256")) => Material::P256(point(&part(&jwk.x)?, &part(&jwk.y)?, 32)?),
        ("EC", Some("P-384")) => Material::P384(point(&part(&jwk.x)?, &part(&jwk.y)?, 48)?),
        ("OKP", Some("Ed25519")) => Material::Ed25519(part(&jwk.x)?),
        _ => return None,
    };
    Some(PublicKey {
        id: jwk.kid,
        only: jwk.alg,
        material,
    })
}

fn without_leading_zeros(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().skip_while(|byte| *byte == 0).collect()
}

/// An uncompressed point (SEC 1, section 2.3.3).
fn point(x: &[u8], y: &[u8], size: usize) -> Option<Vec<u8>> {
    (x.len() == size && y.len() == size).then(|| [&[4], x, y].concat())
}

impl PublicKey {
    fn fits(&self, algorithm: SigningAlgorithm) -> bool {
        let meant = self
            .only
            .as_deref()
            .is_none_or(|only| self::algorithm(only) == Some(algorithm));
        meant && self.material.fits(algorithm)
    }
}

impl Material {
    fn fits(&self, algorithm: SigningAlgorithm) -> bool {
        match algorithm {
            SigningAlgorithm::Rs256
            | SigningAlgorithm::Rs384
            | SigningAlgorithm::Rs512
            | SigningAlgorithm::Ps256
            | SigningAlgorithm::Ps384
            | SigningAlgorithm::Ps512 => matches!(self, Self::Rsa { .. }),
            SigningAlgorithm::Es256 => matches!(self, Self::P256(_)),
            SigningAlgorithm::Es384 => matches!(self, Self::P384(_)),
            SigningAlgorithm::EdDsa => matches!(self, Self::Ed25519(_)),
        }
    }

    fn verifies(&self, algorithm: SigningAlgorithm, message: &[u8], signed: &[u8]) -> bool {
        let raw = |how: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(how, key).verify(message, signed).is_ok()
        };
        match self {
            Self::Rsa { modulus, exponent } => {
                let key = RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                rsa(algorithm).is_some_and(|how| key.verify(how, message, signed).is_ok())
            }
            Self::P256(key) => algorithm == SigningAlgorithm::Es256 && raw(&signature::ECDSA_P256_SHA256_FIXED, key),
            Self::P384(key) => algorithm == SigningAlgorithm::Es384 && raw(&signature::ECDSA_P384_SHA384_FIXED, key),
            Self::Ed25519(key) => algorithm == SigningAlgorithm::EdDsa && raw(&signature::ED25519, key),
        }
    }
}

/// Each asks for a modulus of 2048 bits or more.
fn rsa(algorithm: SigningAlgorithm) -> Option<&'static signature::RsaParameters> {
    match algorithm {
        SigningAlgorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        SigningAlgorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        SigningAlgorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        SigningAlgorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        SigningAlgorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        SigningAlgorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        SigningAlgorithm::Es256 | SigningAlgorithm::Es384 | SigningAlgorithm::EdDsa => None,
    }
}
