//! Which news is for whom: from the reasons of Kubernetes Events to occasions. All reasons of the promotion are in the table.

use voxsync_crds::code_sync::NotificationOccasion::{
    self, Failed, Held, Released, RolledBack, Source, Started, Waiting,
};

/// Every reason of an Event about a CodeSync that a decision leads to, and who is told of it.
pub const EVENT_REASONS: [(&str, Option<NotificationOccasion>); 38] = [
    ("PromotionStarted", Some(Started)),
    ("ApprovalNeeded", Some(Waiting)),
    ("Released", Some(Released)),
    ("PromotionFailed", Some(Failed)),
    ("CheckFailed", Some(Failed)),
    ("RollingBack", Some(Failed)),
    ("Stalled", Some(Failed)),
    ("RolledBack", Some(RolledBack)),
    ("Held", Some(Held)),
    ("WriteRefused", Some(Held)),
    ("StillHeldBack", Some(Held)),
    ("SourceFailed", Some(Source)),
    ("SourceRecovered", Some(Source)),
    ("TagMoved", Some(Source)),
    ("NotVerified", Some(Source)),
    // Steps on the way, what a person just did, and what one of the above says as well.
    ("Adopted", None),
    ("Approved", None),
    ("BadApproval", None),
    ("CandidateFound", None),
    ("ChecksPassed", None),
    ("Deleted", None),
    ("Emergency", None),
    ("GivingBack", None),
    ("NoEarlierRelease", None),
    ("Pinned", None),
    ("Quarantined", None),
    ("QuarantineReleased", None),
    ("Resumed", None),
    ("RollbackEnded", None),
    ("RollbackRequested", None),
    ("SignatureMissing", None),
    ("StageGated", None),
    ("StageRolledOut", None),
    ("Superseded", None),
    ("Suspended", None),
    ("Unpinned", None),
    ("Unsuspended", None),
    ("Verified", None),
];

/// The reason, and who is told of what an Event with it says; nobody of most.
pub fn occasion(reason: &str) -> Option<(&'static str, NotificationOccasion)> {
    let (reason, occasion) = EVENT_REASONS.into_iter().find(|(known, _)| *known == reason)?;
    Some((reason, occasion?))
}
