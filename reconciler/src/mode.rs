//! How much the reconciler may write.

use std::{fmt, str::FromStr};

/// How much the reconciler may write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It asks openvox-operator where there is one, and writes pod templates itself where that does not help.
    #[default]
    Full,
    /// It only asks openvox-operator, by an annotation on the Server.
    Cooperative,
    /// It only reports.
    Observe,
}

/// A mode that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reconciler has no mode {0:?}: choose full, cooperative or observe")]
pub struct UnknownMode(String);

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let modes = [Self::Full, Self::Cooperative, Self::Observe];
        let found = modes.into_iter().find(|mode| mode.to_string() == text);
        found.ok_or_else(|| UnknownMode(text.to_owned()))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full => "full",
            Self::Cooperative => "cooperative",
            Self::Observe => "observe",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        for mode in [Mode::Full, Mode::Cooperative, Mode::Observe] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        assert!("partial".parse::<Mode>().unwrap_err().to_string().contains("cooperative"));
    }
}
