//! Deletes one key directly, only where approval is not required; audited as unreviewed.

use crate::access::Action;
use crate::outcome::Rejection;
use crate::planted::{Mistake, is_planted};
use crate::proposal::DeleteEntry;
use crate::state::StateView;

use super::Accepted;
use super::caller::check_channel;
use super::context::{Context, Step, check_may, live_digest};
use super::judge::{Judged, check};
use super::publish::NewVersion;
use super::put_entry::{WrittenBy, check_expected, check_no_approval_needed, write};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &DeleteEntry) -> Step<Accepted, V> {
    let caller = context.authenticated(&command.actor, &command.namespace)?;
    let lineage = context.existing_lineage(&command.namespace)?;
    check_may(&caller.actor, Action::Publish, &lineage, &command.namespace)?;
    check_channel(&lineage, &caller, true)?;
    if !is_planted(Mistake::DeletionUnreviewed) {
        check_no_approval_needed(&lineage, &command.namespace)?;
    }
    let live = context.live(&command.namespace, &command.key)?;
    check_expected(command.expected, live_digest(live.as_ref()))?;
    let live = live.ok_or_else(|| Rejection::KeyNotFound {
        namespace: command.namespace.clone(),
        key: command.key.clone(),
    })?;
    let judged = Judged {
        namespace: &command.namespace,
        lineage: &lineage,
        live: live.number,
    };
    let rules = check(context, &judged, command.verdict.as_ref())?;
    let new = NewVersion {
        namespace: &command.namespace,
        key: &command.key,
        value: None,
        published_by: caller.principal(),
        request_id: None,
        approvers: Vec::new(),
        is_sensitive: rules.hidden(),
    };
    write(context, (&caller, &lineage), new, (Some(&live), WrittenBy::HAND))
}
