//! What a test plays in: a Kubernetes namespace with a cluster, a config namespace, and people with different rights.
//!
//! ada edits and may approve, bob and cleo approve, dan edits only, mallory may do nothing, platform governs.

use confman_api::internal::StampKey;
use confman_crds::PublishRequest;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::service::{WITHOUT_WEBHOOK, account, serving};
use crate::wait::eventually;

pub(crate) const DIGEST: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";

pub(crate) struct World {
    pub(crate) namespace: String,
}

/// The webhooks that are registered.
pub(crate) async fn webhooks(client: &Client) -> Vec<MutatingWebhook> {
    let api = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let found = api.get("confman-admission").await.expect("it is installed");
    found.webhooks.unwrap_or_default()
}

/// What the API server said no with.
pub(crate) fn refusal<T: std::fmt::Debug>(result: kube::Result<T>) -> String {
    let error = result.expect_err("it must be refused");
    let kube::Error::Api(status) = &error else {
        return format!("no refusal, but {error:?}");
    };
    status.message.clone()
}

/// A valid spec.
pub(crate) fn spec() -> Value {
    json!({"namespaceRef": {"name": "payments"}, "key": "api-version", "operation": "Put", "text": "v2"})
}

impl World {
    /// With cluster and config namespace.
    pub(crate) async fn new() -> Self {
        let world = Self::empty().await;
        world.create_cluster().await;
        world
            .create("platform", "confignamespaces", "payments", Self::payments())
            .await
            .expect("platform governs");
        world
    }

    /// With people only.
    pub(crate) async fn empty() -> Self {
        serving().await;
        let client = crate::kubernetes::client("admin").await;
        let namespace = crate::kubernetes::namespace(&client).await;
        let world = Self { namespace };
        for (role, people) in [
            ("confman-edit", &["ada", "bob", "cleo", "dan"][..]),
            ("confman-reviewer", &["ada", "bob", "cleo"][..]),
        ] {
            world.bind(role, people).await;
        }
        world.wait_right("dan", "create", "publishrequests").await;
        world.wait_right("cleo", "approve", "confignamespaces").await;
        world
    }

    /// Waits until the API server knows that `user` may `verb` our `resource` here: it takes roles up a moment after they are stored.
    async fn wait_right(&self, user: &str, verb: &str, resource: &str) {
        let asked = json!({"metadata": {}, "spec": {"user": user, "resourceAttributes": {
            "namespace": self.namespace, "group": "confman.io", "resource": resource, "verb": verb}}});
        let asked: SubjectAccessReview = serde_json::from_value(asked).expect("a question");
        let api = Api::all(crate::kubernetes::client("admin").await);
        eventually(&format!("{user} may {verb} {resource}"), async || {
            let answer = api.create(&PostParams::default(), &asked).await;
            let status = answer.expect("it is answered").status.unwrap_or_default();
            if status.allowed { Ok(()) } else { Err(status) }
        })
        .await;
    }

    /// Where the API server does not call the webhook.
    pub(crate) async fn without_webhook() -> Self {
        let world = Self::empty().await;
        world.label(json!("true")).await;
        world
    }

    /// From now on the API server calls the webhook here, as everywhere.
    pub(crate) async fn with_webhook(&self) {
        self.label(Value::Null).await;
    }

    async fn label(&self, value: Value) {
        let api = Api::<Namespace>::all(crate::kubernetes::client("admin").await);
        let label = json!({"metadata": {"labels": {WITHOUT_WEBHOOK: value}}});
        api.patch(&self.namespace, &PatchParams::default(), &Patch::Merge(&label))
            .await
            .expect("it can be labelled");
    }

    /// Gives `people` a role of the whole Kubernetes here.
    pub(crate) async fn bind(&self, role: &str, people: &[&str]) {
        let subjects: Vec<_> = people
            .iter()
            .map(|name| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}))
            .collect();
        let binding = json!({"metadata": {"name": role}, "subjects": subjects,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}});
        let binding: RoleBinding = serde_json::from_value(binding).expect("a binding");
        let api = Api::namespaced(crate::kubernetes::client("admin").await, &self.namespace);
        api.create(&PostParams::default(), &binding)
            .await
            .expect("it can be bound");
    }

    /// Lets somebody write config namespaces and clusters here, status too, but not govern or manage.
    pub(crate) async fn may_write_namespaces(&self, user: &str) {
        let role = json!({"metadata": {"name": "writer"}, "rules": [{"apiGroups": ["confman.io"], "verbs": ["get", "create",
            "update", "patch", "delete"], "resources": ["confignamespaces", "confignamespaces/status", "confmanclusters",
            "confmanclusters/status"]}]});
        let role: Role = serde_json::from_value(role).expect("a role");
        let binding = json!({"metadata": {"name": "writer"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "writer"}});
        let binding: RoleBinding = serde_json::from_value(binding).expect("a binding");
        let params = PostParams::default();
        self.api("admin")
            .await
            .create(&params, &role)
            .await
            .expect("it can be made");
        self.api("admin")
            .await
            .create(&params, &binding)
            .await
            .expect("it can be bound");
        self.wait_right(user, "delete", "confignamespaces").await;
    }

    pub(crate) async fn create_cluster(&self) {
        let spec = json!({"replicas": 1, "image": "localhost/confman-node:dev", "rootAdmins": ["user:platform"]});
        self.create("platform", "confmanclusters", "demo", spec)
            .await
            .expect("platform may make clusters");
    }

    pub(crate) fn payments() -> Value {
        json!({"clusterRef": {"name": "demo"}, "path": "/teams/payments",
            "roles": {"editor": ["user:ada"], "publisher": ["user:bob", "user:cleo"]},
            "workflow": {"requireApproval": true, "minApprovers": 1}})
    }

    pub(crate) async fn api<K>(&self, user: &str) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(crate::kubernetes::client(user).await, &self.namespace)
    }

    /// Makes an object as `user`, from the bytes that a person would send.
    pub(crate) async fn create(&self, user: &str, plural: &str, name: &str, spec: Value) -> kube::Result<Value> {
        let text = json!({"metadata": {"name": name}, "spec": spec}).to_string();
        self.post(user, plural, text, "").await
    }

    /// Posts the text of an object.
    pub(crate) async fn post(&self, user: &str, plural: &str, text: String, query: &str) -> kube::Result<Value> {
        let kind = match plural {
            "confmanclusters" => "ConfmanCluster",
            "confignamespaces" => "ConfigNamespace",
            _ => "PublishRequest",
        };
        let head = format!(r#"{{"apiVersion":"confman.io/v1alpha1","kind":"{kind}","#);
        let body = text.replacen('{', &head, 1).into_bytes();
        let path = format!(
            "/apis/confman.io/v1alpha1/namespaces/{}/{plural}?{query}",
            self.namespace
        );
        let request = http::Request::post(path).header("content-type", "application/json");
        let client = crate::kubernetes::client(user).await;
        client.request(request.body(body).expect("a request")).await
    }

    /// Makes a request as `user`.
    pub(crate) async fn ask(&self, user: &str, name: &str) -> PublishRequest {
        let made = self.create(user, "publishrequests", name, spec()).await;
        serde_json::from_value(made.expect("it is admitted")).expect("a request")
    }

    /// Makes a request of ada's that the cluster has accepted, as the operator says.
    pub(crate) async fn accepted(&self, name: &str) -> PublishRequest {
        self.ask("ada", name).await;
        self.say(name, json!({"state": "PendingReview", "digest": DIGEST}))
            .await
    }

    /// The operator writes status.
    pub(crate) async fn say(&self, name: &str, status: Value) -> PublishRequest {
        let client = Client::try_from(account("confman-operator").await).expect("a client can be built");
        let api = Api::<PublishRequest>::namespaced(client, &self.namespace);
        let patch = Patch::Merge(json!({"status": status}));
        let written = api.patch_status(name, &PatchParams::default(), &patch).await;
        written.expect("the operator may write status")
    }

    /// Changes status as `user`, by JSON patch.
    pub(crate) async fn patch(&self, user: &str, name: &str, patch: Value) -> kube::Result<PublishRequest> {
        let api = self.api::<PublishRequest>(user).await;
        let patch: Patch<()> = Patch::Json(serde_json::from_value(patch).expect("a JSON patch"));
        api.patch_status(name, &PatchParams::default(), &patch).await
    }

    /// Adds a review as `user`, with `more` over what is usual.
    pub(crate) async fn review(&self, user: &str, name: &str, more: Value) -> kube::Result<PublishRequest> {
        let mut review = json!({"reviewer": user, "decision": "Approve", "reviewedDigest": DIGEST});
        for (field, value) in more.as_object().expect("fields") {
            review[field] = value.clone();
        }
        let patch = json!([{"op": "add", "path": "/status/reviews/-", "value": review}]);
        self.patch(user, name, patch).await
    }

    /// The public key that stamps verify with.
    pub(crate) async fn stamp_key(&self) -> StampKey {
        let client = crate::kubernetes::client("admin").await;
        let api = Api::<ConfigMap>::namespaced(client, "confman-system");
        let map = api.get("confman-stamp-keys").await.expect("admission has published it");
        let text = map.data.expect("data").remove("keys.json").expect("the entry");
        let mut keys: Vec<StampKey> = serde_json::from_str(&text).expect("keys");
        assert_eq!(keys.len(), 1, "two replicas begin with one key");
        keys.remove(0)
    }
}
