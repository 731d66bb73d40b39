//! Whatever is published and however readers come, go and dawdle: each sees every change of its interest once, in order.

use confman_core::audit::AuditEvent;
use confman_core::ids::NamespacePath;
use confman_store::AuditPosition;
use proptest::prelude::*;

use super::change::position;
use super::start::end_of;
use super::table::tests::event;
use super::table::{Interest, Next, Sizes, Table};

const NAMESPACES: [&str; 5] = ["/", "/a", "/a/b", "/a-b", "/c"];

#[derive(Clone, Debug)]
enum Act {
    /// A log entry with so many changes of a namespace.
    Apply(usize, u32),
    /// The feed hears of everything applied so far.
    Publish,
    /// A reader takes so many changes.
    Read(usize, usize),
    /// A reader's connection breaks, and it comes back.
    Cut(usize),
    /// A reader stays away for a while.
    Leave(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0..NAMESPACES.len(), 0..4_u32).prop_map(|(namespace, count)| Act::Apply(namespace, count)),
        3 => Just(Act::Publish),
        4 => (0..6_usize, 0..6_usize).prop_map(|(reader, count)| Act::Read(reader, count)),
        1 => (0..6_usize).prop_map(Act::Cut),
        1 => (0..6_usize).prop_map(Act::Leave),
    ];
    prop::collection::vec(act, 0..120)
}

struct Reader {
    interest: Interest,
    position: AuditPosition,
    is_here: bool,
    told: Vec<AuditPosition>,
}

struct World {
    table: Table,
    log: Vec<AuditEvent>,
    applied: u64,
    readers: Vec<Reader>,
}

impl World {
    fn new() -> Self {
        let interests = [
            ("/", true),
            ("/a", true),
            ("/a", false),
            ("/a/b", false),
            ("/a-b", true),
            ("/", false),
        ];
        let readers = interests.map(|(namespace, recursive)| Reader {
            interest: Interest {
                namespace: NamespacePath::parse(namespace).expect("a path"),
                recursive,
            },
            position: end_of(0),
            is_here: false,
            told: Vec::new(),
        });
        Self {
            table: Table::new(Sizes { recent: 5, waiting: 3 }, end_of(0)),
            log: Vec::new(),
            applied: 0,
            readers: readers.into(),
        }
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Apply(namespace, count) => {
                self.applied += 1;
                let changes = (0..count).map(|seq| event(self.applied, seq, NAMESPACES[namespace], Some("key")));
                self.log.extend(changes);
            }
            Act::Publish => {
                let head = self.table.head();
                let new: Vec<_> = self
                    .log
                    .iter()
                    .filter(|event| position(event) > head)
                    .cloned()
                    .collect();
                self.table.publish(&new, end_of(self.applied));
            }
            Act::Read(reader, count) => self.read(reader, count),
            Act::Cut(reader) => {
                self.leave(reader);
                self.join(reader);
            }
            Act::Leave(reader) => self.leave(reader),
        }
    }

    fn join(&mut self, reader: usize) {
        let reader = &mut self.readers[reader];
        if !reader.is_here {
            self.table.join(&reader.interest);
            reader.is_here = true;
        }
    }

    fn leave(&mut self, reader: usize) {
        let reader = &mut self.readers[reader];
        if reader.is_here {
            self.table.leave(&reader.interest);
            reader.is_here = false;
        }
    }

    fn read(&mut self, reader: usize, count: usize) {
        self.join(reader);
        let (table, log, applied) = (&self.table, &self.log, self.applied);
        let reader = &mut self.readers[reader];
        for _ in 0..count {
            match table.next(&reader.interest, reader.position) {
                Next::Change(change) => {
                    reader.position = change.at;
                    reader.told.push(change.at);
                }
                Next::Behind => {
                    // One change from the state, or else everything is known up to what is applied.
                    let mut missed = log.iter().filter(|event| position(event) > reader.position);
                    let next = missed.find(|event| reader.interest.covers(&event.resource.namespace));
                    reader.position = next.map_or(end_of(applied).max(reader.position), position);
                    reader.told.extend(next.map(position));
                }
                Next::Nothing => return,
                Next::Closed(reason) => unreachable!("nobody closed it: {reason:?}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn every_reader_sees_each_change_of_its_interest_once_and_in_order(acts in acts()) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
        }
        world.act(&Act::Publish);
        for reader in 0..world.readers.len() {
            world.read(reader, usize::MAX);
            let reader = &world.readers[reader];
            let all = world.log.iter().filter(|event| reader.interest.covers(&event.resource.namespace));
            let all: Vec<_> = all.map(position).collect();
            prop_assert_eq!(&reader.told, &all, "{:?}", reader.interest);
        }
    }
}
