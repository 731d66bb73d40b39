//! How the cluster does, as its admins see it.

use confman_api::client::Client;
use confman_api::cluster::{ClusterMemberView, ClusterStatusView};
use confman_api::internal::MemberRole;
use confman_core::principal::Principal;

use crate::cluster::{Cluster, Settings};
use crate::wait::eventually;
use crate::workflow::{declare_apps, publish, reader};

/// Three nodes whose reader is an admin of `/`.
async fn administered() -> (Cluster, Client) {
    let cluster = running(Settings::nodes(3)).await;
    let admin = reader(&cluster, 0);
    (cluster, admin)
}

/// A cluster whose reader is an admin of `/`.
pub(crate) async fn running(settings: Settings) -> Cluster {
    let nodes = settings.nodes;
    let cluster = Cluster::start(settings);
    let mut body = cluster.initialise();
    body.root_admins.push(Principal::api_key("reader"));
    let courier = cluster.courier(0);
    eventually("the cluster is bootstrapped", async || courier.initialise(&body).await).await;
    for node in 0..nodes {
        cluster.wait_ready(node).await;
    }
    cluster
}

pub(crate) fn at<'s>(status: &'s ClusterStatusView, address: &str) -> &'s ClusterMemberView {
    let member = status.members.iter().find(|member| member.address == address);
    member.expect("a member at this address")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sees_every_member_how_far_it_is_and_which_one_does_not_answer() {
    let (mut cluster, admin) = administered().await;
    declare_apps(&cluster).await;
    let (_, index) = publish(&cluster, &cluster.courier_for_all(), "request-1", "colour", "\"blue\"").await;
    for node in 0..3 {
        cluster.wait_applied(node, index).await;
    }
    let status = admin.cluster_status().await.expect("the status is served");
    assert_eq!(status.cluster_id, cluster.id);
    assert!(status.committed_index >= index, "{status:?}");
    assert_eq!(status.node_id, at(&status, &cluster.peer_address(0)).node_id);
    for node in 0..3 {
        let member = at(&status, &cluster.peer_address(node));
        let leads = Some(&member.node_id) == status.leader.as_ref();
        assert_eq!(member.role == MemberRole::Leader, leads, "{status:?}");
        let report = member.report.as_ref().expect("it answers");
        assert_eq!(
            (report.version.as_str(), report.term),
            (env!("CARGO_PKG_VERSION"), status.term)
        );
        assert!(report.last_applied_index >= index && report.last_log_index >= report.last_applied_index);
        assert!(report.disk.free_bytes > 0 && report.disk.total_bytes >= report.disk.free_bytes);
    }

    cluster.kill(2);
    let status = admin.cluster_status().await.expect("the status is served");
    assert_eq!(at(&status, &cluster.peer_address(2)).report, None);
    assert!(at(&status, &cluster.peer_address(0)).report.is_some());
    assert!(at(&status, &cluster.peer_address(1)).report.is_some());
}
