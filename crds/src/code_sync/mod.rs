//! `CodeSync`: where code comes from, and which Servers and Configs get it in which order.
//!
//! The schema holds only what works: a field that is accepted and ignored would be a defect. What the API server
//! can check, it checks (bounds, patterns, CEL); what it cannot see becomes the condition `Stalled`.

mod check;
mod condition;
mod failure;
mod git;
mod namespaces;
mod notification;
mod promotion;
mod quarantine;
mod registry;
mod rollback;
mod source;
mod spec;
mod stage_status;
mod status;
mod target;
mod verify;
mod webhook;
mod window;

pub use check::{Check, CheckSecrets, HttpCheck, JobCheck, PrometheusCheck, PuppetdbCheck, Unreachable};
pub use condition::{Condition, ConditionStatus};
pub use failure::PromotionFailure;
pub use git::{GitReferenceFile, GitRevision, GitSource, GitTag};
pub use notification::{Notification, NotificationChannel, NotificationOccasion};
pub use promotion::{DeployedStatus, Outcome, PromotionStatus, ReleaseSummary, Trigger};
pub use quarantine::Quarantined;
pub use registry::{NewestBuild, Ordered, RegistrySource, Select, TagRule};
pub use rollback::{AfterRelease, AfterReleaseAction, Rollback, RollbackMode};
pub use source::{CodeSyncSource, Entry, FileSource, LocalReference, Schedule, Source};
pub use spec::{
    Adopt, Approval, CodeSync, CodeSyncSpec, History, ImageAccess, LabelSelector, Pin, PullPolicy,
    Requirement, RequirementOperator, Stage, Write, WriteForm,
};
pub use stage_status::{CheckStanding, CheckStatus, GatesStatus, StagePhase, StageStatus};
pub use status::{
    ApprovalStatus, CandidateStatus, CodeSyncStatus, GitObjects, Hold, RollbackStatus, SourceStatus,
    VerifiedStatus, Waiting,
};
pub use target::{Target, TargetKey, TargetKind, known_as, place_and_name};
pub use verify::{Identity, KeySource, Verify, VerifyCosign, VerifyGit};
pub use webhook::{Webhook, WebhookSender};
pub use window::{Period, Window};

/// The name of the only stage of a CodeSync that has `target` instead of `stages`.
pub const DEFAULT_STAGE: &str = "default";
