//! The form of an API key, checked before anything is computed from it.

use confman_api::limits;

/// Bytes of randomness in a key.
pub const RANDOM_BYTES: usize = 32;

/// Whether `text` is `confman_ENVIRONMENT_RANDOM`, both words of letters, digits and dashes, the second at least
/// [`RANDOM_BYTES`] long.
pub fn is_well_formed(text: &str) -> bool {
    let Some((environment, random)) = text.strip_prefix("confman_").and_then(|rest| rest.split_once('_')) else {
        return false;
    };
    let is_word =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    text.len() <= limits::API_KEY.value && is_word(environment) && random.len() >= RANDOM_BYTES && is_word(random)
}
