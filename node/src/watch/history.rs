//! Past changes, read from the state.

use std::ops::Bound;

use confman_core::audit::AuditEvent;
use confman_core::ids::NamespacePath;
use confman_store::{AuditPosition, AuditRange, Order, Page, ReadError, SnapshotView, Take};

/// Up to `limit` events of `namespace` and those below it, oldest first.
pub(super) fn events(
    view: &SnapshotView<'_>,
    namespace: &NamespacePath,
    (from, to): (Bound<AuditPosition>, Bound<AuditPosition>),
    limit: usize,
) -> Result<Page<AuditEvent, AuditPosition>, ReadError> {
    let range = AuditRange {
        from,
        to,
        order: Order::OldestFirst,
        limit,
        walk: limit,
    };
    view.audit_below(namespace, range, |_| Take::Keep)
}

/// Last applied log index.
pub(super) fn applied(view: &SnapshotView<'_>) -> u64 {
    view.applied().map_or(0, |position| position.index)
}
