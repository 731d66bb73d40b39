//! `AdmissionReview` v1 as this service reads and answers it. Objects stay raw text until their depth is known.

use kube::core::admission::Operation;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What the API server sends.
#[derive(Debug, Deserialize)]
pub struct Review<'a> {
    /// The question.
    #[serde(borrow)]
    pub request: Request<'a>,
}

/// One question.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    /// Id of the question; the answer carries it.
    pub uid: String,
    /// Which resource.
    pub resource: Resource,
    /// `status`, or empty for the object itself.
    #[serde(default)]
    pub sub_resource: String,
    /// Kubernetes namespace of the object.
    #[serde(default)]
    pub namespace: String,
    /// Name of the object; empty with `generateName`.
    #[serde(default)]
    pub name: String,
    /// What is done to it.
    pub operation: Operation,
    /// Who asks.
    pub user_info: UserInfo,
    /// The object as it would be stored.
    #[serde(borrow, default)]
    pub object: Option<&'a RawValue>,
    /// The object as it is stored.
    #[serde(borrow, default)]
    pub old_object: Option<&'a RawValue>,
    /// Nothing will be stored; nothing is signed.
    #[serde(default)]
    pub dry_run: bool,
}

/// Which resource.
#[derive(Debug, Deserialize)]
pub struct Resource {
    /// Plural name, such as `publishrequests`.
    pub resource: String,
}

/// Who asks, as the API server authenticated them.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct UserInfo {
    /// User name.
    #[serde(default)]
    pub username: String,
    /// User id.
    #[serde(default)]
    pub uid: Option<String>,
    /// Groups.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// Why a request is refused, in words for the person who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    code: u16,
    reason: &'static str,
    message: String,
}

impl Denied {
    /// The person has not the right.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self {
            code: 403,
            reason: "Forbidden",
            message: message.into(),
        }
    }

    /// The object is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            code: 422,
            reason: "Invalid",
            message: message.into(),
        }
    }

    /// Something that this needs is not there yet; trying again later helps.
    pub fn not_yet(message: impl Into<String>) -> Self {
        Self {
            code: 409,
            reason: "Conflict",
            message: message.into(),
        }
    }

    /// This service could not decide; trying again helps.
    pub fn unable(message: impl Into<String>) -> Self {
        Self {
            code: 500,
            reason: "InternalError",
            message: message.into(),
        }
    }

    /// What the person reads.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Reads an object; what has the wrong type is named with its field.
pub(super) fn parse<T: DeserializeOwned>(raw: &RawValue) -> Result<T, Denied> {
    let mut text = serde_json::Deserializer::from_str(raw.get());
    serde_path_to_error::deserialize(&mut text).map_err(|error| {
        let (field, cause) = (error.path().to_string(), error.into_inner().to_string());
        // Line and column are those of the API server's text, not of the person's.
        let cause = cause.split(" at line ").next().unwrap_or_default();
        Denied::invalid(format!("{field}: {cause}"))
    })
}

/// One operation of a JSON patch (RFC 6902): adds `value` at `path`, or replaces what is there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Add {
    op: &'static str,
    path: String,
    value: Value,
}

impl Add {
    /// Puts `value` at the JSON pointer `path`.
    pub fn new(path: impl Into<String>, value: Value) -> Self {
        Self {
            op: "add",
            path: path.into(),
            value,
        }
    }
}

/// What comes of a review: additions to the object, or a refusal.
pub type Answer = Result<Vec<Add>, Denied>;

/// The answer as the API server reads it.
pub(super) fn to_json(uid: &str, answer: &Answer) -> Value {
    let response = match answer {
        Ok(patch) if patch.is_empty() => json!({"uid": uid, "allowed": true}),
        Ok(patch) => {
            let patch = serde_json::to_vec(patch).unwrap_or_default();
            json!({"uid": uid, "allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(patch)})
        }
        Err(Denied { code, reason, message }) => json!({
            "uid": uid,
            "allowed": false,
            "status": {"code": code, "reason": reason, "message": message}
        }),
    };
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
}
