//! A mail: plain text, so that nothing in it can be markup.

use crate::said::Said;

/// Subject and text. The subject has no line break, because no text from outside has one.
pub(super) fn parts(said: Said) -> (String, String) {
    let facts: Vec<String> = said.facts.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let gap = if facts.is_empty() { "" } else { "\n\n" };
    let text = format!("{}{gap}{}\n", said.body_and_more(), facts.join("\n"));
    (said.title, text)
}
