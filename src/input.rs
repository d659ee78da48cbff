//! Texts from files and from standard input, within a bound.

use std::{io::Read, path::Path};

use anyhow::{Context as _, bail};

/// The name that means standard input.
const STANDARD_INPUT: &str = "-";

/// The text of a file, or of standard input where that is `-`.
///
/// # Errors
/// Where it cannot be read, has more bytes than the limit, or is not UTF-8.
pub fn text(file: &Path, limit_bytes: u64) -> anyhow::Result<String> {
    if file == Path::new(STANDARD_INPUT) {
        return text_of(std::io::stdin().lock(), limit_bytes).context("standard input");
    }
    let opened = std::fs::File::open(file).with_context(|| file.display().to_string())?;
    text_of(opened, limit_bytes).with_context(|| file.display().to_string())
}

fn text_of(source: impl Read, limit_bytes: u64) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    source.take(limit_bytes + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit_bytes {
        bail!("it has more than {limit_bytes} bytes");
    }
    String::from_utf8(bytes).context("it is not UTF-8 text")
}
