//! A webhook of Discord: <https://discord.com/developers/docs/resources/webhook#execute-webhook>, with an embed
//! (<https://discord.com/developers/docs/resources/message#embed-object>; 6,000 characters in all).

use serde_json::{Value, json};

use super::backslash;
use crate::{
    News,
    said::{Said, colour},
};

/// What its Markdown knows; `<` begins mentions, times and emojis.
const MARKUP: &str = r"\`*_[]()#~|<>";

pub(super) fn escape(char: char, to: &mut String) {
    backslash(char, MARKUP, to);
}

pub(super) fn body(news: &News, said: &Said) -> Value {
    let fact = |(name, value): &(&str, String)| json!({"name": name, "value": value, "inline": *name != "reference"});
    json!({
        "embeds": [{
            "title": said.title,
            "description": said.body_and_more(),
            "color": colour(news.occasion),
            "timestamp": news.at.to_string(),
            "fields": said.facts.iter().map(fact).collect::<Vec<_>>(),
        }],
        // Nobody is called, whatever the text says
        // (https://discord.com/developers/docs/resources/message#allowed-mentions-object).
        "allowed_mentions": {"parse": []},
    })
}
