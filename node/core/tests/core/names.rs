//! Paths, keys, ids, times and principals: what is a name, what is none, and what names the same thing.

use std::collections::BTreeSet;

use confman_core::digest::Digest;
use confman_core::ids::{ClusterId, ConfigKey, NamespacePath, RequestId, Timestamp};
use confman_core::principal::{Actor, Principal, PrincipalKind};

use crate::builders::{governance, key, path, spec, verdict, workflow, writing};
use crate::world::World;

#[test]
fn a_path_is_a_slash_and_segments() {
    let longest = "a".repeat(63);
    for good in [
        "/",
        "/a",
        "/0",
        "/a.b_c-d/0",
        "/teams/payments/stripe",
        &format!("/{longest}"),
    ] {
        assert_eq!(path(good).as_str(), good);
    }
    let bad = [
        "", "a", "a/b", "//", "/a/", "//a", "/a//b", "/.", "/..", "/a/../b", "/A", "/-a", "/a-", "/_a", "/a_", "/.a",
        "/a.", "/a b", "/ä", "/a\n", "/a\0", "/a%2fb", "/a\\b",
    ];
    for bad in bad.into_iter().chain([format!("/{longest}a").as_str()]) {
        assert!(NamespacePath::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_path_has_at_most_sixteen_segments_and_512_bytes() {
    assert!(NamespacePath::parse(&"/a".repeat(16)).is_ok());
    assert!(NamespacePath::parse(&"/a".repeat(17)).is_err());
    let seven = format!("/{}", "a".repeat(63)).repeat(7);
    let filled = |last: usize| format!("{seven}/{}/{}", "a".repeat(31), "a".repeat(last));
    assert_eq!(filled(31).len(), 512);
    assert!(NamespacePath::parse(&filled(31)).is_ok());
    assert!(NamespacePath::parse(&filled(32)).is_err());
}

#[test]
fn a_key_is_one_segment_that_may_be_upper_case() {
    let longest = "K".repeat(63);
    for good in ["a", "A", "_", "0", "LOG_LEVEL", "_x_", "a.b-c", longest.as_str()] {
        assert_eq!(key(good).as_str(), good);
    }
    let too_long = "K".repeat(64);
    for bad in [
        "",
        "-a",
        "a-",
        ".a",
        "a.",
        ".",
        "..",
        "a/b",
        "/a",
        "a b",
        "ä",
        "a\n",
        too_long.as_str(),
    ] {
        assert!(ConfigKey::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn ids_are_short_and_plain() {
    let longest = "i".repeat(64);
    for good in ["a", "7f1d1f7e-0000-4000-8000-000000000001", "_", longest.as_str()] {
        assert!(
            ClusterId::parse(good).is_ok() && RequestId::parse(good).is_ok(),
            "{good:?}"
        );
    }
    let too_long = "i".repeat(65);
    for bad in ["", "a/b", "a.b", "a b", "ä", "a\0", too_long.as_str()] {
        assert!(
            ClusterId::parse(bad).is_err() && RequestId::parse(bad).is_err(),
            "{bad:?}"
        );
    }
}

#[test]
fn ancestors_are_every_path_above() {
    let above = |text| {
        path(text)
            .ancestors()
            .map(|above| above.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(above("/a/b/c"), ["/a/b", "/a", "/"]);
    assert_eq!(above("/a"), ["/"]);
    assert_eq!(above("/"), [""; 0]);
}

#[test]
fn a_lineage_is_the_path_and_every_path_above() {
    for (text, expected) in [
        ("/a/bc/d", &["/a/bc/d", "/a/bc", "/a", "/"][..]),
        ("/a", &["/a", "/"]),
        ("/", &["/"]),
    ] {
        assert_eq!(path(text).lineage().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn an_actor_is_among_subjects_by_name_or_by_group_however_many_there_are() {
    let mut ada = Actor::new(Principal::user("ada"));
    ada.groups = [Principal::group("blue"), Principal::group("green")].into();
    let groups = (0..5).map(|number| Principal::group(&format!("group-{number}")));
    let many: BTreeSet<_> = groups.collect();
    for others in [BTreeSet::new(), many] {
        assert!(!ada.is_among(&others));
        for named in [Principal::user("ada"), Principal::group("green")] {
            let mut subjects = others.clone();
            subjects.insert(named);
            assert!(ada.is_among(&subjects), "{subjects:?}");
        }
        let mut subjects = others;
        subjects.insert(Principal::group("ada"));
        assert!(!ada.is_among(&subjects), "a group of her name is another subject");
    }
}

#[test]
fn a_path_is_below_its_ancestors_only() {
    for (lower, upper, expected) in [
        ("/a", "/", true),
        ("/a/b", "/a", true),
        ("/a/b/c", "/a", true),
        ("/a", "/a", false),
        ("/", "/", false),
        ("/", "/a", false),
        ("/ab", "/a", false),
        ("/a.b", "/a", false),
        ("/a", "/a/b", false),
    ] {
        assert_eq!(path(lower).is_below(&path(upper)), expected, "{lower} below {upper}");
    }
}

#[test]
fn a_full_path_is_taken_apart_as_it_was_put_together() {
    for (namespace, name) in [("/", "rate"), ("/a", "rate"), ("/a/b", "0")] {
        let full = path(&path(namespace).join(&key(name)));
        assert_eq!(full.split_last(), Some((path(namespace), name)));
    }
    assert_eq!(path("/").split_last(), None);
    assert_eq!(path("/a").join(&key("LOG_LEVEL")), "/a/LOG_LEVEL");
}

#[test]
fn names_from_outside_are_parsed_not_trusted() {
    assert!(serde_json::from_str::<NamespacePath>("\"/a/../b\"").is_err());
    assert!(serde_json::from_str::<ConfigKey>("\"a/b\"").is_err());
    assert!(serde_json::from_str::<Principal>("\"ada\"").is_err());
    assert!(serde_json::from_str::<Digest>("\"sha256:00\"").is_err());
    assert!(serde_json::from_str::<Timestamp>("\"yesterday\"").is_err());
}

#[test]
fn a_full_path_never_names_a_key_and_a_namespace() {
    let mut world = World::with_payments(workflow(1));
    world.submit("ada", "r1", "1").expect("a submission");
    world
        .declare("root", "/payments/limit", "limit", governance(&[]))
        .expect("a declaration");
    let taken = world.submit_spec("ada", "r2", spec("payments", "limit", "1"));
    assert_eq!(verdict(&taken), "NameTaken", "a key where a namespace is");
    let mut unreviewed = World::with_floor(crate::builders::UNREVIEWED);
    unreviewed
        .declare("root", "/payments", "payments", governance(&[]))
        .expect("a declaration");
    let written = unreviewed.apply(writing("root", "/", "payments", "1"));
    assert_eq!(verdict(&written), "NameTaken", "a direct write where a namespace is");
    world
        .declare("root", "/payments/rate", "rate", governance(&[]))
        .expect("no key is live there yet");
    assert_eq!(
        verdict(&world.approve("bob", "r1")),
        "NameTaken",
        "looked at again at the decision"
    );
    let mut published = World::with_payments(workflow(1));
    published.submit("ada", "r1", "1").expect("a submission");
    published.approve("bob", "r1").expect("a publication");
    let declared = published.declare("root", "/payments/rate", "rate", governance(&[]));
    assert_eq!(verdict(&declared), "NameTaken", "a namespace where a key is");
}

#[test]
fn subjects_are_read_and_written_alike() {
    let longest = format!("user:{}", "n".repeat(256));
    let good = [
        ("user:ada", PrincipalKind::User, "kubernetes", "ada"),
        ("user:oidc/ada", PrincipalKind::User, "oidc", "ada"),
        ("user:a:b", PrincipalKind::User, "kubernetes", "a:b"),
        ("user:kubernetes/a/b", PrincipalKind::User, "kubernetes", "a/b"),
        ("group:staff", PrincipalKind::Group, "kubernetes", "staff"),
        ("group:oidc/staff", PrincipalKind::Group, "oidc", "staff"),
        (
            "serviceaccount:apps/web",
            PrincipalKind::ServiceAccount,
            "kubernetes",
            "apps/web",
        ),
        ("key:reader", PrincipalKind::ApiKey, "kubernetes", "reader"),
        (longest.as_str(), PrincipalKind::User, "kubernetes", &longest[5..]),
    ];
    for (text, kind, realm, name) in good {
        let principal = Principal::parse(text).expect("a subject");
        assert_eq!(
            (principal.kind, principal.realm.as_str(), principal.name.as_str()),
            (kind, realm, name)
        );
        assert_eq!(principal.to_string(), text);
    }
    let too_long = format!("user:{}", "n".repeat(257));
    let bad = [
        "",
        "ada",
        "User:ada",
        "user:",
        "user:/",
        "user:oidc/",
        "user:/ada",
        "group:",
        "key:",
        "serviceaccount:web",
        "serviceaccount:/web",
        "serviceaccount:apps/",
        "user:a\nb",
        "user:a\u{7f}",
        "robot:r2d2",
        too_long.as_str(),
    ];
    for text in bad {
        assert!(Principal::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn no_two_principals_share_a_text() {
    let slash = Principal::user("oidc/ada");
    assert_ne!(slash, Principal::parse("user:oidc/ada").expect("a subject"));
    assert_eq!(slash.to_string(), "user:kubernetes/oidc/ada");
    assert_eq!(Principal::parse(&slash.to_string()), Ok(slash));
    assert_ne!(Principal::user("Ada"), Principal::user("ada"), "compared exactly");
}

#[test]
fn only_named_people_are_human() {
    let login = Principal::from_kubernetes_username;
    for name in ["ada", "ada@example.com", "systemic", "kubernetes-admins", "oidc:ada"] {
        assert!(login(name).is_human(), "{name}");
    }
    for name in [
        "kubernetes-admin",
        "system:admin",
        "system:masters",
        "system:serviceaccount:apps:web",
        "system:serviceaccount:broken",
        "system:node:worker-1",
        "system:",
    ] {
        assert!(!login(name).is_human(), "{name}");
    }
    assert!(!Principal::api_key("reader").is_human());
    assert!(!Principal::group("staff").is_human());
    assert!(!Principal::courier().is_human());
    assert_eq!(
        login("system:serviceaccount:apps:web").to_string(),
        "serviceaccount:apps/web"
    );
}

#[test]
fn times_are_read_in_any_zone_and_written_in_utc_with_milliseconds() {
    for (given, written) in [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"),
        ("2026-01-31T13:00:00.5+01:00", "2026-01-31T12:00:00.500Z"),
        ("2026-01-31T12:00:00.123999Z", "2026-01-31T12:00:00.123Z"),
        ("1960-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
    ] {
        assert_eq!(Timestamp::parse(given).expect("a time").to_string(), written);
    }
    assert_eq!(Timestamp::from_millis(i64::MIN).to_string(), "1970-01-01T00:00:00.000Z");
    let last = Timestamp::from_millis(i64::MAX);
    assert!(last.to_string().starts_with("9999-12-30T"), "{last}");
    assert_eq!(Timestamp::parse(&last.to_string()), Ok(last));
}

#[test]
fn digests_are_read_and_written_alike() {
    let text = format!("sha256:{}", "0123456789abcdef".repeat(4));
    assert_eq!(Digest::parse(&text).expect("a digest").to_string(), text);
    let hex = &text[7..];
    let upper = hex.to_uppercase();
    for bad in [
        hex,
        &text[..70],
        &format!("{text}0"),
        &format!("sha256:{upper}"),
        &format!("sha512:{hex}"),
        "",
    ] {
        assert!(Digest::parse(bad).is_err(), "{bad:?}");
    }
}
