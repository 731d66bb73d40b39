//! What can authenticate a human, which logins are one person, and who counts as a person at all. State of the cluster:
//! whoever could change it could make themselves anybody, so it changes only like the governance of `/`.

mod validate;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::planted::{Mistake, is_planted};
use crate::principal::{Actor, KUBERNETES_REALM, Principal, PrincipalKind};

pub use validate::IdentityError;

/// Realm of people who log in with a client certificate.
pub const CERTIFICATE_REALM: &str = "mtls";
/// Realm of callers without a credential, where they may read.
pub const ANONYMOUS_REALM: &str = "anonymous";

/// Everything that decides who a login is. The default trusts no issuer and no client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Identity {
    /// Issuers of bearer tokens, at most [`Identity::MAX_ISSUERS`], each of another URL and realm.
    pub issuers: Vec<Issuer>,
    /// CA certificates, as PEM, whose client certificates log people in; their realm is [`CERTIFICATE_REALM`].
    pub client_ca_pem: Option<String>,
    /// Which users are people.
    pub humans: HumanPatterns,
    /// Login to person, users only: who logs in as the first is the second. A person is not itself a login here.
    pub aliases: BTreeMap<Principal, Principal>,
    /// True to let callers without a credential read, as `user:anonymous/anonymous` and by the roles given to it.
    pub anonymous_reads: bool,
}

/// One issuer of bearer tokens (`OpenID` Connect).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Issuer {
    /// Realm of its logins; [`KUBERNETES_REALM`] for service accounts, and for them only.
    pub realm: String,
    /// `iss` of its tokens, exactly; an https URL of at most [`Identity::MAX_URL_BYTES`] bytes.
    pub url: String,
    /// A token must name one of these as `aud`; at least one.
    pub audiences: Vec<String>,
    /// Accepted signatures; at least one.
    #[serde(default = "default_algorithms")]
    pub algorithms: Vec<SigningAlgorithm>,
    /// Claim with the name of the login; a JSON pointer when it begins with `/`. `email` also asks for `email_verified`.
    #[serde(default = "default_username_claim")]
    pub username_claim: String,
    /// Claim with the list of groups, likewise; none: no groups.
    #[serde(default = "default_groups_claim")]
    pub groups_claim: Option<String>,
    /// Whom it authenticates.
    #[serde(default)]
    pub subjects: IssuerSubjects,
    /// Where its keys are.
    #[serde(default)]
    pub keys: IssuerKeys,
    /// CA certificates, as PEM, for fetching the keys; none: the usual public ones.
    #[serde(default)]
    pub ca_pem: Option<String>,
}

fn default_algorithms() -> Vec<SigningAlgorithm> {
    vec![SigningAlgorithm::Rs256, SigningAlgorithm::Es256]
}

fn default_username_claim() -> String {
    "sub".to_owned()
}

#[expect(clippy::unnecessary_wraps, reason = "it is the default of an optional field")]
fn default_groups_claim() -> Option<String> {
    Some("groups".to_owned())
}

/// Whom an issuer authenticates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IssuerSubjects {
    /// Users; whether they are people is for [`HumanPatterns`] to say.
    #[default]
    People,
    /// Service accounts of Kubernetes: only `system:serviceaccount:NAMESPACE:NAME` is accepted.
    ServiceAccounts,
}

/// Where the public keys of an issuer are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IssuerKeys {
    /// Where `/.well-known/openid-configuration` below the issuer's URL says.
    #[default]
    Discovery,
    /// At this https URL, as a JWKS.
    Url(String),
    /// This JWKS; never fetched. For issuers that nodes cannot reach.
    Inline(String),
}

/// Signatures of tokens (RFC 7518, RFC 8037). There is neither `none` nor a shared secret, so neither can be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// RSA PKCS #1, SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSA PKCS #1, SHA-384.
    #[serde(rename = "RS384")]
    Rs384,
    /// RSA PKCS #1, SHA-512.
    #[serde(rename = "RS512")]
    Rs512,
    /// RSA PSS, SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSA PSS, SHA-384.
    #[serde(rename = "PS384")]
    Ps384,
    /// RSA PSS, SHA-512.
    #[serde(rename = "PS512")]
    Ps512,
    /// ECDSA, P-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA, P-384.
    #[serde(rename = "ES384")]
    Es384,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// Which users are people: those that match a pattern of `include` and none of `exclude`. A pattern is a subject in which
/// `*` stands for any text, such as `user:corp/*`. Groups, service accounts, API keys, anonymous callers and the
/// `system:*` users of Kubernetes never are, whatever the patterns say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HumanPatterns {
    /// Who may be a person; at most [`Identity::MAX_PATTERNS`].
    pub include: Vec<String>,
    /// Who is none all the same; likewise.
    pub exclude: Vec<String>,
}

impl Default for HumanPatterns {
    fn default() -> Self {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Self {
            include: texts(&["user:*"]),
            exclude: texts(&[
                "user:system:*",
                "user:*/system:*",
                "user:kubernetes-admin",
                "user:*/kubernetes-admin",
            ]),
        }
    }
}

impl Identity {
    /// Most issuers.
    pub const MAX_ISSUERS: usize = 16;
    /// Most aliases.
    pub const MAX_ALIASES: usize = 4096;
    /// Most patterns in a list of [`HumanPatterns`].
    pub const MAX_PATTERNS: usize = 64;
    /// Longest pattern, audience or claim name in bytes.
    pub const MAX_TEXT_BYTES: usize = 256;
    /// Longest URL in bytes.
    pub const MAX_URL_BYTES: usize = 512;
    /// Largest PEM text or inline JWKS in bytes.
    pub const MAX_KEYS_BYTES: usize = 64 * 1024;
    /// Most audiences of an issuer.
    pub const MAX_AUDIENCES: usize = 16;

    /// Checks every field against its limit.
    pub fn validate(&self) -> Result<(), IdentityError> {
        validate::identity(self)
    }

    /// The person behind a login, or the login itself.
    pub fn canonical(&self, login: &Principal) -> Principal {
        let person = self.aliases.get(login).filter(|_| !is_planted(Mistake::AliasIgnored));
        person.unwrap_or(login).clone()
    }

    /// The actor under the name of the person behind its login; groups and address stay.
    pub fn canonical_actor(&self, actor: &Actor) -> Actor {
        Actor {
            principal: self.canonical(&actor.principal),
            groups: actor.groups.clone(),
            ip: actor.ip.clone(),
        }
    }

    /// True for a named person, who may review. Whatever is none is a machine.
    pub fn is_human(&self, login: &Principal) -> bool {
        let principal = self.canonical(login);
        let possible = principal.kind == PrincipalKind::User
            && principal.realm != ANONYMOUS_REALM
            && !(principal.realm == KUBERNETES_REALM && principal.name.starts_with("system:"));
        let subject = principal.to_string();
        let any = |patterns: &[String]| patterns.iter().any(|pattern| glob_matches(pattern, &subject));
        possible && any(&self.humans.include) && !any(&self.humans.exclude)
    }

    /// Whether it can be told that the people among `logins` differ: all (as persons) are of one realm, or each is named
    /// in the aliases. Otherwise the first who is not. Machines are passed over: they never approve.
    ///
    /// Give every login of a decision at once: requester, contributors and all who approved.
    pub fn comparable(&self, logins: &[&Principal]) -> Result<(), Principal> {
        let people: Vec<Principal> = logins
            .iter()
            .filter(|login| self.is_human(login))
            .map(|login| self.canonical(login))
            .collect();
        let one_realm = people.windows(2).all(|pair| pair[0].realm == pair[1].realm);
        if one_realm {
            return Ok(());
        }
        let is_mapped = |person: &Principal| self.aliases.values().any(|known| known == person);
        match people.into_iter().find(|person| !is_mapped(person)) {
            Some(unmapped) => Err(unmapped),
            None => Ok(()),
        }
    }
}

/// True if `text` is `pattern` with each `*` replaced by any text. Linear in both: what is between two stars is taken where
/// it comes first, which never loses a match.
fn glob_matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(text) = text.strip_prefix(first) else {
        return false;
    };
    let Some(mut text) = text.strip_suffix(last) else {
        return false;
    };
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests;
