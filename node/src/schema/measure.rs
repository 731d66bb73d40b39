//! How large a value is, in the units that bound the work of judging it.

use serde_json::Value;

/// Bytes of text that cost as much as one more place.
const BYTES_PER_PLACE: usize = 32;
/// Memory of one place in a copy, without its text.
const PLACE_BYTES: usize = 64;

/// Size of a value.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    /// Places (objects, arrays, scalars), long texts counting as several.
    pub(super) places: u64,
    /// Memory of a copy in bytes, about.
    pub(super) bytes: u64,
    /// Memory of a copy of every part, each with all below it.
    pub(super) copies: u64,
}

impl Size {
    /// Of a value and all below it.
    pub(super) fn of(value: &Value) -> Self {
        let mut size = Self::of_place(0);
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) => size = Self::of_place(text.len()),
            Value::Array(items) => items.iter().for_each(|item| size.add(Self::of(item))),
            Value::Object(members) => {
                for (name, member) in members {
                    size.bytes += name.len() as u64;
                    size.places += (name.len() / BYTES_PER_PLACE) as u64;
                    size.add(Self::of(member));
                }
            }
        }
        size.copies += size.bytes;
        size
    }

    fn of_place(text: usize) -> Self {
        Self {
            places: (1 + text / BYTES_PER_PLACE) as u64,
            bytes: (PLACE_BYTES + text) as u64,
            copies: 0,
        }
    }

    fn add(&mut self, part: Self) {
        self.places += part.places;
        self.bytes += part.bytes;
        self.copies += part.copies;
    }
}
