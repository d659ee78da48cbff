//! Tags from a file or from standard input, one a line.

use std::{io::Read, path::Path};

use anyhow::{Context as _, bail};

/// The most that is read: a million tags of the greatest length are less.
const LIST_LIMIT_BYTES: u64 = 160 << 20;
/// What editors of Windows put before a text.
const BYTE_ORDER_MARK: char = '\u{feff}';
/// The name that means standard input.
const STANDARD_INPUT: &str = "-";

/// The text of a list. What is around a tag on its line, and lines without any, are left to whoever judges them.
pub fn read(file: &Path) -> anyhow::Result<String> {
    if file == Path::new(STANDARD_INPUT) {
        return text_of(std::io::stdin().lock()).context("the list on standard input");
    }
    let opened = std::fs::File::open(file).with_context(|| file.display().to_string())?;
    text_of(opened).with_context(|| file.display().to_string())
}

fn text_of(source: impl Read) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    source.take(LIST_LIMIT_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LIST_LIMIT_BYTES {
        bail!("it has more than {LIST_LIMIT_BYTES} bytes");
    }
    let text = String::from_utf8(bytes).context("it is not UTF-8 text, with one tag a line")?;
    Ok(text.strip_prefix(BYTE_ORDER_MARK).map(str::to_owned).unwrap_or(text))
}
