//! A message for an incoming webhook of Slack.
//!
//! Facts are `plain_text`, in which Slack reads neither mrkdwn nor mentions. The fallback for notifications is escaped as
//! Slack asks for (`&`, `<`, `>`), which takes the brackets from `<!channel>`, `<@U1>` and links.

use serde_json::{Value, json};

use super::EventFacts;

pub(super) fn body(facts: &EventFacts) -> Value {
    let lines = facts.lines();
    let plain = |text: String| json!({"type": "plain_text", "text": text, "emoji": false});
    let fields: Vec<_> = lines
        .iter()
        .map(|(name, text)| plain(format!("{name}: {text}")))
        .collect();
    let place = lines
        .iter()
        .filter(|(name, _)| matches!(*name, "Namespace" | "Key" | "By"));
    let place: Vec<_> = place.map(|(_, text)| escaped(text)).collect();
    json!({
        "text": format!("{}: {}", facts.title(), place.join(" ")),
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": [
            {"type": "header", "text": plain(facts.title().to_owned())},
            {"type": "section", "fields": fields},
        ],
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
