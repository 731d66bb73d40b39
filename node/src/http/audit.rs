//! The audit trail of a namespace and those below it: in pages, or as an export of the whole chain.

mod export;
mod filter;
pub mod verify;

use std::ops::Bound;

use axum::body::Body;
use confman_api::audit::AuditEventView;
use confman_api::limits;
use confman_api::listing::Page;
use confman_api::problem::{Problem, ProblemType};
use confman_core::access::Action;
use confman_core::audit::AuditEvent;
use confman_store::{AuditPosition, AuditRange, Order, Take};
use http::Response;

use self::filter::Filter;
use super::App;
use super::call::{Call, bad_parameter};
use super::{cursor, reply, target};
use crate::auth::access::{Namespaces, may};

/// One page of events, without those that the query does not ask for and those of namespaces that the caller may not
/// read; or the export.
pub async fn read(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let namespace = target::namespace(target::behind(call.path(), call.route.prefix()))?;
    let filter = Filter::of(call)?;
    let order = match call.parameter("order") {
        None | Some("newest") => Order::NewestFirst,
        Some("oldest") => Order::OldestFirst,
        Some(_) => return Err(bad_parameter("order", "must be newest or oldest")),
    };
    let limit = call.page_limit()?;
    let range = range_of(call, order, limit)?;
    let exported = export::is_wanted(call)?;
    let actor = call.actor()?.clone();
    let may_read = |namespaces: &Namespaces| {
        namespaces.contains_key(&namespace) && may(namespaces, &actor, Action::ReadPublished, &namespace)
    };
    let seen = app.fresh_for(call, may_read).await?;
    let namespaces = app.reader.state().namespaces();
    if !may_read(&namespaces) {
        let detail = "the path names no namespace that the caller may read";
        return Err(Problem::new(ProblemType::NotFound, detail));
    }
    let is_visible = {
        let filter = filter.clone();
        move |event: &AuditEvent| {
            filter.matches(event) && may(&namespaces, &actor, Action::ReadPublished, &event.resource.namespace)
        }
    };
    let mut response = if exported {
        let subject = export::Subject {
            namespace,
            filtered: !filter.is_empty(),
            is_visible: Box::new(is_visible),
        };
        export::export(app, subject).await?
    } else {
        let take = move |event: &AuditEvent| match (filter.is_past(event, order), is_visible(event)) {
            (true, _) => Take::End,
            (false, true) => Take::Keep,
            (false, false) => Take::PassOver,
        };
        let page = app.list(move |view| view.audit_below(&namespace, range, take)).await?;
        reply::json(&page_view(call, limit, page))?
    };
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

fn page_view(call: &Call, limit: usize, page: confman_store::Page<AuditEvent, AuditPosition>) -> Page<AuditEventView> {
    let next_cursor = page
        .next
        .map(|AuditPosition { index, seq }| cursor::encode(call, &format!("{index}.{seq}")));
    Page::new(page.items.into_iter().map(AuditEventView).collect(), limit, next_cursor)
}

fn range_of(call: &Call, order: Order, limit: usize) -> Result<AuditRange, Problem> {
    let last = cursor::decode(call)?.map(|text| position(&text)).transpose()?;
    let (from, to) = match (last, order) {
        (None, _) => (Bound::Unbounded, Bound::Unbounded),
        (Some(last), Order::OldestFirst) => (Bound::Excluded(last), Bound::Unbounded),
        (Some(last), Order::NewestFirst) => (Bound::Unbounded, Bound::Excluded(last)),
    };
    Ok(AuditRange {
        from,
        to,
        order,
        limit,
        walk: limits::AUDIT_WALK.value,
    })
}

fn position(text: &str) -> Result<AuditPosition, Problem> {
    let parsed = text.split_once('.').and_then(|(index, seq)| {
        Some(AuditPosition {
            index: index.parse().ok()?,
            seq: seq.parse().ok()?,
        })
    });
    parsed.ok_or_else(cursor::foreign)
}
