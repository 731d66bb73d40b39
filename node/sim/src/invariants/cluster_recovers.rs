//! When nothing disturbs it any more, the cluster elects, writes, and brings every member to the same state, in time.

use super::Invariant;
use crate::record::Event;

/// Complains where it does not.
#[derive(Default)]
pub(super) struct ClusterRecovers;

impl Invariant for ClusterRecovers {
    fn name(&self) -> &'static str {
        "cluster-recovers"
    }

    fn see(&mut self, event: &Event) -> Result<(), String> {
        if let Event::Stuck(reason) = event {
            return Err(reason.clone());
        }
        Ok(())
    }
}
