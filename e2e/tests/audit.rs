//! What a cluster exports after any history convinces the second verifier; what was altered, or breaks a rule, does not.

#[path = "../../node/core/tests/core/acts.rs"]
mod acts;
#[path = "audit/alter.rs"]
mod alter;
#[path = "../../node/core/tests/core/builders.rs"]
#[expect(dead_code, reason = "the tests of the rules use the rest")]
mod builders;
#[path = "../../node/core/tests/core/calls.rs"]
mod calls;
#[path = "../../node/core/tests/core/history.rs"]
mod history;
#[path = "audit/workflows.rs"]
mod workflows;
#[path = "../../node/core/tests/core/world.rs"]
#[expect(dead_code, reason = "the tests of the rules use the rest")]
mod world;

use confman_api::audit::{AuditBegin, AuditEnd, AuditLine};
use confman_core::access::Role;
use confman_core::audit::{AuditAction, AuditEvent};
use confman_core::digest::Digest;
use confman_core::ids::NamespacePath;
use confman_e2e::audit::{Anchor, Report, verify};
use proptest::prelude::*;

use crate::acts::any_history;
use crate::alter::{Altered, edits, moves, rechained, with_its_hash};
use crate::builders::{UNREVIEWED, cluster_id, governance, path, seconds, spec, workflow};
use crate::world::World;

/// The export of `world` with the events that `is_shown`.
fn export(world: &World, is_shown: impl Fn(&AuditEvent) -> bool) -> Vec<String> {
    let (events, head) = (world.state.audit(), world.head());
    let hidden = events.iter().filter(|event| !is_shown(event)).count() as u64;
    let begin = AuditLine::Begin(AuditBegin {
        format: AuditBegin::FORMAT,
        cluster_id: cluster_id("c1"),
        namespace: NamespacePath::root(),
        filtered: false,
    });
    let shown = events.iter().map(|event| {
        if is_shown(event) {
            AuditLine::Event(Box::new(event.clone()))
        } else {
            AuditLine::Hidden(event.stub())
        }
    });
    let end = AuditLine::End(AuditEnd {
        count: head.count,
        hidden,
        hash: head.hash,
    });
    let lines = [begin].into_iter().chain(shown).chain([end]);
    let text = |line: AuditLine| {
        let mut bytes = Vec::new();
        line.write(&mut bytes).expect("a line is written");
        let text = String::from_utf8(bytes).expect("JSON is text");
        text.trim_end().to_owned()
    };
    lines.map(text).collect()
}

fn judge(lines: &[String], anchor: Option<&Anchor>) -> Report {
    let text = lines.join("\n") + "\n";
    verify(text.as_bytes(), anchor).expect("memory can be read")
}

/// Reviewed, superseded, rejected, withdrawn and unreviewed changes in two namespaces.
fn world() -> World {
    let mut world = World::with_payments(workflow(2));
    let roles: &[(Role, &[&str])] = &[(Role::Editor, &["ada"]), (Role::Publisher, &["bob", "carol"])];
    world
        .declare("root", "/other", "other", governance(roles))
        .expect("a declaration");
    for (at, id) in [(10, "r1"), (20, "r2"), (30, "r3"), (40, "r4")] {
        world.now = seconds(at);
        let mut asked = spec("payments", "rate", id);
        asked.reason = Some(format!("\"{id}\" \u{1f980} \u{7}\n"));
        asked.on_behalf_of = ["eve".to_owned()].into();
        world.submit_spec("ada", id, asked).expect("a submission");
    }
    world.now = seconds(50);
    world.approve("bob", "r1").expect("an approval");
    world.approve("carol", "r1").expect("the last approval");
    world.approve("bob", "r2").expect("supersedes");
    world.reject("bob", "r3").expect("a rejection");
    world.object_deleted("r4").expect("a withdrawal");
    world.now = seconds(60);
    world.submit("eve", "r5", "5").expect("a submission");
    world.approve("bob", "r5").expect("an approval");
    world.approve("dan", "r5").expect("the last approval");
    world
}

fn whole() -> Vec<String> {
    export(&world(), |_| true)
}

fn convinced(report: &Report) {
    assert_eq!(report.objections, [], "nothing is wrong");
    assert!(report.has_end);
}

fn objected(altered: &Altered) {
    let report = judge(&altered.lines, None);
    assert!(!report.objections.is_empty(), "{} is not seen", altered.what);
}

#[test]
fn an_unaltered_export_convinces() {
    let report = judge(&whole(), None);
    convinced(&report);
    assert_eq!((report.judged, report.unreviewed, report.unjudged), (2, 0, 0));
    assert_eq!((report.events, report.hidden), (whole().len() as u64 - 2, 0));
}

#[test]
fn every_edit_of_every_event_is_seen() {
    let altered = edits(&whole());
    assert!(altered.len() > 500, "{} edits", altered.len());
    altered.iter().for_each(objected);
}

#[test]
fn every_drop_insertion_and_move_is_seen() {
    moves(&whole()).iter().for_each(objected);
}

#[test]
fn a_partial_export_convinces_and_what_is_altered_in_it_is_seen() {
    let lines = export(&world(), |event| event.resource.namespace == path("/payments"));
    let report = judge(&lines, None);
    convinced(&report);
    assert_eq!((report.hidden, report.judged), (2, 2));
    let text = lines.concat();
    assert!(!text.contains("/other") && text.contains("/payments"), "nothing leaks");
    moves(&lines).iter().for_each(objected);
    edits(&lines).iter().for_each(objected);
}

#[test]
fn what_is_missing_at_the_end_is_seen_by_the_last_line_or_by_a_noted_head() {
    let lines = whole();
    let head = world().head();
    let anchor = Anchor {
        count: head.count,
        hash: head.hash.to_string(),
    };
    convinced(&judge(&lines, Some(&anchor)));
    for end in 1..lines.len() {
        let cut = &lines[..end];
        let report = judge(cut, None);
        assert!(!report.has_end, "cut behind line {end}");
        let missing = judge(cut, Some(&anchor)).objections;
        let is_whole = end + 1 == lines.len();
        assert_eq!(missing.is_empty(), is_whole, "cut behind line {end}");
    }
    let mut edited = lines.clone();
    edited[1] = edited[1].replace("cluster.initialised", "namespace.created");
    let anew = rechained(&edited);
    convinced(&judge(&anew, None));
    assert!(!judge(&anew, Some(&anchor)).objections.is_empty(), "a chain made anew");
}

/// The code blocks of `docs/audit-format.md` in `language`.
fn documented(language: &str) -> Vec<String> {
    let page = std::fs::read_to_string(confman_e2e::tidy::repository_root().join("docs/audit-format.md"));
    let page = page.expect("the page is there");
    let opening = format!("```{language}\n");
    let blocks = page.split(opening.as_str()).skip(1);
    let body = |block: &str| block.split("```").next().unwrap_or_default().trim_end().to_owned();
    blocks.map(body).collect()
}

#[test]
fn the_documented_example_holds_with_the_documented_hashes() {
    let [example] = documented("jsonl").try_into().expect("one example");
    let lines: Vec<String> = example.lines().map(str::to_owned).collect();
    let report = judge(&lines, None);
    convinced(&report);
    assert_eq!((report.events, report.hidden, report.judged), (6, 1, 1));
    let [canonical] = documented("json").try_into().expect("one canonical form");
    let third: serde_json::Value = serde_json::from_str(&lines[2]).expect("an event");
    assert_eq!(third["hash"], Digest::of(canonical.as_bytes()).to_string());
    let fourth: serde_json::Value = serde_json::from_str(&lines[3]).expect("a stub");
    assert_eq!(fourth["hidden"]["previousHash"], third["hash"]);
}

/// The export with some events taken out or altered, all chained and numbered anew: only the rules can tell.
fn forged(lines: &[String], mut change: impl FnMut(&mut serde_json::Value) -> bool) -> Vec<String> {
    let mut kept = Vec::new();
    let (mut index, mut seq) = (0, 0);
    for line in lines {
        let mut event: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        if event.get("action").is_some() {
            if !change(&mut event) {
                continue;
            }
            let at = event["position"]["index"].as_u64().expect("an index");
            seq = if at == index { seq + 1 } else { 0 };
            index = at;
            event["seq"] = seq.into();
            event["id"] = format!("evt_{index}_{seq}").into();
            event = with_its_hash(event);
        }
        kept.push(event.to_string());
    }
    rechained(&kept)
}

/// True if the event is `action` of request `id`.
fn is(event: &serde_json::Value, action: &str, id: &str) -> bool {
    event["action"] == action && event["workflow"]["requestId"] == id
}

/// What someone who rewrites the whole export does to it, and what the verifier says.
type Forgery = (&'static str, &'static str, fn(&mut serde_json::Value) -> bool);

const FORGERIES: &[Forgery] = &[
    (
        "an approval is taken out",
        "took effect with 1 approvals of 2",
        |event| !(is(event, "request.approved", "r1") && event["actor"]["principal"] == "user:bob"),
    ),
    ("both approvals are one person's", "approves twice", |event| {
        if is(event, "request.approved", "r1") {
            event["actor"]["principal"] = "user:bob".into();
        }
        true
    }),
    ("both approvals are by one login", "approves twice", |event| {
        if is(event, "request.approved", "r1") {
            event["actor"]["login"] = "user:deputy".into();
        }
        true
    }),
    ("the requester approves", "approves what they made", |event| {
        if is(event, "request.approved", "r1") {
            event["actor"]["principal"] = "user:ada".into();
        }
        true
    }),
    ("a contributor approves", "approves what they made", |event| {
        if is(event, "request.approved", "r1") {
            event["actor"]["principal"] = "user:eve".into();
        }
        true
    }),
    (
        "a contributor approves by another name",
        "approves what they made",
        |event| {
            if is(event, "request.approved", "r1") {
                event["actor"]["login"] = "user:eve".into();
            }
            true
        },
    ),
    ("a robot approves", "is no person", |event| {
        if is(event, "request.approved", "r5") {
            event["actor"]["principal"] = "serviceaccount:ci/bot".into();
        }
        true
    }),
    ("other content is approved", "about other content", |event| {
        if is(event, "request.approved", "r5") {
            event["workflow"]["digest"] = format!("sha256:{}", "5".repeat(64)).into();
        }
        true
    }),
    ("other content is published", "not what was approved", |event| {
        if is(event, "config.published", "r5") {
            event["change"]["newDigest"] = format!("sha256:{}", "5".repeat(64)).into();
        }
        true
    }),
    (
        "fewer approvals are asked for at the end",
        "took effect with 1 approvals of 2",
        |event| {
            if is(event, "config.published", "r1") {
                event["workflow"]["requiredApprovals"] = 1.into();
            }
            !(is(event, "request.approved", "r1") && event["actor"]["principal"] == "user:carol")
        },
    ),
    ("a rejected request is published", "which had ended", |event| {
        if is(event, "config.published", "r5") {
            event["workflow"]["requestId"] = "r3".into();
        }
        true
    }),
    ("nobody asked", "which nobody submitted", |event| {
        !is(event, "request.submitted", "r5")
    }),
    ("it belongs to no request", "belongs to no request", |event| {
        if is(event, "config.published", "r5") {
            event.as_object_mut().expect("an object").remove("workflow");
        }
        true
    }),
    ("a version is left out", "after version 1", |event| {
        if is(event, "config.published", "r5") {
            event["change"]["newVersion"] = 3.into();
        }
        true
    }),
    ("a version is used again", "after version 1", |event| {
        if is(event, "config.published", "r5") {
            event["change"]["newVersion"] = 1.into();
        }
        true
    }),
    (
        "the first publication is taken out",
        "makes version 2 after version 0",
        |event| !is(event, "config.published", "r1"),
    ),
    ("a machine asks for one approval", "too few", |event| {
        if event["workflow"]["requestId"] == "r5" {
            event["workflow"]["requiredApprovals"] = 1.into();
        }
        if is(event, "request.submitted", "r5") {
            event["actor"]["principal"] = "key:robot".into();
        }
        true
    }),
];

#[test]
fn a_forged_trail_whose_chain_holds_is_seen_by_the_rules_it_breaks() {
    let lines = whole();
    convinced(&judge(&forged(&lines, |_| true), None));
    for (what, expected, change) in FORGERIES {
        let report = judge(&forged(&lines, change), None);
        let said = report
            .objections
            .iter()
            .any(|objection| objection.what.contains(expected));
        assert!(said, "{what}: {:?}", report.objections);
    }
}

#[test]
fn unreviewed_writes_are_counted_as_such() {
    let mut world = World::with_payments(UNREVIEWED);
    world.put("bob", "1").expect("a write");
    world.put("bob", "2").expect("a write");
    let report = judge(&export(&world, |_| true), None);
    convinced(&report);
    assert_eq!((report.judged, report.unreviewed), (0, 2));
}

proptest! {
    // A failing history is printed; a test writes no files. PROPTEST_CASES asks for more of them.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn every_history_convinces_and_no_alteration_of_it_does(
        history in any_history(),
        hidden in 0..4_usize,
        which in any::<prop::sample::Index>(),
    ) {
        let world = history::play(&history);
        let shown = |event: &AuditEvent| {
            acts::NAMESPACES.get(hidden).is_none_or(|(at, _)| event.resource.namespace != path(at))
        };
        let lines = export(&world, shown);
        let report = judge(&lines, None);
        prop_assert_eq!(&report.objections, &[]);
        let agreed_to = [
            AuditAction::ConfigPublished,
            AuditAction::EntryDescribed,
            AuditAction::IdentityUpdated,
            AuditAction::NamespaceUpdated,
        ];
        let is_agreed_to = |event: &AuditEvent| agreed_to.contains(&event.action) && event.workflow.is_some();
        let reviewed = world.state.audit().iter().filter(|event| is_agreed_to(event) && shown(event));
        prop_assert_eq!(report.judged, reviewed.count() as u64);
        let altered = moves(&lines);
        let altered = which.get(&altered);
        prop_assert!(!judge(&altered.lines, None).objections.is_empty(), "{}", altered.what);
    }
}

fn cases() -> u32 {
    let wanted = std::env::var("PROPTEST_CASES").ok();
    wanted.and_then(|cases| cases.parse().ok()).unwrap_or(64)
}
