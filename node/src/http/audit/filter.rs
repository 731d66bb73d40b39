//! Which events a query asks for.

use confman_api::problem::Problem;
use confman_core::audit::{AuditAction, AuditEvent};
use confman_core::ids::{ConfigKey, RequestId, Timestamp};
use confman_core::principal::Principal;
use confman_store::Order;
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::Error;

use crate::http::call::{Call, bad_parameter};

/// All of what is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    actor: Option<Principal>,
    key: Option<ConfigKey>,
    action: Option<AuditAction>,
    request: Option<RequestId>,
    /// Not before.
    from: Option<Timestamp>,
    /// Before.
    to: Option<Timestamp>,
}

impl Filter {
    /// Parses the parameters of `call`.
    pub(super) fn of(call: &Call) -> Result<Self, Problem> {
        let filter = Self {
            actor: parse(call, "actor", Principal::parse)?,
            key: parse(call, "key", ConfigKey::parse)?,
            action: parse(call, "action", action)?,
            request: parse(call, "request", RequestId::parse)?,
            from: parse(call, "from", Timestamp::parse)?,
            to: parse(call, "to", Timestamp::parse)?,
        };
        match (filter.from, filter.to) {
            (Some(from), Some(to)) if to < from => Err(bad_parameter("to", "must not be before from")),
            (Some(_) | None, Some(_) | None) => Ok(filter),
        }
    }

    /// True if it lets everything through.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// True if the query asks for `event`.
    pub(super) fn matches(&self, event: &AuditEvent) -> bool {
        let Self {
            actor,
            key,
            action,
            request,
            from,
            to,
        } = self;
        let of_request = |id: &RequestId| {
            event
                .workflow
                .as_ref()
                .is_some_and(|workflow| workflow.request_id == *id)
        };
        actor.as_ref().is_none_or(|actor| event.actor.principal == *actor)
            && key.as_ref().is_none_or(|key| event.resource.key.as_ref() == Some(key))
            && action.is_none_or(|action| event.action == action)
            && request.as_ref().is_none_or(of_request)
            && from.is_none_or(|from| event.time >= from)
            && to.is_none_or(|to| event.time < to)
    }

    /// True if nothing from `event` on, read in `order`, is in the time asked for: time never runs back in the chain.
    pub(super) fn is_past(&self, event: &AuditEvent, order: Order) -> bool {
        match order {
            Order::OldestFirst => self.to.is_some_and(|to| event.time >= to),
            Order::NewestFirst => self.from.is_some_and(|from| event.time < from),
        }
    }
}

fn parse<T, E: std::fmt::Display>(
    call: &Call,
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Problem> {
    let parsed = call.parameter(name).map(parse).transpose();
    parsed.map_err(|error| bad_parameter(name, &format!("is not valid: {error}")))
}

fn action(text: &str) -> Result<AuditAction, &'static str> {
    let parsed: Result<_, Error> = AuditAction::deserialize(text.into_deserializer());
    parsed.map_err(|_| "no such action; docs/audit-format.md lists them")
}
