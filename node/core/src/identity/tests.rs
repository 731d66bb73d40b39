//! Tests of [`super`].

use super::*;

fn login(subject: &str) -> Principal {
    Principal::parse(subject).expect("a valid subject")
}

fn issuer() -> Issuer {
    Issuer {
        realm: "corp".to_owned(),
        url: "https://login.example.com/tenant".to_owned(),
        audiences: vec!["confman".to_owned()],
        algorithms: default_algorithms(),
        username_claim: default_username_claim(),
        groups_claim: default_groups_claim(),
        subjects: IssuerSubjects::People,
        keys: IssuerKeys::Discovery,
        ca_pem: None,
    }
}

fn with_aliases(aliases: &[(&str, &str)]) -> Identity {
    Identity {
        aliases: aliases.iter().map(|(from, to)| (login(from), login(to))).collect(),
        ..Identity::default()
    }
}

#[test]
fn the_default_trusts_nobody_and_is_valid() {
    let identity = Identity::default();
    assert_eq!(identity.validate(), Ok(()));
    assert!(identity.issuers.is_empty() && identity.client_ca_pem.is_none() && !identity.anonymous_reads);
}

#[test]
fn by_default_everybody_is_a_person_but_the_systems_and_the_break_glass_login() {
    let identity = Identity::default();
    for person in ["user:ada", "user:corp/ada", "user:mtls/ada", "user:corp/a/b"] {
        assert!(identity.is_human(&login(person)), "{person}");
    }
    for machine in [
        "user:system:admin",
        "user:corp/system:admin",
        "user:kubernetes-admin",
        "user:corp/kubernetes-admin",
        "user:anonymous/anonymous",
        "group:team-a",
        "serviceaccount:apps/web",
        "key:reader",
    ] {
        assert!(!identity.is_human(&login(machine)), "{machine}");
    }
    assert!(!identity.is_human(&Principal::courier()));
}

#[test]
fn the_default_agrees_with_the_rule_without_a_cluster() {
    let identity = Identity::default();
    for subject in [
        "user:ada",
        "user:system:x",
        "user:kubernetes-admin",
        "key:k",
        "serviceaccount:a/b",
        "group:g",
    ] {
        let principal = login(subject);
        assert_eq!(identity.is_human(&principal), principal.is_human(), "{subject}");
    }
}

#[test]
fn patterns_name_the_people_but_never_make_one_of_a_machine() {
    let mut identity = Identity::default();
    identity.humans.include = vec!["user:corp/*@example.com".to_owned()];
    identity.humans.exclude = vec!["user:corp/robot-*".to_owned()];
    assert!(identity.is_human(&login("user:corp/ada@example.com")));
    assert!(!identity.is_human(&login("user:corp/robot-7@example.com")));
    assert!(!identity.is_human(&login("user:other/ada@example.com")));
    assert!(!identity.is_human(&login("user:corp/ada@example.com.evil.org")));
    identity.humans = HumanPatterns {
        include: vec!["*".to_owned()],
        exclude: Vec::new(),
    };
    for machine in [
        "key:reader",
        "serviceaccount:a/b",
        "user:system:admin",
        "user:anonymous/anonymous",
    ] {
        assert!(!identity.is_human(&login(machine)), "{machine}");
    }
}

#[test]
fn a_machine_login_of_a_person_is_that_person_and_the_other_way_round() {
    let identity = with_aliases(&[("user:kubernetes-admin", "user:ada"), ("user:bob", "user:system:bot")]);
    assert!(identity.is_human(&login("user:kubernetes-admin")));
    assert!(!identity.is_human(&login("user:bob")));
}

#[test]
fn stars_stand_for_any_text() {
    for (pattern, text, expected) in [
        ("user:ada", "user:ada", true),
        ("user:ada", "user:adam", false),
        ("user:*", "user:", true),
        ("*", "", true),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("a*b*c", "axxbyyc", true),
        ("a*b*c", "axxcyyb", false),
        ("a*bc*c", "abc", false),
        ("**a**", "xxaxx", true),
        ("*a*a*", "a", false),
    ] {
        assert_eq!(glob_matches(pattern, text), expected, "{pattern} and {text}");
    }
    let long = "a".repeat(10_000);
    assert!(!glob_matches(&format!("{}b", "a*".repeat(2_000)), &long), "linear");
}

#[test]
fn an_alias_gives_the_person_and_keeps_groups_and_address() {
    let identity = with_aliases(&[("user:corp/ada@example.com", "user:ada")]);
    let actor = Actor {
        principal: login("user:corp/ada@example.com"),
        groups: [login("group:corp/admins")].into(),
        ip: Some("10.0.0.1".to_owned()),
    };
    let person = identity.canonical_actor(&actor);
    assert_eq!(person.principal, login("user:ada"));
    assert_eq!((person.groups, person.ip), (actor.groups, actor.ip));
    assert_eq!(identity.canonical(&login("user:bob")), login("user:bob"));
}

#[test]
fn people_of_two_realms_are_compared_only_when_all_are_mapped() {
    let none = Identity::default();
    let (ada, bob, corp) = (login("user:ada"), login("user:bob"), login("user:corp/ada"));
    assert_eq!(none.comparable(&[]), Ok(()));
    assert_eq!(none.comparable(&[&ada, &bob]), Ok(()));
    assert_eq!(none.comparable(&[&ada, &corp]), Err(ada.clone()));

    let mapped = with_aliases(&[("user:corp/ada", "user:ada")]);
    assert_eq!(
        mapped.comparable(&[&corp, &bob]),
        Ok(()),
        "the person is of the realm of the others"
    );
    let apart = with_aliases(&[("user:corp/bo", "user:corp/bob")]);
    assert_eq!(apart.comparable(&[&login("user:corp/bo"), &ada]), Err(ada.clone()));
    let both = with_aliases(&[("user:corp/bo", "user:corp/bob"), ("user:al", "user:ada")]);
    assert_eq!(
        both.comparable(&[&login("user:corp/bo"), &ada]),
        Ok(()),
        "both persons are named"
    );
}

#[test]
fn machines_do_not_make_people_incomparable() {
    let identity = Identity::default();
    let people = [login("user:corp/ada"), login("user:corp/bob")];
    for machine in ["key:ci", "serviceaccount:apps/ci", "user:kubernetes-admin"] {
        let logins = [&login(machine), &people[0], &people[1]];
        assert_eq!(identity.comparable(&logins), Ok(()), "{machine}");
    }
}

fn refused(change: impl FnOnce(&mut Identity)) -> String {
    let mut identity = Identity {
        issuers: vec![issuer()],
        ..Identity::default()
    };
    assert_eq!(identity.validate(), Ok(()), "valid before the change");
    change(&mut identity);
    identity.validate().expect_err("invalid after the change").field
}

#[test]
fn what_is_wrong_with_an_issuer_is_named() {
    for realm in ["", "kubernetes", "mtls", "anonymous", "A", "a/b", "-a", "a b"] {
        assert_eq!(
            refused(|identity| realm.clone_into(&mut identity.issuers[0].realm)),
            "issuers[0].realm"
        );
    }
    for url in [
        "http://a",
        "https://",
        "https:///a",
        "https://a?b",
        "https://u@a",
        "https://a b",
        "ftp://a",
        "",
    ] {
        assert_eq!(
            refused(|identity| url.clone_into(&mut identity.issuers[0].url)),
            "issuers[0].url"
        );
    }
    assert_eq!(
        refused(|identity| identity.issuers[0].audiences.clear()),
        "issuers[0].audiences"
    );
    assert_eq!(
        refused(|identity| identity.issuers[0].algorithms.clear()),
        "issuers[0].algorithms"
    );
    assert_eq!(
        refused(|identity| identity.issuers[0].username_claim.clear()),
        "issuers[0].usernameClaim"
    );
    assert_eq!(
        refused(|identity| identity.issuers[0].groups_claim = Some(String::new())),
        "issuers[0].groupsClaim"
    );
    for jwks in ["", "{}", "{\"keys\":[]}", "[]"] {
        let keys = IssuerKeys::Inline(jwks.to_owned());
        assert_eq!(
            refused(|identity| identity.issuers[0].keys = keys),
            "issuers[0].keys.inline"
        );
    }
    let keys = IssuerKeys::Url("http://a".to_owned());
    assert_eq!(
        refused(|identity| identity.issuers[0].keys = keys),
        "issuers[0].keys.url"
    );
    assert_eq!(
        refused(|identity| identity.issuers[0].ca_pem = Some("x".to_owned())),
        "issuers[0].caPem"
    );
    let account = |identity: &mut Identity| identity.issuers[0].subjects = IssuerSubjects::ServiceAccounts;
    assert_eq!(
        refused(account),
        "issuers[0].realm",
        "service accounts are of the realm kubernetes"
    );
    assert_eq!(refused(|identity| identity.issuers.push(issuer())), "issuers[1].realm");
    assert_eq!(refused(|identity| identity.issuers = vec![issuer(); 17]), "issuers");
}

#[test]
fn what_is_wrong_with_the_rest_is_named() {
    let secret = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----";
    assert_eq!(
        refused(|identity| identity.client_ca_pem = Some(secret.to_owned())),
        "clientCaPem"
    );
    assert_eq!(
        refused(|identity| identity.humans.include = vec!["ada".to_owned()]),
        "humans.include[0]"
    );
    assert_eq!(
        refused(|identity| identity.humans.exclude = vec!["user:a".to_owned(); 65]),
        "humans.exclude"
    );
    for (from, to) in [
        ("user:a", "user:a"),
        ("user:a", "key:k"),
        ("group:a", "user:b"),
        ("user:a", "user:anonymous/anonymous"),
    ] {
        let aliases = with_aliases(&[(from, to)]).aliases;
        assert_eq!(
            refused(|identity| identity.aliases = aliases),
            format!("aliases[{from}]")
        );
    }
    let chain = with_aliases(&[("user:a", "user:b"), ("user:b", "user:c")]).aliases;
    assert_eq!(refused(|identity| identity.aliases = chain), "aliases[user:a]");
}

#[test]
fn a_document_names_what_it_sets_and_nothing_unknown() {
    let text =
        r#"{"issuers":[{"realm":"corp","url":"https://a","audiences":["b"]}],"aliases":{"user:corp/a":"user:b"}}"#;
    let identity: Identity = serde_json::from_str(text).expect("a valid document");
    assert_eq!(identity.validate(), Ok(()));
    assert_eq!(identity.issuers[0].username_claim, "sub");
    assert_eq!(identity.issuers[0].groups_claim.as_deref(), Some("groups"));
    let written = serde_json::to_string(&identity).expect("serialisable");
    assert_eq!(serde_json::from_str::<Identity>(&written).ok(), Some(identity));
    for bad in [
        r#"{"issuer":[]}"#,
        r#"{"issuers":[{"realm":"c","url":"https://a","audiences":["b"],"algorithms":["none"]}]}"#,
        r#"{"issuers":[{"realm":"c","url":"https://a","audiences":["b"],"algorithms":["HS256"]}]}"#,
    ] {
        assert!(serde_json::from_str::<Identity>(bad).is_err(), "{bad}");
    }
}
