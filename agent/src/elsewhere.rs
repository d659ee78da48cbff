//! What a CodeSync names in other namespaces than its own. Pure.
//!
//! Whether this process goes there at all is judged here, for the spec as a whole; whether an object there consents is
//! judged where the object is read.

use voxsync_cluster::{CrossNamespace, Snapshot};
use voxsync_crds::code_sync::CodeSyncSpec;

use crate::key::CodeSyncKey;

/// The CodeSync that one of `namespace` follows, if it follows one.
pub(crate) fn followed(namespace: &str, spec: &CodeSyncSpec) -> Option<CodeSyncKey> {
    let source = spec.source.code_sync.as_ref()?;
    let place = source.namespace.as_deref().unwrap_or(namespace);
    Some(CodeSyncKey { namespace: place.to_owned(), name: source.name.clone() })
}

/// Whether this process goes where a spec of `namespace` wants to.
///
/// # Errors
/// A sentence that names the field.
pub(crate) fn check(snapshot: &Snapshot, namespace: &str, spec: &CodeSyncSpec) -> Result<(), String> {
    if snapshot.cross_namespace() == CrossNamespace::Allowed {
        return Ok(());
    }
    match spec.other_namespaces(namespace).next() {
        Some((field, place)) => Err(format!("{field}: {}", goes_nowhere_else(place))),
        None => Ok(()),
    }
}

/// What is said where this process goes to no other namespace.
pub(crate) fn goes_nowhere_else(place: &str) -> String {
    format!(
        "namespace {place} is not the CodeSync's own, and this voxsync runs without --allow-cross-namespace: name only what \
         is in its own, or have the administrator of voxsync run it with that option and --all-namespaces"
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    #[rstest]
    #[case::its_own(json!({"target": {"kind": "Config", "name": "a", "namespace": "dev"}}), None)]
    #[case::none_is_named(json!({"target": {"kind": "Config", "name": "a"}}), None)]
    #[case::a_target(json!({"target": {"kind": "Config", "name": "a", "namespace": "prod"}}), Some("target.namespace: "))]
    #[case::one_of_several(
        json!({"stages": [
            {"name": "one", "targets": [{"kind": "Config", "name": "a"}]},
            {"name": "two", "targets": [{"kind": "Server", "selector": {"matchLabels": {"a": "b"}}, "namespace": "prod"}]},
        ]}),
        Some("stages[two].targets.namespace: ")
    )]
    #[case::a_source(
        json!({"source": {"codeSync": {"name": "a", "namespace": "prod"}}, "target": {"kind": "Config", "name": "a"}}),
        Some("source.codeSync.namespace: ")
    )]
    fn says_which_field_goes_too_far(#[case] spec: Value, #[case] wanted: Option<&str>) {
        let mut whole = json!({"source": {"file": {"path": "x"}}});
        json_patch::merge(&mut whole, &spec);
        let spec: CodeSyncSpec = serde_json::from_value(whole).unwrap();
        let mut snapshot = Snapshot::default();
        let said = check(&snapshot, "dev", &spec).err();
        let starts = wanted.is_none_or(|wanted| said.as_ref().is_some_and(|said| said.starts_with(wanted)));
        assert!(said.is_some() == wanted.is_some() && starts, "{said:?}");
        snapshot.set_cross_namespace(CrossNamespace::Allowed);
        assert_eq!(check(&snapshot, "dev", &spec), Ok(()));
    }
}
