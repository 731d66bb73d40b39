//! Stamps: what the admission service signs, and how every replica verifies it.
//!
//! A stamp is an Ed25519 signature (RFC 8032, strict verification) over the canonical JSON of a statement, prefixed by
//! the statement's kind, so that a stamp of one kind never passes for another.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::cluster::StampKey;
use crate::digest::{Digest, canonical_json};
use crate::ids::{ClusterId, NamespacePath, Timestamp};
use crate::principal::{Actor, Principal};
use crate::publish_request::Decision;

/// A user as the Kubernetes API server authenticated it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StampedUser {
    /// `userInfo.username`, at most 256 bytes.
    pub username: String,
    /// `userInfo.uid`, where there is one.
    #[serde(default)]
    pub uid: Option<String>,
    /// `userInfo.groups` without `system:*`, sorted, at most 64.
    #[serde(default)]
    pub groups: Vec<String>,
}

impl StampedUser {
    /// Most groups that a stamp carries.
    pub const MAX_GROUPS: usize = 64;

    /// The principal and groups that roles are granted to.
    pub fn actor(&self) -> Actor {
        Actor {
            principal: Principal::from_kubernetes_username(&self.username),
            groups: self.groups.iter().map(|group| Principal::group(group)).collect(),
            ip: None,
        }
    }
}

/// Something that can be signed.
pub trait Statement: Serialize + Sized {
    /// Domain of the signature; stable.
    const KIND: &'static str;

    /// The bytes that are signed: kind, newline, canonical JSON.
    fn message(&self) -> Vec<u8> {
        format!("{}\n{}", Self::KIND, canonical_json(self)).into_bytes()
    }
}

/// Who created a `PublishRequest` object. On creation an object has no UID yet, so a nonce makes it single-use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequesterStatement {
    /// The cluster the object's `ConfigNamespace` belongs to.
    pub cluster_id: ClusterId,
    /// Kubernetes namespace of the object.
    pub kubernetes_namespace: String,
    /// Name of the object.
    pub name: String,
    /// [`crate::digest::spec_digest`] of the spec.
    pub spec_digest: Digest,
    /// Who.
    pub user: StampedUser,
    /// 32 hex digits, random.
    pub nonce: String,
    /// When.
    pub time: Timestamp,
}

impl Statement for RequesterStatement {
    const KIND: &'static str = "confman.io/requester-stamp/v1";
}

/// Who decided what about a `PublishRequest` object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReviewStatement {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// UID of the object: the request id.
    pub object_uid: String,
    /// User name of the requester, as in the object.
    pub requester: String,
    /// Content digest under review.
    pub digest: Digest,
    /// Who.
    pub user: StampedUser,
    /// What.
    pub decision: Decision,
    /// Why, at most 2 KiB.
    #[serde(default)]
    pub comment: Option<String>,
    /// When.
    pub time: Timestamp,
}

impl ReviewStatement {
    /// Longest comment in bytes.
    pub const MAX_COMMENT_BYTES: usize = 2048;
}

impl Statement for ReviewStatement {
    const KIND: &'static str = "confman.io/review-stamp/v1";
}

/// Who asked for the governance fields of a `ConfigNamespace` object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GovernanceStatement {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// Kubernetes namespace of the object.
    pub kubernetes_namespace: String,
    /// Name of the object.
    pub name: String,
    /// Path it declares.
    pub path: NamespacePath,
    /// [`crate::digest::governance_digest`] of the fields.
    pub governance_digest: Digest,
    /// [`stamp_digest`] of the stamp it follows; none on creation. Prevents the replay of an older, laxer spec.
    #[serde(default)]
    pub previous: Option<Digest>,
    /// Who.
    pub user: StampedUser,
    /// When.
    pub time: Timestamp,
}

impl Statement for GovernanceStatement {
    const KIND: &'static str = "confman.io/governance-stamp/v1";
}

/// A new stamp key, vouched for by a current one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StampKeyStatement {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// The new key.
    pub key: StampKey,
}

impl Statement for StampKeyStatement {
    const KIND: &'static str = "confman.io/stamp-key/v1";
}

/// A statement with its signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signed<S> {
    /// What was signed.
    pub statement: S,
    /// Id of the key that signed.
    pub key_id: String,
    /// 64 bytes, base64 in JSON.
    #[serde(with = "base64_bytes")]
    pub signature: Vec<u8>,
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StampError {
    /// The public key is no Ed25519 point.
    #[error("the stamp key is not a valid Ed25519 key")]
    BadKey,
    /// The signature is not 64 bytes, or does not verify.
    #[error("the signature does not verify")]
    BadSignature,
}

impl<S: Statement> Signed<S> {
    /// Signs `statement`.
    pub fn sign(statement: S, key_id: &str, key: &SigningKey) -> Self {
        let signature = key.sign(&statement.message()).to_bytes().to_vec();
        Self {
            statement,
            key_id: key_id.to_owned(),
            signature,
        }
    }

    /// Verifies the signature under `key`; says nothing about what the statement binds.
    pub fn verify(&self, key: &StampKey) -> Result<(), StampError> {
        let bytes = key.public_key.as_slice().try_into().map_err(|_| StampError::BadKey)?;
        let public = VerifyingKey::from_bytes(bytes).map_err(|_| StampError::BadKey)?;
        let signature = Signature::from_slice(&self.signature).map_err(|_| StampError::BadSignature)?;
        public
            .verify_strict(&self.statement.message(), &signature)
            .map_err(|_| StampError::BadSignature)
    }
}

/// Digest of a whole stamp, signature included: what the next governance stamp names as `previous`.
pub fn stamp_digest<S: Statement>(signed: &Signed<S>) -> Digest {
    let mut bytes = signed.statement.message();
    bytes.extend_from_slice(&signed.signature);
    Digest::of(&bytes)
}

/// Bytes as standard base64 in JSON.
pub mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    /// Writes base64.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    /// Reads base64.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD
            .decode(String::deserialize(deserializer)?)
            .map_err(D::Error::custom)
    }
}
