//! Each situation of a cluster, and what is done about it.

use confman_api::ids::Timestamp;
use confman_api::internal::{MemberRole, StampKey};
use confman_crds::ConfmanCluster;
use serde_json::json;

use super::super::children::children;
use super::*;
use crate::courier::parse_elsewhere;

fn observed() -> Observed {
    let cluster = json!({"apiVersion": "confman.io/v1alpha1", "kind": "ConfmanCluster",
        "metadata": {"name": "demo", "namespace": "apps", "uid": "cluster-1"},
        "spec": {"replicas": 3, "image": "confman-node:1", "rootAdmins": ["user:platform"],
            "auth": {"apiKeysSecretRef": {"name": "keys"}}}});
    let cluster: ConfmanCluster = serde_json::from_value(cluster).expect("a cluster");
    let due = Some(children(&cluster));
    let nodes = parse_elsewhere("apps/demo=https://a:1|a:2,https://b:1|b:2,https://c:1|c:2").expect("addresses");
    Observed {
        cluster,
        nodes: nodes.nodes,
        authority: Kept::Ours,
        nodes_certificate: Kept::Ours,
        courier_certificate: Kept::Ours,
        token: Some("token".to_owned()),
        due,
        taken: Vec::new(),
        stamp_key: Some(Ok(StampKey {
            key_id: "one".to_owned(),
            public_key: vec![7; 32],
            not_after: Timestamp::from_millis(0),
        })),
        stamp_keys_end: None,
        api_keys: ApiKeys::Found,
        stateful_set: None,
        answers: vec![None, None, None],
    }
}

fn answer(leader: Option<&str>, cluster_id: Option<&str>) -> NodeStatus {
    NodeStatus {
        node_id: "1".to_owned(),
        cluster_id: cluster_id.map(|id| ClusterId::parse(id).expect("an id")),
        version: "0.1.0".to_owned(),
        role: MemberRole::Follower,
        term: 1,
        leader: leader.map(str::to_owned),
        last_log_index: 1,
        last_applied_index: 1,
        members: Vec::new(),
    }
}

/// Names of the steps, and the standing.
fn outline(observed: &Observed) -> String {
    let plan = plan(observed);
    let name = |step: &Step| match step {
        Step::MakeAuthority => "make CA".to_owned(),
        Step::MakeNodesCertificate => "make nodes' certificate".to_owned(),
        Step::MakeCourierCertificate => "make courier's certificate".to_owned(),
        Step::MakeToken => "make token".to_owned(),
        Step::Apply(objects) => format!("apply {}", objects.len()),
        Step::Initialise(body) => format!("initialise {}", body.members.join("+")),
        Step::DeleteToken => "delete token".to_owned(),
    };
    let steps: Vec<_> = plan.steps.iter().map(name).collect();
    format!("{} => {:?}", steps.join(", "), plan.standing)
}

#[test]
fn each_situation_has_its_steps() {
    let empty = Observed {
        authority: Kept::Missing,
        nodes_certificate: Kept::Missing,
        courier_certificate: Kept::Missing,
        token: None,
        ..observed()
    };
    let no_key = Observed {
        stamp_key: Some(Err(
            "ConfigMap confman-system/confman-stamp-keys has no stamp key".to_owned()
        )),
        ..observed()
    };
    let two_up = Observed {
        answers: vec![Some(answer(None, None)), None, Some(answer(None, None))],
        ..observed()
    };
    let all_up = Observed {
        answers: vec![Some(answer(None, None)); 3],
        ..observed()
    };
    // The status was not written before the operator ended: the nodes know.
    let unrecorded = Observed {
        answers: vec![Some(answer(Some("1"), Some("cluster-1"))); 3],
        stamp_key: None,
        ..observed()
    };
    let mut recorded = unrecorded.clone();
    recorded.cluster.status = Some(confman_crds::ConfmanClusterStatus {
        cluster_id: Some("cluster-1".to_owned()),
        ..Default::default()
    });
    let no_api_keys = Observed {
        api_keys: ApiKeys::Missing("keys".to_owned()),
        token: None,
        ..recorded.clone()
    };
    let anothers = Observed {
        authority: Kept::Anothers("cluster-0".to_owned()),
        ..observed()
    };
    let cut_off = Observed {
        authority: Kept::Missing,
        nodes_certificate: Kept::Outdated,
        courier_certificate: Kept::Outdated,
        ..observed()
    };
    let half_made = Observed {
        nodes_certificate: Kept::Outdated,
        courier_certificate: Kept::Outdated,
        ..observed()
    };
    let authority_gone = Observed {
        authority: Kept::Missing,
        nodes_certificate: Kept::Missing,
        ..recorded.clone()
    };
    let another_authority = Observed {
        nodes_certificate: Kept::Outdated,
        ..recorded.clone()
    };
    let courier_outdated = Observed {
        courier_certificate: Kept::Outdated,
        token: None,
        ..recorded.clone()
    };
    let foreign = Observed {
        authority: Kept::Foreign,
        taken: vec!["Secret demo-ca".to_owned(), "Service demo".to_owned()],
        ..observed()
    };
    let mut invalid = observed();
    invalid.cluster.spec.root_admins = vec!["platform".to_owned()];
    let situations = vec![
        ("empty", empty),
        ("no stamp key", no_key),
        ("two nodes up", two_up),
        ("all nodes up", all_up),
        ("bootstrapped, not recorded", unrecorded),
        ("bootstrapped", recorded),
        ("no API keys", no_api_keys),
        ("Secrets of another cluster", anothers),
        ("CA gone before bootstrap", cut_off),
        ("CA made, leaves of an earlier one", half_made),
        ("CA gone", authority_gone),
        ("CA of somebody else's making", another_authority),
        ("courier of an earlier CA", courier_outdated),
        ("names taken", foreign),
        ("invalid", invalid),
    ];
    let lines: Vec<_> = situations
        .iter()
        .map(|(name, observed)| format!("{name}: {}", outline(observed)))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_objects_of_a_cluster() {
    insta::assert_yaml_snapshot!(children(&observed().cluster));
}

#[test]
fn a_majority_must_follow_one_leader() {
    let one = Some(answer(Some("1"), None));
    let other = Some(answer(Some("2"), None));
    for (answers, available) in [
        (vec![one.clone(), one.clone(), None], true),
        (vec![one.clone(), None, None], false),
        (vec![one.clone(), other.clone(), None], false),
        (vec![one.clone(), other, one.clone()], true),
        (vec![one], true),
        (vec![None, None, None], false),
    ] {
        assert_eq!(is_available(&answers), available, "{answers:?}");
    }
}

#[test]
fn a_cluster_begins_with_the_identity_of_its_spec() {
    let with = |url: &str| {
        let mut observed = Observed {
            answers: vec![Some(answer(None, None)); 3],
            ..observed()
        };
        let identity = json!({"issuers": [{"realm": "corp", "url": url, "audiences": ["confman"]}]});
        observed.cluster.spec.identity = serde_json::from_value(identity).expect("an identity");
        plan(&observed)
    };
    let begun = with("https://login.example.com");
    let Some(Step::Initialise(body)) = begun.steps.last() else {
        unreachable!("{:?}", begun.steps);
    };
    let identity = &body.identity;
    assert_eq!(identity.issuers.len(), 1, "{identity:?}");
    assert_eq!(identity.issuers[0].realm, "corp");

    let plain = with("http://login.example.com");
    let Standing::Stalled(reason, message) = plain.standing else {
        unreachable!("{:?}", plain.standing);
    };
    assert_eq!((plain.steps.len(), reason), (0, "InvalidSpec"));
    assert!(
        message.starts_with("spec.identity.issuers[0].url: it must be"),
        "{message}"
    );
}
