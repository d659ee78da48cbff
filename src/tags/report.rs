//! The tags as a person reads them: the chosen one first, then those that fit, then what is left out and why. Pure.

use super::judged::{Judged, Judgement, State};
use crate::output::{Cell, Tone, harmless, paint, shorten, table};

/// How many tags that fit are named without `--all`.
const NAMED_LIMIT: usize = 20;
/// How many tags that are left out are named for each reason without `--all`.
const NAMED_A_REASON_LIMIT: usize = 5;
/// The longest tag that a registry has, in characters.
const TAG_CHARACTERS: usize = 128;

pub struct Report<'a> {
    /// The policy, in short.
    pub rule: &'a str,
    /// Whether all tags are named.
    pub is_whole: bool,
    pub colourful: bool,
}

impl Report<'_> {
    pub fn text(&self, judged: &Judged<'_>) -> String {
        let rule = harmless(self.rule);
        let mut text = match judged.chosen {
            Some(tag) => {
                let tag = paint(&shorten(tag, TAG_CHARACTERS), Tone::Good, self.colourful);
                format!("{tag} is chosen by {rule}\n")
            }
            None if judged.tags.is_empty() => "the list is empty: there is no tag to choose\n".to_owned(),
            None => format!("{} by {rule}\n", paint("no tag is chosen", Tone::Attention, self.colourful)),
        };
        let ignored = judged.count(State::Ignored);
        let (fitting, left_out) = judged.tags.split_at(judged.tags.len() - ignored);
        if !fitting.is_empty() {
            text.push_str(&self.fitting(fitting));
        }
        if !left_out.is_empty() {
            text.extend(["\nleft out (", &ignored.to_string(), "):\n"]);
            for group in left_out.chunk_by(|one, other| one.why == other.why) {
                text.push_str(&self.group(group));
            }
        }
        text
    }

    fn fitting(&self, fitting: &[Judgement<'_>]) -> String {
        let shown = if self.is_whole { fitting.len() } else { NAMED_LIMIT };
        let rows: Vec<Vec<Cell>> = fitting
            .iter()
            .take(shown)
            .map(|Judgement { tag, state, why }| {
                let tone = match state {
                    State::Chosen => Tone::Good,
                    State::Ripening => Tone::Attention,
                    State::Ripe | State::Ignored => Tone::Plain,
                };
                vec![Cell::toned(tag, tone), Cell::toned(state.word(), tone), Cell::new(why)]
            })
            .collect();
        let mut text = format!("\n{}", table(&["TAG", "STATE", "WHY"], &rows, self.colourful));
        if fitting.len() > shown {
            let more = (fitting.len() - shown).to_string();
            text.extend(["and ", &more, " more that fit: --all names them\n"]);
        }
        text
    }

    /// Tags that are left out for one reason.
    fn group(&self, group: &[Judgement<'_>]) -> String {
        let why = group.first().map_or_else(String::new, |judgement| harmless(&judgement.why));
        let shown = if self.is_whole { group.len() } else { NAMED_A_REASON_LIMIT };
        let names: Vec<String> =
            group.iter().take(shown).map(|judgement| shorten(judgement.tag, TAG_CHARACTERS)).collect();
        let more = group.len().saturating_sub(shown);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("  {}: {}{more}\n", paint(&why, Tone::Faint, self.colourful), names.join(", "))
    }
}
