//! Our annotations: the verbs on a CodeSync, and our record on the targets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    code_sync::{CodeSyncStatus, Outcome, PromotionStatus},
    reference::is_same_code,
    time::Time,
};

/// On a CodeSync: look and decide now. Any new value; echoed in `status.lastHandledReconcileAt`.
pub const REQUESTED_AT: &str = "voxsync.dev/requestedAt";
/// On a CodeSync: when a replica received a webhook for it while another one looks. Any new value asks for a look; nothing
/// is echoed.
pub const HOOKED_AT: &str = "voxsync.dev/hookedAt";
/// On a CodeSync: go on after a hold or a failure. Any new value; echoed in `status.lastHandledResume`.
pub const RESUME: &str = "voxsync.dev/resume";
/// On a CodeSync: a person approves a digest. `<digest>` for all stages, `<digest>/<stage>` for one, and any other word behind
/// it to say it once more; what was read is echoed in `status.lastHandledApprove`.
pub const APPROVE: &str = "voxsync.dev/approve";
/// On a CodeSync: who approves. The shipped admission policy lets only one's own name through.
pub const APPROVED_BY: &str = "voxsync.dev/approved-by";
/// On a CodeSync: go back to the last good release. Any new first word; then, perhaps, the word `no-quarantine`; the rest is
/// the reason. Echoed in `status.lastHandledRollback`.
pub const ROLLBACK: &str = "voxsync.dev/rollback";
/// On a CodeSync: a digest may be taken again. `<digest>`, and any other word behind it to say it once more; echoed in
/// `status.lastHandledReleaseQuarantine`.
pub const RELEASE_QUARANTINE: &str = "voxsync.dev/release-quarantine";
/// On a Config or Server: what voxsync wrote there, see [`AppliedRecords`].
pub const APPLIED: &str = "voxsync.dev/applied";
/// On a Config, Server or CodeSync: which other namespaces it lets in, joined with commas. CodeSyncs of these may have the
/// Config or Server as a target, or take what the CodeSync releases; see [`accepts_from`].
pub const ACCEPTS_FROM: &str = "voxsync.dev/accepts-from";
/// On a Server: the reference that the reconciler asks the operator to bring into the pod template.
pub const REQUESTED_CODE: &str = "voxsync.dev/requested-code";

/// On a Deployment: voxsync holds it back, see [`Gate`].
pub const GATE: &str = "voxsync.dev/gate";

/// The finalizer of a CodeSync that holds gates: deleted, it first gives the Servers that it holds back the code that
/// they run.
pub const GATES_FINALIZER: &str = "voxsync.dev/gates";

/// On a Server: why the code that it must run does not come into its pod template, see [`Obstacle`].
pub const OBSTACLE: &str = "voxsync.dev/obstacle";

/// The value of [`OBSTACLE`]: what the reconciler has to say that the objects themselves do not show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// The code images that it is about, joined with commas: it is void as soon as others are wanted.
    pub code: String,
    /// A word for programs, for instance `NoImageVolumes`.
    pub reason: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// The value of [`GATE`]: for whom a Deployment is held back. It stands beside `spec.paused: true`, written and removed
/// in the same request; a paused Deployment without it was paused by a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// The uid of the CodeSync.
    pub code_sync: String,
    /// The promotion that the order is for.
    pub promotion: String,
    /// Since when.
    pub since: Time,
}

/// The value of [`APPLIED`]: a record for each entry of `spec.code` that voxsync wrote.
///
/// The key is the entry as text ([`crate::openvox::EntryKey`]'s display), empty where the target names none.
pub type AppliedRecords = BTreeMap<String, Applied>;

/// What voxsync wrote to a target, written in the same request as the reference itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The uid of the CodeSync that claims the target.
    pub code_sync: String,
    /// The promotion that wrote it.
    pub promotion: String,
    /// What was written; none if the code was taken away again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What was there before; none if there was no code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// What stood beside `previous`, where voxsync changed that, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
}

impl Applied {
    /// Whether a promotion gave the target its candidate, and something else was there before.
    pub fn gives_back(&self, promotion: &PromotionStatus, status: &CodeSyncStatus) -> bool {
        let is_candidate = |reference: Option<&String>| {
            reference.is_some_and(|reference| is_same_code(reference, &promotion.candidate.reference))
        };
        self.is_of(promotion, status)
            && is_candidate(self.reference.as_ref())
            && !is_candidate(self.previous.as_ref())
    }

    /// Whether a promotion answers for what was written: it wrote it, or found it there from one that brought the same and
    /// was not released. What is deployed is nobody's to give back.
    pub fn is_of(&self, promotion: &PromotionStatus, status: &CodeSyncStatus) -> bool {
        let candidate = &promotion.candidate.reference;
        let is_same = |other: &str| is_same_code(other, candidate);
        let is_other_deployed =
            || status.deployed.as_ref().is_some_and(|deployed| !is_same(&deployed.reference));
        let mut ended = status.history.iter().filter(|ended| ended.id == self.promotion);
        self.promotion == promotion.id
            || (self.reference.as_deref().is_some_and(is_same)
                && is_other_deployed()
                && ended.any(|ended| ended.outcome != Outcome::Released))
    }

    /// Whether what was there before may run again: it is not in quarantine.
    pub fn may_go_back(&self, status: &CodeSyncStatus) -> bool {
        self.previous.as_deref().is_none_or(|previous| !status.bans(previous))
    }
}

/// What stands beside an image in `spec.code`, and is given back with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Beside {
    /// The `imagePullSecret`, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_secret: Option<String>,
    /// The `imagePullPolicy`, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<String>,
}

/// The longest annotation value that is read, in bytes; a longer one is not ours.
const VALUE_LIMIT_BYTES: usize = 64 * 1024;

/// The longest reference in a record that is read, in bytes: the operator accepts none that is longer.
const REFERENCE_LIMIT_BYTES: usize = 520;

/// The longest list of namespaces that is read, in bytes; a longer one lets nobody in.
const ACCEPTS_FROM_LIMIT_BYTES: usize = 4096;

/// Reads the records on a target. What is not readable is nobody's record: the target counts as never written.
pub fn applied_records(annotations: Option<&BTreeMap<String, String>>) -> AppliedRecords {
    let mut records: AppliedRecords = value_of(annotations, APPLIED).unwrap_or_default();
    records.retain(|_, record| {
        let mut references = record.reference.iter().chain(&record.previous);
        references.all(|reference| reference.len() <= REFERENCE_LIMIT_BYTES)
    });
    records
}

/// The other namespaces that an object lets in.
pub fn accepted_namespaces(annotations: Option<&BTreeMap<String, String>>) -> impl Iterator<Item = &str> {
    let text = annotations.and_then(|all| all.get(ACCEPTS_FROM)).map(String::as_str).unwrap_or_default();
    let text = if text.len() <= ACCEPTS_FROM_LIMIT_BYTES { text } else { "" };
    text.split(',').map(str::trim).filter(|namespace| !namespace.is_empty())
}

/// Whether an object lets in what is in the namespace `from`.
pub fn accepts_from(annotations: Option<&BTreeMap<String, String>>, from: &str) -> bool {
    accepted_namespaces(annotations).any(|namespace| namespace == from)
}

/// Reads the obstacle on a Server, if there is one.
pub fn obstacle(annotations: Option<&BTreeMap<String, String>>) -> Option<Obstacle> {
    value_of(annotations, OBSTACLE)
}

/// Reads for whom a Deployment is held back, if it is.
pub fn gate(annotations: Option<&BTreeMap<String, String>>) -> Option<Gate> {
    value_of(annotations, GATE)
}

fn value_of<T: DeserializeOwned>(annotations: Option<&BTreeMap<String, String>>, name: &str) -> Option<T> {
    let text = annotations?.get(name).filter(|text| text.len() <= VALUE_LIMIT_BYTES)?;
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one("dev", true)]
    #[case::among_others("ci, dev ,qa", true)]
    #[case::nobody("", false)]
    #[case::only_a_part_of_it("dev2,my-dev,de", false)]
    #[case::no_wildcards("*,d*v", false)]
    #[case::other_case("Dev", false)]
    #[case::separated_by_something_else("dev ci", false)]
    fn an_object_lets_in_the_namespaces_that_it_names(#[case] value: &str, #[case] wanted: bool) {
        let annotations = BTreeMap::from([(ACCEPTS_FROM.to_owned(), value.to_owned())]);
        assert_eq!(accepts_from(Some(&annotations), "dev"), wanted);
    }

    #[rstest]
    #[case::as_long_as_any(520, 520, true)]
    #[case::too_long(521, 1, false)]
    #[case::too_long_before(1, 521, false)]
    fn a_record_with_what_is_too_long_for_a_reference_is_nobodys(
        #[case] reference: usize,
        #[case] previous: usize,
        #[case] wanted: bool,
    ) {
        let [reference, previous] = [reference, previous].map(|length| "a".repeat(length));
        let record = serde_json::json!({"": {
            "codeSync": "u", "promotion": "p", "reference": reference, "previous": previous,
        }});
        let annotations = BTreeMap::from([(APPLIED.to_owned(), record.to_string())]);
        assert_eq!(applied_records(Some(&annotations)).contains_key(""), wanted);
    }

    #[test]
    fn without_a_readable_list_nobody_is_let_in() {
        assert!(!accepts_from(None, "dev"));
        assert!(!accepts_from(Some(&BTreeMap::new()), ""));
        let long = format!("dev,{}", "x".repeat(ACCEPTS_FROM_LIMIT_BYTES));
        assert!(!accepts_from(Some(&BTreeMap::from([(ACCEPTS_FROM.to_owned(), long)])), "dev"));
    }
}
