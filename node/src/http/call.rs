//! One authenticated request on its way to a handler: who, which route, which query.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Query;
use confman_api::limits;
use confman_api::problem::{Problem, ProblemType};
use confman_api::reading::Consistency;
use confman_api::routes::Route;
use confman_core::principal::Actor;
use http::request::Parts;
use http::{HeaderMap, Uri, Version};
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;

use super::trace::Trace;
use crate::auth::certificates::Chain;
use crate::auth::credential::Credential;
use crate::auth::known::Known;
use crate::propose::Origin;
use crate::read::ReadError;

/// Who calls, as far as the route asks for it.
#[derive(Clone, Debug)]
pub enum Caller {
    /// The route is open.
    Anyone,
    /// Somebody who logged in, and with what.
    Known(Arc<Known>, Credential),
    /// Nobody in particular, where such may read.
    Anonymous(Arc<Known>),
    /// The operator, by the certificate of its connection.
    Courier,
}

/// Peer address of a connection, put into each of its requests.
#[derive(Clone, Copy, Debug)]
pub struct RemoteAddress(pub IpAddr);

/// The place of a connection among those of its port, put into each of its requests.
#[derive(Clone, Debug)]
pub struct ConnectionPlace(pub Arc<Mutex<Option<OwnedSemaphorePermit>>>);

/// What the client of a connection proved to hold the key of, put into each of its requests.
#[derive(Clone, Debug)]
pub struct PeerCertificates(pub Chain);

/// A request that passed the entrance.
pub struct Call {
    /// Its row in the route table.
    pub route: &'static Route,
    /// Who calls.
    pub caller: Caller,
    /// Its ids.
    pub trace: Trace,
    /// The request without its body, which is still unread.
    head: Parts,
    /// Checked against the route's parameters.
    query: Vec<(String, String)>,
}

impl Call {
    /// Checks the query: only parameters of the route, each at most once.
    pub fn new(route: &'static Route, caller: Caller, trace: Trace, head: Parts) -> Result<Self, Problem> {
        let query = parse_query(route, &head.uri)?;
        Ok(Self {
            route,
            caller,
            trace,
            head,
            query,
        })
    }

    /// The raw path: segments are never percent-decoded, since no valid one needs it.
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// Path and query as they came.
    pub fn path_and_query(&self) -> String {
        self.head
            .uri
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    /// Headers of the request.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// A query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The whole query, for binding a cursor to it.
    pub fn query(&self) -> &[(String, String)] {
        &self.query
    }

    /// A parameter that is `true` or `false`; absent is false.
    pub fn flag(&self, name: &'static str) -> Result<bool, Problem> {
        match self.parameter(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(bad_parameter(name, "must be true or false")),
        }
    }

    /// How fresh the answer must be.
    pub fn consistency(&self) -> Result<Consistency, Problem> {
        match self.parameter("consistency") {
            None => Ok(Consistency::Stale),
            Some(text) => Consistency::parse(text)
                .ok_or_else(|| bad_parameter("consistency", "must be stale, linearizable or index=N")),
        }
    }

    /// The oldest state that the answer may come from.
    pub fn max_age(&self) -> Result<Option<Duration>, Problem> {
        self.duration("maxAge")
    }

    /// How long the answer may wait for a change.
    pub fn wait(&self) -> Result<Option<Duration>, Problem> {
        let wait = self.duration("wait")?;
        let longest = Duration::from_millis(limits::LONG_POLL.value as u64);
        if wait.is_some_and(|wait| wait > longest || wait.is_zero()) {
            return Err(bad_parameter("wait", "must be from 1ms to the limit").limit(limits::LONG_POLL.text()));
        }
        Ok(wait)
    }

    /// A parameter like `500ms` or `5s`.
    fn duration(&self, name: &'static str) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.parameter(name) else {
            return Ok(None);
        };
        let duration = parse_duration(text);
        let wrong = || bad_parameter(name, "must be a number of milliseconds or seconds").limit("like 500ms or 5s");
        duration.map(Some).ok_or_else(wrong)
    }

    /// The connection is this call's alone from now on and counts as such: it needs no place among the others. False if
    /// it carries other calls too.
    pub fn leave_connection_place(&self) -> bool {
        if self.head.version >= Version::HTTP_2 {
            return false;
        }
        if let Some(ConnectionPlace(place)) = self.head.extensions.get() {
            drop(place.lock().take());
        }
        true
    }

    /// Items on a page.
    pub fn page_limit(&self) -> Result<usize, Problem> {
        let Some(text) = self.parameter("limit") else {
            return Ok(limits::PAGE_DEFAULT.value);
        };
        match text.parse() {
            Ok(limit) if (1..=limits::PAGE.value).contains(&limit) => Ok(limit),
            _ => Err(bad_parameter("limit", "must be a number from 1 to the limit").limit(limits::PAGE.text())),
        }
    }

    /// The caller of a route for known callers, to be asked what they may do.
    pub fn actor(&self) -> Result<&Known, Problem> {
        match &self.caller {
            Caller::Known(known, _) | Caller::Anonymous(known) => Ok(known),
            Caller::Anyone | Caller::Courier => {
                Err(Problem::new(ProblemType::Unauthorized, "this route needs a credential"))
            }
        }
    }

    /// The caller as they logged in, with the address of this connection: what commands carry.
    pub fn actor_with_address(&self) -> Result<Actor, Problem> {
        let ip = self.head.extensions.get::<RemoteAddress>();
        let actor = self.actor()?;
        Ok(Actor {
            ip: ip.map(|RemoteAddress(ip)| ip.to_string()),
            ..actor.login.clone()
        })
    }

    /// On whose behalf the call writes.
    pub fn origin(&self) -> Result<Origin, Problem> {
        let credential = match &self.caller {
            Caller::Known(_, credential) => credential.clone(),
            Caller::Courier => Credential::Courier,
            Caller::Anyone | Caller::Anonymous(_) => {
                let detail = "this route needs a credential";
                return Err(Problem::new(ProblemType::Unauthorized, detail));
            }
        };
        Ok(Origin {
            credential,
            trace_id: Some(self.trace.id().to_owned()),
            idempotency: None,
        })
    }
}

/// Parses `500ms` or `5s`, up to a day.
fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.find(|character: char| !character.is_ascii_digit())?)?;
    let number: u64 = number.parse().ok()?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        _ => return None,
    };
    (duration <= Duration::from_hours(24)).then_some(duration)
}

fn parse_query(route: &Route, uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    if uri.query().is_none_or(str::is_empty) {
        return Ok(Vec::new());
    }
    let malformed = |_| bad_parameter("query", "is not a valid query string");
    let Query(query) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(malformed)?;
    for (index, (name, _)) in query.iter().enumerate() {
        let shown: String = name.chars().take(64).collect();
        if !route.query.iter().any(|parameter| parameter.name == name) {
            let known: Vec<_> = route.query.iter().map(|parameter| parameter.name).collect();
            return Err(bad_parameter(&shown, "is not known here").limit(format!("one of: {}", known.join(", "))));
        }
        if query[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(bad_parameter(&shown, "is given twice"));
        }
    }
    Ok(query)
}

/// A problem with the query parameter `name`.
pub fn bad_parameter(name: &str, what: &str) -> Problem {
    Problem::new(ProblemType::InvalidParameter, format!("the parameter {name} {what}")).field(name)
}

/// Refuses the parameters in `names`, which mean nothing for what the path names.
pub fn refuse_parameters(call: &Call, names: &[&str], what: &str) -> Result<(), Problem> {
    match names.iter().find(|name| call.parameter(name).is_some()) {
        Some(name) => Err(bad_parameter(name, what)),
        None => Ok(()),
    }
}

/// What may not be read does not exist.
pub fn not_found() -> Problem {
    Problem::new(ProblemType::NotFound, "the path names nothing that the caller may read")
}

/// The problem of a read that cannot be as fresh as asked.
pub fn read_problem(error: &ReadError) -> Problem {
    match error {
        ReadError::NoLeader => Problem::new(ProblemType::NoLeader, error.to_string()),
        ReadError::Lagging { .. } => Problem::new(ProblemType::TooStale, error.to_string())
            .field("consistency")
            .limit(limits::INDEX_WAIT.text()),
        ReadError::Lost { .. } => Problem::new(ProblemType::TooStale, error.to_string()).field("consistency"),
        ReadError::TooStale { max_age, .. } => Problem::new(ProblemType::TooStale, error.to_string())
            .field("maxAge")
            .limit(format!("{} ms", max_age.as_millis())),
    }
}

/// The problem of a state that cannot be read: the node is about to stop.
pub fn storage_problem(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "the state cannot be read");
    Problem::new(
        ProblemType::Internal,
        "the state cannot be read; the log of the node says why",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("5s"), Some(Duration::from_secs(5)));
        assert_eq!(parse_duration("0s"), Some(Duration::ZERO));
        for bad in [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "1.5s",
            "5m",
            "5sec",
            "99999999999999999999s",
            "86401s",
            "\u{e9}s",
        ] {
            assert_eq!(parse_duration(bad), None, "{bad:?}");
        }
    }
}
