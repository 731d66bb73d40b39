//! What a test plays in: a Kubernetes namespace, an operator for it, nodes, and people.

use confman_api::client::{ClientOptions, CourierClient, Credential};
use confman_api::digest::Digest;
use confman_api::ids::{ConfigKey, NamespacePath};
use confman_api::internal::Decision;
use confman_api::reading::Consistency;
use confman_crds::{ConfigNamespace, ConfmanCluster, PublishRequest, PublishRequestSpec};
use confman_operator::args::RunArgs;
use confman_operator::courier::Couriers;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::nodes::Nodes;
use crate::people::Stamper;
use crate::rights;
use crate::wait::eventually;

/// The API key of the reader.
const READER: &str = "confman_test_0123456789abcdef0123456789abcdef";
pub(crate) const CLUSTER: &str = "demo";

pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) nodes: Nodes,
    pub(crate) stamper: Stamper,
    count: u8,
    operator: Option<Operator>,
}

/// An operator that runs in this process.
pub(crate) struct Operator {
    stop: CancellationToken,
    ended: JoinHandle<anyhow::Result<()>>,
}

impl Operator {
    /// Asks it to stop, as SIGTERM does, and waits.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.ended.await.expect("it does not panic").expect("it ends well");
    }

    /// Ends it at whatever it is doing.
    pub(crate) fn kill(self) {
        self.ended.abort();
    }
}

impl World {
    /// A Kubernetes namespace that an operator may work in; none does yet.
    pub(crate) async fn empty(count: u8) -> Self {
        let world = Self::closed(count).await;
        rights::let_in(&world.client, &world.namespace).await;
        world
    }

    /// A Kubernetes namespace that nobody has let the operator in yet.
    pub(crate) async fn closed(count: u8) -> Self {
        let client = crate::kubernetes::client("admin").await;
        let namespace = crate::kubernetes::namespace(&client).await;
        rights::install(&client, &namespace).await;
        Self {
            client,
            namespace,
            nodes: Nodes::new(count),
            stamper: Stamper::new(),
            count,
            operator: None,
        }
    }

    /// A bootstrapped cluster with the namespace `/teams/payments`: ada edits, bob and cleo publish.
    pub(crate) async fn serving(count: u8) -> Self {
        let world = Self::bootstrapped(count, json!({})).await;
        world.create_namespace("payments", "/teams/payments", "platform").await;
        world.wait_namespace("payments", "Ready").await;
        world
    }

    /// A cluster that is ready, whose spec has `more` in it.
    pub(crate) async fn bootstrapped(count: u8, more: Value) -> Self {
        let mut world = Self::empty(count).await;
        world.write_keys().await;
        world.operator = Some(world.start_operator("one").await);
        world.create_cluster(more).await;
        world.start_nodes().await;
        world.wait_cluster("Ready", "True").await;
        world
    }

    /// Stamp keys as admission publishes them, and the Secret with API keys.
    pub(crate) async fn write_keys(&self) {
        let map = json!({"metadata": {"name": "confman-stamp-keys"},
            "data": {"keys.json": json!([self.stamper.public()]).to_string()}});
        let map: ConfigMap = serde_json::from_value(map).expect("a ConfigMap");
        self.api()
            .create(&PostParams::default(), &map)
            .await
            .expect("it can be made");
        let secret = json!({"metadata": {"name": "api-keys"},
            "stringData": {"reader": Digest::of(READER.as_bytes()).to_string()}});
        let secret: Secret = serde_json::from_value(secret).expect("a Secret");
        self.api()
            .create(&PostParams::default(), &secret)
            .await
            .expect("it can be made");
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Starts an operator for this world's Kubernetes namespace only.
    pub(crate) async fn start_operator(&self, identity: &str) -> Operator {
        let args = RunArgs {
            namespace: self.namespace.clone(),
            watch_namespace: Some(self.namespace.clone()),
            identity: identity.to_owned(),
            observe_address: ([127, 0, 0, 1], 0).into(),
            nodes: vec![self.nodes.elsewhere(&self.namespace, CLUSTER)],
        };
        let stop = CancellationToken::new();
        let config = rights::config(&self.namespace).await;
        let ended = tokio::spawn(confman_operator::run::operate(config, args, stop.clone()));
        Operator { stop, ended }
    }

    pub(crate) async fn restart_operator(&mut self) {
        if let Some(operator) = self.operator.take() {
            operator.stop().await;
        }
        self.operator = Some(self.start_operator("again").await);
    }

    pub(crate) fn keep_operator(&mut self, operator: Operator) {
        self.operator = Some(operator);
    }

    pub(crate) async fn stop_operator(&mut self) {
        if let Some(operator) = self.operator.take() {
            operator.stop().await;
        }
    }

    pub(crate) async fn create_cluster(&self, more: Value) -> ConfmanCluster {
        let mut object = json!({"metadata": {"name": CLUSTER}, "spec": {
            "replicas": self.count, "image": "localhost/confman-node:dev", "rootAdmins": ["user:platform"],
            "auth": {"apiKeysSecretRef": {"name": "api-keys"}}}});
        merge(&mut object["spec"], more);

        object["apiVersion"] = json!("confman.io/v1alpha1");
        object["kind"] = json!("ConfmanCluster");
        let object: ConfmanCluster = serde_json::from_value(object).expect("a cluster");
        self.api()
            .create(&PostParams::default(), &object)
            .await
            .expect("it can be made")
    }

    pub(crate) async fn start_nodes(&mut self) {
        let (client, namespace) = (self.client.clone(), self.namespace.clone());
        let uid = self.cluster_id().await;
        self.nodes.start(&client, &namespace, CLUSTER, &uid).await;
    }

    pub(crate) async fn cluster_id(&self) -> String {
        let cluster = self.api::<ConfmanCluster>().get(CLUSTER).await.expect("it is there");
        cluster.uid().expect("it is stored")
    }

    pub(crate) async fn create_namespace(&self, name: &str, path: &str, author: &str) -> ConfigNamespace {
        let object = json!({"apiVersion": "confman.io/v1alpha1", "kind": "ConfigNamespace", "metadata": {"name": name},
            "spec": {"clusterRef": {"name": CLUSTER}, "path": path, "roles": {
                "viewer": ["key:reader"], "editor": ["user:ada"], "publisher": ["user:bob", "user:cleo"]},
                "workflow": {"minApprovers": 1}}});
        let mut object: ConfigNamespace = serde_json::from_value(object).expect("a namespace");
        let stamp = self.governance_stamp(&object, author).await;
        object
            .annotations_mut()
            .insert(confman_crds::GOVERNANCE_STAMP.to_owned(), stamp);
        self.api()
            .create(&PostParams::default(), &object)
            .await
            .expect("it can be made")
    }

    /// Stamps the namespace `name` anew, as admission does when `author` asks for it.
    pub(crate) async fn stamp_again(&self, name: &str, author: &str) {
        let api = self.api::<ConfigNamespace>();
        let object = api.get(name).await.expect("it is there");
        let stamp = self.governance_stamp(&object, author).await;
        let patch = json!({"metadata": {"annotations": {confman_crds::GOVERNANCE_STAMP: stamp}}});
        let stamped = api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
        stamped.expect("it can be annotated");
    }

    async fn governance_stamp(&self, object: &ConfigNamespace, author: &str) -> String {
        let id = self.cluster_id().await;
        let in_force = object
            .status
            .as_ref()
            .and_then(|status| status.governance_stamp.clone());
        let name = object.name_any();
        self.stamper
            .governance(&id, (&self.namespace, &name), &object.spec, (author, in_force))
    }

    /// The request `name` that `requester` makes: publish `value` at `api-version`.
    pub(crate) async fn create_request(&self, name: &str, requester: &str, value: &str) -> PublishRequest {
        let mut spec = request_spec(value);
        let id = self.cluster_id().await;
        spec.requested_by = Some(self.stamper.requester(&id, (&self.namespace, name), &spec, requester));
        self.create_request_of(name, spec).await.expect("it can be made")
    }

    pub(crate) async fn create_request_of(&self, name: &str, spec: PublishRequestSpec) -> kube::Result<PublishRequest> {
        self.api()
            .create(&PostParams::default(), &PublishRequest::new(name, spec))
            .await
    }

    pub(crate) async fn request(&self, name: &str) -> PublishRequest {
        self.api::<PublishRequest>().get(name).await.expect("it is there")
    }

    /// Adds a stamped review, as admission lets it through.
    pub(crate) async fn review(&self, name: &str, reviewer: &str, decision: Decision) -> kube::Result<PublishRequest> {
        let object = self.request(name).await;
        let stamp = self.stamper.review(&object, reviewer, decision);
        self.add_review(
            &object,
            json!({"reviewer": reviewer, "decision": decision.to_string(), "stamp": stamp}),
        )
        .await
    }

    /// Adds `review` to the status of `object`, whatever it says.
    pub(crate) async fn add_review(&self, object: &PublishRequest, mut review: Value) -> kube::Result<PublishRequest> {
        if review.get("reviewedDigest").is_none() {
            review["reviewedDigest"] = json!(object.status.as_ref().and_then(|status| status.digest.clone()));
        }
        let patch = json!([{"op": "add", "path": "/status/reviews/-", "value": review}]);
        let patch = Patch::Json::<()>(serde_json::from_value(patch).expect("a JSON patch"));
        let api = self.api::<PublishRequest>();
        api.patch_status(&object.name_any(), &PatchParams::default(), &patch)
            .await
    }

    pub(crate) async fn wait_state(&self, name: &str, state: &str) -> PublishRequest {
        eventually(&format!("{name} is {state}"), async || {
            let object = self.request(name).await;
            let status = object.status.clone().unwrap_or_default();
            if status.state.as_deref() == Some(state) {
                Ok(object)
            } else {
                Err(status)
            }
        })
        .await
    }

    /// Waits until the request has a condition with this reason, and gives its message.
    pub(crate) async fn wait_reason(&self, name: &str, reason: &str) -> String {
        eventually(&format!("{name} says {reason}"), async || {
            let status = self.request(name).await.status.unwrap_or_default();
            let found = status.conditions.iter().find(|condition| condition.reason == reason);
            found
                .map(|condition| condition.message.clone())
                .ok_or(status.conditions)
        })
        .await
    }

    pub(crate) async fn wait_cluster(&self, type_: &str, status: &str) -> ConfmanCluster {
        eventually(&format!("the cluster is {type_}={status}"), async || {
            let object = self.api::<ConfmanCluster>().get(CLUSTER).await.expect("it is there");
            let conditions = object.status.clone().unwrap_or_default().conditions;
            if has(&conditions, type_, status) {
                Ok(object)
            } else {
                Err(conditions)
            }
        })
        .await
    }

    pub(crate) async fn wait_namespace(&self, name: &str, type_: &str) -> ConfigNamespace {
        eventually(&format!("{name} is {type_}"), async || {
            let object = self.api::<ConfigNamespace>().get(name).await.expect("it is there");
            let conditions = object.status.clone().unwrap_or_default().conditions;
            if has(&conditions, type_, "True") {
                Ok(object)
            } else {
                Err(conditions)
            }
        })
        .await
    }

    /// The operator's own view of the cluster.
    pub(crate) async fn courier(&self) -> CourierClient {
        let couriers = Couriers::new(
            self.client.clone(),
            vec![self.nodes.elsewhere(&self.namespace, CLUSTER)],
        );
        let cluster = self.api::<ConfmanCluster>().get(CLUSTER).await.expect("it is there");
        couriers.get(&cluster).await.expect("there is a courier")
    }

    /// What a pod reads over HTTP.
    pub(crate) async fn read(&self, key: &str) -> Option<Value> {
        let options = ClientOptions {
            endpoints: (0..self.count).map(|ordinal| self.nodes.http_url(ordinal)).collect(),
            credential: Credential::ApiKey(READER.to_owned()),
            ca_pem: None,
            timeout: std::time::Duration::from_secs(5),
        };
        let client = confman_api::client::Client::new(&options).expect("a client can be built");
        let client = client.with_consistency(Consistency::Linearizable);
        let path = NamespacePath::parse("/teams/payments").expect("a path");
        let key = ConfigKey::parse(key).expect("a key");
        let view = client.value(&path, &key).await.expect("it can be read");
        view.map(|view| serde_json::to_value(view).expect("a view is JSON"))
    }
}

/// A change of `api-version`.
pub(crate) fn request_spec(value: &str) -> PublishRequestSpec {
    let spec = json!({"namespaceRef": {"name": "payments"}, "key": "api-version", "operation": "Put", "text": value,
        "reason": "a test"});
    serde_json::from_value(spec).expect("a spec")
}

pub(crate) fn has(conditions: &[Condition], type_: &str, status: &str) -> bool {
    conditions
        .iter()
        .any(|condition| condition.type_ == type_ && condition.status == status)
}

fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}
