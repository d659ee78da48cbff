//! An incoming integration of Rocket.Chat: <https://docs.rocket.chat/docs/integrations>; its fields are those of
//! <https://developer.rocket.chat/apidocs/post-message>.

use serde_json::{Value, json};

use super::ZERO_WIDTH_SPACE;
use crate::{
    News,
    said::{Said, hex_colour},
};

/// It knows few escapes, so what makes a mention, a link (`[a](b)`, `<b|a>`) or an image is parted instead.
pub(super) fn escape(char: char, to: &mut String) {
    to.push(char);
    if matches!(char, '@' | '#' | '<' | ']') {
        to.push(ZERO_WIDTH_SPACE);
    }
}

pub(super) fn body(news: &News, said: &Said) -> Value {
    let fact = |(name, value): &(&str, String)| json!({"title": name, "value": value, "short": *name != "reference"});
    json!({
        "text": said.title,
        // No previews of what an address leads to.
        "parseUrls": false,
        "attachments": [{
            "color": hex_colour(news.occasion),
            "text": said.body_and_more(),
            "fields": said.facts.iter().map(fact).collect::<Vec<_>>(),
        }],
    })
}
