//! Watching: one task reads every change once, in log order, and whoever watches takes it from there. What a watcher is
//! too slow for is not kept for it: it reads that from the state.

mod change;
mod feed;
mod history;
mod places;
#[cfg(test)]
mod properties;
mod start;
mod table;
mod watcher;

pub use change::{Change, Filter, Keys, Kinds};
pub use feed::Feed;
pub use places::{Place, Refused};
pub use start::{Start, parse_position};
pub use table::Interest;
pub use watcher::{Step, Watcher};
