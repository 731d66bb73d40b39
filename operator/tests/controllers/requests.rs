//! A request's way from its object to a value that pods read.

use confman_api::ids::RequestId;
use confman_api::internal::{Decision, RequestState};
use confman_crds::PublishRequest;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams};

use crate::wait::eventually;
use crate::world::{World, has};

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_request_is_published_and_read() {
    let world = World::serving(3).await;
    world.create_request("first", "ada", "v2").await;
    let pending = world.wait_state("first", "PendingReview").await;
    let status = pending.status.clone().unwrap_or_default();
    assert_eq!(
        (status.required_approvals, status.counted_approvals),
        (Some(1), Some(0))
    );
    assert!(has(&status.conditions, "Accepted", "True"));
    assert!(
        !has(&status.conditions, "Reconciling", "True"),
        "waiting for people is not work"
    );
    assert_eq!(world.read("api-version").await, None);

    world
        .review("first", "bob", Decision::Approve)
        .await
        .expect("the review is stored");
    let published = world.wait_state("first", "Published").await;
    let status = published.status.clone().unwrap_or_default();
    assert_eq!((status.published_version, status.counted_approvals), (Some(1), Some(1)));
    assert!(has(&status.conditions, "Ready", "True"));
    let steps: Vec<_> = status
        .recorded
        .iter()
        .map(|step| (step.step.as_str(), step.actor.as_str()))
        .collect();
    assert_eq!(
        steps,
        [
            ("Submitted", "user:ada"),
            ("Approved", "user:bob"),
            ("Published", "user:bob")
        ]
    );
    assert!(status.recorded.iter().all(|step| step.term > 0 && step.index > 0));
    assert_eq!(status.reviews.len(), 1, "the operator leaves reviews alone");
    let read = world.read("api-version").await.expect("it can be read");
    assert_eq!(read["value"], "v2");

    let told = eventually("all events", async || {
        let events = world
            .api::<Event>()
            .list(&ListParams::default())
            .await
            .expect("events can be listed");
        let of_it =
            |event: &Event| event.regarding.as_ref().and_then(|it| it.uid.as_deref()) == published.uid().as_deref();
        let notes: Vec<_> = events
            .items
            .into_iter()
            .filter(of_it)
            .filter_map(|event| event.note)
            .collect();
        if notes.len() >= 3 { Ok(notes) } else { Err(notes) }
    })
    .await;
    assert!(
        told.iter()
            .any(|note| note.starts_with("approved by user:bob (1 of 1)")),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_request_is_stalled_and_changes_nothing() {
    let world = World::serving(1).await;
    world.create_request("no", "ada", "v2").await;
    world.wait_state("no", "PendingReview").await;
    world
        .review("no", "bob", Decision::Reject)
        .await
        .expect("the review is stored");
    let status = world.wait_state("no", "Rejected").await.status.unwrap_or_default();
    assert!(has(&status.conditions, "Stalled", "True"));
    assert_eq!(world.read("api-version").await, None);

    world.create_request("mine", "ada", "v3").await;
    world.wait_state("mine", "PendingReview").await;
    world
        .review("mine", "ada", Decision::Withdraw)
        .await
        .expect("one takes one's own back");
    world.wait_state("mine", "Withdrawn").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_made_again_is_another_request() {
    let world = World::serving(1).await;
    let first = world.create_request("same", "ada", "v1").await;
    world.wait_state("same", "PendingReview").await;
    let api = world.api::<PublishRequest>();
    api.delete("same", &DeleteParams::default())
        .await
        .expect("it can be deleted");
    let second = world.create_request("same", "ada", "v2").await;
    assert_ne!(first.uid(), second.uid());
    world.wait_state("same", "PendingReview").await;
    world
        .review("same", "bob", Decision::Approve)
        .await
        .expect("the review is stored");
    world.wait_state("same", "Published").await;
    assert_eq!(world.read("api-version").await.expect("it can be read")["value"], "v2");

    // The first one was withdrawn by comparison: its object is gone.
    let id = RequestId::parse(&first.uid().expect("it was stored")).expect("an id");
    let courier = world.courier().await;
    eventually("the first request is withdrawn", async || {
        let known = courier
            .publish_request(&id)
            .await
            .expect("the cluster answers")
            .map(|known| known.state);
        if known == Some(RequestState::Withdrawn) {
            Ok(())
        } else {
            Err(known)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_applied_again_does_not_bring_an_old_value_back() {
    let world = World::serving(1).await;
    let publish = async |name: &str, value: &str| {
        world.create_request(name, "ada", value).await;
        world.wait_state(name, "PendingReview").await;
        let reviewed = world.review(name, "bob", Decision::Approve).await;
        reviewed.expect("the review is stored");
        world.wait_state(name, "Published").await;
    };
    publish("first", "v1").await;
    publish("second", "v2").await;
    let api = world.api::<PublishRequest>();
    api.delete("first", &DeleteParams::default())
        .await
        .expect("it can be deleted");
    world.create_request("first", "ada", "v1").await;
    let again = world.wait_state("first", "Superseded").await.status.unwrap_or_default();
    assert!(has(&again.conditions, "Ready", "True"), "{:?}", again.conditions);
    assert!(!has(&again.conditions, "Stalled", "True"), "{:?}", again.conditions);
    assert_eq!(again.published_version, Some(1));
    assert_eq!(world.read("api-version").await.expect("it can be read")["value"], "v2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_for_its_namespace() {
    let world = World::serving(1).await;
    let mut spec = crate::world::request_spec("v1");
    spec.namespace_ref.name = "later".to_owned();
    let id = world.cluster_id().await;
    spec.requested_by = Some(world.stamper.requester(&id, (&world.namespace, "early"), &spec, "ada"));
    world.create_request_of("early", spec).await.expect("it can be made");
    let message = world.wait_reason("early", "NamespaceMissing").await;
    assert!(
        message.starts_with("spec.namespaceRef.name: there is no ConfigNamespace later"),
        "{message}"
    );
    world.create_namespace("later", "/teams/later", "platform").await;
    world.wait_state("early", "PendingReview").await;
}
