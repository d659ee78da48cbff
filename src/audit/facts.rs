//! From what the cluster says to one row a Server.

use jiff::Timestamp;
use kube::ResourceExt as _;
use serde::Serialize;
use voxsync_cluster::Snapshot;
use voxsync_crds::{
    CodeSync, Server,
    annotations::{Gate, applied_records, gate, obstacle},
    code_sync::{Hold, LabelSelector, TargetKind, known_as},
};
use voxsync_rollout::{
    resolve::{CodeSource, Origin, ServerCode},
    running,
    state::RolloutState,
    template,
};

use super::{
    commits::Commits,
    verdict::{Evidence, Verdict, judge},
};
use crate::output::{age, clock};

/// What an audit says of one Server. Serialised, it is a row of `voxsync audit -o json`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The Server's namespace.
    pub namespace: String,
    /// The Server's name.
    pub server: String,
    /// `server`, `ca`, or `ca+server`.
    pub role: &'static str,
    /// Its Config.
    pub config: Option<String>,
    /// Where the code is declared: `Server` or `Config`.
    pub origin: Option<&'static str>,
    /// The declared references.
    pub declared: Vec<String>,
    /// The references in the Deployment's pod template.
    pub template: Vec<String>,
    /// The references of the ready pods, each once.
    pub running: Vec<String>,
    /// When the oldest ready pod on the present template started.
    pub since: Option<Timestamp>,
    /// The commit of the declared code, as its image claims; only where a CodeSync or CodeRelease knows it.
    pub declared_commit: Option<String>,
    /// The commit of the code that the ready pods run, likewise; none where they run different code, or a tag without
    /// a digest.
    pub running_commit: Option<String>,
    /// Which CodeSync and which of its stages, from 1, the declaration follows: `production/2`.
    pub followed_by: Option<String>,
    /// Since when voxsync holds its Deployment back, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gated_since: Option<Timestamp>,
    /// The verdict.
    pub verdict: Verdict,
    /// What to do; empty where there is nothing to do.
    pub message: String,
}

/// One row a Server, by namespace and name.
pub fn rows(snapshot: &Snapshot, commits: &Commits, now: Timestamp) -> Vec<Row> {
    snapshot.servers().map(|server| row(snapshot, commits, server, now)).collect()
}

fn row(snapshot: &Snapshot, commits: &Commits, server: &Server, now: Timestamp) -> Row {
    let (namespace, name) = (server.namespace().unwrap_or_default(), server.name_any());
    let rollout = snapshot.rollout_of(&namespace, &name).unwrap_or(RolloutState::Pending);
    let (code, problem) = match snapshot.server_code(&namespace, &name) {
        Some(Ok(code)) => (code, None),
        Some(Err(problem)) => (ServerCode::default(), Some(problem.to_string())),
        None => (ServerCode::default(), None),
    };
    let deployment = snapshot.deployment_of(&namespace, &name);
    let is_gated = matches!(rollout, RolloutState::Gated(_));
    let annotations = deployment.as_ref().and_then(|it| it.metadata.annotations.as_ref());
    let gate = gate(annotations).filter(|_| is_gated);
    let pods: Vec<_> = snapshot.pods_of(&namespace, &name).collect();
    let running: Vec<Vec<String>> = pods.iter().filter(|pod| running::is_ready(pod)).map(images).collect();
    let declared: Vec<String> = code.references().map(str::to_owned).collect();
    let config = server.spec.config_ref.clone();
    let (origin, target) = match code.origin {
        Some(Origin::Server) => (Some("Server"), Some((TargetKind::Server, name.clone()))),
        Some(Origin::Config) => (Some("Config"), config.clone().map(|config| (TargetKind::Config, config))),
        None => (None, None),
    };
    let follower = target.as_ref().and_then(|(kind, name)| follower(snapshot, &namespace, *kind, name));
    let hold =
        follower.as_ref().and_then(|follower| follower.hold.map(|hold| sentence(follower.code_sync, hold)));
    let declared_in = target
        .as_ref()
        .map_or_else(|| "neither is set".to_owned(), |(kind, name)| format!("{} {name}", kind.as_str()));
    let (verdict, message) = judge(&Evidence {
        serves_code: server.spec.serves_code(),
        declared: &declared,
        has_claim: code.mounts.iter().any(|mount| matches!(mount.source, CodeSource::Claim { .. })),
        running: &running,
        rollout: &rollout,
        problem: problem.as_deref(),
        hold: hold.as_deref(),
        gate: gate.as_ref().map(|gate| held_back(snapshot, server, gate, now)).as_deref(),
        origin: &declared_in,
    });
    let replica_sets: Vec<_> = snapshot.replica_sets_of(&namespace, &name).collect();
    let mut each_once: Vec<String> = running.into_iter().flatten().collect();
    each_once.sort();
    each_once.dedup();
    Row {
        role: role(server),
        config,
        origin,
        template: deployment.as_ref().map_or_else(Vec::new, |it| {
            template::present_references(it).into_iter().map(str::to_owned).collect()
        }),
        declared_commit: commits.of_declared(&namespace, &declared),
        running_commit: commits.of_running(&namespace, &each_once),
        running: each_once,
        since: deployment.as_ref().and_then(|deployment| running::since(deployment, &replica_sets, &pods)),
        followed_by: follower.map(|it| {
            let (of, whose) = (it.code_sync.namespace().unwrap_or_default(), it.code_sync.name_any());
            format!("{}/{}", known_as(&namespace, &of, &whose), it.stage)
        }),
        declared,
        gated_since: gate.map(|gate| gate.since.timestamp()),
        verdict,
        message,
        namespace,
        server: name,
    }
}

fn role(server: &Server) -> &'static str {
    match (server.spec.is_ca(), server.spec.serves_code()) {
        (true, true) => "ca+server",
        (true, false) => "ca",
        (false, _) => "server",
    }
}

fn images(pod: &k8s_openapi::api::core::v1::Pod) -> Vec<String> {
    running::code_of_pod(pod).iter().filter_map(|code| code.source.reference().map(str::to_owned)).collect()
}

/// The CodeSync that a target follows.
struct Follower<'a> {
    code_sync: &'a CodeSync,
    stage: usize,
    hold: Option<&'a Hold>,
}

fn follower<'a>(
    snapshot: &'a Snapshot,
    namespace: &str,
    kind: TargetKind,
    name: &str,
) -> Option<Follower<'a>> {
    let object = snapshot.metadata_of(kind, namespace, name)?;
    let let_in = snapshot.namespaces_let_in(namespace, Some(object));
    let records = applied_records(object.annotations.as_ref());
    let wrote = |code_sync: &CodeSync| {
        records.values().any(|record| Some(&record.code_sync) == code_sync.metadata.uid.as_ref())
    };
    // Several may name it: who wrote it has it.
    let mut all: Vec<_> = let_in.flat_map(|from| snapshot.code_syncs_in(from)).collect();
    all.sort_by_key(|code_sync| !wrote(code_sync));
    all.into_iter().find_map(|code_sync| {
        let own = code_sync.metadata.namespace.as_deref()?;
        let stages = code_sync.spec.ordered_stages();
        let place = stages.iter().position(|stage| {
            stage.targets.iter().any(|target| {
                let selects = |selector: &LabelSelector| selector.selects(object.labels.as_ref());
                target.kind == kind
                    && target.namespace.as_deref().unwrap_or(own) == namespace
                    && (target.name.as_deref() == Some(name) || target.selector.as_ref().is_some_and(selects))
            })
        })?;
        let target = format!("{}/{}", kind.as_str(), known_as(own, namespace, name));
        let holds = code_sync.status.iter().flat_map(|status| &status.holds);
        let hold =
            holds.filter(|hold| !hold.resumed).find(|hold| hold.target.split('[').next() == Some(&target));
        Some(Follower { code_sync, stage: place + 1, hold })
    })
}

fn sentence(code_sync: &CodeSync, hold: &Hold) -> String {
    let manager = hold.manager.as_deref().unwrap_or("an unknown tool");
    let (name, namespace) = (code_sync.name_any(), code_sync.namespace().unwrap_or_default());
    format!("{} was changed by {manager:?}: `voxsync resume {name} -n {namespace}` goes on", hold.target)
}

/// For whom a Deployment is held back, since when, and what to do where nobody's turn comes for it.
fn held_back(snapshot: &Snapshot, server: &Server, gate: &Gate, now: Timestamp) -> String {
    if let Some(orphaned) = obstacle(server.metadata.annotations.as_ref())
        && orphaned.reason == "OrphanedGate"
    {
        return orphaned.message;
    }
    let namespace = server.metadata.namespace.as_deref().unwrap_or_default();
    let code_sync = snapshot.holder_of(namespace, gate).map(|holder| {
        let of = holder.namespace().unwrap_or_default();
        known_as(namespace, &of, &holder.name_any()).into_owned()
    });
    let code_sync = code_sync.unwrap_or_else(|| format!("of uid {}", gate.code_sync));
    let since = gate.since.timestamp();
    let (at, long) = (clock(since, now), age(since, now));
    format!(
        "voxsync holds its Deployment back since {at} ({long}), until it is its turn in promotion {} of CodeSync {code_sync}",
        gate.promotion
    )
}
