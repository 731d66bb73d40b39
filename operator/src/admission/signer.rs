//! The Ed25519 key that signs stamps: made once, shared by the replicas, read by nobody else.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use anyhow::Context as _;
use confman_api::ids::Timestamp;
use confman_api::internal::StampKey;
use confman_api::stamp::{Signed, StampedUser, Statement};
use ed25519_dalek::SigningKey;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::review::{Denied, UserInfo};
use crate::context::FIELD_MANAGER;
use crate::stamp_keys::{NAME, PUBLIC_ENTRY};

/// Entry of the Secret: `KEY_ID NOT_AFTER` and the 32 bytes of the key.
const ID_ENTRY: &str = "key-id";
const END_ENTRY: &str = "not-after";
const SEED_ENTRY: &str = "ed25519-seed";
/// A day less than a node takes, so that clocks may differ.
const LIFE_MS: i64 = StampKey::LONGEST_LIFE_MS - 24 * 60 * 60 * 1000;
/// The log warns this long before the end.
const SOON_MS: i64 = 21 * 24 * 60 * 60 * 1000;
/// Stands where a signature would, on a dry run.
const DRY_RUN: &[u8] = b"dry-run";

/// Signs statements with the current key.
pub struct Signer {
    current: RwLock<Pair>,
}

struct Pair {
    key: SigningKey,
    public: StampKey,
}

impl Signer {
    /// The key in the Secret; makes it when there is none. Two replicas that begin together end with one key.
    pub async fn ensure(client: &Client, namespace: &str) -> anyhow::Result<Self> {
        let api = Api::<Secret>::namespaced(client.clone(), namespace);
        let secret = match api.get_opt(NAME).await? {
            Some(secret) => secret,
            None => match api.create(&PostParams::default(), &new_secret(namespace)?).await {
                Ok(made) => made,
                Err(kube::Error::Api(status)) if status.code == 409 => api.get(NAME).await?,
                Err(error) => return Err(error).context("create the Secret"),
            },
        };
        let pair = Pair::of(&secret)?;
        publish(client, namespace, &pair.public).await?;
        Ok(Self {
            current: RwLock::new(pair),
        })
    }

    /// Takes the key from the Secret again.
    pub async fn reload(&self, client: &Client, namespace: &str) -> anyhow::Result<()> {
        let fresh = Self::ensure(client, namespace).await?;
        let pair = fresh.current.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = pair;
        Ok(())
    }

    /// Id of the key in use.
    pub fn current_key_id(&self) -> String {
        let pair = self.current.read().unwrap_or_else(PoisonError::into_inner);
        pair.public.key_id.clone()
    }

    /// Signs `statement`; on a dry run nothing is signed, since what is shown is not what is stored.
    ///
    /// # Errors
    /// When the key has ended: no node would take the stamp.
    pub fn sign<S: Statement>(&self, statement: S, dry_run: bool) -> Result<Signed<S>, Denied> {
        let pair = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let StampKey { key_id, not_after, .. } = &pair.public;
        if *not_after <= now() {
            return Err(Denied::unable(format!(
                "stamp key {key_id} of admission ended at {not_after}: nobody's name can be signed until whoever looks after \
                 Confman has brought in a new one"
            )));
        }
        if dry_run {
            return Ok(Signed {
                statement,
                key_id: pair.public.key_id.clone(),
                signature: DRY_RUN.to_vec(),
            });
        }
        Ok(Signed::sign(statement, &pair.public.key_id, &pair.key))
    }

    /// Time until the key ends, if that is soon.
    pub fn ends_soon(&self) -> Option<String> {
        let pair = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let end = pair.public.not_after;
        (end.as_millis() - now().as_millis() < SOON_MS).then(|| end.to_string())
    }
}

impl Pair {
    fn of(secret: &Secret) -> anyhow::Result<Self> {
        let entry = |name: &str| {
            let data = secret.data.as_ref().and_then(|data| data.get(name));
            data.map(|bytes| bytes.0.clone())
                .with_context(|| format!("Secret {NAME} has no entry {name}"))
        };
        let text = |name: &str| anyhow::Ok(String::from_utf8(entry(name)?)?);
        let seed: [u8; 32] = entry(SEED_ENTRY)?
            .try_into()
            .map_err(|_| anyhow::anyhow!("Secret {NAME}: entry {SEED_ENTRY} has not 32 bytes"))?;
        let key = SigningKey::from_bytes(&seed);
        let public = StampKey {
            key_id: text(ID_ENTRY)?,
            public_key: key.verifying_key().to_bytes().to_vec(),
            not_after: Timestamp::parse(&text(END_ENTRY)?)?,
        };
        Ok(Self { key, public })
    }
}

fn new_secret(namespace: &str) -> anyhow::Result<Secret> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("no randomness")?;
    let end = Timestamp::from_millis(now().as_millis() + LIFE_MS);
    let key_id = format!("stamp-{}", uuid::Uuid::new_v4().simple());
    let data = [
        (ID_ENTRY, key_id.into_bytes()),
        (END_ENTRY, end.to_string().into_bytes()),
        (SEED_ENTRY, seed.to_vec()),
    ];
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(data.map(|(name, bytes)| (name.to_owned(), ByteString(bytes))).into()),
        ..Secret::default()
    })
}

/// Writes the public half where the operator finds it.
async fn publish(client: &Client, namespace: &str, key: &StampKey) -> anyhow::Result<()> {
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(PUBLIC_ENTRY.to_owned(), json!([key]).to_string())])),
        ..ConfigMap::default()
    };
    let api = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    api.patch(NAME, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&map))
        .await
        .context("write the ConfigMap of public keys")?;
    Ok(())
}

/// A user as a stamp carries it: without `system:*` groups, sorted.
pub(super) fn stamped_user(user: &UserInfo) -> Result<StampedUser, Denied> {
    let mut groups: Vec<_> = user
        .groups
        .iter()
        .filter(|group| !group.starts_with("system:"))
        .cloned()
        .collect();
    groups.sort_unstable();
    groups.dedup();
    if groups.len() > StampedUser::MAX_GROUPS {
        return Err(Denied::forbidden(format!(
            "you are in {} groups, a stamp carries at most {}",
            groups.len(),
            StampedUser::MAX_GROUPS
        )));
    }
    Ok(StampedUser {
        username: user.username.clone(),
        uid: user.uid.clone().filter(|uid| !uid.is_empty()),
        groups,
    })
}

/// Makes a stamp usable once.
pub(super) fn nonce() -> Result<String, Denied> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Denied::unable("admission has no randomness; try again"))?;
    Ok(crate::hex::encode(&bytes))
}

/// Now.
pub(super) fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

#[cfg(test)]
mod tests {
    use confman_api::ids::ClusterId;
    use confman_api::stamp::StampKeyStatement;

    use super::*;

    fn signer(not_after: i64) -> Signer {
        let key = SigningKey::from_bytes(&[7; 32]);
        let public = StampKey {
            key_id: "stamp-old".to_owned(),
            public_key: key.verifying_key().to_bytes().to_vec(),
            not_after: Timestamp::from_millis(not_after),
        };
        Signer {
            current: RwLock::new(Pair { key, public }),
        }
    }

    fn sign(signer: &Signer, dry_run: bool) -> Result<Signed<StampKeyStatement>, Denied> {
        let key = signer.current.read().expect("nobody panicked").public.clone();
        let cluster_id = ClusterId::parse("3a5e2a0e-6a0e-4a59-9c53-d2b7b3a0c001").expect("an id");
        signer.sign(StampKeyStatement { cluster_id, key }, dry_run)
    }

    #[test]
    fn a_key_that_has_ended_signs_nothing_and_says_so() {
        let ended = signer(now().as_millis() - 1);
        for dry_run in [false, true] {
            let denied = sign(&ended, dry_run).expect_err("it has ended");
            assert!(denied.message().contains("stamp key stamp-old of admission ended at"));
        }
        assert!(ended.ends_soon().is_some());
        let good = signer(now().as_millis() + LIFE_MS);
        sign(&good, false).expect("it has not ended");
        assert_eq!(good.ends_soon(), None);
    }
}
