//! Adds a stamp key that a current one has signed. Keys overlap, and each has an end.

use ed25519_dalek::VerifyingKey;

use crate::audit::AuditAction;
use crate::cluster::StampKey;
use crate::ids::{NamespacePath, Timestamp};
use crate::outcome::{Outcome, Rejection};
use crate::principal::Principal;
use crate::proposal::RegisterStampKey;
use crate::state::{Change, StateView};

use super::Accepted;
use super::add_stamp_key::is_known;
use super::context::{Context, Step, invalid};
use super::journal::{Journal, Transition};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &RegisterStampKey) -> Step<Accepted, V> {
    let key = &command.key.statement.key;
    let outcome = Outcome::StampKeyRegistered {
        key_id: key.key_id.clone(),
    };
    context.verify(&command.key, |statement| &statement.cluster_id)?;
    if is_known(context, key)? {
        return Ok(Accepted::unchanged(outcome));
    }
    let mut journal = Journal::new(context);
    journal.put(Change::PutStampKey(key.clone()));
    let transition = Transition::new(
        AuditAction::StampKeyRegistered,
        &Principal::courier(),
        &NamespacePath::root(),
    );
    let comment = format!("{} signed by {}", key.key_id, command.key.key_id);
    journal.record(transition.comment(Some(&comment)));
    Ok(journal.accept(outcome))
}

/// Refuses a key without a usable name, that is no Ed25519 key, that has ended, or that would live too long.
pub(super) fn check_key(key: &StampKey, now: Timestamp) -> Result<(), Rejection> {
    let named = (1..=64).contains(&key.key_id.len())
        && key
            .key_id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if !named {
        return Err(invalid("keyId", "it must match [A-Za-z0-9._-]{1,64}"));
    }
    let usable = <[u8; 32]>::try_from(key.public_key.as_slice())
        .ok()
        .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
        .is_some_and(|public| !public.is_weak());
    if !usable {
        return Err(invalid("publicKey", "it is not a valid Ed25519 key of 32 bytes"));
    }
    if key.not_after <= now {
        return Err(Rejection::StampKeyExpired {
            key_id: key.key_id.clone(),
        });
    }
    let longest = now.as_millis() + StampKey::LONGEST_LIFE_MS;
    if key.not_after.as_millis() > longest {
        let detail = format!("{} is more than 90 days ahead", key.not_after);
        return Err(invalid("notAfter", detail));
    }
    Ok(())
}
