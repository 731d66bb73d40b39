//! What a verified token says about its holder, by the claims that its issuer is configured with.

use std::collections::BTreeSet;

use confman_api::limits;
use confman_core::identity::{Issuer, IssuerSubjects};
use confman_core::ids::Timestamp;
use confman_core::principal::{Actor, Principal, PrincipalKind};
use serde_json::{Map, Value};

/// How far the clocks of issuer and node may differ, in seconds.
const SKEW_SECONDS: f64 = 60.0;
/// Most audiences of a token that are looked at.
const MAX_AUDIENCES: usize = 64;

/// Why the claims of a verified token are not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// A claim is missing, or not of its type.
    #[error("the claim {claim} of the token must be {expected}")]
    Shape {
        /// Which, as configured.
        claim: String,
        /// What it must be.
        expected: &'static str,
    },
    /// For somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Over.
    #[error("the token has expired")]
    Expired,
    /// Not yet.
    #[error("the token is not valid yet")]
    NotYet,
    /// An e-mail address that the issuer has not verified.
    #[error("the e-mail address in the token is not verified")]
    UnverifiedEmail,
    /// More groups than [`limits::GROUPS`].
    #[error("the token names {0} groups; let the issuer send only those that Confman needs")]
    TooManyGroups(usize),
}

/// Who a token belongs to, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// As its issuer names them.
    pub login: Actor,
    /// End of the token, with the skew.
    pub expires_at: Timestamp,
}

/// Reads the claims of a token whose signature and issuer are verified.
pub fn holder(claims: &Map<String, Value>, issuer: &Issuer, now: Timestamp) -> Result<Holder, ClaimError> {
    check_audience(claims, issuer)?;
    let expires_at = check_time(claims, now)?;
    let principal = principal(claims, issuer)?;
    let groups = match issuer.subjects {
        IssuerSubjects::People => groups(claims, issuer)?,
        IssuerSubjects::ServiceAccounts => BTreeSet::new(),
    };
    Ok(Holder {
        login: Actor {
            principal,
            groups,
            ip: None,
        },
        expires_at,
    })
}

fn shape(claim: &str, expected: &'static str) -> ClaimError {
    ClaimError::Shape {
        claim: claim.to_owned(),
        expected,
    }
}

/// A claim by name, or by JSON pointer where the name begins with `/`.
fn find<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    let Some(pointer) = name.strip_prefix('/') else {
        return claims.get(name);
    };
    let (first, rest) = match pointer.split_once('/') {
        Some((first, rest)) => (first, format!("/{rest}")),
        None => (pointer, String::new()),
    };
    let unescaped = first.replace("~1", "/").replace("~0", "~");
    claims.get(&unescaped)?.pointer(&rest)
}

fn check_audience(claims: &Map<String, Value>, issuer: &Issuer) -> Result<(), ClaimError> {
    let is_ours = |value: &Value| {
        let given = value.as_str();
        given.is_some_and(|given| issuer.audiences.iter().any(|ours| ours == given))
    };
    let found = match claims.get("aud") {
        Some(one @ Value::String(_)) => is_ours(one),
        Some(Value::Array(several)) if several.len() <= MAX_AUDIENCES => several.iter().any(is_ours),
        Some(_) | None => return Err(shape("aud", "a text, or a list of at most 64")),
    };
    found.then_some(()).ok_or(ClaimError::Audience)
}

fn check_time(claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, ClaimError> {
    let seconds = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_f64()
            .filter(|seconds| *seconds >= 0.0)
            .map(Some)
            .ok_or_else(|| shape(name, "seconds since 1970")),
    };
    #[expect(clippy::cast_precision_loss, reason = "times are far below 2^53")]
    let now = now.as_millis() as f64 / 1000.0;
    let end = seconds("exp")?.ok_or_else(|| shape("exp", "seconds since 1970"))? + SKEW_SECONDS;
    if now >= end {
        return Err(ClaimError::Expired);
    }
    for name in ["nbf", "iat"] {
        if seconds(name)?.is_some_and(|from| from > now + SKEW_SECONDS) {
            return Err(ClaimError::NotYet);
        }
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, and is then limited to the year 9999"
    )]
    let millis = (end * 1000.0) as i64;
    Ok(Timestamp::from_millis(millis))
}

fn principal(claims: &Map<String, Value>, issuer: &Issuer) -> Result<Principal, ClaimError> {
    let claim = issuer.username_claim.as_str();
    let expected = "a name of 1 to 256 bytes without control characters";
    let name = find(claims, claim).and_then(Value::as_str).filter(|name| is_name(name));
    let name = name.ok_or_else(|| shape(claim, expected))?;
    match issuer.subjects {
        IssuerSubjects::People => {
            let is_verified = claims.get("email_verified") == Some(&Value::Bool(true));
            if claim == "email" && !is_verified {
                return Err(ClaimError::UnverifiedEmail);
            }
            Ok(Principal {
                kind: PrincipalKind::User,
                realm: issuer.realm.clone(),
                name: name.to_owned(),
            })
        }
        IssuerSubjects::ServiceAccounts => {
            let principal = Principal::from_kubernetes_username(name);
            // The text form has the rules of a service account's name.
            let is_account = principal.kind == PrincipalKind::ServiceAccount
                && Principal::parse(&principal.to_string()).as_ref() == Ok(&principal)
                && principal.name.matches('/').count() == 1
                && !principal.name.contains(':');
            let expected = "system:serviceaccount:NAMESPACE:NAME";
            is_account.then_some(principal).ok_or_else(|| shape(claim, expected))
        }
    }
}

fn groups(claims: &Map<String, Value>, issuer: &Issuer) -> Result<BTreeSet<Principal>, ClaimError> {
    let Some(claim) = issuer.groups_claim.as_deref() else {
        return Ok(BTreeSet::new());
    };
    let expected = "a list of names of 1 to 256 bytes without control characters";
    let names: Vec<&Value> = match find(claims, claim) {
        None | Some(Value::Null) => return Ok(BTreeSet::new()),
        Some(one @ Value::String(_)) => vec![one],
        Some(Value::Array(several)) => several.iter().collect(),
        Some(_) => return Err(shape(claim, expected)),
    };
    if names.len() > limits::GROUPS.value {
        return Err(ClaimError::TooManyGroups(names.len()));
    }
    let group = |value: &Value| {
        let name = value.as_str().filter(|name| is_name(name));
        let name = name.ok_or_else(|| shape(claim, expected))?;
        Ok(Principal {
            kind: PrincipalKind::Group,
            realm: issuer.realm.clone(),
            name: name.to_owned(),
        })
    };
    names.into_iter().map(group).collect()
}

/// What a principal of any login may be called.
pub(super) fn is_name(text: &str) -> bool {
    (1..=Principal::MAX_NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}
