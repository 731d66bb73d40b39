//! Records one try to deliver a webhook: when the next one is due, or that none is.

use crate::outcome::Outcome;
use crate::proposal::RecordDelivery;
use crate::state::{Change, StateView};
use crate::webhook::{Delivery, TargetHealth};

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
    let mut health = health_of(context, &delivery)?;
    let after = delivery.after(command.result, context.time, command.jitter_permille);
    health.attempted(&after, command.result, context.time);
    let mut journal = Journal::new(context);
    journal.put(Change::PutTargetHealth(Box::new(health)));
    journal.put(if after.state.is_final() {
        Change::DeleteDelivery { id: after.id }
    } else {
        Change::PutDelivery(Box::new(after))
    });
    Ok(journal.accept(Outcome::DeliveryRecorded))
}

/// The record of the target of `delivery`.
pub(super) fn health_of<V: StateView>(context: &Context<'_, V>, delivery: &Delivery) -> Step<TargetHealth, V> {
    let (namespace, target) = (&delivery.namespace, &delivery.target);
    let known = context.view.target_health(namespace, target.as_str());
    Ok(known
        .map_err(Stop::Fault)?
        .unwrap_or_else(|| TargetHealth::new(namespace, target)))
}
