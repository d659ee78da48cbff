//! Adoption: what all targets run already counts as deployed, without a promotion, once all Servers run it.

use voxsync_crds::code_sync::{CodeSyncStatus, DeployedStatus, StagePhase, StageStatus};
use voxsync_rollout::state::RolloutState;

use crate::{
    candidate::{Wanted, is_only_tag},
    observed::ServerRollout,
    view::View,
    walk::plan,
};

/// What runs already, if all of it is the candidate and nothing was ever deployed by us: how far its rollouts are.
pub(crate) fn adoption(view: &View<'_>, after: &CodeSyncStatus, wanted: Option<&Wanted>) -> Option<Adoption> {
    if after.deployed.is_some() || after.promotion.is_some() || !after.history.is_empty() {
        return None;
    }
    let candidate = &wanted?.candidate;
    let planned = plan(view, after, &candidate.reference, candidate.tag.as_deref());
    if planned.is_empty() || !planned.iter().all(|planned| planned.all_settled) {
        return None;
    }
    let servers = view.observed.stages.iter().flatten().flat_map(|target| &target.servers);
    let is_open = |server: &&ServerRollout| {
        let is_done = matches!(server.state, RolloutState::Complete(_) | RolloutState::Impossible { .. });
        server.serves_code && !is_done
    };
    let open = servers.filter(is_open).map(|server| server.name.clone()).next();
    Some(open.map_or(Adoption::Complete, |server| Adoption::Rolling { server }))
}

/// How far what is adopted is rolled out.
pub(crate) enum Adoption {
    /// All run it.
    Complete,
    /// This one does not yet.
    Rolling { server: String },
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
