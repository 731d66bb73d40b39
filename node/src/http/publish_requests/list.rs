//! Lists publish requests: those of namespaces that the caller may read, the last submitted first.

use std::sync::Arc;

use axum::body::Body;
use confman_api::limits;
use confman_api::listing::Page;
use confman_api::problem::{Problem, ProblemType};
use confman_api::publish_request::PublishRequestItem;
use confman_core::access::Action;
use confman_core::cluster::ClusterRecord;
use confman_core::ids::{NamespacePath, RequestId};
use confman_core::principal::Principal;
use confman_core::publish_request::{PublishRequest, RequestState};
use confman_core::reviewers::waits_for;
use confman_core::state::StateView as _;
use confman_store::{ReadError, RequestRange, Room, SnapshotView};
use http::Response;

use crate::auth::access::{Namespaces, lineage, may};
use crate::auth::known::Known;
use crate::http::App;
use crate::http::call::{Call, bad_parameter};
use crate::http::{cursor, reply};

/// Most bytes of requests that are read for one page.
const READ_BYTES: usize = 8 * Room::BYTES;

/// Log index of the submission, and id.
type Place = (u64, RequestId);

/// Which requests are listed, and for whom.
struct Listing {
    actor: Known,
    below: NamespacePath,
    state: Option<RequestState>,
    submitter: Option<Principal>,
    waiting_for_me: bool,
    before: Option<Place>,
}

/// One page. Only so many requests are looked at, so a page may have few items, or none, and not be the last.
pub async fn read(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let limit = call.page_limit()?;
    let listing = Listing::of(call)?;
    let named = call.parameter("namespace").is_some();
    let may_wait = |namespaces: &Namespaces| {
        let reads_any = || namespaces.keys().any(|path| listing.may_read(namespaces, path));
        listing.may_list(namespaces) || (!named && reads_any())
    };
    let seen = app.fresh_for(call, may_wait).await?;
    // Who names no namespace is shown what they may read of all.
    if named && !listing.may_list(&app.reader.state().namespaces()) {
        let detail = "the parameter namespace names none that the caller may read";
        return Err(Problem::new(ProblemType::NotFound, detail).field("namespace"));
    }
    let page = app.list(move |view| listing.collect(view, limit)).await?;
    let next_cursor = page
        .next
        .map(|(submitted, id)| cursor::encode(call, &format!("{submitted}.{id}")));
    let mut response = reply::json(&Page::new(page.items, limit, next_cursor))?;
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

impl Listing {
    fn of(call: &Call) -> Result<Self, Problem> {
        let below = match call.parameter("namespace") {
            None => NamespacePath::root(),
            Some(text) => NamespacePath::parse(text)
                .map_err(|error| bad_parameter("namespace", &format!("is no namespace: {error}")))?,
        };
        let state = call.parameter("state").map(state_named).transpose()?;
        let submitter = call.parameter("submitter").map(Principal::parse).transpose();
        let submitter = submitter.map_err(|error| bad_parameter("submitter", &format!("is no principal: {error}")))?;
        let waiting_for_me = match call.parameter("waiting-for") {
            None => false,
            Some("me") => true,
            Some(_) => return Err(bad_parameter("waiting-for", "must be me")),
        };
        Ok(Self {
            actor: call.actor()?.clone(),
            below,
            state,
            submitter,
            waiting_for_me,
            before: cursor::decode(call)?.map(|text| place(&text)).transpose()?,
        })
    }

    fn may_list(&self, namespaces: &Namespaces) -> bool {
        namespaces.contains_key(&self.below) && self.may_read(namespaces, &self.below)
    }

    fn may_read(&self, namespaces: &Namespaces, path: &NamespacePath) -> bool {
        may(namespaces, &self.actor, Action::ReadPublished, path)
    }

    /// Whether only requests that are still open can be on the page.
    fn is_of_open_ones(&self) -> bool {
        self.waiting_for_me || self.state.is_some_and(|state| !state.is_final())
    }

    fn collect(
        &self,
        view: &SnapshotView<'_>,
        limit: usize,
    ) -> Result<confman_store::Page<PublishRequestItem, Place>, ReadError> {
        let range = RequestRange {
            below: &self.below,
            only_open: self.is_of_open_ones(),
            before: self.before.as_ref(),
        };
        let mut room = Room {
            items: limits::REQUESTS_LOOKED_AT.value,
            bytes: READ_BYTES,
        };
        let cluster = view.cluster()?;
        view.requests_below(range, limit, &mut room, |request| {
            let is_listed = self.matches(&request, cluster.as_ref())
                && self.may_read(view.namespaces(), &request.namespace)
                && (!self.waiting_for_me || self.waits(&request, view.namespaces(), cluster.as_ref()));
            is_listed.then(|| PublishRequestItem::of(&request))
        })
    }

    /// The filters that look at the request alone. A submitter is found under every login of theirs.
    fn matches(&self, request: &PublishRequest, cluster: Option<&Arc<ClusterRecord>>) -> bool {
        let person = |login: &Principal| match cluster {
            Some(cluster) => cluster.identity.canonical(login),
            None => login.clone(),
        };
        let by_submitter = |wanted: &Principal| person(wanted) == person(&request.requested_by);
        self.state.is_none_or(|state| state == request.state) && self.submitter.as_ref().is_none_or(by_submitter)
    }

    fn waits(&self, request: &PublishRequest, namespaces: &Namespaces, cluster: Option<&Arc<ClusterRecord>>) -> bool {
        let lineage = lineage(namespaces, &request.namespace);
        cluster.is_some_and(|cluster| waits_for(request, &lineage, &cluster.identity, &self.actor.login))
    }
}

fn state_named(text: &str) -> Result<RequestState, Problem> {
    let found = RequestState::ALL.into_iter().find(|state| state.to_string() == text);
    found.ok_or_else(|| {
        let names = RequestState::ALL.map(|state| state.to_string());
        bad_parameter("state", "is not known").limit(format!("one of: {}", names.join(", ")))
    })
}

fn place(cursor: &str) -> Result<Place, Problem> {
    let parsed = cursor
        .split_once('.')
        .and_then(|(submitted, id)| Some((submitted.parse().ok()?, RequestId::parse(id).ok()?)));
    parsed.ok_or_else(cursor::foreign)
}
