//! The identity that a cluster begins with, from its spec.

use std::collections::BTreeMap;

use confman_api::internal::Identity;
use confman_api::principal::Principal;
use confman_crds::{Identity as Spec, Issuer};
use serde_json::{Value, json};

use crate::translate::FieldError;

/// What `field` of the spec says; nothing can log anybody in where it says nothing.
///
/// # Errors
/// Names the field that breaks a limit.
pub(super) fn identity(field: &str, given: Option<&Spec>) -> Result<Identity, FieldError> {
    let Some(given) = given else {
        return Ok(Identity::default());
    };
    let Spec {
        issuers,
        client_ca_pem,
        aliases,
        anonymous_reads,
    } = given;
    let numbered = issuers.iter().enumerate();
    let issuers = numbered.map(|(index, given)| {
        let field = format!("{field}.issuers[{index}]");
        // What is left to be wrong is the name of an algorithm.
        let unknown = |error| FieldError::new(&format!("{field}.algorithms"), error);
        serde_json::from_value(issuer(&field, given)?).map_err(|error: serde_json::Error| unknown(error))
    });
    let identity = Identity {
        issuers: issuers.collect::<Result<_, _>>()?,
        client_ca_pem: client_ca_pem.clone(),
        aliases: persons(&format!("{field}.aliases"), aliases)?,
        anonymous_reads: *anonymous_reads,
        ..Identity::default()
    };
    identity.validate().map_err(|error| {
        FieldError::new(
            &format!("{field}.{}", error.field),
            format!("it must be {}", error.limit),
        )
    })?;
    Ok(identity)
}

/// As the nodes write it, which knows what holds where nothing is said.
fn issuer(field: &str, given: &Issuer) -> Result<Value, FieldError> {
    let Issuer {
        realm,
        url,
        audiences,
        algorithms,
        username_claim,
        groups_claim,
        subjects,
        jwks_url,
        jwks,
        ca_pem,
    } = given;
    let keys = match (jwks_url, jwks) {
        (None, None) => None,
        (Some(url), None) => Some(json!({"url": url})),
        (None, Some(text)) => Some(json!({"inline": text})),
        (Some(_), Some(_)) => {
            return Err(FieldError::new(
                &format!("{field}.jwks"),
                "give it or jwksUrl, not both",
            ));
        }
    };
    let optional = [
        ("algorithms", Some(json!(algorithms)).filter(|_| !algorithms.is_empty())),
        ("usernameClaim", username_claim.as_ref().map(|claim| json!(claim))),
        ("subjects", subjects.map(|subjects| json!(subjects))),
        ("keys", keys),
    ];
    let given = optional
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let fixed = [
        ("realm", json!(realm)),
        ("url", json!(url)),
        ("audiences", json!(audiences)),
        ("groupsClaim", json!(groups_claim)),
        ("caPem", json!(ca_pem)),
    ];
    let fixed = fixed.into_iter().map(|(name, value)| (name.to_owned(), value));
    Ok(Value::Object(fixed.chain(given).collect()))
}

fn persons(field: &str, given: &BTreeMap<String, String>) -> Result<BTreeMap<Principal, Principal>, FieldError> {
    let subject =
        |text: &String| Principal::parse(text).map_err(|error| FieldError::new(field, format!("{text:?}: {error}")));
    let pairs = given
        .iter()
        .map(|(login, person)| Ok((subject(login)?, subject(person)?)));
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: &str) -> Spec {
        serde_json::from_str(json).expect("a spec")
    }

    fn refused(json: &str) -> String {
        let refused = identity("spec.identity", Some(&spec(json)));
        refused.expect_err("it is refused").to_string()
    }

    #[test]
    fn nothing_said_trusts_nobody() {
        assert_eq!(identity("spec.identity", None), Ok(Identity::default()));
        assert_eq!(
            identity("spec.identity", Some(&Spec::default())),
            Ok(Identity::default())
        );
    }

    #[test]
    fn service_accounts_are_known_by_the_keys_in_the_spec() {
        let jwks = r#"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"alg\":\"EdDSA\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"#;
        let json = format!(
            r#"{{"issuers": [{{"realm": "kubernetes", "url": "https://kubernetes.default.svc", "audiences": ["confman"],
                "algorithms": ["RS256", "EdDSA"], "subjects": "serviceAccounts", "jwks": "{jwks}"}}],
                "aliases": {{"user:corp/ada": "user:ada"}}}}"#
        );
        let identity = identity("spec.identity", Some(&spec(&json))).expect("it holds");
        let [issuer] = identity.issuers.as_slice() else {
            unreachable!("one issuer: {identity:?}")
        };
        let written = serde_json::to_value(issuer).expect("JSON");
        assert_eq!(written["subjects"], "serviceAccounts");
        assert!(written["keys"]["inline"].is_string(), "{written}");
        assert_eq!(
            (&written["usernameClaim"], &written["groupsClaim"]),
            (&json!("sub"), &Value::Null)
        );
        assert_eq!(identity.aliases.len(), 1);
    }

    #[test]
    fn what_breaks_a_limit_is_named_by_its_field() {
        let issuer = |more: &str| format!(r#"{{"issuers": [{{"realm": "corp", "audiences": ["confman"], {more}}}]}}"#);
        let both = refused(&issuer(
            r#""url": "https://a.example", "jwks": "{}", "jwksUrl": "https://b.example""#,
        ));
        assert_eq!(both, "spec.identity.issuers[0].jwks: give it or jwksUrl, not both");
        let plain = refused(&issuer(r#""url": "http://a.example""#));
        assert!(plain.starts_with("spec.identity.issuers[0].url: it must be"), "{plain}");
        let none = refused(&issuer(r#""url": "https://a.example", "algorithms": ["none"]"#));
        assert!(none.starts_with("spec.identity.issuers[0].algorithms: "), "{none}");
        let person = refused(r#"{"aliases": {"user:corp/ada": "ada lovelace!"}}"#);
        assert!(person.starts_with("spec.identity.aliases: "), "{person}");
    }
}
