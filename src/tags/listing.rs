//! Tags from a file or from standard input, one a line.

use std::path::Path;

use crate::input;

/// The most that is read: a million tags of the greatest length are less.
const LIST_LIMIT_BYTES: u64 = 160 << 20;
/// What editors of Windows put before a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of a list. What is around a tag on its line, and lines without any, are left to whoever judges them.
pub fn read(file: &Path) -> anyhow::Result<String> {
    let text = input::text(file, LIST_LIMIT_BYTES)?;
    Ok(text.strip_prefix(BYTE_ORDER_MARK).map(str::to_owned).unwrap_or(text))
}
