//! Who may do what, and how many must agree, by the settings in force.

use std::collections::{BTreeMap, BTreeSet};

use confman_core::access::Role;
use confman_core::ids::NamespacePath;
use confman_core::namespace::{Governance, PublishMode, Workflow};
use confman_core::principal::{Actor, Principal};

use crate::builders::{subject, workflow};

/// Settings of every namespace, and who is behind which login.
#[derive(Default)]
pub(super) struct Rights {
    governance: BTreeMap<String, Governance>,
    /// Person by login.
    persons: BTreeMap<Principal, Principal>,
}

impl Rights {
    pub(super) fn govern(&mut self, path: &NamespacePath, governance: Governance) {
        self.governance.insert(path.to_string(), governance);
    }

    pub(super) fn identify(&mut self, persons: BTreeMap<Principal, Principal>) {
        self.persons = persons;
    }

    /// Who is behind a login, as far as is known now.
    pub(super) fn person(&self, login: &Principal) -> Principal {
        self.persons.get(login).unwrap_or(login).clone()
    }

    /// True if a named person is behind the login.
    pub(super) fn is_human(&self, login: &Principal) -> bool {
        let person = self.person(login).to_string();
        person.starts_with("user:") && !person.starts_with("user:system:") && person != "user:kubernetes-admin"
    }

    /// Governance of `namespace` and of all above it, nearest first.
    fn lineage(&self, namespace: &str) -> Vec<(&str, &Governance)> {
        let is_above = |path: &str| path == "/" || namespace == path || namespace.starts_with(&format!("{path}/"));
        let all = self.governance.iter().rev();
        all.filter(|(path, _)| is_above(path))
            .map(|(path, governance)| (path.as_str(), governance))
            .collect()
    }

    /// The namespaces above that `namespace` inherits from.
    pub(super) fn inherited(&self, namespace: &str) -> Vec<&str> {
        let mut above = Vec::new();
        for (path, governance) in self.lineage(namespace) {
            above.push(path);
            if !governance.inherit {
                break;
            }
        }
        above.split_off(1)
    }

    pub(super) fn rank(&self, namespace: &str, actor: &Actor) -> Option<Role> {
        let mut names: Vec<String> = actor.groups.iter().map(ToString::to_string).collect();
        names.push(self.person(&actor.principal).to_string());
        self.rank_of_any(namespace, &names)
    }

    /// The strongest role that one of the subjects `names` holds.
    fn rank_of_any(&self, namespace: &str, names: &[String]) -> Option<Role> {
        let mut ranks = BTreeSet::new();
        let mut reaches = true;
        for (path, governance) in self.lineage(namespace) {
            for (role, subjects) in &governance.roles {
                let held = subjects.iter().any(|subject| names.contains(&subject.to_string()));
                let counts = reaches || (path == "/" && *role == Role::Admin);
                ranks.extend((held && counts).then_some(*role));
            }
            reaches &= governance.inherit;
        }
        ranks.last().copied()
    }

    /// The strictest workflow of all that reach `namespace`.
    pub(super) fn workflow(&self, namespace: &str) -> Workflow {
        let mut strictest: Option<Workflow> = None;
        for (path, governance) in self.lineage(namespace) {
            let unsaid = (path == "/").then(|| workflow(1));
            if let Some(own) = governance.workflow.or(unsaid) {
                let before = strictest.unwrap_or(own);
                strictest = Some(Workflow {
                    require_approval: before.require_approval | own.require_approval,
                    publish: before.publish.max(own.publish),
                    ..workflow(before.min_approvers.max(own.min_approvers))
                });
            }
        }
        strictest.expect("the top says something")
    }

    /// True if what is approved waits for somebody to publish it.
    pub(super) fn is_manual(&self, namespace: &str) -> bool {
        self.workflow(namespace).publish == Some(PublishMode::Manual)
    }

    /// How many must agree to what `requester` asks for.
    pub(super) fn required(&self, namespace: &str, requester: &Principal) -> usize {
        let by_machine = !self.is_human(requester);
        usize::from(self.workflow(namespace).min_approvers) + usize::from(by_machine)
    }
}

/// The login with this Kubernetes user name.
pub(super) fn login_of(username: &str) -> Principal {
    match username.strip_prefix("system:serviceaccount:") {
        Some(account) => subject(&format!("serviceaccount:{}", account.replacen(':', "/", 1))),
        None => subject(&format!("user:{username}")),
    }
}
