//! The commands that messages name, whole: they can be copied into a shell. Pure.

use voxsync_crds::code_sync::CandidateStatus;

use crate::view::View;

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

/// Goes on.
pub(crate) fn resume(view: &View<'_>) -> String {
    format!("`voxsync resume {} -n {}`", view.observed.name, view.observed.namespace)
}
