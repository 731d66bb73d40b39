//! Stamps as messages: the statement, the key that signed, the signature.

use confman_core::publish_request::Decision;
use confman_core::stamp::{
    GovernanceStatement, RequesterStatement, ReviewStatement, Signed, StampKeyStatement, StampedUser,
};

use super::CodecError;
use super::cluster::StampKeyBody;
use super::field::{Tagged, digest, digest_bytes, id, optional_digest, required, tags, time};

tags!(Decision, "decision": Approve = 1, Reject = 2, Withdraw = 3, Publish = 4);

/// A [`StampedUser`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct StampedUserBody {
    #[prost(string, tag = "1")]
    username: String,
    #[prost(string, optional, tag = "2")]
    uid: Option<String>,
    #[prost(string, repeated, tag = "3")]
    groups: Vec<String>,
}

impl From<&StampedUser> for StampedUserBody {
    fn from(user: &StampedUser) -> Self {
        let StampedUser { username, uid, groups } = user;
        Self {
            username: username.clone(),
            uid: uid.clone(),
            groups: groups.clone(),
        }
    }
}

impl From<StampedUserBody> for StampedUser {
    fn from(body: StampedUserBody) -> Self {
        let StampedUserBody { username, uid, groups } = body;
        Self { username, uid, groups }
    }
}

/// A signed [`RequesterStatement`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct SignedRequesterBody {
    #[prost(string, tag = "1")]
    key_id: String,
    #[prost(bytes = "vec", tag = "2")]
    signature: Vec<u8>,
    #[prost(string, tag = "3")]
    cluster_id: String,
    #[prost(string, tag = "4")]
    kubernetes_namespace: String,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(bytes = "vec", tag = "6")]
    spec_digest: Vec<u8>,
    #[prost(message, optional, tag = "7")]
    user: Option<StampedUserBody>,
    #[prost(string, tag = "8")]
    nonce: String,
    #[prost(int64, tag = "9")]
    time: i64,
}

impl From<&Signed<RequesterStatement>> for SignedRequesterBody {
    fn from(signed: &Signed<RequesterStatement>) -> Self {
        let Signed {
            statement,
            key_id,
            signature,
        } = signed;
        let RequesterStatement {
            cluster_id,
            kubernetes_namespace,
            name,
            spec_digest,
            user,
            nonce,
            time,
        } = statement;
        Self {
            key_id: key_id.clone(),
            signature: signature.clone(),
            cluster_id: cluster_id.to_string(),
            kubernetes_namespace: kubernetes_namespace.clone(),
            name: name.clone(),
            spec_digest: digest_bytes(*spec_digest),
            user: Some(user.into()),
            nonce: nonce.clone(),
            time: time.as_millis(),
        }
    }
}

impl TryFrom<SignedRequesterBody> for Signed<RequesterStatement> {
    type Error = CodecError;
    fn try_from(body: SignedRequesterBody) -> Result<Self, CodecError> {
        Ok(Self {
            statement: RequesterStatement {
                cluster_id: id(&body.cluster_id, "requester.clusterId")?,
                kubernetes_namespace: body.kubernetes_namespace,
                name: body.name,
                spec_digest: digest(&body.spec_digest, "requester.specDigest")?,
                user: required(body.user, "requester.user")?.into(),
                nonce: body.nonce,
                time: time(body.time),
            },
            key_id: body.key_id,
            signature: body.signature,
        })
    }
}

/// A signed [`ReviewStatement`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct SignedReviewBody {
    #[prost(string, tag = "1")]
    key_id: String,
    #[prost(bytes = "vec", tag = "2")]
    signature: Vec<u8>,
    #[prost(string, tag = "3")]
    cluster_id: String,
    #[prost(string, tag = "4")]
    object_uid: String,
    #[prost(string, tag = "5")]
    requester: String,
    #[prost(bytes = "vec", tag = "6")]
    digest: Vec<u8>,
    #[prost(message, optional, tag = "7")]
    user: Option<StampedUserBody>,
    #[prost(uint32, tag = "8")]
    decision: u32,
    #[prost(string, optional, tag = "9")]
    comment: Option<String>,
    #[prost(int64, tag = "10")]
    time: i64,
}

impl From<&Signed<ReviewStatement>> for SignedReviewBody {
    fn from(signed: &Signed<ReviewStatement>) -> Self {
        let Signed {
            statement,
            key_id,
            signature,
        } = signed;
        let ReviewStatement {
            cluster_id,
            object_uid,
            requester,
            digest,
            user,
            decision,
            comment,
            time,
        } = statement;
        Self {
            key_id: key_id.clone(),
            signature: signature.clone(),
            cluster_id: cluster_id.to_string(),
            object_uid: object_uid.clone(),
            requester: requester.clone(),
            digest: digest_bytes(*digest),
            user: Some(user.into()),
            decision: decision.tag(),
            comment: comment.clone(),
            time: time.as_millis(),
        }
    }
}

impl TryFrom<SignedReviewBody> for Signed<ReviewStatement> {
    type Error = CodecError;
    fn try_from(body: SignedReviewBody) -> Result<Self, CodecError> {
        Ok(Self {
            statement: ReviewStatement {
                cluster_id: id(&body.cluster_id, "review.clusterId")?,
                object_uid: body.object_uid,
                requester: body.requester,
                digest: digest(&body.digest, "review.digest")?,
                user: required(body.user, "review.user")?.into(),
                decision: Decision::from_tag(body.decision)?,
                comment: body.comment,
                time: time(body.time),
            },
            key_id: body.key_id,
            signature: body.signature,
        })
    }
}

/// A signed [`GovernanceStatement`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct SignedGovernanceBody {
    #[prost(string, tag = "1")]
    key_id: String,
    #[prost(bytes = "vec", tag = "2")]
    signature: Vec<u8>,
    #[prost(string, tag = "3")]
    cluster_id: String,
    #[prost(string, tag = "4")]
    kubernetes_namespace: String,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(string, tag = "6")]
    path: String,
    #[prost(bytes = "vec", tag = "7")]
    governance_digest: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "8")]
    previous: Option<Vec<u8>>,
    #[prost(message, optional, tag = "9")]
    user: Option<StampedUserBody>,
    #[prost(int64, tag = "10")]
    time: i64,
}

impl From<&Signed<GovernanceStatement>> for SignedGovernanceBody {
    fn from(signed: &Signed<GovernanceStatement>) -> Self {
        let Signed {
            statement,
            key_id,
            signature,
        } = signed;
        let GovernanceStatement {
            cluster_id,
            kubernetes_namespace,
            name,
            path,
            governance_digest,
            previous,
            user,
            time,
        } = statement;
        Self {
            key_id: key_id.clone(),
            signature: signature.clone(),
            cluster_id: cluster_id.to_string(),
            kubernetes_namespace: kubernetes_namespace.clone(),
            name: name.clone(),
            path: path.to_string(),
            governance_digest: digest_bytes(*governance_digest),
            previous: previous.map(digest_bytes),
            user: Some(user.into()),
            time: time.as_millis(),
        }
    }
}

impl TryFrom<SignedGovernanceBody> for Signed<GovernanceStatement> {
    type Error = CodecError;
    fn try_from(body: SignedGovernanceBody) -> Result<Self, CodecError> {
        Ok(Self {
            statement: GovernanceStatement {
                cluster_id: id(&body.cluster_id, "governance.clusterId")?,
                kubernetes_namespace: body.kubernetes_namespace,
                name: body.name,
                path: id(&body.path, "governance.path")?,
                governance_digest: digest(&body.governance_digest, "governance.governanceDigest")?,
                previous: optional_digest(body.previous.as_deref(), "governance.previous")?,
                user: required(body.user, "governance.user")?.into(),
                time: time(body.time),
            },
            key_id: body.key_id,
            signature: body.signature,
        })
    }
}

/// A signed [`StampKeyStatement`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct SignedStampKeyBody {
    #[prost(string, tag = "1")]
    key_id: String,
    #[prost(bytes = "vec", tag = "2")]
    signature: Vec<u8>,
    #[prost(string, tag = "3")]
    cluster_id: String,
    #[prost(message, optional, tag = "4")]
    key: Option<StampKeyBody>,
}

impl From<&Signed<StampKeyStatement>> for SignedStampKeyBody {
    fn from(signed: &Signed<StampKeyStatement>) -> Self {
        let Signed {
            statement,
            key_id,
            signature,
        } = signed;
        let StampKeyStatement { cluster_id, key } = statement;
        Self {
            key_id: key_id.clone(),
            signature: signature.clone(),
            cluster_id: cluster_id.to_string(),
            key: Some(key.into()),
        }
    }
}

impl TryFrom<SignedStampKeyBody> for Signed<StampKeyStatement> {
    type Error = CodecError;
    fn try_from(body: SignedStampKeyBody) -> Result<Self, CodecError> {
        Ok(Self {
            statement: StampKeyStatement {
                cluster_id: id(&body.cluster_id, "stampKey.clusterId")?,
                key: required(body.key, "stampKey.key")?.try_into()?,
            },
            key_id: body.key_id,
            signature: body.signature,
        })
    }
}
