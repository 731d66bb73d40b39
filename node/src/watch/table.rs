//! Who is interested in what, and the changes that were not so long ago. Only those are woken whom a change is for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use confman_api::watch::{ChangeKind, ClosedReason};
use confman_core::audit::AuditEvent;
use confman_core::ids::NamespacePath;
use confman_store::AuditPosition;
use tokio::sync::watch;

use super::change::Change;

/// Where a watcher looks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interest {
    /// The namespace.
    pub namespace: NamespacePath,
    /// Whether those below it count.
    pub recursive: bool,
}

impl Interest {
    /// True if a change in `namespace` is in it.
    pub fn covers(&self, namespace: &NamespacePath) -> bool {
        self.namespace == *namespace || self.recursive && namespace.is_below(&self.namespace)
    }
}

/// Bounds of what is remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Changes in all.
    pub(super) recent: usize,
    /// Places of changes for those with one interest.
    pub(super) waiting: usize,
}

/// What there is for a watcher.
#[derive(Debug)]
pub(super) enum Next {
    /// This change comes next.
    Change(Arc<Change>),
    /// It is not remembered what comes next: look into the state.
    Behind,
    /// Nothing yet.
    Nothing,
    /// Nothing more ever.
    Closed(ClosedReason),
}

/// Everybody with the same interest.
#[derive(Debug)]
struct Group {
    watchers: usize,
    wake: watch::Sender<()>,
    /// Places of the last changes for them, oldest first.
    waiting: VecDeque<AuditPosition>,
    /// Every change for them behind this place is in `waiting`.
    complete_after: AuditPosition,
}

/// Interests and recent changes.
#[derive(Debug)]
pub(super) struct Table {
    sizes: Sizes,
    /// Everything up to here was published.
    head: AuditPosition,
    recent: VecDeque<Arc<Change>>,
    groups: BTreeMap<Interest, Group>,
    closed: Option<ClosedReason>,
}

impl Table {
    /// Nobody watches; everything up to `head` is history.
    pub(super) fn new(sizes: Sizes, head: AuditPosition) -> Self {
        Self {
            sizes,
            head,
            recent: VecDeque::new(),
            groups: BTreeMap::new(),
            closed: None,
        }
    }

    /// Everything up to here was published.
    pub(super) fn head(&self) -> AuditPosition {
        self.head
    }

    /// True if nobody watches.
    pub(super) fn is_idle(&self) -> bool {
        self.groups.is_empty()
    }

    /// One more watcher; what it gets tells it when to look again.
    pub(super) fn join(&mut self, interest: &Interest) -> watch::Receiver<()> {
        let head = self.head;
        let group = self.groups.entry(interest.clone()).or_insert_with(|| Group {
            watchers: 0,
            wake: watch::Sender::new(()),
            waiting: VecDeque::new(),
            complete_after: head,
        });
        group.watchers += 1;
        group.wake.subscribe()
    }

    /// One watcher less.
    pub(super) fn leave(&mut self, interest: &Interest) {
        let Some(group) = self.groups.get_mut(interest) else {
            return;
        };
        group.watchers -= 1;
        if group.watchers == 0 {
            self.groups.remove(interest);
        }
        if self.groups.is_empty() {
            self.recent.clear();
        }
    }

    /// Everything up to `head` has happened, and `events` of it behind the last head. Gives whom to wake, once the table
    /// is not locked any more.
    pub(super) fn publish(&mut self, events: &[AuditEvent], head: AuditPosition) -> Vec<watch::Sender<()>> {
        let mut touched = BTreeMap::new();
        for event in events {
            self.add(event, &mut touched);
        }
        self.head = self.head.max(head);
        touched.into_values().collect()
    }

    fn add(&mut self, event: &AuditEvent, touched: &mut BTreeMap<Interest, watch::Sender<()>>) {
        let namespace = &event.resource.namespace;
        if ChangeKind::of(event.action) == ChangeKind::Governance {
            // Whoever watches here or below may have lost the right to.
            for (interest, group) in self.groups.range(at_or_after(namespace)) {
                if !interest.namespace.as_str().starts_with(namespace.as_str()) {
                    break;
                }
                if interest.namespace == *namespace || interest.namespace.is_below(namespace) {
                    touched.insert(interest.clone(), group.wake.clone());
                }
            }
        }
        let mut change: Option<Arc<Change>> = None;
        let above = namespace.ancestors().map(|ancestor| (ancestor, true));
        let places = [(namespace.clone(), false), (namespace.clone(), true)];
        for (namespace, recursive) in places.into_iter().chain(above) {
            let interest = Interest { namespace, recursive };
            let Some(group) = self.groups.get_mut(&interest) else {
                continue;
            };
            let change = change.get_or_insert_with(|| Arc::new(Change::of(event)));
            group.waiting.push_back(change.at);
            if group.waiting.len() > self.sizes.waiting
                && let Some(forgotten) = group.waiting.pop_front()
            {
                group.complete_after = forgotten;
            }
            touched.insert(interest, group.wake.clone());
        }
        if let Some(change) = change {
            self.recent.push_back(change);
            if self.recent.len() > self.sizes.recent {
                self.recent.pop_front();
            }
        }
    }

    /// What comes after `position` for somebody who has joined with `interest`.
    pub(super) fn next(&self, interest: &Interest, position: AuditPosition) -> Next {
        if let Some(reason) = self.closed {
            return Next::Closed(reason);
        }
        let Some(group) = self
            .groups
            .get(interest)
            .filter(|group| group.complete_after <= position)
        else {
            return Next::Behind;
        };
        let index = group.waiting.partition_point(|at| *at <= position);
        let Some(at) = group.waiting.get(index) else {
            return Next::Nothing;
        };
        match self.recent.binary_search_by_key(at, |change| change.at) {
            Ok(found) => Next::Change(Arc::clone(&self.recent[found])),
            Err(_) => Next::Behind,
        }
    }

    /// Ends everybody's watch. Gives whom to wake.
    pub(super) fn close(&mut self, reason: ClosedReason) -> Vec<watch::Sender<()>> {
        self.closed.get_or_insert(reason);
        self.groups.values().map(|group| group.wake.clone()).collect()
    }
}

fn at_or_after(namespace: &NamespacePath) -> std::ops::RangeFrom<Interest> {
    let first = Interest {
        namespace: namespace.clone(),
        recursive: false,
    };
    first..
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use confman_core::audit::{AuditAction, AuditActor, AuditChange, AuditResource};
    use confman_core::digest::Digest;
    use confman_core::ids::{ConfigKey, LogPosition, Timestamp};
    use confman_core::principal::Principal;

    use super::*;

    /// A published value, or with no key an updated namespace.
    pub(in crate::watch) fn event(index: u64, seq: u32, namespace: &str, key: Option<&str>) -> AuditEvent {
        let action = match key {
            Some(_) => AuditAction::ConfigPublished,
            None => AuditAction::NamespaceUpdated,
        };
        AuditEvent {
            id: AuditEvent::id_of(index, seq),
            position: LogPosition { term: 1, index },
            seq,
            time: Timestamp::default(),
            action,
            actor: AuditActor {
                principal: Principal::user("bob"),
                login: None,
                groups: BTreeSet::new(),
                stamp_key_id: None,
                ip: None,
            },
            resource: AuditResource {
                namespace: NamespacePath::parse(namespace).expect("a path"),
                key: key.map(|key| ConfigKey::parse(key).expect("a key")),
            },
            change: Some(AuditChange {
                previous_version: Some(2),
                new_version: Some(3),
                previous_digest: None,
                new_digest: Some(Digest::of(b"x")),
            }),
            workflow: None,
            comment: None,
            trace_id: None,
            previous_hash: Digest::ZERO,
            hash: Digest::ZERO,
        }
    }

    fn interest(namespace: &str, recursive: bool) -> Interest {
        Interest {
            namespace: NamespacePath::parse(namespace).expect("a path"),
            recursive,
        }
    }

    fn at(index: u64, seq: u32) -> AuditPosition {
        AuditPosition { index, seq }
    }

    fn table() -> Table {
        let sizes = Sizes { recent: 4, waiting: 2 };
        Table::new(sizes, at(10, u32::MAX))
    }

    fn publish(table: &mut Table, event: AuditEvent) {
        let head = at(event.position.index, u32::MAX);
        for wake in table.publish(&[event], head) {
            wake.send_replace(());
        }
    }

    fn next_at(table: &Table, interest: &Interest, after: AuditPosition) -> Option<AuditPosition> {
        match table.next(interest, after) {
            Next::Change(change) => Some(change.at),
            Next::Nothing => None,
            other @ (Next::Behind | Next::Closed(_)) => unreachable!("neither a change nor nothing: {other:?}"),
        }
    }

    #[test]
    fn a_change_wakes_exactly_those_whom_it_is_for() {
        let mut table = table();
        let wanted = [
            interest("/a/b", false),
            interest("/a/b", true),
            interest("/a", true),
            interest("/", true),
        ];
        let others = [
            interest("/a", false),
            interest("/a/b/c", true),
            interest("/a-b", true),
            interest("/a/bc", false),
        ];
        let mut woken: Vec<_> = wanted.iter().map(|interest| table.join(interest)).collect();
        let mut asleep: Vec<_> = others.iter().map(|interest| table.join(interest)).collect();
        publish(&mut table, event(11, 0, "/a/b", Some("key")));
        for (interest, wake) in wanted.iter().zip(&mut woken) {
            assert!(wake.has_changed().expect("the table lives"), "{interest:?}");
            assert_eq!(next_at(&table, interest, at(10, u32::MAX)), Some(at(11, 0)));
            assert_eq!(next_at(&table, interest, at(11, 0)), None);
        }
        for (interest, wake) in others.iter().zip(&mut asleep) {
            assert!(!wake.has_changed().expect("the table lives"), "{interest:?}");
        }
    }

    #[test]
    fn governance_wakes_everybody_below_too() {
        let mut table = table();
        let interests = [
            interest("/a", false),
            interest("/a/b", false),
            interest("/a/b/c", true),
            interest("/a-b", false),
        ];
        let woken: Vec<_> = interests.iter().map(|interest| table.join(interest)).collect();
        publish(&mut table, event(11, 0, "/a", None));
        let woken = woken.iter().map(|wake| wake.has_changed().expect("the table lives"));
        assert_eq!(woken.collect::<Vec<_>>(), [true, true, true, false]);
        assert_eq!(
            next_at(&table, &interests[1], at(10, u32::MAX)),
            None,
            "it is no change of theirs"
        );
        let mut of_root = super::Table::new(Sizes { recent: 4, waiting: 2 }, at(10, 0));
        let wake = of_root.join(&interest("/z", true));
        publish(&mut of_root, event(11, 0, "/", None));
        assert!(
            wake.has_changed().expect("the table lives"),
            "everything is below the root"
        );
    }

    #[test]
    fn whoever_is_too_slow_is_told_to_look_into_the_state() {
        let mut table = table();
        let own = interest("/a", false);
        table.join(&own);
        for index in 11..14 {
            publish(&mut table, event(index, 0, "/a", Some("key")));
        }
        assert!(
            matches!(table.next(&own, at(10, u32::MAX)), Next::Behind),
            "11 is forgotten"
        );
        assert_eq!(next_at(&table, &own, at(11, 0)), Some(at(12, 0)));
        // Others push its changes out of what is remembered in all.
        table.join(&interest("/b", false));
        for index in 14..18 {
            publish(&mut table, event(index, 0, "/b", Some("key")));
        }
        assert!(matches!(table.next(&own, at(11, 0)), Next::Behind));
        assert_eq!(next_at(&table, &own, at(13, 0)), None, "but nothing new is nothing new");
    }

    #[test]
    fn a_new_interest_knows_nothing_of_the_time_before() {
        let mut table = table();
        let own = interest("/a", false);
        table.join(&own);
        assert!(matches!(table.next(&own, at(9, u32::MAX)), Next::Behind));
        assert_eq!(next_at(&table, &own, at(10, u32::MAX)), None);
        table.leave(&own);
        assert!(table.is_idle());
    }

    #[test]
    fn the_end_is_told_to_everybody_before_anything_else() {
        let mut table = table();
        let own = interest("/a", false);
        table.join(&own);
        publish(&mut table, event(11, 0, "/a", Some("key")));
        assert_eq!(table.close(ClosedReason::Stopping).len(), 1);
        let next = table.next(&own, at(10, u32::MAX));
        assert!(matches!(next, Next::Closed(ClosedReason::Stopping)), "{next:?}");
    }
}
