//! Texts for people: short, bounded, and the same as long as the state is the same.

use std::time::Duration;

use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use voxsync_crds::{CodeReference, duration::spoken, time::Time};

/// The longest sentence in a status, in bytes of JSON.
pub(crate) const SENTENCE_LIMIT_BYTES: usize = 1000;
/// The longest word or name from outside that is kept, in bytes of JSON.
pub(crate) const NAME_LIMIT_BYTES: usize = 256;
/// The longest summary, in characters: a row of `kubectl get codesyncs` has 120 columns for it and all others.
const SUMMARY_LIMIT_CHARACTERS: usize = 56;

/// The text without control characters, cut so that it takes at most `limit_bytes` as JSON.
pub(crate) fn cut(text: &str, limit_bytes: usize) -> String {
    let mut kept = String::with_capacity(text.len().min(limit_bytes));
    let mut size_bytes = '…'.len_utf8();
    for char in text.chars().map(|char| if char.is_control() { ' ' } else { char }) {
        size_bytes += if matches!(char, '"' | '\\') { 2 } else { char.len_utf8() };
        if size_bytes > limit_bytes {
            kept.push('…');
            return kept;
        }
        kept.push(char);
    }
    kept
}

/// A sentence that begins with words of others and ends with ours: only theirs are cut.
pub(crate) fn with_tail(outside: &str, tail: &str) -> String {
    let room = SENTENCE_LIMIT_BYTES.saturating_sub(size_bytes(tail));
    cut(outside, room) + tail
}

/// How many bytes of JSON a text takes.
pub(crate) fn size_bytes(text: &str) -> usize {
    text.chars().map(|char| if matches!(char, '"' | '\\') { 2 } else { char.len_utf8() }).sum()
}

/// One line for a table.
pub(crate) fn summary(text: &str) -> String {
    let mut kept: String = text.chars().take(SUMMARY_LIMIT_CHARACTERS).collect();
    if kept.len() < text.len() {
        kept.pop();
        kept.push('…');
    }
    kept
}

/// What a person reads instead of a whole reference.
pub(crate) fn short(reference: &str) -> String {
    CodeReference::parse(reference).map_or_else(|_| cut(reference, NAME_LIMIT_BYTES), |parsed| parsed.short())
}

/// As [`short`], where there may be no code.
pub(crate) fn short_code(reference: Option<&str>) -> String {
    reference.map_or_else(|| "no code".to_owned(), short)
}

/// A few of the names, and how many more there are.
pub(crate) fn names<'t>(names: impl Iterator<Item = &'t str>) -> String {
    const NAMED_LIMIT: usize = 5;
    let all: Vec<&str> = names.collect();
    let mut text = all.iter().take(NAMED_LIMIT).copied().collect::<Vec<_>>().join(", ");
    if all.len() > NAMED_LIMIT {
        text = format!("{text} and {} more", all.len() - NAMED_LIMIT);
    }
    text
}

/// The time of the day, with the date where it is not that of `from`.
pub(crate) fn clock(time: Time, from: Time) -> String {
    let day = |time: Time| time.timestamp().strftime("%F").to_string();
    let format = if day(time) == day(from) { "%H:%M:%SZ" } else { "%F %H:%MZ" };
    time.timestamp().strftime(format).to_string()
}

/// A moment with its date, to the second.
pub(crate) fn moment(time: Time) -> String {
    time.timestamp().strftime("%F %H:%M:%SZ").to_string()
}

/// How long something took.
pub(crate) fn took(from: Time, to: Time) -> String {
    spoken(Duration::try_from(to.timestamp().duration_since(from.timestamp())).unwrap_or_default())
}

/// A time later; the end of time where that cannot be counted.
pub(crate) fn later(time: Time, by: Duration) -> Time {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.timestamp().checked_add(by).unwrap_or(jiff::Timestamp::MAX).into()
}

/// The first ten hexadecimal digits of the SHA-256 of the parts.
pub(crate) fn fingerprint(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let head = hash.finalize().iter().take(5).fold(0_u64, |head, byte| head << 8 | u64::from(*byte));
    format!("{head:010x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use rstest::rstest;

    #[rstest]
    #[case("short", 10, "short")]
    #[case("exactly ten", 10, "exactly…")]
    #[case("äöüß", 10, "äöü…")]
    #[case("a\nb\u{0}", 10, "a b ")]
    #[case(r#"""""""""#, 9, r#""""…"#)]
    fn cuts_on_character_boundaries(#[case] text: &str, #[case] limit_bytes: usize, #[case] cut_text: &str) {
        assert_eq!(cut(text, limit_bytes), cut_text);
    }

    #[test]
    fn our_own_words_at_the_end_are_not_cut() {
        let tail = ". Go on with `voxsync resume a`";
        assert_eq!(with_tail("no", tail), format!("no{tail}"));
        let long = with_tail(&"\"ä".repeat(900), tail);
        assert!(long.ends_with(&format!("…{tail}")) && long.starts_with("\"ä"), "{long}");
        assert!(serde_json::to_string(&long).unwrap().len() <= SENTENCE_LIMIT_BYTES + 2);
    }

    #[test]
    fn a_cut_text_fits_as_json() {
        for text in ["\u{1}".repeat(5000), "\"\\".repeat(5000), "ä€𝄞".repeat(5000)] {
            let json = serde_json::to_string(&cut(&text, SENTENCE_LIMIT_BYTES)).unwrap();
            assert!(json.len() <= SENTENCE_LIMIT_BYTES + 2, "{}", json.len());
        }
    }

    #[test]
    fn a_summary_has_56_characters_at_most() {
        assert_eq!(summary(&"ä".repeat(56)).chars().count(), 56);
        let long = summary(&"ä".repeat(57));
        assert_eq!((long.chars().count(), long.ends_with('…')), (56, true));
    }

    #[test]
    fn a_clock_names_the_day_only_where_it_changes() {
        let from: Time = "2026-11-22T23:00:00Z".parse::<Timestamp>().unwrap().into();
        let time = |seconds| later(from, Duration::from_secs(seconds));
        assert_eq!(clock(time(65), from), "23:01:05Z");
        assert_eq!(clock(time(3665), from), "2026-11-23 00:01Z");
        assert_eq!((took(from, time(42)), took(from, time(125))), ("42 s".into(), "2 m 5 s".into()));
        assert_eq!(Timestamp::from(later(from, Duration::MAX)), Timestamp::from(Time::from(Timestamp::MAX)));
    }
}
