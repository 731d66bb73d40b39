//! What a namespace sees: its own values over those that it inherits. Who may read the namespace may read what it sees,
//! since that is what inheriting means.

use axum::body::Body;
use confman_api::effective::EffectiveValueView;
use confman_api::limits;
use confman_api::listing::Page;
use confman_api::problem::{Problem, ProblemType};
use confman_api::reading::ViewRepresentation;
use confman_core::access::Action;
use confman_core::entry::Version;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::namespace::{each, inherited};
use confman_store::{ReadError, Room, SnapshotView};
use http::header::VARY;
use http::{HeaderValue, Response, StatusCode};

use super::App;
use super::call::{Call, not_found, refuse_parameters, storage_problem};
use super::config::{represent, yaml};
use super::named::{Named, Target};
use super::negotiate;
use super::render::{dotenv, properties};
use super::target::{self, KeyTarget};
use super::{cursor, reply};
use crate::auth::access::{Namespaces, lineage};
use crate::read::Seen;

const PREFIX: &str = "/api/v1/effective";

/// One value, or all of them: whichever the path names.
pub async fn read(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let target = Target::parse(target::behind(call.path(), PREFIX))?;
    let actor = call.actor()?;
    let named = |namespaces: &Namespaces| {
        let named = target.resolve(namespaces, actor, Action::ReadPublished);
        named.filter(|named| namespaces.contains_key(named.namespace()))
    };
    let seen = app.fresh_for(call, |namespaces| named(namespaces).is_some()).await?;
    match named(&app.reader.state().namespaces()) {
        Some(Named::Namespace(namespace)) => view(app, call, namespace, seen).await,
        Some(Named::Key(key)) => value(app, call, key, seen).await,
        None => Err(not_found()),
    }
}

/// The namespaces that are seen through `namespace` at the moment of `view`, nearest first.
fn layers(view: &SnapshotView<'_>, namespace: &NamespacePath) -> Vec<NamespacePath> {
    let lineage = lineage(view.namespaces(), namespace);
    let layers = inherited(each(&lineage));
    layers.map(|layer| layer.path.clone()).collect()
}

/// The value of one key as its namespace sees it.
async fn value(app: &App, call: &Call, key: &KeyTarget, seen: Seen) -> Result<Response<Body>, Problem> {
    let of_namespaces = ["limit", "cursor"];
    refuse_parameters(call, &of_namespaces, "is for namespaces; the path does not name one")?;
    let representation = negotiate::representation(call.headers())?;
    let wanted = key.clone();
    let version = app
        .list(move |view| view.effective_version(&layers(view, &wanted.namespace), &wanted.key))
        .await?
        .ok_or_else(not_found)?;
    let number = version.number;
    let digest = version.digest.ok_or_else(not_found)?;
    let mut response = if negotiate::is_known(call.headers(), &digest) {
        reply::not_modified()
    } else {
        let version = app.open(version)?;
        let value = version.value.as_ref().ok_or_else(not_found)?;
        let shown = EffectiveValueView::of(&version).ok_or_else(damaged)?;
        let document = serde_json::to_vec(&shown).map_err(|error| storage_problem(&error))?;
        represent(value, representation, || document)?
    };
    reply::mark_value(&mut response, number, &digest);
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

/// One page of the view as JSON, or all of it as something else.
async fn view(app: &App, call: &Call, namespace: &NamespacePath, seen: Seen) -> Result<Response<Body>, Problem> {
    let representation = negotiate::view_representation(call.headers())?;
    let (limit, bytes) = match representation {
        ViewRepresentation::Json => (call.page_limit()?, Room::BYTES),
        ViewRepresentation::Yaml | ViewRepresentation::Dotenv | ViewRepresentation::Properties => {
            refuse_parameters(call, &["limit", "cursor"], "is for JSON; every other form comes whole")?;
            (limits::VIEW.value, limits::VIEW_BYTES.value)
        }
    };
    let after = cursor::decode_key(call)?;
    let namespace = namespace.clone();
    let (versions, next) = app
        .list(move |view| collect(view, &namespace, after.as_ref(), Room { items: limit, bytes }))
        .await?;
    let next_cursor = next.map(|key| cursor::encode(call, key.as_str()));
    if next_cursor.is_some() && representation != ViewRepresentation::Json {
        return Err(too_large_to_be_whole());
    }
    let secrets = app.judge.secrets().clone();
    let body = super::off_thread(move || {
        let opened = versions.into_iter().map(|version| super::open(&secrets, version));
        let versions = opened.collect::<Result<Vec<_>, _>>()?;
        render(&versions, (limit, next_cursor), representation)
    });
    let body = body.await??;
    let content_type = HeaderValue::from_static(representation.media_type());
    let mut response = reply::with_body(StatusCode::OK, content_type, body);
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

/// The versions of a page, and the last key if more are left.
fn collect(
    view: &SnapshotView<'_>,
    namespace: &NamespacePath,
    after: Option<&ConfigKey>,
    mut room: Room,
) -> Result<(Vec<Version>, Option<ConfigKey>), ReadError> {
    let mut versions = Vec::new();
    let layers = layers(view, namespace);
    let next = view.effective_versions(&layers, after, &mut room, |version| versions.push(version))?;
    Ok((versions, next))
}

fn render(
    versions: &[Version],
    (limit, next_cursor): (usize, Option<String>),
    representation: ViewRepresentation,
) -> Result<Vec<u8>, Problem> {
    let document = || {
        let items: Option<Vec<_>> = versions.iter().map(EffectiveValueView::of).collect();
        let page = Page::new(items.ok_or_else(damaged)?, limit, next_cursor);
        serde_json::to_vec(&page).map_err(|error| storage_problem(&error))
    };
    let values = || {
        versions
            .iter()
            .filter_map(|version| Some((&version.key, version.value.as_ref()?)))
    };
    match representation {
        ViewRepresentation::Json => document(),
        ViewRepresentation::Yaml => yaml(&document()?),
        ViewRepresentation::Dotenv => dotenv::render(values())
            .map(String::into_bytes)
            .map_err(|error| error.problem()),
        ViewRepresentation::Properties => Ok(properties::render(values()).into_bytes()),
    }
}

fn too_large_to_be_whole() -> Problem {
    let detail = "the namespace sees more than goes into one file; JSON comes in pages";
    let limit = format!("{} and {}", limits::VIEW.text(), limits::VIEW_BYTES.text());
    Problem::new(ProblemType::NotAcceptable, detail)
        .field("Accept")
        .limit(limit)
}

fn damaged() -> Problem {
    Problem::new(ProblemType::Internal, "a stored value cannot be shown")
}
