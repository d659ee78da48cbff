//! Texts from outside, made fit for a channel: on one line, bounded, and with nothing in them that is not to be seen.

/// What a channel makes of one character of outside.
pub(crate) type Escape = fn(char, &mut String);

/// Takes characters as they are: for channels that read no markup.
pub(crate) fn plain(char: char, to: &mut String) {
    to.push(char);
}

/// A text that grows up to a bound, and ends with `…` where that is reached.
///
/// The bound is in UTF-16 units: some services count those, some characters, and none counts more for one character.
#[derive(Debug)]
pub(crate) struct Text {
    kept: String,
    left: usize,
    escape: Escape,
}

impl Text {
    pub(crate) fn new(limit_units: usize, escape: Escape) -> Self {
        Self { kept: String::new(), left: limit_units.saturating_sub(1), escape }
    }

    /// Text of outside: cleaned and escaped.
    pub(crate) fn outside(mut self, text: &str) -> Self {
        let mut escaped = String::new();
        for char in clean(text) {
            escaped.clear();
            (self.escape)(char, &mut escaped);
            if !self.push(&escaped) {
                break;
            }
        }
        self
    }

    /// Markup of ours, or of who wrote the CodeSync.
    pub(crate) fn own(mut self, text: &str) -> Self {
        for char in text.chars() {
            if !self.push(char.encode_utf8(&mut [0; 4])) {
                break;
            }
        }
        self
    }

    pub(crate) fn end(self) -> String {
        self.kept
    }

    /// All of it or nothing: half of an escape would be something else.
    fn push(&mut self, piece: &str) -> bool {
        let units = piece.encode_utf16().count();
        if units <= self.left {
            self.left -= units;
            self.kept.push_str(piece);
            return true;
        }
        if self.left > 0 || !self.kept.ends_with('…') {
            self.kept.push('…');
        }
        // Nothing comes after it.
        self.left = 0;
        self.escape = |_, _| {};
        false
    }
}

/// A text without what nobody sees or what turns the order of what they see; white space is one space.
fn clean(text: &str) -> impl Iterator<Item = char> + '_ {
    let mut was_space = true;
    text.chars().filter_map(move |char| {
        if is_unseen(char) {
            return None;
        }
        let is_space = char.is_whitespace() || char.is_control();
        let kept = if is_space { (!was_space).then_some(' ') } else { Some(char) };
        was_space = is_space;
        kept
    })
}

/// Characters that are not seen: marks of direction (Unicode Standard Annex 9), joiners, variation selectors, tags, soft hyphens.
fn is_unseen(char: char) -> bool {
    matches!(
        u32::from(char),
        0x00AD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
            | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB
            | 0xE0000..=0xE0FFF
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::lines("a\r\nb\n\n# c\t d", "a b # c d")]
    #[case::controls("a\u{0}\u{1b}[31mb\u{7f}\u{9b}c", "a [31mb c")]
    #[case::separators("a\u{2028}b\u{2029}c\u{85}d", "a b c d")]
    #[case::turned("gpj.\u{202e}exe\u{2066}\u{200f}", "gpj.exe")]
    #[case::hidden("a\u{200b}\u{feff}\u{e0041}\u{ad}b", "ab")]
    #[case::kept("Grüße 👍 日本", "Grüße 👍 日本")]
    fn nothing_unseen_is_kept(#[case] text: &str, #[case] wanted: &str) {
        assert_eq!(Text::new(100, plain).outside(text).end(), wanted);
    }

    #[test]
    fn a_bound_is_kept_by_whole_escapes() {
        let entity: Escape = |char, to| if char == '<' { to.push_str("&lt;") } else { to.push(char) };
        let of = |limit| Text::new(limit, entity).outside("a<b").own(".").end();
        assert_eq!((of(8), of(7)), ("a&lt;b.".to_owned(), "a&lt;b…".to_owned()));
        assert_eq!((of(5), of(1)), ("a…".to_owned(), "…".to_owned()));
        assert_eq!(Text::new(4, plain).outside("👍👍").end(), "👍…", "two units each");
        assert_eq!(Text::new(3, plain).own("abc").outside("d").end(), "ab…", "it ends once");
    }
}
