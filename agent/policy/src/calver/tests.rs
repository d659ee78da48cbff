//! What is read, what is refused, and the order.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn format(text: &str) -> Format {
    text.parse().unwrap()
}

/// Format, tags that are of it, tags that are not.
type Fact = (&'static str, &'static [&'static str], &'static [&'static str]);

const FACTS: &[Fact] = &[
    (
        "YYYY.MM.DD",
        &["2024.1.5", "2024.12.31", "2024.01.05", "2024.2.29"],
        &[
            "2023.2.29",
            "2024.13.1",
            "2024.0.1",
            "2024.1.32",
            "24.1.5",
            "2024.1",
            "2024.1.5.1",
            "v2024.1.5",
            "2024.001.5",
            "latest",
        ],
    ),
    (
        "YYYY.0M.0D",
        &["2024.01.05", "2024.12.31"],
        &["2024.1.5", "2024.04.31", "2024.00.10", "2024-01-05", "2024.01.05-rc1", "20240105"],
    ),
    ("YYYY0M0D", &["20240105", "19991231"], &["2024015", "20241301", "20230229", "202401051"]),
    ("YYYY0M0DMICRO", &["202401051", "2024010512345678901234567890"], &["20240105"]),
    ("YY.0M", &["24.04", "6.06", "06.06", "106.12"], &["24.4", "24.13", "1024.04", "2024.04"]),
    ("0Y.0M.MICRO", &["06.10.0", "24.04.17"], &["6.10.0", "106.10.0"]),
    ("YY.MM.MICRO", &["24.1.0", "24.10.123456789012345678901234567890"], &["24.1", "24.1.x", "24.1."]),
    ("YYYY.WW", &["2024.1", "2024.53", "2024.09"], &["2024.0", "2024.54"]),
    ("YYYY-0W", &["2024-09"], &["2024-9", "2024.09"]),
    (
        "YYYY.0M.0D-MODIFIER",
        &["2024.01.05", "2024.01.05-3", "2024.01.05-rc1", "2024.01.05-a-b"],
        &["2024.01.05-", "2024.01.053", "2024.01.05.3"],
    ),
    ("YY.0M.MICROMODIFIER", &["24.01.1rc1", "24.01.1"], &["24.01.rc1"]),
    ("MAJOR.YY.0M", &["3.24.01"], &["24.01"]),
    ("DD.MM.YYYY", &["5.1.2024", "31.12.2024"], &["31.11.2024", "2024.1.5"]),
    ("release-YYYY_0M", &["release-2024_01"], &["2024_01", "release-2024.01"]),
    ("YYYY.0M-build.MICRO", &["2024.01-build.7"], &["2024.01", "2024.01-build.x"]),
];

#[test]
fn facts() {
    for (text, inside, outside) in FACTS {
        for (tags, expected) in [(inside, true), (outside, false)] {
            for tag in *tags {
                assert_eq!(format(text).read(tag).is_some(), expected, "{text} and {tag}");
            }
        }
    }
}

#[rstest]
#[case("YYYY.MM.DD", &["2023.12.31", "2024.1.1", "2024.1.10", "2024.9.30", "2024.10.1"])]
#[case("DD.MM.YYYY", &["31.12.2023", "1.1.2024", "10.1.2024", "30.9.2024", "1.10.2024"])]
#[case("MAJOR.DD.MM.YYYY", &["1.31.12.2024", "2.30.1.2024", "2.1.2.2024", "10.1.1.2023"])]
#[case("YY.MICRO.MM", &["23.9.12", "24.7.1", "24.8.1", "24.1.2"])]
#[case("YY.MM.MICRO", &["6.1.1", "23.12.99", "24.1.9", "24.1.10", "24.1.99999999999999999999", "24.1.100000000000000000000"])]
#[case("YYYY.0M.0D-MODIFIER", &[
    "2024.01.04-9", "2024.01.05-beta2", "2024.01.05-beta10", "2024.01.05-rc1", "2024.01.05", "2024.01.05-2",
    "2024.01.05-10", "2024.01.05-build.9", "2024.01.05-build.10", "2024.01.06-dev",
])]
fn ascending(#[case] text: &str, #[case] tags: &[&str]) {
    let format = format(text);
    let dates: Vec<Date<'_>> = tags.iter().map(|tag| format.read(tag).unwrap()).collect();
    assert!(dates.is_sorted_by(|one, other| one < other), "{text}: {tags:?}");
}

#[rstest]
#[case("", "it is empty")]
#[case(
    "YYYY.QQ",
    "unexpected \"Q\" at 5: words are YYYY YY 0Y MM 0M WW 0W DD 0D MAJOR MINOR MICRO MODIFIER, and between them \".\", \"-\", \"_\" and lower-case letters stand for themselves"
)]
#[case(
    "YYYY/MM",
    "unexpected \"/\" at 4: words are YYYY YY 0Y MM 0M WW 0W DD 0D MAJOR MINOR MICRO MODIFIER, and between them \".\", \"-\", \"_\" and lower-case letters stand for themselves"
)]
#[case(
    "yyyy.mm.dd",
    "it has no year: one of YYYY, YY and 0Y; months without a year begin again every January"
)]
#[case("0M.MICRO", "it has no year: one of YYYY, YY and 0Y; months without a year begin again every January")]
#[case(
    "MAJOR.MINOR.MICRO",
    "it has no year: one of YYYY, YY and 0Y; months without a year begin again every January"
)]
#[case("YYYY.YY", "YYYY and YY say the same twice")]
#[case("YYYY.MM.MICRO.MICRO", "MICRO and MICRO say the same twice")]
#[case("YYYY.DD", "DD needs MM or 0M with it")]
#[case("YYYY.WW.0D", "WW is a week of the year: it goes with neither months nor days")]
#[case(
    "YYYYMMDD",
    "MM and DD have nothing between them, so that 111 could be 1 and 11 or 11 and 1; write 0M for MM, or put a separator between them"
)]
#[case(
    "YYMM",
    "YY and MM have nothing between them, so that 111 could be 1 and 11 or 11 and 1; write 0Y for YY, or put a separator between them"
)]
#[case(
    "YYYY.MAJORMINOR",
    "MAJOR and MINOR have nothing between them, so that nobody knows where the first one ends; put a separator between them"
)]
#[case("YYYY-MODIFIER.MICRO", "MODIFIER is any text, so that it must be the last word")]
#[case("YYYY-MODIFIERx", "MODIFIER is any text, so that it must be the last word")]
fn refused(#[case] text: &str, #[case] problem: &str) {
    let expected =
        format!("{text:?} is not a calver format ({problem}); for example \"YYYY.0M.0D\", \"YY.0M.MICRO\"");
    assert_eq!(text.parse::<Format>().unwrap_err().to_string(), expected);
}

#[test]
fn an_endless_format_is_refused_in_a_short_message() {
    let message = "YYYY.".repeat(100_000).parse::<Format>().unwrap_err().to_string();
    assert!(message.contains("longer than 128 bytes") && message.len() < 300, "{message}");
}

proptest! {
    #[test]
    fn real_dates_are_read_and_ordered_as_dates(one in 0_i32..1_000_000, other in 0_i32..1_000_000) {
        let date = |days: i32| jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(days));
        let (one, other) = (date(one).unwrap(), date(other).unwrap());
        for (text, written) in [("YYYY.MM.DD", "%-Y.%-m.%-d"), ("YYYY0M0D", "%Y%m%d"), ("0D-0M-YYYY", "%d-%m-%Y")] {
            let format = format(text);
            let (a, b) = (one.strftime(written).to_string(), other.strftime(written).to_string());
            prop_assert_eq!(format.read(&a).unwrap().cmp(&format.read(&b).unwrap()), one.cmp(&other));
        }
    }
}
