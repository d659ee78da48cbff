//! What goes into a step and what comes out of it.

use jiff::Timestamp;
use voxsync_crds::{
    CodeReference,
    annotations::{Applied, Beside, Gate},
    code_release::CodeReleaseSpec,
    code_sync::{
        CandidateStatus, CheckStanding, CodeSyncStatus, GitObjects, PullPolicy, TargetKey, place_and_name,
    },
};
use voxsync_rollout::state::{Progress, RolloutState};

use crate::candidate::is_named_by;

/// How many candidates wait for their age: the most that the status has, and the best that a look hands over.
pub const RIPENING_LIMIT: usize = 20;

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
    /// The last answers of checks that [`Step::checks`] asked for.
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

/// The last look at the source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedSource {
    /// The elected candidate, resolved and fetchable; what was known stays while looks fail.
    pub candidate: Option<CandidateStatus>,
    /// Those that come after it by the policy, the best first: resolved and fetchable, the best [`RIPENING_LIMIT`]
    /// in all and those of [`awaited`](crate::awaited()) that still fit.
    /// None where the CodeSync asks for no age, or the source names one at a time.
    pub next_best: Vec<CandidateStatus>,
    /// What tags are that were asked for again since [`Awaited::from`](crate::Awaited::from): each with the digest that it has now.
    pub confirmed: Vec<CodeReference>,
    /// The tag or commit that was seen.
    pub revision: Option<String>,
    /// How many tags the repository has.
    pub tag_count: Option<u32>,
    /// Why the last look failed, or why what it found is no candidate.
    pub problem: Option<SourceProblem>,
    /// Whether the source itself names the digest (a reference file that has one): then a person chose it, and a
    /// tag that points elsewhere than before is no accident.
    pub names_digest: bool,
    /// Whether there was a look at all since the process started.
    pub looked: bool,
}

/// Why a look gave nothing new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceProblem {
    /// A word for programs: `Unreachable`, `Unauthorized`, `NotFound`, `NoMatch`, `BadReference`, `ImageUnavailable`, ….
    pub reason: String,
    /// What was tried, on what, why it failed, what to do.
    pub message: String,
    /// Whether the source itself could not be asked (then its age is counted), or it answered something unusable.
    pub unreachable: bool,
}

/// Reasons of problems that end without anybody who does something: an outage, or what is on its way.
const PASSING_REASONS: [&str; 6] = [
    SourceProblem::UNREACHABLE,
    SourceProblem::TOO_MANY_REQUESTS,
    SourceProblem::IMAGE_UNAVAILABLE,
    SourceProblem::NOTHING_RELEASED,
    SourceProblem::READING_BUILD_TIMES,
    Unverified::MISSING,
];

impl SourceProblem {
    /// It could not be asked.
    pub const UNREACHABLE: &str = "Unreachable";
    /// It was asked too often.
    pub const TOO_MANY_REQUESTS: &str = "TooManyRequests";
    /// The next look goes on where this one had to end.
    pub const READING_BUILD_TIMES: &str = "ReadingBuildTimes";
    /// The source answered, and the image that it names is not there yet.
    pub const IMAGE_UNAVAILABLE: &str = "ImageUnavailable";

    /// The CodeSync that is followed has released nothing yet.
    pub const NOTHING_RELEASED: &str = "NothingReleased";

    /// Whether somebody has to do something; the others end by themselves.
    pub(crate) fn needs_somebody(&self) -> bool {
        !PASSING_REASONS.contains(&self.reason.as_str())
    }
}

/// Something that a look found and that is not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified {
    /// The digest of an image, or the tag or commit of a source; none where it is all of them.
    pub what: Option<String>,
    /// Where that image is: a copy of it elsewhere has signatures of its own.
    pub repository: Option<String>,
    /// What named that image, where that is what is not good: a verdict on something else that named it stands.
    pub named_by: Option<Box<GitObjects>>,
    /// A word for programs: [`Unverified::MISSING`], [`Unverified::REFUSED`], or why it could not be judged.
    pub reason: String,
    /// What was judged, why it is not good, what to do.
    pub message: String,
    /// Whether a good verdict that was given before counts no more.
    pub overrules: bool,
}

impl Unverified {
    /// There is no signature yet.
    pub const MISSING: &str = "SignatureMissing";
    /// It is not good, or there is nothing to judge it by.
    pub const REFUSED: &str = "NotVerified";

    /// Whether it is of this image.
    pub fn is_of(&self, repository: &str, digest: &str) -> bool {
        self.repository.as_deref() == Some(repository) && self.what.as_deref() == Some(digest)
    }

    /// Whether it is of the image of this candidate, and of what named that.
    pub fn is_about(&self, candidate: &CandidateStatus) -> bool {
        self.is_of(&candidate.repository, &candidate.digest)
            && is_named_by(candidate, self.named_by.as_deref())
    }

    /// Whether it takes a verdict away: what that stands on is not known to be something else.
    pub(crate) fn strikes(&self, judged: &CandidateStatus) -> bool {
        self.overrules
            && self.named_by.as_deref().zip(judged.named_by.as_ref()).is_none_or(|(bad, it)| bad == it)
    }
}

/// The source answered, and what it named is not to be taken.
impl From<&Unverified> for SourceProblem {
    fn from(unverified: &Unverified) -> Self {
        let Unverified { reason, message, .. } = unverified.clone();
        Self { reason, message, unreachable: false }
    }
}

/// Why a named image is no candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageProblem {
    /// A word for programs.
    pub reason: String,
    /// What was tried, on what, why it failed, what to do.
    pub message: String,
}

/// One target, as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedTarget {
    /// Which it is.
    pub key: TargetKey,
    /// What its code says, or why it cannot be written.
    pub live: Result<Live, TargetProblem>,
    /// Why the last write was refused, where nothing was written since.
    pub refused: Option<RefusedWrite>,
    /// Our record on it, whoever of us wrote it.
    pub applied: Option<Applied>,
    /// Another CodeSync that exists and still names this target, where the record is not ours.
    pub claims: Claims,
    /// Whether a person paused the object.
    pub paused: bool,
    /// Who last wrote the code, from the object's managed fields.
    pub writer: Option<LastWriter>,
    /// When the object was created: tells a target that joined from one that was adopted and then changed.
    pub created: Option<Timestamp>,
    /// The Servers that take their code from this target (none with an override, for a Config).
    pub servers: Vec<ServerRollout>,
}

impl ObservedTarget {
    /// Whether it is in another namespace, and not to be had.
    pub(crate) fn is_shut(&self) -> bool {
        self.live.as_ref().is_err_and(TargetProblem::is_shut)
    }
}

/// What a target's code says now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// The image; none where there is no code, or the code is a claim.
    pub image: Option<String>,
    /// The claim, where the code is one.
    pub claim: Option<String>,
}

/// Why a target cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetProblem {
    /// A word for programs: `TargetMissing`, `NoConsent`, `OtherNamespace`, `ShapeMismatch`, `NoSuchEntry`,
    /// `AmbiguousEntry`.
    pub reason: &'static str,
    /// What is wrong and what to do.
    pub message: String,
    /// Whether only a change of a spec can mend it (then the CodeSync is Stalled).
    pub stalled: bool,
}

impl TargetProblem {
    /// There is no such object.
    pub const MISSING: &str = "TargetMissing";
    /// It is in another namespace, and does not let this CodeSync in; or there is no such object.
    pub const NO_CONSENT: &str = "NoConsent";
    /// It is in another namespace, where voxsync does not go.
    pub const OTHER_NAMESPACE: &str = "OtherNamespace";
    /// Whether it is in another namespace, and not to be had.
    pub(crate) fn is_shut(&self) -> bool {
        [Self::NO_CONSENT, Self::OTHER_NAMESPACE].contains(&self.reason)
    }

    /// What is said of a stage without any target.
    pub const NOTHING_SELECTED: &str = "its selectors match no Config and no Server";
}

/// A write that the API server refused, for a reason that may last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedWrite {
    /// What was refused, by whom, what to do.
    pub message: String,
    /// Whether it is time to try again; what is said stays the same meanwhile.
    pub is_retry_due: bool,
}

/// Whether the target is somebody else's.
pub type Claims = Option<ClaimedBy>;

/// The CodeSync that has the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedBy {
    /// Its name.
    pub code_sync: String,
}

impl ClaimedBy {
    /// Why another CodeSync does not get the target.
    pub fn refusal(&self, target: &TargetKey) -> String {
        format!(
            "{target} belongs to CodeSync {}, which names it too: take it out of one of the two",
            self.code_sync
        )
    }
}

/// Who last wrote a target's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWriter {
    /// The field manager: a tool's name, never proof of a person.
    pub manager: String,
    /// When.
    pub time: Option<Timestamp>,
}

/// One Server of a target and how far it is on the way to what the target's *live* code says.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerRollout {
    /// How the CodeSync knows it: by its name, or `namespace/name` in another namespace
    /// ([`known_as`](voxsync_crds::code_sync::known_as)).
    pub name: String,
    /// Whether it serves code at all (`spec.server`).
    pub serves_code: bool,
    /// Whether it is a certificate authority (`spec.ca`): it comes last and alone.
    pub is_authority: bool,
    /// Whether it has a Deployment of its own, which could be held back.
    pub has_deployment: bool,
    /// Why its Deployment cannot be held back now, where that is known: a sentence.
    pub why_not_held: Option<String>,
    /// By whom its Deployment is paused, if it is.
    pub paused: Option<PausedBy>,
    /// How many of its pods are where, whatever the state.
    pub progress: Progress,
    /// How far it is; measured against the same reading of the target as [`ObservedTarget::live`].
    pub state: RolloutState,
}

/// By whom a Deployment is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PausedBy {
    /// voxsync holds it back, and says for whom.
    Gate(Gate),
    /// Anybody else.
    Person,
}

impl ServerRollout {
    /// Its name in its namespace.
    pub fn bare_name(&self) -> &str {
        place_and_name(&self.name).1
    }

    /// Its Deployment, as kubectl wants it behind a verb; `namespace` is that of the `CodeSync`.
    pub(crate) fn deployment(&self, namespace: &str) -> String {
        deployment_of(&self.name, namespace)
    }

    /// For whom its Deployment is held back, if it is.
    pub fn gate(&self) -> Option<&Gate> {
        match &self.paused {
            Some(PausedBy::Gate(gate)) => Some(gate),
            Some(PausedBy::Person) | None => None,
        }
    }
}

/// The Deployment of a Server, as kubectl wants it behind a verb; `namespace` is that of the `CodeSync`.
pub(crate) fn deployment_of(server: &str, namespace: &str) -> String {
    let (place, name) = place_and_name(server);
    format!("deployment/{name} -n {}", place.unwrap_or(namespace))
}

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
    /// What its code must still say for the write to be right.
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
