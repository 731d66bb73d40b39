//! Seals the values of encrypted keys before they enter the log, opens them for readers, and gives secrets digests that
//! nobody can guess a value by.
//!
//! Envelope of a sealed value: 12 bytes of nonce, the AES-256-GCM ciphertext, 16 bytes of tag. The place of the value
//! (namespace and key) and its type are authenticated with it, so that an envelope moved elsewhere does not open.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use confman_core::digest::Digest;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::value::{ConfigValue, ValueType};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

/// Most keys in the file: the one that seals, and those that only open.
const MAX_KEYS: usize = 16;
/// Largest file in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Why the file of sealing keys cannot be used. Never says anything of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It cannot be read.
    #[error("the sealing keys cannot be read from {path}")]
    Read {
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line is no key.
    #[error(
        "line {line} of the sealing keys must be NAME:BASE64 with a name of 1 to 64 of [A-Za-z0-9._-] and 32 bytes"
    )]
    Line {
        /// Which, from 1.
        line: usize,
    },
    /// Nothing in it, too much, or a name twice.
    #[error("the sealing keys must be 1 to {MAX_KEYS} lines with different names")]
    Count,
}

/// Why a value cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The nodes were started without keys.
    #[error("the nodes have no sealing key: start them with --sealing-keys")]
    NoKey,
    /// The key that sealed it is not in the file any more.
    #[error("the key that sealed this value is not among the sealing keys")]
    UnknownKey,
    /// The envelope is damaged, or was sealed for another place.
    #[error("the sealed value does not open: it is damaged, or was sealed for another key")]
    Damaged,
    /// The operating system gives no random numbers.
    #[error("there is no randomness")]
    NoRandomness,
}

struct SealingKey {
    cipher: LessSafeKey,
    digest_key: hmac::Key,
}

/// The sealing keys of a node; all nodes have the same. Cheap to clone.
#[derive(Clone, Default)]
pub struct Secrets {
    inner: Option<Arc<Keys>>,
}

struct Keys {
    /// Name of the key that seals: the first of the file.
    current: String,
    by_name: BTreeMap<String, SealingKey>,
}

/// Where a value stands.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Namespace of the key.
    pub namespace: &'a NamespacePath,
    /// The key.
    pub key: &'a ConfigKey,
}

impl Secrets {
    /// Reads `path`: lines of `NAME:BASE64`, the first seals, all open. To rotate, put the new key first and keep the old
    /// one as long as something sealed by it is to be read.
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        let failed = |source| KeysError::Read {
            path: path.display().to_string(),
            source,
        };
        if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE_BYTES {
            return Err(KeysError::Count);
        }
        Self::parse(&std::fs::read_to_string(path).map_err(failed)?)
    }

    /// Parses the text of such a file.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let mut current = None;
        let mut by_name = BTreeMap::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let (name, key) = parse_line(line.trim()).ok_or(KeysError::Line { line: index + 1 })?;
            current.get_or_insert_with(|| name.clone());
            if by_name.insert(name, key).is_some() {
                return Err(KeysError::Count);
            }
        }
        match current {
            Some(current) if by_name.len() <= MAX_KEYS => Ok(Self {
                inner: Some(Arc::new(Keys { current, by_name })),
            }),
            Some(_) | None => Err(KeysError::Count),
        }
    }

    /// True if something can be sealed.
    pub fn are_there(&self) -> bool {
        self.inner.is_some()
    }

    /// `value` sealed under the current key. References stay as they are.
    pub fn seal(&self, place: Place<'_>, value: ConfigValue) -> Result<ConfigValue, SecretError> {
        if value.value_type() == ValueType::SecretRef || value.is_sealed() {
            return Ok(value);
        }
        let (name, key) = self.current()?;
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| SecretError::NoRandomness)?;
        let associated = Aad::from(associated(place, value.value_type()));
        let mut sealed = value.canonical_bytes().to_vec();
        key.cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), associated, &mut sealed)
            .map_err(|_| SecretError::Damaged)?;
        let envelope = [nonce.as_slice(), &sealed].concat();
        let digest = keyed_digest(key, &value);
        value.sealed(envelope, name, digest).map_err(|_| SecretError::Damaged)
    }

    /// `value` with a digest under the current key, for keys that are sensitive and not encrypted.
    pub fn key_digest(&self, value: ConfigValue) -> Result<ConfigValue, SecretError> {
        if value.value_type() == ValueType::SecretRef || value.protection().is_some() {
            return Ok(value);
        }
        let (name, key) = self.current()?;
        let digest = keyed_digest(key, &value);
        value.keyed(name, digest).map_err(|_| SecretError::Damaged)
    }

    /// The plain value; one that is not sealed as it is.
    pub fn open(&self, place: Place<'_>, value: &ConfigValue) -> Result<ConfigValue, SecretError> {
        let Some(protection) = value.protection().filter(|protection| protection.is_sealed) else {
            return Ok(value.clone());
        };
        let keys = self.inner.as_ref().ok_or(SecretError::NoKey)?;
        let key = keys.by_name.get(&protection.key_id).ok_or(SecretError::UnknownKey)?;
        let (nonce, sealed) = value
            .canonical_bytes()
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(SecretError::Damaged)?;
        let associated = Aad::from(associated(place, value.value_type()));
        let mut sealed = sealed.to_vec();
        let plain = key
            .cipher
            .open_in_place(Nonce::assume_unique_for_key(*nonce), associated, &mut sealed)
            .map_err(|_| SecretError::Damaged)?;
        ConfigValue::from_stored(value.value_type(), plain.to_vec()).map_err(|_| SecretError::Damaged)
    }

    fn current(&self) -> Result<(&str, &SealingKey), SecretError> {
        let keys = self.inner.as_ref().ok_or(SecretError::NoKey)?;
        let key = keys.by_name.get(&keys.current).ok_or(SecretError::NoKey)?;
        Ok((&keys.current, key))
    }
}

fn parse_line(line: &str) -> Option<(String, SealingKey)> {
    let (name, text) = line.split_once(':')?;
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !(1..=64).contains(&name.len()) || !name.bytes().all(word) {
        return None;
    }
    let key = STANDARD.decode(text).ok()?;
    // Two uses, two keys: one that seals never makes digests.
    let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), b"confman.io/digest-key/v1");
    Some((
        name.to_owned(),
        SealingKey {
            cipher: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).ok()?),
            digest_key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
        },
    ))
}

fn associated(place: Place<'_>, value_type: ValueType) -> Vec<u8> {
    format!(
        "confman.io/sealed/v1\n{}\n{value_type}",
        place.namespace.join(place.key)
    )
    .into_bytes()
}

fn keyed_digest(key: &SealingKey, value: &ConfigValue) -> Digest {
    let mut context = hmac::Context::with_key(&key.digest_key);
    context.update(value.value_type().to_string().as_bytes());
    context.update(&[0]);
    context.update(value.canonical_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.sign().as_ref());
    Digest::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "old:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "new:HxwdGhsYGRYXFBUSExAREA8ODQwLCgkIBwYFBAMCAQA=";

    fn place(key: &str) -> (NamespacePath, ConfigKey) {
        let namespace = NamespacePath::parse("/payments").expect("a path");
        (namespace, ConfigKey::parse(key).expect("a key"))
    }

    #[test]
    fn a_sealed_value_opens_in_its_place_and_nowhere_else() {
        let secrets = Secrets::parse(OLD).expect("a key");
        let (namespace, key) = place("token");
        let at = Place {
            namespace: &namespace,
            key: &key,
        };
        let plain = ConfigValue::from_text("hunter2").expect("a value");
        let sealed = secrets.seal(at, plain.clone()).expect("it seals");
        let bytes = sealed.canonical_bytes();
        assert!(
            !bytes.windows(7).any(|window| window == b"hunter2"),
            "nothing of it is left"
        );
        assert_eq!(secrets.open(at, &sealed), Ok(plain.clone()));
        let (_, other) = place("other");
        let elsewhere = Place {
            namespace: &namespace,
            key: &other,
        };
        assert_eq!(secrets.open(elsewhere, &sealed), Err(SecretError::Damaged));
        let again = secrets.seal(at, plain.clone()).expect("it seals");
        assert_ne!(again.canonical_bytes(), bytes, "each time another envelope");
        assert_eq!(again.digest(), sealed.digest(), "of the same value");
        assert_ne!(
            sealed.digest(),
            plain.digest(),
            "which nobody can guess by trying values"
        );
    }

    #[test]
    fn what_an_older_key_sealed_opens_while_that_key_is_kept() {
        let before = Secrets::parse(OLD).expect("a key");
        let both = Secrets::parse(&format!("{NEW}\n{OLD}\n")).expect("two keys");
        let after = Secrets::parse(NEW).expect("a key");
        let (namespace, key) = place("token");
        let at = Place {
            namespace: &namespace,
            key: &key,
        };
        let plain = ConfigValue::from_json_text("{\"a\":1}").expect("a value");
        let sealed = before.seal(at, plain.clone()).expect("it seals");
        assert_eq!(both.open(at, &sealed), Ok(plain.clone()));
        assert_eq!(after.open(at, &sealed), Err(SecretError::UnknownKey));
        assert_eq!(Secrets::default().open(at, &sealed), Err(SecretError::NoKey));
        let renewed = both.seal(at, plain.clone()).expect("it seals");
        assert_eq!(after.open(at, &renewed), Ok(plain));
    }

    #[test]
    fn a_file_that_is_no_list_of_keys_is_refused_without_a_word_of_it() {
        for bad in [
            "",
            "\n",
            "short:AAEC",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "a b:AAAA",
            &format!("{OLD}\n{OLD}"),
        ] {
            let error = Secrets::parse(bad).err().expect("refused").to_string();
            assert!(!error.contains("AAEC"), "{error}");
        }
    }
}
