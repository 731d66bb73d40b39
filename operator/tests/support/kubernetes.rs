//! One API server for all tests of this program; each test has a Kubernetes namespace of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use confman_crds::manifest;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt as _};
use tokio::sync::OnceCell;

use crate::wait::eventually;

static RUNNING: OnceCell<PathBuf> = OnceCell::const_new();

/// How to reach the API server as `user`.
pub(crate) async fn config(user: &str) -> Config {
    let path = RUNNING.get_or_init(start).await;
    let kubeconfig = Kubeconfig::read_from(path).expect("the kubeconfig can be read");
    let options = KubeConfigOptions {
        context: Some(user.to_owned()),
        ..KubeConfigOptions::default()
    };
    Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .expect("the user has credentials")
}

/// A client as `user`.
pub(crate) async fn client(user: &str) -> Client {
    Client::try_from(config(user).await).expect("a client can be built")
}

/// A new Kubernetes namespace.
pub(crate) async fn namespace(client: &Client) -> String {
    let unique = uuid::Uuid::new_v4().simple().to_string();
    let name = format!("t-{}", &unique[..8]);
    let namespace = Namespace {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    let api = Api::<Namespace>::all(client.clone());
    api.create(&PostParams::default(), &namespace)
        .await
        .expect("a namespace can be made");
    name
}

async fn start() -> PathBuf {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/kube");
    let own_id = std::process::id().to_string();
    let name = format!("operator-{own_id}");
    let call = |what: &str, level: &[&str]| {
        let mut command = Command::new(scripts.join("cluster"));
        let output = command.args([what, "--name", &name]).args(level).output();
        let output = output.expect("e2e/kube/cluster can be run");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "e2e/kube/cluster {what} failed:\n{errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let end_with = Command::new(scripts.join("end-with")).args([&own_id, &name]).status();
    assert!(end_with.expect("e2e/kube/end-with can be run").success());
    call("up", &["--level", "control"]);
    let path = PathBuf::from(call("kubeconfig", &[]));
    install_crds(&path).await;
    path
}

async fn install_crds(path: &Path) {
    let kubeconfig = Kubeconfig::read_from(path).expect("the kubeconfig can be read");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let client = Client::try_from(config.expect("a context is current")).expect("a client can be built");
    let api = Api::<CustomResourceDefinition>::all(client);
    for definition in manifest::definitions().expect("the definitions can be made") {
        let params = PatchParams::apply("controllers-test").force();
        let (name, wanted) = (definition.name_any(), Patch::Apply(&definition));
        eventually("a definition is taken", async || {
            api.patch(&name, &params, &wanted).await
        })
        .await;
        eventually("a definition is served", async || {
            let conditions = api.get(&name).await.ok().and_then(|found| found.status?.conditions);
            let established = |found: &Vec<_>| is_established(found);
            conditions.filter(established).ok_or("not yet")
        })
        .await;
    }
}

fn is_established(
    conditions: &[k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionCondition],
) -> bool {
    conditions
        .iter()
        .any(|condition| condition.type_ == "Established" && condition.status == "True")
}
