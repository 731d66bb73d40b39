//! Answers: JSON, problems, and the headers that go with published values.

use axum::body::Body;
use confman_api::problem::{PROBLEM_JSON, Problem, ProblemType};
use confman_core::digest::Digest;
use confman_core::ids::Timestamp;
use confman_core::outcome::Outcome;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, RETRY_AFTER, VARY, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::negotiate;
use crate::read::Seen;

/// Version number of the value in the answer.
pub const VERSION: HeaderName = HeaderName::from_static("confman-version");
/// Log index that the answer has seen; of a write: its own.
pub const INDEX: HeaderName = HeaderName::from_static("confman-index");
/// Since when the value in the answer is older than its schemas allow, RFC 3339.
pub const ROTATION_DUE: HeaderName = HeaderName::from_static("confman-rotation-due");
/// Milliseconds since the state was last known to be current.
pub const AGE: HeaderName = HeaderName::from_static("confman-age-ms");

/// Lines that the header of an answer has room for from the beginning: as many as a value has.
const HEADER_LINES: usize = 10;

/// JSON media type.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer of one kind of body.
pub fn with_body(status: StatusCode, content_type: HeaderValue, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().reserve(HEADER_LINES);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// 304: what the client has is still right.
pub fn not_modified() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

/// 200 with JSON.
pub fn json(value: &impl Serialize) -> Result<Response<Body>, Problem> {
    match serde_json::to_vec(value) {
        Ok(body) => Ok(with_body(StatusCode::OK, JSON, body)),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            Err(Problem::new(
                ProblemType::Internal,
                "the answer cannot be written as JSON",
            ))
        }
    }
}

/// The answer where a command came to something that it cannot come to.
pub fn unexpected(outcome: &Outcome) -> Problem {
    tracing::error!(?outcome, "the state machine answered something else than was asked");
    Problem::new(ProblemType::Internal, "the state machine answered something else")
}

/// The entity tag of what is in the answer.
pub fn mark_tag(response: &mut Response<Body>, tag: String) {
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
}

/// Tag and number of a published value, and that the answer depends on what is accepted.
pub fn mark_value(response: &mut Response<Body>, number: u64, digest: &Digest) {
    mark_tag(response, negotiate::etag(digest));
    let headers = response.headers_mut();
    headers.insert(VERSION, HeaderValue::from(number));
    headers.insert(VARY, HeaderValue::from_static("accept"));
}

/// Says how fresh the answer is.
pub fn mark_seen(response: &mut Response<Body>, seen: Seen) {
    let headers = response.headers_mut();
    headers.insert(INDEX, HeaderValue::from(seen.index));
    if let Some(age) = seen.age {
        let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        headers.insert(AGE, HeaderValue::from(millis));
    }
}

/// Says that the value should have been replaced at `since`.
pub fn mark_rotation_due(response: &mut Response<Body>, since: Timestamp) {
    if let Ok(since) = HeaderValue::try_from(since.to_string()) {
        response.headers_mut().insert(ROTATION_DUE, since);
    }
}

/// The answer to a request that ends in `problem`.
pub fn problem(problem: &Problem) -> Response<Body> {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = with_body(status, HeaderValue::from_static(PROBLEM_JSON), body);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("ApiKey header=\"X-API-Key\", Bearer realm=\"confman\""),
            );
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    if let Some(seconds) = problem.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
