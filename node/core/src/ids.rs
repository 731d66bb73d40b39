//! Identifiers of the domain, parsed once at the edge and trusted inside.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a path, key or id was refused; names the limit that was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A namespace path does not begin with `/`.
    #[error("a config namespace path begins with \"/\"")]
    NotAbsolute,
    /// Longer than the limit.
    #[error("{what} has {actual} bytes, the limit is {limit}")]
    TooLong {
        /// What was measured.
        what: &'static str,
        /// How long it is.
        actual: usize,
        /// How long it may be.
        limit: usize,
    },
    /// More segments than [`NamespacePath::MAX_SEGMENTS`].
    #[error("the path has {actual} segments, the limit is {limit}")]
    TooDeep {
        /// How many there are.
        actual: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A segment, key or id of the wrong shape.
    #[error("{what} {given:?} must match {shape}")]
    Shape {
        /// What was parsed.
        what: &'static str,
        /// The offending text, cut to 64 characters.
        given: String,
        /// The shape it must have, as a regular expression.
        shape: &'static str,
    },
}

const SEGMENT_SHAPE: &str = "[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?";
const KEY_SHAPE: &str = "[A-Za-z0-9_]([A-Za-z0-9._-]{0,61}[A-Za-z0-9_])?";
const ID_SHAPE: &str = "[A-Za-z0-9_-]{1,64}";

fn shape_error(what: &'static str, given: &str, shape: &'static str) -> IdError {
    IdError::Shape {
        what,
        given: given.chars().take(64).collect(),
        shape,
    }
}

/// Path of a config namespace: `/` or `/teams/payments`. At most 16 segments and 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamespacePath(String);

/// So that a map by path is asked for a part of a path without copying it. Order and hash are those of the text.
impl Borrow<str> for NamespacePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl NamespacePath {
    /// Longest path in bytes.
    pub const MAX_BYTES: usize = 512;
    /// Most segments in a path.
    pub const MAX_SEGMENTS: usize = 16;

    /// The root namespace `/`.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Parses `/` or `/segment/segment…`; no trailing slash, no empty segment, no `.` or `..`.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.len() > Self::MAX_BYTES {
            return Err(IdError::TooLong {
                what: "the path",
                actual: text.len(),
                limit: Self::MAX_BYTES,
            });
        }
        let rest = text.strip_prefix('/').ok_or(IdError::NotAbsolute)?;
        if rest.is_empty() {
            return Ok(Self::root());
        }
        let segments = rest.split('/').count();
        if segments > Self::MAX_SEGMENTS {
            return Err(IdError::TooDeep {
                actual: segments,
                limit: Self::MAX_SEGMENTS,
            });
        }
        match rest.split('/').find(|segment| !is_segment(segment)) {
            Some(bad) => Err(shape_error("path segment", bad, SEGMENT_SHAPE)),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The path as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for `/`.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// Segments from the top; none for `/`.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }

    /// The path one segment up, whether or not such a namespace exists; none for `/`.
    pub fn parent(&self) -> Option<Self> {
        let cut = self.0.rfind('/')?;
        match (self.is_root(), cut) {
            (true, _) => None,
            (false, 0) => Some(Self::root()),
            (false, cut) => Some(Self(self.0[..cut].to_owned())),
        }
    }

    /// Every path above this one, nearest first, ending with `/`.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// This path and every one above it, nearest first, ending with `/`.
    pub fn self_and_ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.clone()), Self::parent)
    }

    /// This path and every one above it as texts, nearest first, ending with `/`.
    pub fn lineage(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.as_str()), |path| match path.rfind('/')? {
            0 => (path.len() > 1).then_some("/"),
            cut => Some(&path[..cut]),
        })
    }

    /// True if `self` is strictly below `other`.
    pub fn is_below(&self, other: &Self) -> bool {
        self != other
            && (other.is_root()
                || (self.0.starts_with(&other.0) && self.0.as_bytes().get(other.0.len()) == Some(&b'/')))
    }

    /// The full path of `key` in this namespace, as text.
    pub fn join(&self, key: &ConfigKey) -> String {
        if self.is_root() {
            format!("/{key}")
        } else {
            format!("{self}/{key}")
        }
    }

    /// Last segment and what is above it; none for `/`. The segment may name a key: see [`ConfigKey::parse`].
    pub fn split_last(&self) -> Option<(Self, &str)> {
        let parent = self.parent()?;
        let name = self.0.rsplit('/').next()?;
        Some((parent, name))
    }
}

/// One segment that names a value: like a path segment, with upper case and `_` allowed. At most 63 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConfigKey(String);

impl ConfigKey {
    /// Longest key in bytes.
    pub const MAX_BYTES: usize = 63;

    /// Parses one key.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.len() > Self::MAX_BYTES {
            return Err(IdError::TooLong {
                what: "the key",
                actual: text.len(),
                limit: Self::MAX_BYTES,
            });
        }
        if is_key(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(shape_error("key", text, KEY_SHAPE))
        }
    }

    /// The key as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Id of a cluster: the UID of its `ConfmanCluster`. 1 to 64 characters of `[A-Za-z0-9_-]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId(String);

impl ClusterId {
    /// Parses an id.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if is_id(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(shape_error("cluster id", text, ID_SHAPE))
        }
    }

    /// The id as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Id of a publish request: the UID of its object. 1 to 64 characters of `[A-Za-z0-9_-]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId(String);

impl RequestId {
    /// Parses an id.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if is_id(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(shape_error("publish request id", text, ID_SHAPE))
        }
    }

    /// The id as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `Display`, and the conversions that serde goes through, for names that hold their text and have a `parse`.
macro_rules! text_conversions {
    ($error:ty: $($name:ident),+) => {$(
        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, $error> {
                Self::parse(&text)
            }
        }
    )+};
}
pub(crate) use text_conversions;

text_conversions!(IdError: NamespacePath, ConfigKey, ClusterId, RequestId);

fn is_segment(text: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    is_shaped(text, edge, |byte| edge(byte) || matches!(byte, b'.' | b'_' | b'-'))
}

fn is_key(text: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    is_shaped(text, edge, |byte| edge(byte) || matches!(byte, b'.' | b'-'))
}

fn is_shaped(text: &str, edge: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    match text.as_bytes() {
        [] => false,
        [only] => edge(*only),
        [first, middle @ .., last] => {
            text.len() <= 63 && edge(*first) && edge(*last) && middle.iter().all(|byte| inner(*byte))
        }
    }
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Position in the Raft log; totally ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogPosition {
    /// Raft term of the entry.
    pub term: u64,
    /// Raft index of the entry.
    pub index: u64,
}

/// Milliseconds since 1970-01-01T00:00:00Z; RFC 3339 with milliseconds in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch, limited to the years 1970 to 9999 (and there to what can be written as text).
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, jiff::Timestamp::MAX.as_second() * 1000))
    }

    /// Milliseconds since the epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Parses RFC 3339; finer than milliseconds is cut.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        text.parse::<jiff::Timestamp>()
            .map(|time| Self::from_millis(time.as_millisecond()))
            .map_err(|_| shape_error("time", text, "RFC 3339, like 2026-01-31T12:00:00.000Z"))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        write!(formatter, "{time:.3}")
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

impl TryFrom<String> for Timestamp {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}
