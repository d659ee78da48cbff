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
        let ((architecture, variant), (wanted_architecture, wanted_variant)) =
            (self.machine(), wanted.machine());
        (&self.os, architecture) == (&wanted.os, wanted_architecture)
            && (wanted.variant.is_none() || variant == wanted_variant)
    }

    /// Attestations beside images have a platform that is none.
    pub(super) fn is_unknown(&self) -> bool {
        self.os == "unknown"
    }

    /// Architecture and variant, whatever their spelling (containerd, `platforms/database.go`, `normalizeArch`).
    fn machine(&self) -> (&str, &str) {
        match (self.architecture.as_str(), self.variant.as_deref().unwrap_or_default()) {
            ("arm64" | "aarch64", "" | "8" | "v8" | "v8.0") => ("arm64", ""),
            ("aarch64", variant) => ("arm64", variant),
            ("amd64", "v1") | ("x86_64" | "x86-64", _) => ("amd64", ""),
            ("arm", "" | "7") | ("armhf", _) => ("arm", "v7"),
            ("arm", "6") | ("armel", _) => ("arm", "v6"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "8") => ("arm", "v8"),
            ("i386", _) => ("386", ""),
            machine => machine,
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
    #[case("linux/arm", "linux/arm/v7", true)]
    #[case("linux/arm/7", "linux/arm/v7", true)]
    #[case("linux/arm/6", "linux/arm/v6", true)]
    #[case("linux/arm", "linux/arm/v6", false)]
    #[case("linux/armel", "linux/arm/v6", true)]
    #[case("linux/arm64/8", "linux/arm64/v8", true)]
    #[case("linux/aarch64", "linux/arm64", true)]
    #[case("linux/amd64/v3", "linux/amd64/v1", false)]
    #[case("linux/i386", "linux/386", true)]
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
