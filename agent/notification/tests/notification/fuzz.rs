//! Hostile texts and templates: composing never panics, and what comes out is bounded and calls nobody.
//!
//! `PROPTEST_CASES=1000000 cargo test -p voxsync-notification fuzz` takes longer.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::Value;
use voxsync_crds::code_sync::NotificationChannel::{self, *};
use voxsync_hostile::{fuzz, near_text};
use voxsync_notification::{Composed, News, Template, compose};

use crate::news;

/// The largest body: Teams takes 28 KB, the others more; escapes of JSON are in it.
const BODY_LIMIT_BYTES: usize = 28_000;

const SAMPLES: [&str; 6] = [
    "v1.1.0 failed in stage canary: <!channel> <@U012> <https://evil.example|a>",
    "Merge [a](https://evil.example) into **main** @everyone @all",
    "Back-off pulling image \"r.example/code:v1\": manifest unknown\r\n\u{1b}[31m\u{202e}",
    "\\[a\\](b) ![c](d) ||e|| `f` ```g```",
    "&lt;!here&gt; &amp; \u{200b}@\u{feff}here",
    "日本語 👍 Grüße",
];

fn template() -> impl Strategy<Value = Option<String>> {
    let samples =
        ["{codeSync}: {message}", "{{{name}}} {from} → {stage} {reference}", "{message}{message}{message}"];
    prop_oneof![Just(None), near_text(samples).prop_map(Some)]
}

fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| strings(field, found)),
        _ => {}
    }
}

#[rstest]
fn texts(
    #[values(Webhook, Slack, Teams, RocketChat, Mattermost, Discord, Mail)] channel: NotificationChannel,
) {
    fuzz((near_text(SAMPLES), near_text(SAMPLES), template()), |(message, name, template)| {
        let parsed = template.as_deref().map(Template::parse);
        let template = match &parsed {
            Some(Err(_)) => return false,
            Some(Ok(template)) => Some(template),
            None => None,
        };
        let news = News { message, name: Some(name.clone()), stage: Some(name), ..news() };
        let body = match compose(channel, &news, template, 3) {
            Composed::Mail { subject, .. } => {
                assert!(!subject.contains(char::is_control), "{subject:?}");
                return true;
            }
            Composed::Post { body, .. } => body,
        };
        assert!(body.to_string().len() <= BODY_LIMIT_BYTES, "{}", body.to_string().len());
        let mut said = Vec::new();
        strings(&body, &mut said);
        if template.is_none() {
            for text in said {
                let calls = match channel {
                    Slack => text.contains('<'),
                    RocketChat => text.contains("](") || text.contains("@a") || text.contains("<h"),
                    Mattermost | Discord => {
                        has_bare(&text, '[') || text.contains("@a") || text.contains("@e")
                    }
                    _ => false,
                };
                assert!(!calls && !text.contains(['\u{202e}', '\u{1b}', '\r']), "{text:?}");
            }
        }
        true
    });
}

/// Whether a character is there that no backslash is before.
fn has_bare(text: &str, wanted: char) -> bool {
    let mut is_escaped = false;
    for char in text.chars() {
        if char == wanted && !is_escaped {
            return true;
        }
        is_escaped = char == '\\' && !is_escaped;
    }
    false
}
