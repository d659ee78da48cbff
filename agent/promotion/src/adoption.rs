//! Adoption: what all targets run already counts as deployed, without a promotion, once all Servers run it.

use std::{fmt, time::Duration};

use voxsync_crds::{
    code_sync::{CodeSyncStatus, DeployedStatus, StagePhase, StageStatus},
    reference::is_only_tag,
    time::Time,
};
use voxsync_rollout::state::{RolloutState, Stuck};

use crate::{
    candidate::{Wanted, is_pinned},
    observed::{ServerRollout, TargetProblem},
    text::{NAME_LIMIT_BYTES, cut, later},
    view::View,
    walk::plan,
};

/// How long the first promotion waits for a target that is not there.
const PATIENCE: Duration = Duration::from_mins(2);

/// What runs already, if all of it is the candidate and nothing was ever deployed by us: how far its rollouts are.
pub(crate) fn adoption<'a>(
    view: &View<'a>,
    after: &CodeSyncStatus,
    wanted: Option<&Wanted>,
) -> Option<Adoption<'a>> {
    if !is_first(after) {
        return None;
    }
    let candidate = &wanted?.candidate;
    let planned = plan(view, after, &candidate.reference, candidate.tag.as_deref());
    if planned.is_empty() || !planned.iter().all(|planned| planned.all_settled) {
        return None;
    }
    let servers = || view.observed.stages.iter().flatten().flat_map(|target| &target.servers);
    let is_open =
        |server: &&ServerRollout| server.serves_code && !matches!(server.state, RolloutState::Complete(_));
    let namespace = &view.observed.namespace;
    let open = || servers().filter(is_open).map(|server| Open { server, namespace });
    // What goes on by itself is not the news where another one does not.
    let told = open().find(Open::is_stopped).or_else(|| open().next());
    Some(told.map_or(Adoption::Complete, |server| Adoption::Rolling { server }))
}

/// Whether nothing was ever deployed by us.
fn is_first(after: &CodeSyncStatus) -> bool {
    after.deployed.is_none() && after.promotion.is_none() && after.history.is_empty()
}

/// Until when the first promotion waits, where nothing was ever deployed by us and a target is not there. What it runs
/// when it comes may be the candidate already: who applies a whole folder may be seen to make the CodeSync first. What a
/// person chose waits for nobody.
pub(crate) fn waits_for_target(
    view: &View<'_>,
    after: &CodeSyncStatus,
    wanted: Option<&Wanted>,
) -> Option<Time> {
    let mut targets = view.observed.stages.iter().flatten();
    let is_missing = |problem: &TargetProblem| problem.reason == TargetProblem::MISSING;
    let lacks_one = is_first(after) && targets.any(|target| target.live.as_ref().is_err_and(is_missing));
    let candidate = &wanted.filter(|_| lacks_one)?.candidate;
    let until = later(candidate.first_seen.filter(|_| !is_pinned(candidate))?, PATIENCE);
    (view.now < until).then_some(until)
}

/// How far what is adopted is rolled out.
pub(crate) enum Adoption<'a> {
    /// All run it.
    Complete,
    /// This one does not yet.
    Rolling { server: Open<'a> },
}

/// A Server that does not run what it should; it is shown with the reason, where it has one.
pub(crate) struct Open<'a> {
    server: &'a ServerRollout,
    /// That of the `CodeSync`.
    namespace: &'a str,
}

impl Open<'_> {
    /// Whether it does not get further by itself.
    pub(crate) fn is_stopped(&self) -> bool {
        why_not(self.server, self.namespace).is_some()
    }
}

impl fmt::Display for Open<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&cut(&self.server.name, NAME_LIMIT_BYTES))?;
        why_not(self.server, self.namespace).map_or(Ok(()), |why| write!(formatter, " ({why})"))
    }
}

/// Why a Server does not get further by itself.
fn why_not(server: &ServerRollout, namespace: &str) -> Option<String> {
    match &server.state {
        RolloutState::Stuck(Stuck { reason, pod, message, .. }) => {
            Some(format!("{reason}: pod {pod}: {message}"))
        }
        RolloutState::TimedOut { message } => Some(format!("ProgressDeadlineExceeded: {message}")),
        RolloutState::Impossible { reason, message } => Some(format!("{reason}: {message}")),
        RolloutState::PausedByPerson => Some(format!(
            "PausedByPerson: its Deployment is paused by a person: `kubectl rollout resume {}`",
            server.deployment(namespace)
        )),
        RolloutState::Pending
        | RolloutState::Gated(_)
        | RolloutState::Progressing(_)
        | RolloutState::Complete(_) => None,
    }
}

/// Takes what runs already as deployed.
pub(crate) fn adopt(view: &View<'_>, wanted: &Wanted, after: &mut CodeSyncStatus) {
    let Some(Adoption::Complete) = adoption(view, after, Some(wanted)) else { return };
    let candidate = &wanted.candidate;
    let live = || {
        view.observed.stages.iter().flatten().filter_map(|target| target.live.as_ref().ok()?.image.as_deref())
    };
    let tag_only = live().find(|image| is_only_tag(image, &candidate.repository, candidate.tag.as_deref()));
    after.deployed = Some(DeployedStatus {
        name: candidate.name.clone(),
        reference: tag_only.unwrap_or(&candidate.reference).to_owned(),
        tag: candidate.tag.clone(),
        digest: tag_only.is_none().then(|| candidate.digest.clone()),
        commit: candidate.commit.clone(),
        promotion: None,
        since: Some(view.now),
    });
    after.stages = view
        .stages()
        .map(|(stage, _)| StageStatus {
            name: stage.name.clone(),
            phase: StagePhase::Deployed,
            reference: Some(candidate.reference.clone()),
            since: Some(view.now),
            ..StageStatus::default()
        })
        .collect();
}
