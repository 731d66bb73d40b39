//! Repeats of a call: the first answer again, and nothing twice.

use crate::idempotency::IdempotencyRecord;
use crate::ids::Timestamp;
use crate::outcome::Rejection;
use crate::proposal::Proposal;
use crate::state::{Change, StateView};

use super::Accepted;
use super::context::{Context, Step, Stop};

/// Most ended records that one entry forgets; each entry adds at most one.
const MOST_FORGOTTEN: usize = 4;

/// The answer to the same call before; none if this is the first.
pub(super) fn known<V: StateView>(context: &Context<'_, V>, proposal: &Proposal) -> Step<Option<Accepted>, V> {
    let Some(asked) = proposal.idempotency else {
        return Ok(None);
    };
    let record = context.view.idempotency(asked.key).map_err(Stop::Fault)?;
    match record.filter(|record| context.time <= record.ends_at) {
        Some(record) if record.fingerprint == asked.fingerprint => Ok(Some(Accepted::unchanged(record.outcome))),
        Some(_) => Err(Rejection::IdempotencyKeyReused)?,
        None => Ok(None),
    }
}

/// Remembers what came of a call that carries a key.
pub(super) fn remember<V: StateView>(
    context: &Context<'_, V>,
    proposal: &Proposal,
    mut accepted: Accepted,
) -> Accepted {
    if let Some(asked) = proposal.idempotency {
        accepted
            .changes
            .push(Change::PutIdempotency(Box::new(IdempotencyRecord {
                key: asked.key,
                fingerprint: asked.fingerprint,
                outcome: accepted.outcome.clone(),
                position: context.at,
                ends_at: Timestamp::from_millis(context.time.as_millis() + IdempotencyRecord::LIFE_MS),
            })));
    }
    accepted
}

/// Forgets a few calls that are too old to be repeated.
pub(super) fn forget<V: StateView>(context: &Context<'_, V>, mut accepted: Accepted) -> Step<Accepted, V> {
    let remembers = |change: &Change| matches!(change, Change::PutIdempotency(_));
    if accepted.changes.iter().any(remembers) {
        let ended = context.view.ended_idempotency(context.time, MOST_FORGOTTEN);
        let ended = ended.map_err(Stop::Fault)?;
        let gone = ended
            .into_iter()
            .map(|(ends_at, key)| Change::DeleteIdempotency { ends_at, key });
        // Before the new record, so that a key that comes again after its end stays.
        accepted.changes.splice(0..0, gone);
    }
    Ok(accepted)
}
