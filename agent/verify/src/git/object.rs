//! A commit or tag taken apart into its signature and what that signs.
//!
//! Git, `gitformat-signature`: a commit has its signature in the header `gpgsig` (in repositories by SHA-256
//! `gpgsig-sha256`) and signs all the rest; a tag has it at the end of its message and signs what is before.

use jiff::Timestamp;

use crate::{Refusal, text::shown};

/// The largest object.
const OBJECT_LIMIT_BYTES: usize = 1 << 20;
/// The longest signature.
const SIGNATURE_LIMIT_BYTES: usize = 64 << 10;
const SIGNATURE_HEADERS: [&[u8]; 2] = [b"gpgsig ", b"gpgsig-sha256 "];
/// What the signature of a tag begins with.
const SIGNATURE_BEGINS: [&[u8]; 4] = [
    b"-----BEGIN PGP SIGNATURE-----",
    b"-----BEGIN PGP MESSAGE-----",
    b"-----BEGIN SSH SIGNATURE-----",
    b"-----BEGIN SIGNED MESSAGE-----",
];

/// A commit or tag, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SignedObject {
    /// What is signed.
    pub(super) payload: Vec<u8>,
    pub(super) signature: Option<Vec<u8>>,
    /// When it says that it was made.
    pub(super) time: Option<Timestamp>,
}

impl SignedObject {
    /// A commit.
    pub(super) fn commit(object: &[u8]) -> Result<Self, Refusal> {
        bounded(object)?;
        let mut payload = Vec::with_capacity(object.len());
        let mut signature: Option<Vec<u8>> = None;
        let mut time = None;
        let mut is_signature = false;
        let mut lines = object.split_inclusive(|byte| *byte == b'\n');
        for line in lines.by_ref() {
            if let (true, [b' ', rest @ ..]) = (is_signature, line) {
                signature.get_or_insert_default().extend_from_slice(rest);
                continue;
            }
            is_signature = false;
            if let Some(first) = SIGNATURE_HEADERS.iter().find_map(|header| line.strip_prefix(*header)) {
                if signature.is_some() {
                    return Err(malformed("it has two of them"));
                }
                signature = Some(first.to_vec());
                is_signature = true;
                continue;
            }
            if let Some(committer) = line.strip_prefix(b"committer ") {
                time = time_of(committer);
            }
            payload.extend_from_slice(line);
            if line == b"\n" {
                break;
            }
        }
        lines.for_each(|line| payload.extend_from_slice(line));
        Self { payload, signature, time }.bounded()
    }

    /// The annotated tag of this name on this commit.
    pub(super) fn tag(object: &[u8], name: &str, commit: &str) -> Result<Self, Refusal> {
        bounded(object)?;
        let header = |wanted: &[u8]| {
            let headers = object.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
            let mut values = headers.filter_map(|line| line.strip_prefix(wanted));
            values.next().filter(|_| values.next().is_none())
        };
        if header(b"object ") != Some(commit.as_bytes()) || header(b"type ") != Some(b"commit") {
            return Err(Refusal::OfAnother("the tag is not of this commit".to_owned()));
        }
        let signed_name = header(b"tag ").unwrap_or_default();
        if signed_name != name.as_bytes() {
            return Err(Refusal::OfAnother(format!(
                "the tag was signed as {:?}, and is at {:?} now",
                shown(&String::from_utf8_lossy(signed_name)),
                shown(&name)
            )));
        }
        let time = header(b"tagger ").and_then(time_of);
        let mut end = 0;
        let mut begin = None;
        for line in object.split_inclusive(|byte| *byte == b'\n') {
            if SIGNATURE_BEGINS.iter().any(|begins| line.starts_with(begins)) {
                begin = Some(end);
            }
            end += line.len();
        }
        let (payload, signature) = match begin.and_then(|begin| object.split_at_checked(begin)) {
            Some((payload, signature)) => (payload, Some(signature.to_vec())),
            None => (object, None),
        };
        Self { payload: payload.to_vec(), signature, time }.bounded()
    }

    fn bounded(self) -> Result<Self, Refusal> {
        match &self.signature {
            Some(signature) if signature.len() > SIGNATURE_LIMIT_BYTES => {
                Err(malformed("it is longer than any signature"))
            }
            _ => Ok(self),
        }
    }
}

fn bounded(object: &[u8]) -> Result<(), Refusal> {
    if object.len() > OBJECT_LIMIT_BYTES { Err(malformed("the commit or tag is too large")) } else { Ok(()) }
}

/// The time at the end of a line that names a person: seconds and an offset.
fn time_of(person: &[u8]) -> Option<Timestamp> {
    let text = String::from_utf8_lossy(person);
    let (_, time) = text.trim_end().rsplit_once("> ")?;
    Timestamp::from_second(time.split(' ').next()?.parse().ok()?).ok()
}

fn malformed(what: &str) -> Refusal {
    Refusal::Malformed(what.to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const SIGNED: &str = "tree 1\nauthor A <a@x> 1 +0000\ncommitter C <c@x> 1700000000 +0100\n\
        gpgsig -----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----\nencoding UTF-8\n\nTitle\n\ngpgsig no header\n";

    #[test]
    fn a_commit_signs_all_but_its_signature() {
        let commit = SignedObject::commit(SIGNED.as_bytes()).unwrap();
        let payload = "tree 1\nauthor A <a@x> 1 +0000\ncommitter C <c@x> 1700000000 +0100\nencoding UTF-8\n\nTitle\n\n\
            gpgsig no header\n";
        assert_eq!(String::from_utf8(commit.payload).unwrap(), payload);
        let signature = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n";
        assert_eq!(commit.signature.unwrap(), signature.as_bytes());
        assert_eq!(commit.time.unwrap().as_second(), 1_700_000_000);
    }

    #[test]
    fn a_commit_with_two_signatures_is_refused() {
        let twice = SIGNED.replace("encoding UTF-8", "gpgsig another");
        assert!(matches!(SignedObject::commit(twice.as_bytes()), Err(Refusal::Malformed(_))));
    }

    const TAG: &str = "object 1234\ntype commit\ntag v1\ntagger T <t@x> 1700000000 +0000\n\nRelease\n\
        -----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n";

    #[test]
    fn a_tag_signs_what_is_before_its_signature() {
        let tag = SignedObject::tag(TAG.as_bytes(), "v1", "1234").unwrap();
        assert!(tag.payload.ends_with(b"Release\n") && tag.signature.unwrap().starts_with(b"-----BEGIN PGP"));
        let unsigned = TAG.split("-----BEGIN").next().unwrap();
        assert_eq!(SignedObject::tag(unsigned.as_bytes(), "v1", "1234").unwrap().signature, None);
    }

    #[rstest]
    #[case::another_name(TAG.to_owned(), "v2", "1234")]
    #[case::another_commit(TAG.to_owned(), "v1", "5678")]
    #[case::of_a_tag(TAG.replace("type commit", "type tag"), "v1", "1234")]
    #[case::two_names(TAG.replace("tag v1\n", "tag v1\ntag v1\n"), "v1", "1234")]
    fn a_tag_of_something_else_is_refused(#[case] tag: String, #[case] name: &str, #[case] commit: &str) {
        let refusal = SignedObject::tag(tag.as_bytes(), name, commit).unwrap_err();
        assert!(matches!(refusal, Refusal::OfAnother(_)), "{refusal}");
    }
}
