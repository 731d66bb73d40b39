//! How something is read: how fresh the answer must be, and in which form it comes.

use std::fmt::{Display, Formatter};

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// Whatever is applied on the node that answers, which says how old that is.
    #[default]
    Stale,
    /// Sees every write acknowledged before the read began (Raft dissertation, section 6.4: read index).
    Linearizable,
    /// Sees at least this log index: a client reads its own writes.
    AtLeast(u64),
}

impl Consistency {
    /// Parses `stale`, `linearizable` or `index=N`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "stale" => Some(Self::Stale),
            "linearizable" => Some(Self::Linearizable),
            _ => text.strip_prefix("index=")?.parse().ok().map(Self::AtLeast),
        }
    }
}

impl Display for Consistency {
    /// As [`Consistency::parse`] takes it.
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stale => formatter.write_str("stale"),
            Self::Linearizable => formatter.write_str("linearizable"),
            Self::AtLeast(index) => write!(formatter, "index={index}"),
        }
    }
}

/// A representation of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Representation {
    /// Value and metadata.
    Json,
    /// The same document as YAML.
    Yaml,
    /// The raw text and nothing else.
    Text,
    /// The raw bytes and nothing else.
    Octets,
}

impl Representation {
    /// In the order of preference.
    pub const ALL: [Self; 4] = [Self::Json, Self::Yaml, Self::Text, Self::Octets];

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Text => "text/plain; charset=utf-8",
            Self::Octets => "application/octet-stream",
        }
    }
}

/// A representation of all the values that apply to a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewRepresentation {
    /// Values with their origins.
    Json,
    /// The same document as YAML.
    Yaml,
    /// An environment file: names and values only.
    Dotenv,
    /// Java properties: names and values only, all of it ASCII.
    Properties,
}

impl ViewRepresentation {
    /// In the order of preference.
    pub const ALL: [Self; 4] = [Self::Json, Self::Yaml, Self::Dotenv, Self::Properties];

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Dotenv => "text/x-dotenv; charset=utf-8",
            Self::Properties => "text/x-java-properties; charset=iso-8859-1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consistency_is_one_of_three_forms() {
        for (text, consistency) in [
            ("stale", Consistency::Stale),
            ("linearizable", Consistency::Linearizable),
            ("index=42", Consistency::AtLeast(42)),
        ] {
            assert_eq!(Consistency::parse(text), Some(consistency));
            assert_eq!(consistency.to_string(), text);
        }
        for bad in [
            "",
            "STALE",
            "index=",
            "index=-1",
            "index=1x",
            "42",
            "index=99999999999999999999",
        ] {
            assert_eq!(Consistency::parse(bad), None, "{bad:?}");
        }
    }
}
