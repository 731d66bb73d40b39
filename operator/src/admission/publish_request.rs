//! Stamps who made a `PublishRequest`, and each new review in its status.

use confman_api::digest::{Digest, spec_digest};
use confman_api::internal::Decision;
use confman_api::stamp::{RequesterStatement, ReviewStatement};
use confman_crds::{PublishRequestSpec, PublishRequestStatus, RequestedBy, Review};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Admission;
use super::review::{Add, Answer, Denied, Request, UserInfo, parse};
use crate::translate::{self, FieldError, check_depth};

/// Nothing of an object is nested deeper, `metadata.managedFields` included.
const MAX_OBJECT_DEPTH: usize = 100;

impl From<FieldError> for Denied {
    fn from(error: FieldError) -> Self {
        Self::invalid(error.to_string())
    }
}

#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    spec: &'a RawValue,
}

#[derive(Deserialize)]
struct FreeForm<'a> {
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Object {
    metadata: ObjectMeta,
    spec: PublishRequestSpec,
    #[serde(default)]
    status: PublishRequestStatus,
}

/// Somebody makes a request: writes `spec.requestedBy`.
pub(super) async fn on_create(admission: &Admission, request: &Request<'_>) -> Answer {
    let raw = request
        .object
        .ok_or_else(|| Denied::unable("the review has no object"))?;
    check_free_form(raw)?;
    let object: Object = parse(raw)?;
    let name = object.metadata.name.as_deref().unwrap_or(&request.name);
    if name.is_empty() {
        return Err(Denied::invalid(
            "metadata.generateName: give the request a name; a generated one does not exist yet when the requester is stamped",
        ));
    }
    check_requested_by(object.spec.requested_by.as_ref(), &request.user_info)?;
    let spec = translate::request_spec(&object.spec)?;
    check_text("spec.reason", spec.reason.as_deref(), 2048)?;
    let cluster_id = admission
        .lookup
        .cluster_of_namespace(&request.namespace, &spec.namespace_ref)
        .await?;
    let statement = RequesterStatement {
        cluster_id,
        kubernetes_namespace: request.namespace.clone(),
        name: name.to_owned(),
        spec_digest: spec_digest(&spec),
        user: super::signer::stamped_user(&request.user_info)?,
        nonce: super::signer::nonce()?,
        time: super::signer::now(),
    };
    let signed = admission.signer.sign(statement, request.dry_run)?;
    Ok(vec![Add::new(
        "/spec/requestedBy",
        json!(translate::requested_by(&signed)),
    )])
}

/// Deep JSON is refused before it is parsed.
fn check_free_form(raw: &RawValue) -> Result<(), Denied> {
    let deep = translate::depth(raw.get().as_bytes());
    let outline: Outline<'_> = serde_json::from_str(raw.get()).map_err(|error| Denied::invalid(error.to_string()))?;
    let free: FreeForm<'_> =
        serde_json::from_str(outline.spec.get()).map_err(|error| Denied::invalid(format!("spec: {error}")))?;
    if let Some(value) = free.value {
        check_depth("spec.value", value.get())?;
    }
    if deep > MAX_OBJECT_DEPTH {
        let message = format!("the object is nested {deep} levels deep, the limit is {MAX_OBJECT_DEPTH}");
        return Err(Denied::invalid(message));
    }
    Ok(())
}

/// A manifest may name its author, and nobody else; the rest is written here.
fn check_requested_by(given: Option<&RequestedBy>, user: &UserInfo) -> Result<(), Denied> {
    let Some(given) = given else {
        return Ok(());
    };
    if given.username != user.username {
        return Err(Denied::forbidden(format!(
            "spec.requestedBy: it names {}, but you are {}; leave it out, admission writes it",
            given.username, user.username
        )));
    }
    if !given.signature.is_empty() || !given.nonce.is_empty() || !given.key_id.is_empty() {
        return Err(Denied::forbidden(
            "spec.requestedBy: stamps are written by admission only; leave it out",
        ));
    }
    Ok(())
}

fn check_text(field: &str, text: Option<&str>, limit: usize) -> Result<(), Denied> {
    match text.map(str::len) {
        Some(actual) if actual > limit => Err(Denied::invalid(format!(
            "{field}: it has {actual} bytes, the limit is {limit}"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Somebody writes status: stamps each review that is new or changed.
pub(super) async fn on_review(admission: &Admission, request: &Request<'_>) -> Answer {
    let missing = || Denied::unable("the review has no object");
    let new: Object = parse(request.object.ok_or_else(missing)?)?;
    let old: Object = parse(request.old_object.ok_or_else(missing)?)?;
    let mut patch = Vec::new();
    for (index, review) in new.status.reviews.iter().enumerate() {
        let before = old
            .status
            .reviews
            .iter()
            .find(|before| before.reviewer == review.reviewer);
        if before == Some(review) {
            continue;
        }
        let decision = check_review(admission, request, &old, (review, before)).await?;
        let signed = admission.signer.sign(
            statement(admission, request, &old, (review, decision)).await?,
            request.dry_run,
        )?;
        patch.push(Add::new(
            format!("/status/reviews/{index}/stamp"),
            json!(translate::review_stamp(&signed)),
        ));
    }
    Ok(patch)
}

/// Refuses early what a node would refuse, in words for the reviewer.
async fn check_review(
    admission: &Admission,
    request: &Request<'_>,
    object: &Object,
    (review, before): (&Review, Option<&Review>),
) -> Result<Decision, Denied> {
    let user = &request.user_info;
    if review.reviewer != user.username {
        return Err(Denied::forbidden(format!(
            "status.reviews: you can review only in your own name, {}",
            user.username
        )));
    }
    if review.stamp.is_some() && review.stamp != before.and_then(|before| before.stamp.clone()) {
        return Err(Denied::forbidden(
            "status.reviews: stamps are written by admission only; leave `stamp` out",
        ));
    }
    let decision = translate::decision(&review.decision)?;
    check_person(object, user, decision)?;
    check_text("status.reviews: comment", review.comment.as_deref(), 2048)?;
    check_content(object, review)?;
    let config_namespace = &object.spec.namespace_ref.name;
    let needs_right = decision != Decision::Withdraw;
    if needs_right
        && !admission
            .lookup
            .may(user, "approve", &request.namespace, config_namespace)
            .await?
    {
        return Err(Denied::forbidden(format!(
            "{} may not approve for config namespace {config_namespace}: the verb `approve` on \
             confignamespaces/{config_namespace} is missing",
            user.username
        )));
    }
    Ok(decision)
}

fn check_person(object: &Object, user: &UserInfo, decision: Decision) -> Result<(), Denied> {
    let requester = object.spec.requested_by.as_ref().map(|by| by.username.as_str());
    let is_requester = requester == Some(user.username.as_str());
    match decision {
        Decision::Withdraw if !is_requester => Err(Denied::forbidden("only the requester withdraws a request")),
        Decision::Approve | Decision::Reject if is_requester => Err(Denied::forbidden(format!(
            "{} asked for this change; nobody reviews their own request, somebody else must",
            user.username
        ))),
        Decision::Approve | Decision::Reject if object.spec.on_behalf_of.contains(&user.username) => {
            Err(Denied::forbidden(format!(
                "this change was made on behalf of {}; nobody reviews a request on their own behalf",
                user.username
            )))
        }
        // Who has a hand in a change may publish what others have approved.
        Decision::Withdraw | Decision::Approve | Decision::Reject | Decision::Publish => Ok(()),
    }
}

/// A review is of exactly the content that the cluster has accepted, and only while it is open.
fn check_content(object: &Object, review: &Review) -> Result<(), Denied> {
    let Some(digest) = &object.status.digest else {
        return Err(Denied::not_yet(
            "the cluster has not accepted this request yet; try again in a moment",
        ));
    };
    if review.reviewed_digest != *digest {
        return Err(Denied::invalid(format!(
            "status.reviews: reviewedDigest is {}, the request has {digest}",
            review.reviewed_digest
        )));
    }
    match object.status.state.as_deref() {
        Some(state @ ("Published" | "Rejected" | "Withdrawn" | "Superseded")) => Err(Denied::not_yet(format!(
            "the request is {state}; it can no longer be reviewed"
        ))),
        Some(_) | None => Ok(()),
    }
}

async fn statement(
    admission: &Admission,
    request: &Request<'_>,
    object: &Object,
    (review, decision): (&Review, Decision),
) -> Result<ReviewStatement, Denied> {
    let digest = Digest::parse(&review.reviewed_digest)
        .map_err(|error| Denied::invalid(format!("status.reviews: reviewedDigest: {error}")))?;
    Ok(ReviewStatement {
        cluster_id: admission
            .lookup
            .cluster_of_namespace(&request.namespace, &object.spec.namespace_ref.name)
            .await?,
        object_uid: object.metadata.uid.clone().unwrap_or_default(),
        requester: object
            .spec
            .requested_by
            .as_ref()
            .map(|by| by.username.clone())
            .unwrap_or_default(),
        digest,
        user: super::signer::stamped_user(&request.user_info)?,
        decision,
        comment: review.comment.clone(),
        time: super::signer::now(),
    })
}
