//! The admission service and the people behind it: stamped declarations, requests and reviews.

use std::collections::{BTreeMap, BTreeSet};

use confman_core::access::Role;
use confman_core::cluster::StampKey;
use confman_core::digest::{governance_digest, spec_digest};
use confman_core::ids::{ClusterId, ConfigKey, NamespacePath, RequestId, Timestamp};
use confman_core::namespace::{Claim, Governance, NamespaceSettings, Workflow};
use confman_core::principal::Principal;
use confman_core::proposal::{DeclareNamespace, Review, ReviewRequest, SubmitRequest};
use confman_core::publish_request::{Decision, Operation, PublishRequest, RequestSpec};
use confman_core::stamp::{GovernanceStatement, RequesterStatement, ReviewStatement, Signed, StampedUser, Statement};
use confman_core::value::ConfigValue;
use ed25519_dalek::SigningKey;

const KEY_ID: &str = "stamp-1";
const KUBERNETES_NAMESPACE: &str = "confman";

/// Signs what people ask for.
pub(crate) struct Stamper {
    cluster_id: ClusterId,
    key: SigningKey,
}

impl Stamper {
    pub(crate) fn new(cluster_id: &ClusterId) -> Self {
        let mut seed = [7; 32];
        seed[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        Self {
            cluster_id: cluster_id.clone(),
            key: SigningKey::from_bytes(&seed),
        }
    }

    /// The public key as the cluster learns it.
    pub(crate) fn key(&self, not_after: Timestamp) -> StampKey {
        StampKey {
            key_id: KEY_ID.to_owned(),
            public_key: self.key.verifying_key().to_bytes().to_vec(),
            not_after,
        }
    }

    fn sign<S: Statement>(&self, statement: S) -> Signed<S> {
        Signed::sign(statement, KEY_ID, &self.key)
    }

    /// A declaration of `path` by the object `name`, asked for by `root`.
    pub(crate) fn declare(
        &self,
        name: &str,
        path: &str,
        roles: &[(Role, &str)],
        workflow: Option<Workflow>,
    ) -> DeclareNamespace {
        let mut assignments: BTreeMap<Role, BTreeSet<Principal>> = BTreeMap::new();
        for (role, subject) in roles {
            let subject = Principal::parse(subject).expect("a valid subject");
            assignments.entry(*role).or_default().insert(subject);
        }
        let governance = Governance {
            roles: assignments,
            workflow,
            ..Governance::inherited()
        };
        self.declare_governed(name, path, governance)
    }

    /// A declaration of the namespace at `path` with `governance`, by root.
    pub(crate) fn declare_governed(&self, name: &str, path: &str, governance: Governance) -> DeclareNamespace {
        let path = NamespacePath::parse(path).expect("a valid path");
        let stamp = self.sign(GovernanceStatement {
            cluster_id: self.cluster_id.clone(),
            kubernetes_namespace: KUBERNETES_NAMESPACE.to_owned(),
            name: name.to_owned(),
            path: path.clone(),
            governance_digest: governance_digest(&governance),
            previous: None,
            user: user("root"),
            time: confman_node::propose::now(),
        });
        DeclareNamespace {
            claim: Claim {
                kubernetes_namespace: KUBERNETES_NAMESPACE.to_owned(),
                name: name.to_owned(),
                uid: format!("uid-{name}"),
            },
            path,
            settings: NamespaceSettings::governed(governance),
            governance: stamp,
        }
    }

    /// A request by `who` to put `json` under `key` of the namespace that the object `namespace_ref` declares.
    pub(crate) fn submit(&self, id: &str, who: &str, (namespace_ref, key): (&str, &str), json: &str) -> SubmitRequest {
        let spec = RequestSpec {
            namespace_ref: namespace_ref.to_owned(),
            key: ConfigKey::parse(key).expect("a valid key"),
            operation: Operation::Put,
            value: Some(ConfigValue::from_json_text(json).expect("valid JSON")),
            expected_version: None,
            reason: Some("because".to_owned()),
            on_behalf_of: BTreeSet::new(),
            to_version: None,
            draft: None,
        };
        let requester = self.sign(RequesterStatement {
            cluster_id: self.cluster_id.clone(),
            kubernetes_namespace: KUBERNETES_NAMESPACE.to_owned(),
            name: id.to_owned(),
            spec_digest: spec_digest(&spec),
            user: user(who),
            nonce: uuid::Uuid::new_v4().simple().to_string(),
            time: confman_node::propose::now(),
        });
        SubmitRequest {
            request_id: RequestId::parse(id).expect("a valid id"),
            spec,
            requester,
            verdict: None,
        }
    }

    /// A review of `request` by `who`.
    pub(crate) fn review(&self, request: &PublishRequest, who: &str, decision: Decision) -> ReviewRequest {
        let review = self.sign(ReviewStatement {
            cluster_id: self.cluster_id.clone(),
            object_uid: request.id.to_string(),
            requester: request
                .object
                .as_ref()
                .map_or_else(String::new, |object| object.requested_by_username.clone()),
            digest: request.digest,
            user: user(who),
            decision,
            comment: None,
            time: confman_node::propose::now(),
        });
        ReviewRequest {
            request_id: request.id.clone(),
            review: Review::Stamped(Box::new(review)),
            verdict: None,
        }
    }
}

fn user(name: &str) -> StampedUser {
    StampedUser {
        username: name.to_owned(),
        uid: None,
        groups: Vec::new(),
    }
}
