//! Objects as people write them and admission stamps them; and the same, forged.

use confman_api::digest::{governance_digest, spec_digest};
use confman_api::ids::{ClusterId, Timestamp};
use confman_api::internal::{Decision, StampKey};
use confman_api::stamp::{GovernanceStatement, RequesterStatement, ReviewStatement, Signed, StampedUser};
use confman_crds::{ConfigNamespaceSpec, PublishRequest, PublishRequestSpec, RequestedBy, ReviewStamp};
use confman_operator::translate;
use ed25519_dalek::SigningKey;
use kube::ResourceExt as _;

const MONTH_MS: i64 = 30 * 24 * 3_600_000;

/// Signs like admission.
#[derive(Clone)]
pub(crate) struct Stamper {
    key: SigningKey,
}

impl Stamper {
    pub(crate) fn new() -> Self {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("randomness is there");
        Self {
            key: SigningKey::from_bytes(&seed),
        }
    }

    pub(crate) fn public(&self) -> StampKey {
        StampKey {
            key_id: "test".to_owned(),
            public_key: self.key.verifying_key().to_bytes().to_vec(),
            not_after: Timestamp::from_millis(now().as_millis() + MONTH_MS),
        }
    }

    /// The annotation of a namespace that `username` wrote, following the stamp in force.
    pub(crate) fn governance(
        &self,
        cluster_id: &str,
        (namespace, name): (&str, &str),
        spec: &ConfigNamespaceSpec,
        (username, in_force): (&str, Option<String>),
    ) -> String {
        let statement = GovernanceStatement {
            cluster_id: id(cluster_id),
            kubernetes_namespace: namespace.to_owned(),
            name: name.to_owned(),
            path: translate::path(spec).expect("a valid path"),
            governance_digest: governance_digest(&translate::governance(spec).expect("valid governance")),
            previous: in_force.map(|digest| digest.try_into().expect("a digest")),
            user: user(username),
            time: now(),
        };
        serde_json::to_string(&Signed::sign(statement, "test", &self.key)).expect("a stamp is JSON")
    }

    /// `requestedBy` of a request that `username` made.
    pub(crate) fn requester(
        &self,
        cluster_id: &str,
        (namespace, name): (&str, &str),
        spec: &PublishRequestSpec,
        username: &str,
    ) -> RequestedBy {
        let statement = RequesterStatement {
            cluster_id: id(cluster_id),
            kubernetes_namespace: namespace.to_owned(),
            name: name.to_owned(),
            spec_digest: spec_digest(&translate::request_spec(spec).expect("a valid spec")),
            user: user(username),
            nonce: uuid::Uuid::new_v4().simple().to_string(),
            time: now(),
        };
        translate::requested_by(&Signed::sign(statement, "test", &self.key))
    }

    /// The stamp of a review of `object` by `username`.
    pub(crate) fn review(&self, object: &PublishRequest, username: &str, decision: Decision) -> ReviewStamp {
        let requested_by = object.spec.requested_by.as_ref().expect("it is stamped");
        let digest = object
            .status
            .as_ref()
            .and_then(|status| status.digest.clone())
            .expect("it has a digest");
        let statement = ReviewStatement {
            cluster_id: id(&requested_by.cluster_id),
            object_uid: object.uid().expect("it is stored"),
            requester: requested_by.username.clone(),
            digest: digest.try_into().expect("a digest"),
            user: user(username),
            decision,
            comment: None,
            time: now(),
        };
        translate::review_stamp(&Signed::sign(statement, "test", &self.key))
    }
}

fn id(text: &str) -> ClusterId {
    ClusterId::parse(text).expect("a UID is an id")
}

fn user(username: &str) -> StampedUser {
    StampedUser {
        username: username.to_owned(),
        uid: None,
        groups: Vec::new(),
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}
