//! The file of allowed signers (ssh-keygen(1), "ALLOWED SIGNERS").
//!
//! `cert-authority` is refused rather than ignored: who wrote it relies on certificates, which are not judged here.

use std::fmt;

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};
use ssh_key::{HashAlg, PublicKey};

use crate::{BadMaterial, text::shown};

/// The longest line.
const LINE_LIMIT_BYTES: usize = 16 << 10;
/// The kinds of keys, by how their names begin.
const KEY_KINDS: [&str; 3] = ["ssh-", "ecdsa-sha2-", "sk-"];
const GIT: &str = "git";

/// A key, and what it may sign and when.
#[derive(Debug)]
pub(super) struct AllowedSigner {
    principals: String,
    pub(super) key: PublicKey,
    /// Patterns of namespaces; none for all.
    namespaces: Option<Vec<String>>,
    pub(super) valid_after: Option<Timestamp>,
    pub(super) valid_before: Option<Timestamp>,
}

impl AllowedSigner {
    /// Whether it may sign for Git at all.
    pub(super) fn is_for_git(&self) -> bool {
        let excludes = |pattern: &String| pattern.strip_prefix('!').is_some_and(|pattern| fits(pattern, GIT));
        self.namespaces.as_ref().is_none_or(|patterns| {
            patterns.iter().any(|pattern| fits(pattern, GIT)) && !patterns.iter().any(excludes)
        })
    }
}

/// The principals, and the key's fingerprint.
impl fmt::Display for AllowedSigner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", shown(&self.principals), self.key.fingerprint(HashAlg::Sha256))
    }
}

/// Reads the file.
pub(super) fn parse(file: &str, text: &str) -> Result<Vec<AllowedSigner>, BadMaterial> {
    let lines = (1..).zip(text.lines().map(str::trim));
    let meant = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    meant
        .map(|(number, line)| {
            self::line(line).map_err(|problem| BadMaterial::new(file, format!("line {number} {problem}")))
        })
        .collect()
}

fn line(line: &str) -> Result<AllowedSigner, String> {
    if line.len() > LINE_LIMIT_BYTES {
        return Err(format!("is longer than {LINE_LIMIT_BYTES} bytes"));
    }
    let (principals, rest) = field(line)?;
    if is_key_kind(&principals) {
        return Err("begins with the key: put who it is of (an e-mail address, or *) before it".to_owned());
    }
    let is_key = rest.split_whitespace().next().is_some_and(is_key_kind);
    let (options, key) = if is_key { (String::new(), rest) } else { raw_field(rest)? };
    let key = PublicKey::from_openssh(key.trim())
        .map_err(|error| format!("has no key that can be read: {error}"))?;
    let mut signer =
        AllowedSigner { principals, key, namespaces: None, valid_after: None, valid_before: None };
    for option in split(&options) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = value.trim_matches('"');
        match name.to_ascii_lowercase().as_str() {
            "" => {}
            "namespaces" => signer.namespaces = Some(value.split(',').map(str::to_owned).collect()),
            "valid-after" => signer.valid_after = Some(time(value)?),
            "valid-before" => signer.valid_before = Some(time(value)?),
            "cert-authority" => {
                return Err(
                    "has cert-authority: certificates of SSH are not judged; name the keys themselves"
                        .to_owned(),
                );
            }
            _ => return Err(format!("has an option that is not known: {:?}", shown(&name))),
        }
    }
    Ok(signer)
}

fn is_key_kind(word: &str) -> bool {
    KEY_KINDS.iter().any(|kind| word.starts_with(kind))
}

/// The first field, without the quotes that it may have, and the rest.
fn field(line: &str) -> Result<(String, &str), String> {
    let (field, rest) = raw_field(line)?;
    Ok((field.trim_matches('"').to_owned(), rest))
}

/// The first field as it is: a blank in quotes does not end it.
fn raw_field(line: &str) -> Result<(String, &str), String> {
    let mut is_quoted = false;
    let end = line.char_indices().find(|(_, char)| {
        is_quoted ^= *char == '"';
        char.is_whitespace() && !is_quoted
    });
    let (field, rest) = end.and_then(|(end, _)| line.split_at_checked(end)).ok_or("has too few fields")?;
    Ok((field.to_owned(), rest.trim_start()))
}

/// The options: a comma in quotes does not part them.
fn split(options: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    options.split(move |char: char| {
        is_quoted ^= char == '"';
        char == ',' && !is_quoted
    })
}

/// `YYYYMMDD` or `YYYYMMDDHHMM[SS]`, with or without a `Z`; the process has no time zone but UTC.
fn time(text: &str) -> Result<Timestamp, String> {
    let bad =
        || format!("has a time that is none: {:?} (for example 20270131 or 202701311200Z)", shown(&text));
    let digits = text.strip_suffix('Z').unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(digits.len(), 8 | 12 | 14) {
        return Err(bad());
    }
    let number =
        |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |part| part.parse::<i16>().ok());
    let small = |from: usize| number(from, from + 2).and_then(|number| i8::try_from(number).ok());
    let civil = || {
        let date = Date::new(number(0, 4)?, small(4)?, small(6)?).ok()?;
        let time = Time::new(small(8)?, small(10)?, small(12)?, 0).ok()?;
        Some(DateTime::from_parts(date, time).to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    civil().ok_or_else(bad)
}

/// Whether a name fits a pattern with `*` and `?`.
fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.chars().next(), name.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            let rest = pattern.trim_start_matches('*');
            (0..=name.len()).any(|from| name.get(from..).is_some_and(|name| fits(rest, name)))
        }
        (Some(wanted), Some(found)) if wanted == '?' || wanted == found => fits(
            pattern.get(wanted.len_utf8()..).unwrap_or_default(),
            name.get(found.len_utf8()..).unwrap_or_default(),
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ alice@work";

    #[rstest]
    #[case::plain("alice@example.com {KEY}", true)]
    #[case::for_git("alice@example.com namespaces=\"git\" {KEY}", true)]
    #[case::among_others("alice@example.com namespaces=\"file,gi?\",valid-after=\"20200101Z\" {KEY}", true)]
    #[case::all("* namespaces=\"*\" {KEY}", true)]
    #[case::for_files("\"alice b\" namespaces=\"file\" {KEY}", false)]
    fn lines(#[case] line: &str, #[case] is_for_git: bool) {
        let text = format!("# who may sign\n\n{}\n", line.replace("{KEY}", KEY));
        let signers = parse("signers", &text).unwrap();
        let [signer] = signers.as_slice() else { panic!("{signers:?}") };
        assert_eq!(signer.is_for_git(), is_for_git);
    }

    #[rstest]
    #[case::authority("* cert-authority {KEY}", "signers: line 1 has cert-authority: ")]
    #[case::option(
        "* verify-required {KEY}",
        "signers: line 1 has an option that is not known: \"verify-required\""
    )]
    #[case::date("* valid-before=\"2027\" {KEY}", "signers: line 1 has a time that is none: \"2027\"")]
    #[case::month(
        "* valid-before=\"20271301\" {KEY}",
        "signers: line 1 has a time that is none: \"20271301\""
    )]
    #[case::no_principal("{KEY}", "signers: line 1 begins with the key: ")]
    #[case::no_key("alice@example.com", "signers: line 1 has too few fields")]
    #[case::half_a_key("alice@example.com ssh-ed25519 AAAA", "signers: line 1 has no key that can be read: ")]
    fn refused(#[case] line: &str, #[case] wanted: &str) {
        let error = parse("signers", &line.replace("{KEY}", KEY)).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{error}");
    }

    #[rstest]
    #[case("20270131", "2027-01-31T00:00:00Z")]
    #[case("202701311530Z", "2027-01-31T15:30:00Z")]
    #[case("20270131153059", "2027-01-31T15:30:59Z")]
    fn times(#[case] text: &str, #[case] wanted: &str) {
        assert_eq!(time(text).unwrap(), wanted.parse().unwrap());
    }
}
