//! The configuration of an image: for which machines it is, and when it was made (OCI image specification, `config.md`).

use jiff::Timestamp;
use serde::Deserialize;

use super::{Platform, Problem, RegistryClient};

const MAX_CONFIG_BYTES: usize = 4 << 20;
/// Builders that make the same image from the same input set a time like the first second of 1970, which says nothing.
const FIRST_REAL_SECOND: i64 = 366 * 24 * 60 * 60;

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Config {
    #[serde(flatten)]
    pub(super) platform: Platform,
    created: Option<String>,
}

impl Config {
    /// When the image was made, if it says that.
    pub(super) fn created(&self) -> Option<Timestamp> {
        build_time(self.created.as_deref()?)
    }
}

/// A time at which an image can have been made (RFC 3339).
pub(super) fn build_time(text: &str) -> Option<Timestamp> {
    let time: Timestamp = text.parse().ok()?;
    (time.as_second() >= FIRST_REAL_SECOND).then_some(time)
}

impl RegistryClient {
    pub(super) async fn config(&self, digest: &str) -> Result<Config, Problem> {
        let bytes = self.blob(digest, MAX_CONFIG_BYTES).await?;
        serde_json::from_slice(&bytes).map_err(|_| Problem::BrokenContent {
            detail: "its configuration is not JSON of the right shape".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(Some("2026-01-02T03:04:05.678+01:00"), Some("2026-01-02T02:04:05.678Z"))]
    #[case(Some("1970-01-01T00:00:00Z"), None)]
    #[case(Some("0001-01-01T00:00:00Z"), None)]
    #[case(Some("yesterday"), None)]
    #[case(None, None)]
    fn times(#[case] created: Option<&str>, #[case] wanted: Option<&str>) {
        let config =
            json!({"os": "linux", "architecture": "arm", "variant": "v7", "created": created, "config": {}});
        let config: Config = serde_json::from_value(config).unwrap();
        assert_eq!(config.created(), wanted.map(|wanted| wanted.parse().unwrap()));
        assert_eq!(config.platform.to_string(), "linux/arm/v7");
    }
}
