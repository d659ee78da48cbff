//! One target as it is now: what its code says, whose it is, and how far its Servers are.

use jiff::Timestamp;
use voxsync_crds::{
    annotations::{Applied, Gate},
    code_sync::{TargetKey, place_and_name},
};
use voxsync_rollout::state::{Progress, RolloutState};

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
    /// The image that its code says now, where it can be seen and is one.
    pub(crate) fn image(&self) -> Option<&str> {
        self.live.as_ref().ok().and_then(|live| live.image.as_deref())
    }

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
    /// The generation of the object: what is changed and changed back is not what was seen.
    pub generation: Option<i64>,
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
