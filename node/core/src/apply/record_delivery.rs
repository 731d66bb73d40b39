//! Records one try to deliver a webhook: when the next one is due, or that none is.

use crate::outcome::Outcome;
use crate::proposal::RecordDelivery;
use crate::state::{Change, StateView};
use crate::webhook::TargetHealth;

use super::Accepted;
use super::context::{Context, Step, Stop};
use super::journal::Journal;

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &RecordDelivery) -> Step<Accepted, V> {
    context.cluster()?;
    let delivery = context.view.delivery(&command.delivery_id).map_err(Stop::Fault)?;
    // A repeat, or the word of a sender that was deposed in between: counted already.
    let Some(delivery) = delivery.filter(|delivery| delivery.attempts == command.attempt) else {
        return Ok(Accepted::unchanged(Outcome::DeliveryRecorded));
    };
    let before = context
        .view
        .target_health(&delivery.namespace, delivery.target.as_str())
        .map_err(Stop::Fault)?;
    let after = delivery.after(command.result, context.time, command.jitter_permille);
    let mut journal = Journal::new(context);
    journal.put(Change::PutTargetHealth(Box::new(TargetHealth::after(
        before,
        &after,
        context.time,
    ))));
    journal.put(if after.state.is_final() {
        Change::DeleteDelivery { id: after.id }
    } else {
        Change::PutDelivery(Box::new(after))
    });
    Ok(journal.accept(Outcome::DeliveryRecorded))
}
