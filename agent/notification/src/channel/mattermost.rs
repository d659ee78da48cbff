//! An incoming webhook of Mattermost: <https://developers.mattermost.com/integrate/webhooks/incoming/>, with a message
//! attachment (<https://developers.mattermost.com/integrate/reference/message-attachments/>).

use serde_json::{Value, json};

use super::backslash;
use crate::{
    News,
    said::{Said, hex_colour},
};

/// What its Markdown lets be escaped, but for what stands in most words and is markup only at the start of a line.
const MARKUP: &str = r"\`*_{}[]()#!~|";

pub(super) fn escape(char: char, to: &mut String) {
    backslash(char, MARKUP, to);
}

pub(super) fn body(news: &News, said: &Said) -> Value {
    let fact = |(name, value): &(&str, String)| json!({"title": name, "value": value, "short": *name != "reference"});
    json!({
        "attachments": [{
            "fallback": said.title,
            "color": hex_colour(news.occasion),
            "title": said.title,
            "text": said.body_and_more(),
            "fields": said.facts.iter().map(fact).collect::<Vec<_>>(),
        }],
    })
}
