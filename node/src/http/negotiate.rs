//! Which representation of a value a client gets, and whether it needs one at all.

use confman_api::problem::{Problem, ProblemType};
use confman_core::digest::Digest;
use confman_core::proposal::Precondition;
use confman_core::value::ValueType;
use http::HeaderMap;
use http::HeaderName;
use http::header::{ACCEPT, IF_MATCH, IF_NONE_MATCH};

/// A representation of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Representation {
    /// Value and metadata.
    Json,
    /// The raw text and nothing else.
    Text,
    /// The raw bytes and nothing else.
    Octets,
}

impl Representation {
    /// In the order of preference.
    const ALL: [Self; 3] = [Self::Json, Self::Text, Self::Octets];

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
            Self::Octets => "application/octet-stream",
        }
    }

    /// The one that the client prefers.
    pub fn accepted(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(accept) = headers.get(ACCEPT) else {
            return Ok(Self::Json);
        };
        if accept == "*/*" || accept == "application/json" {
            return Ok(Self::Json);
        }
        let mut lines = headers.get_all(ACCEPT).iter().map(|line| line.to_str().unwrap_or(""));
        let accept = lines.by_ref().collect::<Vec<_>>().join(",");
        let quality = |candidate: &Self| quality(&accept, candidate.media_type());
        let best = Self::ALL
            .into_iter()
            .rev()
            .filter(|candidate| quality(candidate) > 0)
            .max_by_key(quality);
        best.ok_or_else(|| {
            Problem::new(ProblemType::NotAcceptable, "no accepted media type can be produced")
                .field("Accept")
                .limit("application/json, text/plain, application/octet-stream")
        })
    }

    /// Refuses bytes as text.
    pub fn suits(self, value_type: ValueType) -> Result<(), Problem> {
        match (self, value_type) {
            (Self::Text, ValueType::Binary) => {
                let detail = "the value is binary and has no text form";
                let problem = Problem::new(ProblemType::NotAcceptable, detail).field("Accept");
                Err(problem.limit("application/json, application/octet-stream"))
            }
            (
                Self::Json | Self::Text | Self::Octets,
                ValueType::String
                | ValueType::Number
                | ValueType::Boolean
                | ValueType::Null
                | ValueType::Json
                | ValueType::Binary
                | ValueType::SecretRef,
            ) => Ok(()),
        }
    }
}

/// Quality of `media_type` in thousandths (RFC 9110 section 12.5.1): the most specific range decides.
fn quality(accept: &str, media_type: &str) -> u32 {
    let bare = media_type.split(';').next().unwrap_or(media_type);
    let group = bare.split('/').next().unwrap_or(bare);
    let mut best = (0, 0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or("");
        let specificity = if name.eq_ignore_ascii_case(bare) {
            3
        } else if name
            .strip_suffix("/*")
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case(group))
        {
            2
        } else if name == "*/*" {
            1
        } else {
            continue;
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
        if specificity > best.0 {
            best = (specificity, weight);
        }
    }
    best.1
}

fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    match (whole, digits.parse::<u32>()) {
        ("1", Ok(_)) => 1000,
        ("0", Ok(fraction)) => fraction,
        _ => 0,
    }
}

/// True if `If-None-Match` names `digest`.
pub fn is_known(headers: &HeaderMap, digest: &Digest) -> bool {
    let Some(first) = headers.get(IF_NONE_MATCH) else {
        return false;
    };
    let tag = etag(digest);
    if first.as_bytes() == tag.as_bytes() {
        return true;
    }
    let lines = headers.get_all(IF_NONE_MATCH).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|candidate| candidate.trim().trim_start_matches("W/"))
        .any(|candidate| candidate == "*" || candidate == tag)
}

/// What `If-Match` or `If-None-Match` asks of a write (RFC 9110, section 13.1).
pub fn precondition(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let wrong = |name: &'static str, limit: &'static str| {
        let detail = format!("{name} of a write must be {limit}");
        Problem::new(ProblemType::InvalidParameter, detail)
            .field(name)
            .limit(limit)
    };
    let text = |name: HeaderName| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("").trim().to_owned())
    };
    match (text(IF_MATCH), text(IF_NONE_MATCH)) {
        (None, None) => Ok(Precondition::Any),
        (Some(tag), None) if tag == "*" => Ok(Precondition::Present),
        (Some(tag), None) => tag
            .strip_prefix('"')
            .and_then(|tag| tag.strip_suffix('"'))
            .and_then(|tag| Digest::parse(tag).ok())
            .map(Precondition::Digest)
            .ok_or_else(|| wrong("If-Match", "* or one \"sha256:<64 hex digits>\"")),
        (None, Some(tag)) if tag == "*" => Ok(Precondition::Absent),
        (None | Some(_), Some(_)) => Err(wrong("If-None-Match", "* and without If-Match")),
    }
}

/// The revision that `If-Match` or `If-None-Match: *` asks for, of what is tagged by revisions.
pub fn expected_revision(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let wrong = |name: &'static str| {
        let limit = "one \"<revision>\", or If-None-Match: *";
        let problem = Problem::new(ProblemType::InvalidParameter, format!("{name} must be {limit}"));
        problem.field(name).limit(limit)
    };
    match (headers.get(IF_MATCH), headers.get(IF_NONE_MATCH)) {
        (None, None) => Ok(None),
        (Some(tag), None) => {
            let text = tag.to_str().ok().map(str::trim);
            let number = text.and_then(|tag| tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok());
            number.map(Some).ok_or_else(|| wrong("If-Match"))
        }
        (None, Some(tag)) if tag.as_bytes() == b"*" => Ok(Some(0)),
        (_, Some(_)) => Err(wrong("If-None-Match")),
    }
}

/// `ETag` of a value.
pub fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepted(accept: &str) -> Option<Representation> {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::try_from(accept).expect("a header"))]);
        Representation::accepted(&headers).ok()
    }

    #[test]
    fn the_best_quality_wins_and_ties_are_json() {
        assert_eq!(accepted("*/*"), Some(Representation::Json));
        assert_eq!(accepted("application/json"), Some(Representation::Json));
        assert_eq!(accepted("text/plain"), Some(Representation::Text));
        assert_eq!(accepted("text/*, application/json;q=0.5"), Some(Representation::Text));
        assert_eq!(
            accepted("text/plain;q=0.5, application/octet-stream;q=0.9"),
            Some(Representation::Octets)
        );
        assert_eq!(accepted("text/plain;q=0, */*;q=0.1"), Some(Representation::Json));
        assert_eq!(accepted("image/png"), None);
        assert_eq!(
            accepted("application/json;q=0, text/plain;q=0, application/*;q=0"),
            None
        );
        assert_eq!(accepted(""), None);
    }

    #[test]
    fn a_known_digest_is_found_in_a_list_and_weak_tags_count() {
        let digest = Digest::of(b"x");
        let known = |text: &str| {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::try_from(text).expect("a header"))]);
            is_known(&headers, &digest)
        };
        assert!(known(&etag(&digest)));
        assert!(known(&format!("\"other\", W/{}", etag(&digest))));
        assert!(known("*"));
        assert!(!known("\"other\""));
        assert!(!known(&digest.to_string()), "without quotes it is no tag");
    }
}
