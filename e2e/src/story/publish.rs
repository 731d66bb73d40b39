//! Asking, refusing, approving: the steps in which people act.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::reading::await_value;
use super::{APPROVER, CONFIG_NAMESPACE, KEY, NAMESPACE, PATIENCE, REQUESTER, Stage};
use crate::console::Look;
use crate::kubectl::text_at;

const KIND: &str = "publishrequest";
/// What the first change publishes.
const FIRST_VALUE: &str = "2024-01-01";
/// What the second one publishes.
const SECOND_VALUE: &str = "2025-06-30";

/// ada applies a `PublishRequest`; it is accepted and waits for review.
pub(super) fn request(stage: &mut Stage<'_>) -> anyhow::Result<String> {
    let value = stage.value(FIRST_VALUE);
    ask(stage, "first", &value, "Move to the API of 2024")
}

/// ada's own approval is refused, with the reason.
pub(super) fn refuse_own_approval(stage: &mut Stage<'_>) -> anyhow::Result<String> {
    let name = stage.request_name("first");
    let patch = review(REQUESTER, &digest(stage, &name)?, "I am sure");
    let refusal = stage
        .kubectl()
        .refused(stage.console, Some(REQUESTER), &patch_arguments(&name, &patch))?;
    anyhow::ensure!(
        refusal.contains("their own"),
        "refused for another reason than that it is her own request"
    );
    let object = stage
        .kubectl()
        .get(NAMESPACE, KIND, &name)?
        .context("the request is gone")?;
    anyhow::ensure!(
        text_at(&object, "/status/state") == "PendingReview",
        "the request is no longer pending"
    );
    Ok("refused, and nothing changed: the request still waits for a review".to_owned())
}

/// bob approves; the state machine publishes.
pub(super) fn approve(stage: &mut Stage<'_>) -> anyhow::Result<String> {
    let value = stage.value(FIRST_VALUE);
    approve_and_await(stage, "first", &value, "Checked with the provider")
}

/// ada asks again and bob approves again, after the failover.
pub(super) fn second_change(stage: &mut Stage<'_>) -> anyhow::Result<String> {
    let value = stage.value(SECOND_VALUE);
    ask(stage, "second", &value, "Move to the API of 2025")?;
    let published = approve_and_await(stage, "second", &value, "Fine by me")?;
    await_value(stage, &value)?;
    Ok(format!("{published}, and the pod reads {value:?}"))
}

fn ask(stage: &mut Stage<'_>, suffix: &str, value: &str, reason: &str) -> anyhow::Result<String> {
    let name = stage.request_name(suffix);
    let manifest = manifest(&name, value, reason);
    let path = stage.folder.join(format!("{name}.yaml")).display().to_string();
    std::fs::write(&path, &manifest).with_context(|| format!("write {path}"))?;
    stage.console.output(&manifest);
    stage
        .kubectl()
        .run(stage.console, Some(REQUESTER), &["apply", "-f", &path])?;
    let digest = digest(stage, &name)?;
    let object = stage
        .kubectl()
        .get(NAMESPACE, KIND, &name)?
        .context("the request is gone")?;
    let requester = text_at(&object, "/spec/requestedBy/username");
    anyhow::ensure!(requester == REQUESTER, "admission wrote {requester:?} as the requester");
    stage.requests.push(text_at(&object, "/metadata/uid").to_owned());
    let begin: String = digest.chars().take(19).collect();
    Ok(format!(
        "admission signed that {requester} asks; the content has digest {begin}…"
    ))
}

fn approve_and_await(stage: &mut Stage<'_>, suffix: &str, value: &str, comment: &str) -> anyhow::Result<String> {
    let name = stage.request_name(suffix);
    let patch = review(APPROVER, &digest(stage, &name)?, comment);
    stage
        .kubectl()
        .run(stage.console, Some(APPROVER), &patch_arguments(&name, &patch))?;
    let object = stage
        .kubectl()
        .wait_for(stage.console, (NAMESPACE, KIND, &name), PATIENCE, published)?;
    stage
        .kubectl()
        .run(stage.console, None, &["-n", NAMESPACE, "get", KIND, &name])?;
    let version = object
        .pointer("/status/publishedVersion")
        .and_then(Value::as_u64)
        .context("it has no version")?;
    if let Some((_, before)) = &stage.published {
        anyhow::ensure!(version == before + 1, "published as version {version} after {before}");
    }
    stage.published = Some((value.to_owned(), version));
    Ok(format!("published as version {version}"))
}

/// Found when the request is published.
///
/// # Errors
/// When it has ended otherwise.
pub(super) fn published(object: &Value) -> anyhow::Result<Look<Value>> {
    let state = text_at(object, "/status/state");
    anyhow::ensure!(
        !matches!(state, "Rejected" | "Withdrawn" | "Superseded"),
        "the request is {state}"
    );
    Ok(if state == "Published" {
        Look::Found(object.clone())
    } else {
        Look::NotYet(format!("state {state}"))
    })
}

/// The digest of a request, once the cluster has accepted it.
pub(super) fn digest(stage: &Stage<'_>, name: &str) -> anyhow::Result<String> {
    stage
        .kubectl()
        .wait_for(stage.console, (NAMESPACE, KIND, name), PATIENCE, |object| {
            Ok(match text_at(object, "/status/digest") {
                "" => Look::NotYet("not accepted by the cluster yet".to_owned()),
                digest => Look::Found(digest.to_owned()),
            })
        })
}

/// A request for one change of the story's key.
pub(super) fn manifest(name: &str, value: &str, reason: &str) -> String {
    format!(
        "\
apiVersion: confman.io/v1alpha1
kind: PublishRequest
metadata:
  name: {name}
  namespace: {NAMESPACE}
spec:
  namespaceRef:
    name: {CONFIG_NAMESPACE}
  key: {KEY}
  operation: Put
  text: \"{value}\"
  reason: {reason}
"
    )
}

/// The JSON patch (RFC 6902) that adds an approval to the inbox.
pub(super) fn review(reviewer: &str, digest: &str, comment: &str) -> String {
    let entry = json!({"reviewer": reviewer, "decision": "Approve", "reviewedDigest": digest, "comment": comment});
    json!([{"op": "add", "path": "/status/reviews/-", "value": entry}]).to_string()
}

/// The one-liner that needs no tool of ours.
pub(super) fn patch_arguments<'a>(name: &'a str, patch: &'a str) -> [&'a str; 9] {
    [
        "-n",
        NAMESPACE,
        "patch",
        KIND,
        name,
        "--subresource=status",
        "--type=json",
        "-p",
        patch,
    ]
}
