//! What the targets of a CodeSync say, and whether it would have them. Pure.

use voxsync_cluster::Snapshot;
use voxsync_crds::{
    CodeSync,
    code_sync::{Stage, Target, TargetKey, TargetKind},
};
use voxsync_promotion::{ObservedTarget, TargetProblem};

use super::Fault;
use crate::observe::{claims, observe_target};

/// A target, and what its code says.
#[derive(Clone, Debug)]
pub struct CheckedTarget {
    /// The stage that it is of.
    pub stage: String,
    /// Which it is; none where the selectors of its stage match nothing.
    pub key: Option<TargetKey>,
    /// The image, none where there is no code; or why it could not be written.
    pub image: Result<Option<String>, Fault>,
}

/// The targets of all stages, in their order.
pub(super) fn targets(snapshot: &Snapshot, namespace: &str, code_sync: &CodeSync) -> Vec<CheckedTarget> {
    let stages = code_sync.spec.ordered_stages();
    let targets = snapshot.targets_of(code_sync);
    let checked = stages.iter().zip(targets).flat_map(|(stage, keys)| {
        let row = |key, image| CheckedTarget { stage: stage.name.clone(), key, image };
        if keys.is_empty() {
            return vec![row(None, nothing(snapshot, namespace, stage))];
        }
        let of_key = |key| {
            let target = observe_target(snapshot, code_sync, key, None);
            let image = image(snapshot, code_sync, &target);
            row(Some(target.key), image)
        };
        keys.into_iter().map(of_key).collect()
    });
    checked.collect()
}

/// A stage whose selectors match nothing.
fn nothing(snapshot: &Snapshot, namespace: &str, stage: &Stage) -> Result<Option<String>, Fault> {
    if stage.allow_empty {
        return Ok(None);
    }
    let has_any = |target: &Target| {
        let place = target.other_namespace(namespace).unwrap_or(namespace);
        match target.kind {
            TargetKind::Config => snapshot.configs_in(place).next().is_some(),
            TargetKind::Server => snapshot.servers_in(place).next().is_some(),
        }
    };
    let goes_elsewhere = stage.targets.iter().any(|target| target.other_namespace(namespace).is_some());
    let consent = if goes_elsewhere { "; of another namespace, only what consents is selected" } else { "" };
    Err(Fault {
        message: format!("{}: label one, or correct the selector{consent}", TargetProblem::NOTHING_SELECTED),
        is_missing: !stage.targets.iter().any(has_any),
    })
}

fn image(
    snapshot: &Snapshot,
    code_sync: &CodeSync,
    target: &ObservedTarget,
) -> Result<Option<String>, Fault> {
    let namespace = code_sync.metadata.namespace.as_deref().unwrap_or_default();
    let key = &target.key;
    // Who asks reads all of this with rights of their own.
    let is_missing = target.live.is_err()
        && snapshot.metadata_of(key.kind, key.namespace_in(namespace), &key.name).is_none();
    // Whose it will be is known of one that is not there, too.
    let of_missing = || claims(snapshot, code_sync, key, None);
    let owner = if is_missing { of_missing() } else { target.claims.clone() };
    match (&target.live, owner) {
        (_, Some(owner)) => Err(Fault { message: owner.refusal(&target.key), is_missing: false }),
        (Err(problem), None) => Err(Fault { message: problem.message.clone(), is_missing }),
        (Ok(live), None) => Ok(live.image.clone()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::{Value, json};
    use voxsync_cluster::Shapes;
    use voxsync_crds::{Config, Server, openvox::CodeShape};

    use super::*;

    fn code_sync(name: &str, created_second: i64, stages: &Value) -> CodeSync {
        let mut code_sync: CodeSync = serde_json::from_value(json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
            "metadata": {"name": name, "namespace": "puppet", "uid": format!("uid-{name}")},
            "spec": {"source": {"file": {"path": "x"}}, "stages": stages},
        }))
        .unwrap();
        code_sync.metadata.creation_timestamp = Some(Time(Timestamp::from_second(created_second).unwrap()));
        code_sync
    }

    fn snapshot() -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.set_shapes(Shapes { config: Some(CodeShape::Object), server: Some(CodeShape::Object) });
        snapshot
    }

    fn add_config(snapshot: &mut Snapshot) {
        let config = json!({
            "metadata": {"name": "production", "namespace": "puppet"}, "spec": {"code": {"image": "a:1"}},
        });
        snapshot.apply(serde_json::from_value::<Config>(config).unwrap());
    }

    /// What is said of the only target: the image or the fault, and whether it is missing.
    fn said(snapshot: &Snapshot, code_sync: &CodeSync) -> Result<Option<String>, (String, bool)> {
        let mut targets = targets(snapshot, "puppet", code_sync);
        assert_eq!(targets.len(), 1, "{targets:?}");
        targets.remove(0).image.map_err(|fault| (fault.message, fault.is_missing))
    }

    #[test]
    fn a_target_of_another_code_sync_is_refused_as_its_status_says_it() {
        let stages = json!([{"name": "all", "targets": [{"kind": "Config", "name": "production"}]}]);
        let [first, second] = [("first", 1), ("second", 2)].map(|(name, age)| code_sync(name, age, &stages));
        let mut snapshot = snapshot();
        snapshot.apply(first.clone());
        let missing = |said: Result<_, (String, bool)>| said.unwrap_err().1;
        assert!(missing(said(&snapshot, &first)));
        snapshot.apply(second.clone());
        assert!(!missing(said(&snapshot, &second)), "it is claimed, whether it is there or not");
        add_config(&mut snapshot);
        assert_eq!(said(&snapshot, &first), Ok(Some("a:1".to_owned())));
        let wanted =
            "Config/production belongs to CodeSync first, which names it too: take it out of one of the two";
        assert_eq!(said(&snapshot, &second), Err((wanted.to_owned(), false)));
    }

    #[test]
    fn selectors_that_match_nothing_are_a_fault() {
        let targets = json!([{"kind": "Server", "selector": {"matchLabels": {"ring": "late"}}}]);
        let [fails, passes] = [false, true].map(|allow_empty| {
            code_sync("mine", 1, &json!([{"name": "late", "targets": targets, "allowEmpty": allow_empty}]))
        });
        let mut snapshot = snapshot();
        let wanted =
            "its selectors match no Config and no Server: label one, or correct the selector".to_owned();
        let add = |snapshot: &mut Snapshot, ring: &str| {
            let server = json!({
                "metadata": {"name": ring, "namespace": "puppet", "labels": {"ring": ring}}, "spec": {"configRef": "c"},
            });
            snapshot.apply(serde_json::from_value::<Server>(server).unwrap());
        };
        add_config(&mut snapshot);
        assert_eq!(said(&snapshot, &fails), Err((wanted.clone(), true)), "there is no Server at all");
        add(&mut snapshot, "early");
        assert_eq!(said(&snapshot, &fails), Err((wanted, false)));
        assert_eq!(said(&snapshot, &passes), Ok(None));
        add(&mut snapshot, "late");
        assert_eq!(said(&snapshot, &fails), Ok(None), "one that has no code");
    }
}
