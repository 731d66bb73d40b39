//! Declaring a config namespace: who asked for its roles and workflow is stamped, and the stamp stays.

use confman_api::digest::Digest;
use confman_api::stamp::{GovernanceStatement, Signed, stamp_digest};
use confman_crds::{ConfigNamespace, ConfmanCluster, GOVERNANCE_STAMP};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use crate::service::account;
use crate::wait::eventually;
use crate::world::{World, refusal};

const NAME: &str = "payments";

fn stamp(object: &ConfigNamespace) -> Signed<GovernanceStatement> {
    let annotations = object.metadata.annotations.as_ref().expect("it has annotations");
    serde_json::from_str(&annotations[GOVERNANCE_STAMP]).expect("a stamp")
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_declares_is_stamped_and_the_stamp_stays() {
    let world = World::new().await;
    let api = world.api::<ConfigNamespace>("platform").await;
    let made = api.get(NAME).await.expect("it is there");
    let first = stamp(&made);
    first.verify(&world.stamp_key().await).expect("the signature holds");
    assert_eq!(first.statement.user.username, "platform");
    assert_eq!(first.statement.previous, None);
    let mut bare = made.clone();
    bare.metadata.annotations = None;
    bare.spec.description = Some("only words".to_owned());
    let replaced = api
        .replace(NAME, &PostParams::default(), &bare)
        .await
        .expect("it can be replaced");
    assert_eq!(stamp(&replaced), first);
    let forged = json!({"metadata": {"annotations": {GOVERNANCE_STAMP: "{}"}}});
    let patched = api.patch(NAME, &PatchParams::default(), &Patch::Merge(&forged)).await;
    assert_eq!(stamp(&patched.expect("what is forged is not stored")), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_stamped_anew_and_follows_the_stamp_in_force() {
    let world = World::new().await;
    let api = world.api::<ConfigNamespace>("platform").await;
    let first = stamp(&api.get(NAME).await.expect("it is there"));
    let client = Client::try_from(account("confman-operator").await).expect("a client can be built");
    let operator = Api::<ConfigNamespace>::namespaced(client, &world.namespace);
    let in_force = Patch::Merge(json!({"status": {"governanceStamp": stamp_digest(&first)}}));
    operator
        .patch_status(NAME, &PatchParams::default(), &in_force)
        .await
        .expect("the operator may");
    let change = Patch::Merge(json!({"spec": {"workflow": {"minApprovers": 2}}}));
    let admin = world.api::<ConfigNamespace>("admin").await;
    let changed = admin
        .patch(NAME, &PatchParams::default(), &change)
        .await
        .expect("admin may");
    let second = stamp(&changed);
    second.verify(&world.stamp_key().await).expect("the signature holds");
    assert_eq!(second.statement.user.username, "admin");
    let previous: Option<Digest> = second.statement.previous;
    assert_eq!(previous, Some(stamp_digest(&first)));
}

#[tokio::test(flavor = "multi_thread")]
async fn annotating_again_leads_to_a_fresh_stamp_of_who_governs() {
    let world = World::new().await;
    let again = Patch::Merge(json!({"metadata": {"annotations": {GOVERNANCE_STAMP: "again"}}}));
    let api = world.api::<ConfigNamespace>("platform").await;
    let first = stamp(&api.get(NAME).await.expect("it is there"));
    let admin = world.api::<ConfigNamespace>("admin").await;
    let fresh = admin.patch(NAME, &PatchParams::default(), &again).await;
    let fresh = stamp(&fresh.expect("admin may"));
    fresh.verify(&world.stamp_key().await).expect("the signature holds");
    assert_eq!(fresh.statement.user.username, "admin");
    assert_eq!(fresh.statement.governance_digest, first.statement.governance_digest);
    world.may_write_namespaces("dan").await;
    let dan = world.api::<ConfigNamespace>("dan").await;
    let message = refusal(dan.patch(NAME, &PatchParams::default(), &again).await);
    assert!(message.contains("dan may not govern"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_while_admission_was_away_is_stamped_by_annotating_it() {
    let world = World::without_webhook().await;
    world.create_cluster().await;
    let unseen =
        json!({"metadata": {"name": NAME, "annotations": {GOVERNANCE_STAMP: "mine"}}, "spec": World::payments()});
    eventually("the webhook is not called", async || {
        let shown = world
            .post("platform", "confignamespaces", unseen.to_string(), "dryRun=All")
            .await;
        match shown.expect("the policies are content")["metadata"]["annotations"][GOVERNANCE_STAMP].as_str() {
            Some("mine") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let made = world.post("platform", "confignamespaces", unseen.to_string(), "").await;
    made.expect("the policies are content");
    world.with_webhook().await;
    let again = Patch::Merge(json!({"metadata": {"annotations": {GOVERNANCE_STAMP: "again"}}}));
    let api = world.api::<ConfigNamespace>("platform").await;
    let stamped = eventually("the webhook is called", async || {
        let written = api.patch(NAME, &PatchParams::default(), &again).await;
        let written = written.expect("platform may");
        let text = written.annotations()[GOVERNANCE_STAMP].clone();
        serde_json::from_str::<Signed<GovernanceStatement>>(&text).map_err(|_| text)
    })
    .await;
    stamped.verify(&world.stamp_key().await).expect("the signature holds");
    assert_eq!(stamped.statement.user.username, "platform");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stamp_for_a_cluster_that_is_gone_is_not_kept() {
    let world = World::new().await;
    let api = world.api::<ConfigNamespace>("platform").await;
    let first = stamp(&api.get(NAME).await.expect("it is there"));
    let clusters = world.api::<ConfmanCluster>("admin").await;
    clusters
        .delete("demo", &DeleteParams::default())
        .await
        .expect("admin may");
    world.create_cluster().await;
    let words = Patch::Merge(json!({"spec": {"description": "only words"}}));
    let written = api.patch(NAME, &PatchParams::default(), &words).await;
    let second = stamp(&written.expect("platform may"));
    assert_ne!(second.statement.cluster_id, first.statement.cluster_id);
    second.verify(&world.stamp_key().await).expect("the signature holds");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_log_in_to_a_cluster_is_governed() {
    let world = World::new().await;
    world.may_write_namespaces("dan").await;
    let dan = world.api::<ConfmanCluster>("dan").await;
    let params = PatchParams::default();
    for (change, reason) in [
        (
            json!({"auth": {"apiKeysSecretRef": {"name": "dans-keys"}}}),
            "dan may not change auth",
        ),
        (
            json!({"defaults": {"workflow": {"requireApproval": false}}}),
            "defaults hold from bootstrap on",
        ),
    ] {
        let patch = Patch::Merge(json!({"spec": change}));
        let message = refusal(dan.patch("demo", &params, &patch).await);
        assert!(message.contains(reason), "{message}");
    }
    let admins = Patch::Merge(json!({"spec": {"rootAdmins": ["user:dan"]}}));
    for user in ["dan", "admin"] {
        let api = world.api::<ConfmanCluster>(user).await;
        let message = refusal(api.patch("demo", &params, &admins).await);
        assert!(message.contains("rootAdmins"), "{message}");
    }
    let image = Patch::Merge(json!({"spec": {"image": "localhost/confman-node:next"}}));
    dan.patch("demo", &params, &image)
        .await
        .expect("that is not governance");
    let auth = Patch::Merge(json!({"spec": {"auth": {"apiKeysSecretRef": {"name": "keys"}}}}));
    let platform = world.api::<ConfmanCluster>("platform").await;
    platform.patch("demo", &params, &auth).await.expect("platform governs");
}

#[tokio::test(flavor = "multi_thread")]
async fn governing_needs_its_verb() {
    let world = World::new().await;
    let message = refusal(world.create("ada", "confignamespaces", "adas", World::payments()).await);
    assert!(message.contains("ada"), "{message}");
    world.may_write_namespaces("dan").await;
    let mut spec = World::payments();
    spec["path"] = json!("/teams/dans");
    let message = refusal(world.create("dan", "confignamespaces", "dans", spec).await);
    assert!(
        message.contains("dan may not govern config namespace dans"),
        "{message}"
    );
    let api = world.api::<ConfigNamespace>("dan").await;
    let patch = |value| Patch::Merge(json!({"spec": value}));
    let params = PatchParams::default();
    for change in [
        json!({"roles": {"admin": ["user:dan"]}}),
        json!({"roles": null}),
        json!({"workflow": {"requireApproval": false}}),
        json!({"inherit": false}),
    ] {
        let message = refusal(api.patch(NAME, &params, &patch(change)).await);
        assert!(message.contains("dan may not govern"), "{message}");
    }
    api.patch(NAME, &params, &patch(json!({"displayName": "Payments"})))
        .await
        .expect("a name for people governs nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_of_a_declaration_is_not_signed() {
    let world = World::new().await;
    let api = world.api::<ConfigNamespace>("platform").await;
    let first = stamp(&api.get(NAME).await.expect("it is there"));
    let change = Patch::Merge(json!({"spec": {"workflow": {"minApprovers": 2}}}));
    let params = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let shown = api.patch(NAME, &params, &change).await.expect("it is shown");
    stamp(&shown)
        .verify(&world.stamp_key().await)
        .expect_err("nothing is signed");
    assert_eq!(stamp(&api.get(NAME).await.expect("it is there")), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_declaration_is_refused_with_its_field() {
    let world = World::new().await;
    for (field, value, named) in [
        ("path", json!("teams"), "spec.path"),
        ("path", json!("/Teams"), "spec.path"),
        ("roles", json!({"editor": ["ada"]}), "spec.roles.editor[0]"),
        ("workflow", json!({"minApprovers": 17}), "spec.workflow.minApprovers"),
        (
            "clusterRef",
            json!({"name": "nowhere"}),
            "spec.clusterRef.name: there is no ConfmanCluster nowhere",
        ),
    ] {
        let mut spec = World::payments();
        spec[field] = value;
        let message = refusal(world.create("platform", "confignamespaces", "wrong", spec).await);
        assert!(message.contains(named), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_operator_says_how_things_stand() {
    let world = World::new().await;
    world.may_write_namespaces("dan").await;
    let lie = Patch::Merge(json!({"status": {"governanceStamp": format!("sha256:{}", "b".repeat(64))}}));
    let api = world.api::<ConfigNamespace>("dan").await;
    let message = refusal(api.patch_status(NAME, &PatchParams::default(), &lie).await);
    assert!(message.contains("this status is written by the operator"), "{message}");
    let lie = Patch::Merge(json!({"status": {"clusterId": "another"}}));
    let api = world.api::<ConfmanCluster>("dan").await;
    let message = refusal(api.patch_status("demo", &PatchParams::default(), &lie).await);
    assert!(message.contains("this status is written by the operator"), "{message}");
}
