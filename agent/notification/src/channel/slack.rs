//! An incoming webhook of Slack: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.
//!
//! The text is in an attachment, because only those have a colour
//! (<https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments>).

use serde_json::{Value, json};

use crate::{
    News,
    said::{Said, hex_colour},
};

/// `&`, `<` and `>` are all that Slack reads as more than form: links and mentions such as `<!channel>`
/// (<https://docs.slack.dev/messaging/formatting-message-text>, "Escaping text").
pub(super) fn escape(char: char, to: &mut String) {
    match char {
        '&' => to.push_str("&amp;"),
        '<' => to.push_str("&lt;"),
        '>' => to.push_str("&gt;"),
        other => to.push(other),
    }
}

pub(super) fn body(news: &News, said: &Said) -> Value {
    let mut blocks = vec![json!({"type": "section", "text": text(&said.body_and_more())})];
    let facts: Vec<Value> =
        said.facts.iter().map(|(name, value)| text(&format!("*{name}*\n{value}"))).collect();
    if !facts.is_empty() {
        blocks.push(json!({"type": "section", "fields": facts}));
    }
    json!({
        "text": said.title,
        "unfurl_links": false,
        "unfurl_media": false,
        "attachments": [{"color": hex_colour(news.occasion), "fallback": said.title, "blocks": blocks}],
    })
}

/// `verbatim`: addresses and names stay what they are
/// (<https://docs.slack.dev/reference/block-kit/composition-objects/text-object>).
fn text(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}
