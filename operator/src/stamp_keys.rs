//! Where the stamp keys are: a Secret that only admission reads, and a ConfigMap with the public halves.

use confman_api::internal::StampKey;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};

/// Name of the Secret and of the ConfigMap.
pub const NAME: &str = "confman-stamp-keys";
/// Entry of the ConfigMap: a JSON list of stamp keys, oldest first.
pub const PUBLIC_ENTRY: &str = "keys.json";

/// Why there is no public key.
#[derive(Debug, thiserror::Error)]
pub enum StampKeysError {
    /// The ConfigMap cannot be read.
    #[error("read ConfigMap {NAME}")]
    Read(#[source] kube::Error),
    /// Admission has never run.
    #[error("ConfigMap {namespace}/{NAME} has no stamp key; is the admission service running?")]
    Missing {
        /// Where it should be.
        namespace: String,
    },
    /// Somebody wrote something else into it.
    #[error("ConfigMap {NAME}, entry {PUBLIC_ENTRY}, is damaged")]
    Damaged(#[source] serde_json::Error),
}

/// The public keys, oldest first; at least one.
pub async fn public_keys(client: &Client, namespace: &str) -> Result<Vec<StampKey>, StampKeysError> {
    let missing = || StampKeysError::Missing {
        namespace: namespace.to_owned(),
    };
    let api = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let found = api.get_opt(NAME).await.map_err(StampKeysError::Read)?;
    let mut data = found.and_then(|map| map.data).ok_or_else(missing)?;
    let text = data.remove(PUBLIC_ENTRY).ok_or_else(missing)?;
    let keys: Vec<StampKey> = serde_json::from_str(&text).map_err(StampKeysError::Damaged)?;
    if keys.is_empty() { Err(missing()) } else { Ok(keys) }
}
