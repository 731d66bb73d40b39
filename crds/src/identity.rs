//! What can authenticate people and workloads of a cluster from bootstrap on.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What can authenticate people and workloads, see `docs/access.md`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Issuers of bearer tokens (`OpenID` Connect), each of another URL and realm: at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub issuers: Vec<Issuer>,
    /// CA certificates, as PEM, whose client certificates log people in, in the realm `mtls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub client_ca_pem: Option<String>,
    /// Login to person, as subjects: who logs in as the first is the second.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 256))]
    pub aliases: BTreeMap<String, String>,
    /// Whether callers without a credential may read, by the roles of `user:anonymous/anonymous`.
    #[serde(default)]
    pub anonymous_reads: bool,
}

/// One issuer of bearer tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Issuer {
    /// Realm of its logins: `user:REALM/NAME`; `kubernetes` for service accounts.
    #[schemars(length(min = 1, max = 63))]
    pub realm: String,
    /// `iss` of its tokens, exactly: an https URL.
    #[schemars(length(min = 1, max = 512))]
    pub url: String,
    /// A token must name one of these as `aud`: 1 to 16.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 256)))]
    pub audiences: Vec<String>,
    /// Accepted signatures; RS256 and ES256 when not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 9), inner(length(min = 1, max = 8)))]
    pub algorithms: Vec<String>,
    /// Claim with the name of the login; `sub` when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub username_claim: Option<String>,
    /// Claim with the list of groups; no groups when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub groups_claim: Option<String>,
    /// Whom it authenticates; people when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<IssuerSubjects>,
    /// URL of its keys (JWKS); discovered below `url` when neither this nor `jwks` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub jwks_url: Option<String>,
    /// Its keys themselves (JWKS, as JSON text), for an issuer that nodes cannot reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub jwks: Option<String>,
    /// CA certificates, as PEM, for fetching the keys; the usual public ones when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub ca_pem: Option<String>,
}

/// Whom an issuer authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum IssuerSubjects {
    /// People.
    People,
    /// Service accounts of Kubernetes.
    ServiceAccounts,
}
