//! What is told: one line a thing that happened, or that is waited for.

use std::fmt;

use jiff::Timestamp;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// Whom it is about: `source`, a person, a stage, or `voxsync`.
    pub who: String,
    /// What happened, as a sentence.
    pub what: String,
    /// A word for programs: that of an event or of a row of `status.waiting`, or one of this module's.
    pub reason: String,
    /// What it means.
    pub tone: Tone,
}

/// What a line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// The timeline says so.
    Given,
    /// It happens.
    Happens,
    /// All is well.
    Good,
    /// Something is wrong.
    Bad,
    /// It is waited for.
    Waits,
}

/// As tests and people without a terminal read it: the time in UTC, who, and what.
impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = self.tone.mark();
        write!(formatter, "{} {} {mark} {}", self.at.strftime("%F %H:%M:%SZ"), self.who, self.what)
    }
}

impl Tone {
    /// One character.
    pub fn mark(self) -> char {
        match self {
            Self::Given => '»',
            Self::Happens => '·',
            Self::Good => '✔',
            Self::Bad => '✘',
            Self::Waits => '⏸',
        }
    }

    /// A word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Happens => "happens",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Waits => "waits",
        }
    }
}
