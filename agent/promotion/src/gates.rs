//! The order of a stage: which Deployments have to be held back before its references are written, which are, and
//! what is said of them.
//!
//! The reconciler places the gates and lifts them; here it is only seen that they are there, and that they go.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    time::Duration,
};

use voxsync_crds::code_sync::{CodeSyncStatus, PromotionStatus, StagePhase, TargetKey};
use voxsync_rollout::order::{Hold, Member, Way, goes_back_at_once, to_gate};

use crate::{
    observed::{Gatekeeper, ObservedTarget, PausedBy, ServerRollout, deployment_of},
    rows::{GATED, GATING, Row, Weight},
    standings::Standings,
    text::{NAME_LIMIT_BYTES, clock, cut, later, moment, names},
    view::View,
    visit::{Position, Visit},
    walk::Walk,
};

/// How long gates may take to be placed before somebody should have a look.
const GATING_PATIENCE_SECONDS: u64 = 60;

/// What has to be held back before references are written.
#[derive(Default)]
pub(crate) struct Order<'a> {
    /// How many Deployments have to be.
    pub needed: usize,
    /// Those that are not yet.
    pub missing: Vec<&'a ServerRollout>,
}

impl Order<'_> {
    /// Whether a target is not written yet: one of its Servers is to be held back before.
    pub(crate) fn holds_up(&self, targets: &[ObservedTarget], key: &TargetKey) -> bool {
        let is_missing =
            |server: &ServerRollout| self.missing.iter().any(|missing| missing.name == server.name);
        let mut servers =
            targets.iter().filter(|target| target.key == *key).flat_map(|target| &target.servers);
        !self.missing.is_empty() && servers.any(is_missing)
    }
}

/// The Servers whose Deployments this CodeSync holds back.
pub(crate) fn held<'t>(
    view: &View<'_>,
    targets: impl IntoIterator<Item = &'t ObservedTarget>,
) -> BTreeSet<&'t str> {
    let servers = targets.into_iter().flat_map(|target| &target.servers);
    // Who serves no code any more is not the stage's: the reconciler says what is left on it.
    let is_ours = |server: &&ServerRollout| {
        server.serves_code && server.gate().is_some_and(|gate| gate.code_sync == view.observed.uid)
    };
    servers.filter(is_ours).map(|server| server.name.as_str()).collect()
}

/// Says what stays held back by a promotion that is over; `or_else` is what else brings its turn. To let it go by hand is the
/// last that is named: it would roll onto code that perhaps no other Server can run.
pub(crate) fn still_held<'t>(
    view: &View<'_>,
    targets: impl IntoIterator<Item = &'t ObservedTarget>,
    or_else: &str,
) -> Option<String> {
    let held = held(view, targets);
    (!held.is_empty()).then(|| {
        let lets_go: Vec<_> = held
            .iter()
            .map(|name| format!("`kubectl rollout resume {}`", deployment_of(name, &view.observed.namespace)))
            .collect();
        format!(
            "Still held back, on the code that it runs: {}; its turn comes {or_else}once the other Servers run what its \
             Deployment has. By hand, and whether that can run or not, it is let go with {}",
            names(held.iter().copied()),
            names(lets_go.iter().map(String::as_str))
        )
    })
}

/// The finalizer as it should be, where it is not: it stays as long as gates are there or come, also on the way back.
pub(crate) fn finalizer(view: &View<'_>, after: &CodeSyncStatus, is_asked_back: bool) -> Option<bool> {
    let observed = view.observed;
    let is_gating = is_asked_back || after.stages.iter().any(|stage| stage.phase == StagePhase::Gating);
    if observed.is_leaving {
        let is_recorded = |ended: &PromotionStatus| ended.recorded || observed.record_refused.is_some();
        let is_over = |promotion: &PromotionStatus| promotion.outcome.is_some() && is_recorded(promotion);
        return (observed.has_finalizer && after.promotion.as_ref().is_none_or(is_over)).then_some(false);
    }
    if !observed.has_finalizer {
        return is_gating.then_some(true);
    }
    let holds = !held(view, observed.stages.iter().flatten()).is_empty();
    (!holds && !is_gating).then_some(false)
}

impl<'a> Visit<'a, '_> {
    /// What has to be held back before anything more of the stage is written.
    pub(crate) fn order(&self) -> Order<'a> {
        let (promotion, is_back) = match self.position {
            Position::Working(promotion) => (promotion, false),
            Position::RollingBack(promotion) => (promotion, true),
            _ => return Order::default(),
        };
        if self.stage.allow_unordered {
            return Order::default();
        }
        let mut members = BTreeMap::new();
        for target in self.targets {
            let is_open = if is_back {
                self.is_to_go_back(target, promotion)
            } else {
                !self.has_candidate(target, promotion)
            };
            for server in target.servers.iter().filter(|server| server.serves_code && server.has_deployment) {
                let goes_by_itself = is_back && goes_at_once(server);
                let way = if is_open && !goes_by_itself { Way::Before } else { Way::Under };
                let member = Member {
                    name: server.name.as_str(),
                    is_authority: server.is_authority,
                    is_gated: self.is_gated_for(server, promotion),
                    has_pods: server.progress.wanted > 0,
                    way,
                };
                let (known, _) = members.entry(server.name.as_str()).or_insert((member, server));
                if way == Way::Before {
                    known.way = way;
                }
            }
        }
        let all: Vec<Member<'_>> = members.values().map(|(member, _)| *member).collect();
        let mut needed = to_gate(&all, self.stage.max_concurrent.and_then(NonZeroU32::new));
        if !is_back && !self.goes_back_by_hand() && self.targets.iter().any(ObservedTarget::is_shut) {
            // Whether an authority has company cannot be seen: it does not go first for that.
            let authorities = all.iter().filter(|member| member.is_authority && member.way == Way::Before);
            needed.extend(authorities.map(|member| member.name));
        }
        let servers = members.into_iter().filter(|(name, _)| needed.contains(name));
        let missing = servers.filter(|(_, (member, _))| !member.is_gated).map(|(_, (_, server))| server);
        Order { needed: needed.len(), missing: missing.collect() }
    }

    fn is_gated_for(&self, server: &ServerRollout, promotion: &PromotionStatus) -> bool {
        let uid = &self.view.observed.uid;
        server.gate().is_some_and(|gate| gate.code_sync == *uid && gate.promotion == promotion.id)
    }

    /// Whether a target says the candidate already, so that nothing of it will roll.
    fn has_candidate(&self, target: &ObservedTarget, promotion: &PromotionStatus) -> bool {
        let adopt = self.view.spec.adopt.unwrap_or_default();
        target.image().is_some_and(|live| promotion.is_on(live, self.view.record_on(target), adopt))
    }

    /// The phase of a stage that is to be written, but needs an order that is not there yet.
    pub(crate) fn gate(&self, order: &Order<'_>, standings: &Standings<'_>, walk: &mut Walk) -> StagePhase {
        let missing = names(order.missing.iter().map(|server| server.name.as_str()));
        let name = &self.stage.name;
        if standings.blocked {
            // Held back, the others would wait for what may never be written.
            return StagePhase::Pending;
        }
        if self.view.observed.gatekeeper == Gatekeeper::Absent {
            let message = format!(
                "stage {name} needs an order (certificate authorities last and alone, or maxConcurrent), and this \
                 reconciler never holds Deployments back ({missing}): name the Servers as targets, certificate \
                 authorities in a later stage of their own; or run with --reconciler=full; or let all roll at once with \
                 allowUnordered: true"
            );
            walk.rows.push(self.row(Weight::Stalls, "NoGates", message, format!("{name} needs an order")));
            return StagePhase::Pending;
        }
        let row = order.missing.iter().find_map(|server| self.not_to_gate_row(server));
        if let Some(row) = row {
            walk.rows.push(row);
            return StagePhase::Pending;
        }
        let row = self.gating_row(order, &missing, walk);
        walk.rows.push(row);
        StagePhase::Gating
    }

    /// What is said of a Deployment that is paused already, for another reason: it may take days, and the others are
    /// not held back for that long.
    fn not_to_gate_row(&self, server: &ServerRollout) -> Option<Row> {
        let (name, uid) = (&self.stage.name, &self.view.observed.uid);
        let brief = format!("{name} {}", server.name);
        let server_name = &server.name;
        match &server.paused {
            Some(PausedBy::Person) => {
                let message = format!(
                    "the Deployment of Server {server_name} is paused by a person, so that its turn cannot come; nothing \
                     of stage {name} is written before: `kubectl rollout resume {}`",
                    server.deployment(&self.view.observed.namespace)
                );
                Some(self.row(Weight::Waits, "PausedByPerson", message, brief))
            }
            Some(PausedBy::Gate(gate)) if gate.code_sync != *uid => {
                let message = format!(
                    "the Deployment of Server {server_name} is still held back for another CodeSync (uid {}), since {}; \
                     nothing of stage {name} is written before: the events of the Server say what it waits for",
                    cut(&gate.code_sync, NAME_LIMIT_BYTES),
                    moment(gate.since)
                );
                Some(self.row(Weight::Blocks, GATED, message, brief))
            }
            _ => None,
        }
    }

    fn gating_row(&self, order: &Order<'_>, missing: &str, walk: &mut Walk) -> Row {
        let name = &self.stage.name;
        let brief = |there: usize| format!("{name} {there} of {} held back", order.needed);
        if order.missing.is_empty() {
            let message = format!("stage {name} keeps an order: it is written as soon as that is stored");
            return self.row(Weight::Moves, GATING, message, brief(order.needed));
        }
        let since = self.since(StagePhase::Gating).unwrap_or(self.view.now);
        let patience_ends = later(since, Duration::from_secs(GATING_PATIENCE_SECONDS));
        let there = order.needed.saturating_sub(order.missing.len());
        if self.view.now < patience_ends {
            walk.wake_by(patience_ends);
            let message =
                format!("stage {name} keeps an order: {missing} are held back before it is written");
            return self.row(Weight::Moves, GATING, message, brief(there));
        }
        let message = format!(
            "stage {name} keeps an order, and nothing is written before the Deployments of {missing} are held back, which \
             they are not since {}: {}",
            clock(since, self.view.now),
            why_not_held(&order.missing)
        );
        self.row(Weight::Blocks, GATING, message, brief(there))
    }

    /// What is said of Deployments that wait for their turn.
    pub(crate) fn gated_row(&self) -> Option<Row> {
        let held = held(self.view, self.targets);
        let name = &self.stage.name;
        (!held.is_empty()).then(|| {
            let message = format!(
                "held back in stage {name} until it is their turn: {}; certificate authorities come last, when all \
                 others run it",
                names(held.iter().copied())
            );
            self.row(Weight::Moves, GATED, message, format!("{name} {} held back", held.len()))
        })
    }
}

fn goes_at_once(server: &ServerRollout) -> bool {
    let hold = server.paused.as_ref().map(|paused| match paused {
        PausedBy::Gate(_) => Hold::Gate,
        PausedBy::Person => Hold::Person,
    });
    goes_back_at_once(Some(&server.state), hold)
}

/// Why Deployments that should be held back are not: what is known of each, or else who would have to do it.
fn why_not_held(missing: &[&ServerRollout]) -> String {
    let known = missing.iter().filter_map(|server| {
        server.why_not_held.as_ref().map(|why| format!("Server {}: {why}", server.name))
    });
    let mut all: Vec<String> = known.collect();
    if all.len() < missing.len() {
        all.push("a reconciler with --reconciler=full must run for this namespace".to_owned());
    }
    all.join("; ")
}
