//! Tests of [`super`] against a real issuer.

#[path = "server.rs"]
mod server;

use confman_core::identity::IssuerSubjects;
use confman_core::principal::Principal;
use serde_json::json;

use self::server::{Mood, Server, Signer};
use super::*;
use crate::propose::now;

/// Asks as often as it is told to.
const EAGER: Pace = Pace {
    ask_at_most_every: Duration::ZERO,
    ..PACE
};

fn issuers(settings: Issuer, pace: Pace) -> Issuers {
    Issuers {
        list: vec![Arc::new(TrustedIssuer::new(settings, pace))],
    }
}

async fn log_in(issuers: &Issuers, token: &str) -> Result<String, TokenError> {
    let holder = issuers.authenticate(token, now()).await?;
    Ok(holder.login.principal.to_string())
}

#[tokio::test]
async fn a_token_of_a_trusted_issuer_names_its_holder_groups_and_end() {
    let (elliptic, rsa) = (Signer::es256("one"), Signer::rs256("two"));
    let server = Server::start(&[&elliptic, &rsa]).await;
    let trusted = issuers(server.settings(), PACE);
    for signer in [&elliptic, &rsa] {
        let claims = server.claims();
        let holder = trusted
            .authenticate(&signer.token(&claims), now())
            .await
            .expect("a good token");
        assert_eq!(holder.login.principal.to_string(), "user:corp/ada");
        assert!(
            holder
                .login
                .groups
                .contains(&Principal::parse("group:corp/team-a").expect("a group"))
        );
        let end = claims["exp"].as_i64().expect("a number");
        assert_eq!(holder.expires_at.as_millis(), (end + 60) * 1000, "with the skew");
    }
    assert_eq!(server.asked(), 1, "keys are kept");
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it_and_a_withdrawn_one_is_forgotten() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let server = Server::start(&[&old]).await;
    let trusted = issuers(server.settings(), EAGER);
    let (by_old, by_new) = (old.token(&server.claims()), new.token(&server.claims()));
    assert_eq!(log_in(&trusted, &by_old).await, Ok("user:corp/ada".to_owned()));
    assert_eq!(log_in(&trusted, &by_new).await, Err(JwsError::UnknownKey.into()));
    server.publish(&[&new]);
    assert_eq!(log_in(&trusted, &by_new).await, Ok("user:corp/ada".to_owned()));
    assert_eq!(log_in(&trusted, &by_old).await, Err(JwsError::UnknownKey.into()));
}

#[tokio::test]
async fn known_keys_serve_while_the_issuer_is_away_or_talks_rubbish() {
    let (known, other) = (Signer::es256("known"), Signer::es256("other"));
    let server = Server::start(&[&known]).await;
    let trusted = issuers(server.settings(), EAGER);
    let token = known.token(&server.claims());
    assert!(log_in(&trusted, &token).await.is_ok());
    for mood in [Mood::Away, Mood::Rubbish, Mood::Lying, Mood::Endless] {
        server.set_mood(mood);
        let unknown = other.token(&server.claims());
        assert_eq!(
            log_in(&trusted, &unknown).await,
            Err(JwsError::UnknownKey.into()),
            "{mood:?}"
        );
        assert!(log_in(&trusted, &token).await.is_ok(), "{mood:?}");
    }
}

#[tokio::test]
async fn an_issuer_that_never_answered_is_no_reason_to_call_a_token_bad() {
    let signer = Signer::es256("one");
    let server = Server::start(&[&signer]).await;
    let unavailable = TokenError::KeysUnavailable {
        realm: "corp".to_owned(),
    };
    let hasty = Pace {
        wait: Duration::from_millis(200),
        ..EAGER
    };
    let token = signer.token(&server.claims());
    for mood in [Mood::Away, Mood::Rubbish, Mood::Lying, Mood::Endless, Mood::Silent] {
        server.set_mood(mood);
        let trusted = issuers(server.settings(), hasty);
        let started = std::time::Instant::now();
        assert_eq!(log_in(&trusted, &token).await, Err(unavailable.clone()), "{mood:?}");
        assert!(started.elapsed() < Duration::from_secs(4), "nobody waits for {mood:?}");
    }
    server.set_mood(Mood::Serving);
    let mut settings = server.settings();
    settings.ca_pem = Some(Server::start(&[]).await.ca_pem);
    let foreign = issuers(settings, EAGER);
    assert_eq!(
        log_in(&foreign, &token).await,
        Err(unavailable),
        "a server of another CA"
    );
}

#[tokio::test]
async fn made_up_key_ids_do_not_make_a_node_ask_again_and_again() {
    let signer = Signer::es256("one");
    let server = Server::start(&[&signer]).await;
    let trusted = issuers(server.settings(), PACE);
    assert!(log_in(&trusted, &signer.token(&server.claims())).await.is_ok());
    for count in 0..50 {
        let unknown = Signer::es256(&format!("made-up-{count}")).token(&server.claims());
        assert_eq!(log_in(&trusted, &unknown).await, Err(JwsError::UnknownKey.into()));
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn old_keys_are_not_used_for_ever() {
    let signer = Signer::es256("one");
    let server = Server::start(&[&signer]).await;
    let brief = Pace {
        keep_at_most: Duration::ZERO,
        ..PACE
    };
    let trusted = issuers(server.settings(), brief);
    let refused = log_in(&trusted, &signer.token(&server.claims())).await;
    assert!(
        matches!(refused, Err(TokenError::KeysUnavailable { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_is_due_is_fetched_in_the_background() {
    let signer = Signer::es256("one");
    let server = Server::start(&[&signer]).await;
    let trusted = issuers(server.settings(), EAGER);
    trusted.refresh_due().await;
    trusted.refresh_due().await;
    assert_eq!(server.asked(), 1, "young keys are not fetched again");
    let unchanged = Issuers::new(&[server.settings()], &trusted);
    unchanged.refresh_due().await;
    assert_eq!(server.asked(), 1, "an issuer that did not change keeps its keys");
}

/// Every token here has one thing wrong with it.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn hostile_tokens_are_refused_for_what_is_wrong_with_them() {
    let (signer, rsa, stranger) = (Signer::es256("one"), Signer::rs256("two"), Signer::es256("one"));
    let server = Server::start(&[&signer, &rsa]).await;
    let trusted = issuers(server.settings(), PACE);
    let good = server.claims();
    let seconds = now().as_millis() / 1000;
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signer.token(&claims)
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().expect("an object").remove(name);
        signer.token(&claims)
    };
    let header = |header: serde_json::Value| signer.sign(&header.to_string(), &good.to_string());
    let text = good.to_string();
    let twice = text.replacen('{', "{\"sub\":\"root\",", 1);
    let unsigned = signer.token(&good);
    let unsigned = unsigned.rsplit_once('.').expect("parts").0;
    let cases = [
        ("alg none", header(json!({"alg": "none"})), "algorithm"),
        ("alg None", header(json!({"alg": "None", "kid": "one"})), "algorithm"),
        (
            "public key as a shared secret",
            header(json!({"alg": "HS256", "kid": "two"})),
            "algorithm",
        ),
        (
            "not in the list",
            header(json!({"alg": "ES384", "kid": "one"})),
            "algorithm",
        ),
        (
            "key of another kind",
            header(json!({"alg": "RS256", "kid": "one"})),
            "algorithm",
        ),
        ("no alg", header(json!({"kid": "one"})), "no algorithm"),
        (
            "alg is a list",
            header(json!({"alg": ["ES256"], "kid": "one"})),
            "no algorithm",
        ),
        (
            "extension",
            header(json!({"alg": "ES256", "kid": "one", "crit": ["exp"]})),
            "extension",
        ),
        (
            "unknown key",
            header(json!({"alg": "ES256", "kid": "three"})),
            "does not publish",
        ),
        (
            "own key in the header",
            stranger.sign(&json!({"alg": "ES256", "jwk": stranger.jwk()}).to_string(), &text),
            "does not verify",
        ),
        ("signed by a stranger", stranger.token(&good), "does not verify"),
        ("no signature", format!("{unsigned}."), "does not verify"),
        ("two parts", unsigned.to_owned(), "three parts"),
        ("four parts", format!("{unsigned}.a.b"), "three parts"),
        ("not base64url", format!("{unsigned}.+/="), "base64url"),
        (
            "claims twice",
            signer.sign(&json!({"alg": "ES256", "kid": "one"}).to_string(), &twice),
            "twice",
        ),
        (
            "alg twice",
            signer.sign("{\"alg\":\"ES256\",\"alg\":\"none\"}", &text),
            "twice",
        ),
        (
            "claims are a list",
            signer.sign(&json!({"alg": "ES256", "kid": "one"}).to_string(), "[]"),
            "object",
        ),
        ("other issuer", with("iss", json!("https://other")), "issuer"),
        (
            "issuer with a slash",
            with("iss", json!(format!("{}/", server.url()))),
            "issuer",
        ),
        ("no issuer", without("iss"), "issuer"),
        ("other audience", with("aud", json!("other")), "audience"),
        (
            "audience that begins like ours",
            with("aud", json!(["confman2"])),
            "audience",
        ),
        ("no audience", without("aud"), "aud"),
        ("expired", with("exp", json!(seconds - 61)), "expired"),
        ("no end", without("exp"), "exp"),
        ("end as text", with("exp", json!("9999999999")), "exp"),
        ("end before time began", with("exp", json!(-1)), "exp"),
        ("not yet", with("nbf", json!(seconds + 120)), "not valid yet"),
        ("begin as text", with("nbf", json!("0")), "nbf"),
        ("made in the future", with("iat", json!(seconds + 120)), "not valid yet"),
        ("nobody", without("sub"), "sub"),
        ("empty name", with("sub", json!("")), "sub"),
        ("name is a number", with("sub", json!(1)), "sub"),
        ("name with a line break", with("sub", json!("ada\nroot")), "sub"),
        ("name of 257 bytes", with("sub", json!("a".repeat(257))), "sub"),
        (
            "65 groups",
            with("groups", json!((0..65).map(|n| n.to_string()).collect::<Vec<_>>())),
            "65 groups",
        ),
        ("group is a list", with("groups", json!([["a"]])), "groups"),
        ("huge", "a".repeat(1 << 20), "longer"),
        ("empty", String::new(), "no parts"),
        ("dots", "..".to_owned(), "JSON"),
    ];
    for (name, token, said) in cases {
        match log_in(&trusted, &token).await {
            Ok(who) => unreachable!("{name}: let in as {who}"),
            Err(error) => assert!(error.to_string().contains(said), "{name}: {error}"),
        }
    }
    assert!(
        log_in(&trusted, &with("exp", json!(seconds - 50))).await.is_ok(),
        "within the skew"
    );
    assert!(
        log_in(&trusted, &with("nbf", json!(seconds + 50))).await.is_ok(),
        "within the skew"
    );
    assert!(
        log_in(&trusted, &with("aud", json!(["x", "confman"]))).await.is_ok(),
        "one of several"
    );
    assert!(log_in(&trusted, &without("groups")).await.is_ok(), "no groups");
}

#[tokio::test]
async fn claims_are_found_by_name_or_pointer_and_an_unverified_address_is_no_name() {
    let signer = Signer::es256("one");
    let server = Server::start(&[&signer]).await;
    let mut settings = server.settings();
    settings.groups_claim = Some("/realm_access/roles".to_owned());
    settings.username_claim = "email".to_owned();
    let trusted = issuers(settings, PACE);
    let mut claims = server.claims();
    claims["realm_access"] = json!({"roles": ["a", "b"]});
    claims["email"] = json!("ada@example.com");
    let refused = log_in(&trusted, &signer.token(&claims)).await;
    assert_eq!(refused, Err(ClaimError::UnverifiedEmail.into()));
    claims["email_verified"] = json!(true);
    let holder = trusted
        .authenticate(&signer.token(&claims), now())
        .await
        .expect("verified");
    assert_eq!(holder.login.principal.to_string(), "user:corp/ada@example.com");
    assert_eq!(holder.login.groups.len(), 2);
}

#[tokio::test]
async fn an_issuer_of_service_accounts_names_no_people() {
    let signer = Signer::es256("one");
    let server = Server::start(&[&signer]).await;
    let mut settings = server.settings();
    settings.subjects = IssuerSubjects::ServiceAccounts;
    settings.realm = "kubernetes".to_owned();
    settings.keys = IssuerKeys::Inline(json!({"keys": [signer.jwk()]}).to_string());
    let trusted = issuers(settings, PACE);
    let mut claims = server.claims();
    claims["sub"] = json!("system:serviceaccount:apps:web");
    let holder = trusted
        .authenticate(&signer.token(&claims), now())
        .await
        .expect("a service account");
    assert_eq!(holder.login.principal.to_string(), "serviceaccount:apps/web");
    assert!(
        holder.login.groups.is_empty(),
        "groups of such tokens mean nothing here"
    );
    assert_eq!(server.asked(), 0, "keys that are given are never fetched");
    for name in [
        "ada",
        "system:admin",
        "system:serviceaccount:apps",
        "system:serviceaccount::web",
        "system:serviceaccount:apps:",
        "system:serviceaccount:apps:a:b",
        "system:serviceaccount:a/b:c",
    ] {
        claims["sub"] = json!(name);
        assert!(log_in(&trusted, &signer.token(&claims)).await.is_err(), "{name}");
    }
}
