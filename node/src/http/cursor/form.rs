//! The text of a cursor: what it is bound to, and the place it names.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const VERSION: &str = "1";

/// The cursor for `place`, bound to `fingerprint`, which has no dot in it.
pub fn write(fingerprint: &str, place: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{VERSION}.{fingerprint}.{place}"))
}

/// The place that `text` names; none unless it is a cursor that is bound to `fingerprint`.
pub fn read(text: &str, fingerprint: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let mut parts = text.splitn(3, '.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(VERSION), Some(bound_to), Some(place)) if bound_to == fingerprint => Some(place.to_owned()),
        _ => None,
    }
}
