//! Has the replicas compare what they have come to. Nothing changes by it: what is compared is how the entries before were
//! applied, which the store knows.

use crate::outcome::Outcome;
use crate::state::StateView;

use super::Accepted;
use super::context::{Context, Step};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>) -> Step<Accepted, V> {
    context.cluster()?;
    Ok(Accepted::unchanged(Outcome::ReplicasCompared))
}
