//! Checks an [`Identity`] field by field, so that a refusal names the field and its limit.

use std::collections::BTreeSet;

use super::{ANONYMOUS_REALM, CERTIFICATE_REALM, Identity, Issuer, IssuerKeys, IssuerSubjects};
use crate::principal::{KUBERNETES_REALM, Principal, PrincipalKind};

/// A field of [`Identity`] that breaks its limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {limit}")]
pub struct IdentityError {
    /// Which, such as `issuers[0].url`.
    pub field: String,
    /// What it must be.
    pub limit: String,
}

fn require(holds: bool, field: impl Into<String>, limit: impl Into<String>) -> Result<(), IdentityError> {
    if holds {
        return Ok(());
    }
    Err(IdentityError {
        field: field.into(),
        limit: limit.into(),
    })
}

pub(super) fn identity(identity: &Identity) -> Result<(), IdentityError> {
    let limit = format!("at most {} issuers", Identity::MAX_ISSUERS);
    require(identity.issuers.len() <= Identity::MAX_ISSUERS, "issuers", limit)?;
    let (mut realms, mut urls) = (BTreeSet::new(), BTreeSet::new());
    for (index, checked) in identity.issuers.iter().enumerate() {
        let at = format!("issuers[{index}]");
        issuer(&at, checked)?;
        let of_its_own = "of no other issuer";
        require(realms.insert(checked.realm.as_str()), format!("{at}.realm"), of_its_own)?;
        require(urls.insert(checked.url.as_str()), format!("{at}.url"), of_its_own)?;
    }
    pem("clientCaPem", identity.client_ca_pem.as_deref())?;
    patterns("humans.include", &identity.humans.include)?;
    patterns("humans.exclude", &identity.humans.exclude)?;
    aliases(identity)
}

fn issuer(at: &str, issuer: &Issuer) -> Result<(), IdentityError> {
    let field = |name: &str| format!("{at}.{name}");
    match issuer.subjects {
        IssuerSubjects::People => {
            let reserved = [KUBERNETES_REALM, CERTIFICATE_REALM, ANONYMOUS_REALM];
            let limit = format!("1 to 63 of [a-z0-9.-], and none of {}", reserved.join(", "));
            let holds = is_realm(&issuer.realm) && !reserved.contains(&issuer.realm.as_str());
            require(holds, field("realm"), limit)?;
        }
        IssuerSubjects::ServiceAccounts => {
            let limit = format!("{KUBERNETES_REALM} for service accounts");
            require(issuer.realm == KUBERNETES_REALM, field("realm"), limit)?;
        }
    }
    url(&field("url"), &issuer.url)?;
    let limit = format!(
        "1 to {} audiences of 1 to {} bytes",
        Identity::MAX_AUDIENCES,
        Identity::MAX_TEXT_BYTES
    );
    let audiences = (1..=Identity::MAX_AUDIENCES).contains(&issuer.audiences.len());
    let audiences = audiences && issuer.audiences.iter().all(|audience| is_text(audience));
    require(audiences, field("audiences"), limit)?;
    let once: BTreeSet<_> = issuer.algorithms.iter().collect();
    let algorithms = !once.is_empty() && once.len() == issuer.algorithms.len();
    require(algorithms, field("algorithms"), "at least one algorithm, each once")?;
    let limit = format!("1 to {} bytes", Identity::MAX_TEXT_BYTES);
    require(is_text(&issuer.username_claim), field("usernameClaim"), limit.clone())?;
    let groups = issuer.groups_claim.as_deref().is_none_or(is_text);
    require(groups, field("groupsClaim"), limit)?;
    match &issuer.keys {
        IssuerKeys::Discovery => {}
        IssuerKeys::Url(at) => url(&field("keys.url"), at)?,
        IssuerKeys::Inline(text) => jwks(&field("keys.inline"), text)?,
    }
    pem(&field("caPem"), issuer.ca_pem.as_deref())
}

fn is_realm(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
}

fn is_text(text: &str) -> bool {
    (1..=Identity::MAX_TEXT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Plain http would let anybody on the way hand out keys.
fn url(field: &str, text: &str) -> Result<(), IdentityError> {
    let host = text.strip_prefix("https://").and_then(|rest| rest.split('/').next());
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'@' | b'"' | b'<' | b'>' | b'\\');
    let holds =
        host.is_some_and(|host| !host.is_empty()) && text.len() <= Identity::MAX_URL_BYTES && text.bytes().all(plain);
    let limit = format!(
        "an https URL of at most {} bytes without user, query and fragment",
        Identity::MAX_URL_BYTES
    );
    require(holds, field, limit)
}

fn jwks(field: &str, text: &str) -> Result<(), IdentityError> {
    let parsed: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let has_keys = parsed.is_some_and(|jwks| jwks["keys"].as_array().is_some_and(|keys| !keys.is_empty()));
    let limit = format!("a JWKS of at most {} bytes with a key", Identity::MAX_KEYS_BYTES);
    require(has_keys && text.len() <= Identity::MAX_KEYS_BYTES, field, limit)
}

fn pem(field: &str, text: Option<&str>) -> Result<(), IdentityError> {
    let is_pem = |text: &str| {
        text.len() <= Identity::MAX_KEYS_BYTES
            && text.contains("-----BEGIN CERTIFICATE-----")
            && text.contains("-----END CERTIFICATE-----")
            && !text.contains("PRIVATE KEY")
    };
    let limit = format!(
        "certificates as PEM of at most {} bytes, without a private key",
        Identity::MAX_KEYS_BYTES
    );
    require(text.is_none_or(is_pem), field, limit)
}

fn patterns(field: &str, patterns: &[String]) -> Result<(), IdentityError> {
    let limit = format!("at most {} patterns", Identity::MAX_PATTERNS);
    require(patterns.len() <= Identity::MAX_PATTERNS, field, limit)?;
    for (index, pattern) in patterns.iter().enumerate() {
        let limit = format!("user: and a name with *, at most {} bytes", Identity::MAX_TEXT_BYTES);
        let holds = pattern.starts_with("user:") && is_text(pattern);
        require(holds, format!("{field}[{index}]"), limit)?;
    }
    Ok(())
}

fn aliases(identity: &Identity) -> Result<(), IdentityError> {
    let limit = format!("at most {} aliases", Identity::MAX_ALIASES);
    require(identity.aliases.len() <= Identity::MAX_ALIASES, "aliases", limit)?;
    let is_login = |principal: &Principal| {
        let round_trip = Principal::parse(&principal.to_string());
        principal.kind == PrincipalKind::User
            && principal.realm != ANONYMOUS_REALM
            && round_trip.is_ok_and(|parsed| parsed == *principal)
    };
    for (login, person) in &identity.aliases {
        let field = format!("aliases[{login}]");
        let users = is_login(login) && is_login(person);
        require(users, field.clone(), "a user for a user, neither of them anonymous")?;
        let is_end = !identity.aliases.contains_key(person);
        require(is_end, field, "a person who is not itself a login in the aliases")?;
    }
    Ok(())
}
