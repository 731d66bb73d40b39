//! Reviewing: in one's own name, of what the cluster accepted, of another's request, and for good.

use confman_crds::PublishRequest;
use confman_operator::translate;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::{DIGEST, World, refusal};

fn stamps(object: &PublishRequest) -> Vec<&str> {
    let reviews = object.status.as_ref().map(|status| status.reviews.as_slice());
    let stamps = reviews
        .unwrap_or_default()
        .iter()
        .filter_map(|review| review.stamp.as_ref());
    stamps.map(|stamp| stamp.username.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_review_is_stamped_with_its_author() {
    let world = World::new().await;
    world.accepted("good").await;
    world
        .review("bob", "good", json!({"comment": "fine"}))
        .await
        .expect("bob may");
    let object = world
        .review("cleo", "good", json!({"decision": "Reject"}))
        .await
        .expect("cleo may");
    assert_eq!(stamps(&object), ["bob", "cleo"]);
    let key = world.stamp_key().await;
    for review in &object.status.as_ref().expect("a status").reviews {
        let stamp = review.stamp.as_ref().expect("a stamp");
        let signed = translate::signed_review(review, stamp).expect("a stamp");
        signed.verify(&key).expect("the signature holds");
        assert_eq!(Some(signed.statement.object_uid), object.metadata.uid);
        assert_eq!(signed.statement.requester, "ada");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_approves_their_own_request() {
    let world = World::new().await;
    world.accepted("own").await;
    let message = refusal(world.review("ada", "own", json!({})).await);
    assert!(message.contains("nobody reviews their own request"), "{message}");
    let message = refusal(world.review("ada", "own", json!({"decision": "Reject"})).await);
    assert!(message.contains("nobody reviews their own request"), "{message}");
    let whole = json!([{"op": "replace", "path": "/status", "value": {"state": "PendingReview", "digest": DIGEST,
        "reviews": [{"reviewer": "ada", "decision": "Approve", "reviewedDigest": DIGEST}]}}]);
    refusal(world.patch("ada", "own", whole).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reviews_in_another_name_or_with_a_stamp_of_their_own() {
    let world = World::new().await;
    world.accepted("forged").await;
    let message = refusal(world.review("ada", "forged", json!({"reviewer": "bob"})).await);
    assert!(
        message.contains("you can review only in your own name, ada"),
        "{message}"
    );
    let message = refusal(world.review("admin", "forged", json!({"reviewer": "bob"})).await);
    assert!(
        message.contains("you can review only in your own name, admin"),
        "{message}"
    );
    world.review("bob", "forged", json!({})).await.expect("bob may");
    let object = world
        .api::<PublishRequest>("admin")
        .await
        .get("forged")
        .await
        .expect("it is there");
    let mut stamp = object.status.expect("a status").reviews[0]
        .stamp
        .clone()
        .expect("a stamp");
    stamp.username = "cleo".to_owned();
    let message = refusal(world.review("cleo", "forged", json!({"stamp": stamp})).await);
    assert!(message.contains("stamps are written by admission only"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_needs_the_verb_approve() {
    let world = World::new().await;
    world.accepted("right").await;
    let message = refusal(world.review("dan", "right", json!({})).await);
    assert!(
        message.contains("dan may not approve for config namespace payments: the verb `approve`"),
        "{message}"
    );
    let message = refusal(world.review("mallory", "right", json!({})).await);
    assert!(message.contains("mallory"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_is_of_what_the_cluster_accepted() {
    let world = World::new().await;
    world.ask("ada", "early").await;
    let message = refusal(world.review("bob", "early", json!({})).await);
    assert!(
        message.contains("has not accepted this request yet; try again"),
        "{message}"
    );
    world.accepted("other").await;
    let other = format!("sha256:{}", "b".repeat(64));
    let message = refusal(world.review("bob", "other", json!({"reviewedDigest": other})).await);
    assert!(message.contains("reviewedDigest"), "{message}");
    let message = refusal(world.review("bob", "other", json!({"decision": "Perhaps"})).await);
    assert!(message.contains("Approve, Reject, Publish or Withdraw"), "{message}");
    let message = refusal(world.review("bob", "other", json!({"comment": "x".repeat(2049)})).await);
    assert!(
        message.contains("comment: it has 2049 bytes, the limit is 2048"),
        "{message}"
    );
    world.say("other", json!({"state": "Published"})).await;
    let message = refusal(world.review("bob", "other", json!({})).await);
    assert!(
        message.contains("is Published; it can no longer be reviewed"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_stay() {
    let world = World::new().await;
    world.accepted("stay").await;
    let before = world
        .review("bob", "stay", json!({"decision": "Reject"}))
        .await
        .expect("bob may");
    for wipe in [
        json!([{"op": "remove", "path": "/status/reviews/0"}]),
        json!([{"op": "replace", "path": "/status/reviews", "value": []}]),
        json!([{"op": "remove", "path": "/status/reviews"}]),
        json!([{"op": "remove", "path": "/status"}]),
        json!([{"op": "replace", "path": "/status", "value": null}]),
        json!([{"op": "replace", "path": "/status/reviews", "value": null}]),
        json!([{"op": "replace", "path": "/status/reviews/0/decision", "value": "Approve"}]),
        json!([{"op": "replace", "path": "/status/reviews/0/stamp/time", "value": "2026-01-01T00:00:00Z"}]),
    ] {
        for user in ["ada", "cleo", "admin"] {
            refusal(world.patch(user, "stay", wipe.clone()).await);
        }
    }
    for wipe in [json!({"status": null}), json!({"status": {"reviews": null}})] {
        for user in ["ada", "cleo", "admin"] {
            let api = world.api::<PublishRequest>(user).await;
            let message = refusal(
                api.patch_status("stay", &PatchParams::default(), &Patch::Merge(&wipe))
                    .await,
            );
            assert!(message.contains("removed"), "{message}");
        }
    }
    let after = world
        .api::<PublishRequest>("admin")
        .await
        .get("stay")
        .await
        .expect("it is there");
    assert_eq!(after.status, before.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_can_be_turned_into_a_rejection_by_its_author() {
    let world = World::new().await;
    world.accepted("turned").await;
    world.review("bob", "turned", json!({})).await.expect("bob may");
    let turn = json!([{"op": "replace", "path": "/status/reviews/0/decision", "value": "Reject"}]);
    refusal(world.patch("cleo", "turned", turn.clone()).await);
    let object = world.patch("bob", "turned", turn).await.expect("bob has thought again");
    let review = &object.status.as_ref().expect("a status").reviews[0];
    let signed = translate::signed_review(review, review.stamp.as_ref().expect("a stamp")).expect("a stamp");
    signed
        .verify(&world.stamp_key().await)
        .expect("the new decision is signed");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_requester_withdraws() {
    let world = World::new().await;
    world.accepted("withdrawn").await;
    let message = refusal(world.review("bob", "withdrawn", json!({"decision": "Withdraw"})).await);
    assert!(message.contains("only the requester withdraws"), "{message}");
    let object = world.review("ada", "withdrawn", json!({"decision": "Withdraw"})).await;
    assert_eq!(stamps(&object.expect("ada may")), ["ada"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reviewers_write_reviews_and_nothing_else() {
    let world = World::new().await;
    world.accepted("fields").await;
    for lie in [
        json!({"state": "Published"}),
        json!({"digest": format!("sha256:{}", "b".repeat(64))}),
        json!({"countedApprovals": 5}),
        json!({"conditions": [{"type": "Ready", "status": "True", "reason": "Lie", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]}),
        json!({"digest": null}),
    ] {
        for user in ["ada", "bob"] {
            let api = world.api::<PublishRequest>(user).await;
            let patch = Patch::Merge(json!({"status": lie}));
            let message = refusal(api.patch_status("fields", &PatchParams::default(), &patch).await);
            assert!(message.contains("are written by the operator"), "{lie}: {message}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_of_a_review_is_not_signed() {
    let world = World::new().await;
    world.accepted("dry").await;
    let api = world.api::<PublishRequest>("bob").await;
    let review = json!({"reviewer": "bob", "decision": "Approve", "reviewedDigest": DIGEST});
    let patch = json!([{"op": "add", "path": "/status/reviews/-", "value": review}]);
    let patch: Patch<()> = Patch::Json(serde_json::from_value(patch).expect("a JSON patch"));
    let params = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let shown = api.patch_status("dry", &params, &patch).await.expect("it is shown");
    let review = &shown.status.as_ref().expect("a status").reviews[0];
    let signed = translate::signed_review(review, review.stamp.as_ref().expect("a stamp")).expect("its shape");
    signed.verify(&world.stamp_key().await).expect_err("nothing is signed");
}
