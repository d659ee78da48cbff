//! Targets that come to a stage between two promotions, or before its turn, with other code.
//!
//! They are given what the stage runs without a promotion, as far as nobody has to be held back for it: where not all may
//! roll at once, they come one after the other, certificate authorities last. A target of which the Servers need an order
//! among themselves keeps what it has until a promotion comes to its stage: that keeps an order, and gives back what fails.

use std::{collections::BTreeMap, num::NonZeroU32, ptr};

use voxsync_rollout::order::{Member, Way, to_gate};

use crate::{
    decided::TargetWrite,
    observed::{ObservedTarget, ServerRollout},
    rollback::is_settling,
    rows::{JOINING, Row, Weight},
    text::{names, short_code},
    visit::{Position, Visit},
};

/// A target that is to be written.
pub(crate) struct Due<'t> {
    pub target: &'t ObservedTarget,
    pub write: TargetWrite,
    /// Why it is to be written.
    pub cause: Cause,
}

/// Why a target of a stage that is not worked on is to be written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It came late: it has nothing of ours.
    Late,
    /// It has, or had: a person said to go on where somebody else changed it.
    Ours,
}

/// What of a stage that is not worked on is written now, and what waits.
#[derive(Default)]
pub(crate) struct Admission<'t> {
    pub now: Vec<Due<'t>>,
    /// Those that wait for a promotion.
    pub for_promotion: Vec<Due<'t>>,
    /// Those that wait for others of the stage.
    pub for_others: Vec<Due<'t>>,
    /// The Servers that roll, or will with what is written now.
    rolling: Vec<&'t str>,
}

/// Servers by name: several entries of a list are several targets with the same Servers.
type Members<'t> = BTreeMap<&'t str, Member<'t>>;

impl<'a> Visit<'a, '_> {
    /// Sorts out what is written now. Where the stage is worked on, or needs no order, that is all.
    pub(crate) fn admit(&self, due: Vec<Due<'a>>) -> Admission<'a> {
        if !self.is_between_promotions() || self.stage.allow_unordered {
            return Admission { now: due, ..Admission::default() };
        }
        // Nobody waits who has no code yet.
        let (mut rolls, now): (Vec<_>, Vec<_>) = due.into_iter().partition(|due| replaces_code(&due.write));
        let mut admission = Admission { now, ..Admission::default() };
        let mut rolling = self.rolling(&rolls);
        // What is refused takes nobody's place.
        rolls.sort_by_key(|due| (due.target.refused.is_some(), has_authority(due.target)));
        for due in rolls {
            let own = members(due.target, |_| true, Way::Before);
            if own.is_empty() {
                admission.now.push(due);
                continue;
            }
            let needs_order = !self.may_roll(&own);
            if needs_order && due.cause == Cause::Late {
                admission.for_promotion.push(due);
                continue;
            }
            let mut all = rolling.clone();
            all.extend(own);
            // A person said that it is to be written, and no promotion comes for it: it rolls as it did when it was changed.
            let may_roll = if needs_order { rolling.is_empty() } else { self.may_roll(&all) };
            if !may_roll {
                admission.for_others.push(due);
                continue;
            }
            if due.target.refused.as_ref().is_none_or(|refused| refused.is_retry_due) {
                rolling = all;
            }
            admission.now.push(due);
        }
        admission.rolling = rolling.into_keys().collect();
        admission
    }

    /// Whether what is due is not brought by the promotion that works on the stage.
    fn is_between_promotions(&self) -> bool {
        use Position::{Abandoned, Later, Passed, Resting};
        matches!(self.position, Passed(_) | Resting | Later(_) | Abandoned)
    }

    /// The Servers that roll already, but for those whose targets are to be written.
    fn rolling(&self, due: &[Due<'_>]) -> Members<'a> {
        if due.is_empty() {
            return Members::new();
        }
        let is_due = |target: &ObservedTarget| due.iter().any(|due| ptr::eq(due.target, target));
        let others = self.targets.iter().filter(|target| !is_due(target));
        others.flat_map(|target| members(target, is_settling, Way::Under)).collect()
    }

    /// Whether all of them may roll without anybody being held back.
    fn may_roll(&self, members: &Members<'_>) -> bool {
        let all: Vec<Member<'_>> = members.values().copied().collect();
        let is_alone = |it: &Member<'_>| !it.is_authority || it.way == Way::Before || all.len() == 1;
        let most = self.stage.max_concurrent.and_then(NonZeroU32::new);
        to_gate(&all, most).is_empty() && all.iter().all(is_alone)
    }

    /// What is said of those that wait.
    pub(crate) fn joining_rows(&self, admission: &Admission<'_>) -> impl Iterator<Item = Row> {
        let name = &self.stage.name;
        let row = |late: &[Due<'_>], why: String| {
            let first = late.first()?;
            let said = late.iter().map(|due| {
                format!("{} ({})", due.target.key, short_code(due.write.expected.image.as_deref()))
            });
            let said: Vec<String> = said.collect();
            let message = format!("{} {why}", names(said.iter().map(String::as_str)));
            Some(self.row(Weight::Waits, JOINING, message, format!("{} joins {name}", first.target.key)))
        };
        let for_promotion = row(
            &admission.for_promotion,
            format!(
                "came to stage {name} with other code, and the Servers of one such target must not all roll at once: it keeps \
                 that until the next promotion comes to the stage; with allowUnordered: true it is given what the stage runs \
                 at once"
            ),
        );
        let for_others = row(
            &admission.for_others,
            format!(
                "of stage {name}, where not all may roll at once: what the stage runs is given after {}",
                names(admission.rolling.iter().copied())
            ),
        );
        for_promotion.into_iter().chain(for_others)
    }
}

/// Whether a write makes Servers roll that have code already.
fn replaces_code(write: &TargetWrite) -> bool {
    write.expected.image.is_some() && write.expected.image != write.applied.reference
}

fn has_authority(target: &ObservedTarget) -> bool {
    target.servers.iter().any(|server| server.serves_code && server.is_authority)
}

/// The Servers of a target that are meant, and have something that rolls.
fn members<'t>(
    target: &'t ObservedTarget,
    is_meant: impl Fn(&ServerRollout) -> bool,
    way: Way,
) -> Members<'t> {
    let servers = target.servers.iter().filter(|server| server.serves_code && server.has_deployment);
    let member = |server: &'t ServerRollout| Member {
        name: server.name.as_str(),
        is_authority: server.is_authority,
        is_gated: false,
        has_pods: server.progress.wanted > 0,
        way,
    };
    servers.filter(|server| is_meant(server)).map(member).map(|member| (member.name, member)).collect()
}
