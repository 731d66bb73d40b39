//! Walks the chain of the audit on this node, in the memory of a few events and a bounded number of them a call.

use std::ops::Bound;

use axum::body::Body;
use confman_api::audit::{AuditHeadView, AuditVerifyView, BrokenView};
use confman_api::limits;
use confman_api::problem::{Problem, ProblemType};
use confman_core::access::Action;
use confman_core::audit::{AuditHead, Chain, ChainError};
use confman_core::ids::NamespacePath;
use confman_core::state::StateView as _;
use confman_store::{AuditPosition, AuditRange, Order, ReadError, SnapshotView, Take};
use http::Response;

use super::position;
use crate::auth::access::{Namespaces, may};
use crate::http::call::Call;
use crate::http::{App, cursor, reply};

/// Events that are read at once.
const EVENTS_AT_ONCE: usize = 256;

/// How far the walk is.
#[derive(Default)]
struct Walk {
    chain: Chain,
    last: Option<AuditPosition>,
    broken: Option<ChainError>,
}

/// Walks from the first event, or from where the cursor says, to the head that the state has now.
pub async fn verify(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let start = cursor::decode(call)?.map(|text| start(&text)).transpose()?;
    let actor = call.actor()?;
    let root = NamespacePath::root();
    let may_read = |namespaces: &Namespaces| may(namespaces, actor, Action::ReadPublished, &root);
    let seen = app.fresh_for(call, may_read).await?;
    let namespaces = app.reader.state().namespaces();
    if !may_read(&namespaces) {
        let detail = "the path names no namespace that the caller may read";
        return Err(Problem::new(ProblemType::NotFound, detail));
    }
    if !may(&namespaces, actor, Action::Govern, &root) {
        let detail = "only an admin of / may have the whole chain verified";
        return Err(Problem::new(ProblemType::Forbidden, detail));
    }
    let (head, mut walk) = app.list(move |view| begin(view, start)).await?;
    let first = walk.chain.count();
    let end = head.count.min(first.saturating_add(limits::AUDIT_VERIFY.value as u64));
    while walk.broken.is_none() && walk.chain.count() < end {
        let place = app.audit_walks.acquire().await;
        let head = head.clone();
        walk = app.list(move |view| walk.on(view, &head)).await?;
        drop(place);
    }
    let mut response = reply::json(&view(call, &head, &walk))?;
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

fn view(call: &Call, head: &AuditHead, walk: &Walk) -> AuditVerifyView {
    let count = walk.chain.count();
    let complete = count >= head.count;
    let mut broken = walk.broken.clone();
    if complete && broken.is_none() {
        broken = walk.chain.finish(head).err();
    }
    let goes_on = !complete && broken.is_none();
    let next = walk.last.filter(|_| goes_on);
    AuditVerifyView {
        ok: broken.is_none(),
        complete,
        count,
        head: AuditHeadView {
            count: head.count,
            hash: head.hash,
            time: head.time,
        },
        broken: broken.map(|error| BrokenView {
            event: error.event().map(str::to_owned),
            detail: error.to_string(),
        }),
        next_cursor: next.map(|AuditPosition { index, seq }| cursor::encode(call, &format!("{count}.{index}.{seq}"))),
    }
}

/// Number of events before the walk, and the last of them. Whoever forges it deceives nobody else.
fn start(text: &str) -> Result<(u64, AuditPosition), Problem> {
    let (count, place) = text.split_once('.').ok_or_else(cursor::foreign)?;
    let count = count.parse().map_err(|_| cursor::foreign())?;
    Ok((count, position(place)?))
}

fn begin(view: &SnapshotView<'_>, start: Option<(u64, AuditPosition)>) -> Result<(AuditHead, Walk), ReadError> {
    let head = view.audit_head()?;
    let Some((count, at)) = start else {
        return Ok((head, Walk::default()));
    };
    let range = AuditRange {
        from: Bound::Included(at),
        to: Bound::Included(at),
        order: Order::OldestFirst,
        limit: 1,
        walk: 1,
    };
    let page = view.audit_below(&NamespacePath::root(), range, |_| Take::Keep)?;
    let walk = page.items.first().map(|last| Walk {
        chain: Chain::after(count, last),
        last: Some(at),
        broken: None,
    });
    Ok((head, walk.unwrap_or_default()))
}

impl Walk {
    /// Walks the next events. One that is missing at the end shows as a chain that ends too early.
    fn on(mut self, view: &SnapshotView<'_>, head: &AuditHead) -> Result<Self, ReadError> {
        let range = AuditRange {
            from: self.last.map_or(Bound::Unbounded, Bound::Excluded),
            to: Bound::Unbounded,
            order: Order::OldestFirst,
            limit: EVENTS_AT_ONCE,
            walk: EVENTS_AT_ONCE,
        };
        let before = self.chain.count();
        view.audit_below(&NamespacePath::root(), range, |event| {
            if self.chain.count() == head.count || self.broken.is_some() {
                return Take::End;
            }
            self.broken = self.chain.push(event).err();
            self.last = Some(AuditPosition {
                index: event.position.index,
                seq: event.seq,
            });
            Take::PassOver
        })?;
        if self.broken.is_none() && self.chain.count() == before {
            self.broken = self.chain.finish(head).err();
        }
        Ok(self)
    }
}
