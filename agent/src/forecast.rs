//! What the agent would do now, for people who want to see it before it does. Nothing is looked at but the cluster: the
//! source is what the last look of the agent said of it.

use jiff::Timestamp;
use kube::ResourceExt as _;
use voxsync_cluster::Snapshot;
use voxsync_crds::{
    CodeReference, CodeSync,
    code_sync::{CandidateStatus, CheckStatus, CodeSyncSpec, CodeSyncStatus, ConditionStatus, StageStatus},
};
use voxsync_promotion::{
    CheckAnswer, Forecast, Gatekeeper, LastGood, NoLastGood, ObservedSource, SourceProblem,
};

use crate::{
    elsewhere,
    look::plan,
    observe::{Sight, all_released, first_target, observe, pull_secret},
    upstream::upstream,
};

/// The reason of the row that says that it does not.
const NO_GATES: &str = "NoGates";

/// What would happen to a `CodeSync` now, by what the cluster says. `spec` is its own, or the one that it is to have.
pub fn forecast(snapshot: &Snapshot, code_sync: &CodeSync, spec: &CodeSyncSpec, now: Timestamp) -> Forecast {
    let mut code_sync = code_sync.clone();
    if code_sync.spec != *spec {
        code_sync.spec = spec.clone();
        code_sync.metadata.generation = code_sync.metadata.generation.map(|generation| generation + 1);
    }
    let namespace = code_sync.namespace().unwrap_or_default();
    let upstream = upstream(snapshot, &code_sync);
    let target = first_target(snapshot, &namespace, spec);
    let secret = target.and_then(|target| pull_secret(snapshot, &namespace, &target));
    let goes = elsewhere::check(snapshot, &namespace, spec);
    let invalid = goes.and_then(|()| plan(spec, &namespace, secret, upstream.as_ref()).map(drop)).err();
    let sight = Sight { invalid, gatekeeper: last_gatekeeper(&code_sync), ..Sight::default() };
    let (mut observed, _) = observe(snapshot, &code_sync, sight, |_| None);
    let status = code_sync.status.clone().unwrap_or_default();
    observed.requested_at.clone_from(&status.last_handled_reconcile_at);
    observed.source = last_look(&code_sync);
    observed.checks = last_answers(&code_sync);
    observed.pin = spec.pin.as_ref().and_then(|pin| named(&pin.reference)).map(Ok);
    voxsync_promotion::forecast(spec, &status, &observed, now)
}

/// Where a rollback would go, by what the status says and what is recorded of releases in `snapshot`.
///
/// # Errors
/// Why there is nothing to go back to.
pub fn last_good(snapshot: &Snapshot, code_sync: &CodeSync) -> Result<LastGood, NoLastGood> {
    let status = code_sync.status.clone().unwrap_or_default();
    voxsync_promotion::last_good(&status, &all_released(snapshot, code_sync))
}

/// What the agent found when it looked last, as far as the status keeps it.
fn last_look(code_sync: &CodeSync) -> ObservedSource {
    let Some(status) = &code_sync.status else { return ObservedSource::default() };
    let of_source = status.candidate.iter().filter(|candidate| candidate.source_revision.is_some());
    let mut known = status.ripening.iter().chain(of_source).cloned();
    ObservedSource {
        candidate: known.next(),
        next_best: known.collect(),
        revision: status.source.as_ref().and_then(|source| source.revision.clone()),
        tag_count: status.source.as_ref().and_then(|source| source.tag_count),
        looked: status.source.is_some(),
        problem: last_problem(status),
        ..ObservedSource::default()
    }
}

/// Whether the reconciler holds Deployments back, as far as the agent said it.
fn last_gatekeeper(code_sync: &CodeSync) -> Gatekeeper {
    let mut rows = code_sync.status.iter().flat_map(|status| &status.waiting);
    if rows.any(|row| row.reason == NO_GATES) { Gatekeeper::Absent } else { Gatekeeper::Present }
}

/// What kept the agent from taking what its source has.
fn last_problem(status: &CodeSyncStatus) -> Option<SourceProblem> {
    let condition = status.condition_that_is("SourceReady", ConditionStatus::False)?;
    Some(SourceProblem {
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        unreachable: status.source.as_ref().is_some_and(|source| source.unreachable_since.is_some()),
    })
}

/// What checks said last, as far as the status keeps it. How often they failed in a row it does not say.
fn last_answers(code_sync: &CodeSync) -> Vec<CheckAnswer> {
    let Some(status) = &code_sync.status else { return Vec::new() };
    let Some(promotion) = &status.promotion else { return Vec::new() };
    let checks = status.stages.iter().flat_map(|stage| stage.checks.iter().map(move |check| (stage, check)));
    let answer = |(stage, check): (&StageStatus, &CheckStatus)| CheckAnswer {
        stage: stage.name.clone(),
        check: check.name.clone(),
        promotion: promotion.id.clone(),
        standing: check.standing,
        failures: 0,
        message: check.message.clone(),
    };
    checks.map(answer).collect()
}

/// The image that a pin names by its digest. What a tag stands for, only the registry knows.
fn named(reference: &str) -> Option<CandidateStatus> {
    let parsed = CodeReference::parse(reference).ok()?;
    let digest = parsed.digest()?.to_owned();
    Some(CandidateStatus {
        name: parsed.short(),
        reference: reference.to_owned(),
        repository: parsed.repository().to_owned(),
        tag: parsed.tag().map(str::to_owned),
        digest,
        ..CandidateStatus::default()
    })
}
