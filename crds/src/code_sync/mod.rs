//! `CodeSync`: where code comes from, and which Servers and Configs get it in which order.
//!
//! The schema holds only what works: a field that is accepted and ignored would be a defect. What the API server
//! can check, it checks (bounds, patterns, CEL); what it cannot see becomes the condition `Stalled`.

mod source;
mod spec;
mod status;

pub use source::{
    Entry, FileSource, GitReferenceFile, GitRevision, GitSource, GitTag, LocalReference, RegistrySource,
    Schedule, Source, TagRule,
};
pub use spec::{
    Adopt, CodeSync, CodeSyncSpec, History, ImageAccess, LabelSelector, Pin, PullPolicy, Requirement,
    RequirementOperator, Stage, Target, TargetKey, TargetKind, Write, WriteForm,
};
pub use status::{
    CandidateStatus, CodeSyncStatus, Condition, ConditionStatus, DeployedStatus, GatesStatus, Hold, Outcome,
    PromotionFailure, PromotionStatus, ReleaseSummary, SourceStatus, StagePhase, StageStatus, Trigger,
    Waiting,
};

/// The name of the only stage of a CodeSync that has `target` instead of `stages`.
pub const DEFAULT_STAGE: &str = "default";
