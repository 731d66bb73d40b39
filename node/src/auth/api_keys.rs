//! API keys from a folder that a Secret is mounted as: one file a key, named like it, with `sha256:<hex>` of its text.
//! The rights of a key come from roles; the folder only says which keys exist.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use confman_api::limits;
use confman_core::digest::Digest;
use confman_core::principal::{Actor, Principal};
use subtle::ConstantTimeEq as _;
use tokio_util::sync::CancellationToken;

use super::key_form::{RANDOM_BYTES, is_well_formed};

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
}

/// Digest of each key, and whose it is.
type Table = BTreeMap<Digest, Arc<Actor>>;

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
            .map(|(name, text)| (digest_of(text), actor(name)))
            .collect();
        Self {
            table: Arc::new(ArcSwap::from_pointee(table)),
        }
    }

    /// The actor whose key `text` is.
    pub fn authenticate(&self, text: &str) -> Result<Arc<Actor>, KeyError> {
        if !is_well_formed(text) {
            return Err(KeyError::Malformed);
        }
        let digest = digest_of(text);
        let table = self.table.load();
        // What is looked up is a digest of 256 random bits: how long that takes says nothing about the key.
        match table.get_key_value(&digest) {
            Some((known, actor)) if bool::from(known.as_bytes().ct_eq(digest.as_bytes())) => Ok(Arc::clone(actor)),
            Some(_) | None => Err(KeyError::Unknown),
        }
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

fn actor(name: &str) -> Arc<Actor> {
    Arc::new(Actor::new(Principal::api_key(name)))
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
                table.insert(digest, actor(name));
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

    #[test]
    fn a_generated_key_is_accepted_and_any_other_is_not() {
        let key = generate("test").expect("randomness is there");
        let keys = ApiKeys::fixed([("reader", key.as_str())]);
        let who = keys.authenticate(&key).map(|actor| actor.principal.to_string());
        assert_eq!(who, Ok("key:reader".to_owned()));
        let other = generate("test").expect("randomness is there");
        assert_eq!(keys.authenticate(&other), Err(KeyError::Unknown));
        for bad in [
            "",
            "confman",
            "confman_test",
            "confman_test_short",
            "secret",
            "confman__",
            &key[1..],
        ] {
            assert_eq!(keys.authenticate(bad), Err(KeyError::Malformed), "{bad:?}");
        }
        let long = format!("{key}{}", "a".repeat(300));
        assert_eq!(keys.authenticate(&long), Err(KeyError::Malformed));
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
