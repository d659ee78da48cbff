//! The commands that messages name, whole: they can be copied into a shell. Pure.

use voxsync_crds::code_sync::{Approval, CandidateStatus, Stage};

use crate::{observed::Observed, view::View};

/// Takes a candidate all the same. Where nothing but its tag can be meant, that is named and no digest.
pub(crate) fn promote(view: &View<'_>, candidate: &CandidateStatus) -> String {
    let tag = candidate.tag.as_deref().filter(|_| view.is_ranked());
    promote_reference(view, tag.unwrap_or(&candidate.reference))
}

/// Takes what a reference names.
pub(crate) fn promote_reference(view: &View<'_>, reference: &str) -> String {
    let observed = view.observed;
    format!("`voxsync promote {} {reference} -n {}`", observed.name, observed.namespace)
}

/// Takes a candidate, and waits for nothing that can be skipped.
pub(crate) fn promote_now(view: &View<'_>, candidate: &CandidateStatus) -> String {
    let Observed { name, namespace, .. } = view.observed;
    format!("`voxsync promote {name} {} -n {namespace} --now --reason TEXT`", candidate.reference)
}

/// Approves a candidate for a stage. Run later, it must not approve what nobody had seen: it names the digest.
pub(crate) fn approve(view: &View<'_>, candidate: &CandidateStatus, stage: &str) -> String {
    let (Observed { name, namespace, .. }, digest) = (view.observed, &candidate.digest);
    let manual = |stage: &&Stage| stage.approval == Some(Approval::Manual);
    let is_one_of_several = view.stages.iter().filter(manual).count() > 1;
    let stage = if is_one_of_several { format!(" --stage {stage}") } else { String::new() };
    format!("`voxsync approve {name} -n {namespace} --digest {digest}{stage}`")
}

/// Lets a candidate run again.
pub(crate) fn release_quarantine(view: &View<'_>, digest: &str) -> String {
    let Observed { name, namespace, .. } = view.observed;
    format!("`voxsync release-quarantine {name} {digest} -n {namespace}`")
}

/// Goes back to the last good release.
pub(crate) fn rollback(view: &View<'_>) -> String {
    format!("`voxsync rollback {} -n {}`", view.observed.name, view.observed.namespace)
}

/// Goes on.
pub(crate) fn resume(view: &View<'_>) -> String {
    format!("`voxsync resume {} -n {}`", view.observed.name, view.observed.namespace)
}
