//! Is there an order of the operations of one key that explains every answer and respects their times? The search of Wing
//! and Gong, with Lowe's memory of what was tried: each state is tried once for each set of operations that are done.

use std::collections::HashSet;

use super::super::history::{Action, Operation, Outcome};

/// Most steps of a search.
const STEPS: usize = 2_000_000;

/// What a key is: the number of its last version, and the operation that wrote what is live, if something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct State<'h> {
    version: u64,
    live: Option<&'h str>,
}

/// Whether such an order exists; none where the search takes too long. Stale reads and refused operations say nothing.
pub(super) fn is_linearizable(operations: &[&Operation]) -> Option<bool> {
    let operations: Vec<_> = operations
        .iter()
        .copied()
        .filter(|operation| says_something(operation))
        .collect();
    let must: usize = operations.iter().filter(|operation| !operation.is_unknown()).count();
    let mut done = Done::new(operations.len());
    let mut tried: HashSet<(Done, State<'_>)> = HashSet::new();
    let mut path: Vec<(usize, State<'_>)> = Vec::new();
    let (mut state, mut from, mut steps) = (State::default(), 0, 0);
    loop {
        let certain = path
            .iter()
            .filter(|(number, _)| !operations[*number].is_unknown())
            .count();
        if certain == must {
            return Some(true);
        }
        steps += 1;
        if steps > STEPS {
            return None;
        }
        let Some((number, after)) = next(&operations, &done, state, from) else {
            let Some((number, before)) = path.pop() else {
                return Some(false);
            };
            done.flip(number);
            (state, from) = (before, number + 1);
            continue;
        };
        done.flip(number);
        if tried.insert((done.clone(), after)) {
            path.push((number, state));
            (state, from) = (after, 0);
        } else {
            done.flip(number);
            from = number + 1;
        }
    }
}

fn says_something(operation: &Operation) -> bool {
    match (&operation.action, &operation.outcome) {
        (Action::ReadStale, _) | (_, Outcome::Refused(_)) | (Action::Read, Outcome::Unknown(_)) => false,
        (Action::Put(..) | Action::Delete(_) | Action::Read, _) => true,
    }
}

/// The first operation, from number `from` on, that may come next: it was sent before every other one that is not done
/// was answered, and its answer is right in this state.
fn next<'h>(operations: &[&'h Operation], done: &Done, state: State<'h>, from: usize) -> Option<(usize, State<'h>)> {
    let open = || operations.iter().enumerate().filter(|(number, _)| !done.has(*number));
    let certain = open().filter(|(_, operation)| !operation.is_unknown());
    let bound = certain.map(|(_, operation)| operation.completed).min()?;
    let mut candidates = open().skip_while(|(number, _)| *number < from);
    candidates.find_map(|(number, operation)| {
        let after = (operation.invoked <= bound)
            .then(|| apply(operation, state))
            .flatten()?;
        Some((number, after))
    })
}

/// The state after `operation`; none if its answer is wrong in `state`, or if it changes nothing and nobody knows.
fn apply<'h>(operation: &'h Operation, state: State<'h>) -> Option<State<'h>> {
    let is_live =
        |expected: &Option<u64>| expected.is_none_or(|expected| state.live.is_some() && expected == state.version);
    let (expected, value) = match &operation.action {
        Action::Put(value, expected) => (expected, Some(value.as_str())),
        Action::Delete(expected) => (expected, None),
        Action::Read | Action::ReadStale => {
            let Outcome::Seen { live, .. } = &operation.outcome else {
                return None;
            };
            let seen = live.as_ref().map(|live| (live.version, live.value.as_str()));
            return (seen == state.live.map(|value| (state.version, value))).then_some(state);
        }
    };
    let changes = is_live(expected) && (value.is_some() || state.live.is_some());
    match &operation.outcome {
        Outcome::Written { version, .. } if changes && *version == state.version + 1 => {}
        Outcome::Unknown(_) if changes => {}
        Outcome::Mismatch => return (!is_live(expected)).then_some(state),
        Outcome::Absent => return (value.is_none() && state.live.is_none()).then_some(state),
        Outcome::Written { .. } | Outcome::Unknown(_) | Outcome::Seen { .. } | Outcome::Refused(_) => return None,
    }
    Some(State {
        version: state.version + 1,
        live: value,
    })
}

/// A set of numbers of operations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Done(Vec<u64>);

impl Done {
    fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn has(&self, number: usize) -> bool {
        self.0[number / 64] >> (number % 64) & 1 == 1
    }

    fn flip(&mut self, number: usize) {
        self.0[number / 64] ^= 1 << (number % 64);
    }
}
