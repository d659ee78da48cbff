//! Printing to a terminal: tables, colour only where a terminal reads, and text from outside made harmless.

use std::io::{IsTerminal as _, Write as _};

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

/// A span of time in its two largest units, as people say it: `8d`, `3m12s`, `0.61s`.
pub fn age(span: std::time::Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..10 => format!("{:.2}s", span.as_secs_f64()),
        10..120 => format!("{seconds}s"),
        120..600 => format!("{}m{}s", seconds / 60, seconds % 60),
        600..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
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
    fn says_spans_as_people_do() {
        for (seconds, wanted) in
            [(0.61, "0.61s"), (42.0, "42s"), (192.0, "3m12s"), (3_000.0, "50m"), (700_000.0, "8d")]
        {
            assert_eq!(age(std::time::Duration::from_secs_f64(seconds)), wanted);
        }
    }
}
