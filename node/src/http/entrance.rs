//! The one entrance: every request of every port passes here, is bounded, authenticated by its row in the route table,
//! and leaves with its ids, its metrics and, when it failed, a problem. What has no row is denied.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{MethodFilter, on};
use confman_api::limits;
use confman_api::problem::{Problem, ProblemType};
use confman_api::routes::{Access, Method, Port, ROUTES, Route, RouteId};
use futures::FutureExt as _;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::call::{Call, Caller};
use super::observe::Observed;
use super::trace::Trace;
use super::{
    App, SharedApp, admin, audit, backups, config, drafts, effective, health, history, identity, internal, keys, login,
    namespaces, poll, publish_requests, reply, rollback, schemas, stamp_keys, watch, whoami,
};

/// Route label of what has no row.
const NO_ROUTE: &str = "none";

/// The router of one port.
pub fn router(app: SharedApp, port: Port) -> Router {
    let mut router = Router::new();
    for route in ROUTES.iter().filter(|route| route.port == port) {
        let handler = move |State(app): State<SharedApp>, request: Request<Body>| enter(app, route, request);
        router = router.route(route.pattern, on(method_filter(route.method), handler));
    }
    router
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
}

fn method_filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Put => MethodFilter::PUT,
        Method::Patch => MethodFilter::PATCH,
        Method::Delete => MethodFilter::DELETE,
        Method::Post => MethodFilter::POST,
    }
}

async fn enter(app: SharedApp, route: &'static Route, request: Request<Body>) -> Response<Body> {
    let observed = Observed::begin(route.method.name(), route.pattern, request.headers());
    let trace = observed.trace().clone();
    trace.scope(Box::pin(answer(app, route, observed, request))).await
}

async fn answer(app: SharedApp, route: &'static Route, observed: Observed, request: Request<Body>) -> Response<Body> {
    let uri = request.uri().clone();
    // Waiting for a change is not work: it has a bound of its own.
    let wait = poll::longest_wait(route, &uri);
    let observed = observed.may_wait(wait);
    let limit = Duration::from_millis(limits::REQUEST_TIME.value as u64) + wait;
    let work = AssertUnwindSafe(handle(&app, route, observed.trace().clone(), request)).catch_unwind();
    let answer =
        match tokio::time::timeout(limit, work).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => {
                tracing::error!(route = route.pattern, "a handler panicked");
                Err(Problem::new(ProblemType::Internal, "the node failed; its log says why"))
            }
            Err(_) => Err(Problem::new(ProblemType::RequestTimeout, "the request took too long")
                .limit(limits::REQUEST_TIME.text())),
        };
    let mut response = answer.unwrap_or_else(|problem| refusal(&app, problem, uri.path(), &observed));
    observed.end(&app.metrics, &mut response);
    response
}

async fn unknown_route(State(app): State<SharedApp>, request: Request<Body>) -> Response<Body> {
    refuse(&app, ProblemType::NotFound, "there is no such route", &request)
}

async fn wrong_method(State(app): State<SharedApp>, request: Request<Body>) -> Response<Body> {
    refuse(
        &app,
        ProblemType::MethodNotAllowed,
        "the route does not take this method",
        &request,
    )
}

/// The answer to a request without a row.
fn refuse(app: &App, kind: ProblemType, detail: &str, request: &Request<Body>) -> Response<Body> {
    let observed = Observed::begin("any", NO_ROUTE, request.headers());
    let mut response = refusal(app, Problem::new(kind, detail), request.uri().path(), &observed);
    observed.end(&app.metrics, &mut response);
    response
}

fn refusal(app: &App, mut problem: Problem, path: &str, observed: &Observed) -> Response<Body> {
    problem.instance = Some(path.to_owned());
    problem.trace_id = Some(observed.trace().id().to_owned());
    observed.refused(&app.metrics, &problem);
    reply::problem(&problem)
}

async fn handle(
    app: &App,
    route: &'static Route,
    trace: Trace,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    check_header(request.headers())?;
    let (head, body) = request.into_parts();
    // To find out who calls is work already.
    let place = take_place(app, route)?;
    let caller = authenticate(app, route, &head).await?;
    let call = Call::new(route, caller, trace, head)?;
    // Whoever waits for a change takes no place from those who work.
    drop(place);
    if let Some(unchanged) = poll::wait(app, &call).await? {
        return Ok(unchanged);
    }
    let _place = take_place(app, route)?;
    // Values are read most often: such a request is not to carry, and copy, what the largest handler needs.
    if call.route.id == RouteId::ReadConfig {
        return config::read(app, &call).await;
    }
    Box::pin(dispatch(app, &call, body)).await
}

/// One of the places of those who are worked for. Probes and metrics must work when everything else is busy.
fn take_place<'a>(app: &'a App, route: &Route) -> Result<Option<SemaphorePermit<'a>>, Problem> {
    let places = match route.access {
        Access::Open => None,
        Access::Known => Some(&app.public_places),
        Access::Courier => Some(&app.internal_places),
    };
    places.map(Semaphore::try_acquire).transpose().map_err(|_| overloaded())
}

/// One handler a route.
async fn dispatch(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    match call.route.id {
        RouteId::ListRoot | RouteId::ReadConfig => config::read(app, call).await,
        RouteId::WriteConfig => config::write(app, call, body).await,
        RouteId::DeleteConfig => config::delete::delete(app, call, body).await,
        RouteId::DescribeConfig => config::meta::describe(app, call, body).await,
        RouteId::EffectiveRoot | RouteId::Effective => effective::read(app, call).await,
        RouteId::History => history::read(app, call).await,
        RouteId::DraftsRoot | RouteId::ReadDraft => drafts::read(app, call).await,
        RouteId::WriteDraft => drafts::write(app, call, body).await,
        RouteId::DeleteDraft => drafts::delete(app, call, body).await,
        RouteId::ListPublishRequests => publish_requests::list::read(app, call).await,
        RouteId::OpenPublishRequest => publish_requests::open::open(app, call, body).await,
        RouteId::DecidePublishRequest => publish_requests::decide::decide(app, call, body).await,
        RouteId::RollBack => rollback::roll_back(app, call, body).await,
        RouteId::AdminRollBack => rollback::roll_back_named(app, call, body).await,
        RouteId::ListNamespaces => namespaces::list(app, call).await,
        RouteId::CreateNamespace => namespaces::create(app, call, body).await,
        RouteId::ReadNamespace => namespaces::read(app, call).await,
        RouteId::WriteNamespace => namespaces::write(app, call, body).await,
        RouteId::DeleteNamespace => namespaces::delete(app, call, body).await,
        RouteId::ReadSchema => schemas::read(app, call).await,
        RouteId::WriteSchema => schemas::write(app, call, body).await,
        RouteId::ReadPublishRequest => publish_requests::read(app, call).await,
        RouteId::AuditRoot | RouteId::Audit | RouteId::AdminAuditRoot | RouteId::AdminAudit => {
            audit::read(app, call).await
        }
        RouteId::WatchRoot | RouteId::Watch => watch::open(app, call).await,
        RouteId::VerifyAudit => audit::verify::verify(app, call).await,
        RouteId::IssueKey => keys::issue(app, call, body).await,
        RouteId::ListKeys => keys::list(app, call).await,
        RouteId::RevokeKey => keys::revoke(app, call, body).await,
        RouteId::ClusterStatus => admin::status(app, call).await,
        RouteId::ReadIdentity => identity::read(app, call).await,
        RouteId::WriteIdentity => identity::write(app, call, body).await,
        RouteId::ReadStampKeys => stamp_keys::read(app, call).await,
        RouteId::AddStampKey => stamp_keys::add(app, call, body).await,
        RouteId::ChangeMembership => admin::change_membership(app, call, body).await,
        RouteId::TransferLeader => admin::transfer_leader(app, call, body).await,
        RouteId::TakeSnapshot => admin::take_snapshot(app, call, body).await,
        RouteId::TakeBackup => backups::take(app, call, body).await,
        RouteId::ListBackups => backups::list(app, call).await,
        RouteId::Whoami => whoami::read(app, call),
        RouteId::OpenApi => Ok(health::description()),
        RouteId::Health => health::alive(),
        RouteId::Ready => health::ready(app, call).await,
        RouteId::Metrics => health::metrics(app),
        RouteId::InternalStatus => internal::status(app),
        RouteId::Initialise => Box::pin(internal::initialise(app, call, body)).await,
        RouteId::RegisterStampKey => internal::register_stamp_key(app, call, body).await,
        RouteId::StampKeys => internal::stamp_keys(app).await,
        RouteId::DeclareNamespace => internal::declare_namespace(app, call, body).await,
        RouteId::Namespaces => internal::namespaces(app).await,
        RouteId::ReleaseNamespace => internal::release_namespace(app, call, body).await,
        RouteId::SubmitRequest => internal::submit(app, call, body).await,
        RouteId::PublishRequests => internal::publish_requests(app, call).await,
        RouteId::PublishRequest => internal::publish_request(app, call).await,
        RouteId::ActOnRequest => internal::act(app, call, body).await,
    }
}

async fn authenticate(app: &App, route: &Route, head: &Parts) -> Result<Caller, Problem> {
    match route.access {
        Access::Open => Ok(Caller::Anyone),
        // The handshake of that port lets nobody else in.
        Access::Courier => Ok(Caller::Courier),
        Access::Known => login::log_in(&app.authenticator, route, head).await,
    }
}

fn check_header(headers: &HeaderMap) -> Result<(), Problem> {
    let problem = |detail: String| Problem::new(ProblemType::HeaderTooLarge, detail).field("header");
    if headers.len() > limits::HEADER_LINES.value {
        let detail = format!("the header has {} lines", headers.len());
        return Err(problem(detail).limit(limits::HEADER_LINES.text()));
    }
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if bytes > limits::HEADER.value {
        let detail = format!("the header has {bytes} bytes");
        return Err(problem(detail).limit(limits::HEADER.text()));
    }
    Ok(())
}

fn overloaded() -> Problem {
    let detail = "the node works on as many requests as it may at once; nothing was done";
    Problem::new(ProblemType::Overloaded, detail).limit(limits::REQUESTS.text())
}
