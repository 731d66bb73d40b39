//! Which representation of a value a client gets, and whether it needs one at all.

use confman_api::problem::{Problem, ProblemType};
use confman_api::reading::{Representation, ViewRepresentation};
use confman_core::digest::Digest;
use confman_core::proposal::Precondition;
use confman_core::value::ValueType;
use http::HeaderMap;
use http::HeaderName;
use http::header::{ACCEPT, IF_MATCH, IF_NONE_MATCH};

/// The form of a value that the client prefers.
pub fn representation(headers: &HeaderMap) -> Result<Representation, Problem> {
    best(headers, Representation::ALL, Representation::media_type)
}

/// The form of all the values of a namespace that the client prefers.
pub fn view_representation(headers: &HeaderMap) -> Result<ViewRepresentation, Problem> {
    best(headers, ViewRepresentation::ALL, ViewRepresentation::media_type)
}

/// Refuses bytes as text.
pub fn refuse_unsuited(representation: Representation, value_type: ValueType) -> Result<(), Problem> {
    match (representation, value_type) {
        (Representation::Text, ValueType::Binary) => {
            let detail = "the value is binary and has no text form";
            let problem = Problem::new(ProblemType::NotAcceptable, detail).field("Accept");
            Err(problem.limit("application/json, application/yaml, application/octet-stream"))
        }
        (
            Representation::Json | Representation::Yaml | Representation::Text | Representation::Octets,
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

/// The candidate with the best quality, the earlier one of equals; 406 with the list of them if none is accepted.
fn best<T: Copy, const N: usize>(
    headers: &HeaderMap,
    candidates: [T; N],
    media_type: impl Fn(T) -> &'static str,
) -> Result<T, Problem> {
    let lines = headers.get_all(ACCEPT).iter();
    let accept = lines
        .map(|line| line.to_str().unwrap_or(""))
        .collect::<Vec<_>>()
        .join(",");
    if !headers.contains_key(ACCEPT) || accept == "*/*" {
        return Ok(candidates[0]);
    }
    let judged = candidates
        .into_iter()
        .rev()
        .map(|candidate| (quality(&accept, media_type(candidate)), candidate));
    let acceptable = judged.filter(|(quality, _)| *quality > 0);
    let best = acceptable
        .max_by_key(|(quality, _)| *quality)
        .map(|(_, candidate)| candidate);
    best.ok_or_else(|| {
        let offered: Vec<_> = candidates
            .into_iter()
            .map(|candidate| essence(media_type(candidate)))
            .collect();
        Problem::new(ProblemType::NotAcceptable, "no accepted media type can be produced")
            .field("Accept")
            .limit(offered.join(", "))
    })
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or(media_type).trim()
}

/// Names under which clients also ask for YAML; RFC 9512 registers the first.
const YAML_NAMES: [&str; 3] = ["application/yaml", "application/x-yaml", "text/yaml"];

/// Refuses a client that does not take `media_type`.
pub fn require_accepted(headers: &HeaderMap, media_type: &'static str) -> Result<(), Problem> {
    best(headers, [media_type], |only| only).map(drop)
}

/// Quality of `media_type` in thousandths (RFC 9110 section 12.5.1): the most specific range decides.
fn quality(accept: &str, media_type: &str) -> u32 {
    let bare = essence(media_type);
    let group = bare.split('/').next().unwrap_or(bare);
    let is_yaml = |name: &str| YAML_NAMES.iter().any(|known| known.eq_ignore_ascii_case(name));
    let mut best = (0, 0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or("");
        let specificity = if name.eq_ignore_ascii_case(bare) {
            4
        } else if bare == YAML_NAMES[0] && is_yaml(name) {
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
        let weight = parts.find_map(weight_of).map_or(1000, thousandths);
        if specificity > best.0 {
            best = (specificity, weight);
        }
    }
    best.1
}

/// What is behind `q=` in a parameter.
fn weight_of(parameter: &str) -> Option<&str> {
    let (name, weight) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("q").then(|| weight.trim())
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
        representation(&headers).ok()
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
        assert_eq!(accepted("application/yaml"), Some(Representation::Yaml));
        assert_eq!(accepted("text/yaml, */*;q=0.1"), Some(Representation::Yaml));
        assert_eq!(
            accepted("application/x-yaml;q=0.5, */*;q=0.4"),
            Some(Representation::Yaml)
        );
        assert_eq!(accepted("application/*"), Some(Representation::Json));
        assert_eq!(
            accepted("TEXT/Plain;Q=1.0;x=y, */*;q=0.999"),
            Some(Representation::Text)
        );
        assert_eq!(accepted("image/png, image/*"), None);
        assert_eq!(accepted("image/png"), None);
        assert_eq!(
            accepted("application/json;q=0, text/plain;q=0, application/*;q=0"),
            None
        );
        assert_eq!(accepted(""), None);
    }

    #[test]
    fn a_refusal_lists_what_there_is() {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("image/png"))]);
        let problem = representation(&headers).expect_err("no such representation");
        let offered = "application/json, application/yaml, text/plain, application/octet-stream";
        assert_eq!((problem.status, problem.limit.as_deref()), (406, Some(offered)));
        let problem = view_representation(&headers).expect_err("no such representation");
        let offered = "application/json, application/yaml, text/x-dotenv, text/x-java-properties";
        assert_eq!(
            (problem.field.as_deref(), problem.limit.as_deref()),
            (Some("Accept"), Some(offered))
        );
    }

    #[test]
    fn several_lines_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, HeaderValue::from_static("text/x-dotenv;q=0.5"));
        headers.append(ACCEPT, HeaderValue::from_static("text/x-java-properties"));
        assert_eq!(view_representation(&headers), Ok(ViewRepresentation::Properties));
    }

    #[test]
    fn a_view_is_json_unless_something_else_is_wanted() {
        let accepted = |accept| {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            view_representation(&headers).ok()
        };
        assert_eq!(view_representation(&HeaderMap::new()), Ok(ViewRepresentation::Json));
        assert_eq!(accepted("*/*"), Some(ViewRepresentation::Json));
        assert_eq!(accepted("text/x-dotenv"), Some(ViewRepresentation::Dotenv));
        assert_eq!(accepted("text/*"), Some(ViewRepresentation::Dotenv));
        assert_eq!(accepted("text/plain"), None);
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
