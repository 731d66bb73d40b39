//! The versions of a key, and what changed between two of them. Neither shows the value of a sensitive version.

use axum::body::Body;
use confman_api::diff::DiffView;
use confman_api::history::{VersionDiffView, VersionView, is_hidden};
use confman_api::listing::Page;
use confman_api::problem::{Problem, ProblemType};
use confman_core::access::Action;
use confman_core::diff::diff;
use confman_core::entry::{ConfigEntry, Version};
use confman_core::state::StateView as _;
use confman_store::{ReadError, SnapshotView};
use http::Response;

use super::App;
use super::call::{Call, bad_parameter, not_found, refuse_parameters};
use super::target::{self, KeyTarget};
use super::{cursor, reply};
use crate::auth::access::{Namespaces, may};
use crate::read::Seen;

const PREFIX: &str = "/api/v1/history";
const DIFF: &str = ":diff";

/// The versions of a key, or of `KEY:diff` the difference of two.
pub async fn read(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let path = target::behind(call.path(), PREFIX);
    let (path, is_diff) = path.strip_suffix(DIFF).map_or((path, false), |path| (path, true));
    let key = target::key(path)?;
    let actor = call.actor()?;
    let may_read = |namespaces: &Namespaces| may(namespaces, actor, Action::ReadPublished, &key.namespace);
    let seen = app.fresh_for(call, may_read).await?;
    if !may_read(&app.reader.state().namespaces()) {
        return Err(not_found());
    }
    if is_diff {
        compare(app, call, key, seen).await
    } else {
        list(app, call, key, seen).await
    }
}

/// The entry of a key and a page of its versions.
type Listed = (ConfigEntry, confman_store::Page<Version, u64>);

async fn list(app: &App, call: &Call, key: KeyTarget, seen: Seen) -> Result<Response<Body>, Problem> {
    refuse_parameters(call, &["from", "to"], "is for KEY:diff")?;
    let values = call.flag("values")?;
    let limit = call.page_limit()?;
    let before = cursor::decode(call)?.map(|text| number("cursor", &text)).transpose()?;
    let (entry, page) = app
        .list(move |view| versions(view, &key, before, limit))
        .await?
        .ok_or_else(not_found)?;
    let next_cursor = page.next.map(|number| cursor::encode(call, &number.to_string()));
    let shown = |version: Version| VersionView {
        live: entry.live == Some(version.number),
        pinned: entry.meta.pins.contains(&version.number),
        ..VersionView::of(version, values)
    };
    let items = page.items.into_iter().map(shown).collect();
    let mut response = reply::json(&Page::new(items, limit, next_cursor))?;
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

fn versions(
    view: &SnapshotView<'_>,
    KeyTarget { namespace, key }: &KeyTarget,
    before: Option<u64>,
    limit: usize,
) -> Result<Option<Listed>, ReadError> {
    let Some(entry) = view.entry(namespace, key)? else {
        return Ok(None);
    };
    let page = view.versions(namespace, key, before, limit)?;
    Ok(Some((entry, page)))
}

/// One side of a comparison: a version, or nothing at all.
type Side = Option<Version>;

/// What a comparison found.
enum Compared {
    /// Both sides.
    Sides(Box<(Side, Side)>),
    /// There never was such a key.
    NoKey,
    /// A version that is asked for is not there.
    NoVersion(&'static str, u64),
}

async fn compare(app: &App, call: &Call, key: KeyTarget, seen: Seen) -> Result<Response<Body>, Problem> {
    refuse_parameters(
        call,
        &["values", "limit", "cursor"],
        "is for the versions of a key, not for KEY:diff",
    )?;
    let wanted = |name| call.parameter(name).map(|text| number(name, text)).transpose();
    let (from, to) = (wanted("from")?, wanted("to")?);
    let target = key.clone();
    let compared = app.list(move |view| sides(view, &target, from, to)).await?;
    let (before, after) = match compared {
        Compared::Sides(sides) => *sides,
        Compared::NoKey => return Err(not_found()),
        Compared::NoVersion(name, number) => {
            let detail = format!("version {number} is not there, or not retained any more");
            return Err(Problem::new(ProblemType::NotFound, detail).field(name));
        }
    };
    let number_of = |side: &Side| side.as_ref().map_or(0, |version| version.number);
    let (from, to) = (number_of(&before), number_of(&after));
    let diff = super::off_thread(move || difference(before.as_ref(), after.as_ref())).await?;
    let mut response = reply::json(&VersionDiffView {
        namespace: key.namespace,
        key: key.key,
        from,
        to,
        diff,
    })?;
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

/// What changed from one version to another. Of sensitive ones only whether something did.
fn difference(before: Option<&Version>, after: Option<&Version>) -> DiffView {
    let masked = before.is_some_and(is_hidden) || after.is_some_and(is_hidden);
    let before = before.and_then(|version| version.value.as_ref());
    let after = after.and_then(|version| version.value.as_ref());
    DiffView::of(diff(before, after, masked), masked)
}

/// By default the live version, of a deleted key the last one, and the one before that.
fn sides(
    view: &SnapshotView<'_>,
    KeyTarget { namespace, key }: &KeyTarget,
    from: Option<u64>,
    to: Option<u64>,
) -> Result<Compared, ReadError> {
    let Some(entry) = view.entry(namespace, key)? else {
        return Ok(Compared::NoKey);
    };
    let version = |number| match number {
        0 => Ok(None),
        number => view.version(namespace, key, number),
    };
    let to = to.unwrap_or(entry.live.unwrap_or(entry.last_version));
    let after = version(to)?;
    if after.is_none() && to != 0 {
        return Ok(Compared::NoVersion("to", to));
    }
    let before = match from {
        Some(number) => version(number)?,
        None => view.versions(namespace, key, Some(to), 1)?.items.pop(),
    };
    match from {
        Some(number) if number != 0 && before.is_none() => Ok(Compared::NoVersion("from", number)),
        Some(_) | None => Ok(Compared::Sides(Box::new((before, after)))),
    }
}

fn number(name: &str, text: &str) -> Result<u64, Problem> {
    text.parse()
        .map_err(|_| bad_parameter(name, "must be the number of a version"))
}
