//! Operators that stop in the middle, and two at once.

use confman_api::internal::Decision;
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;

use crate::wait::eventually;
use crate::world::World;

async fn holder(world: &World) -> Option<String> {
    let lease = world
        .api::<Lease>()
        .get_opt("confman-operator")
        .await
        .expect("Leases can be read");
    lease.and_then(|lease| lease.spec?.holder_identity)
}

async fn wait_holder(world: &World, name: &str) {
    eventually(&format!("{name} leads"), async || {
        let holder = holder(world).await;
        if holder.as_deref() == Some(name) {
            Ok(())
        } else {
            Err(holder)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_restarts_during_bootstrap_bootstraps_once() {
    let mut world = World::empty(1).await;
    world.write_keys().await;
    let first = world.start_operator("one").await;
    world.create_cluster(json!({})).await;
    world.start_nodes().await;
    // Ends somewhere between the first Secret and the last status, and holds its lease until that ends by itself.
    first.kill();
    let second = world.start_operator("two").await;
    world.keep_operator(second);
    let cluster = world.wait_cluster("Ready", "True").await;
    assert_eq!(
        cluster.status.unwrap_or_default().cluster_id,
        Some(world.cluster_id().await)
    );
    world.create_namespace("payments", "/teams/payments", "platform").await;
    world.wait_namespace("payments", "Ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_restarts_loses_no_request_and_counts_no_approval_twice() {
    let mut world = World::serving(1).await;
    world.create_request("during", "ada", "v2").await;
    world.wait_state("during", "PendingReview").await;
    world.stop_operator().await;
    world.create_request("meanwhile", "ada", "v3").await;
    world
        .review("during", "bob", Decision::Approve)
        .await
        .expect("the review is stored");
    world.restart_operator().await;
    let status = world.wait_state("during", "Published").await.status.unwrap_or_default();
    assert_eq!((status.counted_approvals, status.published_version), (Some(1), Some(1)));
    world.wait_state("meanwhile", "PendingReview").await;
    world.restart_operator().await;
    world.create_request("after", "ada", "v4").await;
    world.wait_state("after", "PendingReview").await;
    let again = world.request("during").await.status.unwrap_or_default();
    assert_eq!(again.recorded, status.recorded);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_operators_one_leads_and_hands_over() {
    let mut world = World::empty(1).await;
    world.write_keys().await;
    let first = world.start_operator("one").await;
    wait_holder(&world, "one").await;
    let second = world.start_operator("two").await;
    world.create_cluster(json!({})).await;
    world.start_nodes().await;
    world.wait_cluster("Ready", "True").await;
    assert_eq!(holder(&world).await.as_deref(), Some("one"));
    first.stop().await;
    wait_holder(&world, "two").await;
    world.keep_operator(second);
    world.create_namespace("payments", "/teams/payments", "platform").await;
    world.wait_namespace("payments", "Ready").await;
}
