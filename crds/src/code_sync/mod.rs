//! `CodeSync`: where code comes from, and which Servers and Configs get it in which order.
//!
//! The schema holds only what works: a field that is accepted and ignored would be a defect. What the API server
//! can check, it checks (bounds, patterns, CEL); what it cannot see becomes the condition `Stalled`.

mod condition;
mod git;
mod registry;
mod source;
mod spec;
mod status;
mod verify;
mod webhook;

pub use condition::{Condition, ConditionStatus};
pub use git::{GitReferenceFile, GitRevision, GitSource, GitTag};
pub use registry::{NewestBuild, Ordered, RegistrySource, Select, TagRule};
pub use source::{Entry, FileSource, LocalReference, Schedule, Source};
pub use spec::{
    Adopt, CodeSync, CodeSyncSpec, History, ImageAccess, LabelSelector, Pin, PullPolicy, Requirement,
    RequirementOperator, Stage, Target, TargetKey, TargetKind, Write, WriteForm,
};
pub use status::{
    CandidateStatus, CodeSyncStatus, DeployedStatus, GatesStatus, GitObjects, Hold, Outcome,
    PromotionFailure, PromotionStatus, ReleaseSummary, SourceStatus, StagePhase, StageStatus, Trigger,
    VerifiedStatus, Waiting,
};
pub use verify::{Identity, KeySource, Verify, VerifyCosign, VerifyGit};
pub use webhook::{Webhook, WebhookSender};

/// The name of the only stage of a CodeSync that has `target` instead of `stages`.
pub const DEFAULT_STAGE: &str = "default";
