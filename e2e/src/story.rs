//! The story that the demo shows and the e2e test asserts: one change, from a person's request to a pod's read.

mod failover;
mod install;
mod measure;
mod publish;
mod reading;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::console::Console;
use crate::images::{self, Replacement};
use crate::kubectl::Kubectl;
use crate::kubernetes::Kubernetes;
use anyhow::Context as _;

pub use measure::{measure_approval_to_read, median};

/// Kubernetes namespace of the operator.
pub const SYSTEM: &str = "confman-system";
/// Kubernetes namespace of the samples.
pub const NAMESPACE: &str = "confman-demo";
/// Everything that comes once for each Kubernetes.
pub const INSTALL: &str = "manifests/install.yaml";
/// Name of the `ConfmanCluster`, and of its client Service.
pub const CLUSTER: &str = "demo";
/// Name of the `ConfigNamespace`.
pub const CONFIG_NAMESPACE: &str = "payments";
/// Its path.
pub const PATH: &str = "/teams/payments";
/// The key that is changed.
pub const KEY: &str = "api-version";
/// Secret with the API key of the pod that reads.
pub const READER_KEY: &str = "reader-api-key";
/// The person who asks.
pub const REQUESTER: &str = "ada";
/// The person who approves.
pub const APPROVER: &str = "bob";

/// One step: what it is called, why it matters, what it does, and what to look at when it fails.
pub struct Step {
    /// What happens.
    pub title: &'static str,
    /// Why one should care, in a sentence.
    pub why: &'static str,
    run: fn(&mut Stage<'_>) -> anyhow::Result<String>,
    look_at: &'static [&'static str],
}

/// What the steps share.
pub struct Stage<'a> {
    /// Where it is shown.
    pub console: &'a Console,
    /// Where it plays.
    pub kubernetes: &'a Kubernetes,
    /// Pod that led when the story last looked.
    pub leader: String,
    /// Value and version that were published last.
    pub published: Option<(String, u64)>,
    /// UIDs of the requests made so far.
    requests: Vec<String>,
    /// What manifests say instead of the names of the images, and of the person who installs.
    replacements: Vec<Replacement>,
    /// Where such manifests are written, and stay for as long as this Kubernetes does.
    folder: PathBuf,
    /// Part of every request's name and value, so that the story can be played again on the same Kubernetes.
    run: String,
}

impl<'a> Stage<'a> {
    fn new(console: &'a Console, kubernetes: &'a Kubernetes) -> anyhow::Result<Self> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).context("read the clock")?;
        Ok(Self {
            console,
            kubernetes,
            leader: String::new(),
            published: None,
            requests: Vec::new(),
            replacements: Vec::new(),
            folder: kubernetes.folder()?,
            run: format!("{:x}", since_epoch.as_secs()),
        })
    }

    /// Name of one of this run's publish requests.
    pub fn request_name(&self, suffix: &str) -> String {
        format!("{KEY}-{}-{suffix}", self.run)
    }

    /// `value` as this run publishes it: an earlier run's is live, and publishing that again is no change.
    fn value(&self, value: &str) -> String {
        format!("{value}-{}", self.run)
    }

    /// A copy of the manifest at `path` that fits this Kubernetes.
    pub fn manifest(&self, path: &str) -> anyhow::Result<String> {
        images::copy(path, &self.folder, &self.replacements)
    }

    /// The `kubectl` of this Kubernetes.
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubernetes.kubectl
    }
}

const OPERATOR_LOGS: &str = "kubectl -n confman-system logs deployment/confman-operator --tail=50";
const ADMISSION_LOGS: &str = "kubectl -n confman-system logs deployment/confman-admission --tail=50";
const CLUSTER_STATUS: &str = "kubectl -n confman-demo describe confmancluster demo";
const NODE_LOGS: &str = "kubectl -n confman-demo logs demo-0 --tail=50";
const PODS: &str = "kubectl get pods -A -o wide";
const EVENTS: &str = "kubectl get events -A --sort-by=.lastTimestamp";
const REQUESTS: &str = "kubectl -n confman-demo get publishrequests -o yaml";

/// The story, in order. The Kubernetes itself comes up before it.
pub const STORY: &[Step] = &[
    Step {
        title: "Images of the two programs are made and loaded",
        why: "Without a Docker daemon: the stripped program and the libraries it links to, nothing else.",
        run: install::load_images,
        look_at: &[PODS],
    },
    Step {
        title: "CRDs, admission and operator are installed",
        why: "In this order, so that no object is stored unseen by admission.",
        run: install::install_operator,
        look_at: &[OPERATOR_LOGS, ADMISSION_LOGS, PODS, EVENTS],
    },
    Step {
        title: "A cluster and a config namespace are applied",
        why: "Everything is declared: three nodes, who may do what, and how many must approve.",
        run: install::apply_samples,
        look_at: &[ADMISSION_LOGS, OPERATOR_LOGS],
    },
    Step {
        title: "Three pods are ready and one of them leads",
        why: "The operator bootstraps Raft once, with a one-use token, when all three answer as empty.",
        run: install::await_cluster,
        look_at: &[CLUSTER_STATUS, NODE_LOGS, OPERATOR_LOGS, PODS, EVENTS],
    },
    Step {
        title: "ada asks for a change",
        why: "A PublishRequest is a letter. Admission writes into it who sent it, and signs that.",
        run: publish::request,
        look_at: &[REQUESTS, OPERATOR_LOGS, ADMISSION_LOGS],
    },
    Step {
        title: "ada cannot approve her own change",
        why: "Four eyes, always: there is no flag and no role that lifts this.",
        run: publish::refuse_own_approval,
        look_at: &[REQUESTS, ADMISSION_LOGS],
    },
    Step {
        title: "bob approves it under his own credentials, and it is published",
        why: "The status is an inbox. The Raft log counts the approval, publishes, and is the record.",
        run: publish::approve,
        look_at: &[REQUESTS, OPERATOR_LOGS, ADMISSION_LOGS, NODE_LOGS],
    },
    Step {
        title: "A pod reads the value over HTTP, through the Service",
        why: "Readers need no Kubernetes API: an API key from a Secret and any node are enough.",
        run: reading::read_from_pod,
        look_at: &[NODE_LOGS, PODS, EVENTS],
    },
    Step {
        title: "The leader's pod is deleted; the value is still read",
        why: "The other nodes go on serving what they have applied while they elect a leader.",
        run: failover::delete_leader,
        look_at: &[
            CLUSTER_STATUS,
            NODE_LOGS,
            "kubectl -n confman-demo logs reader --tail=20",
        ],
    },
    Step {
        title: "A second change is published by the new leader",
        why: "Nothing was lost, and writing works again.",
        run: publish::second_change,
        look_at: &[REQUESTS, CLUSTER_STATUS, OPERATOR_LOGS, NODE_LOGS],
    },
    Step {
        title: "The audit trail tells it all",
        why: "One event for each transition, with term and index, chained by hashes.",
        run: reading::show_audit,
        look_at: &[NODE_LOGS],
    },
];

/// Plays the whole story on a Kubernetes that is up.
///
/// # Errors
/// At the first step that fails, after saying what to look at.
pub fn play<'a>(console: &'a Console, kubernetes: &'a Kubernetes) -> anyhow::Result<Stage<'a>> {
    let mut stage = Stage::new(console, kubernetes)?;
    for (index, step) in STORY.iter().enumerate() {
        console.step(index + 1, STORY.len(), step.title);
        console.explain(step.why);
        let started = Instant::now();
        match (step.run)(&mut stage) {
            Ok(result) => console.done(&result, started.elapsed()),
            Err(error) => {
                console.failed(&format!("{error:#}"));
                explain_failure(console, kubernetes, step);
                return Err(error.context(format!("step {} failed: {}", index + 1, step.title)));
            }
        }
    }
    Ok(stage)
}

/// Runs the commands that tell most about a failed step, and shows them for the person to go on.
fn explain_failure(console: &Console, kubernetes: &Kubernetes, step: &Step) {
    console.note("\nWhat to look at:");
    for line in kubernetes.how_to_connect() {
        console.note(&format!("  {line}"));
    }
    for command in step.look_at {
        console.command(command);
        let arguments: Vec<_> = command.split_whitespace().skip(1).collect();
        match kubernetes.kubectl.quiet(&arguments) {
            Ok(printed) => console.output(&last_lines(&printed, 30)),
            Err(error) => console.output(&format!("{error:#}")),
        }
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Tells how to look around in what the story has left running.
pub fn epilogue(console: &Console, kubernetes: &Kubernetes) {
    console.title("Everything is still running. Look around:");
    for line in kubernetes.how_to_connect() {
        console.note(&format!("  {line}"));
    }
    for command in [
        CLUSTER_STATUS,
        "kubectl -n confman-demo get publishrequests",
        REQUESTS,
        OPERATOR_LOGS,
        NODE_LOGS,
    ] {
        console.note(&format!("  {command}"));
    }
    let as_ada = kubernetes.kubectl.typed(Some(REQUESTER), &[]);
    console.note(&format!(
        "\nTry to cheat: approve with `{as_ada}`, or edit a published PublishRequest."
    ));
    console.note("Remove everything: make demo-down");
}

/// The longest that Kubernetes and Confman may take for one step on two busy cores.
const PATIENCE: Duration = Duration::from_mins(5);
