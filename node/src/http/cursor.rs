//! Cursors: a place in a list, bound to the query it came from. Opaque to clients, but no secret.

pub mod form;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use confman_api::limits;
use confman_api::problem::Problem;
use confman_core::ids::ConfigKey;
use sha2::{Digest as _, Sha256};

use super::call::{Call, bad_parameter};

/// The cursor for `place` in the list of `call`.
pub fn encode(call: &Call, place: &str) -> String {
    form::write(&fingerprint(call), place)
}

/// The place that the cursor of `call` names; none without one.
pub fn decode(call: &Call) -> Result<Option<String>, Problem> {
    let Some(text) = call.parameter("cursor") else {
        return Ok(None);
    };
    if text.len() > limits::CURSOR.value {
        return Err(bad_parameter("cursor", "is too long").limit(limits::CURSOR.text()));
    }
    form::read(text, &fingerprint(call)).map(Some).ok_or_else(foreign)
}

/// The key that the cursor of `call` names; none without one.
pub fn decode_key(call: &Call) -> Result<Option<ConfigKey>, Problem> {
    let key = |text: String| ConfigKey::parse(&text).map_err(|_| foreign());
    decode(call)?.map(key).transpose()
}

/// The problem of a cursor that belongs to another query.
pub fn foreign() -> Problem {
    bad_parameter("cursor", "is not one that this query was answered with").limit("nextCursor")
}

/// Digest of path and query, without what may differ from page to page.
fn fingerprint(call: &Call) -> String {
    let mut query: Vec<_> = call
        .query()
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "cursor" | "limit" | "consistency" | "maxAge"))
        .collect();
    query.sort_unstable();
    let mut hasher = Sha256::new();
    hasher.update(call.path().trim_end_matches('/'));
    for (name, value) in query {
        hasher.update([0]);
        hasher.update(name);
        hasher.update([1]);
        hasher.update(value);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    URL_SAFE_NO_PAD.encode(&digest[..9])
}
