//! What goes into a step: what the world looks like to one CodeSync.

mod source;
mod target;

use voxsync_crds::{
    CodeReference,
    code_sync::{CandidateStatus, CheckStanding},
};

pub use source::{ImageProblem, ObservedSource, RIPENING_LIMIT, SourceProblem, Unverified};
pub(crate) use target::deployment_of;
pub use target::{
    ClaimedBy, Claims, LastWriter, Live, ObservedTarget, PausedBy, RefusedWrite, ServerRollout, TargetProblem,
};

/// What the world looks like to one CodeSync.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The CodeSync's name.
    pub name: String,
    /// The CodeSync's namespace.
    pub namespace: String,
    /// The CodeSync's uid.
    pub uid: String,
    /// The generation of the spec.
    pub generation: i64,
    /// The value of `voxsync.dev/requestedAt`, once the look that it asked for is done.
    pub requested_at: Option<String>,
    /// The value of `voxsync.dev/resume`.
    pub resume: Option<String>,
    /// The value of `voxsync.dev/approve`.
    pub approve: Option<String>,
    /// The value of `voxsync.dev/approved-by`, where the API server vouches for it.
    pub approved_by: Option<String>,
    /// The value of `voxsync.dev/rollback`.
    pub rollback: Option<String>,
    /// The value of `voxsync.dev/release-quarantine`.
    pub release_quarantine: Option<String>,
    /// The last answers of checks that [`Step::checks`](crate::Step::checks) asked for.
    pub checks: Vec<CheckAnswer>,
    /// Whether the CodeSync is being deleted, and waits for its finalizer.
    pub is_leaving: bool,
    /// Whether it has the finalizer [`voxsync_crds::annotations::GATES_FINALIZER`].
    pub has_finalizer: bool,
    /// Whether there is somebody who can hold Deployments back.
    pub gatekeeper: Gatekeeper,
    /// The last look at the source.
    pub source: ObservedSource,
    /// What the pin names, where the spec has one: resolved, or why it could not be.
    pub pin: Option<Result<CandidateStatus, ImageProblem>>,
    /// What names the keys of `spec.verify` in a verdict, as the last look read them; none where that is not known.
    pub keys: Option<String>,
    /// What is promoted or pinned, with the verdicts of the last look: the source may name something else by now.
    pub judged: Vec<CandidateStatus>,
    /// What of all that was found is not verified, where `spec.verify` asks for it.
    pub unverified: Vec<Unverified>,
    /// The targets of each stage, in the order of the spec's stages.
    pub stages: Vec<Vec<ObservedTarget>>,
    /// Whether there is a CodeRelease of the promotion that the status has.
    pub recorded: bool,
    /// Why the CodeRelease of that promotion cannot be written, where the last try was refused.
    pub record_refused: Option<String>,
    /// What was released before, newest first, each with its digest: only where a rollback is asked for, and not taken yet.
    pub released: Vec<CodeReference>,
    /// SHA-256 of the `spec` of the newest CodeRelease of this CodeSync, in hexadecimal, if there is one.
    pub last_release_hash: Option<String>,
    /// What is wrong with the spec that the API server could not see (a range, a regular expression, a time
    /// zone): a sentence that names the field and says what would be right.
    pub invalid: Option<String>,
}

/// Whether a reconciler holds Deployments back when asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gatekeeper {
    /// It does: the reconciler of this process, or perhaps one of another process.
    #[default]
    Present,
    /// The reconciler runs in a mode that never writes a Deployment.
    Absent,
}

/// The last answer of a check.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckAnswer {
    /// The stage.
    pub stage: String,
    /// The check's name in it.
    pub check: String,
    /// The promotion that it was asked for.
    pub promotion: String,
    /// What it said.
    pub standing: CheckStanding,
    /// How many times in a row it failed.
    pub failures: u16,
    /// A sentence for people.
    pub message: String,
}
