//! The effective view of a namespace, read row by row: only keys that are on the page are looked up.

use confman_core::effective::{EffectiveKey, EffectiveKeys, OwnKey, seen};
use confman_core::entry::Version;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::state::StateView as _;
use rocksdb::{DB, DBRawIteratorWithThreadMode};

use super::listing::{Room, key_of};
use super::{SnapshotRows, SnapshotView};
use crate::keys::{self, Family};
use crate::state_machine::ReadError;
use crate::view::rows::View;

/// The live keys of one namespace, in order.
struct OwnKeys<'v> {
    view: &'v SnapshotView<'v>,
    namespace: &'v NamespacePath,
    rows: DBRawIteratorWithThreadMode<'v, DB>,
}

impl Iterator for OwnKeys<'_> {
    type Item = Result<OwnKey, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(row_key) = self.rows.key() else {
            return self.rows.status().map_err(ReadError::Access).err().map(Err);
        };
        let own = key_of(self.namespace, row_key).and_then(|key| self.view.own_key(self.namespace, key));
        self.rows.next();
        // What has a live row is live.
        let missing = ReadError::Missing { prefix: keys::ENTRIES };
        Some(own.and_then(|own| own.ok_or(missing)))
    }
}

impl View<SnapshotRows<'_>> {
    /// Hands each value that is seen in the first namespace of `layers` to `take`, by key, while there is room. `layers`
    /// are the namespaces that it inherits from, itself included, nearest first. Some key if more are left: the `after` of
    /// the next page.
    pub fn effective_versions(
        &self,
        layers: &[NamespacePath],
        after: Option<&ConfigKey>,
        room: &mut Room,
        mut take: impl FnMut(Version),
    ) -> Result<Option<ConfigKey>, ReadError> {
        let mut keys = EffectiveKeys::over(layers.iter().map(|layer| self.own_keys(layer, after)));
        let mut last = None;
        while !room.is_used_up() {
            let Some(found) = keys.next().transpose()? else {
                return Ok(None);
            };
            let version = self.effective(layers, &found)?;
            last = Some(version.key.clone());
            room.take(version.value.as_ref().map_or(0, |value| value.canonical_bytes().len()) + 256);
            take(version);
        }
        let more = keys.next().transpose()?.is_some();
        Ok(last.or_else(|| after.cloned()).filter(|_| more))
    }

    /// The value of `key` that is seen in the first namespace of `layers`; none if there is none.
    pub fn effective_version(&self, layers: &[NamespacePath], key: &ConfigKey) -> Result<Option<Version>, ReadError> {
        let mut found = Vec::new();
        for (layer, namespace) in layers.iter().enumerate() {
            let own = self.own_key(namespace, key.clone())?;
            found.extend(own.map(|own| EffectiveKey { layer, own }));
        }
        seen(found).map(|found| self.effective(layers, &found)).transpose()
    }

    fn effective(&self, layers: &[NamespacePath], found: &EffectiveKey) -> Result<Version, ReadError> {
        let version = match layers.get(found.layer) {
            Some(namespace) => self.live(namespace, &found.own.key)?,
            None => None,
        };
        version.ok_or(ReadError::Missing { prefix: keys::LIVE })
    }

    /// What the view must know of a live key; none if it is not live.
    fn own_key(&self, namespace: &NamespacePath, key: ConfigKey) -> Result<Option<OwnKey>, ReadError> {
        let entry = self.entry(namespace, &key)?;
        let live = entry.and_then(|entry| Some((entry.live?, entry.meta.is_final)));
        Ok(live.map(|(version, is_final)| OwnKey { key, version, is_final }))
    }

    fn own_keys<'v>(&'v self, namespace: &'v NamespacePath, after: Option<&ConfigKey>) -> OwnKeys<'v> {
        let generation = self.0.generation();
        let mut options = self.0.options();
        let prefix = keys::live_prefix(namespace, "");
        if let Some(end) = keys::end_of_prefix(&prefix) {
            options.set_iterate_upper_bound(end);
        }
        let from = after.map_or(prefix, |key| [keys::live(namespace, key), vec![0]].concat());
        options.set_iterate_lower_bound(from);
        let family = generation.family(Family::State);
        let mut rows = generation.database().raw_iterator_cf_opt(family, options);
        rows.seek_to_first();
        OwnKeys {
            view: self,
            namespace,
            rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use confman_core::entry::{ConfigEntry, EntryMeta};
    use confman_core::state::Change;

    use super::*;
    use crate::samples::{key, path, version};
    use crate::state_machine::LARGE_VALUE_BYTES;
    use crate::test_store::{open, write};

    fn entry(at: &str, name: &str, live: Option<u64>, is_final: bool) -> Change {
        Change::PutEntry(ConfigEntry {
            namespace: path(at),
            key: key(name),
            live,
            last_version: 7,
            oldest_version: 1,
            meta: EntryMeta {
                is_final,
                ..EntryMeta::default()
            },
            rotation_noted: 0,
        })
    }

    fn publish(at: &str, name: &str, value: &str, is_final: bool) -> [Change; 2] {
        let version = version(at, name, 7, value);
        [
            Change::PutVersion(Box::new(version)),
            entry(at, name, Some(7), is_final),
        ]
    }

    #[test]
    fn view_is_merged_page_by_page_and_shows_where_each_value_is_from() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path());
        let large = "x".repeat(LARGE_VALUE_BYTES);
        let mut changes = Vec::new();
        changes.extend(publish("/", "FIXED", "root", true));
        changes.extend(publish("/", "LARGE", &large, false));
        changes.extend(publish("/", "NEAR", "root", false));
        changes.extend(publish("/a", "FIXED", "a", false));
        changes.extend(publish("/a", "NEAR", "a", false));
        changes.extend(publish("/a/b", "OWN", "b", false));
        // Neither neighbours nor what is deleted, however final it was.
        changes.extend(publish("/a-b", "OTHER", "x", false));
        changes.extend(publish("/", "GONE", "x", true));
        changes.push(entry("/", "GONE", None, true));
        write(&store, 1, changes);
        let layers = ["/a/b", "/a", "/"].map(path);
        let page = |after: Option<&ConfigKey>, items| {
            let (mut seen, mut room) = (Vec::new(), Room::for_items(items));
            let next = store.reader.read(|view| {
                view.effective_versions(&layers, after, &mut room, |version| {
                    let size = version.value.map_or(0, |value| value.canonical_bytes().len());
                    seen.push((version.key.to_string(), version.namespace.to_string(), size > 100));
                })
            });
            (seen, next.expect("a page"))
        };
        let row = |name: &str, at: &str, is_large| (name.to_owned(), at.to_owned(), is_large);
        let (first, next) = page(None, 2);
        assert_eq!(first, [row("FIXED", "/", false), row("LARGE", "/", true)]);
        let (second, next) = page(next.as_ref(), 2);
        assert_eq!(second, [row("NEAR", "/a", false), row("OWN", "/a/b", false)]);
        assert_eq!(next, None, "nothing is left");
    }

    #[test]
    fn one_key_is_looked_up_as_the_view_shows_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path());
        let mut changes = publish("/", "FIXED", "root", true).to_vec();
        changes.extend(publish("/a", "FIXED", "a", false));
        changes.extend(publish("/a", "NEAR", "a", false));
        write(&store, 1, changes);
        let layers = ["/a", "/"].map(path);
        let origin = |name: &str| {
            let found = store.reader.read(|view| view.effective_version(&layers, &key(name)));
            found.expect("a read").map(|version| version.namespace.to_string())
        };
        assert_eq!(origin("FIXED").as_deref(), Some("/"));
        assert_eq!(origin("NEAR").as_deref(), Some("/a"));
        assert_eq!(origin("OTHER"), None);
    }
}
