//! Which problems each route may answer with, from its row in the table: what it takes, who may call it, what it does.

use std::collections::BTreeMap;

use utoipa::openapi::schema::AllOfBuilder;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, Response, ResponseBuilder, Type};

use crate::problem::{PROBLEM_JSON, ProblemType};
use crate::routes::{Access, Method, Port, ROUTES, Route};

/// Of every route: its parameters are checked, its time is bounded, and a node may fail.
const ALWAYS: &[ProblemType] = &[
    ProblemType::InvalidParameter,
    ProblemType::RequestTimeout,
    ProblemType::HeaderTooLarge,
    ProblemType::Internal,
];
/// Of a route that is not open to anyone.
const KNOWN_CALLERS: &[ProblemType] = &[
    ProblemType::Unauthorized,
    ProblemType::Forbidden,
    ProblemType::RateLimited,
    ProblemType::IssuerUnavailable,
    ProblemType::Overloaded,
];
/// Of a route whose path names something.
const NAMED: &[ProblemType] = &[ProblemType::InvalidPath, ProblemType::NotFound];
/// Of a read that may wait until it is fresh enough.
const FRESH: &[ProblemType] = &[ProblemType::NoLeader, ProblemType::TooStale];
/// Of a read with several representations.
const NEGOTIATED: &[ProblemType] = &[ProblemType::NotAcceptable];
/// Of a read that names how old its answer may be.
const AGED: &[ProblemType] = &[ProblemType::TooStale];
/// Of a write: its body is checked, the rules may refuse it, and the cluster may be unable to do it.
const WRITES: &[ProblemType] = &[
    ProblemType::InvalidBody,
    ProblemType::SelfApproval,
    ProblemType::InvalidStamp,
    ProblemType::Conflict,
    ProblemType::ApprovalRequired,
    ProblemType::DigestMismatch,
    ProblemType::ManagedByKubernetes,
    ProblemType::Superseded,
    ProblemType::PreconditionFailed,
    ProblemType::TooLarge,
    ProblemType::UnsupportedMediaType,
    ProblemType::ValidationFailed,
    ProblemType::IdempotencyKeyReused,
    ProblemType::NoLeader,
    ProblemType::NotInitialised,
    ProblemType::OutcomeUnknown,
    ProblemType::StorageFull,
];

/// Every type that `route` may answer with, in the order of the table of types.
pub(super) fn of(route: &Route) -> Vec<ProblemType> {
    let writes = match route.method {
        Method::Get => false,
        Method::Put | Method::Post | Method::Patch | Method::Delete => true,
    };
    let takes = |name: &str| route.query.iter().any(|parameter| parameter.name == name);
    let watches = route.pattern.starts_with("/api/v1/watch");
    let sets = [
        (true, ALWAYS),
        (route.access != Access::Open, KNOWN_CALLERS),
        (route.pattern.contains('{'), NAMED),
        (takes("consistency") || watches, FRESH),
        (takes("maxAge"), AGED),
        // What the caller may not read is not there, the root included.
        (
            route.access == Access::Known && !writes && takes("consistency"),
            &[ProblemType::NotFound],
        ),
        (!writes && is_negotiated(route) || watches, NEGOTIATED),
        (writes, WRITES),
    ];
    let mut types: Vec<_> = sets
        .iter()
        .filter(|(applies, _)| *applies)
        .flat_map(|(_, types)| types.iter().copied())
        .collect();
    types.sort_unstable();
    types.dedup();
    types
}

fn is_negotiated(route: &Route) -> bool {
    ["/api/v1/config", "/api/v1/effective"]
        .iter()
        .any(|prefix| route.pattern.starts_with(prefix))
}

/// The types that `route` may answer with, by status.
fn by_status(route: &Route) -> BTreeMap<u16, Vec<ProblemType>> {
    let mut by_status: BTreeMap<u16, Vec<ProblemType>> = BTreeMap::new();
    for kind in of(route) {
        by_status.entry(kind.status()).or_default().push(kind);
    }
    by_status
}

/// One response for each status of the problems of `route`, by its name in [`components`].
pub(super) fn responses(route: &Route) -> impl Iterator<Item = (String, Ref)> {
    let named = |(status, types): (u16, Vec<_>)| (status.to_string(), Ref::from_response_name(name(&types)));
    by_status(route).into_iter().map(named)
}

/// Every response that some route of the public port refers to.
pub(super) fn components() -> BTreeMap<String, Response> {
    let public = ROUTES.iter().filter(|route| route.port == Port::Public);
    let types = public.flat_map(|route| by_status(route).into_values());
    types.map(|types| (name(&types), response(&types))).collect()
}

/// The names of the types, joined.
fn name(types: &[ProblemType]) -> String {
    let names: Vec<_> = types.iter().map(|kind| kind.name()).collect();
    names.join(".")
}

fn response(types: &[ProblemType]) -> Response {
    let uris = types.iter().map(|kind| kind.uri());
    let uris = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(uris));
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name("Problem"))
        .item(ObjectBuilder::new().property("type", uris));
    let titles: Vec<_> = types
        .iter()
        .map(|kind| format!("`{}`: {}", kind.name(), kind.title()))
        .collect();
    ResponseBuilder::new()
        .description(titles.join("; "))
        .content(PROBLEM_JSON, ContentBuilder::new().schema(Some(schema)).build())
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_listed_at_some_route() {
        let listed: Vec<_> = ROUTES.iter().flat_map(of).collect();
        // The answer to a call that has no route.
        let no_route = ProblemType::MethodNotAllowed;
        for kind in ProblemType::ALL.iter().filter(|kind| **kind != no_route) {
            assert!(listed.contains(kind), "{} is listed at no route", kind.name());
        }
    }

    #[test]
    fn an_open_read_lists_no_problem_of_writes() {
        let health = ROUTES
            .iter()
            .find(|route| route.pattern == "/health")
            .expect("it has a row");
        assert_eq!(of(health), ALWAYS);
    }
}
