//! A workflow of Microsoft Teams ("Post to a channel when a webhook request is received") that takes an adaptive card:
//! <https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>, "Send
//! Adaptive Cards using an Incoming Webhook". It takes 28 KB.

use serde_json::{Value, json};
use voxsync_crds::code_sync::NotificationOccasion;

use crate::{News, said::Said};

/// Nothing is markup: the runs of a `RichTextBlock` take none, other than a `TextBlock`
/// (<https://adaptivecards.io/explorer/TextRun.html>).
pub(super) fn escape(char: char, to: &mut String) {
    to.push(char);
}

pub(super) fn body(news: &News, said: &Said) -> Value {
    let run = |text: &str| json!({"type": "TextRun", "text": text});
    let strong = |text: &str| json!({"type": "TextRun", "text": text, "weight": "Bolder"});
    let mut title = strong(&said.title);
    title["size"] = json!("Medium");
    title["color"] = json!(colour(news.occasion));
    let block = |runs: Vec<Value>| json!({"type": "RichTextBlock", "inlines": runs});
    let mut blocks = vec![block(vec![title]), block(vec![run(&said.body)])];
    let facts = said.facts.iter();
    blocks.extend(facts.map(|(name, value)| block(vec![strong(&format!("{name}: ")), run(value)])));
    blocks.extend(said.more.iter().map(|more| block(vec![run(more)])));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "body": blocks,
            },
        }],
    })
}

/// The colours that a card has.
fn colour(occasion: NotificationOccasion) -> &'static str {
    match occasion {
        NotificationOccasion::Started => "Accent",
        NotificationOccasion::Released => "Good",
        NotificationOccasion::Waiting | NotificationOccasion::Held | NotificationOccasion::Source => {
            "Warning"
        }
        NotificationOccasion::Failed | NotificationOccasion::RolledBack => "Attention",
    }
}
