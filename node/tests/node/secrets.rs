//! Secrets in lists, views, histories and drafts: shown to who may read them, and nowhere else.

use confman_api::problem::ProblemType;
use confman_core::access::Role;
use confman_core::namespace::{Governance, SchemaBinding};
use confman_core::principal::Principal;
use reqwest::Method;

use crate::http::Call;
use crate::views::Tree;

/// A namespace with a key that is sealed and one that is only sensitive, both written twice; the stranger views it.
async fn secrets() -> Tree {
    let tree = Tree::new().await;
    let schema = r#"{"properties":{"token":{"x-confman-encrypted":true},"pin":{"x-confman-sensitive":true}}}"#;
    let governance = Governance {
        roles: [
            (
                Role::Publisher,
                [Principal::parse("key:reader").expect("a subject")].into(),
            ),
            (
                Role::Viewer,
                [Principal::parse("key:stranger").expect("a subject")].into(),
            ),
        ]
        .into(),
        schema: Some(SchemaBinding::Inline(schema.to_owned())),
        ..Governance::inherited()
    };
    let body = tree.cluster.stamper.declare_governed("vault", "/vault", governance);
    let declared = tree.cluster.courier(0).declare_namespace(&body).await;
    declared.expect("root may declare");
    for (path, json) in [
        ("/vault/token", "\"hunter1\""),
        ("/vault/token", "\"hunter2\""),
        ("/vault/pin", "\"swordfish1\""),
        ("/vault/pin", "\"swordfish2\""),
    ] {
        tree.put(path, json).await;
    }
    tree
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_views_show_a_sealed_value_like_a_read_of_it_alone() {
    let tree = secrets().await;
    let alone = tree.get("/config/vault/token", "application/json").await.json();
    assert_eq!(alone["value"], "hunter2");
    let listed = tree.get("/config/vault?values=true", "application/json").await.json();
    assert_eq!(
        (&listed["items"][1], &listed["items"][0]["value"]),
        (&alone, &"swordfish2".into())
    );
    let view = tree.get("/effective/vault", "application/json").await.json();
    let secrets: Vec<_> = (view["items"].as_array().expect("items").iter())
        .filter(|item| item["sensitive"] == true)
        .map(|item| (item["key"].clone(), item["value"].clone()))
        .collect();
    assert_eq!(
        secrets,
        [("pin".into(), "swordfish2".into()), ("token".into(), "hunter2".into())]
    );
    let file = tree.get("/effective/vault", "text/x-dotenv").await;
    assert!(file.text.contains("pin=swordfish2\ntoken=hunter2\n"), "{}", file.text);
    let one = tree.get("/effective/vault/token", "text/plain").await;
    assert_eq!(one.text, "hunter2");
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_histories_nor_differences_show_what_is_sensitive() {
    let tree = secrets().await;
    for key in ["token", "pin"] {
        let versions = tree.get(&format!("/history/vault/{key}?values=true"), "*/*").await;
        let difference = tree.get(&format!("/history/vault/{key}:diff"), "*/*").await;
        for answer in [&versions, &difference] {
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert!(
                !answer.text.contains("hunter") && !answer.text.contains("swordfish"),
                "{}",
                answer.text
            );
        }
        let newest = &versions.json()["items"][0];
        assert_eq!(
            (&newest["version"], &newest["sensitive"], &newest["type"]),
            (&2.into(), &true.into(), &"string".into())
        );
        let difference = difference.json();
        assert_eq!((&difference["from"], &difference["to"]), (&1.into(), &2.into()));
        assert_eq!(difference["diff"]["masked"], true, "that it changed is told");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_are_listed_for_editors_and_are_not_there_for_viewers() {
    let tree = secrets().await;
    for (key, json) in [("colour", "\"green\""), ("pin", "\"swordfish3\"")] {
        let url = tree.url(&format!("/drafts/vault/{key}"));
        let call = Call::new(Method::PUT, url, Some(&tree.cluster.reader_key));
        let written = call.body("application/json", json).send().await.expect("an answer");
        assert_eq!(written.status, 200, "{}", written.text);
    }
    let as_editor = async |query: &str| {
        let url = tree.url(&format!("/drafts/vault{query}"));
        let call = Call::new(Method::GET, url, Some(&tree.cluster.reader_key));
        call.send().await.expect("an answer")
    };
    let first = as_editor("?limit=1").await.json();
    assert_eq!(first["items"][0]["value"], "green");
    let cursor = first["pagination"]["nextCursor"].as_str().expect("there is more");
    let rest = as_editor(&format!("?limit=1&cursor={cursor}")).await;
    let pin = &rest.json()["items"][0];
    assert_eq!((&pin["key"], &pin["sensitive"]), (&"pin".into(), &true.into()));
    assert!(!rest.text.contains("swordfish"), "{}", rest.text);
    for path in ["/drafts/vault", "/drafts/vault/colour", "/drafts/vault/none"] {
        assert_eq!(tree.get(path, "*/*").await.problem().status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_sealing_key_a_secret_is_refused_and_a_reference_taken() {
    let mut tree = secrets().await;
    tree.cluster.kill(0);
    std::fs::remove_file(tree.cluster.sealing_keys()).expect("the keys were there");
    tree.cluster.start_node(0);
    tree.cluster.wait_ready(0).await;
    let write = |query: &str| Call::new(Method::PUT, tree.url(query), Some(&tree.cluster.reader_key));
    let plain = write("/config/vault/token").body("application/json", "\"hunter3\"");
    let plain = plain.send().await.expect("an answer");
    assert_eq!(plain.problem().kind(), Some(ProblemType::ValidationFailed));
    assert!(plain.text.contains("sealing"), "it says which setting: {}", plain.text);
    assert!(!plain.text.contains("hunter"), "{}", plain.text);
    let reference = write("/config/vault/token?type=secret-ref").body("text/plain", "vault://payments/stripe#key");
    let reference = reference.send().await.expect("an answer");
    assert_eq!(reference.status, 200, "{}", reference.text);
}
