//! Printing to a terminal: tables, colour only where a terminal reads, times and texts as people read them, and text
//! from outside made harmless.

use std::{
    io::{IsTerminal as _, Write as _},
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use voxsync_crds::{
    duration::spoken,
    reference::{is_digest, short_digest},
};

/// Prints a line to standard output. A reader that went away (`| head`) is no error.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a line to standard error: news on the way, not the answer.
pub fn news(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints a message to standard error, behind the program's name.
pub fn error(message: &str) {
    let _ = writeln!(std::io::stderr(), "voxsync: {message}");
}

/// Whether standard output is a terminal whose user did not ask for no colour (<https://no-color.org>).
pub fn is_colourful() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// What a piece of text means; a terminal shows it in a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Bad,
    Attention,
    Faint,
    Strong,
}

/// The text in its colour, where `colourful`.
pub fn paint(text: &str, tone: Tone, colourful: bool) -> String {
    let code = match tone {
        Tone::Plain => return text.to_owned(),
        Tone::Good => "32",
        Tone::Bad => "31",
        Tone::Attention => "33",
        Tone::Faint => "2",
        Tone::Strong => "1",
    };
    if colourful { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Text from a tag, a commit or a pod, without what would steer the terminal or turn the order of its letters.
pub fn harmless(text: &str) -> String {
    let steers = |char: char| {
        char.is_control()
            || matches!(char, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|char| if steers(char) { ' ' } else { char }).collect()
}

/// The beginning and the end of a long text: a pod's message says what it was about first, and why last.
pub fn shorten(text: &str, characters: usize) -> String {
    let text = harmless(text);
    let count = text.chars().count();
    if count <= characters {
        return text;
    }
    let half = characters / 2;
    let (head, tail) = (text.chars().take(half), text.chars().skip(count - half));
    head.chain(['…']).chain(tail).collect()
}

/// The longest message on a screen, in characters; all of it is in the objects and in `-o json`. What pods say is
/// shortened by the agent already, where it says something of its own behind.
const SENTENCE_CHARACTERS: usize = 600;
/// What is left of the words before the advice at least.
const LEAST_CHARACTERS: usize = 200;
/// The longest last sentences that are kept whole: they say what to do, with a digest where one is to be copied.
const ADVICE_CHARACTERS: usize = 400;
/// What a digest begins with, and how many digits follow.
const DIGEST_START: &str = "sha256:";
const DIGEST_DIGITS: usize = 64;

/// A message with short digests, but for those in commands: these are copied.
pub fn message(text: &str) -> String {
    let text = harmless(text);
    let parts = text.split('`').enumerate().map(|(number, part)| {
        let is_command = number % 2 == 1;
        if is_command { part.to_owned() } else { with_short_digests(part) }
    });
    parts.collect::<Vec<_>>().join("`")
}

/// A message as it fits a screen: where it is long, the middle is left out of what stands before the advice and its
/// commands.
pub fn sentence(text: &str) -> String {
    let text = message(text);
    if text.chars().count() <= SENTENCE_CHARACTERS {
        return text;
    }
    let (why, advice) = advised(&text);
    let room = SENTENCE_CHARACTERS.saturating_sub(advice.chars().count()).max(LEAST_CHARACTERS);
    format!("{}{advice}", shorten(why, room))
}

/// A message before its last sentences, and these; or from the clause with its first command on.
fn advised(text: &str) -> (&str, &str) {
    let split = |at: usize| text.get(..at).zip(text.get(at..)).unwrap_or((text, ""));
    let mut sentences = text.match_indices(". ").map(|(at, _)| split(at));
    let last = sentences.find(|(_, advice)| advice.chars().count() <= ADVICE_CHARACTERS);
    let of_command = || {
        let (before, _) = split(text.find('`')?);
        let clause = [". ", "; ", ": ", ", "].into_iter().filter_map(|end| before.rfind(end)).max()?;
        Some(split(clause))
    };
    last.or_else(of_command).unwrap_or((text, ""))
}

/// A text with the first digits of each digest.
pub fn with_short_digests(text: &str) -> String {
    let mut pieces = text.split(DIGEST_START);
    let mut short = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        short.push_str(DIGEST_START);
        let digest = piece.get(..DIGEST_DIGITS).filter(|it| is_digest(&format!("{DIGEST_START}{it}")));
        match digest.zip(piece.get(DIGEST_DIGITS..)) {
            Some((digest, rest)) => short.extend([short_digest(digest), "…", rest]),
            None => short.push_str(piece),
        }
    }
    short
}

/// The widest cell of a table, in characters.
const CELL_CHARACTERS: usize = 60;

/// One cell of a table.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub fn new(text: impl AsRef<str>) -> Self {
        Self::toned(text, Tone::Plain)
    }

    pub fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: shorten(text.as_ref(), CELL_CHARACTERS), tone }
    }
}

/// A table with aligned columns, as kubectl prints them.
pub fn table(headers: &[&str], rows: &[Vec<Cell>], colourful: bool) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count());
        cells.chain(headers.get(column).map(|header| header.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headers.len()).map(width).collect();
    let heading: Vec<Cell> = headers.iter().map(|header| Cell::toned(header, Tone::Faint)).collect();
    let mut text = String::new();
    for row in std::iter::once(&heading).chain(rows) {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            text.push_str(&paint(&cell.text, cell.tone, colourful));
            if column + 1 < row.len() {
                text.extend(std::iter::repeat_n(' ', width - cell.text.chars().count() + 2));
            }
        }
        text.push('\n');
    }
    text
}

/// A moment in UTC, as in all messages; with its date where that is not today's.
pub fn clock(time: Timestamp, now: Timestamp) -> String {
    let day = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
    time.strftime(if day(time) == day(now) { "%H:%M:%SZ" } else { "%F %H:%MZ" }).to_string()
}

/// A moment at which a window opens or closes, always with its date: as the agent writes it.
pub fn minute(time: Timestamp) -> String {
    time.strftime("%F %H:%MZ").to_string()
}

/// The time since a moment, as people are told of it; of one that is yet to come, none.
pub fn age(since: Timestamp, now: Timestamp) -> String {
    let age = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    spoken(Duration::from_secs(age.as_secs()))
}

/// As [`age`], in a cell of a table, as kubectl writes it there: `8d3h`.
pub fn age_cell(since: Timestamp, now: Timestamp) -> String {
    age(since, now).replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_columns_and_takes_the_sting_out_of_control_characters() {
        let rows =
            vec![vec![Cell::new("é\x1b[31m"), Cell::new("1")], vec![Cell::new("long name"), Cell::new("2")]];
        assert_eq!(table(&["NAME", "N"], &rows, false), "NAME       N\né [31m     1\nlong name  2\n");
    }

    #[test]
    fn shortens_the_middle() {
        assert_eq!(shorten("abcdefghij", 4), "ab…ij");
        assert_eq!(shorten("abc\n", 4), "abc ");
    }

    #[test]
    fn of_a_long_message_the_beginning_the_cause_and_the_advice_are_left() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let long = format!(
            "Server canary cannot run it: ImagePullBackOff: pod canary-1: the code image: Back-off pulling image \"127.0.0.1:5000/code:v1@{digest}\": \
             ErrImagePull: failed to pull and unpack image: {} manifest for puppet-code:{digest} has a layer that is not there: {digest}",
            "and again, ".repeat(60)
        );
        let advised = format!("{long}. Go on with `voxsync resume production`");
        for text in [&long, &advised] {
            let short = sentence(text);
            assert!(short.starts_with("Server canary cannot run it: ImagePullBackOff"), "{short}");
            assert!(short.contains("a layer that is not there: sha256:aaaaaaaaaa…"), "{short}");
            assert!(
                short.chars().count() <= 601 && short.contains('…') && !short.contains(&digest),
                "{short}"
            );
        }
        assert!(sentence(&advised).ends_with(". Go on with `voxsync resume production`"));
        let further =
            format!("{advised}. It is in quarantine until `voxsync release-quarantine production {digest}`");
        let short = sentence(&further);
        assert!(
            short.contains("is not there: sha256:aaaaaaaaaa…. Go on with")
                && short.ends_with(&format!("{digest}`")),
            "{short}"
        );
        // A command without a sentence of its own.
        let needed = format!("{}: `voxsync approve production --digest {digest}`", "waits and ".repeat(80));
        assert!(sentence(&needed).ends_with(&format!(": `voxsync approve production --digest {digest}`")));
        let own = format!("suspended; would write {}", "Config/one (v1 → v2), ".repeat(20));
        assert_eq!(sentence(&own), own, "what is ours is not cut");
        let copied = format!("it was {digest}; go on with `voxsync promote production {digest}`");
        assert_eq!(message(&copied).matches(&digest).count(), 1, "{}", message(&copied));
        assert_eq!(sentence("sha256:é and sha256:abc"), "sha256:é and sha256:abc");
    }

    #[test]
    fn says_moments_in_utc_with_the_date_of_another_day() {
        let now = "2026-11-22T22:50:46Z".parse().unwrap();
        let at = |text: &str| clock(text.parse().unwrap(), now);
        assert_eq!(at("2026-11-22T00:00:01.9Z"), "00:00:01Z");
        assert_eq!(at("2026-11-21T23:59:59Z"), "2026-11-21 23:59Z");
    }

    #[test]
    fn says_how_long_ago_it_was() {
        let now: Timestamp = "2026-11-22T22:50:46.9Z".parse().unwrap();
        let ages = |since: &str| {
            let since = since.parse().unwrap();
            [age(since, now), age_cell(since, now)]
        };
        assert_eq!(ages("2026-11-22T22:50:47Z"), ["0 s", "0s"]);
        assert_eq!(ages("2026-11-22T22:50:04Z"), ["42 s", "42s"]);
        assert_eq!(ages("2026-11-14T19:00:00Z"), ["8 d 3 h", "8d3h"]);
    }
}
