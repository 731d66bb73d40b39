//! Reviews that a cluster has refused, and at which revision of the namespace: they are tried again when that moves, and
//! after a while, since a right may be granted further up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use confman_crds::{RefusedReview, Review};

/// Refusals by request and signature. Cheap to clone; forgotten when the operator restarts, which then asks once more.
#[derive(Clone, Default)]
pub struct Refusals {
    known: Arc<Mutex<HashMap<String, Vec<Refusal>>>>,
}

#[derive(Clone, Debug)]
struct Refusal {
    signature: String,
    decision: String,
    revision: Option<i64>,
    at: Instant,
    refused: RefusedReview,
}

impl Refusals {
    /// The refusals of the request `uid` that hold at `revision`.
    pub fn of(&self, uid: &str, revision: Option<i64>) -> Known {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let all = known.get(uid).cloned().unwrap_or_default();
        // It must have ended when the request is next looked at.
        let holds = |refusal: &Refusal| refusal.revision == revision && refusal.at.elapsed() < super::AGAIN / 2;
        Known(all.into_iter().filter(holds).collect())
    }

    /// A review was refused.
    pub fn remember(&self, uid: &str, revision: Option<i64>, review: &Review, refused: &RefusedReview) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let all = known.entry(uid.to_owned()).or_default();
        all.retain(|refusal| refusal.refused.reviewer != review.reviewer);
        all.push(Refusal {
            signature: signature(review),
            decision: review.decision.clone(),
            revision,
            at: Instant::now(),
            refused: refused.clone(),
        });
    }

    /// Nothing more can happen to the request.
    pub fn forget(&self, uid: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

/// Refusals that hold.
#[derive(Clone, Debug, Default)]
pub struct Known(Vec<Refusal>);

impl Known {
    /// How exactly this review was refused, if it was.
    pub fn refusal(&self, review: &Review) -> Option<&RefusedReview> {
        let same = |refusal: &&Refusal| {
            refusal.refused.reviewer == review.reviewer
                && refusal.signature == signature(review)
                && refusal.decision == review.decision
        };
        self.0.iter().find(same).map(|refusal| &refusal.refused)
    }
}

fn signature(review: &Review) -> String {
    review
        .stamp
        .as_ref()
        .map(|stamp| stamp.signature.clone())
        .unwrap_or_default()
}
