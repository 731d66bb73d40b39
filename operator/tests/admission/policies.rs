//! The layers behind the webhook, alone: where it is not called, an object without a stamp is refused all the same.

use confman_crds::PublishRequest;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::wait::eventually;
use crate::world::{DIGEST, World, refusal, spec};

fn requested_by(username: &str) -> Value {
    json!({"username": username, "clusterId": "c", "specDigest": DIGEST, "nonce": "n", "time": "t", "keyId": "k",
        "signature": "AAAA"})
}

/// Waits until the API server no longer calls the webhook here.
async fn world() -> World {
    let world = World::without_webhook().await;
    eventually("the webhook is not called", async || {
        match world.create("ada", "publishrequests", "bare", spec()).await {
            Err(kube::Error::Api(status)) if status.message.contains("is the admission webhook installed?") => Ok(()),
            Err(kube::Error::Api(status)) if status.message.contains("must name you") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_needs_a_stamp_in_the_callers_name_and_one_value() {
    let world = world().await;
    let mut forged = spec();
    forged["requestedBy"] = requested_by("bob");
    let message = refusal(world.create("ada", "publishrequests", "forged", forged.clone()).await);
    assert!(message.contains("spec.requestedBy must name you, ada"), "{message}");
    forged["requestedBy"] = json!({"username": "ada"});
    let message = refusal(world.create("ada", "publishrequests", "forged", forged.clone()).await);
    assert!(message.contains("carries no stamp"), "{message}");
    forged["requestedBy"] = requested_by("ada");
    forged["value"] = json!({"a": 1});
    let message = refusal(world.create("ada", "publishrequests", "forged", forged).await);
    assert!(
        message.contains("exactly one of value, json, text and binary"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_needs_a_stamp_in_the_callers_name_and_the_verb() {
    let world = world().await;
    let mut made = spec();
    made["requestedBy"] = requested_by("ada");
    let made = world
        .create("ada", "publishrequests", "asked", made)
        .await
        .expect("only the cluster can tell");
    let uid = made["metadata"]["uid"].clone();
    let stamp = |username: &str, uid: &Value| {
        json!({"stamp": {"username": username, "clusterId": "c", "objectUid": uid, "requester": "ada", "time": "t",
            "keyId": "k", "signature": "AAAA"}})
    };
    world
        .say("asked", json!({"state": "PendingReview", "digest": DIGEST}))
        .await;
    let message = refusal(world.review("bob", "asked", json!({})).await);
    assert!(message.contains("carries no stamp for this object"), "{message}");
    refusal(world.review("bob", "asked", stamp("cleo", &uid)).await);
    refusal(world.review("bob", "asked", stamp("bob", &json!("another"))).await);
    let mut others = stamp("cleo", &uid);
    others["reviewer"] = json!("cleo");
    let message = refusal(world.review("bob", "asked", others).await);
    assert!(message.contains("only in your own name, bob"), "{message}");
    let message = refusal(world.review("dan", "asked", stamp("dan", &uid)).await);
    assert!(
        message.contains("dan may not approve for config namespace payments"),
        "{message}"
    );
    let message = refusal(world.review("ada", "asked", stamp("ada", &uid)).await);
    assert!(message.contains("nobody reviews their own request"), "{message}");
    let api = world.api::<PublishRequest>("bob").await;
    let lie = Patch::Merge(json!({"status": {"state": "Published"}}));
    let message = refusal(api.patch_status("asked", &PatchParams::default(), &lie).await);
    assert!(message.contains("written by the operator"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declaration_needs_a_stamp() {
    let world = world().await;
    let made = world
        .create("platform", "confignamespaces", "payments", World::payments())
        .await;
    let message = refusal(made);
    assert!(message.contains("confman.io/governance-stamp is missing"), "{message}");
}
