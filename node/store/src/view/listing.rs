//! Lists of rows in key order, in pages that are bounded by number and by bytes.

use confman_core::api_key::ApiKeyRecord;
use confman_core::cluster::StampKey;
use confman_core::entry::{Draft, Version};
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::webhook::Delivery;

use super::SnapshotView;
use super::rows::View;
use crate::codec::LiveRow;
use crate::keys::{self, Family};
use crate::state_machine::{ReadError, decode_row};

/// Room on a page, or what of it is left: a page of several scans has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Most items.
    pub items: usize,
    /// Bytes of rows after which a page ends even with fewer items; the last row may be larger.
    pub bytes: usize,
}

impl Room {
    /// Most bytes of rows that a page holds in memory.
    pub const BYTES: usize = 4 << 20;

    /// Room for `items`.
    pub const fn for_items(items: usize) -> Self {
        Self {
            items,
            bytes: Self::BYTES,
        }
    }

    /// True if nothing more may be put on the page.
    pub const fn is_used_up(&self) -> bool {
        self.items == 0 || self.bytes == 0
    }

    pub(super) const fn take(&mut self, bytes: usize) {
        self.items = self.items.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// The live versions of some keys of a namespace.
#[derive(Clone, Copy, Debug)]
pub struct LiveRange<'a> {
    /// The namespace.
    pub namespace: &'a NamespacePath,
    /// What the keys begin with.
    pub prefix: &'a str,
    /// The key before the first.
    pub after: Option<&'a ConfigKey>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, C> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins: pass it as `after` or `before`. None if this was the last one.
    pub next: Option<C>,
}

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    OldestFirst,
    /// Newest first.
    NewestFirst,
}

/// Rows of one family between two keys.
pub(super) struct Scan {
    family: Family,
    /// First key.
    pub(super) from: Vec<u8>,
    /// First key after the last; none for the end of the family.
    pub(super) to: Option<Vec<u8>>,
    pub(super) order: Order,
}

impl Scan {
    pub(super) fn prefix(family: Family, prefix: Vec<u8>) -> Self {
        Self {
            family,
            to: keys::end_of_prefix(&prefix),
            from: prefix,
            order: Order::OldestFirst,
        }
    }

    /// Begins after `key`.
    pub(super) fn after(mut self, key: Option<Vec<u8>>) -> Self {
        if let Some(mut key) = key {
            key.push(0);
            self.from = key;
        }
        self
    }

    /// Ends before `key`, and begins there.
    pub(super) fn backwards_from(mut self, key: Option<Vec<u8>>) -> Self {
        if key.is_some() {
            self.to = key;
        }
        self.order = Order::NewestFirst;
        self
    }
}

impl View<super::SnapshotRows<'_>> {
    /// Calls `take`, which says how many bytes it read, for each row of `scan` while there is room; true if rows were
    /// left.
    pub(super) fn scan(
        &self,
        scan: Scan,
        room: &mut Room,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<usize, ReadError>,
    ) -> Result<bool, ReadError> {
        let generation = self.0.generation();
        let mut options = self.0.options();
        options.set_iterate_lower_bound(scan.from);
        if let Some(to) = scan.to {
            options.set_iterate_upper_bound(to);
        }
        let mut rows = generation
            .database()
            .raw_iterator_cf_opt(generation.family(scan.family), options);
        match scan.order {
            Order::OldestFirst => rows.seek_to_first(),
            Order::NewestFirst => rows.seek_to_last(),
        }
        while let Some((key, value)) = rows.item() {
            if room.is_used_up() {
                return Ok(true);
            }
            room.take(take(key, value)?);
            match scan.order {
                Order::OldestFirst => rows.next(),
                Order::NewestFirst => rows.prev(),
            }
        }
        rows.status().map_err(ReadError::Access)?;
        Ok(false)
    }
}

impl SnapshotView<'_> {
    /// Hands each live version of `range` to `take`, by key, while there is room. Some key if more are left: the `after`
    /// of the next page.
    pub fn live_versions(
        &self,
        range: LiveRange<'_>,
        room: &mut Room,
        mut take: impl FnMut(Version),
    ) -> Result<Option<ConfigKey>, ReadError> {
        let LiveRange {
            namespace,
            prefix,
            after,
        } = range;
        let scan = Scan::prefix(Family::State, keys::live_prefix(namespace, prefix));
        let scan = scan.after(after.map(|key| keys::live(namespace, key)));
        let mut last = None;
        let more = self.scan(scan, room, |row_key, bytes| {
            let version = match decode_row(row_key, bytes)? {
                LiveRow::Inline(version) => *version,
                stored @ LiveRow::Stored(_) => self.version_of(namespace, &key_of(namespace, row_key)?, stored)?,
            };
            let value = version.value.as_ref().map_or(0, |value| value.canonical_bytes().len());
            last = Some(version.key.clone());
            take(version);
            Ok(bytes.len() + value)
        })?;
        Ok(last.filter(|_| more))
    }

    /// Versions of a key before number `before`, newest first.
    pub fn versions(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<Version, u64>, ReadError> {
        let scan = Scan::prefix(Family::History, keys::versions(namespace, key));
        let scan = scan.backwards_from(before.map(|number| keys::version(namespace, key, number)));
        let mut items: Vec<Version> = Vec::new();
        let more = self.scan(scan, &mut Room::for_items(limit), |row_key, bytes| {
            items.push(decode_row(row_key, bytes)?);
            Ok(bytes.len())
        })?;
        let next = items.last().filter(|_| more).map(|version| version.number);
        Ok(Page { items, next })
    }

    /// Drafts of `namespace`, by key.
    pub fn drafts(
        &self,
        namespace: &NamespacePath,
        after: Option<&ConfigKey>,
        limit: usize,
    ) -> Result<Page<Draft, ConfigKey>, ReadError> {
        let scan = Scan::prefix(Family::State, keys::drafts(namespace));
        let scan = scan.after(after.map(|key| keys::draft(namespace, key)));
        let mut items: Vec<Draft> = Vec::new();
        let more = self.scan(scan, &mut Room::for_items(limit), |row_key, bytes| {
            items.push(decode_row(row_key, bytes)?);
            Ok(bytes.len())
        })?;
        let next = items.last().filter(|_| more).map(|draft| draft.key.clone());
        Ok(Page { items, next })
    }

    /// Hands every delivery that is not finished to `take`, by id. Takes time in proportion to their number.
    pub fn deliveries(&self, mut take: impl FnMut(Delivery)) -> Result<(), ReadError> {
        let scan = Scan::prefix(Family::State, vec![keys::DELIVERIES]);
        let mut room = Room {
            items: usize::MAX,
            bytes: usize::MAX,
        };
        self.scan(scan, &mut room, |row_key, bytes| {
            take(decode_row(row_key, bytes)?);
            Ok(bytes.len())
        })?;
        Ok(())
    }

    /// API keys by name, also those that have ended.
    pub fn api_keys(&self, after: Option<&str>, limit: usize) -> Result<Page<ApiKeyRecord, String>, ReadError> {
        let scan = Scan::prefix(Family::State, vec![keys::API_KEYS]).after(after.map(keys::api_key));
        let mut items: Vec<ApiKeyRecord> = Vec::new();
        let more = self.scan(scan, &mut Room::for_items(limit), |row_key, bytes| {
            items.push(decode_row(row_key, bytes)?);
            Ok(bytes.len())
        })?;
        let next = items.last().filter(|_| more).map(|key| key.name.clone());
        Ok(Page { items, next })
    }

    /// Every stamp key.
    pub fn stamp_keys(&self) -> Result<Vec<StampKey>, ReadError> {
        let mut found = Vec::new();
        self.scan(
            Scan::prefix(Family::State, vec![keys::STAMP_KEYS]),
            &mut Room::for_items(usize::MAX),
            |key, bytes| {
                found.push(decode_row(key, bytes)?);
                Ok(0)
            },
        )?;
        Ok(found)
    }
}

/// The config key at the end of the key of a live row.
pub(super) fn key_of(namespace: &NamespacePath, row_key: &[u8]) -> Result<ConfigKey, ReadError> {
    let prefix = keys::live_prefix(namespace, "").len();
    let text = row_key.get(prefix..).and_then(|key| std::str::from_utf8(key).ok());
    text.and_then(|text| ConfigKey::parse(text).ok())
        .ok_or(ReadError::Missing { prefix: keys::LIVE })
}
