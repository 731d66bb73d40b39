//! A cluster comes into being exactly once.

use confman_api::client::ClientError;
use confman_api::problem::{Problem, ProblemType};
use confman_core::ids::ClusterId;
use confman_core::outcome::{Outcome, Rejection};

use crate::cluster::{Cluster, Settings};
use crate::wait::eventually;

fn problem(error: ClientError) -> Problem {
    match error {
        ClientError::Refused(_, problem) | ClientError::Problem(problem) => *problem,
        ClientError::Unreachable(_) | ClientError::OutcomeUnknown(_) => unreachable!("no problem: {error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bootstrap_waits_for_everybody_and_happens_once() {
    let mut cluster = Cluster::prepare(Settings::nodes(3));
    cluster.start_node(0);
    cluster.start_node(1);
    let courier = cluster.courier(0);
    let status = eventually("the internal port answers before bootstrap", async || {
        courier.status().await
    })
    .await;
    assert_eq!((status.cluster_id, status.members.len()), (None, 0));
    let ready = crate::http::get(&format!("http://{}/health/ready", cluster.http_address(0)), None).await;
    assert_eq!(ready.expect("an answer").status, 503);

    let mut wrong_token = cluster.initialise();
    wrong_token.token = "guessed".to_owned();
    let refused = problem(
        courier
            .initialise(&wrong_token)
            .await
            .expect_err("a wrong token is refused"),
    );
    assert_eq!(
        (refused.kind(), refused.field.as_deref()),
        (Some(ProblemType::Forbidden), Some("token"))
    );

    // The members are asked in order, so that the one before the missing one must answer.
    let other = cluster.courier(1);
    eventually("the second node answers", async || other.status().await).await;
    let body = cluster.initialise();
    let waiting = problem(courier.initialise(&body).await.expect_err("a peer is missing"));
    assert_eq!(waiting.kind(), Some(ProblemType::NotInitialised));
    assert!(waiting.detail.contains(&cluster.peer_address(2)), "{}", waiting.detail);
    let second = problem(other.initialise(&body).await.expect_err("it is not the first member"));
    assert_eq!(
        second.field.as_deref(),
        Some("members"),
        "only the first member bootstraps"
    );

    cluster.start_node(2);
    let first = cluster.bootstrap().await;
    let expected = Outcome::ClusterInitialised {
        cluster_id: cluster.id.clone(),
    };
    assert_eq!(first.outcome, expected);
    let repeat = courier
        .initialise(&body)
        .await
        .expect("a repeat is answered like the first");
    assert_eq!(repeat.outcome, expected);

    let mut other = cluster.initialise();
    other.cluster_id = ClusterId::parse("another").expect("a valid id");
    match courier.initialise(&other).await {
        Err(ClientError::Refused(Rejection::ClusterAlreadyInitialised { cluster_id }, _)) => {
            assert_eq!(cluster_id, cluster.id);
        }
        unexpected => unreachable!("another cluster id is refused: {unexpected:?}"),
    }
    for index in 0..3 {
        cluster.wait_ready(index).await;
        let status = cluster.status(index).await.expect("the status is served");
        assert_eq!(
            (status.cluster_id.as_ref(), status.members.len()),
            (Some(&cluster.id), 3)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_whose_record_was_refused_still_needs_the_token_and_the_same_members() {
    let cluster = Cluster::start(Settings::nodes(1));
    let courier = cluster.courier(0);
    let mut nobody = cluster.initialise();
    nobody.root_admins.clear();
    let refused = eventually("Raft begins, the record is refused", async || {
        match courier.initialise(&nobody).await {
            Err(ClientError::Refused(rejection, _)) => Ok(rejection),
            other => Err(other),
        }
    })
    .await;
    assert!(matches!(refused, Rejection::InvalidField { .. }), "{refused:?}");

    let mut wrong_token = cluster.initialise();
    wrong_token.token = "guessed".to_owned();
    let refused = problem(courier.initialise(&wrong_token).await.expect_err("a wrong token"));
    assert_eq!(
        (refused.kind(), refused.field.as_deref()),
        (Some(ProblemType::Forbidden), Some("token"))
    );
    let mut others = cluster.initialise();
    others.members.push("127.0.0.1:1".to_owned());
    let refused = problem(courier.initialise(&others).await.expect_err("other members"));
    assert_eq!(
        (refused.kind(), refused.field.as_deref()),
        (Some(ProblemType::Conflict), Some("members"))
    );
    cluster.bootstrap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_volume_under_a_known_address_stays_out() {
    let mut cluster = Cluster::running(Settings::nodes(3)).await;
    let follower = cluster.follower().await;
    let old_id = cluster.status(follower).await.expect("the status is served").node_id;
    cluster.kill(follower);
    std::fs::remove_dir_all(cluster.data_folder(follower)).expect("the volume can be lost");
    cluster.start_node(follower);
    let courier = cluster.courier(follower);
    let fresh = eventually("the node answers", async || courier.status().await).await;
    assert_ne!(fresh.node_id, old_id, "a lost volume is a new node");

    // The others go on writing, and dial the address; the newcomer must not take the old one's place.
    crate::workflow::declare_apps(&cluster).await;
    let log = cluster.path(&format!("log-{}", cluster.leader().await));
    eventually("the leader was turned away", async || {
        let text = std::fs::read_to_string(&log).expect("the log is there");
        let refusal = format!("node id \\\"{old_id}\\\" is not");
        text.contains(&refusal).then_some(()).ok_or("not yet")
    })
    .await;
    let status = courier.status().await.expect("the status is served");
    assert_eq!((status.cluster_id, status.last_log_index), (None, 0));

    // Nor can it be told to begin anew while the others have their cluster.
    let mut body = cluster.initialise();
    let own = cluster.peer_address(follower);
    body.members.retain(|address| *address != own);
    body.members.insert(0, own);
    let refused = problem(courier.initialise(&body).await.expect_err("the others are not empty"));
    assert_eq!(
        (refused.kind(), refused.field.as_deref()),
        (Some(ProblemType::Conflict), Some("members"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_of_another_cluster_is_refused_at_start() {
    let mut cluster = Cluster::running(Settings::nodes(1)).await;
    cluster.process(0).stop("-TERM").await;
    let old = cluster.data_folder(0);
    let mut other = Cluster::prepare(Settings::nodes(1));
    std::fs::rename(&old, other.data_folder(0)).expect("the volume can be moved");
    other.start_node(0);
    let status = eventually("the node gives up", async || {
        other.process(0).ended().ok_or("still running")
    })
    .await;
    assert_eq!(status.code(), Some(1));
    let log = std::fs::read_to_string(other.path("log-0")).expect("the log is there");
    assert!(log.contains(cluster.id.as_str()), "the log names the cluster: {log}");
}
