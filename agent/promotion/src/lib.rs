//! One candidate's way through the stages: a pure state machine.
//!
//! [`step`] takes what people want (the spec), what was decided before (the status), what is observed, and the
//! time; it gives the new status, the actions to carry out, and when to look again. It knows no clock, no network
//! and no Kubernetes client.
//!
//! Guarantees, which the simulation in `tests/` checks:
//! - Actions of one step are independent: any order, any number of times. What must come after another is
//!   emitted by a later step, once the effect is observed. So a crash between any two loses nothing.
//! - A promotion is in the status before its first write is an action.
//! - A step over an unchanged observation gives the same status and no actions.

mod adoption;
mod after_release;
mod approvals;
mod awaited;
mod bounds;
mod candidate;
mod checks;
mod commands;
mod conditions;
mod decided;
mod events;
mod forecast;
mod gate_age;
mod gates;
mod higher;
mod joining;
mod last_good;
mod lifecycle;
mod manual_rollback;
mod observed;
mod overview;
mod progress;
mod promotion_events;
mod proof;
mod quarantine;
mod readiness;
mod release;
mod reopened;
mod ripening;
mod rollback;
mod rows;
mod soak;
mod source;
mod stage_events;
mod stage_rows;
mod standings;
mod takeover;
mod target;
mod text;
mod thinning;
mod verified;
mod view;
mod visit;
mod walk;

use jiff::Timestamp;
use voxsync_crds::code_sync::{CodeSyncSpec, CodeSyncStatus};

pub use awaited::{Awaited, awaited};
pub use candidate::{is_named_by, is_same, taken_first};
pub use decided::{Action, CheckRun, EventKind, Step, TargetWrite};
pub use forecast::{Change, Forecast, StageForecast, WindowForecast, forecast};
pub use last_good::{LastGood, Left, NoLastGood, last_good};
pub use observed::{
    CheckAnswer, ClaimedBy, Claims, Gatekeeper, ImageProblem, LastWriter, Live, Observed, ObservedSource,
    ObservedTarget, PausedBy, RIPENING_LIMIT, RefusedWrite, ServerRollout, SourceProblem, TargetProblem,
    Unverified,
};
pub use overview::is_bad_pin;
pub use readiness::{check_windows, idle_windows};
pub use ripening::ripe_at;
pub use verified::verify_rules;
pub use voxsync_crds::code_sync::TargetKey;

use view::View;

/// Decides what comes next.
///
/// `status` is the status as it is stored. The new one is stored, if it differs, before any action is carried out;
/// then the next step is taken from it.
pub fn step(spec: &CodeSyncSpec, status: &CodeSyncStatus, observed: &Observed, now: Timestamp) -> Step {
    let view = View::new(spec, status, observed, now);
    let mut after = status.clone();
    if observed.is_leaving && !observed.has_finalizer {
        // It waits for somebody else's finalizer: nothing is left to do here.
        return Step { status: after, actions: Vec::new(), checks: Vec::new(), wake_at: None };
    }
    let sight = candidate::look(&view);
    if !observed.is_leaving {
        acknowledge(&view, &mut after);
        approvals::take(&view, &mut after);
        source::report(&view, &sight, &mut after);
    }

    let frozen = lifecycle::is_frozen(&view, &sight);
    let turn = lifecycle::turn(&view, &sight, frozen, &mut after);
    let rows = overview::rows(&view, &sight, &after);
    let walk = walk::through_stages(&view, &after, rows, frozen);
    lifecycle::conclude(&view, &sight, &walk, frozen, &mut after);

    let wakes = walk.next_wake().into_iter();
    after.stages = walk.stages;
    rollback::forget(&view, &mut after);
    after.holds = walk.holds;
    if turn.resumed {
        after.holds.iter_mut().for_each(|hold| hold.resumed = true);
    }
    after.waiting = walk.rows.waiting();
    conditions::conclude(&view, &sight, &walk.rows, &mut after);
    bounds::fit(&mut after);
    let wakes = wakes.chain(verified::ends_at(&view, &after));
    let wake_at = wakes.chain(adoption::waits_for_target(&view, &after, sight.wanted())).min();

    let mut actions = events::between(&view, &after, &walk.adoptions);
    if !turn.fresh {
        let writes = walk.writes.into_iter().filter(|write| {
            verified::lets_through(&view, &after, write) && quarantine::lets_through(&after, write)
        });
        actions.extend(writes.map(|write| Action::Write(Box::new(write))));
    }
    actions.extend(gates::finalizer(&view, &after, walk.asks_for_gates).map(Action::Finalizer));
    let record = after.promotion.as_ref().and_then(|promotion| release::record(&view, &after, promotion));
    actions.extend(record.map(|record| Action::Record(Box::new(record))));
    Step { status: after, actions, checks: walk.checks, wake_at: wake_at.map(Timestamp::from) }
}

fn acknowledge(view: &View<'_>, after: &mut CodeSyncStatus) {
    after.observed_generation = Some(view.observed.generation);
    let requested = view.observed.requested_at.as_deref();
    if let Some(token) = requested.map(|token| text::cut(token, text::NAME_LIMIT_BYTES)) {
        after.last_handled_reconcile_at = Some(token);
    }
}
