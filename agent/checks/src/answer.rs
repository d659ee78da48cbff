//! What a check says.

use voxsync_crds::code_sync::{CheckStanding, Unreachable};

/// The longest message; the status takes no longer one.
const MESSAGE_LIMIT_CHARACTERS: usize = 256;

/// What a check says when it is asked once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it stands.
    pub standing: Standing,
    /// A sentence for people: one line, and not a long one.
    pub message: String,
}

/// How a check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// What must be true is true.
    Passed,
    /// It is not.
    Failed,
    /// There is not enough to say yet: too few nodes, no data, a Job that runs.
    Undecided,
    /// It could not be asked, or what it was asked is no question.
    Unreachable,
}

impl Answer {
    /// What must be true is true.
    pub fn passed(message: impl AsRef<str>) -> Self {
        Self::new(Standing::Passed, message.as_ref())
    }

    /// It is not.
    pub fn failed(message: impl AsRef<str>) -> Self {
        Self::new(Standing::Failed, message.as_ref())
    }

    /// There is not enough to say yet.
    pub fn undecided(message: impl AsRef<str>) -> Self {
        Self::new(Standing::Undecided, message.as_ref())
    }

    /// It could not be asked.
    pub fn unreachable(message: impl AsRef<str>) -> Self {
        Self::new(Standing::Unreachable, message.as_ref())
    }

    /// What it counts as, where this is said of a check that cannot be asked.
    pub fn counted(&self, unreachable: Unreachable) -> CheckStanding {
        match (self.standing, unreachable) {
            (Standing::Passed, _) => CheckStanding::Passed,
            (Standing::Failed, _) | (Standing::Unreachable, Unreachable::Fail) => CheckStanding::Failed,
            (Standing::Undecided, _) => CheckStanding::Unknown,
            (Standing::Unreachable, Unreachable::Wait) => CheckStanding::Unreachable,
        }
    }

    fn new(standing: Standing, message: &str) -> Self {
        Self { standing, message: line(message, MESSAGE_LIMIT_CHARACTERS) }
    }
}

/// A text of somebody else as a part of a sentence: one line without control characters, and so many characters of it.
pub(crate) fn line(text: &str, limit_characters: usize) -> String {
    // Enough of it: what is thrown away is not worth its time.
    let visible = text.chars().take(limit_characters.saturating_mul(4)).map(|letter| {
        let is_plain = !letter.is_control() && !is_of_direction(letter);
        if is_plain { letter } else { ' ' }
    });
    let words: Vec<String> = visible.collect::<String>().split_whitespace().map(str::to_owned).collect();
    let line = words.join(" ");
    match line.char_indices().nth(limit_characters) {
        None => line,
        Some(_) => line.chars().take(limit_characters.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Whether a letter turns the direction of what is around it.
fn is_of_direction(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::as_it_is("all is well", 20, "all is well")]
    #[case::of_one_line("a\n b\r\n\tc\u{1b}[31m", 20, "a b c [31m")]
    #[case::of_one_direction("a\u{202e}b", 20, "a b")]
    #[case::exactly("12345", 5, "12345")]
    #[case::too_long("123456", 5, "1234…")]
    #[case::of_letters_of_several_bytes("ééééé", 4, "ééé…")]
    fn texts_of_others(#[case] text: &str, #[case] limit: usize, #[case] wanted: &str) {
        assert_eq!(line(text, limit), wanted);
    }

    #[rstest]
    #[case(Standing::Passed, CheckStanding::Passed, CheckStanding::Passed)]
    #[case(Standing::Failed, CheckStanding::Failed, CheckStanding::Failed)]
    #[case(Standing::Undecided, CheckStanding::Unknown, CheckStanding::Unknown)]
    #[case(Standing::Unreachable, CheckStanding::Unreachable, CheckStanding::Failed)]
    fn only_who_asks_for_it_fails_where_nothing_can_be_asked(
        #[case] standing: Standing,
        #[case] waits: CheckStanding,
        #[case] fails: CheckStanding,
    ) {
        let answer = Answer { standing, message: String::new() };
        assert_eq!(answer.counted(Unreachable::Wait), waits);
        assert_eq!(answer.counted(Unreachable::Fail), fails);
    }
}
