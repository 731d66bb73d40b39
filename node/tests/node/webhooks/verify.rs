//! Signatures of Standard Webhooks checked by code of its own: HMAC (RFC 2104) by hand over SHA-256.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

const BLOCK_BYTES: usize = 64;

fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    assert!(key.len() <= BLOCK_BYTES, "keys of these tests fit a block");
    let padded = |pad: u8| -> Vec<u8> {
        let filled = key.iter().copied().chain(std::iter::repeat(0));
        filled.take(BLOCK_BYTES).map(|byte| byte ^ pad).collect()
    };
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(message)
        .finalize();
    let outer = Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize();
    outer.to_vec()
}

/// True if one of the signatures in `header` is that of `key` (`whsec_…`) over id, time and body.
pub(crate) fn is_signed(key: &str, header: &str, (id, timestamp): (&str, &str), body: &[u8]) -> bool {
    let key = STANDARD
        .decode(key.trim_start_matches("whsec_"))
        .expect("the key of a test is base64");
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    let expected = format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &signed)));
    header.split(' ').any(|signature| signature == expected)
}
