//! A screen that takes the place of the one before it, and is no larger than the terminal. Pure.

/// Goes to the first place of a terminal, and clears it.
const CLEARED: &str = "\x1b[H\x1b[2J";
/// Goes there.
const HOME: &str = "\x1b[H";
/// Clears the rest of a line, and the lines after it.
const REST_OF_LINE: &str = "\x1b[K";
const REST_OF_SCREEN: &str = "\x1b[J";

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub rows: usize,
    pub columns: usize,
}

/// The screen. A long line goes on in the next row, by the terminal itself, so that it is copied whole; what does not fit is
/// counted. Where nothing of this size was drawn before, all is cleared: else it would flicker.
pub fn frame<'a>(lines: impl Iterator<Item = &'a str>, size: Size, is_first: bool) -> String {
    let lines: Vec<(&str, usize)> = lines.map(|line| (line, width(line))).collect();
    let rows_of = |width: usize| width.div_ceil(size.columns).max(1);
    let count = |lines: &[(&str, usize)]| lines.iter().map(|(_, width)| rows_of(*width)).sum::<usize>();
    // In the last row, the end of a line would move all up.
    let room = size.rows.saturating_sub(1);
    let mut shown = lines.as_slice();
    let mut left = 0;
    while let Some((_, before)) = shown.split_last()
        && count(shown) + usize::from(left > 0) > room
    {
        (shown, left) = (before, left + 1);
    }
    let mut frame = if is_first { CLEARED } else { HOME }.to_owned();
    let more = (left > 0)
        .then(|| cut(&format!("… {left} more line{}", if left == 1 { "" } else { "s" }), size.columns));
    let more = more.iter().map(|more| (more.as_str(), width(more)));
    for (line, width) in shown.iter().copied().chain(more) {
        let is_full = width > 0 && width.is_multiple_of(size.columns);
        // Behind the last column, it would clear the last character.
        let parts = if is_full { [REST_OF_LINE, line] } else { [line, REST_OF_LINE] };
        frame.extend(parts);
        frame.push_str("\r\n");
    }
    frame + REST_OF_SCREEN
}

fn cut(text: &str, columns: usize) -> String {
    text.chars().take(columns).collect()
}

/// How many columns a line takes. Colours take none; of a character of unknown width the most is assumed.
fn width(line: &str) -> usize {
    let mut chars = line.chars();
    let mut width = 0;
    while let Some(char) = chars.next() {
        match char {
            '\x1b' => drop(chars.find(char::is_ascii_alphabetic)),
            '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{fffd}' | '\u{10000}'.. => width += 2,
            _ => width += 1,
        }
    }
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(lines: &[&str], rows: usize, columns: usize) -> String {
        frame(lines.iter().copied(), Size { rows, columns }, false)
    }

    #[test]
    fn a_frame_covers_what_was_there_and_clears_no_more() {
        assert_eq!(drawn(&["one", "two"], 24, 80), "\x1b[Hone\x1b[K\r\ntwo\x1b[K\r\n\x1b[J");
        assert!(!drawn(&["one"], 24, 80).contains("\x1b[2J"), "it would flicker");
        assert!(frame(["one"].into_iter(), Size { rows: 24, columns: 80 }, true).starts_with(CLEARED));
    }

    #[test]
    fn a_frame_is_never_higher_than_the_terminal() {
        let three = ["one", "two", "three"];
        assert_eq!(drawn(&three, 4, 80).matches("\r\n").count(), 3);
        let clipped = drawn(&three, 3, 80);
        assert_eq!(clipped, "\x1b[Hone\x1b[K\r\n… 2 more lines\x1b[K\r\n\x1b[J");
        // A line that is wrapped takes several rows, whatever its colours.
        let long = format!("\x1b[31m{}\x1b[0m", "a".repeat(15));
        let fits = drawn(&[&long, "two"], 4, 10);
        assert!(fits.contains("two") && fits.contains(&long), "{fits:?}");
        let clipped = drawn(&[&long, "two", "three"], 4, 20);
        assert!(clipped.contains("three"), "{clipped:?}");
        let clipped = drawn(&[&long, "two", "three"], 4, 10);
        assert!(
            clipped.contains(&long) && clipped.contains("… 2 more") && !clipped.contains("two"),
            "{clipped:?}"
        );
        for (rows, columns) in [(1, 1), (2, 5), (1, 80)] {
            let tiny = drawn(&three, rows, columns);
            assert!(tiny.matches("\r\n").count() <= rows, "{rows} by {columns}: {tiny:?}");
        }
        assert_eq!(width("漢字"), 4);
    }

    #[test]
    fn the_last_column_is_not_cleared_again() {
        assert_eq!(drawn(&["0123456789"], 24, 10), "\x1b[H\x1b[K0123456789\r\n\x1b[J");
    }
}
