//! What a person has to know of a Server whose code does not come into its pods.

use voxsync_crds::annotations::{GATE, Gate};
use voxsync_rollout::{resolve::ResolveProblem, template::TemplateProblem};

use crate::mode::Mode;

/// Why a Server's pod template is not as it must be, and stays so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Finding {
    /// It cannot be told which code it must run.
    #[error(transparent)]
    Unresolved(ResolveProblem),
    /// There is nothing to write to.
    #[error(
        "the Server has no Deployment: voxsync never creates one; see what openvox-operator says of this Server"
    )]
    DeploymentMissing,
    /// There is something wrong with the Deployment.
    #[error(transparent)]
    Template(TemplateProblem),
    /// The mode does not allow to write, and nobody else did.
    #[error(
        "the pod template has {present}, and must have {wanted}; with --reconciler={mode} voxsync does not write it: \
         see why openvox-operator does not, or use --reconciler=full"
    )]
    NotFollowed {
        /// What the template has.
        present: String,
        /// What it must have.
        wanted: String,
        /// The mode.
        mode: Mode,
    },
    /// Somebody wants something else, and wins.
    #[error(
        "somebody put {present} back into the pod template {times} times after voxsync had written {wanted}: voxsync \
         stops; see who writes the Deployment (kubectl get deployment -o yaml --show-managed-fields)"
    )]
    PutBack {
        /// What the template has.
        present: String,
        /// What it must have.
        wanted: String,
        /// How often.
        times: u32,
    },
    /// voxsync holds the Deployment back, and nobody's turn will come for it.
    #[error(
        "Deployment {deployment} is held back since {} for promotion {} of the CodeSync with the uid {}, {why}. To let it \
         go: `kubectl patch deployment {deployment} -n {namespace} --type merge -p \
         '{{\"spec\":{{\"paused\":null}},\"metadata\":{{\"annotations\":{{\"{GATE}\":null}}}}}}'`",
        .gate.since, .gate.promotion, .gate.code_sync
    )]
    OrphanedGate {
        /// Its namespace.
        namespace: String,
        /// The Deployment's name, which is the Server's.
        deployment: String,
        /// The gate.
        gate: Gate,
        /// Why it stays.
        why: &'static str,
    },
    /// An admission webhook or policy does not allow the write.
    #[error(
        "not by voxsync but by this cluster's admission the write was refused; it is tried again later: {message}"
    )]
    RefusedByAdmission {
        /// What was said.
        message: String,
    },
    /// The API server does not allow the write.
    #[error("the API server refused the write; it is tried again later: {message}")]
    Refused {
        /// What was said.
        message: String,
    },
    /// The account may not write.
    #[error(
        "voxsync may not write: {message}; give its account the verb patch on deployments (apps) and servers (openvox.voxpupuli.org)"
    )]
    Forbidden {
        /// What was said.
        message: String,
    },
    /// Pods of this cluster cannot mount images.
    #[error(
        "this cluster ({version}) drops image volumes, nothing was written: it needs Kubernetes 1.35, or 1.33 with the \
         feature gate ImageVolume on API server and nodes; or use a claim (code.claimName)"
    )]
    NoImageVolumes {
        /// The API server's version.
        version: String,
    },
}

impl Finding {
    /// Whether everybody sees it who looks at the objects. What is not is written on the Server.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::Unresolved(_) | Self::DeploymentMissing | Self::Template(_))
    }

    /// Whether it is about an object that is not there, and may be there in a moment.
    pub(crate) fn is_of_what_is_missing(&self) -> bool {
        matches!(self, Self::DeploymentMissing | Self::Unresolved(ResolveProblem::ConfigMissing { .. }))
    }

    /// A word for programs.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Unresolved(problem) => problem.reason(),
            Self::DeploymentMissing => "DeploymentMissing",
            Self::Template(problem) => problem.reason(),
            Self::NotFollowed { .. } => "NotRolledOut",
            Self::PutBack { .. } => "PutBack",
            Self::OrphanedGate { .. } => "OrphanedGate",
            Self::RefusedByAdmission { .. } => "RefusedByAdmission",
            Self::Refused { .. } => "Refused",
            Self::Forbidden { .. } => "Forbidden",
            Self::NoImageVolumes { .. } => "NoImageVolumes",
        }
    }
}
