//! Lists the drafts of a namespace.

use axum::body::Body;
use confman_api::listing::Page;
use confman_api::problem::Problem;
use confman_core::ids::NamespacePath;
use http::Response;

use super::shown;
use crate::http::App;
use crate::http::call::Call;
use crate::http::{cursor, reply};
use crate::read::Seen;

/// One page of `namespace`, whose drafts the caller may read.
pub(super) async fn list(
    app: &App,
    call: &Call,
    namespace: &NamespacePath,
    seen: Seen,
) -> Result<Response<Body>, Problem> {
    let limit = call.page_limit()?;
    let after = cursor::decode_key(call)?;
    let namespace = namespace.clone();
    let page = app
        .list(move |view| view.drafts(&namespace, after.as_ref(), limit))
        .await?;
    let next_cursor = page.next.map(|key| cursor::encode(call, key.as_str()));
    let items = page.items.into_iter().map(|draft| shown(app, draft));
    let mut response = reply::json(&Page::new(items.collect::<Result<Vec<_>, _>>()?, limit, next_cursor))?;
    reply::mark_seen(&mut response, seen);
    Ok(response)
}
