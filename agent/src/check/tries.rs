//! The checks of stages, tried once: nothing is decided by it, and nothing is made. A Job is only said to be there.

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use voxsync_checks::Standing;
use voxsync_cluster::Snapshot;
use voxsync_crds::{
    CodeSync,
    code_sync::{Check, Stage},
};
use voxsync_promotion::{CheckRun, TargetKey};

use crate::{checks::CheckOrder, key::CodeSyncKey, look::Tools, observe::observe_target};

/// How many are asked at once.
const AT_ONCE: usize = 8;
/// What the checks of reports look at here: they count those since a rollout, and here is none.
const REPORTS_OF: SignedDuration = SignedDuration::from_hours(1);

/// A check of a stage, and what it says of what runs now.
#[derive(Clone, Debug)]
pub struct CheckedCheck {
    /// The stage that it is of.
    pub stage: String,
    /// Its name.
    pub name: String,
    /// What it said.
    pub said: Tried,
}

/// What a check said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It holds.
    Passed(String),
    /// It does not.
    Failed(String),
    /// It has nothing to say, cannot be asked from here, or is not tried; and why.
    Open(String),
}

/// Tries the checks of all stages.
pub(super) async fn tries(tools: &Tools, snapshot: &Snapshot, code_sync: &CodeSync) -> Vec<CheckedCheck> {
    let stages = code_sync.spec.ordered_stages();
    let namespace = code_sync.metadata.namespace.as_deref().unwrap_or_default();
    let targets = snapshot.stage_targets(namespace, &code_sync.spec);
    let all = stages.iter().zip(targets).flat_map(|(stage, keys)| {
        let servers = servers(snapshot, code_sync, keys);
        stage.checks.iter().map(move |check| (stage, check, servers.clone()))
    });
    let all: Vec<(&Stage, &Check, Vec<String>)> = all.collect();
    let tried = all.into_iter().map(async |(stage, check, servers)| CheckedCheck {
        stage: stage.name.clone(),
        name: check.name.clone(),
        said: said(tools, order(code_sync, stage, check, servers)).await,
    });
    stream::iter(tried).buffered(AT_ONCE).collect().await
}

/// The Servers of a stage that serve code, by their names in their namespaces: those that its checks are asked about when
/// it runs.
fn servers(snapshot: &Snapshot, code_sync: &CodeSync, keys: Vec<TargetKey>) -> Vec<String> {
    let targets = keys.into_iter().map(|key| observe_target(snapshot, code_sync, key, None));
    let serving = targets.flat_map(|target| target.servers).filter(|server| server.serves_code);
    let names: BTreeSet<String> = serving.map(|server| server.bare_name().to_owned()).collect();
    names.into_iter().collect()
}

fn order(code_sync: &CodeSync, stage: &Stage, check: &Check, servers: Vec<String>) -> CheckOrder {
    let now = Timestamp::now();
    let deployed = code_sync.status.as_ref().and_then(|status| status.deployed.as_ref());
    CheckOrder {
        id: 0,
        key: CodeSyncKey::of(code_sync),
        uid: code_sync.metadata.uid.clone().unwrap_or_default(),
        run: CheckRun {
            stage: stage.name.clone(),
            check: check.name.clone(),
            promotion: String::new(),
            reference: deployed.map(|deployed| deployed.reference.clone()).unwrap_or_default(),
            since: now.checked_sub(REPORTS_OF).unwrap_or(now),
            servers,
        },
        check: check.clone(),
        pull_secret: None,
        attempt: 1,
        silences: 0,
    }
}

async fn said(tools: &Tools, order: CheckOrder) -> Tried {
    if order.check.job.is_some() {
        return Tried::Open("a Job, which its stage runs: not tried here".to_owned());
    }
    let (_, reply) = crate::checks::carry_out(tools, order).await;
    // There was no rollout here: it was asked about the time before now.
    let message = reply.answer.message.replace("since the rollout", "in the last hour");
    match reply.answer.standing {
        Standing::Passed => Tried::Passed(message),
        Standing::Failed => Tried::Failed(message),
        Standing::Undecided => Tried::Open(message),
        Standing::Unreachable => Tried::Open(format!("cannot be asked from here: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use voxsync_cluster::{CrossNamespace, Shapes};
    use voxsync_crds::{Config, Server, annotations::ACCEPTS_FROM, openvox::CodeShape};

    use super::*;

    #[test]
    fn a_check_is_tried_about_the_servers_that_it_is_asked_about() {
        let mut snapshot = Snapshot::default();
        snapshot.set_cross_namespace(CrossNamespace::Allowed);
        snapshot.set_shapes(Shapes { config: Some(CodeShape::Object), server: Some(CodeShape::Object) });
        let config = json!({
            "metadata": {"name": "production", "namespace": "puppet", "annotations": {ACCEPTS_FROM: "dev"}},
            "spec": {"code": {"image": "a:1"}},
        });
        snapshot.apply(serde_json::from_value::<Config>(config).unwrap());
        for (name, serves) in [("two", true), ("one", true), ("ca", false)] {
            let server = json!({
                "metadata": {"name": name, "namespace": "puppet"},
                "spec": {"configRef": "production", "server": serves},
            });
            snapshot.apply(serde_json::from_value::<Server>(server).unwrap());
        }
        let target = json!({"kind": "Config", "name": "production", "namespace": "puppet"});
        let code_sync: CodeSync = serde_json::from_value(json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
            "metadata": {"name": "mine", "namespace": "dev", "uid": "uid-mine"},
            "spec": {"source": {"file": {"path": "x"}}, "stages": [{"name": "all", "targets": [target]}]},
        }))
        .unwrap();
        let keys = snapshot.stage_targets("dev", &code_sync.spec).into_iter().flatten().collect();
        // They are in another namespace, and one of them serves no code.
        assert_eq!(servers(&snapshot, &code_sync, keys), ["one", "two"]);
    }
}
