//! Durations as people write them in a spec: `30s`, `10m`, `1h30m`; as Go has them, of which those are a part; and as
//! people are told of them: `16 h 1 m`.

use std::time::Duration;

use jiff::SignedDuration;
use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the API server asks of the text.
const IS_DURATION: &str = "matches('^([0-9]{1,9}(ms|s|m|h))+$')";
/// The units of Go, in nanoseconds. The small Greek letter of the micro comes in two characters.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];
/// How many digits of a fraction are read: more say nothing of nanoseconds.
const FRACTION_DIGITS: usize = 18;

/// What the API server asks of a field that may be left out: what is no duration is refused by its type already.
pub(crate) fn within(field: &str, least: &str, most: &str) -> Rule {
    let value = format!("self.{field}");
    Rule::new(format!(
        "!has({value}) || !{value}.{IS_DURATION} || (duration({value}) >= duration('{least}') && duration({value}) <= duration('{most}'))"
    ))
    .message(format!("{field} is between {least} and {most}").as_str())
}

/// A duration as text: in a spec, whole numbers with the units `ms`, `s`, `m`, `h`, put together without spaces.
///
/// It stays text until it is used, so that an object with a bad duration (stored before the schema forbade it)
/// can still be read, listed and reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct DurationText(
    #[schemars(length(min = 2, max = 32), extend("x-kubernetes-validations" = [{
        "rule": format!("self.{IS_DURATION}"),
        "message": "must be a duration such as 30s, 10m or 72h (there are no days)",
    }]))]
    pub String,
);

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration such as 30s, 10m or 72h (there are no days)")]
pub struct DurationError(String);

impl DurationText {
    /// The duration that the text stands for.
    ///
    /// # Errors
    /// Where it stands for none, or for one that is too large to count or less than none.
    pub fn to_duration(&self) -> Result<Duration, DurationError> {
        Duration::try_from(go_duration(&self.0)?).map_err(|_| DurationError::of(&self.0))
    }
}

impl DurationError {
    fn of(text: &str) -> Self {
        Self(text.chars().take(40).collect())
    }
}

/// The duration that a text stands for to Go, and so to what is written in Go: the kubelet and its plugins.
///
/// Source: `ParseDuration` of <https://pkg.go.dev/time#ParseDuration>. It is a sign, which may be left out, and then `0` or
/// numbers with a unit each; each number may have a fraction.
///
/// # Errors
/// Where the text is empty, has another unit, or is too large to count: Go counts nanoseconds in 64 bits.
pub fn go_duration(text: &str) -> Result<SignedDuration, DurationError> {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let nanoseconds = nanoseconds(unsigned).and_then(|total| i64::try_from(total).ok());
    let duration = nanoseconds.map(SignedDuration::from_nanos).ok_or_else(|| DurationError::of(text))?;
    Ok(if is_negative { -duration } else { duration })
}

fn nanoseconds(text: &str) -> Option<u64> {
    // The one number that needs no unit.
    if text == "0" {
        return Some(0);
    }
    let (mut total, mut rest) = (0_u64, text);
    loop {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        let unit = after.find(|one: char| one == '.' || one.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let whole = match (whole, fraction) {
            ("", "") => return None,
            ("", _) => 0,
            (whole, _) => whole.parse().ok()?,
        };
        total = total.checked_add(unit.checked_mul(whole)?)?.checked_add(part(fraction, *unit)?)?;
        if after.is_empty() {
            return Some(total);
        }
        rest = after;
    }
}

/// A duration as people are told of it: its two largest units, of which the smaller is left out where there is none of it,
/// for instance `0.6 s`, `45 s`, `12 m 5 s`, `16 h 1 m`, `3 d 4 h`. What is less than that is cut off.
pub fn spoken(duration: Duration) -> String {
    const TENTHS_LIMIT_SECONDS: u64 = 10;
    let (seconds, tenths) = (duration.as_secs(), duration.subsec_millis() / 100);
    if seconds < TENTHS_LIMIT_SECONDS && tenths > 0 {
        return format!("{seconds}.{tenths} s");
    }
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (large, small) = match seconds {
        0..60 => ((seconds, "s"), (0, "")),
        60..3_600 => ((minutes, "m"), (seconds % 60, "s")),
        3_600..86_400 => ((hours, "h"), (minutes % 60, "m")),
        _ => ((hours / 24, "d"), (hours % 24, "h")),
    };
    match (large, small) {
        ((count, unit), (0, _)) => format!("{count} {unit}"),
        ((count, unit), (rest, smaller)) => format!("{count} {unit} {rest} {smaller}"),
    }
}

/// The digits at the beginning, and the rest.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// So much of a unit, by the digits after the point.
fn part(fraction: &str, unit: u64) -> Option<u64> {
    let fraction = fraction.get(..FRACTION_DIGITS).unwrap_or(fraction);
    let (mut numerator, mut denominator) = (0_u128, 1_u128);
    for digit in fraction.bytes() {
        numerator = numerator * 10 + u128::from(digit - b'0');
        denominator *= 10;
    }
    u64::try_from(numerator * u128::from(unit) / denominator).ok()
}

impl From<&str> for DurationText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use voxsync_hostile::{fuzz, near_text};

    #[rstest]
    #[case("30s", 30_000)]
    #[case("1h30m", 5_400_000)]
    #[case("250ms", 250)]
    #[case("2m5s10ms", 125_010)]
    #[case("0s", 0)]
    fn reads(#[case] text: &str, #[case] milliseconds: u64) {
        assert_eq!(DurationText::from(text).to_duration(), Ok(Duration::from_millis(milliseconds)));
    }

    #[rstest]
    #[case("-5m")]
    #[case("5 minutes")]
    fn refuses(#[case] text: &str) {
        assert!(DurationText::from(text).to_duration().is_err());
    }

    #[rstest]
    #[case(0, "0 s")]
    #[case(640, "0.6 s")]
    #[case(9_050, "9 s")]
    #[case(45_900, "45 s")]
    #[case(120_000, "2 m")]
    #[case(725_000, "12 m 5 s")]
    #[case(57_680_000, "16 h 1 m")]
    #[case(86_399_999, "23 h 59 m")]
    #[case(86_400_000, "1 d")]
    #[case(273_600_000, "3 d 4 h")]
    fn tells_people(#[case] milliseconds: u64, #[case] wanted: &str) {
        assert_eq!(spoken(Duration::from_millis(milliseconds)), wanted);
    }

    /// What the documentation and the tests of Go's `time.ParseDuration` take.
    #[rstest]
    #[case("0", 0)]
    #[case("-0", 0)]
    #[case("0s", 0)]
    #[case("+5s", 5_000_000_000)]
    #[case("-5s", -5_000_000_000)]
    #[case("1.5h", 5_400_000_000_000)]
    #[case("-1.5h", -5_400_000_000_000)]
    #[case("1.5h30.25m", 7_215_000_000_000)]
    #[case("2h45m", 9_900_000_000_000)]
    #[case("39h9m14.425s", 140_954_425_000_000)]
    #[case("300ms", 300_000_000)]
    #[case(".5s", 500_000_000)]
    #[case("5.s", 5_000_000_000)]
    #[case("10.5s4m", 250_500_000_000)]
    #[case("10ns", 10)]
    #[case("11us", 11_000)]
    #[case("12\u{b5}s", 12_000)]
    #[case("12\u{3bc}s10ns", 12_010)]
    #[case("52763797000ns", 52_763_797_000)]
    #[case("0.830103483285477580700h", 2_988_372_539_827)]
    #[case("9223372036854775807ns", i64::MAX)]
    #[case("2562047h47m16.854775807s", i64::MAX)]
    fn reads_what_go_reads(#[case] text: &str, #[case] nanoseconds: i64) {
        assert_eq!(go_duration(text), Ok(SignedDuration::from_nanos(nanoseconds)));
    }

    #[rstest]
    #[case("")]
    #[case("-")]
    #[case("+")]
    #[case("--5m")]
    #[case("10")]
    #[case("00")]
    #[case("m")]
    #[case(".")]
    #[case(".s")]
    #[case("1..5h")]
    #[case("1.5.5h")]
    #[case("1h ")]
    #[case("1h30")]
    #[case("1d")]
    #[case("1H")]
    #[case("5mä")]
    #[case("1,5h")]
    #[case("3000000h")]
    #[case("9223372036854775808ns")]
    #[case("9223372036854775.808us")]
    #[case("99999999999999999999h")]
    fn refuses_what_go_refuses(#[case] text: &str) {
        assert!(go_duration(text).is_err());
    }

    #[test]
    fn fuzz_duration() {
        let samples =
            ["30s", "1h30m", "2m5s10ms", "9223372036854775807ns", "9h9m9s9ms", "-1.5h", ".25m3.\u{b5}s"];
        fuzz(near_text(samples), |text| match DurationText(text).to_duration() {
            Ok(_) => true,
            Err(error) => {
                assert!(error.to_string().len() < 500, "{error}");
                false
            }
        });
    }
}
