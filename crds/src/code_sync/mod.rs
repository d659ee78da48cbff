//! `CodeSync`: where code comes from, and which Servers and Configs get it in which order.
//!
//! The schema holds only what works: a field that is accepted and ignored would be a defect. What the API server
//! can check, it checks (bounds, patterns, CEL); what it cannot see becomes the condition `Stalled`.

mod check;
mod condition;
mod failure;
mod git;
mod notification;
mod registry;
mod rollback;
mod source;
mod spec;
mod status;
mod verify;
mod webhook;
mod window;

pub use check::{Check, HttpCheck, JobCheck, PrometheusCheck, PuppetdbCheck, Unreachable};
pub use condition::{Condition, ConditionStatus};
pub use failure::PromotionFailure;
pub use git::{GitReferenceFile, GitRevision, GitSource, GitTag};
pub use notification::{Notification, NotificationChannel, NotificationOccasion};
pub use registry::{NewestBuild, Ordered, RegistrySource, Select, TagRule};
pub use rollback::{Rollback, RollbackMode};
pub use source::{CodeSyncSource, Entry, FileSource, LocalReference, Schedule, Source};
pub use spec::{
    Adopt, Approval, CodeSync, CodeSyncSpec, History, ImageAccess, LabelSelector, Pin, PullPolicy,
    Requirement, RequirementOperator, Stage, Target, TargetKey, TargetKind, Write, WriteForm,
};
pub use status::{
    ApprovalStatus, CandidateStatus, CheckStanding, CheckStatus, CodeSyncStatus, DeployedStatus, GatesStatus,
    GitObjects, Hold, Outcome, PromotionStatus, Quarantined, ReleaseSummary, RollbackStatus, SourceStatus,
    StagePhase, StageStatus, Trigger, VerifiedStatus, Waiting,
};
pub use verify::{Identity, KeySource, Verify, VerifyCosign, VerifyGit};
pub use webhook::{Webhook, WebhookSender};
pub use window::{Period, Window};

/// The name of the only stage of a CodeSync that has `target` instead of `stages`.
pub const DEFAULT_STAGE: &str = "default";
