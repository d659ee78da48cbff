//! News as tests tell them, those of the modules too.

use voxsync_crds::code_sync::NotificationOccasion;

use super::News;

/// A promotion that failed in its first stage.
pub(crate) fn news() -> News {
    News {
        occasion: NotificationOccasion::Failed,
        reason: "PromotionFailed",
        namespace: "puppet".to_owned(),
        code_sync: "production".to_owned(),
        uid: "0a1b".to_owned(),
        name: Some("v1.1.0".to_owned()),
        reference: Some("r.example/code:v1.1.0".to_owned()),
        from: Some("v1.0.0".to_owned()),
        stage: Some("canary".to_owned()),
        promotion: Some("production-1".to_owned()),
        message: "v1.1.0 failed in stage canary: manifest unknown".to_owned(),
        at: "2026-11-23T10:00:00Z".parse().unwrap(),
    }
}
