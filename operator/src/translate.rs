//! Between the fields of Kubernetes objects and the types of the state machine, the same for admission and controllers:
//! what admission signs is what a node verifies.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use confman_api::access::Role;
use confman_api::digest::Digest;
use confman_api::ids::{ClusterId, ConfigKey, NamespacePath, Timestamp};
use confman_api::internal::{Decision, Governance, NamespaceSettings, Operation, RequestSpec};
use confman_api::namespace::Workflow;
use confman_api::principal::Principal;
use confman_api::stamp::{RequesterStatement, ReviewStatement, Signed, StampedUser};
use confman_api::value::ConfigValue;
use confman_crds::{
    ConfigNamespaceSpec, PublishRequestSpec, RequestedBy, Review, ReviewStamp, Roles, Workflow as WorkflowSpec,
};

/// A field that cannot be understood: its name as the user wrote it, what is wrong, and the limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct FieldError {
    /// Path of the field in the object, such as `spec.key`.
    pub field: String,
    /// What is wrong with it.
    pub detail: String,
}

impl FieldError {
    /// `field` is wrong because of `detail`.
    #[expect(clippy::needless_pass_by_value, reason = "an error is given away")]
    pub fn new(field: &str, detail: impl ToString) -> Self {
        Self {
            field: field.to_owned(),
            detail: detail.to_string(),
        }
    }
}

/// Deepest nesting of `spec.value` and `spec.json`.
pub const MAX_DEPTH: usize = 32;

/// The spec of a request without `requestedBy`: what the requester's stamp binds.
pub fn request_spec(spec: &PublishRequestSpec) -> Result<RequestSpec, FieldError> {
    if spec.operation != "Put" {
        return Err(FieldError::new("spec.operation", "must be Put"));
    }
    let on_behalf_of: BTreeSet<_> = spec.on_behalf_of.iter().cloned().collect();
    Ok(RequestSpec {
        namespace_ref: spec.namespace_ref.name.clone(),
        key: ConfigKey::parse(&spec.key).map_err(|error| FieldError::new("spec.key", error))?,
        operation: Operation::Put,
        value: Some(value(spec)?),
        expected_version: spec.expected_version.map(version).transpose()?,
        reason: spec.reason.clone(),
        on_behalf_of,
        to_version: None,
        draft: None,
    })
}

fn version(number: i64) -> Result<u64, FieldError> {
    u64::try_from(number).map_err(|_| FieldError::new("spec.expectedVersion", "must not be negative"))
}

fn value(spec: &PublishRequestSpec) -> Result<ConfigValue, FieldError> {
    let (field, value) = match (&spec.value, &spec.json, &spec.text, &spec.binary) {
        (Some(value), None, None, None) => ("spec.value", json_value("spec.value", &value.to_string())?),
        (None, Some(json), None, None) => ("spec.json", json_value("spec.json", json)?),
        (None, None, Some(text), None) => {
            let value = ConfigValue::from_text(text).map_err(|error| FieldError::new("spec.text", error))?;
            ("spec.text", value)
        }
        (None, None, None, Some(binary)) => {
            let value = ConfigValue::from_base64(binary).map_err(|error| FieldError::new("spec.binary", error))?;
            ("spec.binary", value)
        }
        (None, None, None, None) => {
            return Err(FieldError::new(
                "spec",
                "operation Put needs one of value, json, text and binary (null is written as json: \"null\")",
            ));
        }
        _ => {
            return Err(FieldError::new(
                "spec",
                "give exactly one of value, json, text and binary",
            ));
        }
    };
    let (actual, limit) = (value.canonical_bytes().len(), RequestSpec::MAX_VALUE_BYTES);
    if actual > limit {
        return Err(FieldError::new(
            field,
            format!("the value has {actual} bytes, the limit is {limit}"),
        ));
    }
    Ok(value)
}

fn json_value(field: &str, text: &str) -> Result<ConfigValue, FieldError> {
    check_depth(field, text)?;
    ConfigValue::from_json_text(text).map_err(|error| FieldError::new(field, error))
}

/// Refuses JSON text that is nested too deeply, without parsing it: deep text is what parsers fail at.
pub fn check_depth(field: &str, text: &str) -> Result<(), FieldError> {
    let depth = depth(text.as_bytes());
    if depth > MAX_DEPTH {
        return Err(FieldError::new(
            field,
            format!("it is nested {depth} levels deep, the limit is {MAX_DEPTH}"),
        ));
    }
    Ok(())
}

/// How deep objects and arrays are nested in JSON text.
pub fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The settings of a namespace.
pub fn settings(spec: &ConfigNamespaceSpec) -> Result<NamespaceSettings, FieldError> {
    Ok(NamespaceSettings {
        display_name: spec.display_name.clone(),
        description: spec.description.clone(),
        ..NamespaceSettings::governed(governance(spec)?)
    })
}

/// The fields of a namespace that a governance stamp binds.
pub fn governance(spec: &ConfigNamespaceSpec) -> Result<Governance, FieldError> {
    Ok(Governance {
        owner: spec.owner.clone(),
        inherit: spec.inherit,
        roles: spec.roles.as_ref().map(roles).transpose()?.unwrap_or_default(),
        workflow: spec
            .workflow
            .as_ref()
            .map(|given| workflow("spec.workflow", given))
            .transpose()?,
        schema: None,
        history_retention: None,
    })
}

/// The path that a namespace declares.
pub fn path(spec: &ConfigNamespaceSpec) -> Result<NamespacePath, FieldError> {
    NamespacePath::parse(&spec.path).map_err(|error| FieldError::new("spec.path", error))
}

fn roles(roles: &Roles) -> Result<BTreeMap<Role, BTreeSet<Principal>>, FieldError> {
    let Roles {
        viewer,
        editor,
        publisher,
        admin,
    } = roles;
    let mut assignments = BTreeMap::new();
    for (role, given) in [
        (Role::Viewer, viewer),
        (Role::Editor, editor),
        (Role::Publisher, publisher),
        (Role::Admin, admin),
    ] {
        if !given.is_empty() {
            assignments.insert(
                role,
                subjects(&format!("spec.roles.{role}"), given)?.into_iter().collect(),
            );
        }
    }
    Ok(assignments)
}

/// Role subjects, such as `user:ada`.
pub fn subjects(field: &str, given: &[String]) -> Result<Vec<Principal>, FieldError> {
    let parse = |(index, text): (usize, &String)| {
        Principal::parse(text).map_err(|error| FieldError::new(&format!("{field}[{index}]"), error))
    };
    given.iter().enumerate().map(parse).collect()
}

/// A workflow.
pub fn workflow(field: &str, given: &WorkflowSpec) -> Result<Workflow, FieldError> {
    let in_range = |number: &u8| (1..=Workflow::MAX_APPROVERS).contains(number);
    let min_approvers = u8::try_from(given.min_approvers).ok().filter(in_range).ok_or_else(|| {
        let limit = Workflow::MAX_APPROVERS;
        FieldError::new(
            &format!("{field}.minApprovers"),
            format!("{} given, it must be 1 to {limit}", given.min_approvers),
        )
    })?;
    Ok(Workflow {
        require_approval: given.require_approval,
        min_approvers,
        ..Workflow::REVIEWED
    })
}

/// `requestedBy` as it stands in an object.
pub fn requested_by(signed: &Signed<RequesterStatement>) -> RequestedBy {
    let RequesterStatement {
        cluster_id,
        kubernetes_namespace: _,
        name: _,
        spec_digest,
        user,
        nonce,
        time,
    } = &signed.statement;
    RequestedBy {
        username: user.username.clone(),
        uid: user.uid.clone(),
        groups: user.groups.clone(),
        cluster_id: cluster_id.to_string(),
        spec_digest: spec_digest.to_string(),
        nonce: nonce.clone(),
        time: time.to_string(),
        key_id: signed.key_id.clone(),
        signature: STANDARD.encode(&signed.signature),
    }
}

/// The requester's stamp of the object `kubernetes_namespace/name`.
pub fn requester_stamp(
    given: &RequestedBy,
    kubernetes_namespace: &str,
    name: &str,
) -> Result<Signed<RequesterStatement>, FieldError> {
    let field = |name: &str| format!("spec.requestedBy.{name}");
    Ok(Signed {
        statement: RequesterStatement {
            cluster_id: parsed(&field("clusterId"), ClusterId::parse(&given.cluster_id))?,
            kubernetes_namespace: kubernetes_namespace.to_owned(),
            name: name.to_owned(),
            spec_digest: parsed(&field("specDigest"), Digest::parse(&given.spec_digest))?,
            user: StampedUser {
                username: given.username.clone(),
                uid: given.uid.clone(),
                groups: given.groups.clone(),
            },
            nonce: given.nonce.clone(),
            time: parsed(&field("time"), Timestamp::parse(&given.time))?,
        },
        key_id: given.key_id.clone(),
        signature: parsed(&field("signature"), STANDARD.decode(&given.signature))?,
    })
}

/// The stamp of a review as it stands in an object.
pub fn review_stamp(signed: &Signed<ReviewStatement>) -> ReviewStamp {
    let ReviewStatement {
        cluster_id,
        object_uid,
        requester,
        digest: _,
        user,
        decision: _,
        comment: _,
        time,
    } = &signed.statement;
    ReviewStamp {
        username: user.username.clone(),
        uid: user.uid.clone(),
        groups: user.groups.clone(),
        cluster_id: cluster_id.to_string(),
        object_uid: object_uid.clone(),
        requester: requester.clone(),
        time: time.to_string(),
        key_id: signed.key_id.clone(),
        signature: STANDARD.encode(&signed.signature),
    }
}

/// A review with its stamp, as a node takes it.
pub fn signed_review(review: &Review, stamp: &ReviewStamp) -> Result<Signed<ReviewStatement>, FieldError> {
    Ok(Signed {
        statement: ReviewStatement {
            cluster_id: parsed("stamp.clusterId", ClusterId::parse(&stamp.cluster_id))?,
            object_uid: stamp.object_uid.clone(),
            requester: stamp.requester.clone(),
            digest: parsed("reviewedDigest", Digest::parse(&review.reviewed_digest))?,
            user: StampedUser {
                username: stamp.username.clone(),
                uid: stamp.uid.clone(),
                groups: stamp.groups.clone(),
            },
            decision: decision(&review.decision)?,
            comment: review.comment.clone(),
            time: parsed("stamp.time", Timestamp::parse(&stamp.time))?,
        },
        key_id: stamp.key_id.clone(),
        signature: parsed("stamp.signature", STANDARD.decode(&stamp.signature))?,
    })
}

/// A reviewer's decision.
pub fn decision(text: &str) -> Result<Decision, FieldError> {
    match text {
        "Approve" => Ok(Decision::Approve),
        "Reject" => Ok(Decision::Reject),
        "Withdraw" => Ok(Decision::Withdraw),
        "Publish" => Ok(Decision::Publish),
        _ => Err(FieldError::new(
            "decision",
            "must be Approve, Reject, Publish or Withdraw",
        )),
    }
}

fn parsed<T, E: ToString>(field: &str, result: Result<T, E>) -> Result<T, FieldError> {
    result.map_err(|error| FieldError::new(field, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        assert_eq!(depth(br#"{"a":[1,{"b":"}]["}]}"#), 3);
        assert_eq!(depth(br#""\"[[[""#), 0);
        let deep = "[".repeat(100_000);
        let refused = check_depth("spec.json", &deep).expect_err("too deep");
        assert_eq!(
            refused.to_string(),
            "spec.json: it is nested 100000 levels deep, the limit is 32"
        );
    }

    #[test]
    fn a_put_has_exactly_one_form_of_value() {
        let spec = |json: &str| serde_json::from_str::<PublishRequestSpec>(json).expect("a spec");
        let one = spec(r#"{"namespaceRef":{"name":"n"},"key":"k","operation":"Put","text":"1"}"#);
        assert!(request_spec(&one).is_ok());
        let none = spec(r#"{"namespaceRef":{"name":"n"},"key":"k","operation":"Put"}"#);
        let two = spec(r#"{"namespaceRef":{"name":"n"},"key":"k","operation":"Put","text":"1","value":1}"#);
        for wrong in [none, two] {
            let error = request_spec(&wrong).expect_err("refused");
            assert!(
                error.to_string().contains("one of value, json, text and binary"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_value_means_the_same_in_each_form() {
        let spec = |form: &str| {
            let json = format!(r#"{{"namespaceRef":{{"name":"n"}},"key":"k","operation":"Put",{form}}}"#);
            let spec = serde_json::from_str(&json).expect("a spec");
            request_spec(&spec).expect("a valid spec").value
        };
        assert_eq!(
            spec(r#""value":{"b":1.0,"a":-0.0}"#),
            spec(r#""json":"{ \"a\": 0, \"b\": 1 }""#)
        );
        assert_eq!(spec(r#""value":"x""#), spec(r#""text":"x""#));
        assert_ne!(spec(r#""value":1"#), spec(r#""text":"1""#));
    }
}
