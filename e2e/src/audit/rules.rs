//! The rules of governance as far as the trail alone shows them: versions without gaps, and no reviewed change without
//! enough people who approved exactly it.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{Event, Workflow, hash};
use super::json::Json;

/// What the events so far say.
#[derive(Default)]
pub(super) struct Rules {
    cluster_id: Option<String>,
    /// Some events of a namespace may be hidden.
    filtered: bool,
    /// Some events are hidden.
    has_hidden: bool,
    keys: BTreeMap<(String, String), Versions>,
    requests: BTreeMap<String, Request>,
    pub(super) judged: u64,
    pub(super) unreviewed: u64,
    pub(super) unjudged: u64,
}

/// The last version of a key.
#[derive(Default)]
struct Versions {
    last: u64,
    digest: Option<String>,
}

/// A request that was submitted.
struct Request {
    digest: String,
    subject: (String, Option<String>),
    contributors: BTreeSet<String>,
    required: u64,
    /// The names of each approver: of the person, and of the login.
    approvers: Vec<BTreeSet<String>>,
    has_ended: bool,
}

impl Rules {
    pub(super) fn begin(&mut self, cluster_id: String, filtered: bool) {
        self.cluster_id = Some(cluster_id);
        self.filtered = filtered;
    }

    pub(super) fn hidden(&mut self) {
        self.has_hidden = true;
    }

    /// Takes the next event and says which rules it breaks.
    pub(super) fn take(&mut self, event: &Event) -> Vec<String> {
        let mut wrong = Vec::new();
        match (event.action.as_str(), &event.workflow) {
            ("request.submitted", Some(workflow)) => self.submitted(event, workflow, &mut wrong),
            ("request.approved", Some(workflow)) => self.approved(event, workflow, &mut wrong),
            ("request.rejected" | "request.withdrawn" | "request.superseded", Some(workflow)) => {
                self.ended(event, workflow, &mut wrong);
            }
            (action, None) if action.starts_with("request.") || action == "config.published" => {
                wrong.push("belongs to no request".to_owned());
            }
            ("config.unreviewed", _) | (_, None) => {
                let is_value = event.key.is_some() && event.change.new_version.is_some();
                self.unreviewed += u64::from(is_value);
            }
            // A draft is no change yet.
            (action, Some(_)) if action.starts_with("draft.") => {}
            (_, Some(workflow)) => self.took_effect(event, workflow, &mut wrong),
        }
        self.count_version(event, &mut wrong);
        wrong
    }

    fn submitted(&mut self, event: &Event, workflow: &Workflow, wrong: &mut Vec<String>) {
        let mut contributors = workflow.contributors.clone();
        contributors.insert(event.principal.clone());
        // Nobody stands in for a person: a machine's change needs one approval more than the least there can be.
        let least = if is_person(&event.principal) { 1 } else { 2 };
        let required = workflow.required_approvals.unwrap_or(least);
        let is_pending = workflow.state == "PendingReview";
        if is_pending && required < least {
            wrong.push(format!("needs {required} approvals, which are too few"));
        }
        let request = Request {
            digest: workflow.digest.clone(),
            subject: subject(event),
            contributors,
            required: required.max(least),
            approvers: Vec::new(),
            has_ended: !is_pending,
        };
        if self.requests.insert(workflow.request_id.clone(), request).is_some() {
            wrong.push(format!("submits request {} again", workflow.request_id));
        }
    }

    /// The request that an event is about; what is wrong with the two is said.
    fn request<'r>(
        &'r mut self,
        event: &Event,
        workflow: &Workflow,
        wrong: &mut Vec<String>,
    ) -> Option<&'r mut Request> {
        let id = &workflow.request_id;
        let Some(request) = self.requests.get_mut(id) else {
            if !self.has_hidden {
                wrong.push(format!("is about request {id}, which nobody submitted"));
            }
            return None;
        };
        if request.has_ended {
            wrong.push(format!("is about request {id}, which had ended"));
        }
        if request.digest != workflow.digest {
            wrong.push(format!("is about other content than request {id} was submitted with"));
        }
        if request.subject != subject(event) {
            wrong.push(format!("is about another key than request {id}"));
        }
        request.contributors.extend(workflow.contributors.iter().cloned());
        request.required = request.required.max(workflow.required_approvals.unwrap_or(0));
        Some(request)
    }

    fn approved(&mut self, event: &Event, workflow: &Workflow, wrong: &mut Vec<String>) {
        let approver = &event.principal;
        let is_person = is_person(approver);
        if !is_person {
            wrong.push(format!("{approver} is no person and approves"));
        }
        let Some(request) = self.request(event, workflow, wrong) else {
            return;
        };
        let names: BTreeSet<String> = [approver].into_iter().chain(&event.login).cloned().collect();
        if !names.is_disjoint(&request.contributors) {
            wrong.push(format!("{approver} approves what they made"));
        }
        if request.approvers.iter().any(|other| !names.is_disjoint(other)) {
            wrong.push(format!("{approver} approves twice"));
        } else if is_person {
            request.approvers.push(names);
        }
    }

    fn ended(&mut self, event: &Event, workflow: &Workflow, wrong: &mut Vec<String>) {
        if let Some(request) = self.request(event, workflow, wrong) {
            request.has_ended = true;
        }
    }

    /// What a request asked for was done.
    fn took_effect(&mut self, event: &Event, workflow: &Workflow, wrong: &mut Vec<String>) {
        let content = self.content_digest(event, workflow);
        if content.is_some_and(|content| content != workflow.digest) {
            wrong.push("put something into force that is not what was approved".to_owned());
        }
        let Some(request) = self.request(event, workflow, wrong) else {
            self.unjudged += u64::from(self.has_hidden);
            return;
        };
        // Whoever turned out to have contributed does not count.
        let approvers = request.approvers.iter();
        let counts = |names: &&BTreeSet<String>| names.is_disjoint(&request.contributors);
        let counted = approvers.filter(counts).count() as u64;
        let required = request.required;
        request.has_ended = true;
        self.judged += 1;
        if counted < required {
            wrong.push(format!("took effect with {counted} approvals of {required}"));
        }
    }

    /// The digest that approvals of this change must have named; none if the event does not say enough.
    fn content_digest(&self, event: &Event, workflow: &Workflow) -> Option<String> {
        let operation = workflow.operation.clone()?;
        // Of other changes the event does not hold everything that the digest is made of.
        if !matches!(operation.as_str(), "Put" | "Delete" | "Rollback") {
            return None;
        }
        let value_digest = event.change.new_digest.clone();
        let mut content = vec![
            ("baseVersion", Json::Number(workflow.base_version?)),
            ("clusterId", Json::Text(self.cluster_id.clone()?)),
            ("key", Json::Text(event.key.clone()?)),
            ("namespace", Json::Text(event.namespace.clone())),
            ("operation", Json::Text(operation)),
            ("valueDigest", value_digest.map_or(Json::Null, Json::Text)),
        ];
        content.extend(workflow.to_version.map(|version| ("toVersion", Json::Number(version))));
        let members = content.into_iter().map(|(name, value)| (name.to_owned(), value));
        Some(hash(&Json::Object(members.collect())))
    }

    /// Versions of a key are 1, 2, 3, … and each follows the one before.
    fn count_version(&mut self, event: &Event, wrong: &mut Vec<String>) {
        let (Some(key), Some(version)) = (&event.key, event.change.new_version) else {
            return;
        };
        let at = (event.namespace.clone(), key.clone());
        let versions = self.keys.entry(at).or_default();
        let follows = if self.filtered {
            version > versions.last
        } else {
            version == versions.last + 1
        };
        if !follows {
            wrong.push(format!("makes version {version} after version {}", versions.last));
        }
        if !self.filtered {
            let change = &event.change;
            // A deleted key has no version before.
            let was_live = versions.digest.is_some();
            if change.previous_version.unwrap_or(0) != versions.last && (was_live || change.previous_version.is_some())
            {
                wrong.push("names another version before than the last one".to_owned());
            }
            if change.previous_digest != versions.digest {
                wrong.push("names another digest before than that of the last version".to_owned());
            }
        }
        versions.last = versions.last.max(version);
        versions.digest.clone_from(&event.change.new_digest);
    }
}

fn subject(event: &Event) -> (String, Option<String>) {
    (event.namespace.clone(), event.key.clone())
}

/// A named person: a user, of whatever realm, that is none of the machines that log in like one.
fn is_person(principal: &str) -> bool {
    let Some(user) = principal.strip_prefix("user:") else {
        return false;
    };
    let name = user.split_once('/').map_or(user, |(_, name)| name);
    !name.starts_with("system:") && name != "kubernetes-admin"
}
