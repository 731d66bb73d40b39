//! Making a request: who asked is written by admission, and nonsense is refused with the field and its limit.

use confman_api::digest::spec_digest;
use confman_crds::PublishRequest;
use confman_operator::translate;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::world::{World, refusal, spec};

#[tokio::test(flavor = "multi_thread")]
async fn admission_writes_who_asks_and_signs_it() {
    let world = World::new().await;
    let made = world.ask("ada", "first").await;
    let by = made.spec.requested_by.as_ref().expect("it is stamped");
    assert_eq!(by.username, "ada");
    let stamp = translate::requester_stamp(by, &world.namespace, "first").expect("a stamp");
    stamp.verify(&world.stamp_key().await).expect("the signature holds");
    let expected = spec_digest(&translate::request_spec(&made.spec).expect("a valid spec"));
    assert_eq!(stamp.statement.spec_digest, expected);
    let status = made.status.expect("the definition gives one");
    assert!(status.reviews.is_empty() && status.digest.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_asks_in_another_name_or_with_a_stamp_of_their_own() {
    let world = World::new().await;
    let mut forged = spec();
    forged["requestedBy"] = json!({"username": "bob"});
    let message = refusal(world.create("ada", "publishrequests", "forged", forged.clone()).await);
    assert!(
        message.contains("spec.requestedBy: it names bob, but you are ada"),
        "{message}"
    );
    forged["requestedBy"] = json!({"username": "ada", "signature": "AAAA"});
    let message = refusal(world.create("ada", "publishrequests", "forged", forged.clone()).await);
    assert!(message.contains("stamps are written by admission only"), "{message}");
    forged["requestedBy"] = json!({"username": "ada"});
    let made = world.create("ada", "publishrequests", "named", forged).await;
    assert_ne!(
        made.expect("an honest name is filled up")["spec"]["requestedBy"]["signature"],
        ""
    );
    let message = refusal(world.create("mallory", "publishrequests", "no-right", spec()).await);
    assert!(message.contains("mallory"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_is_not_signed() {
    let world = World::new().await;
    let text = json!({"metadata": {"name": "dry"}, "spec": spec()}).to_string();
    let shown = world
        .post("ada", "publishrequests", text, "dryRun=All")
        .await
        .expect("it is shown");
    let shown: PublishRequest = serde_json::from_value(shown).expect("a request");
    let by = shown.spec.requested_by.expect("who would ask is shown");
    let stamp = translate::requester_stamp(&by, &world.namespace, "dry").expect("the shape of a stamp");
    stamp.verify(&world.stamp_key().await).expect_err("nothing is signed");
    assert!(
        world
            .api::<PublishRequest>("admin")
            .await
            .get_opt("dry")
            .await
            .expect("an answer")
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_value_is_refused_and_harms_nobody() {
    let world = World::new().await;
    let object = |name: &str, open: &str, close: &str, levels: usize| {
        format!(
            r#"{{"metadata":{{"name":"{name}"}},"spec":{{"namespaceRef":{{"name":"payments"}},"key":"k","operation":"Put","value":{}1{}}}}}"#,
            open.repeat(levels),
            close.repeat(levels)
        )
    };
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = object("deep", open, close, 200);
        let message = refusal(world.post("ada", "publishrequests", deep, "").await);
        assert!(
            message.contains("spec.value: it is nested 200 levels deep, the limit is 32"),
            "{message}"
        );
        let deepest = object("deepest", open, close, 10_000);
        refusal(world.post("ada", "publishrequests", deepest, "").await);
        let allowed = object(if open == "[" { "lists" } else { "maps" }, open, close, 32);
        world
            .post("ada", "publishrequests", allowed, "")
            .await
            .expect("32 levels are allowed");
    }
    let mut text = spec();
    text.as_object_mut().expect("fields").remove("text");
    text["json"] = json!("[".repeat(10_000));
    let message = refusal(world.create("ada", "publishrequests", "deep-text", text).await);
    assert!(
        message.contains("spec.json: it is nested 10000 levels deep"),
        "{message}"
    );
    let listed = world
        .api::<PublishRequest>("admin")
        .await
        .list(&ListParams::default())
        .await;
    assert_eq!(listed.expect("the kind can be listed").items.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_with_the_limit() {
    let world = World::new().await;
    let of = |form: &str, value: Value| {
        let mut spec = spec();
        spec.as_object_mut().expect("fields").remove("text");
        spec[form] = value;
        spec
    };
    let large = "x".repeat(131_073);
    for (form, value) in [
        ("text", json!(large)),
        ("value", json!(large)),
        ("json", json!(format!("\"{large}\""))),
    ] {
        let message = refusal(world.create("ada", "publishrequests", "large", of(form, value)).await);
        assert!(
            message.contains(&format!("spec.{form}: ")) && message.contains("the limit is 131072"),
            "{message}"
        );
    }
    let most = of("text", json!("x".repeat(131_070)));
    world
        .create("ada", "publishrequests", "most", most)
        .await
        .expect("the most that is allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_field_is_named() {
    let world = World::new().await;
    let cases = [
        (json!({"key": "no/key"}), "spec.key"),
        (json!({"value": 1}), "exactly one of value, json, text and binary"),
        (json!({"text": null}), "one of value, json, text and binary"),
        (json!({"text": null, "json": "1e400"}), "spec.json"),
        (json!({"text": null, "json": "{\"a\":1,\"a\":2}"}), "spec.json"),
        (json!({"text": null, "json": "\"\\ud800\""}), "spec.json"),
        (json!({"text": null, "binary": "no base64!"}), "spec.binary"),
        (
            json!({"text": 5}),
            "spec.text: invalid type: integer `5`, expected a string",
        ),
        (json!({"operation": "Erase"}), "spec.operation"),
        (json!({"expectedVersion": -1}), "spec.expectedVersion"),
        (
            json!({"reason": "x".repeat(2049)}),
            "spec.reason: it has 2049 bytes, the limit is 2048",
        ),
        (
            json!({"namespaceRef": {"name": "nowhere"}}),
            "spec.namespaceRef.name: there is no ConfigNamespace nowhere",
        ),
    ];
    for (change, named) in cases {
        let mut wrong = spec();
        for (field, value) in change.as_object().expect("fields") {
            wrong[field] = value.clone();
        }
        let message = refusal(world.create("ada", "publishrequests", "wrong", wrong).await);
        assert!(message.contains(named), "{change}: {message}");
    }
    let generated = json!({"metadata": {"generateName": "some-"}, "spec": spec()}).to_string();
    let message = refusal(world.post("ada", "publishrequests", generated, "").await);
    assert!(message.contains("metadata.generateName"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_cannot_be_edited_but_applied_again() {
    let world = World::new().await;
    let made = world.ask("ada", "kept").await;
    let api = world.api::<PublishRequest>("ada").await;
    let edit = Patch::Merge(json!({"spec": {"text": "evil"}}));
    let message = refusal(api.patch("kept", &PatchParams::default(), &edit).await);
    assert!(message.contains("spec is immutable"), "{message}");
    let steal = Patch::Merge(json!({"spec": {"requestedBy": {"username": "cleo"}}}));
    refusal(api.patch("kept", &PatchParams::default(), &steal).await);
    let again = Patch::Apply(json!({"apiVersion": "confman.io/v1alpha1", "kind": "PublishRequest",
        "metadata": {"name": "kept"}, "spec": spec()}));
    let api = world.api::<PublishRequest>("cleo").await;
    let applied = api.patch("kept", &PatchParams::apply("gitops").force(), &again).await;
    assert_eq!(applied.expect("the manifest has not changed").spec, made.spec);
}
