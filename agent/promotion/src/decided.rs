//! What comes out of a step: the new status, and what to do now.

use jiff::Timestamp;
use voxsync_crds::{
    annotations::{Applied, Beside},
    code_release::CodeReleaseSpec,
    code_sync::{CodeSyncStatus, PullPolicy, TargetKey},
};

use crate::observed::Live;

/// What a step decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The new status; equal to the old one if nothing changed.
    pub status: CodeSyncStatus,
    /// What to do now; carried out after the status is stored.
    pub actions: Vec<Action>,
    /// The checks that are to be asked at their intervals, from now until another step says otherwise.
    pub checks: Vec<CheckRun>,
    /// When to step again even if nothing is observed to change.
    pub wake_at: Option<Timestamp>,
}

/// A check of a stage that is to be asked at its interval.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CheckRun {
    /// The stage.
    pub stage: String,
    /// The check's name in it.
    pub check: String,
    /// The promotion: the same check in another one is another.
    pub promotion: String,
    /// The reference that the stage runs.
    pub reference: String,
    /// Since when all of its Servers run that.
    pub since: Timestamp,
    /// The names of the Servers that run it, without their namespaces.
    pub servers: Vec<String>,
}

/// One thing to do; independent of the others of its step, and harmless if done twice.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Write a reference to a target, on condition that it still says what was observed.
    Write(Box<TargetWrite>),
    /// Put the finalizer for gates on the CodeSync, or take it away.
    Finalizer(bool),
    /// Write the record of a promotion that ended.
    Record(Box<CodeReleaseSpec>),
    /// Tell people.
    Event {
        /// Whether it is worth a look.
        kind: EventKind,
        /// A word for programs.
        reason: &'static str,
        /// A sentence for people.
        message: String,
    },
}

/// A reference to write to a target.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetWrite {
    /// Which target.
    pub target: TargetKey,
    /// What its code must still say, unchanged since, for the write to be right.
    pub expected: Live,
    /// Our record that must still be there for the write to be right.
    pub expected_applied: Option<Applied>,
    /// What to write, with its record; without a reference, the code is taken away.
    pub applied: Applied,
    /// The pull secret to write beside it.
    pub pull_secret: Option<String>,
    /// The pull policy to write beside it.
    pub pull_policy: Option<PullPolicy>,
    /// What stood beside it before we changed that, and is to stand there again.
    pub restored: Option<Beside>,
}

/// Whether an event is worth a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// All is well.
    Normal,
    /// Worth a look.
    Warning,
}
