//! What a node decides without disk and network, each beside its goal: docs/performance.md says what the figures mean.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use confman_core::access::{Action, Role};
use confman_core::digest::Digest;
use confman_core::ids::{ConfigKey, NamespacePath, Timestamp};
use confman_core::namespace::{ConfigNamespace, Governance, NamespaceSettings};
use confman_core::principal::{Actor, Principal};
use confman_core::value::ConfigValue;
use confman_node::auth::access::{Namespaces, may};
use confman_node::auth::known::Known;
use confman_node::schema::{Held, Holding, NamespaceObject, SchemaCache};
use serde_json::{Map, Value, json};

/// How often a batch is timed.
const BATCHES: usize = 301;
/// How long a batch lasts at least: the clock's own cost does not count then.
const BATCH: Duration = Duration::from_millis(2);

fn main() {
    validation();
    permission("4 namespaces deep, 5 groups", 4, 5);
    permission("16 namespaces deep, 64 groups", 16, 64);
}

/// A new value of a key becomes JSON, its schema comes from the cache, and the change is judged.
fn validation() {
    let (cache, schema, text) = (SchemaCache::default(), schema(), value());
    let digest = Digest::of(schema.as_bytes());
    let key = ConfigKey::parse("sites").expect("a key");
    let value = ConfigValue::from_json_text(&text).expect("a value");
    let before = NamespaceObject::default();
    let judge = || {
        let schema = cache.get(digest, &schema).expect("the schema is accepted");
        let after = before.after(&key, Some(Held::of(black_box(&value))));
        Holding::new(vec![schema]).judge(&before, &after, &key)
    };
    assert!(judge().is_empty(), "the value satisfies the schema");
    let (lines, bytes) = (schema.lines().count(), text.len());
    let what = format!("validation, {bytes} bytes by {lines} lines");
    measure(&what, Duration::from_micros(100), || drop(black_box(judge())));
}

/// A schema of about 200 lines: eleven kinds of settings with several rules each.
fn schema() -> String {
    let setting = json!({
        "type": "object",
        "properties": {
            "host": { "format": "hostname" },
            "port": { "maximum": 65_535 },
            "tag": { "pattern": "^[a-z0-9-]+$" },
        },
        "required": ["host", "port"],
    });
    let settings: Map<_, _> = (0..11).map(|number| (setting_name(number), setting.clone())).collect();
    let site = json!({ "type": "object", "properties": settings, "additionalProperties": false });
    let schema = json!({ "properties": { "sites": { "items": site } } });
    serde_json::to_string_pretty(&schema).expect("a JSON value is JSON")
}

/// A value of 10,000 bytes at least that satisfies it.
fn value() -> String {
    let setting =
        |number| json!({ "host": format!("host-{number}.example.com"), "port": 8_000 + number, "tag": "blue-1" });
    let site: Map<_, _> = (0..11).map(|number| (setting_name(number), setting(number))).collect();
    let mut sites = Vec::new();
    while Value::from(sites.clone()).to_string().len() < 10_000 {
        sites.push(Value::from(site.clone()));
    }
    Value::from(sites).to_string()
}

fn setting_name(number: u32) -> String {
    format!("setting-{number}")
}

/// One question by somebody in `groups` groups, answered by the namespaces in memory: nearest to root, nothing cut, and
/// only the last subject of all gives the role.
fn permission(what: &str, depth: usize, groups: usize) {
    let path = |length: usize| match length {
        0 => NamespacePath::root(),
        length => NamespacePath::parse(&"/department".repeat(length)).expect("a path"),
    };
    let group = |number: usize| Principal::group(&format!("group-{number}"));
    let mut namespaces: Namespaces = (0..1_000)
        .map(|number| NamespacePath::parse(&format!("/other/team-{number}")).expect("a path"))
        .chain((0..=depth).map(path))
        .map(|path| (path.clone(), Arc::new(namespace(path, Principal::user("somebody")))))
        .collect();
    namespaces.insert(path(0), Arc::new(namespace(path(0), group(groups - 1))));
    let mut actor = Actor::new(Principal::user("ada"));
    actor.groups = (0..groups).map(group).collect();
    let (known, path) = (Known::unlimited(actor), path(depth));
    let decide = || {
        may(
            black_box(&namespaces),
            black_box(&known),
            Action::ReadPublished,
            black_box(&path),
        )
    };
    assert!(decide(), "a role at the root allows it");
    let what = format!("permission, {what}");
    measure(&what, Duration::from_micros(1), || {
        black_box(decide());
    });
}

/// A namespace where ten people have roles, and `viewer` is one of the viewers.
fn namespace(path: NamespacePath, viewer: Principal) -> ConfigNamespace {
    let people = |role: Role| {
        let people = (0..3).map(|number| Principal::user(&format!("{role}-{number}")));
        people.collect::<BTreeSet<_>>()
    };
    let mut roles: BTreeMap<_, _> = Role::ALL.into_iter().map(|role| (role, people(role))).collect();
    roles.entry(Role::Viewer).or_default().insert(viewer);
    ConfigNamespace {
        path,
        claim: None,
        settings: NamespaceSettings::governed(Governance {
            roles,
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

/// Times batches of `once` and prints the median of one call beside `goal`, and what nine of ten batches stay below.
fn measure(what: &str, goal: Duration, mut once: impl FnMut()) {
    let mut batch = |calls: u32| {
        let began = Instant::now();
        (0..calls).for_each(|_| once());
        began.elapsed()
    };
    let mut calls = 1;
    while batch(calls) < BATCH {
        calls *= 2;
    }
    let mut times: Vec<_> = (0..BATCHES).map(|_| batch(calls) / calls).collect();
    times.sort_unstable();
    let (median, most) = (times[BATCHES / 2], times[BATCHES * 9 / 10]);
    let verdict = if median <= goal { "reached" } else { "MISSED" };
    print(&format!(
        "{what}: median {median:?}, 90 % below {most:?}; goal {goal:?} {verdict}"
    ));
}

#[expect(clippy::print_stdout, reason = "the figures are what the program is for")]
fn print(line: &str) {
    println!("{line}");
}
