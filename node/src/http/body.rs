//! Bodies: bounded before they are read, read before they are parsed, and named by field when they are wrong.

use axum::body::Body;
use bytes::Bytes;
use confman_api::limits;
use confman_api::problem::{Problem, ProblemType};
use confman_core::value::{ConfigValue, ValueError};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::call::{Call, bad_parameter};

/// Reads the whole body, up to [`limits::BODY`]. A length announced above it is refused before anything is read, and so is
/// an encoding: what a small body becomes is not known before it has been decoded.
pub async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
    {
        let detail = "bodies are taken as they are, not compressed";
        return Err(Problem::new(ProblemType::UnsupportedMediaType, detail)
            .field("Content-Encoding")
            .limit("identity"));
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced
        .and_then(|text| text.parse::<u64>().ok())
        .is_some_and(|length| length > limits::BODY.value as u64)
    {
        return Err(too_large());
    }
    match Limited::new(body, limits::BODY.value).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(invalid(format!("the body broke off: {error}"))),
    }
}

/// Reads a JSON body of type `T`.
pub async fn read_json<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Problem> {
    let kind = media_type(headers);
    if kind.as_deref() != Some("application/json") {
        return Err(unsupported("application/json"));
    }
    parse_json(&read(headers, body).await?)
}

/// Parses a JSON object of type `T`, naming the field that is wrong.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    check_depth(bytes)?;
    // serde would also take the fields as an array, by their order.
    if bytes.trim_ascii_start().first().is_some_and(|first| *first == b'[') {
        return Err(invalid("the body must be a JSON object, not an array"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let problem = invalid(error.inner().to_string());
        if matches!(path.as_str(), "." | "?") {
            problem.field("body")
        } else {
            problem.field(path)
        }
    })?;
    deserializer.end().map_err(|error| invalid(error.to_string()))?;
    Ok(parsed)
}

/// Refuses a body that is not announced as JSON.
pub fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    if media_type(headers).as_deref() == Some("application/json") {
        return Ok(());
    }
    Err(unsupported("application/json"))
}

/// The value in the body of a write, by its media type and the parameter `type`.
pub fn parse_value(call: &Call, bytes: &[u8]) -> Result<ConfigValue, Problem> {
    let headers = call.headers();
    let kind = media_type(headers);
    let kind = kind.as_deref().unwrap_or("");
    if !matches!(kind, "application/json" | "text/plain" | "application/octet-stream") {
        return Err(unsupported("application/json, text/plain, application/octet-stream"));
    }
    let json = kind == "application/json";
    let reference = match call.parameter("type") {
        None => false,
        Some("secret-ref") if kind == "text/plain" => true,
        Some(_) => {
            let problem = bad_parameter("type", "must be secret-ref, of a body that is text/plain");
            return Err(problem.limit("secret-ref"));
        }
    };
    if kind == "application/octet-stream" {
        return ConfigValue::from_bytes(bytes.to_vec()).map_err(|error| invalid_value(&error));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| invalid("the body is not UTF-8"))?;
    let value = if reference {
        ConfigValue::from_reference(text.trim_end())
    } else if json {
        check_depth(bytes)?;
        ConfigValue::from_json_text(text)
    } else {
        ConfigValue::from_text(text)
    };
    value.map_err(|error| invalid_value(&error))
}

/// Media type without parameters, in lower case.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or("").trim().to_ascii_lowercase())
}

/// Refuses JSON nested deeper than [`limits::VALUE_DEPTH`] without parsing it.
fn check_depth(bytes: &[u8]) -> Result<(), Problem> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match (in_text, *byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => in_text = false,
            (false, b'"') => in_text = true,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            (true | false, _) => {}
        }
        if depth > limits::VALUE_DEPTH.value {
            let problem = invalid(format!("nested deeper than {} levels", limits::VALUE_DEPTH.value));
            return Err(problem.limit(limits::VALUE_DEPTH.text()));
        }
    }
    Ok(())
}

/// The problem of a value that is none.
pub fn invalid_value(error: &ValueError) -> Problem {
    let problem = |kind| Problem::new(kind, error.to_string()).field("value");
    match error {
        ValueError::TooLarge { .. } => problem(ProblemType::TooLarge).limit(limits::VALUE.text()),
        ValueError::TooDeep { .. } => problem(ProblemType::InvalidBody).limit(limits::VALUE_DEPTH.text()),
        ValueError::Malformed(_)
        | ValueError::InexactNumber(_)
        | ValueError::DuplicateMember(_)
        | ValueError::BadReference { .. }
        | ValueError::BadBase64(_) => problem(ProblemType::InvalidBody),
    }
}

fn too_large() -> Problem {
    let detail = format!("the body has more than {} bytes", limits::BODY.value);
    Problem::new(ProblemType::TooLarge, detail)
        .field("body")
        .limit(limits::BODY.text())
}

fn unsupported(supported: &str) -> Problem {
    let detail = format!("the body must be one of: {supported}");
    Problem::new(ProblemType::UnsupportedMediaType, detail)
        .field("Content-Type")
        .limit(supported)
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemType::InvalidBody, detail).field("body")
}

#[cfg(test)]
mod tests {
    use confman_api::internal::Initialise;

    use super::*;

    #[test]
    fn depth_is_counted_outside_of_text_only() {
        let deep = "[".repeat(limits::VALUE_DEPTH.value + 1);
        let problem = check_depth(deep.as_bytes()).expect_err("too deep");
        assert_eq!(problem.limit, Some(limits::VALUE_DEPTH.text()));
        let text = format!("\"{deep}\\\"{deep}\"");
        assert_eq!(check_depth(text.as_bytes()), Ok(()));
        let wide = "[]".repeat(1000);
        assert_eq!(check_depth(wide.as_bytes()), Ok(()));
    }

    #[test]
    fn a_wrong_field_is_named() {
        let wrong = |text: &str| parse_json::<Initialise>(text.as_bytes()).expect_err("invalid").field;
        assert_eq!(wrong("{\"token\":7}").as_deref(), Some("token"));
        assert_eq!(wrong("{\"token\":\"t\",\"surprise\":1}").as_deref(), Some("surprise"));
        assert_eq!(wrong("{").as_deref(), Some("body"));
        assert_eq!(wrong("").as_deref(), Some("body"));
        assert_eq!(wrong(" [\"t\"]").as_deref(), Some("body"), "fields have names");
        assert_eq!(
            wrong("{}").as_deref(),
            Some("body"),
            "a missing field is named in the detail"
        );
    }
}
