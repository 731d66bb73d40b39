//! What a webhook says: facts about one event, never a value and never what somebody wrote as a comment.

mod generic;
mod slack;
mod teams;

use confman_core::audit::AuditEvent;
use confman_core::ids::ClusterId;
use confman_core::webhook::{WebhookEvent, WebhookFormat};

/// Longest text of one fact in a message for people, in characters.
const MAX_FACT_CHARS: usize = 256;

/// The facts of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFacts {
    /// What happened.
    pub event: WebhookEvent,
    /// Id of the audit event that says the same.
    pub event_id: String,
    /// When, RFC 3339.
    pub time: String,
    /// Which cluster.
    pub cluster_id: String,
    /// Config namespace of the key.
    pub namespace: String,
    /// The key.
    pub key: Option<String>,
    /// The version that went live.
    pub version: Option<u64>,
    /// The publish request.
    pub request_id: Option<String>,
    /// Its state after the event.
    pub state: Option<String>,
    /// Who did it.
    pub actor: String,
    /// Digest of what was asked for: what reviewers approve; of the value where there was no request.
    pub digest: Option<String>,
}

impl EventFacts {
    /// The facts of `audited`, told as `event`.
    pub fn of(event: WebhookEvent, audited: &AuditEvent, cluster_id: &ClusterId) -> Self {
        let workflow = audited.workflow.as_ref();
        let change = audited.change.as_ref();
        let value_digest = change.and_then(|change| change.new_digest);
        Self {
            event,
            event_id: audited.id.clone(),
            time: audited.time.to_string(),
            cluster_id: cluster_id.to_string(),
            namespace: audited.resource.namespace.to_string(),
            key: audited.resource.key.as_ref().map(ToString::to_string),
            version: change.and_then(|change| change.new_version),
            request_id: workflow.map(|workflow| workflow.request_id.to_string()),
            state: workflow.map(|workflow| workflow.state.to_string()),
            actor: audited.actor.principal.to_string(),
            digest: workflow
                .map(|workflow| workflow.digest)
                .or(value_digest)
                .map(|digest| digest.to_string()),
        }
    }

    /// The body for a target of `format`, JSON in UTF-8.
    pub fn body(&self, format: WebhookFormat) -> Vec<u8> {
        let body = match format {
            WebhookFormat::Generic => generic::body(self),
            WebhookFormat::Slack => slack::body(self),
            WebhookFormat::Teams => teams::body(self),
        };
        body.to_string().into_bytes()
    }

    /// One line for people, without anything that a person chose.
    fn title(&self) -> &'static str {
        match self.event {
            WebhookEvent::Submitted => "A publish request waits for review",
            WebhookEvent::Approved => "A publish request was approved",
            WebhookEvent::Rejected => "A publish request was rejected",
            WebhookEvent::Published => "A configuration value was published",
            WebhookEvent::RolledBack => "A configuration value was rolled back",
            WebhookEvent::RotationDue => "A configuration value is due for rotation",
        }
    }

    /// Name and text of each fact for people, bounded, without characters that hide or turn others around.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let version = self.version.map(|version| version.to_string());
        let facts = [
            ("Namespace", Some(self.namespace.as_str())),
            ("Key", self.key.as_deref()),
            ("Version", version.as_deref()),
            ("Request", self.request_id.as_deref()),
            ("State", self.state.as_deref()),
            ("By", Some(self.actor.as_str())),
            ("Digest", self.digest.as_deref()),
            ("At", Some(self.time.as_str())),
            ("Cluster", Some(self.cluster_id.as_str())),
        ];
        let given = facts.into_iter().filter_map(|(name, text)| Some((name, text?)));
        given.map(|(name, text)| (name, plain(text))).collect()
    }
}

/// `text` cut to [`MAX_FACT_CHARS`], with control and direction characters replaced.
fn plain(text: &str) -> String {
    let shown = |character: char| {
        let hides = character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if hides { char::REPLACEMENT_CHARACTER } else { character }
    };
    let mut plain: String = text.chars().take(MAX_FACT_CHARS).map(shown).collect();
    if text.chars().nth(MAX_FACT_CHARS).is_some() {
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn facts(actor: &str) -> EventFacts {
        EventFacts {
            event: WebhookEvent::Published,
            event_id: "evt_12_1".to_owned(),
            time: "2026-01-31T12:00:00.000Z".to_owned(),
            cluster_id: "c1".to_owned(),
            namespace: "/teams/payments".to_owned(),
            key: Some("rate-limit".to_owned()),
            version: Some(3),
            request_id: Some("r1".to_owned()),
            state: Some("Published".to_owned()),
            actor: actor.to_owned(),
            digest: Some("sha256:ab".to_owned()),
        }
    }

    fn body(actor: &str, format: WebhookFormat) -> Value {
        serde_json::from_slice(&facts(actor).body(format)).expect("a body is JSON")
    }

    #[test]
    fn the_generic_body_has_type_time_and_facts() {
        insta::assert_json_snapshot!(body("user:ada", WebhookFormat::Generic));
    }

    #[test]
    fn the_body_for_slack_is_blocks_with_a_plain_fallback() {
        insta::assert_json_snapshot!(body("user:ada", WebhookFormat::Slack));
    }

    #[test]
    fn the_body_for_teams_is_an_adaptive_card() {
        insta::assert_json_snapshot!(body("user:ada", WebhookFormat::Teams));
    }

    #[test]
    fn facts_that_are_not_there_are_left_out() {
        let sparse = EventFacts {
            key: None,
            version: None,
            request_id: None,
            state: None,
            digest: None,
            ..facts("user:ada")
        };
        for format in [WebhookFormat::Generic, WebhookFormat::Slack, WebhookFormat::Teams] {
            let text = String::from_utf8(sparse.body(format)).expect("UTF-8");
            assert!(!text.contains("null") && !text.contains("Version"), "{text}");
        }
    }

    /// Every string in `value`, with the object that holds it.
    fn texts<'a>(value: &'a Value, found: &mut Vec<(&'a Value, &'a str)>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
            Value::Object(members) => {
                for member in members.values() {
                    match member {
                        Value::String(text) => found.push((value, text)),
                        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                            texts(member, found);
                        }
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    const HOSTILE: &str =
        "user:<!channel> <@U1> <https://evil|click> [a](https://evil) *b* <at>all</at> {{DATE(1)}}\r\n\u{202e}";

    #[test]
    fn a_name_cannot_mention_link_or_format_in_slack() {
        let body = body(HOSTILE, WebhookFormat::Slack);
        let mut found = Vec::new();
        texts(&body, &mut found);
        let hostile: Vec<_> = found.into_iter().filter(|(_, text)| text.contains("channel")).collect();
        assert_eq!(hostile.len(), 2, "the block and the fallback");
        for (holder, text) in hostile {
            let is_plain = holder["type"] == "plain_text";
            let is_escaped = holder["mrkdwn"] == false && !text.contains(['<', '>']);
            assert!(is_plain || is_escaped, "{holder}");
            assert!(!text.contains(['\r', '\u{202e}']), "{text:?}");
        }
    }

    #[test]
    fn a_name_cannot_mention_link_or_format_in_teams() {
        let body = body(HOSTILE, WebhookFormat::Teams);
        let mut found = Vec::new();
        texts(&body, &mut found);
        let hostile: Vec<_> = found.into_iter().filter(|(_, text)| text.contains("channel")).collect();
        assert_eq!(hostile.len(), 1);
        let (holder, text) = hostile[0];
        // Markdown is read in text blocks and facts, not in text runs.
        assert_eq!(holder["type"], "TextRun");
        assert!(!text.contains("{{") && !text.contains("<at"), "{text}");
        assert!(
            body.pointer("/attachments/0/content/msteams").is_none(),
            "no entity, no mention"
        );
    }

    #[test]
    fn a_long_name_is_cut() {
        let actor = "é".repeat(100_000);
        for format in [WebhookFormat::Slack, WebhookFormat::Teams] {
            assert!(facts(&actor).body(format).len() < 20_000);
        }
    }
}
