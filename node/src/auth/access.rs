//! What an actor may do where, by the roles of the namespaces in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use confman_core::access::{Action, Role, allows};
use confman_core::ids::NamespacePath;
use confman_core::namespace::ConfigNamespace;

use super::known::Known;

/// Every namespace by path, as the store keeps them in memory.
pub type Namespaces = BTreeMap<NamespacePath, Arc<ConfigNamespace>>;

/// True if a role of `caller` at `path`, or inherited there, allows `action`, and so does the scope of their credential.
/// Admins of `/` may do everything everywhere. A path that is no namespace belongs to its nearest ancestor that is one.
pub fn may(namespaces: &Namespaces, caller: &Known, action: Action, path: &NamespacePath) -> bool {
    let in_scope = !caller.scope.read_only || reads(action);
    in_scope && strongest_role(namespaces, caller, path).is_some_and(|role| allows(role, action))
}

/// The strongest role of `caller` at `path`, inherited ones included; none outside of the scope of their credential.
pub fn strongest_role(namespaces: &Namespaces, caller: &Known, path: &NamespacePath) -> Option<Role> {
    if !caller.scope.covers(path) {
        return None;
    }
    let lineage = path
        .lineage()
        .filter_map(|place| namespaces.get(place).map(Arc::as_ref));
    confman_core::namespace::strongest_role(lineage, &caller.person)
}

/// True if `action` changes nothing.
fn reads(action: Action) -> bool {
    match action {
        Action::ReadPublished | Action::ReadDrafts => true,
        Action::EditDraft
        | Action::Submit
        | Action::Review
        | Action::Publish
        | Action::Rollback
        | Action::Govern
        | Action::DeleteNamespace => false,
    }
}

/// The namespace at `path`, if it exists, and its existing ancestors, nearest first.
pub fn lineage(namespaces: &Namespaces, path: &NamespacePath) -> Vec<Arc<ConfigNamespace>> {
    let found = path.lineage().filter_map(|place| namespaces.get(place).cloned());
    found.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use confman_core::api_key::KeyScope;
    use confman_core::ids::Timestamp;
    use confman_core::namespace::{Governance, NamespaceSettings};
    use confman_core::principal::{Actor, Principal};

    use super::*;

    fn namespace(path: &str, inherit: bool, role: Role, subject: &str) -> ConfigNamespace {
        let subject = Principal::parse(subject).expect("a valid subject");
        ConfigNamespace {
            path: NamespacePath::parse(path).expect("a valid path"),
            claim: None,
            settings: NamespaceSettings::governed(Governance {
                inherit,
                roles: BTreeMap::from([(role, BTreeSet::from([subject]))]),
                ..Governance::inherited()
            }),
            governance_stamp: None,
            created_at: Timestamp::default(),
            created_by: Principal::user("ada"),
            updated_at: Timestamp::default(),
            updated_by: Principal::user("ada"),
            revision: 1,
            governance_request: None,
        }
    }

    fn namespaces(list: Vec<ConfigNamespace>) -> Namespaces {
        list.into_iter()
            .map(|namespace| (namespace.path.clone(), Arc::new(namespace)))
            .collect()
    }

    fn role_at(namespaces: &Namespaces, subject: &str, path: &str) -> Option<Role> {
        let actor = Actor::new(Principal::parse(subject).expect("a valid subject"));
        strongest_role(
            namespaces,
            &Known::unlimited(actor),
            &NamespacePath::parse(path).expect("a valid path"),
        )
    }

    #[test]
    fn roles_are_inherited_until_a_namespace_cuts_them() {
        let all = namespaces(vec![
            namespace("/", true, Role::Admin, "user:root"),
            namespace("/teams", true, Role::Publisher, "key:bot"),
            namespace("/teams/open", true, Role::Viewer, "key:bot"),
            namespace("/teams/closed", false, Role::Viewer, "key:reader"),
        ]);
        assert_eq!(
            role_at(&all, "key:bot", "/teams/open"),
            Some(Role::Publisher),
            "roles add up"
        );
        assert_eq!(
            role_at(&all, "key:bot", "/teams/open/new"),
            Some(Role::Publisher),
            "nearest ancestor"
        );
        assert_eq!(
            role_at(&all, "key:bot", "/teams/closed"),
            None,
            "inherit: false cuts roles"
        );
        assert_eq!(role_at(&all, "key:reader", "/teams/closed"), Some(Role::Viewer));
        assert_eq!(role_at(&all, "key:reader", "/teams"), None, "roles do not go up");
        assert_eq!(
            role_at(&all, "user:root", "/teams/closed"),
            Some(Role::Admin),
            "never cuts root admins"
        );
        assert_eq!(role_at(&all, "key:nobody", "/"), None);
    }

    #[test]
    fn a_scope_narrows_what_roles_allow_and_never_widens_it() {
        let all = namespaces(vec![
            namespace("/", true, Role::Admin, "key:bot"),
            namespace("/teams", true, Role::Viewer, "key:other"),
        ]);
        let path = |text: &str| NamespacePath::parse(text).expect("a valid path");
        let scoped = |name: &str, read_only| Known {
            scope: KeyScope {
                namespace: Some(path("/teams")),
                read_only,
            },
            ..Known::unlimited(Actor::new(Principal::api_key(name)))
        };
        let bot = scoped("bot", false);
        assert!(may(&all, &bot, Action::Publish, &path("/teams/a")));
        assert!(
            !may(&all, &bot, Action::ReadPublished, &path("/")),
            "outside of the scope"
        );
        let reader = scoped("bot", true);
        assert!(may(&all, &reader, Action::ReadDrafts, &path("/teams")));
        assert!(
            !may(&all, &reader, Action::EditDraft, &path("/teams")),
            "for reading only"
        );
        let other = scoped("other", false);
        assert!(
            !may(&all, &other, Action::EditDraft, &path("/teams")),
            "the role does not allow it"
        );
    }

    #[test]
    fn before_bootstrap_nobody_may_anything() {
        assert_eq!(role_at(&Namespaces::new(), "user:root", "/"), None);
    }
}
