//! What can authenticate a person changes only when two admins of `/` agree.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use confman_api::problem::ProblemType;
use confman_core::identity::{Identity, Issuer, IssuerKeys, SigningAlgorithm};
use confman_core::principal::Principal;
use confman_node::propose::now;
use ed25519_dalek::{Signer as _, SigningKey};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Settings};
use crate::http::{Answer, Call};
use crate::wait::eventually;

const ISSUER: &str = "https://issuer.example.com";

/// An issuer of tokens that nodes never ask.
struct Tokens(SigningKey);

impl Tokens {
    fn new() -> Self {
        let mut seed = [3; 32];
        seed[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        Self(SigningKey::from_bytes(&seed))
    }

    fn issuer(&self) -> Issuer {
        let public = URL_SAFE_NO_PAD.encode(self.0.verifying_key().to_bytes());
        let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "alg": "EdDSA", "x": public}]});
        Issuer {
            realm: "corp".to_owned(),
            url: ISSUER.to_owned(),
            audiences: vec!["confman".to_owned()],
            algorithms: vec![SigningAlgorithm::EdDsa],
            username_claim: "sub".to_owned(),
            groups_claim: None,
            subjects: confman_core::identity::IssuerSubjects::People,
            keys: IssuerKeys::Inline(jwks.to_string()),
            ca_pem: None,
        }
    }

    fn token(&self, subject: &str) -> String {
        let seconds = now().as_millis() / 1000;
        let header = json!({"alg": "EdDSA", "kid": "k"});
        let claims = json!({"iss": ISSUER, "aud": "confman", "sub": subject, "iat": seconds, "exp": seconds + 600});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes()).to_bytes());
        format!("{signed}.{signature}")
    }
}

async fn send(cluster: &Cluster, token: Option<&str>, method: Method, path: &str, body: Option<Value>) -> Answer {
    let url = format!("http://{}/api/v1{path}", cluster.http_address(0));
    let mut call = Call::new(method, url, None);
    if let Some(token) = token {
        call = call.header("authorization", format!("Bearer {token}"));
    }
    if let Some(body) = body {
        call = call.body("application/json", body.to_string());
    }
    call.send().await.expect("an answer")
}

/// A cluster whose root admins, Ada and Bob, log in with tokens.
async fn cluster(tokens: &Tokens) -> Cluster {
    let cluster = Cluster::start(Settings::nodes(1));
    let mut body = cluster.initialise();
    body.identity = Identity {
        issuers: vec![tokens.issuer()],
        ..Identity::default()
    };
    body.root_admins = ["user:corp/ada", "user:corp/bob"]
        .map(|subject| Principal::parse(subject).expect("a subject"))
        .to_vec();
    let courier = cluster.courier(0);
    eventually("the cluster is bootstrapped", async || courier.initialise(&body).await).await;
    cluster.wait_ready(0).await;
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn two_admins_together_change_what_can_authenticate_a_person() {
    let tokens = Tokens::new();
    let cluster = cluster(&tokens).await;
    let (ada, bob) = (tokens.token("ada"), tokens.token("bob"));
    let path = "/admin/identity";
    assert_eq!(send(&cluster, None, Method::GET, "/whoami", None).await.status, 401);
    let present = send(&cluster, Some(&ada), Method::GET, path, None).await;
    assert_eq!(present.status, 200, "{}", present.text);
    let mut wanted = present.json();
    wanted["anonymousReads"] = json!(true);
    let asked = send(&cluster, Some(&ada), Method::PUT, path, Some(wanted.clone())).await;
    assert_eq!(asked.status, 202, "{}", asked.text);
    let id = asked.json()["requestId"].as_str().expect("an id").to_owned();
    assert_eq!(
        send(&cluster, Some(&ada), Method::GET, path, None).await.json(),
        present.json(),
        "not yet"
    );

    let request = send(
        &cluster,
        Some(&bob),
        Method::GET,
        &format!("/publish-requests/{id}"),
        None,
    )
    .await;
    let decision = json!({"digest": request.json()["digest"]});
    let approve = format!("/publish-requests/{id}/approve");
    let own = send(&cluster, Some(&ada), Method::POST, &approve, Some(decision.clone())).await;
    assert_eq!(own.problem().kind(), Some(ProblemType::SelfApproval), "{}", own.text);
    let approved = send(&cluster, Some(&bob), Method::POST, &approve, Some(decision)).await;
    assert_eq!(approved.status, 200, "{}", approved.text);
    assert_eq!(
        send(&cluster, Some(&bob), Method::GET, path, None).await.json(),
        wanted,
        "now it is"
    );
    let anyone = send(&cluster, None, Method::GET, "/whoami", None).await;
    assert_eq!(
        anyone.json()["principal"],
        "user:anonymous/anonymous",
        "{}",
        anyone.text
    );
    assert_eq!(anyone.json()["credential"], "nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_that_another_admin_agrees_to_makes_two_logins_one_person() {
    let tokens = Tokens::new();
    let cluster = cluster(&tokens).await;
    let ada = tokens.token("ada");
    let present = send(&cluster, Some(&ada), Method::GET, "/admin/identity", None).await;
    let mut wanted = present.json();
    wanted["aliases"] = json!({"user:corp/ada-2": "user:corp/ada"});
    let set = send(&cluster, Some(&ada), Method::PUT, "/admin/identity", Some(wanted)).await;
    assert_eq!(set.status, 202, "{}", set.text);
    let second = tokens.token("ada-2");
    let alone = send(&cluster, Some(&second), Method::GET, "/whoami", None).await.json();
    assert_eq!(alone["principal"], "user:corp/ada-2", "not before somebody else agreed");
    let bob = tokens.token("bob");
    let request = format!("/publish-requests/{}", set.json()["requestId"].as_str().expect("an id"));
    let asked = send(&cluster, Some(&bob), Method::GET, &request, None).await;
    let decision = json!({"digest": asked.json()["digest"]});
    let approve = format!("{request}/approve");
    let approved = send(&cluster, Some(&bob), Method::POST, &approve, Some(decision)).await;
    assert_eq!(approved.status, 200, "{}", approved.text);
    let whoami = send(&cluster, Some(&second), Method::GET, "/whoami", None).await.json();
    assert_eq!(whoami["principal"], "user:corp/ada");
    assert_eq!(whoami["login"], "user:corp/ada-2");
    assert_eq!(
        (&whoami["realm"], &whoami["credential"]),
        (&json!("corp"), &json!("bearerToken"))
    );
    assert!(whoami["expiresAt"].is_string(), "{whoami}");
    let stranger = tokens.token("eve");
    let refused = send(&cluster, Some(&stranger), Method::GET, "/admin/identity", None).await;
    assert_eq!(refused.status, 404, "{}", refused.text);
}
