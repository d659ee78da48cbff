//! From the index and the looks to what one CodeSync sees. Pure.
//!
//! All of it is read from one snapshot, so that a target's code and the rollouts of its Servers are of one moment.

mod targets;
mod verified;

use std::collections::BTreeSet;

use voxsync_cluster::{ReleaseFact, Snapshot};
use voxsync_crds::{
    CodeReference, CodeSync,
    annotations::{
        APPROVE, APPROVED_BY, Applied, GATES_FINALIZER, RELEASE_QUARANTINE, RESUME, ROLLBACK,
        applied_records, obstacle,
    },
    code_sync::{
        AfterReleaseAction, CandidateStatus, CheckStanding, CheckStatus, CodeSyncSpec, TargetKind, known_as,
        place_and_name,
    },
};
use voxsync_promotion::{
    CheckAnswer, ClaimedBy, Claims, Gatekeeper, ImageProblem, LastWriter, Observed, ObservedSource,
    ObservedTarget, PausedBy, RefusedWrite, ServerRollout, SourceProblem, TargetKey,
};

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

/// An object that a CodeSync's next decision depends on: its kind, its namespace, and its name.
pub(crate) type Involved = (TargetKind, String, String);

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
    let stages = snapshot.targets_of(code_sync).into_iter().map(|keys| {
        let observe = |key: TargetKey| {
            let place = key.namespace_in(namespace).to_owned();
            involved.insert((key.kind, place.clone(), key.name.clone()));
            let refused = refusal(&key);
            let target = observe_target(snapshot, code_sync, key, refused);
            let names = target.servers.iter().map(|server| place_and_name(&server.name).1.to_owned());
            involved.extend(names.map(|name| (TargetKind::Server, place.clone(), name)));
            if target.key.kind == TargetKind::Server {
                // What it inherits, and how it rolls out, depends on its Config, whether that is there or not.
                let server = snapshot.server(&place, &target.key.name);
                let config = server.and_then(|server| server.spec.config_ref.clone());
                involved.extend(config.map(|config| (TargetKind::Config, place, config)));
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

/// What was released, newest first, where a rollback is asked for that is not taken yet, or a check that failed asks for one.
fn released(snapshot: &Snapshot, code_sync: &CodeSync) -> Vec<CodeReference> {
    let asked = code_sync.metadata.annotations.as_ref().and_then(|all| all.get(ROLLBACK));
    let handled = code_sync.status.as_ref().and_then(|status| status.last_handled_rollback.as_ref());
    let is_asked = asked.is_some() && asked != handled;
    if is_asked || goes_back_by_itself(code_sync) { all_released(snapshot, code_sync) } else { Vec::new() }
}

/// Whether a check failed, and what is released goes back for it.
fn goes_back_by_itself(code_sync: &CodeSync) -> bool {
    let rollback = code_sync.spec.rollback.as_ref();
    let action = rollback.and_then(|rollback| rollback.after_release.as_ref()?.action);
    let mut stages = code_sync.status.iter().flat_map(|status| &status.stages);
    let has_failed = |check: &CheckStatus| check.standing == CheckStanding::Failed;
    action == Some(AfterReleaseAction::Rollback) && stages.any(|stage| stage.checks.iter().any(has_failed))
}

/// What was released, newest first.
pub(crate) fn all_released(snapshot: &Snapshot, code_sync: &CodeSync) -> Vec<CodeReference> {
    let metadata = &code_sync.metadata;
    let Some((namespace, uid)) = metadata.namespace.as_deref().zip(metadata.uid.as_deref()) else {
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
            // What this CodeSync wrote it knows anyway; of what others wrote, nothing is told.
            let applied = record_on(snapshot, namespace, &key)
                .filter(|record| code_sync.metadata.uid.as_ref() == Some(&record.code_sync));
            let (claims, writer, created) = (None, None, None);
            let (live, paused, servers) = (Err(problem), false, Vec::new());
            return ObservedTarget { key, live, refused, applied, claims, paused, writer, created, servers };
        }
    };
    let live = found.live_for(snapshot, namespace, key.entry.as_ref());
    let metadata = found.metadata();
    let applied = record_on(snapshot, namespace, &key);
    let claims = claims(snapshot, code_sync, &key, applied.as_ref());
    let writer = snapshot.code_writer(key.kind, key.namespace_in(namespace), &key.name);
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

/// What was written to a target, whoever of us wrote it.
fn record_on(snapshot: &Snapshot, namespace: &str, key: &TargetKey) -> Option<Applied> {
    let metadata = snapshot.metadata_of(key.kind, key.namespace_in(namespace), &key.name)?;
    let entry = key.entry.as_ref().map(ToString::to_string).unwrap_or_default();
    applied_records(metadata.annotations.as_ref()).remove(&entry)
}

/// Whose a target is, if not this CodeSync's: of those that exist, name it and may have it, the one that wrote it last, or
/// else (adoption writes nothing) the oldest.
pub(crate) fn claims(
    snapshot: &Snapshot,
    code_sync: &CodeSync,
    key: &TargetKey,
    applied: Option<&Applied>,
) -> Claims {
    let namespace = code_sync.metadata.namespace.as_deref().unwrap_or_default();
    let place = key.namespace_in(namespace);
    let object = snapshot.metadata_of(key.kind, place, &key.name);
    let names = |other: &&CodeSync| snapshot.names(other, place, key);
    let mut let_in = snapshot.namespaces_let_in(place, object);
    let writer = applied
        .and_then(|applied| let_in.find_map(|from| snapshot.code_sync_of_uid(from, &applied.code_sync)));
    let owner = writer.filter(names).or_else(|| {
        let age = |one: &CodeSync| {
            let created = one.metadata.creation_timestamp.as_ref().map(|created| created.0);
            (created, one.metadata.uid.clone())
        };
        let all = snapshot.namespaces_let_in(place, object).flat_map(|from| snapshot.code_syncs_in(from));
        all.filter(names).min_by_key(|one| age(one))
    });
    let other = owner.filter(|owner| owner.metadata.uid != code_sync.metadata.uid)?;
    let (of, name) = (other.metadata.namespace.as_deref(), other.metadata.name.as_deref());
    let known = known_as(namespace, of.unwrap_or_default(), name.unwrap_or_default());
    Some(ClaimedBy { code_sync: known.into_owned() })
}

/// The Servers that take their code from a target.
fn servers(snapshot: &Snapshot, namespace: &str, key: &TargetKey) -> Vec<ServerRollout> {
    let place = key.namespace_in(namespace);
    let rollout = |server: &voxsync_crds::Server| {
        let name = server.metadata.name.as_deref()?;
        let (state, progress) = snapshot.measured(place, name)?;
        let person = snapshot.is_paused(place, name).then_some(PausedBy::Person);
        Some(ServerRollout {
            name: known_as(namespace, place, name).into_owned(),
            serves_code: server.spec.serves_code(),
            is_authority: server.spec.is_ca(),
            has_deployment: snapshot.has_deployment(server),
            why_not_held: snapshot
                .is_between_templates(place, name)
                .and_then(|is_between| why_not_held(snapshot, server, is_between)),
            // A gate that a person undid counts as placed: nobody places it again.
            paused: snapshot.gate_on(place, name).cloned().map(PausedBy::Gate).or(person),
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
    is_between_templates: bool,
) -> Option<String> {
    let place = server.metadata.namespace.as_deref().zip(server.metadata.name.as_deref());
    let code = place.and_then(|(namespace, name)| snapshot.server_code(namespace, name)?.ok());
    let code = code.and_then(|code| code.annotation()).unwrap_or_default();
    let obstacle = obstacle(server.metadata.annotations.as_ref()).filter(|obstacle| obstacle.code == code);
    let said = obstacle.map(|obstacle| format!("{}: {}", obstacle.reason, obstacle.message));
    let between = "its Deployment goes from one template to the next, and has no pod of the new one yet";
    said.or_else(|| is_between_templates.then(|| between.to_owned()))
}

/// The namespaces in which a spec of `namespace` selects targets by labels, so that any object there may become one.
pub(crate) fn selects_in(namespace: &str, spec: &CodeSyncSpec) -> BTreeSet<String> {
    let stages = spec.ordered_stages();
    let selecting = stages.iter().flat_map(|stage| &stage.targets).filter(|it| it.selector.is_some());
    selecting.map(|target| target.other_namespace(namespace).unwrap_or(namespace).to_owned()).collect()
}

#[cfg(test)]
mod tests;
