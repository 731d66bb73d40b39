//! The admission service as it is installed: manifests applied, two replicas on loopback, with their own rights only.

use std::net::TcpListener as StdListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use confman_operator::admission::{Listeners, operate};
use confman_operator::args::AdmissionArgs;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client, Config, ResourceExt as _};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::wait::eventually;

/// Label of Kubernetes namespaces that the webhook does not see here, to try the layers behind it alone.
pub(crate) const WITHOUT_WEBHOOK: &str = "confman.test/without-webhook";
const REPLICAS: usize = 2;

static SERVING: OnceCell<()> = OnceCell::const_new();

/// Waits until everything is installed and admission answers.
pub(crate) async fn serving() {
    SERVING.get_or_init(start).await;
}

/// How to reach the API server as a ServiceAccount of ours.
pub(crate) async fn account(name: &str) -> Config {
    let mut config = crate::kubernetes::config("admin").await;
    config.auth_info.impersonate = Some(format!("system:serviceaccount:confman-system:{name}"));
    config
}

async fn start() {
    let client = crate::kubernetes::client("admin").await;
    let listeners: Vec<_> = (0..REPLICAS).map(|_| (listener(), listener())).collect();
    let urls: Vec<_> = listeners
        .iter()
        .map(|(webhook, _)| format!("https://{}/review", webhook.local_addr().expect("it is bound")))
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/install");
    let mut pieces: Vec<_> = std::fs::read_dir(folder)
        .expect("the manifests are there")
        .map(|entry| entry.expect("a file").path())
        .collect();
    pieces.sort();
    for piece in pieces {
        let text = std::fs::read_to_string(&piece).expect("a manifest can be read");
        for document in serde_yaml::Deserializer::from_str(&text) {
            let mut object = Value::deserialize(document).expect("a manifest is YAML");
            if object["kind"] == "MutatingWebhookConfiguration" {
                point_at(&mut object, &urls);
            }
            apply(&client, object).await;
        }
    }
    let config = account("confman-admission").await;
    std::thread::spawn(move || serve(&config, listeners));
    eventually("admission answers", async || {
        let webhooks = crate::world::webhooks(&client).await;
        let trusted = webhooks.iter().all(|webhook| webhook.client_config.ca_bundle.is_some());
        if trusted { Ok(()) } else { Err("not yet trusted") }
    })
    .await;
    eventually("the policies are in force", async || last_policy_refuses(&client).await).await;
}

/// The API server takes policies up a moment after they are stored, all that it knows of at once: the last one tells.
async fn last_policy_refuses(client: &Client) -> Result<(), String> {
    let keys: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "confman-stamp-keys"}})).expect("a ConfigMap");
    let api = Api::namespaced(client.clone(), "confman-system");
    let only_try = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match api.create(&only_try, &keys).await {
        Err(kube::Error::Api(status)) if status.message.contains("written by admission only") => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

pub(crate) fn listener() -> StdListener {
    let listener = StdListener::bind("127.0.0.1:0").expect("a port is free");
    listener.set_nonblocking(true).expect("a listener can be made so");
    listener
}

/// The replicas share the webhooks, by URL instead of by Service.
fn point_at(configuration: &mut Value, urls: &[String]) {
    let webhooks = configuration["webhooks"].as_array_mut().expect("it has webhooks");
    for (webhook, url) in webhooks.iter_mut().zip(urls.iter().cycle()) {
        assert!(webhook.get("namespaceSelector").is_none() && webhook.get("objectSelector").is_none());
        webhook["clientConfig"] = json!({"url": url});
        webhook["namespaceSelector"] =
            json!({"matchExpressions": [{"key": WITHOUT_WEBHOOK, "operator": "DoesNotExist"}]});
    }
}

async fn apply(client: &Client, object: Value) {
    let object: DynamicObject = serde_json::from_value(object).expect("an object");
    let types = object.types.as_ref().expect("it has a kind");
    let kind = types.try_into().expect("a kind has a group and a version");
    let (resource, capabilities) = kube::discovery::pinned_kind(client, &kind).await.expect("a known kind");
    let api: Api<DynamicObject> = match (capabilities.scope, object.namespace()) {
        (kube::discovery::Scope::Namespaced, Some(namespace)) => {
            Api::namespaced_with(client.clone(), &namespace, &resource)
        }
        _ => Api::all_with(client.clone(), &resource),
    };
    let params = PatchParams::apply("admission-test").force();
    api.patch(&object.name_any(), &params, &Patch::Apply(&object))
        .await
        .expect("a manifest can be applied");
}

/// One replica, which knows the API server by its certificate.
pub(crate) async fn replica(
    client: Client,
    (webhook, observe): (StdListener, StdListener),
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let args = AdmissionArgs {
        namespace: "confman-system".to_owned(),
        service: "confman-admission".to_owned(),
        further_hosts: vec!["127.0.0.1".to_owned()],
        webhook_configuration: "confman-admission".to_owned(),
        client_ca_file: Some(pki("webhooks-ca.crt")),
        webhook_address: webhook.local_addr().expect("it is bound"),
        observe_address: observe.local_addr().expect("it is bound"),
    };
    let listeners = Listeners {
        webhook: TcpListener::from_std(webhook).expect("a listener"),
        observe: TcpListener::from_std(observe).expect("a listener"),
    };
    operate(client, args, listeners, stop).await
}

/// A key or certificate of the Kubernetes that runs.
pub(crate) fn pki(file: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/kube/cluster");
    let name = format!("operator-{}", std::process::id());
    let printed = Command::new(script).args(["kubeconfig", "--name", &name]).output();
    let printed = String::from_utf8(printed.expect("e2e/kube/cluster can be run").stdout).expect("a path");
    let kubeconfig = Path::new(printed.trim());
    kubeconfig.parent().expect("it is in a folder").join("pki").join(file)
}

/// Both replicas, begun at the same moment; they outlive each test.
fn serve(config: &Config, listeners: Vec<(StdListener, StdListener)>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async {
        let replicas = listeners.into_iter().map(|(webhook, observe)| {
            let client = Client::try_from(config.clone()).expect("a client can be built");
            replica(client, (webhook, observe), CancellationToken::new())
        });
        for ended in futures::future::join_all(replicas).await {
            ended.expect("admission serves until the end");
        }
    });
}
