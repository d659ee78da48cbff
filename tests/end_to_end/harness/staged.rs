//! An estate whose every step counts: a canary, then workers and a certificate authority, and all that was ever said.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use voxsync_fixtures::{CodeImage, Registry};

use super::{
    cluster::{Cluster, blocking},
    estate::{PRODUCTION, stages},
    process::Process,
    recorder::{Recorder, version_number},
    rollouts::code_images,
    servers::NewServer,
    status::{applied_in, follow_tags, holds, reference_in, text},
    wait::wait_for,
};

/// The stage before the others.
const CANARY: &str = "canary";
/// All of the Config's own Servers but the certificate authority.
const WORKERS: [&str; 2] = ["worker-1", "worker-2"];
const AUTHORITY: &str = "ca";
/// Ten restarts of a Server, several estates at once.
const DEADLINE: Duration = Duration::from_mins(6);

/// The tags that each Server's Deployment was let run, in their order.
pub(crate) type Codes = BTreeMap<String, Vec<String>>;

/// Where a promotion has led, once nothing is left to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End<'tag> {
    /// All stages run this tag.
    Deployed(&'tag str),
    /// This tag has failed, and all have again what they had.
    RolledBack(&'tag str),
}

/// Servers without an operator, in a namespace that is also the name of their repository.
pub(crate) struct Staged<'cluster> {
    pub(crate) cluster: &'cluster Cluster,
    registry: Arc<Registry>,
    recorder: Recorder,
}

impl<'cluster> Staged<'cluster> {
    /// All Servers on v1.0.0, and the CodeSync `production`: first the canary, then the Config.
    pub(crate) async fn create(cluster: &'cluster Cluster, registry: Arc<Registry>) -> Self {
        Self::create_with(cluster, registry, 1).await
    }

    /// The same with so many pods of the canary; without any, its stage proves nothing and is passed all the same.
    pub(crate) async fn create_with(
        cluster: &'cluster Cluster,
        registry: Arc<Registry>,
        canaries: u32,
    ) -> Self {
        let recorder =
            Recorder::start(cluster, &["CodeSync", "CodeRelease", "Deployment", "ReplicaSet", "Pod"]).await;
        let staged = Self { cluster, registry, recorder };
        staged.push("v1.0.0").await;
        let code = cluster.code(&staged.registry.reference(cluster.namespace(), "v1.0.0"));
        cluster.create_config(PRODUCTION, Some(code.clone())).await;
        let worker = NewServer { by_operator: false, ..NewServer::default() };
        for name in WORKERS {
            cluster.create_server(&NewServer { name, ..worker.clone() }).await;
        }
        cluster.create_server(&NewServer { name: AUTHORITY, ca: true, ..worker.clone() }).await;
        let canary = NewServer { name: CANARY, code: Some(code), replicas: canaries, ..worker };
        cluster.create_server(&canary).await;
        let source = follow_tags(&staged.registry, cluster.namespace(), &json!({"semver": ">=1.0.0-0"}));
        let mut ladder = stages("1s");
        ladder[0]["allowEmpty"] = json!(canaries == 0);
        let spec = json!({"source": source, "stages": ladder});
        cluster.create_code_sync(PRODUCTION, spec).await;
        staged
    }

    /// Starts `voxsync run` with these arguments.
    pub(crate) async fn start(&self, kubeconfig: &Path, arguments: &[&str]) -> Process {
        let mut command = Process::command(kubeconfig, self.cluster.namespace());
        command.args(arguments);
        blocking(move || Process::spawn(command)).await
    }

    /// Pushes an image under a tag.
    pub(crate) async fn push(&self, tag: &str) {
        self.registry.push(self.cluster.namespace(), tag, &CodeImage::with_site(tag)).await;
    }

    /// Waits until all stages run a tag, and nothing is left to do.
    pub(crate) async fn rests_on(&self, tag: &str) {
        self.rests(End::Deployed(tag)).await;
    }

    /// Waits until a promotion has led there, and nothing is left to do.
    pub(crate) async fn rests(&self, end: End<'_>) {
        wait_for(&format!("all is done: {end:?}"), DEADLINE, || self.is_at_rest(end)).await;
    }

    /// Whether a promotion has led there, is recorded, and nothing is held back; or why not.
    pub(crate) async fn is_at_rest(&self, end: End<'_>) -> Result<(), String> {
        // Asked ten times a second, by many: the API server only where it may well be so.
        is_done(&self.recorder.last("CodeSync", PRODUCTION).ok_or("no CodeSync")?, end)?;
        is_done(&self.cluster.get("CodeSync", PRODUCTION).await, end)?;
        let gates: Vec<String> = self.cluster.list("Deployment").await.iter().filter_map(gate).collect();
        if gates.is_empty() { Ok(()) } else { Err(gates.join("; ")) }
    }

    /// What the objects say at the end, without what differs from one namespace to the next.
    pub(crate) async fn state(&self) -> Value {
        let status = self.cluster.get("CodeSync", PRODUCTION).await["status"].take();
        let part = |list: &Value, fields: &[&str]| -> Value {
            let all = list.as_array().into_iter().flatten();
            all.map(|one| fields.iter().map(|field| one[*field].clone()).collect::<Value>()).collect()
        };
        let mut targets = Vec::new();
        for (kind, name) in [("Config", PRODUCTION), ("Server", CANARY)] {
            let target = self.cluster.get(kind, name).await;
            let record = applied_in(&target);
            targets.push(json!([reference_in(&target), record["reference"], record["previous"]]));
        }
        let state = json!({
            "targets": targets,
            "deployed": status["deployed"]["name"],
            "ended": part(&status["history"], &["name", "outcome"]),
            "quarantine": part(&status["quarantine"], &["name"]),
            "stages": part(&status["stages"], &["name", "phase"]),
            "conditions": part(&status["conditions"], &["type", "status", "reason"]),
        });
        let repository = self.registry.reference(self.cluster.namespace(), "");
        serde_json::from_str(&state.to_string().replace(&repository, "")).expect("JSON")
    }

    /// How many pods each Server has had so far.
    pub(crate) fn pods(&self) -> BTreeMap<String, usize> {
        let mut pods = BTreeMap::<String, BTreeSet<String>>::new();
        for pod in self.recorder.versions_where(|object| object["kind"] == "Pod") {
            let server = text(&pod["metadata"]["labels"]["openvox.voxpupuli.org/server"]).to_owned();
            pods.entry(server).or_default().insert(text(&pod["metadata"]["name"]).to_owned());
        }
        pods.into_iter().map(|(server, names)| (server, names.len())).collect()
    }

    /// The tags that each Server was let run so far.
    pub(crate) async fn codes(&self) -> Codes {
        let mut revisions = BTreeMap::<String, BTreeMap<u64, String>>::new();
        for set in self.cluster.list("ReplicaSet").await {
            let annotations = &set["metadata"]["annotations"];
            let of_set = revisions.entry(owner(&set).to_owned()).or_default();
            // One that was used again keeps its former numbers.
            for numbers in ["revision", "revision-history"] {
                let numbers = text(&annotations[format!("deployment.kubernetes.io/{numbers}")]);
                of_set.extend(numbers.split(',').filter_map(|it| it.parse().ok()).map(|it| (it, tag(&set))));
            }
        }
        revisions.into_iter().map(|(server, tags)| (server, tags.into_values().collect())).collect()
    }

    /// What must never have been, on the way to where it is now.
    pub(crate) async fn faults(&self) -> Vec<String> {
        let mut faults = self.wrong_order();
        let code_syncs = self.recorder.versions("CodeSync", PRODUCTION);
        let is_held = |status: &Value| holds(status, "Held") || !status["holds"].is_null();
        faults.extend(
            code_syncs
                .iter()
                .find(|version| is_held(&version["status"]))
                .map(|version| format!("a false hold: {}", version["status"]["holds"])),
        );
        let names = |objects: &[Value], name: fn(&Value) -> &Value| {
            let mut names: Vec<String> = objects.iter().map(|it| text(name(it)).to_owned()).collect();
            names.retain(|name| !name.is_empty());
            names.sort();
            names
        };
        let mut promotions = names(&code_syncs, |version| &version["status"]["promotion"]["id"]);
        promotions.dedup();
        let releases = names(&self.cluster.list("CodeRelease").await, |it| &it["spec"]["promotion"]);
        if promotions != releases {
            faults.push(format!("promotions {promotions:?}, but CodeReleases of {releases:?}"));
        }
        faults
    }

    /// The certificate authority is let run a tag only after pods of all others of its stage were ready on it.
    fn wrong_order(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut known = vec!["v1.0.0".to_owned()];
        for version in self.recorder.versions("Deployment", AUTHORITY) {
            let tag = tag(&version);
            if gate(&version).is_some() || known.contains(&tag) {
                continue;
            }
            for worker in WORKERS {
                let is_ready = |set: &Value| {
                    set["kind"] == "ReplicaSet"
                        && owner(set) == worker
                        && self::tag(set) == tag
                        && set["status"]["readyReplicas"].as_u64() > Some(0)
                };
                let ready = self.recorder.versions_where(is_ready);
                if ready.first().is_none_or(|ready| version_number(ready) > version_number(&version)) {
                    faults.push(format!("{AUTHORITY} was let run {tag} before {worker} was ready on it"));
                }
            }
            known.push(tag);
        }
        faults
    }
}

/// Whether these are some of those, each at most once, in their order, and the same at both ends.
pub(crate) fn are_within(some: &[String], all: &[impl AsRef<str>]) -> bool {
    let all: Vec<&str> = all.iter().map(AsRef::as_ref).collect();
    let mut rest = all.iter();
    some.first().map(String::as_str) == all.first().copied()
        && some.last().map(String::as_str) == all.last().copied()
        && some.iter().all(|one| rest.any(|other| other == one))
}

/// Whether a CodeSync has come to that end.
fn is_done(code_sync: &Value, end: End<'_>) -> Result<(), String> {
    let (status, finalizers) = (&code_sync["status"], &code_sync["metadata"]["finalizers"]);
    let promotion = &status["promotion"];
    let is_there = match end {
        End::Deployed(tag) => {
            status["deployed"]["name"] == tag && holds(status, "Deployed") && holds(status, "Ready")
        }
        End::RolledBack(tag) => promotion["candidate"]["name"] == tag && promotion["outcome"] == "RolledBack",
    };
    let is_recorded = promotion.is_null() || promotion["recorded"] == true;
    if is_there && is_recorded && finalizers.is_null() {
        return Ok(());
    }
    Err(format!("finalizers {finalizers}, status {status}"))
}

/// What holds a Deployment back, if anything does.
fn gate(deployment: &Value) -> Option<String> {
    let (name, spec) = (&deployment["metadata"]["name"], &deployment["spec"]);
    let gate = &deployment["metadata"]["annotations"]["voxsync.dev/gate"];
    (spec["paused"] == true || !gate.is_null()).then(|| format!("{name}: paused {}, {gate}", spec["paused"]))
}

fn owner(set: &Value) -> &str {
    text(&set["metadata"]["ownerReferences"][0]["name"])
}

/// The tag in a pod template.
fn tag(object: &Value) -> String {
    let reference = code_images(object).first().copied().unwrap_or_default();
    let reference = reference.split_once('@').map_or(reference, |(tagged, _)| tagged);
    reference.rsplit_once(':').map_or(reference, |(_, tag)| tag).to_owned()
}
