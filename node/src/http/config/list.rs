//! Lists the live keys of a namespace, and of those below it, in pages that are bounded by number and by bytes.

use axum::body::Body;
use confman_api::config::{KeyView, render};
use confman_api::listing::Pagination;
use confman_api::problem::Problem;
use confman_core::access::Action;
use confman_core::entry::Version;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_store::{LiveRange, ReadError, Room, SnapshotView};
use http::{Response, StatusCode};

use super::App;
use crate::auth::access::{Namespaces, may};
use crate::auth::known::Known;
use crate::http::call::{Call, bad_parameter, storage_problem};
use crate::http::{cursor, open, reply};
use crate::read::Seen;
use crate::secrets::Secrets;

/// Most bytes that a page without values reads: only one value is in memory at a time, but each comes from the disk.
const READ_BYTES: usize = 8 * Room::BYTES;

/// What is listed, and for whom.
struct Listing {
    caller: Known,
    namespace: NamespacePath,
    start: Place,
    recursive: bool,
    /// What opens sealed values, where values are asked for.
    values: Option<Secrets>,
    prefix: String,
}

/// Where a listing goes on: behind this key of this namespace.
struct Place {
    namespace: NamespacePath,
    key: Option<ConfigKey>,
}

/// The beginning of a page as JSON, and where the next one begins.
struct Listed {
    body: Vec<u8>,
    next: Option<Place>,
}

/// One page of `namespace`, which the caller may read.
pub(super) async fn list(
    app: &App,
    call: &Call,
    namespace: &NamespacePath,
    seen: Seen,
) -> Result<Response<Body>, Problem> {
    if call.parameter("version").is_some() {
        return Err(bad_parameter("version", "is for keys; the path names a namespace"));
    }
    let limit = call.page_limit()?;
    let listing = Listing {
        caller: call.actor()?.clone(),
        namespace: namespace.clone(),
        start: start_of(call, namespace)?,
        recursive: call.flag("recursive")?,
        values: call.flag("values")?.then(|| app.judge.secrets().clone()),
        prefix: call.parameter("prefix").unwrap_or("").to_owned(),
    };
    let Listed { mut body, next } = app.list(move |view| listing.collect(view, limit)).await??;
    let next_cursor = next.map(|place| cursor::encode(call, &place.text()));
    body.extend_from_slice(b"],\"pagination\":");
    let pagination = Pagination {
        limit,
        has_more: next_cursor.is_some(),
        next_cursor,
    };
    serde_json::to_writer(&mut body, &pagination).map_err(|error| storage_problem(&error))?;
    body.push(b'}');
    let mut response = reply::with_body(StatusCode::OK, reply::JSON, body);
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

impl Listing {
    /// The beginning of a page: the live versions of the namespaces, in order of path and key, from one state.
    fn collect(&self, view: &SnapshotView<'_>, limit: usize) -> Result<Result<Listed, Problem>, ReadError> {
        let mut body = b"{\"items\":[".to_vec();
        let mut written = Ok(());
        let next = self.walk(view, limit, |version| {
            if written.is_ok() {
                written = self.write(version, &mut body);
            }
        })?;
        Ok(written.map(|()| Listed { body, next }))
    }

    /// Hands the live versions to `take`; all namespaces share one page's room. Where the next page begins.
    fn walk(
        &self,
        view: &SnapshotView<'_>,
        limit: usize,
        mut take: impl FnMut(Version),
    ) -> Result<Option<Place>, ReadError> {
        let mut room = Room {
            items: limit,
            bytes: if self.values.is_some() { Room::BYTES } else { READ_BYTES },
        };
        for namespace in self.visible(view.namespaces()) {
            let place = |key| Place {
                namespace: namespace.clone(),
                key,
            };
            if room.is_used_up() {
                return Ok(Some(place(None)));
            }
            let range = LiveRange {
                namespace,
                prefix: &self.prefix,
                after: self.start.key.as_ref().filter(|_| *namespace == self.start.namespace),
            };
            let left = view.live_versions(range, &mut room, &mut take)?;
            if left.is_some() {
                return Ok(Some(place(left)));
            }
        }
        Ok(None)
    }

    fn visible<'n>(&'n self, namespaces: &'n Namespaces) -> impl Iterator<Item = &'n NamespacePath> {
        let top = &self.namespace;
        namespaces
            .range(self.start.namespace.clone()..)
            .map(|(path, _)| path)
            .take_while(move |path| self.recursive || *path == top)
            .filter(move |path| *path == top || path.is_below(top))
            .filter(|path| may(namespaces, &self.caller, Action::ReadPublished, path))
    }

    /// Appends one item as JSON, its value as a read of it alone shows it.
    fn write(&self, version: Version, body: &mut Vec<u8>) -> Result<(), Problem> {
        let end = body.len();
        if body.last() != Some(&b'[') {
            body.push(b',');
        }
        let written = if let Some(secrets) = &self.values {
            render(&open(secrets, version)?, body)
        } else {
            let view = KeyView::of(&version);
            view.is_some_and(|view| serde_json::to_writer(&mut *body, &view).is_ok())
        };
        if !written {
            body.truncate(end);
        }
        Ok(())
    }
}

impl Place {
    fn text(&self) -> String {
        let key = self.key.as_ref().map_or("", ConfigKey::as_str);
        format!("{} {key}", self.namespace)
    }
}

/// The place that the cursor names, or the beginning.
fn start_of(call: &Call, namespace: &NamespacePath) -> Result<Place, Problem> {
    let Some(text) = cursor::decode(call)? else {
        return Ok(Place {
            namespace: namespace.clone(),
            key: None,
        });
    };
    let (path, key) = text.split_once(' ').ok_or_else(cursor::foreign)?;
    let key = match key {
        "" => None,
        key => Some(ConfigKey::parse(key).map_err(|_| cursor::foreign())?),
    };
    Ok(Place {
        namespace: NamespacePath::parse(path).map_err(|_| cursor::foreign())?,
        key,
    })
}
