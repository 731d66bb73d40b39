//! Tokens of a real issuer: a node fetches its keys, follows their rotation, and goes on while it is away.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use confman_api::problem::ProblemType;
use confman_core::identity::Identity;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Settings};
use crate::http::{Answer, Call};
use crate::issuer::{Mood, Server, Signer};
use crate::wait::eventually;

async fn whoami(cluster: &Cluster, token: &str) -> Answer {
    let url = format!("http://{}/api/v1/whoami", cluster.http_address(0));
    let call = Call::new(Method::GET, url, None).header("authorization", format!("Bearer {token}"));
    call.send().await.expect("an answer")
}

/// A cluster that trusts `issuers`.
async fn trusting(issuers: &[&Server]) -> Cluster {
    let cluster = Cluster::start(Settings::nodes(1));
    let mut body = cluster.initialise();
    body.identity = Identity {
        issuers: issuers.iter().map(|issuer| issuer.settings()).collect(),
        ..Identity::default()
    };
    for (issuer, realm) in body.identity.issuers.iter_mut().zip(["corp", "partner"]) {
        realm.clone_into(&mut issuer.realm);
    }
    let courier = cluster.courier(0);
    eventually("the cluster is bootstrapped", async || courier.initialise(&body).await).await;
    cluster.wait_ready(0).await;
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_several_issuers_are_known_by_keys_that_rotate() {
    let (old, new, other) = (Signer::es256("old"), Signer::es256("new"), Signer::rs256("other"));
    let (corp, partner) = (Server::start(&[&old]).await, Server::start(&[&other]).await);
    let cluster = trusting(&[&corp, &partner]).await;
    let by_old = old.token(&corp.claims());
    let known = whoami(&cluster, &by_old).await;
    assert_eq!(known.json()["principal"], "user:corp/ada", "{}", known.text);
    assert_eq!(known.json()["groups"], json!(["group:corp/team-a"]));
    let known = whoami(&cluster, &other.token(&partner.claims())).await;
    assert_eq!(known.json()["principal"], "user:partner/ada", "{}", known.text);
    let crossed = whoami(&cluster, &old.token(&partner.claims())).await;
    assert_eq!(crossed.status, 401, "a key of one issuer says nothing about another");

    corp.publish(&[&new]);
    let by_new = new.token(&corp.claims());
    eventually("the new key is fetched", async || {
        let answer = whoami(&cluster, &by_new).await;
        (answer.status == 200).then_some(()).ok_or(answer.text)
    })
    .await;
    assert_eq!(
        whoami(&cluster, &by_old).await.status,
        401,
        "the withdrawn key is forgotten"
    );
    corp.set_mood(Mood::Away);
    assert_eq!(whoami(&cluster, &by_new).await.status, 200, "known keys serve");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_good_is_refused_and_one_that_nobody_can_check_is_not_called_bad() {
    let (signer, stranger) = (Signer::es256("one"), Signer::es256("one"));
    let (corp, away) = (Server::start(&[&signer]).await, Server::start(&[&signer]).await);
    away.set_mood(Mood::Away);
    let cluster = trusting(&[&corp, &away]).await;
    let good = corp.claims();
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signer.token(&claims)
    };
    let text = good.to_string();
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let bad = [
        ("expired", with("exp", json!(1_000_000_000))),
        ("for others", with("aud", json!("others"))),
        ("alg none", format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&text))),
        ("an unknown key", signer.sign(r#"{"alg":"ES256","kid":"two"}"#, &text)),
        ("a stranger's", stranger.token(&good)),
    ];
    for (name, token) in bad {
        let answer = whoami(&cluster, &token).await;
        assert_eq!(answer.status, 401, "{name}: {}", answer.text);
        assert_eq!(answer.problem().field.as_deref(), Some("Authorization"), "{name}");
    }
    let unsure = whoami(&cluster, &signer.token(&away.claims())).await;
    assert_eq!(
        unsure.problem().kind(),
        Some(ProblemType::IssuerUnavailable),
        "{}",
        unsure.text
    );
    assert!(!unsure.header("retry-after").is_empty());
    assert_eq!(whoami(&cluster, &signer.token(&good)).await.status, 200);
}
