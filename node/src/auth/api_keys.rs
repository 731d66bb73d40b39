//! API keys from a folder that a Secret is mounted as: one file a key, named like it, with `sha256:<hex>` of its text.
//! The rights of a key come from roles; the folder only says which keys exist.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use confman_api::limits;
use confman_core::api_key::KeyState;
use confman_core::digest::Digest;
use confman_core::principal::{Actor, Principal};
use subtle::ConstantTimeEq as _;
use tokio_util::sync::CancellationToken;

use super::key_form::RANDOM_BYTES;
use super::known::Known;

/// How often the folder is looked at.
const RELOAD_INTERVAL: Duration = Duration::from_secs(1);
/// A digest is 71 bytes; nothing longer is read.
const MAX_FILE_BYTES: u64 = 256;

/// Why a key was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not of the form `confman_ENV_RANDOM`.
    #[error("the API key is not of the form confman_ENVIRONMENT_RANDOM")]
    Malformed,
    /// Nobody has this key.
    #[error("the API key is not known")]
    Unknown,
    /// It was one.
    #[error(transparent)]
    Ended(#[from] KeyState),
}

/// Digest of each key, and whose it is.
type Table = BTreeMap<Digest, Arc<Known>>;

/// The keys that are accepted now. Cheap to clone.
#[derive(Clone, Default)]
pub struct ApiKeys {
    table: Arc<ArcSwap<Table>>,
}

impl ApiKeys {
    /// Exactly these keys (name, text), for a node without a folder.
    pub fn fixed<'a>(keys: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let table: Table = keys
            .into_iter()
            .map(|(name, text)| (digest_of(text), holder(name)))
            .collect();
        Self {
            table: Arc::new(ArcSwap::from_pointee(table)),
        }
    }

    /// Whose key it is that has this digest.
    pub fn holder(&self, digest: &Digest) -> Option<Arc<Known>> {
        // What is looked up is a digest of 256 random bits: how long that takes says nothing about the key.
        let table = self.table.load();
        let (stored, known) = table.get_key_value(digest)?;
        require_equal(stored, digest).ok().map(|()| Arc::clone(known))
    }

    /// True if a key has this name.
    pub fn has(&self, name: &str) -> bool {
        let table = self.table.load();
        table.values().any(|known| known.login.principal.name == name)
    }

    /// Number of accepted keys.
    pub fn count(&self) -> usize {
        self.table.load().len()
    }

    /// Reads `folder` now, and again when it changes, until `stop`.
    pub async fn watch(self, folder: PathBuf, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(RELOAD_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut seen = None;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            seen = self.reload(&folder, seen).await;
        }
    }

    /// Reads `folder` once, so that a node knows its keys before it answers anybody.
    pub async fn load(&self, folder: &Path) {
        self.reload(folder, None).await;
    }

    /// Reads `folder` if it is not as it was `seen`; gives how it is now.
    async fn reload(&self, folder: &Path, seen: Option<Fingerprint>) -> Option<Fingerprint> {
        let (path, before) = (folder.to_owned(), seen.clone());
        let read = tokio::task::spawn_blocking(move || read_if_changed(&path, before.as_ref()));
        match read.await {
            Ok(Ok(Some((fingerprint, table)))) => {
                tracing::info!(keys = table.len(), "API keys loaded");
                self.table.store(Arc::new(table));
                return Some(fingerprint);
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::warn!(folder = %folder.display(), %error, "API keys cannot be read"),
            Err(_) => tracing::warn!("API keys are not read: the process is stopping"),
        }
        seen
    }
}

fn holder(name: &str) -> Arc<Known> {
    Arc::new(Known::unlimited(Actor::new(Principal::api_key(name))))
}

/// Compares digests in constant time.
pub fn require_equal(stored: &Digest, shown: &Digest) -> Result<(), KeyError> {
    let equal = stored.as_bytes().ct_eq(shown.as_bytes());
    bool::from(equal).then_some(()).ok_or(KeyError::Unknown)
}

/// Name, size and modification time of every file.
type Fingerprint = Vec<(String, u64, Option<SystemTime>)>;

fn read_if_changed(folder: &Path, seen: Option<&Fingerprint>) -> std::io::Result<Option<(Fingerprint, Table)>> {
    let fingerprint = fingerprint(folder)?;
    if seen == Some(&fingerprint) {
        return Ok(None);
    }
    let mut table = Table::new();
    for (name, size, _) in &fingerprint {
        let text = match size {
            0..=MAX_FILE_BYTES => std::fs::read_to_string(folder.join(name))?,
            _ => String::new(),
        };
        match Digest::parse(text.trim()) {
            Ok(digest) => {
                table.insert(digest, holder(name));
            }
            Err(error) => tracing::error!(key = name, %error, "API key ignored; its file must hold its digest"),
        }
    }
    Ok(Some((fingerprint, table)))
}

fn fingerprint(folder: &Path) -> std::io::Result<Fingerprint> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        // A mounted Secret keeps its data in hidden folders behind links; the links are followed.
        if name.starts_with('.') || name.len() > Principal::MAX_NAME_BYTES {
            continue;
        }
        let metadata = std::fs::metadata(entry.path())?;
        if metadata.is_file() {
            files.push((name, metadata.len(), metadata.modified().ok()));
        }
        if files.len() >= limits::API_KEYS.value {
            tracing::error!(
                limit = limits::API_KEYS.value,
                "more API keys than the limit; the rest is ignored"
            );
            break;
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// What a file of the folder holds for the key `text`.
pub fn digest_of(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// A new key with 256 random bits.
pub fn generate(environment: &str) -> Result<String, getrandom::Error> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes)?;
    let mut key = format!("confman_{environment}_");
    for byte in bytes {
        key.push(hex_digit(byte >> 4));
        key.push(hex_digit(byte & 15));
    }
    Ok(key)
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::key_form::is_well_formed;

    #[test]
    fn a_generated_key_is_known_by_its_digest_and_any_other_is_not() {
        let key = generate("test").expect("randomness is there");
        let keys = ApiKeys::fixed([("reader", key.as_str())]);
        let who = keys.holder(&digest_of(&key)).map(|known| known.principal.to_string());
        assert_eq!(who, Some("key:reader".to_owned()));
        let other = generate("test").expect("randomness is there");
        assert_eq!(keys.holder(&digest_of(&other)), None);
    }

    #[test]
    fn a_key_has_an_environment_and_random_digits() {
        let key = generate("test").expect("randomness is there");
        assert!(is_well_formed(&key), "{key}");
        let long = format!("{key}{}", "a".repeat(300));
        for bad in [
            "",
            "confman",
            "confman_test",
            "confman_test_short",
            "secret",
            "confman__",
            &key[1..],
            &long,
        ] {
            assert!(!is_well_formed(bad), "{bad:?}");
        }
    }

    #[test]
    fn the_folder_is_read_again_only_when_it_changes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = generate("test").expect("randomness is there");
        let path = folder.path().join("reader");
        std::fs::write(&path, format!("{}\n", digest_of(&key))).expect("the file can be written");
        std::fs::write(folder.path().join("broken"), "no digest").expect("the file can be written");
        std::fs::create_dir(folder.path().join("..data")).expect("the folder can be made");

        let (seen, table) = read_if_changed(folder.path(), None).expect("readable").expect("new");
        assert_eq!(table.len(), 1);
        assert!(table.contains_key(&digest_of(&key)));
        let again = read_if_changed(folder.path(), Some(&seen)).expect("readable");
        assert!(again.is_none(), "nothing changed");

        std::fs::remove_file(&path).expect("the file can be removed");
        let (_, table) = read_if_changed(folder.path(), Some(&seen))
            .expect("readable")
            .expect("changed");
        assert!(table.is_empty());
    }
}
