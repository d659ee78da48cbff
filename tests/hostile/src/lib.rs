//! Hostile input for fuzz tests: good texts of which parts were changed, so that what comes out goes deep into its reader,
//! and a loop that gives a reader as many of them as `PROPTEST_CASES` says.
//!
//! For tests only: it panics where a reader did.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a fuzz test ends with what it found"
)]

use std::{borrow::Cow, cell::Cell};

use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    test_runner::{Config, TestError, TestRunner},
};

/// The most memory that a process may have taken when a fuzz test ends. Other tests run beside it.
const PEAK_LIMIT_MIB: u64 = 768;
/// How many cases there are where nobody says.
const USUAL_CASES: u32 = 64;
/// From so many cases on some must be taken, and not all.
const TELLING_CASES: u64 = 10_000;
/// How long what is repeated becomes at most.
const REPEATED_LIMIT_BYTES: usize = 128 << 10;
/// How many changes one text has at most.
const MAX_CHANGES: usize = 4;
/// How many words are moved, left out or repeated together at most.
const MAX_WORDS: usize = 12;

/// What is put where something else was.
const WORDS: [&[u8]; 43] = [
    b"",
    b" ",
    b"\n",
    b"\r\n",
    b"\0",
    b"\t",
    b"\"",
    b"'",
    b"`",
    b"\\",
    b"/",
    b"//",
    b"../",
    b"..",
    b".",
    b",",
    b":",
    b";",
    b"=",
    b"==",
    b"@",
    b"#",
    b"-",
    b"+",
    b"*",
    b"[",
    b"]",
    b"{",
    b"}",
    b"<",
    b">",
    b"%00",
    b"null",
    b"true",
    b"0",
    b"-1",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"1e999",
    b"\\u0000\\ud800",
    b"\xff\xfe",
    "é\u{202e}".as_bytes(),
    "\u{feff}".as_bytes(),
];

/// What stands before, what stands there again and again, and what stands behind.
const HEAVY: [(&str, &str, &str); 24] = [
    ("", "[", ""),
    ("", "{\"a\":", ""),
    ("", "{\"a\":[", ""),
    ("[", "1,", "1]"),
    ("[", "[],", "[]]"),
    ("[", "{},", "{}]"),
    ("[", "\"\",", "\"a\"]"),
    ("{", "\"a\":1,", "\"a\":1}"),
    ("", "1", ""),
    ("1e", "9", ""),
    ("\"", "a", "\""),
    ("\"", "\\u0000", "\""),
    ("", "\n", ""),
    ("", "a\n", ""),
    ("", "- ", ""),
    ("", "? ", ""),
    ("", "a: ", ""),
    ("", "---\n", ""),
    ("", "&a ", "b"),
    ("a: &a [x]\nb: [", "*a,", "*a]"),
    ("a: |\n", "  a\n", ""),
    ("", "a,", ""),
    ("", "<>;a=b", ""),
    ("", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", ""),
];

/// Gives a reader hostile input; it says whether it took it, and panics where it should not have.
///
/// How many were taken is in the test's output: a test whose input is never good (or never bad) goes into nothing.
pub fn fuzz<S: Strategy>(input: S, is_taken: impl Fn(S::Value) -> bool) {
    let (cases, taken) = (Cell::new(0_u64), Cell::new(0_u64));
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = USUAL_CASES;
    }
    let ran = TestRunner::new(config).run(&input, |value| {
        let is_taken = is_taken(value);
        cases.set(cases.get() + 1);
        taken.set(taken.get() + u64::from(is_taken));
        Ok(())
    });
    match ran {
        Ok(()) => {}
        Err(TestError::Fail(reason, value)) => panic!("{reason}; the input: {value:?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    let (cases, taken) = (cases.get(), taken.get());
    println!("{cases} cases, {taken} taken");
    let is_telling = cases >= TELLING_CASES;
    assert!(!is_telling || (0 < taken && taken < cases), "{taken} of {cases} cases were taken");
    is_frugal();
}

/// Ends the test if this process has had too much memory so far.
pub fn is_frugal() {
    let peak = peak_mib();
    println!("{peak} MiB at most");
    assert!(peak < PEAK_LIMIT_MIB, "{peak} MiB of memory");
}

/// Texts near to good ones: as they are, or with some of their words replaced, left out, repeated, exchanged, broken or
/// cut off.
pub fn near<T: AsRef<[u8]>>(samples: impl IntoIterator<Item = T>) -> impl Strategy<Value = Vec<u8>> {
    let samples: Vec<Vec<Vec<u8>>> = samples.into_iter().map(|sample| words(sample.as_ref())).collect();
    (any::<Index>(), vec(change(), 0..=MAX_CHANGES)).prop_map(move |(sample, changes)| {
        let mut text: Text<'_> = sample.get(&samples).iter().map(|word| Cow::from(word.as_slice())).collect();
        for change in &changes {
            change.make(&mut text, &samples);
        }
        text.concat()
    })
}

/// The same as text, with what is no text replaced.
pub fn near_text<T: AsRef<[u8]>>(samples: impl IntoIterator<Item = T>) -> impl Strategy<Value = String> {
    near(samples).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Texts of this size that cost much to read: deep ones, one key again and again, a number or a word without an end, and as
/// many small things as fit. A build for debugging reads slowly, and gets a sixteenth of each.
pub fn heavy(size_bytes: usize) -> impl Iterator<Item = String> {
    let size_bytes = if cfg!(debug_assertions) { size_bytes / 16 } else { size_bytes };
    let texts = HEAVY.iter().map(move |(before, again, after)| {
        let times = size_bytes.saturating_sub(before.len() + after.len()) / again.len();
        [before, again.repeat(times).as_str(), after].concat()
    });
    let different: Vec<String> =
        (0..size_bytes / 16).map(|number| format!("\"{number:07}\": 1,\n")).collect();
    texts.chain([format!("{{{}\"a\": 1}}", different.concat())])
}

/// Letters and digits that stand together are a word, and so is everything else alone.
fn words(text: &[u8]) -> Vec<Vec<u8>> {
    let is_of_a_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80;
    text.chunk_by(|one, other| is_of_a_word(one) && is_of_a_word(other)).map(<[u8]>::to_vec).collect()
}

/// A text in words.
type Text<'a> = Vec<Cow<'a, [u8]>>;

/// One change of a text.
#[derive(Clone, Debug)]
struct Change {
    kind: Kind,
    at: Index,
    count: usize,
    what: Index,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Another word in place of one.
    Replace,
    /// A word of a sample in place of one.
    Borrow,
    /// A word more.
    Insert,
    /// Some words less.
    Leave,
    /// Two words, each in place of the other.
    Exchange,
    /// Some words again and again.
    Repeat(usize),
    /// Another byte in a word.
    Break(u8),
    /// Nothing more behind a word.
    Cut,
}

fn change() -> impl Strategy<Value = Change> {
    let kind = prop_oneof![
        6 => Just(Kind::Replace),
        4 => Just(Kind::Borrow),
        3 => Just(Kind::Insert),
        3 => Just(Kind::Leave),
        2 => Just(Kind::Exchange),
        2 => (1..20_usize).prop_map(Kind::Repeat),
        4 => any::<u8>().prop_map(Kind::Break),
        1 => Just(Kind::Cut),
    ];
    // Rarely very long: most of a million texts must be read in no time.
    let kind = prop_oneof![2000 => kind, 1 => (20..REPEATED_LIMIT_BYTES).prop_map(Kind::Repeat)];
    (kind, any::<Index>(), 1..=MAX_WORDS, any::<Index>()).prop_map(|(kind, at, count, what)| Change {
        kind,
        at,
        count,
        what,
    })
}

impl Change {
    fn make<'a>(&self, text: &mut Text<'a>, samples: &'a [Vec<Vec<u8>>]) {
        let Self { kind, at, count, what } = self;
        let word = || Cow::from(WORDS[what.index(WORDS.len())]);
        if text.is_empty() {
            text.push(word());
        }
        let at = at.index(text.len());
        let end = (at + count).min(text.len());
        match kind {
            Kind::Replace => text[at] = word(),
            Kind::Borrow => {
                let sample = what.get(samples);
                text[at] = if sample.is_empty() { word() } else { Cow::from(what.get(sample).as_slice()) };
            }
            Kind::Insert => text.insert(at, word()),
            Kind::Leave => drop(text.drain(at..end)),
            Kind::Exchange => {
                let other = what.index(text.len());
                text.swap(at, other);
            }
            Kind::Repeat(times) => {
                let piece = text[at..end].concat();
                let times = (*times).min(REPEATED_LIMIT_BYTES / piece.len().max(1));
                text.insert(at, piece.repeat(times).into());
            }
            Kind::Break(byte) => {
                if !text[at].is_empty() {
                    let place = what.index(text[at].len());
                    text[at].to_mut()[place] = *byte;
                }
            }
            Kind::Cut => text.truncate(at),
        }
    }
}

/// The most memory that this process has had at once.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("read /proc/self/status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM in it");
    peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of it") >> 10
}
