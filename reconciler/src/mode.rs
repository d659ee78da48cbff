//! How much the reconciler may write.

use std::fmt;

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

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full => "full",
            Self::Cooperative => "cooperative",
            Self::Observe => "observe",
        })
    }
}
