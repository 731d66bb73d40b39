//! What the layers in front let through, the state machine refuses; and status shows it.

use confman_api::internal::Decision;
use confman_crds::PublishRequest;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::people::Stamper;
use crate::wait::eventually;
use crate::world::World;

async fn refusal(world: &World, name: &str) -> String {
    eventually("the review is refused", async || {
        let status = world.request(name).await.status.unwrap_or_default();
        status
            .refused_reviews
            .first()
            .map(|refused| refused.reason.clone())
            .ok_or(status)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_approves_their_own_request() {
    let world = World::serving(1).await;
    world.create_request("own", "bob", "v2").await;
    let object = world.wait_state("own", "PendingReview").await;
    let error = world
        .review("own", "bob", Decision::Approve)
        .await
        .expect_err("the definition refuses it");
    assert!(error.to_string().contains("their own request"), "{error}");

    // The same person under another name in `reviewer`: the stamp says who it was.
    let stamp = world.stamper.review(&object, "bob", Decision::Approve);
    let masked = json!({"reviewer": "cleo", "decision": "Approve", "stamp": stamp});
    world
        .add_review(&object, masked)
        .await
        .expect("without admission it is stored");
    assert_eq!(refusal(&world, "own").await, "InvalidStamp");
    assert_eq!(world.read("api-version").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_claims_approval_is_put_right() {
    let world = World::serving(1).await;
    world.create_request("claims", "ada", "v2").await;
    world.wait_state("claims", "PendingReview").await;
    let lie = json!({"status": {"state": "Published", "countedApprovals": 5, "publishedVersion": 9}});
    let api = world.api::<PublishRequest>();
    api.patch_status("claims", &PatchParams::default(), &Patch::Merge(&lie))
        .await
        .expect("without policy it is stored");
    let status = world
        .wait_state("claims", "PendingReview")
        .await
        .status
        .unwrap_or_default();
    assert_eq!((status.counted_approvals, status.published_version), (Some(0), None));
    assert_eq!(world.read("api-version").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_stamp_is_refused_and_a_good_one_still_counts() {
    let world = World::serving(1).await;
    world.create_request("forged", "ada", "v2").await;
    let object = world.wait_state("forged", "PendingReview").await;
    let forged = Stamper::new().review(&object, "bob", Decision::Approve);
    let review = json!({"reviewer": "bob", "decision": "Approve", "stamp": forged});
    world
        .add_review(&object, review)
        .await
        .expect("without admission it is stored");
    assert_eq!(refusal(&world, "forged").await, "InvalidStamp");
    let unstamped = json!({"reviewer": "dan", "decision": "Approve"});
    world
        .add_review(&object, unstamped)
        .await
        .expect("without admission it is stored");
    world
        .review("forged", "cleo", Decision::Approve)
        .await
        .expect("the review is stored");
    let status = world.wait_state("forged", "Published").await.status.unwrap_or_default();
    let reasons: Vec<_> = status
        .refused_reviews
        .iter()
        .map(|refused| refused.reason.as_str())
        .collect();
    assert_eq!(reasons, ["InvalidStamp", "NotStamped"]);
    assert_eq!(status.counted_approvals, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requester_without_a_stamp_of_admission_gets_nowhere() {
    let world = World::serving(1).await;
    let id = world.cluster_id().await;
    let mut spec = crate::world::request_spec("v2");
    world
        .create_request_of("bare", spec.clone())
        .await
        .expect("without admission it is stored");
    world.wait_reason("bare", "NotStamped").await;

    // A stamp of ada's, with another name written over it.
    let mut by = world
        .stamper
        .requester(&id, (&world.namespace, "renamed"), &spec, "ada");
    by.username = "platform".to_owned();
    spec.requested_by = Some(by);
    world
        .create_request_of("renamed", spec.clone())
        .await
        .expect("without admission it is stored");
    world.wait_reason("renamed", "InvalidStamp").await;

    // A stamp of ada's on other content.
    let by = world
        .stamper
        .requester(&id, (&world.namespace, "changed"), &spec, "ada");
    let mut changed = crate::world::request_spec("something else");
    changed.requested_by = Some(by);
    world
        .create_request_of("changed", changed)
        .await
        .expect("without admission it is stored");
    world.wait_reason("changed", "InvalidStamp").await;

    // A person without the role.
    world.create_request("mallorys", "mallory", "v9").await;
    let message = world.wait_reason("mallorys", "Forbidden").await;
    assert_eq!(message, "user:mallory may not submit changes in /teams/payments");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_cannot_be_edited() {
    let world = World::serving(1).await;
    world.create_request("edited", "ada", "v2").await;
    world.wait_state("edited", "PendingReview").await;
    let edit = json!({"spec": {"text": "evil"}});
    let api = world.api::<PublishRequest>();
    let error = api
        .patch("edited", &PatchParams::default(), &Patch::Merge(&edit))
        .await
        .expect_err("refused");
    assert!(error.to_string().contains("spec is immutable"), "{error}");

    // A review of other content than the request's.
    let object = world.request("edited").await;
    let mut other = object.clone();
    if let Some(status) = &mut other.status {
        status.digest = Some(format!("sha256:{}", "0".repeat(64)));
    }
    let stamp = world.stamper.review(&other, "bob", Decision::Approve);
    let digest = other.status.as_ref().and_then(|status| status.digest.clone());
    let review = json!({"reviewer": "bob", "decision": "Approve", "stamp": stamp, "reviewedDigest": digest});
    world
        .add_review(&object, review)
        .await
        .expect("without admission it is stored");
    assert_eq!(refusal(&world, "edited").await, "DigestMismatch");
    assert_eq!(world.read("api-version").await, None);
}
