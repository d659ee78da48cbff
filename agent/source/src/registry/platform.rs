//! For which machines an image is. Pure.

use std::{fmt, str::FromStr};

use serde::Deserialize;

/// `os/architecture`, perhaps with a variant: `linux/amd64`, `linux/arm/v7`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// A text that is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a platform; for example linux/amd64 or linux/arm/v7")]
pub struct PlatformError(String);

impl Platform {
    /// Whether an image for this platform is what somebody wants who may leave the variant open.
    pub(super) fn is_what(&self, wanted: &Self) -> bool {
        let same = (&self.os, &self.architecture) == (&wanted.os, &wanted.architecture);
        same && (wanted.variant.is_none() || wanted.variant() == self.variant())
    }

    /// Attestations beside images have a platform that is none.
    pub(super) fn is_unknown(&self) -> bool {
        self.os == "unknown"
    }

    /// Without those that say nothing (containerd, `platforms/database.go`).
    fn variant(&self) -> Option<&str> {
        match (self.architecture.as_str(), self.variant.as_deref()?) {
            ("arm64", "v8") | ("amd64", "v1") | (_, "") => None,
            (_, variant) => Some(variant),
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let is_word = |part: &&str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let owned = |part: &str| part.to_owned();
        match parts.as_slice() {
            [os, architecture, rest @ ..] if rest.len() < 2 && parts.iter().all(is_word) => Ok(Self {
                os: owned(os),
                architecture: owned(architecture),
                variant: rest.first().copied().map(owned),
            }),
            _ => Err(PlatformError(owned(text))),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(formatter, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("linux/amd64", "linux/amd64", true)]
    #[case("linux/arm64/v8", "linux/arm64", true)]
    #[case("linux/arm64", "linux/arm64/v8", true)]
    #[case("linux/arm/v6", "linux/arm/v7", false)]
    #[case("linux/arm/v7", "linux/arm", true)]
    #[case("linux/arm", "linux/arm/v7", false)]
    #[case("windows/amd64", "linux/amd64", false)]
    #[case("linux/arm64", "linux/amd64", false)]
    fn fitting(#[case] image: Platform, #[case] wanted: Platform, #[case] fits: bool) {
        assert_eq!(image.is_what(&wanted), fits);
        assert_eq!(image.to_string().parse(), Ok(image));
    }

    #[rstest]
    #[case("linux")]
    #[case("")]
    #[case("linux/")]
    #[case("linux/arm/v7/x")]
    #[case("Linux/amd64")]
    fn none(#[case] text: &str) {
        assert!(text.parse::<Platform>().unwrap_err().to_string().contains("linux/amd64"));
    }
}
