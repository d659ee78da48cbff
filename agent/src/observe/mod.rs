//! From the index and the looks to what one CodeSync sees. Pure.
//!
//! All of it is read from one snapshot, so that a target's code and the rollouts of its Servers are of one moment.

mod targets;
mod verified;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::Deployment;
use voxsync_cluster::{ReleaseFact, Snapshot, is_named_by};
use voxsync_crds::{
    CodeReference, CodeSync,
    annotations::{
        APPROVE, APPROVED_BY, Applied, GATES_FINALIZER, RELEASE_QUARANTINE, RESUME, ROLLBACK,
        applied_records, gate, obstacle,
    },
    code_sync::{CandidateStatus, CodeSyncSpec, TargetKind},
};
use voxsync_promotion::{
    CheckAnswer, ClaimedBy, Claims, Gatekeeper, ImageProblem, LastWriter, Observed, ObservedSource,
    ObservedTarget, PausedBy, RefusedWrite, ServerRollout, SourceProblem, TargetKey,
};
use voxsync_rollout::state::is_between_templates;

pub(crate) use targets::{first_target, pull_secret};
use verified::{kept, keys, unverified};

use crate::{
    look::{
        Cadence,
        place::{Finding, Found},
    },
    target::Target,
    upstream::Upstream,
    vouch::Voucher,
};

/// What is known of a CodeSync's looks.
#[derive(Debug, Default)]
pub(crate) struct Sight<'a> {
    /// What was found at its source; none before the first look.
    pub(crate) source: Option<&'a Finding>,
    /// When the source is looked at.
    pub(crate) cadence: Option<&'a Cadence>,
    /// What tags are that were asked for once more.
    pub(crate) confirmed: Vec<CodeReference>,
    /// What its checks said last.
    pub(crate) checks: Vec<CheckAnswer>,
    /// What is found at the CodeSync that it follows.
    pub(crate) upstream: Option<Upstream>,
    /// What was found of its pin.
    pub(crate) pin: Option<&'a Finding>,
    /// The request whose look is done.
    pub(crate) requested_at: Option<String>,
    /// Why the last record of a promotion could not be written.
    pub(crate) record_refused: Option<String>,
    /// Who vouches for the name under an approval.
    pub(crate) voucher: Voucher,
    /// What is wrong with the spec.
    pub(crate) invalid: Option<String>,
    /// Whether there is somebody who can hold Deployments back.
    pub(crate) gatekeeper: Gatekeeper,
}

/// An object that a CodeSync's next decision depends on.
pub(crate) type Involved = (TargetKind, String);

/// What one CodeSync sees, and which objects that depends on. `refusal` says why a target's last write was refused.
pub(crate) fn observe(
    snapshot: &Snapshot,
    code_sync: &CodeSync,
    sight: Sight<'_>,
    refusal: impl Fn(&TargetKey) -> Option<RefusedWrite>,
) -> (Observed, BTreeSet<Involved>) {
    let metadata = &code_sync.metadata;
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let uid = metadata.uid.clone().unwrap_or_default();
    let mut involved = BTreeSet::new();
    let stages = snapshot.stage_targets(namespace, &code_sync.spec).into_iter().map(|keys| {
        let observe = |key: TargetKey| {
            involved.insert((key.kind, key.name.clone()));
            let refused = refusal(&key);
            let target = observe_target(snapshot, code_sync, key, refused);
            involved.extend(target.servers.iter().map(|server| (TargetKind::Server, server.name.clone())));
            if target.key.kind == TargetKind::Server {
                // What it inherits, and how it rolls out, depends on its Config, whether that is there or not.
                let server = snapshot.server(namespace, &target.key.name);
                let config = server.and_then(|server| server.spec.config_ref.clone());
                involved.extend(config.map(|config| (TargetKind::Config, config)));
            }
            target
        };
        keys.into_iter().map(observe).collect()
    });
    let stages = stages.collect();
    let annotation = |name: &str| metadata.annotations.as_ref().and_then(|all| all.get(name)).cloned();
    let promotion = code_sync.status.as_ref().and_then(|status| status.promotion.as_ref());
    let kept = kept(code_sync, &sight);
    let observed = Observed {
        name: metadata.name.clone().unwrap_or_default(),
        namespace: namespace.to_owned(),
        generation: metadata.generation.unwrap_or_default(),
        requested_at: sight.requested_at,
        resume: annotation(RESUME),
        approve: annotation(APPROVE),
        approved_by: annotation(APPROVED_BY).filter(|_| sight.voucher == Voucher::ApiServer),
        rollback: annotation(ROLLBACK),
        release_quarantine: annotation(RELEASE_QUARANTINE),
        checks: sight.checks,
        is_leaving: metadata.deletion_timestamp.is_some(),
        has_finalizer: metadata.finalizers.iter().flatten().any(|one| one == GATES_FINALIZER),
        gatekeeper: sight.gatekeeper,
        source: follow(sight.upstream, source(sight.source, sight.cadence, sight.confirmed)),
        pin: sight.pin.and_then(pin),
        keys: sight.source.and_then(keys),
        judged: kept.iter().copied().flatten().cloned().collect(),
        unverified: [
            unverified(sight.source, &kept, sight.cadence),
            unverified(sight.pin, &[], Some(&Cadence::UntilFound)),
        ]
        .concat(),
        stages,
        recorded: promotion.is_some_and(|promotion| is_recorded(snapshot, namespace, &uid, &promotion.id)),
        record_refused: sight.record_refused,
        released: released(snapshot, code_sync),
        last_release_hash: last_release_hash(snapshot, namespace, &uid),
        invalid: sight.invalid,
        uid,
    };
    (observed, involved)
}

fn source(
    finding: Option<&Finding>,
    cadence: Option<&Cadence>,
    confirmed: Vec<CodeReference>,
) -> ObservedSource {
    let Some(finding) = finding else { return ObservedSource::default() };
    ObservedSource {
        candidate: finding.image.as_ref().map(Found::candidate),
        next_best: finding.next_best.iter().map(Found::candidate).collect(),
        confirmed,
        revision: finding.revision.clone(),
        tag_count: finding.tag_count,
        problem: finding.problem.clone().map(|problem| told(cadence, problem)),
        names_digest: finding.image.as_ref().is_some_and(|image| image.names_digest),
        looked: true,
    }
}

/// As a source that another CodeSync is.
fn follow(upstream: Option<Upstream>, source: ObservedSource) -> ObservedSource {
    match upstream {
        Some(Upstream::Released(released)) => ObservedSource { revision: Some(released.name), ..source },
        Some(Upstream::Nothing(problem)) => {
            ObservedSource { problem: Some(problem), looked: true, ..ObservedSource::default() }
        }
        Some(Upstream::Circle(_)) | None => source,
    }
}

fn pin(finding: &Finding) -> Option<Result<CandidateStatus, ImageProblem>> {
    if let Some(image) = &finding.image {
        return Some(Ok(image.candidate()));
    }
    let SourceProblem { reason, message, .. } = Cadence::UntilFound.told(finding.problem.clone()?);
    Some(Err(ImageProblem { reason, message }))
}

/// What is said of a source, with the time of the next look.
fn told(cadence: Option<&Cadence>, problem: SourceProblem) -> SourceProblem {
    match cadence {
        Some(cadence) => cadence.told(problem),
        None => problem,
    }
}

fn is_recorded(snapshot: &Snapshot, namespace: &str, uid: &str, promotion: &str) -> bool {
    snapshot.releases_of(namespace, uid).any(|release| release.promotion == promotion)
}

fn last_release_hash(snapshot: &Snapshot, namespace: &str, uid: &str) -> Option<String> {
    let newest = snapshot.releases_of(namespace, uid).max_by(|one, two| order(one).cmp(&order(two)))?;
    Some(newest.hash.clone())
}

/// What was released, newest first, where a rollback is asked for that is not taken yet.
fn released(snapshot: &Snapshot, code_sync: &CodeSync) -> Vec<CodeReference> {
    let metadata = &code_sync.metadata;
    let asked = metadata.annotations.as_ref().and_then(|all| all.get(ROLLBACK));
    let handled = code_sync.status.as_ref().and_then(|status| status.last_handled_rollback.as_ref());
    let place = metadata.namespace.as_deref().zip(metadata.uid.as_deref());
    let Some((namespace, uid)) = place.filter(|_| asked.is_some() && asked != handled) else {
        return Vec::new();
    };
    let mut releases: Vec<&ReleaseFact> = snapshot.releases_of(namespace, uid).collect();
    releases.sort_by(|one, two| order(two).cmp(&order(one)));
    let references = releases.into_iter().filter_map(|release| release.released.as_deref());
    references.filter_map(|reference| CodeReference::parse(reference).ok()).collect()
}

/// The order of releases in time. The API server's clock comes first: the process that wrote one may have had another
/// clock than that of the next.
pub(crate) fn order(release: &ReleaseFact) -> (jiff::Timestamp, jiff::Timestamp, &str) {
    (release.created, release.ended_at, &release.name)
}

/// What a CodeSync sees of one target; `refused` says why its last write was refused.
pub(crate) fn observe_target(
    snapshot: &Snapshot,
    code_sync: &CodeSync,
    key: TargetKey,
    refused: Option<RefusedWrite>,
) -> ObservedTarget {
    let namespace = code_sync.metadata.namespace.as_deref().unwrap_or_default();
    let found = match Target::find(snapshot, namespace, &key) {
        Ok(found) => found,
        Err(problem) => {
            let (applied, claims, writer, created) = (None, None, None, None);
            let (live, paused, servers) = (Err(problem), false, Vec::new());
            return ObservedTarget { key, live, refused, applied, claims, paused, writer, created, servers };
        }
    };
    let live = found.live(key.entry.as_ref(), snapshot.shapes().of(key.kind));
    let metadata = found.metadata();
    let entry = key.entry.as_ref().map(ToString::to_string).unwrap_or_default();
    let applied = applied_records(metadata.annotations.as_ref()).remove(&entry);
    let claims = claims(snapshot, code_sync, &key, metadata.labels.as_ref(), applied.as_ref());
    let writer = snapshot.code_writer(key.kind, namespace, &key.name);
    ObservedTarget {
        live,
        refused,
        applied,
        claims,
        paused: found.is_paused(),
        writer: writer.map(|writer| LastWriter { manager: writer.manager.clone(), time: writer.time }),
        created: metadata.creation_timestamp.as_ref().map(|time| time.0),
        servers: servers(snapshot, namespace, &key),
        key,
    }
}

/// Whose a target is, if not this CodeSync's: of those that exist and name it, the one that wrote it last, or else
/// (adoption writes nothing) the oldest.
pub(crate) fn claims(
    snapshot: &Snapshot,
    code_sync: &CodeSync,
    key: &TargetKey,
    labels: Option<&BTreeMap<String, String>>,
    applied: Option<&Applied>,
) -> Claims {
    let namespace = code_sync.metadata.namespace.as_deref().unwrap_or_default();
    let names = |other: &&CodeSync| is_named_by(&other.spec, key, labels);
    let writer = applied.and_then(|applied| snapshot.code_sync_of_uid(namespace, &applied.code_sync));
    let owner = writer.filter(names).or_else(|| {
        let age = |one: &CodeSync| {
            let created = one.metadata.creation_timestamp.as_ref().map(|created| created.0);
            (created, one.metadata.uid.clone())
        };
        snapshot.code_syncs_in(namespace).filter(names).min_by_key(|one| age(one))
    });
    let other = owner.filter(|owner| owner.metadata.uid != code_sync.metadata.uid)?;
    Some(ClaimedBy { code_sync: other.metadata.name.clone().unwrap_or_default() })
}

/// The Servers that take their code from a target.
fn servers(snapshot: &Snapshot, namespace: &str, key: &TargetKey) -> Vec<ServerRollout> {
    let rollout = |server: &voxsync_crds::Server| {
        let name = server.metadata.name.clone()?;
        let (state, progress) = snapshot.measured(namespace, &name)?;
        let deployment = snapshot.deployment_of(namespace, &name);
        let deployment = deployment.as_ref();
        let is_paused = deployment.and_then(|one| one.spec.as_ref()?.paused) == Some(true);
        let annotations = deployment.and_then(|one| one.metadata.annotations.as_ref());
        Some(ServerRollout {
            name,
            serves_code: server.spec.serves_code(),
            is_authority: server.spec.is_ca(),
            has_deployment: snapshot.has_deployment(server),
            why_not_held: deployment.and_then(|one| why_not_held(snapshot, server, one)),
            // A gate that a person undid counts as placed: nobody places it again.
            paused: gate(annotations).map(PausedBy::Gate).or(is_paused.then_some(PausedBy::Person)),
            progress,
            state,
        })
    };
    snapshot.servers_of_target(namespace, key).into_iter().filter_map(rollout).collect()
}

/// Why a Server's Deployment cannot be held back now: what the reconciler wrote on the Server, or what the Deployment
/// itself shows.
fn why_not_held(
    snapshot: &Snapshot,
    server: &voxsync_crds::Server,
    deployment: &Deployment,
) -> Option<String> {
    let place = server.metadata.namespace.as_deref().zip(server.metadata.name.as_deref());
    let code = place.and_then(|(namespace, name)| snapshot.server_code(namespace, name)?.ok());
    let code = code.and_then(|code| code.annotation()).unwrap_or_default();
    let obstacle = obstacle(server.metadata.annotations.as_ref()).filter(|obstacle| obstacle.code == code);
    let said = obstacle.map(|obstacle| format!("{}: {}", obstacle.reason, obstacle.message));
    let between = "its Deployment goes from one template to the next, and has no pod of the new one yet";
    said.or_else(|| is_between_templates(deployment).then(|| between.to_owned()))
}

/// Whether a spec selects targets by labels, so that any object may become one.
pub(crate) fn has_selectors(spec: &CodeSyncSpec) -> bool {
    spec.ordered_stages().iter().flat_map(|stage| &stage.targets).any(|target| target.selector.is_some())
}

#[cfg(test)]
mod tests;
