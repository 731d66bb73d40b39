//! Which credential a request carries: exactly one of a key, a token and a certificate. And the problem when it is no good.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use confman_api::limits;
use confman_api::problem::{Problem, ProblemType};
use confman_api::routes::{Method, Route};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::call::{Caller, PeerCertificates, RemoteAddress};
use crate::auth::authenticator::{Authenticator, LoginError};
use crate::auth::credential::Credential;
use crate::auth::issuers::TokenError;
use crate::auth::jws::JwsError;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const API_KEY_FIELD: &str = "X-API-Key";
const BEARER_FIELD: &str = "Authorization";
const CERTIFICATE_FIELD: &str = "client certificate";

/// Who calls a route for known callers.
pub async fn log_in(authenticator: &Authenticator, route: &Route, head: &Parts) -> Result<Caller, Problem> {
    let Some(credential) = shown(head)? else {
        // Only where nothing is changed, and only where the cluster lets everybody read.
        let anonymous = match route.method {
            Method::Get => authenticator.anonymous(),
            Method::Put | Method::Post | Method::Patch | Method::Delete => Err(LoginError::Missing),
        };
        return anonymous.map(Caller::Anonymous).map_err(|error| problem(&error));
    };
    let address = head.extensions.get::<RemoteAddress>().map(|RemoteAddress(ip)| *ip);
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    match authenticator.log_in(&credential, address).await {
        Ok(known) => Ok(Caller::Known(known, credential)),
        Err(error) => Err(problem(&error)),
    }
}

/// What the request carries; two things at once are refused, since they may be of two people.
fn shown(head: &Parts) -> Result<Option<Credential>, Problem> {
    let key = only(&head.headers, &API_KEY, API_KEY_FIELD)?.map(|value| Credential::ApiKey(text(value).into()));
    let bearer = match only(&head.headers, &AUTHORIZATION, BEARER_FIELD)? {
        Some(value) => Some(Credential::Bearer(bearer(value)?.into())),
        None => None,
    };
    let certificates = head.extensions.get::<PeerCertificates>();
    let certificate = certificates.map(|PeerCertificates(chain)| Credential::ClientCertificate(Arc::clone(chain)));
    let mut all = [key, bearer, certificate].into_iter().flatten();
    let shown = all.next();
    if all.next().is_some() {
        let detail = "the request carries more than one of an API key, a bearer token and a client certificate; \
                      send exactly one";
        return Err(Problem::new(ProblemType::Unauthorized, detail).field(API_KEY_FIELD));
    }
    Ok(shown)
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName, field: &str) -> Result<Option<&'h HeaderValue>, Problem> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        let detail = format!("the header {field} is there twice");
        return Err(Problem::new(ProblemType::Unauthorized, detail).field(field));
    }
    Ok(value)
}

/// What is no text is no credential either.
fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or("")
}

fn bearer(value: &HeaderValue) -> Result<&str, Problem> {
    let bearer = text(value)
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    bearer.map(|(_, token)| token.trim()).ok_or_else(|| {
        let detail = "the header Authorization must be Bearer and a token";
        Problem::new(ProblemType::Unauthorized, detail).field(BEARER_FIELD)
    })
}

/// The answer to somebody who is not let in.
fn problem(error: &LoginError) -> Problem {
    let unauthorized = |field: &str| Problem::new(ProblemType::Unauthorized, error.to_string()).field(field);
    match error {
        LoginError::Missing | LoginError::Key(_) => unauthorized(API_KEY_FIELD),
        LoginError::Token(TokenError::KeysUnavailable { .. }) => {
            Problem::new(ProblemType::IssuerUnavailable, error.to_string()).retry_after(1)
        }
        LoginError::Token(TokenError::Jws(JwsError::TooLong)) => unauthorized(BEARER_FIELD).limit(limits::TOKEN.text()),
        LoginError::Token(_) => unauthorized(BEARER_FIELD),
        LoginError::Certificate(_) | LoginError::Courier => unauthorized(CERTIFICATE_FIELD),
        LoginError::Throttled(throttled) => Problem::new(ProblemType::RateLimited, error.to_string())
            .limit(limits::LOGIN_FAILURES.text())
            .retry_after(throttled.retry_after.as_secs().max(1)),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(headers: &[(&str, &str)]) -> Parts {
        let builder = headers.iter().fold(Request::get("/"), |builder, (name, value)| {
            builder.header(*name, *value)
        });
        builder.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn a_request_carries_exactly_one_credential() {
        let one = |headers: &[(&str, &str)]| shown(&head(headers)).map_err(|problem| problem.detail);
        assert_eq!(one(&[]), Ok(None));
        assert_eq!(one(&[("x-api-key", "k")]), Ok(Some(Credential::ApiKey("k".into()))));
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let header = format!("{scheme} a.b.c");
            let expected = Ok(Some(Credential::Bearer("a.b.c".into())));
            assert_eq!(one(&[("authorization", &header)]), expected);
        }
        for two in [
            &[("x-api-key", "k"), ("authorization", "Bearer t")][..],
            &[("x-api-key", "k"), ("x-api-key", "k")],
            &[("authorization", "Bearer t"), ("authorization", "Bearer t")],
            &[("authorization", "Basic dTpw")],
            &[("authorization", "Bearer")],
        ] {
            let problem = shown(&head(two)).expect_err("refused");
            assert_eq!(problem.kind(), Some(ProblemType::Unauthorized), "{two:?}");
        }
    }

    #[test]
    fn a_certificate_and_a_key_at_once_are_refused() {
        let mut both = head(&[("x-api-key", "k")]);
        both.extensions.insert(PeerCertificates(Arc::new([])));
        assert!(shown(&both).expect_err("refused").detail.contains("exactly one"));
        let mut alone = head(&[]);
        alone.extensions.insert(PeerCertificates(Arc::new([])));
        assert_eq!(shown(&alone), Ok(Some(Credential::ClientCertificate(Arc::new([])))));
    }
}
