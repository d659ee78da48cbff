//! Durations as people write them in a spec: `30s`, `10m`, `1h30m`.

use std::time::Duration;

use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the API server asks of the text.
const IS_DURATION: &str = "matches('^([0-9]{1,9}(ms|s|m|h))+$')";

/// What the API server asks of a field that may be left out: what is no duration is refused by its type already.
pub(crate) fn within(field: &str, least: &str, most: &str) -> Rule {
    let value = format!("self.{field}");
    Rule::new(format!(
        "!has({value}) || !{value}.{IS_DURATION} || (duration({value}) >= duration('{least}') && duration({value}) <= duration('{most}'))"
    ))
    .message(format!("{field} is between {least} and {most}").as_str())
}

/// A duration as text: whole numbers with the units `ms`, `s`, `m`, `h`, put together without spaces.
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
    /// Where the text is empty, has another unit, or is too large to count.
    pub fn to_duration(&self) -> Result<Duration, DurationError> {
        let fail = || DurationError(self.0.chars().take(40).collect());
        let mut total = Duration::ZERO;
        let mut rest = self.0.as_str();
        if rest.is_empty() {
            return Err(fail());
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u64 = rest[..digits].parse().map_err(|_| fail())?;
            rest = &rest[digits..];
            // `ms` before `m`: the longer unit first.
            let (unit_milliseconds, unit_length) = match rest.as_bytes() {
                [b'm', b's', ..] => (1, 2),
                [b's', ..] => (1_000, 1),
                [b'm', ..] => (60_000, 1),
                [b'h', ..] => (3_600_000, 1),
                _ => return Err(fail()),
            };
            let milliseconds = number.checked_mul(unit_milliseconds).ok_or_else(fail)?;
            total = total.checked_add(Duration::from_millis(milliseconds)).ok_or_else(fail)?;
            rest = &rest[unit_length..];
        }
        Ok(total)
    }
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
    #[case("")]
    #[case("10")]
    #[case("m")]
    #[case("5 minutes")]
    #[case("1d")]
    #[case("-5m")]
    #[case("99999999999999999999h")]
    #[case("5mä")]
    fn refuses(#[case] text: &str) {
        assert!(DurationText::from(text).to_duration().is_err());
    }

    #[test]
    fn fuzz_duration() {
        let samples = ["30s", "1h30m", "2m5s10ms", "18446744073709551615ms", "9h9m9s9ms"];
        fuzz(near_text(samples), |text| match DurationText(text).to_duration() {
            Ok(_) => true,
            Err(error) => {
                assert!(error.to_string().len() < 500, "{error}");
                false
            }
        });
    }
}
