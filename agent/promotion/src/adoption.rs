//! Adoption: what all targets run already counts as deployed, without a promotion, once all Servers run it.

use std::fmt;

use voxsync_crds::code_sync::{CodeSyncStatus, DeployedStatus, StagePhase, StageStatus};
use voxsync_rollout::state::{RolloutState, Stuck};

use crate::{
    candidate::{Wanted, is_only_tag},
    observed::ServerRollout,
    text::{NAME_LIMIT_BYTES, cut},
    view::View,
    walk::plan,
};

/// What runs already, if all of it is the candidate and nothing was ever deployed by us: how far its rollouts are.
pub(crate) fn adoption<'a>(
    view: &View<'a>,
    after: &CodeSyncStatus,
    wanted: Option<&Wanted>,
) -> Option<Adoption<'a>> {
    if after.deployed.is_some() || after.promotion.is_some() || !after.history.is_empty() {
        return None;
    }
    let candidate = &wanted?.candidate;
    let planned = plan(view, after, &candidate.reference, candidate.tag.as_deref());
    if planned.is_empty() || !planned.iter().all(|planned| planned.all_settled) {
        return None;
    }
    let servers = || view.observed.stages.iter().flatten().flat_map(|target| &target.servers);
    let open = || {
        servers().filter(|server| server.serves_code && !matches!(server.state, RolloutState::Complete(_)))
    };
    // What goes on by itself is not the news where another one does not.
    let told = open().find(|server| why_not(server).is_some()).or_else(|| open().next());
    Some(told.map_or(Adoption::Complete, |server| Adoption::Rolling { server: Open(server) }))
}

/// How far what is adopted is rolled out.
pub(crate) enum Adoption<'a> {
    /// All run it.
    Complete,
    /// This one does not yet.
    Rolling { server: Open<'a> },
}

/// A Server that does not run what it should; it is shown with the reason, where it has one.
pub(crate) struct Open<'a>(&'a ServerRollout);

impl Open<'_> {
    /// Whether it does not get further by itself.
    pub(crate) fn is_stopped(&self) -> bool {
        why_not(self.0).is_some()
    }
}

impl fmt::Display for Open<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&cut(&self.0.name, NAME_LIMIT_BYTES))?;
        why_not(self.0).map_or(Ok(()), |why| write!(formatter, " ({why})"))
    }
}

/// Why a Server does not get further by itself.
fn why_not(server: &ServerRollout) -> Option<String> {
    match &server.state {
        RolloutState::Stuck(Stuck { reason, pod, message, .. }) => {
            Some(format!("{reason}: pod {pod}: {message}"))
        }
        RolloutState::TimedOut { message } => Some(format!("ProgressDeadlineExceeded: {message}")),
        RolloutState::Impossible { reason, message } => Some(format!("{reason}: {message}")),
        RolloutState::PausedByPerson => Some(format!(
            "PausedByPerson: its Deployment is paused by a person: `kubectl rollout resume deployment/{}`",
            server.name
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
