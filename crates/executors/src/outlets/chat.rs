//! What chats are sent. Text of people is sent as plain text, so that a release's name cannot smuggle a link in.

use serde_json::{Value, json};
use trainmaster_engine::outlet::Message;

/// Longest text of a section in Slack, in characters.
const SLACK_TEXT_MAX: usize = 3_000;

/// An incoming webhook of Slack: a text for notifications, and blocks.
pub(super) fn slack(message: &Message) -> Value {
    let text: String = message.text.chars().take(SLACK_TEXT_MAX).collect();
    json!({
        // What is shown where blocks are not; it reads `<`, `>` and `&` as its own.
        "text": escaped(&text),
        "blocks": [
            {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": false}},
            {"type": "context", "elements": [
                {"type": "mrkdwn", "text": format!("<{}|Open in Trainmaster> · {}", escaped(&message.link), escaped(&message.word))},
            ]},
        ],
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A workflow webhook of Microsoft Teams: a message with one adaptive card.
pub(super) fn teams(message: &Message) -> Value {
    let run = |text: &str, more: Value| {
        let mut run = json!({"type": "TextRun", "text": text});
        if let (Some(run), Some(more)) = (run.as_object_mut(), more.as_object()) {
            run.extend(more.clone());
        }
        json!({"type": "RichTextBlock", "inlines": [run]})
    };
    let color = if message.urgent {
        "attention"
    } else {
        "default"
    };
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": [
                    run(&message.text, json!({"weight": "bolder", "color": color})),
                    run(&message.word, json!({"isSubtle": true, "size": "small"})),
                ],
                "actions": [
                    {"type": "Action.OpenUrl", "title": "Open in Trainmaster", "url": message.link},
                ],
            },
        }],
    })
}
