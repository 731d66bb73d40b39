//! Runs one committed proposal on the state: dispatch without logic, one file a command.

use crate::ids::LogPosition;
use crate::outcome::Applied;
use crate::proposal::Proposal;
use crate::state::StateView;

/// Applies `proposal`, committed at `at`, to the state that `view` shows.
///
/// Pure: the same view, position and proposal give the same answer on every replica.
///
/// # Errors
/// Only when the view could not be read; the node must stop then.
pub fn apply<V: StateView>(view: &V, at: LogPosition, proposal: &Proposal) -> Result<Applied, V::Error> {
    let _ = (view, at, proposal);
    Ok(Applied {
        result: Err(crate::outcome::Rejection::ClusterNotInitialised),
        changes: Vec::new(),
    })
}
