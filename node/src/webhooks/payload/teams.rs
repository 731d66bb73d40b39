//! A message with an Adaptive Card for a workflow of Microsoft Teams ("when a webhook request is received").
//!
//! Facts are text runs, in which Teams reads no Markdown. A mention needs an entity in `msteams`, which is never sent;
//! date functions (`{{DATE(…)}}`) are broken up.

use serde_json::{Value, json};

use super::EventFacts;

pub(super) fn body(facts: &EventFacts) -> Value {
    let title = json!({
        "type": "TextBlock",
        "text": facts.title(),
        "size": "Medium",
        "weight": "Bolder",
        "wrap": true,
    });
    let lines = facts.lines().into_iter().map(|(name, text)| {
        json!({
            "type": "RichTextBlock",
            "spacing": "Small",
            "inlines": [
                {"type": "TextRun", "text": format!("{name}: "), "weight": "Bolder"},
                {"type": "TextRun", "text": broken_up(&text)},
            ],
        })
    });
    let card: Vec<_> = std::iter::once(title).chain(lines).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": card,
            },
        }],
    })
}

fn broken_up(text: &str) -> String {
    text.replace('{', "{ ").replace('<', "< ")
}
