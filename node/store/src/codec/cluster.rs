//! The cluster record, stamp keys and used nonces as messages.

use confman_core::cluster::{ClusterRecord, StampKey};
use confman_core::identity::Identity;
use confman_core::ids::RequestId;

use super::document::{DocumentBody, read_optional};
use super::field::{id, time};
use super::{CodecError, Kind, Record};

/// A [`ClusterRecord`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct ClusterRecordBody {
    #[prost(string, tag = "1")]
    cluster_id: String,
    #[prost(string, tag = "2")]
    kubernetes_namespace: String,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(int64, tag = "4")]
    initialised_at: i64,
    #[prost(message, optional, tag = "5")]
    identity: Option<DocumentBody>,
    #[prost(message, repeated, tag = "6")]
    recoveries: Vec<DocumentBody>,
}

impl Record for ClusterRecord {
    const KIND: Kind = Kind::ClusterRecord;
    type Body = ClusterRecordBody;

    fn to_body(&self) -> ClusterRecordBody {
        let Self {
            cluster_id,
            kubernetes_namespace,
            name,
            initialised_at,
            identity,
            recoveries,
        } = self;
        ClusterRecordBody {
            cluster_id: cluster_id.to_string(),
            kubernetes_namespace: kubernetes_namespace.clone(),
            name: name.clone(),
            initialised_at: initialised_at.as_millis(),
            identity: (*identity != Identity::default()).then(|| DocumentBody::of(identity)),
            recoveries: recoveries.iter().map(DocumentBody::of).collect(),
        }
    }

    fn from_body(body: ClusterRecordBody) -> Result<Self, CodecError> {
        let ClusterRecordBody {
            cluster_id,
            kubernetes_namespace,
            name,
            initialised_at,
            identity,
            recoveries,
        } = body;
        Ok(Self {
            cluster_id: id(&cluster_id, "cluster.clusterId")?,
            kubernetes_namespace,
            name,
            initialised_at: time(initialised_at),
            identity: read_optional(identity.as_ref(), "cluster.identity")?.unwrap_or_default(),
            recoveries: recoveries
                .iter()
                .map(|recovery| recovery.read("cluster.recoveries"))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// A [`StampKey`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct StampKeyBody {
    #[prost(string, tag = "1")]
    key_id: String,
    #[prost(bytes = "vec", tag = "2")]
    public_key: Vec<u8>,
    #[prost(int64, tag = "3")]
    not_after: i64,
}

impl From<&StampKey> for StampKeyBody {
    fn from(key: &StampKey) -> Self {
        let StampKey {
            key_id,
            public_key,
            not_after,
        } = key;
        Self {
            key_id: key_id.clone(),
            public_key: public_key.clone(),
            not_after: not_after.as_millis(),
        }
    }
}

impl TryFrom<StampKeyBody> for StampKey {
    type Error = CodecError;
    fn try_from(body: StampKeyBody) -> Result<Self, CodecError> {
        let StampKeyBody {
            key_id,
            public_key,
            not_after,
        } = body;
        Ok(Self {
            key_id,
            public_key,
            not_after: time(not_after),
        })
    }
}

impl Record for StampKey {
    const KIND: Kind = Kind::StampKey;
    type Body = StampKeyBody;

    fn to_body(&self) -> StampKeyBody {
        self.into()
    }

    fn from_body(body: StampKeyBody) -> Result<Self, CodecError> {
        body.try_into()
    }
}

/// Who used a nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonceUse {
    /// The request.
    pub request_id: RequestId,
}

/// A [`NonceUse`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct NonceUseBody {
    #[prost(string, tag = "1")]
    request_id: String,
}

impl Record for NonceUse {
    const KIND: Kind = Kind::NonceUse;
    type Body = NonceUseBody;

    fn to_body(&self) -> NonceUseBody {
        let Self { request_id } = self;
        NonceUseBody {
            request_id: request_id.to_string(),
        }
    }

    fn from_body(body: NonceUseBody) -> Result<Self, CodecError> {
        let NonceUseBody { request_id } = body;
        Ok(Self {
            request_id: id(&request_id, "nonce.requestId")?,
        })
    }
}
