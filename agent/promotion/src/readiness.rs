//! Whether a stage may start: the approval of a person, and its windows.
//!
//! Only the start waits, before the first gate and the first write. What has started goes on when a window closes, and a
//! stage in which nothing is to be written needs neither.

use voxsync_crds::{
    code_sync::{Approval, CodeSyncSpec, PromotionStatus, StagePhase, Trigger},
    commit::short_commit,
    reference::short_digest,
};
use voxsync_window::{Closed, Standing, Windows};

use crate::{
    approvals::has_approval,
    commands,
    decided::TargetWrite,
    lifecycle::is_hurried,
    rows::{Row, Weight},
    standings::Standings,
    text::{clock, cut, names},
    visit::{Position, Visit},
    walk::Walk,
};

/// The reason of the row that says that a person has to approve.
pub(crate) const APPROVAL: &str = "Approval";
/// The reason of the row that says that no window is open.
pub(crate) const WINDOW: &str = "Window";

/// How it is said when a window opens, everywhere: a calendar has no seconds, and one is seldom read on the day itself.
const MINUTE: &str = "%F %H:%MZ";
/// So much of the name of a window is in the line for a table, or its end would not be: when it opens.
const BRIEF_NAME_LIMIT_BYTES: usize = 17;

/// Finds what is wrong with the windows of a spec that the API server could not see.
///
/// # Errors
/// A sentence that names the field and says what would be right.
pub fn check_windows(spec: &CodeSyncSpec) -> Result<(), String> {
    Windows::of(spec).map(drop).map_err(|error| error.to_string())
}

/// The names of `allow` windows that no stage keeps to: they hold nothing back.
pub fn idle_windows(spec: &CodeSyncSpec) -> Vec<&str> {
    let is_named = |name: &String| spec.stages.iter().flatten().any(|stage| stage.windows.contains(name));
    let allows = spec.windows.iter().filter(|window| window.allow.is_some());
    allows.map(|window| &window.name).filter(|name| !is_named(name)).map(String::as_str).collect()
}

/// What is said of such windows.
pub(crate) fn idle_row(spec: &CodeSyncSpec) -> Option<Row> {
    let idle = idle_windows(spec);
    let windows = names(idle.iter().copied());
    (!idle.is_empty()).then(|| Row {
        weight: Weight::Tells,
        stage: None,
        reason: "IdleWindow".to_owned(),
        message: format!(
            "no stage keeps to {windows} of spec.windows, which says when stages may start: it holds nothing back. Name it \
             in stages[].windows"
        ),
        brief: format!("window {windows} is not used"),
        until: None,
    })
}

impl Visit<'_, '_> {
    /// Whether the stage may be written; says all that it waits for before anything of it is.
    pub(crate) fn may_start(&self, standings: &Standings<'_>, walk: &mut Walk) -> bool {
        let Position::Working(promotion) = self.position else { return true };
        if !changes(standings) || self.has_started(promotion) {
            return true;
        }
        if self.makes_way() {
            // It begins nothing any more, and waits for nothing of its own.
            return false;
        }
        let mut rows: Vec<Row> = self.unwell_row(promotion, walk).into_iter().collect();
        if !is_hurried(self.view, promotion) {
            rows.extend(self.waits(promotion, walk));
        }
        let may_start = rows.is_empty();
        walk.rows.extend(rows);
        may_start
    }

    /// What is said of an approval and windows that the start of the stage waits for.
    fn waits(&self, promotion: &PromotionStatus, walk: &mut Walk) -> impl Iterator<Item = Row> + use<> {
        let approval = self.approval_row(promotion);
        let waits_for_person = approval.is_some();
        let window = match Windows::of(self.view.spec) {
            Ok(windows) => match windows.standing(&self.stage.windows, self.view.now.timestamp()) {
                Standing::Closed(closed) => {
                    closed.searched_until.into_iter().for_each(|time| walk.wake_by(time.into()));
                    Some(self.window_row(promotion, &closed))
                }
                Standing::Open { until } => {
                    // From then on it says that it waits for the window, too.
                    until.filter(|_| waits_for_person).into_iter().for_each(|time| walk.wake_by(time.into()));
                    None
                }
            },
            Err(error) => {
                Some(self.row(Weight::Stalls, "InvalidSpec", error.to_string(), "windows".to_owned()))
            }
        };
        approval.into_iter().chain(window)
    }

    /// The promotion that began with it, as it is to be stored: before the first gate or write is an action. What is only
    /// recorded begins nothing.
    pub(crate) fn started(&self, phase: StagePhase, standings: &Standings<'_>) -> Option<String> {
        match self.position {
            Position::Working(promotion) if begins(phase) && changes(standings) => Some(promotion.id.clone()),
            _ => self.last.and_then(|last| last.started.clone()),
        }
    }

    /// Whether this promotion began with it. What is written on targets tells nothing: they may have come from a stage that
    /// it passed.
    fn has_started(&self, promotion: &PromotionStatus) -> bool {
        let (before, last) = (self.view.before, self.last);
        // An earlier version of voxsync, which stored no such thing, may have stopped half-way.
        let is_of_earlier_version = || before.stages.iter().all(|stage| stage.started.is_none());
        let is_stored = || before.promotion.as_ref().is_some_and(|before| before.id == promotion.id);
        last.is_some_and(|last| match &last.started {
            Some(started) => *started == promotion.id,
            None => is_of_earlier_version() && is_stored() && begins(last.phase),
        })
    }

    /// What is said where a stage that has passed does not run the candidate any more: it proves nothing now. Who goes back
    /// does not wait for those who cannot.
    fn unwell_row(&self, promotion: &PromotionStatus, walk: &Walk) -> Option<Row> {
        let unwell = walk.unwell.as_ref().filter(|_| promotion.trigger != Trigger::Rollback)?;
        let name = &self.stage.name;
        let message = format!(
            "stage {name} does not start before all Servers of stage {unwell}, which has passed, are ready again"
        );
        Some(self.row(Weight::Moves, "Rollout", message, format!("{name} waits for {unwell}")))
    }

    fn approval_row(&self, promotion: &PromotionStatus) -> Option<Row> {
        let (name, candidate) = (&self.stage.name, &promotion.candidate);
        let is_asked = self.stage.approval == Some(Approval::Manual);
        if !is_asked || has_approval(self.after, &candidate.digest, name) {
            return None;
        }
        let commit = candidate.commit.as_deref().map(|commit| format!(", commit {}", short_commit(commit)));
        let message = format!(
            "stage {name} waits until a person approves {} ({}{}): {}",
            candidate.name,
            short_digest(&candidate.digest),
            commit.unwrap_or_default(),
            commands::approve(self.view, candidate, name)
        );
        Some(self.row(Weight::Waits, APPROVAL, message, format!("approval of {name}")))
    }

    fn window_row(&self, promotion: &PromotionStatus, closed: &Closed) -> Row {
        let (name, window) = (&self.stage.name, &closed.window);
        let Some(opens) = closed.opens else {
            let message = format!(
                "stage {name} does not start: {closed}; change its windows, or skip them in an emergency with {}",
                commands::promote_now(self.view, &promotion.candidate)
            );
            let brief = match closed.searched_until {
                Some(time) => format!("{window}, no time found before {}", clock(time.into(), self.view.now)),
                None => format!("{window} never opens"),
            };
            return self.row(Weight::Blocks, WINDOW, message, brief);
        };
        let closed = closed.to_string();
        // In another time zone, all times besides are in UTC.
        let in_utc = (!closed.ends_with(" UTC")).then(|| format!(" ({})", opens.strftime(MINUTE)));
        let message = format!("stage {name} does not start: {closed}{}", in_utc.unwrap_or_default());
        let window = cut(window, BRIEF_NAME_LIMIT_BYTES);
        let brief = format!("window {window}, opens {}", opens.strftime(MINUTE));
        Row { until: Some(opens.into()), ..self.row(Weight::Waits, WINDOW, message, brief) }
    }
}

fn begins(phase: StagePhase) -> bool {
    matches!(phase, StagePhase::Gating | StagePhase::Writing)
}

/// Whether something is to be changed: what is only recorded restarts nothing.
fn changes(standings: &Standings<'_>) -> bool {
    let is_change = |write: &TargetWrite| write.expected.image != write.applied.reference;
    standings.writes.iter().any(is_change) || standings.refused
}
