//! What tests call things: tags, the digests that they stand for, and specs of stages.

use jiff::Timestamp;
use serde_json::{Value, json};
use voxsync_crds::code_sync::{CandidateStatus, CodeSyncSpec};

pub const REPOSITORY: &str = "ghcr.io/example/puppet-code";

/// The digest that a name stands for: the same name, the same digest.
pub fn digest(name: &str) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("sha256:{}", format!("{hash:016x}").repeat(4))
}

/// A tag with the digest of its name, as voxsync writes it.
pub fn reference(tag: &str) -> String {
    format!("{REPOSITORY}:{tag}@{}", digest(tag))
}

/// What a look finds: a tag with the digest of its name.
pub fn candidate(tag: &str) -> CandidateStatus {
    candidate_at(tag, &digest(tag))
}

pub fn candidate_at(tag: &str, digest: &str) -> CandidateStatus {
    CandidateStatus {
        name: tag.into(),
        reference: format!("{REPOSITORY}:{tag}@{digest}"),
        repository: REPOSITORY.into(),
        tag: Some(tag.into()),
        digest: digest.into(),
        source_revision: Some(tag.into()),
        ..CandidateStatus::default()
    }
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A spec that follows versions, with the stages of `[(name, [target], soak)]`.
pub fn staged(stages: &Value) -> CodeSyncSpec {
    serde_json::from_value(json!({
        "source": {"registry": {"repository": REPOSITORY, "tag": {"semver": ">=1.0.0"}}},
        "stages": stages,
    }))
    .unwrap()
}

/// The spec of most tests: a canary that soaks for ten minutes, then production.
pub fn canary_and_production() -> CodeSyncSpec {
    staged(&json!([
        {"name": "canary", "targets": [{"kind": "Server", "name": "canary"}], "soak": "10m"},
        {"name": "production", "targets": [{"kind": "Config", "name": "production"}]},
    ]))
}
