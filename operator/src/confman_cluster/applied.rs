//! What was applied last for each cluster, so that nothing is sent again and again that has not changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::api::DynamicObject;
use sha2::{Digest as _, Sha256};

/// After this long everything is applied again, whether or not somebody else changed it.
const AGAIN: Duration = Duration::from_mins(1);

/// Digest of what was applied, and when, by UID of the cluster. Cheap to clone.
#[derive(Clone, Default)]
pub struct Applied {
    last: Arc<Mutex<HashMap<String, Last>>>,
}

/// Digest and time.
type Last = ([u8; 32], Instant);

impl Applied {
    /// Whether `objects` should be applied for the cluster `uid`.
    pub fn is_due(&self, uid: &str, objects: &[DynamicObject]) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |(digest, at): &Last| *digest == digest_of(objects) && at.elapsed() < AGAIN;
        !last.get(uid).is_some_and(same)
    }

    /// They are applied.
    pub fn done(&self, uid: &str, objects: &[DynamicObject]) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.insert(uid.to_owned(), (digest_of(objects), Instant::now()));
    }

    /// Somebody touched them.
    pub fn forget(&self, uid: &str) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

fn digest_of(objects: &[DynamicObject]) -> [u8; 32] {
    let json = serde_json::to_vec(objects).unwrap_or_default();
    Sha256::digest(&json).into()
}
