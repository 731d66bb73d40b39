//! Webhook targets, which events reach them, and when a failed delivery is tried again.

use std::collections::BTreeSet;

use confman_core::ids::{NamespacePath, Timestamp};
use confman_core::webhook::{
    Delivery, DeliveryResult, DeliveryState, FailureCause, SecretSource, TargetName, WebhookError, WebhookEvent,
    WebhookFormat, WebhookTarget, WebhookUrl, deliveries_for,
};
use proptest::prelude::*;

fn path(text: &str) -> NamespacePath {
    NamespacePath::parse(text).expect("the path of a test is valid")
}

fn target(name: &str) -> WebhookTarget {
    WebhookTarget {
        name: TargetName::parse(name).expect("the name of a test is valid"),
        url: WebhookUrl::parse("https://hooks.example.org/in").expect("the url of a test is valid"),
        format: WebhookFormat::Generic,
        events: BTreeSet::new(),
        secret: SecretSource::parse("hook").expect("the secret of a test is valid"),
        recursive: false,
    }
}

fn delivery() -> Delivery {
    let (namespace, targets) = (path("/teams"), [target("hook")]);
    let lineage = [(&namespace, targets.as_slice())];
    let mut made = deliveries_for(
        lineage,
        WebhookEvent::Published,
        "evt_7_0",
        Timestamp::from_millis(1000),
    );
    made.pop().expect("the target wants every event")
}

const REFUSED: DeliveryResult = DeliveryResult::Refused {
    status: 500,
    retry_after_s: None,
};

#[test]
fn urls_that_name_one_host_plainly_are_taken() {
    for url in [
        "https://hooks.example.org",
        "https://hooks.example.org/",
        "https://hooks.example.org/a/b?c=d&e=%2F",
        "https://hooks.example.org:8443/a",
        "https://hooks.slack.com/services/{secret}",
        "https://example.org/?key={secret}",
        "https://receiver.shop.svc.cluster.local:9443/in",
        "https://192.0.2.7/in",
        "https://[2001:db8::1]:1024/in",
        "https://xn--bcher-kva.example/",
        "http://127.0.0.1:9000/in",
        "http://[::1]:9000/in",
        "http://localhost:9000/in",
    ] {
        assert_eq!(WebhookUrl::parse(url).map(String::from), Ok(url.to_owned()), "{url}");
    }
}

#[test]
fn urls_that_could_be_read_in_two_ways_or_reach_something_else_are_refused() {
    let long = format!("https://example.org/{}", "a".repeat(2048));
    for url in [
        "",
        "hooks.example.org/in",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org:70/_",
        "HTTPS://example.org/",
        "http://example.org/",
        "http://10.0.0.1:8080/",
        "http://127.0.0.1/",
        "http://127.0.0.1.example.org:8080/",
        "https://user@example.org/",
        "https://user:password@example.org/",
        "https://example.org@10.0.0.1/",
        "https://example.org#fragment",
        "https://example.org/#@10.0.0.1",
        "https://example.org\\@10.0.0.1/",
        "https://EXAMPLE.org/",
        "https://example.org./",
        "https://example..org/",
        "https://-a.example.org/",
        "https://a_b.example.org/",
        "https://bücher.example/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://1.2.3.4.5/",
        "https://10.0.0.256/",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "https://[v1.a]/",
        "https://[::1]a/",
        "https://example.org:/",
        "https://example.org:0/",
        "https://example.org:22/",
        "https://example.org:80/",
        "https://example.org:0443/",
        "https://example.org:+443/",
        "https://example.org:65536/",
        "https://example.org:443:443/",
        "https:///in",
        "https://?a",
        "https://example.org?a",
        "https://example.org/a b",
        "https://example.org/a\r\nHost: b",
        "https://example.org/%zz",
        "https://example.org/%2",
        "https://example.org/a/../b",
        "https://example.org/./a",
        "https://example.org/%2E./a",
        "https://example.org/a/%2e",
        "https://example.org/{other}",
        "https://example.org/{secret}/{secret}",
        "https://{secret}.example.org/",
        &long,
    ] {
        assert!(matches!(WebhookUrl::parse(url), Err(WebhookError::Url { .. })), "{url}");
    }
}

#[test]
fn the_parts_of_a_url_are_what_is_written() {
    let url = WebhookUrl::parse("https://[2001:db8::1]:8443/?a=b").expect("it is valid");
    assert_eq!(
        (url.authority(), url.port(), url.path_and_query()),
        ("[2001:db8::1]:8443", 8443, "/?a=b")
    );
    let url = WebhookUrl::parse("https://example.org").expect("it is valid");
    assert_eq!(
        (url.authority(), url.port(), url.path_and_query()),
        ("example.org", 443, "/")
    );
}

#[test]
fn a_secret_name_cannot_leave_its_folder() {
    for name in [
        "",
        ".",
        "..",
        ".hidden",
        "a/b",
        "../a",
        "a\\b",
        "a\0",
        "a.",
        &"a".repeat(64),
    ] {
        assert!(SecretSource::parse(name).is_err(), "{name:?}");
    }
    assert!(SecretSource::parse("Team_1.deploy-hook").is_ok());
}

#[test]
fn a_namespace_has_at_most_sixteen_targets_of_different_names() {
    let targets: Vec<_> = (0..17).map(|number| target(&format!("hook-{number}"))).collect();
    assert_eq!(WebhookTarget::check_all(&targets[..16]), Ok(()));
    assert_eq!(
        WebhookTarget::check_all(&targets),
        Err(WebhookError::TooMany { actual: 17, limit: 16 })
    );
    let twice = WebhookTarget::check_all(&[target("hook"), target("hook")]);
    assert_eq!(
        twice,
        Err(WebhookError::DuplicateName {
            name: "hook".to_owned()
        })
    );
}

#[test]
fn unknown_fields_of_a_target_are_refused() {
    let text = r#"{"name":"hook","url":"https://example.org","secret":"hook","token":"x"}"#;
    assert!(serde_json::from_str::<WebhookTarget>(text).is_err());
    let text = r#"{"name":"hook","url":"https://example.org","secret":"hook","events":["rolledBack"]}"#;
    let target: WebhookTarget = serde_json::from_str(text).expect("defaults fill the rest");
    assert!(target.wants(WebhookEvent::RolledBack) && !target.wants(WebhookEvent::Published));
}

#[test]
fn an_event_reaches_its_namespace_and_the_recursive_targets_above() {
    let (own, parent) = (path("/teams/payments"), path("/teams"));
    let recursive = WebhookTarget {
        recursive: true,
        ..target("hook")
    };
    let rejected_only = WebhookTarget {
        events: BTreeSet::from([WebhookEvent::Rejected]),
        ..target("rejected")
    };
    let (own_targets, parent_targets) = ([target("hook"), rejected_only], [recursive, target("own-only")]);
    let lineage = [(&own, own_targets.as_slice()), (&parent, parent_targets.as_slice())];
    let made = deliveries_for(
        lineage,
        WebhookEvent::Submitted,
        "evt_7_1",
        Timestamp::from_millis(1000),
    );
    let ids: Vec<_> = made.iter().map(|delivery| delivery.id.as_str()).collect();
    assert_eq!(ids, ["msg_evt_7_1_2_hook", "msg_evt_7_1_1_hook"]);
    assert!(
        made.iter()
            .all(|one| one.state == DeliveryState::Pending && one.attempts == 0)
    );
}

#[test]
fn failed_attempts_are_spread_over_three_days_and_then_end() {
    let mut delivery = delivery();
    let mut now = delivery.next_attempt_at;
    let mut pauses = Vec::new();
    while delivery.state == DeliveryState::Pending {
        delivery = delivery.after(REFUSED, now, 0);
        pauses.push((delivery.next_attempt_at.as_millis() - now.as_millis()) / 1000);
        now = delivery.next_attempt_at;
    }
    assert_eq!(pauses, [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400, 0]);
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Dead, 10));
    assert_eq!(delivery.last_result.as_deref(), Some("answered 500"));
}

#[test]
fn a_target_that_says_gone_or_was_removed_is_given_up_at_once() {
    let gone = DeliveryResult::Refused {
        status: 410,
        retry_after_s: Some(5),
    };
    let removed = DeliveryResult::Failed {
        cause: FailureCause::TargetRemoved,
    };
    for result in [gone, removed] {
        let after = delivery().after(result, Timestamp::from_millis(2000), 500);
        assert_eq!(after.state, DeliveryState::Dead);
    }
}

#[test]
fn a_target_may_ask_for_a_longer_pause_within_a_day() {
    let asked = |status, seconds| {
        let result = DeliveryResult::Refused {
            status,
            retry_after_s: Some(seconds),
        };
        delivery()
            .after(result, Timestamp::from_millis(0), 0)
            .next_attempt_at
            .as_millis()
            / 1000
    };
    assert_eq!(
        (asked(429, 60), asked(503, 60), asked(429, 1), asked(500, 60)),
        (60, 60, 5, 5)
    );
    assert_eq!(asked(429, u32::MAX), 24 * 3600);
}

fn results() -> impl Strategy<Value = DeliveryResult> {
    let causes = (0..FailureCause::ALL.len()).prop_map(|which| DeliveryResult::Failed {
        cause: FailureCause::ALL[which],
    });
    let refused = (100u16..600, proptest::option::of(any::<u32>()));
    prop_oneof![
        1 => (200u16..300).prop_map(|status| DeliveryResult::Delivered { status }),
        6 => refused.prop_map(|(status, retry_after_s)| DeliveryResult::Refused { status, retry_after_s }),
        6 => causes,
    ]
}

proptest! {
    #[test]
    fn every_sequence_of_results_ends_bounded_and_never_runs_back(
        attempts in proptest::collection::vec((results(), any::<u16>(), 0i64..100_000), 1..40),
    ) {
        let mut delivery = delivery();
        let mut now = delivery.next_attempt_at;
        for (result, jitter, late_ms) in attempts {
            let before = delivery.clone();
            now = Timestamp::from_millis(now.as_millis().max(before.next_attempt_at.as_millis()) + late_ms);
            delivery = delivery.after(result, now, jitter);
            if before.state.is_final() {
                prop_assert_eq!(&delivery, &before);
                continue;
            }
            prop_assert_eq!(delivery.attempts, before.attempts + 1);
            prop_assert!(delivery.attempts <= Delivery::MAX_ATTEMPTS);
            prop_assert!(delivery.last_result.as_ref().is_some_and(|text| text.len() <= Delivery::MAX_RESULT_BYTES));
            prop_assert_eq!(delivery.state == DeliveryState::Delivered, matches!(result, DeliveryResult::Delivered { .. }));
            let pause = delivery.next_attempt_at.as_millis() - now.as_millis();
            let longest = i64::from(Delivery::MAX_RETRY_AFTER_S) * 1000 * 5 / 4;
            prop_assert!((0..=longest).contains(&pause));
            prop_assert!(delivery.state != DeliveryState::Pending || pause >= 5000);
        }
        prop_assert!(delivery.state.is_final() || delivery.attempts < Delivery::MAX_ATTEMPTS);
    }
}
