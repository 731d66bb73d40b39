//! Writes a status, exactly: by server-side apply, what somebody else has put there would stay.

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::context::{Error, FIELD_MANAGER};

/// The one field of a status that is not the operator's.
const REVIEWS: &str = "reviews";

/// Writes `new` over `old` as the status of `object`, if they differ. An object that is gone is left alone.
pub async fn status<K, S>(api: &Api<K>, object: &K, old: Option<&S>, new: &S) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    S: Serialize + PartialEq,
{
    if old == Some(new) {
        return Ok(());
    }
    let old = serde_json::to_value(old).unwrap_or_default();
    let status = difference(&old, serde_json::to_value(new).unwrap_or_default());
    // An object with another UID under this name is a conflict, not ours.
    let patch = json!({"metadata": {"uid": object.uid()}, "status": status});
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    match api
        .patch_status(&object.name_any(), &params, &Patch::Merge(&patch))
        .await
    {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(()),
        Err(error) => Err(Error::kubernetes("write the status")(error)),
    }
}

/// `new` as a merge patch (RFC 7386) of `old`: what is no longer there is null.
fn difference(old: &Value, mut new: Value) -> Value {
    if let Some(members) = new.as_object_mut() {
        for gone in old.as_object().into_iter().flat_map(serde_json::Map::keys) {
            members.entry(gone.clone()).or_insert(Value::Null);
        }
        members.remove(REVIEWS);
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_goes_and_reviews_stay() {
        let old = json!({"state": "Published", "publishedVersion": 9, "reviews": [1]});
        let new = json!({"state": "PendingReview", "reviews": []});
        assert_eq!(
            difference(&old, new),
            json!({"state": "PendingReview", "publishedVersion": null})
        );
    }
}
