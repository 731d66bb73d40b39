//! What a reviewer needs to know of a request: what it changes, who has agreed, who may.

use std::collections::BTreeSet;

use confman_api::diff::DiffView;
use confman_api::history::is_hidden;
use confman_api::publish_request::ReviewView;
use confman_core::cluster::ClusterRecord;
use confman_core::diff::diff;
use confman_core::identity::Identity;
use confman_core::publish_request::{GovernanceChange, PublishRequest, RequestSpec, Subject};
use confman_core::reviewers::{approvals, eligible_subjects};
use confman_core::state::StateView as _;
use confman_core::value::ConfigValue;
use confman_store::{ReadError, SnapshotView};
use serde::Serialize;

use crate::auth::access::lineage;

/// The request as it is at the moment of `view`, and what a reviewer needs to know of it.
pub(super) fn of(view: &SnapshotView<'_>, found: PublishRequest) -> Result<(PublishRequest, ReviewView), ReadError> {
    // What else is shown is of this moment, so the request must be, too.
    let request = view.request(&found.id)?.unwrap_or(found);
    let lineage = lineage(view.namespaces(), &request.namespace);
    let cluster = view.cluster()?;
    let unknown = Identity::default();
    let identity = cluster.as_ref().map_or(&unknown, |cluster| &cluster.identity);
    let counted = approvals(&request, &lineage, identity);
    let eligible_approvers = if request.state.is_final() {
        BTreeSet::new()
    } else {
        eligible_subjects(&request, &lineage, identity)
    };
    let (diff, live_version) = match &request.subject {
        Subject::Key(spec) => (
            of_key(view, &request, spec)?,
            Some(view.live(&request.namespace, &spec.key)?.map_or(0, |live| live.number)),
        ),
        Subject::Governance(change) => (of_governance(view, &request, change, cluster.as_deref())?, None),
    };
    let review = ReviewView {
        diff,
        live_version,
        approvals_needed: counted.required,
        approvals_counted: counted.approvers,
        eligible_approvers,
    };
    Ok((request, review))
}

/// What it changes of the version it was made against; none once that is gone.
fn of_key(
    view: &SnapshotView<'_>,
    request: &PublishRequest,
    spec: &RequestSpec,
) -> Result<Option<DiffView>, ReadError> {
    let base = match request.base_version {
        0 => None,
        number => match view.version(&request.namespace, &spec.key, number)? {
            None => return Ok(None),
            base => base,
        },
    };
    let is_protected = request.new_value().is_some_and(|value| value.protection().is_some());
    let masked = request.is_sensitive || is_protected || base.as_ref().is_some_and(is_hidden);
    let before = base.as_ref().and_then(|base| base.value.as_ref());
    Ok(Some(DiffView::of(diff(before, request.new_value(), masked), masked)))
}

/// What it changes of the governance in force; none once it is decided.
fn of_governance(
    view: &SnapshotView<'_>,
    request: &PublishRequest,
    change: &GovernanceChange,
    cluster: Option<&ClusterRecord>,
) -> Result<Option<DiffView>, ReadError> {
    if request.state.is_final() {
        return Ok(None);
    }
    let (before, after) = match change {
        GovernanceChange::Settings(change) => {
            let namespace = view.namespace(&request.namespace)?;
            let present = namespace.and_then(|namespace| json(&namespace.settings));
            (present, json(&change.settings))
        }
        GovernanceChange::Entry { key, meta } => {
            let entry = view.entry(&request.namespace, key)?;
            (entry.and_then(|entry| json(&entry.meta)), json(meta))
        }
        GovernanceChange::Identity(identity) => (cluster.and_then(|cluster| json(&cluster.identity)), json(identity)),
        GovernanceChange::StampKey(key) => (None, json(key)),
    };
    let differ = |after: ConfigValue| DiffView::of(diff(before.as_ref(), Some(&after), false), false);
    Ok(after.map(differ))
}

/// Settings as a value, so that they can be compared like one.
fn json(settings: &impl Serialize) -> Option<ConfigValue> {
    let text = serde_json::to_string(settings).ok()?;
    ConfigValue::from_json_text(&text).ok()
}
