//! Values, entries, versions and the row of a live value as messages.

use confman_core::entry::{ConfigEntry, EntryMeta, Version};
use confman_core::value::{ConfigValue, Protection, ValueType};

use super::document::{DocumentBody, read_optional};
use super::field::{
    PositionBody, Tagged, digest, digest_bytes, id, optional, optional_digest, optional_id, parsed, repeated, required,
    tags, time,
};
use super::principal::PrincipalBody;
use super::{CodecError, Kind, Record};

tags!(ValueType, "value type": String = 1, Number = 2, Boolean = 3, Null = 4, Json = 5, Binary = 6, SecretRef = 7);

/// A [`ConfigValue`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct ValueBody {
    #[prost(uint32, tag = "1")]
    value_type: u32,
    #[prost(bytes = "vec", tag = "2")]
    canonical: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    protection: Option<ProtectionBody>,
}

/// A [`Protection`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct ProtectionBody {
    #[prost(string, tag = "1")]
    key_id: String,
    #[prost(bytes = "vec", tag = "2")]
    digest: Vec<u8>,
    #[prost(bool, tag = "3")]
    is_sealed: bool,
}

impl From<&Protection> for ProtectionBody {
    fn from(protection: &Protection) -> Self {
        let Protection {
            key_id,
            digest,
            is_sealed,
        } = protection;
        Self {
            key_id: key_id.clone(),
            digest: digest_bytes(*digest),
            is_sealed: *is_sealed,
        }
    }
}

impl TryFrom<ProtectionBody> for Protection {
    type Error = CodecError;
    fn try_from(body: ProtectionBody) -> Result<Self, CodecError> {
        Ok(Self {
            key_id: body.key_id,
            digest: digest(&body.digest, "value.protection.digest")?,
            is_sealed: body.is_sealed,
        })
    }
}

impl From<&ConfigValue> for ValueBody {
    fn from(value: &ConfigValue) -> Self {
        Self {
            value_type: value.value_type().tag(),
            canonical: value.canonical_bytes().to_vec(),
            protection: value.protection().map(Into::into),
        }
    }
}

impl TryFrom<ValueBody> for ConfigValue {
    type Error = CodecError;
    fn try_from(body: ValueBody) -> Result<Self, CodecError> {
        let ValueBody {
            value_type,
            canonical,
            protection,
        } = body;
        let parts = Self::from_parts(ValueType::from_tag(value_type)?, canonical, optional(protection)?);
        parsed(parts, "value.canonical")
    }
}

/// A [`ConfigEntry`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct ConfigEntryBody {
    #[prost(string, tag = "1")]
    namespace: String,
    #[prost(string, tag = "2")]
    key: String,
    #[prost(uint64, optional, tag = "3")]
    live: Option<u64>,
    #[prost(uint64, tag = "4")]
    last_version: u64,
    #[prost(uint64, tag = "5")]
    oldest_version: u64,
    #[prost(message, optional, tag = "6")]
    meta: Option<DocumentBody>,
    #[prost(uint64, tag = "7")]
    rotation_noted: u64,
}

impl Record for ConfigEntry {
    const KIND: Kind = Kind::ConfigEntry;
    type Body = ConfigEntryBody;

    fn to_body(&self) -> ConfigEntryBody {
        let Self {
            namespace,
            key,
            live,
            last_version,
            oldest_version,
            meta,
            rotation_noted,
        } = self;
        ConfigEntryBody {
            namespace: namespace.to_string(),
            key: key.to_string(),
            live: *live,
            last_version: *last_version,
            oldest_version: *oldest_version,
            meta: (*meta != EntryMeta::default()).then(|| DocumentBody::of(meta)),
            rotation_noted: *rotation_noted,
        }
    }

    fn from_body(body: ConfigEntryBody) -> Result<Self, CodecError> {
        let ConfigEntryBody {
            namespace,
            key,
            live,
            last_version,
            oldest_version,
            meta,
            rotation_noted,
        } = body;
        Ok(Self {
            namespace: id(&namespace, "entry.namespace")?,
            key: id(&key, "entry.key")?,
            live,
            last_version,
            oldest_version,
            meta: read_optional(meta.as_ref(), "entry.meta")?.unwrap_or_default(),
            rotation_noted,
        })
    }
}

/// A [`Version`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct VersionBody {
    #[prost(string, tag = "1")]
    namespace: String,
    #[prost(string, tag = "2")]
    key: String,
    #[prost(uint64, tag = "3")]
    number: u64,
    #[prost(message, optional, tag = "4")]
    value: Option<ValueBody>,
    #[prost(bytes = "vec", optional, tag = "5")]
    digest: Option<Vec<u8>>,
    #[prost(int64, tag = "6")]
    published_at: i64,
    #[prost(message, optional, tag = "7")]
    published_by: Option<PrincipalBody>,
    #[prost(string, optional, tag = "8")]
    request_id: Option<String>,
    #[prost(message, repeated, tag = "9")]
    approvers: Vec<PrincipalBody>,
    #[prost(message, optional, tag = "10")]
    position: Option<PositionBody>,
    #[prost(bool, tag = "11")]
    is_sensitive: bool,
    #[prost(uint64, optional, tag = "12")]
    schema_revision: Option<u64>,
}

impl From<&Version> for VersionBody {
    fn from(version: &Version) -> Self {
        let Version {
            namespace,
            key,
            number,
            value,
            digest,
            published_at,
            published_by,
            request_id,
            approvers,
            position,
            is_sensitive,
            schema_revision,
        } = version;
        Self {
            namespace: namespace.to_string(),
            key: key.to_string(),
            number: *number,
            value: value.as_ref().map(Into::into),
            digest: digest.map(digest_bytes),
            published_at: published_at.as_millis(),
            published_by: Some(published_by.into()),
            request_id: request_id.as_ref().map(ToString::to_string),
            approvers: approvers.iter().map(Into::into).collect(),
            position: Some((*position).into()),
            is_sensitive: *is_sensitive,
            schema_revision: *schema_revision,
        }
    }
}

impl TryFrom<VersionBody> for Version {
    type Error = CodecError;
    fn try_from(body: VersionBody) -> Result<Self, CodecError> {
        Ok(Self {
            namespace: id(&body.namespace, "version.namespace")?,
            key: id(&body.key, "version.key")?,
            number: body.number,
            value: optional(body.value)?,
            digest: optional_digest(body.digest.as_deref(), "version.digest")?,
            published_at: time(body.published_at),
            published_by: required(body.published_by, "version.publishedBy")?.try_into()?,
            request_id: optional_id(body.request_id.as_deref(), "version.requestId")?,
            approvers: repeated(body.approvers)?,
            position: required(body.position, "version.position")?.into(),
            is_sensitive: body.is_sensitive,
            schema_revision: body.schema_revision,
        })
    }
}

impl Record for Version {
    const KIND: Kind = Kind::Version;
    type Body = VersionBody;

    fn to_body(&self) -> VersionBody {
        self.into()
    }

    fn from_body(body: VersionBody) -> Result<Self, CodecError> {
        body.try_into()
    }
}

/// The row that a read of a live value needs: the version itself, or where to find a large one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveRow {
    /// A small value, kept twice so that a read is one look-up.
    Inline(Box<Version>),
    /// A large value: the number of its version in the history.
    Stored(u64),
}

/// A [`LiveRow`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct LiveRowBody {
    #[prost(message, optional, tag = "1")]
    inline: Option<VersionBody>,
    #[prost(uint64, optional, tag = "2")]
    stored: Option<u64>,
}

impl Record for LiveRow {
    const KIND: Kind = Kind::LiveRow;
    type Body = LiveRowBody;

    fn to_body(&self) -> LiveRowBody {
        match self {
            Self::Inline(version) => LiveRowBody {
                inline: Some(version.as_ref().into()),
                stored: None,
            },
            Self::Stored(number) => LiveRowBody {
                inline: None,
                stored: Some(*number),
            },
        }
    }

    fn from_body(body: LiveRowBody) -> Result<Self, CodecError> {
        match body.inline {
            Some(version) => Ok(Self::Inline(Box::new(version.try_into()?))),
            None => Ok(Self::Stored(required(body.stored, "live.stored")?)),
        }
    }
}
