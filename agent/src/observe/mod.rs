//! From the index and the looks to what one CodeSync sees. Pure.
//!
//! All of it is read from one snapshot, so that a target's code and the rollouts of its Servers are of one moment.

mod targets;

use std::collections::BTreeSet;

use voxsync_cluster::{ReleaseFact, Snapshot};
use voxsync_crds::{
    CodeSync,
    annotations::{RESUME, applied_records},
    code_sync::{CodeSyncSpec, TargetKind},
};
use voxsync_promotion::{
    ClaimedBy, ImageProblem, LastWriter, Observed, ObservedSource, ObservedTarget, RecordedRelease,
    ServerRollout, TargetKey, TargetProblem,
};

pub(crate) use targets::{first_target, pull_secret};

use crate::{look::place::Finding, target::Target};
use targets::{is_named_by, stage_targets};

/// What is known of a CodeSync's looks.
#[derive(Debug, Default)]
pub(crate) struct Sight<'a> {
    /// What was found at its source; none before the first look.
    pub(crate) source: Option<&'a Finding>,
    /// What was found of its pin.
    pub(crate) pin: Option<&'a Finding>,
    /// The request whose look is done.
    pub(crate) requested_at: Option<String>,
    /// What is wrong with the spec.
    pub(crate) invalid: Option<String>,
}

/// An object that a CodeSync's next decision depends on.
pub(crate) type Involved = (TargetKind, String);

/// What one CodeSync sees, and which objects that depends on. `refusal` says why a target cannot be written now.
pub(crate) fn observe(
    snapshot: &Snapshot,
    code_sync: &CodeSync,
    sight: Sight<'_>,
    refusal: impl Fn(&TargetKey) -> Option<TargetProblem>,
) -> (Observed, BTreeSet<Involved>) {
    let metadata = &code_sync.metadata;
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let uid = metadata.uid.clone().unwrap_or_default();
    let mut involved = BTreeSet::new();
    let stages = stage_targets(snapshot, namespace, &code_sync.spec).into_iter().map(|keys| {
        let observe = |key: TargetKey| {
            involved.insert((key.kind, key.name.clone()));
            let problem = refusal(&key);
            let target = observe_target(snapshot, namespace, &uid, key, problem);
            involved.extend(target.servers.iter().map(|server| (TargetKind::Server, server.name.clone())));
            target
        };
        keys.into_iter().map(observe).collect()
    });
    let stages = stages.collect();
    let annotation = |name: &str| metadata.annotations.as_ref().and_then(|all| all.get(name)).cloned();
    let observed = Observed {
        name: metadata.name.clone().unwrap_or_default(),
        generation: metadata.generation.unwrap_or_default(),
        requested_at: sight.requested_at,
        resume: annotation(RESUME),
        source: source(sight.source),
        pin: sight.pin.and_then(pin),
        stages,
        last_release: last_release(snapshot, namespace, &uid),
        invalid: sight.invalid,
        uid,
    };
    (observed, involved)
}

fn source(finding: Option<&Finding>) -> ObservedSource {
    let Some(finding) = finding else { return ObservedSource::default() };
    ObservedSource {
        candidate: finding.image.as_ref().map(crate::look::place::Found::candidate),
        revision: finding.revision.clone(),
        tag_count: finding.tag_count,
        problem: finding.problem.clone(),
        names_digest: finding.image.as_ref().is_some_and(|image| image.names_digest),
        looked: true,
    }
}

fn pin(finding: &Finding) -> Option<Result<voxsync_crds::code_sync::CandidateStatus, ImageProblem>> {
    if let Some(image) = &finding.image {
        return Some(Ok(image.candidate()));
    }
    let problem = finding.problem.as_ref()?;
    Some(Err(ImageProblem { reason: problem.reason.clone(), message: problem.message.clone() }))
}

fn last_release(snapshot: &Snapshot, namespace: &str, uid: &str) -> Option<RecordedRelease> {
    let newest = snapshot.releases_of(namespace, uid).max_by(|one, two| order(one).cmp(&order(two)))?;
    Some(RecordedRelease { promotion: newest.promotion.clone(), hash: newest.hash.clone() })
}

/// The order of releases in time; the name decides among those of one moment.
pub(crate) fn order(release: &ReleaseFact) -> (jiff::Timestamp, &str) {
    (release.ended_at, &release.name)
}

fn observe_target(
    snapshot: &Snapshot,
    namespace: &str,
    uid: &str,
    key: TargetKey,
    refusal: Option<TargetProblem>,
) -> ObservedTarget {
    let found = match Target::find(snapshot, namespace, &key) {
        Ok(found) => found,
        Err(problem) => {
            let (applied, claims, writer, created) = (None, None, None, None);
            let (live, paused, servers) = (Err(problem), false, Vec::new());
            return ObservedTarget { key, live, applied, claims, paused, writer, created, servers };
        }
    };
    let live = found.live(key.entry.as_ref(), snapshot.shapes().of(key.kind));
    let live = live.and_then(|live| refusal.map_or(Ok(live), Err));
    let metadata = found.metadata();
    let entry = key.entry.as_ref().map(ToString::to_string).unwrap_or_default();
    let applied = applied_records(metadata.annotations.as_ref()).remove(&entry);
    let claims = applied.as_ref().filter(|applied| applied.code_sync != uid).and_then(|applied| {
        let other = snapshot.code_sync_of_uid(namespace, &applied.code_sync)?;
        let is_named = is_named_by(&other.spec, &key, metadata.labels.as_ref());
        is_named.then(|| ClaimedBy { code_sync: other.metadata.name.clone().unwrap_or_default() })
    });
    let writer = snapshot.code_writer(key.kind, namespace, &key.name);
    ObservedTarget {
        live,
        applied,
        claims,
        paused: found.is_paused(),
        writer: writer.map(|writer| LastWriter { manager: writer.manager.clone(), time: writer.time }),
        created: metadata.creation_timestamp.as_ref().map(|time| time.0),
        servers: servers(snapshot, namespace, &key),
        key,
    }
}

/// The Servers that take their code from a target.
fn servers(snapshot: &Snapshot, namespace: &str, key: &TargetKey) -> Vec<ServerRollout> {
    let has_own_code = |server: &voxsync_crds::Server| Target::Server(server, None).code().is_some();
    let servers: Vec<&voxsync_crds::Server> = match key.kind {
        TargetKind::Server => snapshot.server(namespace, &key.name).into_iter().collect(),
        TargetKind::Config => {
            let all = snapshot.servers_of_config(namespace, &key.name);
            all.filter(|server| !has_own_code(server)).collect()
        }
    };
    let rollout = |server: &voxsync_crds::Server| {
        let name = server.metadata.name.clone()?;
        let state = snapshot.rollout_of(namespace, &name)?;
        Some(ServerRollout { name, serves_code: server.spec.serves_code(), state })
    };
    servers.into_iter().filter_map(rollout).collect()
}

/// Whether a spec selects targets by labels, so that any object may become one.
pub(crate) fn has_selectors(spec: &CodeSyncSpec) -> bool {
    spec.ordered_stages().iter().flat_map(|stage| &stage.targets).any(|target| target.selector.is_some())
}

#[cfg(test)]
mod tests;
