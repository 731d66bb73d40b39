//! What changed between two values, over the structure of their JSON.
//!
//! The entries, in order, are a JSON Patch (RFC 6902) that makes the second value of the first; each also carries what was
//! there before. Pointers are RFC 6901. In an array the index is the one at that point of the patch, so an item inserted at
//! the front is one entry, not one for each item behind it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::json::{Json, JsonNode, pointer_token};
use crate::value::{ConfigValue, ValueType};

/// Most entries of a diff.
pub const MAX_ENTRIES: usize = 1_000;
/// Most bytes of all pointers of a diff together: a long member name stands in the pointer of everything below it.
pub const MAX_POINTER_BYTES: usize = 256 * 1024;
/// Most comparisons of array items in a diff. Arrays beyond it are compared index by index: correct, but longer to read.
const MAX_COMPARISONS: usize = 250_000;

/// The difference of two values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// In the order in which they are applied; empty if the values are equal.
    pub entries: Vec<DiffEntry>,
    /// Whether there are more than are listed.
    pub truncated: bool,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffEntry {
    /// Where: RFC 6901; empty for the value as a whole.
    pub pointer: String,
    /// What was done.
    pub op: DiffOp,
    /// What was there; none for an addition and for masked values.
    pub before: Option<DiffContent>,
    /// What is there now; none for a removal and for masked values.
    pub after: Option<DiffContent>,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffOp {
    /// Something is there that was not.
    Add,
    /// Something is gone.
    Remove,
    /// Something else is there, of this or another type.
    Replace,
}

impl DiffOp {
    /// As RFC 6902 writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Replace => "replace",
        }
    }
}

/// One side of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiffContent {
    /// JSON text.
    Json(String),
    /// Bytes, by size and digest of the value.
    Binary {
        /// Number of bytes.
        size: usize,
        /// [`ConfigValue::digest`].
        digest: Digest,
    },
}

impl DiffContent {
    fn of(value: &ConfigValue) -> Self {
        if value.value_type() == ValueType::Binary {
            Self::Binary {
                size: value.canonical_bytes().len(),
                digest: value.digest(),
            }
        } else {
            Self::Json(value.to_json_text())
        }
    }
}

/// What changed from `before` to `after`. `masked` tells that something changed and nothing about what.
pub fn diff(before: Option<&ConfigValue>, after: Option<&ConfigValue>, masked: bool) -> Diff {
    let op = match (before, after) {
        (None, None) => return Diff::default(),
        (None, Some(_)) => DiffOp::Add,
        (Some(_), None) => DiffOp::Remove,
        // By digest: sealing the same value twice makes other bytes.
        (Some(before), Some(after)) if before.digest() == after.digest() => return Diff::default(),
        (Some(_), Some(_)) => DiffOp::Replace,
    };
    if let (Some(before), Some(after), false) = (before, after, masked)
        && let Some(diff) = structural(before, after)
    {
        return diff;
    }
    let shown = |value: Option<&ConfigValue>| value.filter(|_| !masked).map(DiffContent::of);
    Diff {
        entries: vec![DiffEntry {
            pointer: String::new(),
            op,
            before: shown(before),
            after: shown(after),
        }],
        truncated: false,
    }
}

/// None unless both have structure.
fn structural(before: &ConfigValue, after: &ConfigValue) -> Option<Diff> {
    if (before.value_type(), after.value_type()) != (ValueType::Json, ValueType::Json) {
        return None;
    }
    let (before, after) = (before.to_json_text(), after.to_json_text());
    let mut differ = Differ::new();
    // Members are in canonical order and numbers in canonical form: equal text means equal values and the other way round.
    differ.node("", &Json::parse(&before)?, &Json::parse(&after)?);
    Some(differ.diff)
}

struct Differ {
    diff: Diff,
    pointer_bytes: usize,
    comparisons: usize,
}

/// How an item of one array stands to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Keep,
    Remove,
    Insert,
}

impl Differ {
    fn new() -> Self {
        Self {
            diff: Diff::default(),
            pointer_bytes: 0,
            comparisons: 0,
        }
    }

    fn push(&mut self, pointer: String, before: Option<&Json<'_>>, after: Option<&Json<'_>>) {
        let op = match (before, after) {
            (None, _) => DiffOp::Add,
            (Some(_), None) => DiffOp::Remove,
            (Some(_), Some(_)) => DiffOp::Replace,
        };
        let pointer_bytes = self.pointer_bytes.saturating_add(pointer.len());
        if self.diff.truncated || self.diff.entries.len() == MAX_ENTRIES || pointer_bytes > MAX_POINTER_BYTES {
            self.diff.truncated = true;
            return;
        }
        self.pointer_bytes = pointer_bytes;
        let content = |json: &Json<'_>| DiffContent::Json(json.text.to_owned());
        self.diff.entries.push(DiffEntry {
            pointer,
            op,
            before: before.map(content),
            after: after.map(content),
        });
    }

    fn node(&mut self, pointer: &str, before: &Json<'_>, after: &Json<'_>) {
        if before.text == after.text || self.diff.truncated {
            return;
        }
        match (&before.node, &after.node) {
            (JsonNode::Object(before), JsonNode::Object(after)) => self.objects(pointer, before, after),
            (JsonNode::Array(before), JsonNode::Array(after)) => self.arrays(pointer, before, after),
            (JsonNode::Plain | JsonNode::Text(_) | JsonNode::Array(_) | JsonNode::Object(_), _) => {
                self.push(pointer.to_owned(), Some(before), Some(after));
            }
        }
    }

    fn objects(&mut self, pointer: &str, before: &[(Cow<'_, str>, Json<'_>)], after: &[(Cow<'_, str>, Json<'_>)]) {
        let mut names: BTreeMap<&str, (Option<&Json<'_>>, Option<&Json<'_>>)> = BTreeMap::new();
        for (name, json) in before {
            names.entry(name).or_default().0 = Some(json);
        }
        for (name, json) in after {
            names.entry(name).or_default().1 = Some(json);
        }
        for (name, (before, after)) in names {
            if before.map(|json| json.text) == after.map(|json| json.text) {
                continue;
            }
            if self.diff.truncated {
                return;
            }
            let pointer = format!("{pointer}{}", pointer_token(name));
            match (before, after) {
                (Some(before), Some(after)) => self.node(&pointer, before, after),
                (before, after) => self.push(pointer, before, after),
            }
        }
    }

    fn arrays(&mut self, pointer: &str, before: &[Json<'_>], after: &[Json<'_>]) {
        let steps = self.align(before, after);
        let (mut index, mut old, mut new) = (0, before.iter(), after.iter());
        for run in steps.chunk_by(|first, second| (*first == Step::Keep) == (*second == Step::Keep)) {
            let count = |wanted: Step| run.iter().filter(|step| **step == wanted).count();
            index += count(Step::Keep);
            old.by_ref().take(count(Step::Keep)).for_each(drop);
            new.by_ref().take(count(Step::Keep)).for_each(drop);
            let (removed, inserted) = (count(Step::Remove), count(Step::Insert));
            // What stands where something else stood was changed, not removed and inserted.
            for place in 0..removed.max(inserted) {
                if self.diff.truncated {
                    return;
                }
                let here = format!("{pointer}/{index}");
                let before = (place < removed).then(|| old.next()).flatten();
                let after = (place < inserted).then(|| new.next()).flatten();
                match (before, after) {
                    (Some(before), Some(after)) => self.node(&here, before, after),
                    (before, after) => self.push(here, before, after),
                }
                index += usize::from(after.is_some());
            }
        }
    }

    /// Steps from `before` to `after` that keep as many items as possible.
    fn align(&mut self, before: &[Json<'_>], after: &[Json<'_>]) -> Vec<Step> {
        let same = |(first, second): &(&Json<'_>, &Json<'_>)| first.text == second.text;
        let front = before.iter().zip(after).take_while(same).count();
        let (before, after) = (&before[front..], &after[front..]);
        let back = before.iter().rev().zip(after.iter().rev()).take_while(same).count();
        let (before, after) = (&before[..before.len() - back], &after[..after.len() - back]);
        let mut steps = vec![Step::Keep; front];
        let comparisons = before.len().saturating_mul(after.len());
        if comparisons <= MAX_COMPARISONS - self.comparisons {
            self.comparisons += comparisons;
            steps.extend(longest_common(before, after));
        } else {
            steps.extend(vec![Step::Remove; before.len()]);
            steps.extend(vec![Step::Insert; after.len()]);
        }
        steps.extend(vec![Step::Keep; back]);
        steps
    }
}

/// Steps along a longest common subsequence.
fn longest_common(before: &[Json<'_>], after: &[Json<'_>]) -> Vec<Step> {
    let mut ids = BTreeMap::new();
    let mut ids_of = |items: &[Json<'_>]| -> Vec<usize> {
        let number = |json: &Json<'_>| {
            let next = ids.len();
            *ids.entry(json.text.to_owned()).or_insert(next)
        };
        items.iter().map(number).collect()
    };
    let (before, after) = (ids_of(before), ids_of(after));
    // lengths[row][column]: longest common subsequence of before[row..] and after[column..].
    let mut lengths = vec![vec![0_u32; after.len() + 1]; before.len() + 1];
    for row in (0..before.len()).rev() {
        for column in (0..after.len()).rev() {
            lengths[row][column] = if before[row] == after[column] {
                lengths[row + 1][column + 1] + 1
            } else {
                lengths[row + 1][column].max(lengths[row][column + 1])
            };
        }
    }
    let (mut row, mut column, mut steps) = (0, 0, Vec::new());
    while row < before.len() && column < after.len() {
        if before[row] == after[column] {
            steps.push(Step::Keep);
            (row, column) = (row + 1, column + 1);
        } else if lengths[row + 1][column] >= lengths[row][column + 1] {
            steps.push(Step::Remove);
            row += 1;
        } else {
            steps.push(Step::Insert);
            column += 1;
        }
    }
    steps.extend(vec![Step::Remove; before.len() - row]);
    steps.extend(vec![Step::Insert; after.len() - column]);
    steps
}
