//! Each situation of a request, what is done about it, and what its status says.

use std::collections::BTreeSet;

use confman_api::digest::Digest;
use confman_api::ids::{ConfigKey, LogPosition, NamespacePath, RequestId, Timestamp};
use confman_api::internal::{RequestState, Step};
use confman_crds::PublishRequest;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::super::execute::Done;
use super::super::refusals::Refusals;
use super::super::{events, status};
use super::*;

const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

fn review(reviewer: &str, decision: &str) -> Value {
    json!({"reviewer": reviewer, "decision": decision, "reviewedDigest": DIGEST, "stamp": {
        "username": reviewer, "clusterId": "cluster-1", "objectUid": "uid-1", "requester": "ada",
        "time": "2026-01-01T00:00:00Z", "keyId": "one", "signature": "c2lnbmVk"}})
}

fn observed(reviews: &[Value], view: View) -> Observed {
    let object = json!({"apiVersion": "confman.io/v1alpha1", "kind": "PublishRequest",
        "metadata": {"name": "change", "namespace": "apps", "uid": "uid-1", "generation": 1},
        "spec": {"namespaceRef": {"name": "payments"}, "key": "api-version", "operation": "Put", "text": "v2",
            "requestedBy": {"username": "ada", "clusterId": "cluster-1", "specDigest": DIGEST, "nonce": "n",
                "time": "2026-01-01T00:00:00Z", "keyId": "one", "signature": "c2lnbmVk"}},
        "status": {"reviews": reviews}});
    let object: PublishRequest = serde_json::from_value(object).expect("a request");
    Observed {
        object,
        id: RequestId::parse("uid-1").expect("an id"),
        view,
        revision: Some(7),
        refusals: Refusals::default().of("uid-1", Some(7)),
    }
}

fn known(state: RequestState, steps: &[(StepKind, &str)]) -> View {
    let step = |(index, (kind, actor)): (usize, &(StepKind, &str))| Step {
        kind: *kind,
        actor: Principal::user(actor),
        login: None,
        groups: BTreeSet::new(),
        at: Timestamp::from_millis(0),
        position: LogPosition {
            term: 1,
            index: index as u64 + 10,
        },
        comment: None,
    };
    let spec = serde_json::from_value(json!({"namespaceRef": "payments", "key": "api-version", "operation": "Put"}));
    View::Known(Box::new(Recorded {
        id: RequestId::parse("uid-1").expect("an id"),
        object: Some(confman_api::internal::RequestObject {
            kubernetes_namespace: "apps".to_owned(),
            name: "change".to_owned(),
            requested_by_username: "ada".to_owned(),
        }),
        namespace: NamespacePath::parse("/teams/payments").expect("a path"),
        subject: confman_api::internal::Subject::Key(confman_api::internal::RequestSpec {
            key: ConfigKey::parse("api-version").expect("a key"),
            ..spec.expect("a spec")
        }),
        value: None,
        spec_digest: Digest::ZERO,
        digest: Digest::parse(DIGEST).expect("a digest"),
        base_version: 0,
        requested_by: Principal::user("ada"),
        contributors: [Principal::user("ada")].into(),
        required_approvals: 2,
        state,
        steps: steps.iter().enumerate().map(step).collect(),
        published_version: (state == RequestState::Published).then_some(1),
        resubmits: None,
        is_sensitive: false,
        waits_for_publisher: false,
    }))
}

fn outline(observed: &Observed) -> String {
    let relay = |relay: &Relay| match relay {
        Relay::Review(review, _) => format!("relay {} by {}", review.decision, review.reviewer),
        Relay::Withdraw(review, _) => format!("withdraw by {}", review.reviewer),
        Relay::Refused(refused) => format!("refused {} of {}", refused.reason, refused.reviewer),
    };
    match plan(observed) {
        Plan::Nothing => "nothing".to_owned(),
        Plan::Wait(reason, _) => format!("wait: {reason}"),
        Plan::Stall(reason, message) => format!("stall: {reason}: {message}"),
        Plan::Submit(command) => format!("submit {}", command.request_id),
        Plan::Relay(relays) => format!("[{}]", relays.iter().map(relay).collect::<Vec<_>>().join(", ")),
    }
}

#[test]
fn each_situation_has_its_commands() {
    use RequestState::{PendingReview, Published};
    use StepKind::{Approved, Submitted};
    let submitted: &[_] = &[(Submitted, "ada")];
    let approved: &[_] = &[(Submitted, "ada"), (Approved, "bob")];
    let bob = review("bob", "Approve");
    let mut masked = review("bob", "Approve");
    masked["reviewer"] = json!("cleo");
    let mut unstamped = review("dan", "Approve");
    unstamped["stamp"] = Value::Null;
    let mut bare = observed(&[], View::Unknown);
    bare.object.spec.requested_by = None;
    let mut invalid = observed(&[], View::Unknown);
    invalid.object.spec.text = None;
    let mut told = observed(std::slice::from_ref(&masked), known(Published, approved));
    if let Some(status) = &mut told.object.status {
        let review = status.reviews[0].clone();
        status.refused_reviews = vec![refused(&review, "SelfApproval", "as it was")];
    }
    let situations = [
        (
            "cluster missing",
            observed(&[], View::NotYet("ClusterMissing", String::new())),
        ),
        ("unknown", observed(&[], View::Unknown)),
        ("no stamp", bare),
        ("no value", invalid),
        ("no reviews", observed(&[], known(PendingReview, submitted))),
        (
            "new review",
            observed(std::slice::from_ref(&bob), known(PendingReview, submitted)),
        ),
        (
            "recorded review",
            observed(std::slice::from_ref(&bob), known(PendingReview, approved)),
        ),
        (
            "changed mind",
            observed(&[review("bob", "Reject")], known(PendingReview, approved)),
        ),
        (
            "second review",
            observed(&[bob, review("cleo", "Approve")], known(PendingReview, approved)),
        ),
        (
            "withdrawn",
            observed(&[review("ada", "Withdraw")], known(PendingReview, submitted)),
        ),
        ("another's stamp", observed(&[masked], known(PendingReview, submitted))),
        (
            "no stamp on review",
            observed(&[unstamped], known(PendingReview, submitted)),
        ),
        ("too late, already told", told),
    ];
    let lines: Vec<_> = situations
        .iter()
        .map(|(name, observed)| format!("{name}: {}", outline(observed)))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn each_state_has_its_status() {
    use StepKind::{Approved, Published, Rejected, Submitted, Superseded, Withdrawn};
    let ends: &[(RequestState, &[(StepKind, &str)])] = &[
        (RequestState::PendingReview, &[(Submitted, "ada"), (Approved, "bob")]),
        (
            RequestState::Published,
            &[
                (Submitted, "ada"),
                (Approved, "bob"),
                (Approved, "cleo"),
                (Published, "cleo"),
            ],
        ),
        (RequestState::Published, &[(Submitted, "ada"), (Published, "ada")]),
        (RequestState::Rejected, &[(Submitted, "ada"), (Rejected, "bob")]),
        (RequestState::Withdrawn, &[(Submitted, "ada"), (Withdrawn, "ada")]),
        (RequestState::Superseded, &[(Submitted, "ada"), (Superseded, "bob")]),
    ];
    let lines: Vec<_> = ends
        .iter()
        .map(|(state, steps)| said_of(&observed(&[], known(*state, steps))))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_manifest_that_was_published_before_is_ready() {
    let steps = &[(StepKind::Submitted, "ada"), (StepKind::Superseded, "ada")];
    let mut again = known(RequestState::Superseded, steps);
    if let View::Known(request) = &mut again {
        request.published_version = Some(3);
    }
    insta::assert_snapshot!(said_of(&observed(&[], again)));
}

/// State, conditions and events of a request that the cluster knows.
fn said_of(observed: &Observed) -> String {
    let View::Known(request) = &observed.view else {
        return "the cluster does not know it".to_owned();
    };
    let done = Done {
        request: Some(request.as_ref().clone()),
        ..Done::default()
    };
    let now = Time(jiff::Timestamp::UNIX_EPOCH);
    let next = status::status(observed, &plan(observed), &done, &now).expect("there is something to say");
    let mut lines = vec![request.state.to_string()];
    for condition in &next.conditions {
        let (type_, status) = (&condition.type_, &condition.status);
        lines.push(format!(
            "  {type_}={status} {}: {}",
            condition.reason, condition.message
        ));
    }
    let told = events::events(&observed.object.status.clone().unwrap_or_default(), &next);
    lines.extend(
        told.iter()
            .map(|happened| format!("  event {}: {}", happened.reason, happened.note)),
    );
    lines.join("\n")
}

#[test]
fn a_cluster_that_cannot_be_asked_has_not_forgotten() {
    let mut observed = observed(&[], View::NotYet("ClusterUnavailable", String::new()));
    let now = Time(jiff::Timestamp::UNIX_EPOCH);
    let said = |observed: &Observed| status::status(observed, &plan(observed), &Done::default(), &now);
    assert!(
        said(&observed).is_some(),
        "before the first answer it says that it waits"
    );
    if let Some(status) = &mut observed.object.status {
        status.state = Some("PendingReview".to_owned());
    }
    assert_eq!(said(&observed), None);
}
