//! What a request may carry to say who it is from, and how guessing ends.

use confman_api::problem::ProblemType;
use confman_node::auth::api_keys::generate;
use reqwest::Method;

use crate::cluster::{Cluster, Settings};
use crate::http::{Answer, Call};

async fn whoami(cluster: &Cluster, key: Option<&str>, authorization: Option<&str>) -> Answer {
    let url = format!("http://{}/api/v1/whoami", cluster.http_address(0));
    let call = Call::new(Method::GET, url, key);
    let call = match authorization {
        Some(text) => call.header("authorization", text),
        None => call,
    };
    call.send().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_carries_one_credential_and_a_bad_one_is_named() {
    let cluster = Cluster::running(Settings::nodes(1)).await;
    let key = cluster.reader_key.as_str();
    assert_eq!(whoami(&cluster, Some(key), None).await.status, 200);
    let both = whoami(&cluster, Some(key), Some("Bearer a.b.c")).await;
    assert_eq!(both.status, 401, "{}", both.text);
    assert!(both.problem().detail.contains("exactly one"), "{}", both.text);
    // {"alg":"ES256"} and {"iss":"https://stranger"} with a signature of nothing.
    let token = "Bearer eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL3N0cmFuZ2VyIn0.AAAA";
    let huge = format!("Bearer {}", "a".repeat(13_000));
    for bad in [token, "Bearer", "Bearer nonsense", "Basic dTpw", huge.as_str()] {
        let answer = whoami(&cluster, None, Some(bad)).await;
        assert_eq!(answer.status, 401, "{bad:.40}: {}", answer.text);
        assert_eq!(answer.problem().field.as_deref(), Some("Authorization"), "{bad:.40}");
        assert!(answer.header("www-authenticate").contains("Bearer"), "{bad:.40}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_while_a_key_in_use_goes_on() {
    let settings = Settings {
        login_failures: 5,
        ..Settings::nodes(1)
    };
    let cluster = Cluster::running(settings).await;
    let key = cluster.reader_key.as_str();
    assert_eq!(whoami(&cluster, Some(key), None).await.status, 200);
    let guess = async || {
        let guessed = generate("test").expect("randomness is there");
        whoami(&cluster, Some(&guessed), None).await
    };
    let slowed = crate::wait::eventually("the address is slowed", async || {
        let answer = guess().await;
        (answer.status == 429).then_some(answer).ok_or("not yet")
    })
    .await;
    assert_eq!(
        slowed.problem().kind(),
        Some(ProblemType::RateLimited),
        "{}",
        slowed.text
    );
    let seconds: u64 = slowed.header("retry-after").parse().expect("a number of seconds");
    assert!((1..=3).contains(&seconds), "{seconds}");
    assert_eq!(
        whoami(&cluster, Some(key), None).await.status,
        200,
        "who is in stays in"
    );
}
