//! Pages of the audit: of everything, or of a namespace and those below it.

use std::ops::Bound;

use confman_core::audit::AuditEvent;
use confman_core::ids::NamespacePath;

use super::SnapshotView;
use super::listing::{Order, Page, Room, Scan};
use super::rows::Rows as _;
use crate::keys::{self, Family};
use crate::state_machine::{ReadError, decode_row};

/// About how many bytes an event has that is found through the index.
const LISTED_BYTES: usize = 512;
/// More bytes than any page has room for.
const PAGE_IS_FULL: usize = usize::MAX;

/// Place of an audit event in the whole audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditPosition {
    /// Log index.
    pub index: u64,
    /// 0, 1, … among the events of one log entry.
    pub seq: u32,
}

/// A part of the audit. To go on, put [`Page::next`] as an excluded bound at the end that was being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditRange {
    /// Oldest event.
    pub from: Bound<AuditPosition>,
    /// Newest event.
    pub to: Bound<AuditPosition>,
    /// Which comes first.
    pub order: Order,
    /// Most events on the page.
    pub limit: usize,
    /// Most events that are looked at for the page: it may end before it is full, or even empty.
    pub walk: usize,
}

/// What becomes of an event on its way to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// It is put on the page.
    Keep,
    /// It is left out.
    PassOver,
    /// It is left out, and so is everything behind it: this is the last page.
    End,
}

impl SnapshotView<'_> {
    /// Audit events of `path` and every namespace below it, of all for `/`, as far as `take` keeps them. The next page
    /// begins behind the last event that was looked at.
    pub fn audit_below(
        &self,
        path: &NamespacePath,
        range: AuditRange,
        mut take: impl FnMut(&AuditEvent) -> Take,
    ) -> Result<Page<AuditEvent, AuditPosition>, ReadError> {
        let of_all = path.is_root();
        let (family, prefix) = if of_all {
            (Family::Audit, vec![keys::AUDIT_EVENTS])
        } else {
            (Family::Audit, keys::audit_of_subtree(path))
        };
        let key = |at: AuditPosition| {
            if of_all {
                keys::audit_event(at.index, at.seq)
            } else {
                keys::audit_in_subtree(path, at.index, at.seq)
            }
        };
        let mut scan = Scan::prefix(family, prefix);
        scan.order = range.order;
        match range.from {
            Bound::Included(at) => scan.from = key(at),
            Bound::Excluded(at) => scan = scan.after(Some(key(at))),
            Bound::Unbounded => {}
        }
        match range.to {
            Bound::Included(at) => scan.to = Some([key(at), vec![0]].concat()),
            Bound::Excluded(at) => scan.to = Some(key(at)),
            Bound::Unbounded => {}
        }
        let (mut items, mut last) = (Vec::new(), None);
        let mut room = Room {
            items: range.walk,
            bytes: Room::BYTES,
        };
        let more = self.scan(scan, &mut room, |row_key, bytes| {
            let (event, length): (AuditEvent, usize) = if of_all {
                (decode_row(row_key, bytes)?, bytes.len())
            } else {
                (self.listed_event(row_key)?, LISTED_BYTES)
            };
            last = Some(AuditPosition {
                index: event.position.index,
                seq: event.seq,
            });
            match take(&event) {
                Take::Keep => items.push(event),
                Take::PassOver => return Ok(0),
                Take::End => {
                    last = None;
                    return Ok(PAGE_IS_FULL);
                }
            }
            Ok(if items.len() < range.limit {
                length
            } else {
                PAGE_IS_FULL
            })
        })?;
        let next = last.filter(|_| more);
        Ok(Page { items, next })
    }

    fn listed_event(&self, row_key: &[u8]) -> Result<AuditEvent, ReadError> {
        let missing = || ReadError::Missing {
            prefix: keys::AUDIT_EVENTS,
        };
        let (index, seq) = keys::audit_position(row_key).ok_or_else(missing)?;
        let event = self.0.record(Family::Audit, &keys::audit_event(index, seq))?;
        event.ok_or_else(missing)
    }
}
