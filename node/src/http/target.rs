//! What a path under `/config` or `/audit` names. Nothing else splits a path.

use confman_api::limits;
use confman_api::problem::{Problem, ProblemType};
use confman_core::ids::{ConfigKey, IdError, NamespacePath, RequestId};

/// A key in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyTarget {
    /// Its namespace.
    pub namespace: NamespacePath,
    /// The key.
    pub key: ConfigKey,
}

/// The part of a raw request path behind `prefix`, beginning with `/`; `/` for nothing.
pub fn behind<'a>(path: &'a str, prefix: &str) -> &'a str {
    match path.strip_prefix(prefix) {
        Some("") | None => "/",
        Some(rest) => rest,
    }
}

/// Parses a namespace.
pub fn namespace(text: &str) -> Result<NamespacePath, Problem> {
    NamespacePath::parse(text).map_err(|error| invalid("path", &error))
}

/// Parses a key in a namespace: the last segment is the key.
pub fn key(text: &str) -> Result<KeyTarget, Problem> {
    let Some((parent, name)) = text.rsplit_once('/') else {
        return Err(invalid("path", &IdError::NotAbsolute));
    };
    // `//x` has an empty segment; its parent must not pass for the root.
    let parent = match parent {
        "" => "/",
        "/" => "//",
        parent => parent,
    };
    Ok(KeyTarget {
        namespace: namespace(parent)?,
        key: ConfigKey::parse(name).map_err(|error| invalid("key", &error))?,
    })
}

/// Parses the id of a publish request.
pub fn request_id(text: &str) -> Result<RequestId, Problem> {
    RequestId::parse(text).map_err(|error| invalid("id", &error))
}

fn invalid(field: &str, error: &IdError) -> Problem {
    let limit = match error {
        IdError::NotAbsolute => "begins with /".to_owned(),
        IdError::TooLong { limit, .. } => format!("{limit} bytes"),
        IdError::TooDeep { .. } => limits::PATH_SEGMENTS.text(),
        IdError::Shape { shape, .. } => (*shape).to_owned(),
    };
    Problem::new(ProblemType::InvalidPath, error.to_string())
        .field(field)
        .limit(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_segment_is_the_key() {
        let found = key("/teams/payments/LOG_LEVEL").map(|found| found.namespace.join(&found.key));
        assert_eq!(found, Ok("/teams/payments/LOG_LEVEL".to_owned()));
        let in_root = key("/greeting").expect("a key of the root namespace");
        assert!(in_root.namespace.is_root());
    }

    #[test]
    fn what_is_behind_the_prefix_begins_with_a_slash() {
        assert_eq!(behind("/api/v1/config", "/api/v1/config"), "/");
        assert_eq!(behind("/api/v1/config/", "/api/v1/config"), "/");
        assert_eq!(behind("/api/v1/config/a/b", "/api/v1/config"), "/a/b");
    }

    #[test]
    fn dots_empty_segments_and_encoded_bytes_name_the_broken_shape() {
        for bad in [
            "/a/../b",
            "/a//b",
            "//b",
            "/a/%2e%2e/b",
            "/a%2Fb/c",
            "/a/b c",
            "/a/",
            "/\u{e9}/b",
            "/A/b",
        ] {
            let problem = key(bad).expect_err(bad);
            assert_eq!(problem.kind(), Some(ProblemType::InvalidPath), "{bad}");
            assert!(problem.field.is_some() && problem.limit.is_some(), "{bad}");
        }
    }
}
