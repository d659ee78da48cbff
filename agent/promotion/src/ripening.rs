//! Candidates that are younger than `minimumAge`, and which one is the newest that is old enough.
//!
//! A tag that was pushed again before it was old enough is another candidate, which starts anew: what somebody took back
//! must not run. So a tag is asked for once more when it is old enough, and is taken if it still is what it was.
//!
//! A candidate is ripe `minimumAge` after voxsync first saw it, or after the time at which its image says that it was
//! made, whichever is later: an image can make itself younger, never older. What runs stays, and so does what was taken
//! once. A registry gives its candidates ranked. A branch, Git tags, a file and a followed tag give one at a time: there
//! the list is what was seen under this spec, the newest first, and one that is seen again is the newest, with the age
//! that it has.

use std::time::Duration;

use jiff::Timestamp;
use voxsync_crds::{
    CodeReference,
    code_sync::{CandidateStatus, PromotionStatus},
    duration::DurationText,
    reference::{is_only_tag, short_digest},
    time::Time,
};

use crate::{
    candidate::{digest_seen_first, finished, is_deployed, is_pinned, is_same, known},
    commands, quarantine,
    rows::{MINIMUM_AGE, Row, Weight},
    text::{clock, later, moment},
    thinning::thin_out,
    view::View,
};

/// What waits for its age.
#[derive(Default)]
pub(crate) struct Ripening {
    /// What the status keeps, the best first.
    pub(crate) kept: Vec<CandidateStatus>,
    /// The first of them that will be old enough, and when.
    next: Option<(CandidateStatus, Time)>,
    /// The best of them that is old enough: its tag is asked for once more.
    doubted: Option<(CandidateStatus, Time)>,
}

/// What the source has to offer, by age.
pub(crate) struct Harvest {
    /// The best one that is old enough.
    pub(crate) ripe: Option<CandidateStatus>,
    pub(crate) ripening: Ripening,
}

/// The age that candidates must reach; none where they need none. What cannot be read was refused before.
pub(crate) fn minimum_age(view: &View<'_>) -> Option<Duration> {
    let age = view.spec.minimum_age.as_ref().map(DurationText::to_duration)?.ok()?;
    (!age.is_zero()).then_some(age)
}

/// While a person has chosen, the ages of what the source names go on.
pub(crate) fn while_pinned(view: &View<'_>) -> Ripening {
    let Some(age) = minimum_age(view) else { return Ripening::default() };
    let Harvest { ripe, mut ripening } = harvest(view, age);
    if let Some(ripe) = ripe {
        ripening.keep(view, &ripe, age);
    }
    Ripening { kept: ripening.kept, ..Ripening::default() }
}

/// The best candidate that is old enough, and those better ones that are not.
pub(crate) fn harvest(view: &View<'_>, age: Duration) -> Harvest {
    if view.observed.source.candidate.is_none() {
        return until_seen(view, age);
    }
    let mut kept = Vec::new();
    let mut ripe = None;
    for candidate in offered(view) {
        let is_old_enough = ripe_at(&candidate, age) <= view.now;
        if is_taken(view, &candidate) || (is_old_enough && is_confirmed(view, &candidate)) {
            ripe = Some(CandidateStatus { replaces: None, ..candidate });
            break;
        }
        kept.push(candidate);
    }
    if view.is_ranked() && view.observed.source.problem.as_ref().is_some_and(|problem| problem.unreachable) {
        // The look ended too soon: what it did not come to keeps its age and its place, and is not taken.
        let mut place = kept.len();
        for known in view.before.ripening.iter().rev() {
            match kept.iter().position(|seen| has_same_tag(seen, known)) {
                Some(present) => place = present,
                None if ripe.iter().any(|ripe| has_same_tag(ripe, known)) => {}
                None => kept.insert(place, known.clone()),
            }
        }
    }
    thin_out(&mut kept, age);
    Harvest { ripe, ripening: Ripening::new(view, age, kept) }
}

/// Nobody looked yet: ages go on, but what the source may have taken back is not taken.
fn until_seen(view: &View<'_>, age: Duration) -> Harvest {
    let goes_on = view.is_ranked() || view.is_same_spec();
    let kept = if goes_on { view.before.ripening.clone() } else { Vec::new() };
    Harvest { ripe: None, ripening: Ripening { doubted: None, ..Ripening::new(view, age, kept) } }
}

impl Ripening {
    fn new(view: &View<'_>, age: Duration, kept: Vec<CandidateStatus>) -> Self {
        let times = kept.iter().map(|candidate| (candidate.clone(), ripe_at(candidate, age)));
        let doubted = times.clone().find(|(_, time)| *time <= view.now);
        let next = times.filter(|(_, time)| *time > view.now).min_by_key(|(_, time)| *time);
        Self { kept, next, doubted }
    }

    /// Keeps the age of a candidate that is old enough, and is not taken.
    pub(crate) fn keep(&mut self, view: &View<'_>, candidate: &CandidateStatus, age: Duration) {
        if self.kept.iter().any(|kept| is_one(kept, candidate)) {
            return;
        }
        let mut kept = std::mem::take(&mut self.kept);
        kept.push(candidate.clone());
        thin_out(&mut kept, age);
        // Nobody is told of what is not kept: of the others, another is the next. This one itself is not waited for.
        let others: Vec<CandidateStatus> = kept.iter().filter(|it| !is_one(it, candidate)).cloned().collect();
        let Self { next, doubted, .. } = Self::new(view, age, others);
        *self = Self { kept, next, doubted: doubted.filter(|_| self.doubted.is_some()) };
    }

    /// Whether one of them will be old enough, or is.
    pub(crate) fn is_awaited(&self) -> bool {
        self.next.is_some() || self.doubted.is_some()
    }

    /// A sentence about the best tag that was pushed again before it was old enough.
    pub(crate) fn replaced(&self) -> Option<String> {
        let (again, first) = self.kept.iter().find_map(|kept| Some((kept, kept.replaces.as_ref()?)))?;
        Some(format!(
            "the tag {} of {} was pushed again before it was old enough: it was {} and is {} now. Its age counts from when \
             that was first seen, and what it was before is not taken",
            again.tag.as_deref().unwrap_or_default(),
            again.repository,
            short_digest(first),
            short_digest(&again.digest),
        ))
    }

    /// Says what is waited for, and until when.
    pub(crate) fn row(&self, view: &View<'_>) -> Option<Row> {
        let age = &view.spec.minimum_age.as_ref()?.0;
        if let Some((candidate, since)) = &self.doubted {
            let name = &candidate.name;
            let message = format!(
                "{name} is old enough since {}: minimumAge is {age}. Its tag is asked for once more, and it is taken if that \
                 was not pushed again meanwhile",
                moment(*since)
            );
            let brief = format!("tag {name} is asked for once more");
            let reason = MINIMUM_AGE.to_owned();
            return Some(Row { weight: Weight::Waits, stage: None, reason, message, brief, until: None });
        }
        let (candidate, until) = self.next.as_ref()?;
        let name = &candidate.name;
        let first_seen = candidate.first_seen.unwrap_or(view.now);
        let made_later = candidate.created.filter(|created| *created > first_seen);
        let since = made_later.map_or_else(
            || format!("it was first seen at {}", moment(first_seen)),
            |created| {
                format!(
                    "its image says that it was made at {}, which is after it was first seen",
                    moment(created)
                )
            },
        );
        let others = match self.kept.len() - 1 {
            0 => String::new(),
            others => format!(" ({others} more wait for their age)"),
        };
        // A pin does not take what is in quarantine either.
        let sooner = match quarantine::of(view.before, candidate) {
            Some(kept) => {
                let release = commands::release_quarantine(view, &kept.digest);
                format!("it is in quarantine, and not taken before {release}")
            }
            None => format!("{} takes it at once", commands::promote(view, candidate)),
        };
        let message = format!(
            "{name} is old enough at {}: minimumAge is {age}, and {since}{others}; {sooner}",
            moment(*until),
        );
        Some(Row {
            weight: Weight::Waits,
            stage: None,
            reason: MINIMUM_AGE.to_owned(),
            message,
            brief: format!("age of {name} until {}", clock(*until, first_seen)),
            until: Some(*until),
        })
    }
}

/// What could be taken, the best first, each with the time at which it was first seen.
fn offered(view: &View<'_>) -> Vec<CandidateStatus> {
    let source = &view.observed.source;
    let named = source.candidate.iter().chain(&source.next_best).map(|candidate| {
        let first = digest_seen_first(view, candidate);
        with_age(view, first.unwrap_or_else(|| candidate.clone()))
    });
    let mut offered: Vec<CandidateStatus> = named.collect();
    // What another spec saw may be of another source.
    if !view.is_ranked() && view.is_same_spec() {
        let ripening = view.before.ripening.iter().filter(|candidate| !was_replaced(view, candidate));
        offered.extend(ripening.cloned());
        offered.extend(known(view).cloned());
    }
    let mut seen: Vec<CandidateStatus> = Vec::with_capacity(offered.len());
    for candidate in offered {
        if !seen.iter().any(|other| is_one(other, &candidate)) {
            seen.push(candidate);
        }
    }
    seen
}

fn with_age(view: &View<'_>, candidate: CandidateStatus) -> CandidateStatus {
    let known = view.before.ripening.iter().find(|known| is_one(known, &candidate));
    let first_seen = known.and_then(|known| known.first_seen).or(candidate.first_seen);
    let first =
        || view.before.ripening.iter().find(|first| keeps_tag(view) && has_same_tag(first, &candidate));
    let replaces =
        known.map_or_else(|| first().map(|first| first.digest.clone()), |known| known.replaces.clone());
    let source_revision = candidate.source_revision.clone().or_else(|| view.observed.source.revision.clone());
    let source_revision = source_revision.or_else(|| Some(candidate.digest.clone()));
    finished(view, CandidateStatus { first_seen, replaces, source_revision, ..candidate })
}

/// Whether a tag of the source should be the same image for ever.
fn keeps_tag(view: &View<'_>) -> bool {
    !view.follows_tag() && !view.observed.source.names_digest
}

/// Whether a tag is seen to be another image by now.
fn was_replaced(view: &View<'_>, candidate: &CandidateStatus) -> bool {
    let source = &view.observed.source;
    let named = source.candidate.iter().filter(|_| keeps_tag(view));
    let mut named = named.filter(|named| has_same_tag(named, candidate));
    let mut confirmed = source.confirmed.iter().filter(|_| !view.follows_tag());
    named.any(|named| named.digest != candidate.digest)
        || confirmed.any(|it| is_tag_of(it, candidate) && it.digest() != Some(&candidate.digest))
}

/// Whether a tag was asked for again, and still is what it was; or there is none that could have been pushed again.
fn is_confirmed(view: &View<'_>, candidate: &CandidateStatus) -> bool {
    let source = &view.observed.source;
    let is_named = source.names_digest && source.candidate.iter().any(|named| is_one(named, candidate));
    // While a person has chosen, nothing is taken.
    view.spec.pin.is_some()
        || view.follows_tag()
        || candidate.tag.is_none()
        || is_named
        || source
            .confirmed
            .iter()
            .any(|it| is_tag_of(it, candidate) && it.digest() == Some(&candidate.digest))
}

fn is_tag_of(reference: &CodeReference, candidate: &CandidateStatus) -> bool {
    reference.repository() == candidate.repository && reference.tag() == candidate.tag.as_deref()
}

fn has_same_tag(one: &CandidateStatus, other: &CandidateStatus) -> bool {
    one.tag.is_some() && one.tag == other.tag && one.repository == other.repository
}

/// Whether two candidates are the same image under the same name.
fn is_one(one: &CandidateStatus, other: &CandidateStatus) -> bool {
    is_same(one, other) && one.tag == other.tag
}

/// What was taken before, or runs everywhere, is not called back for its age.
fn is_taken(view: &View<'_>, candidate: &CandidateStatus) -> bool {
    let before = view.before;
    let under_way =
        before.promotion.as_ref().filter(|promotion: &&PromotionStatus| promotion.outcome.is_none());
    let taken = before.candidate.iter().filter(|taken| !is_pinned(taken));
    taken.chain(under_way.map(|promotion| &promotion.candidate)).any(|taken| is_one(taken, candidate))
        || before.deployed.as_ref().is_some_and(|deployed| is_deployed(view, candidate, deployed))
        || runs_everywhere(view, candidate)
}

/// Whether all targets have it already: to take it changes nothing.
fn runs_everywhere(view: &View<'_>, candidate: &CandidateStatus) -> bool {
    let mut targets = view.observed.stages.iter().flatten().peekable();
    let has_it = |image: &str| {
        voxsync_crds::reference::is_same_code(image, &candidate.reference)
            || (view.keeps_tags() && is_only_tag(image, &candidate.repository, candidate.tag.as_deref()))
    };
    targets.peek().is_some()
        && targets
            .all(|target| target.live.as_ref().is_ok_and(|live| live.image.as_deref().is_some_and(has_it)))
}

/// When a candidate is old enough.
pub fn ripe_at(candidate: &CandidateStatus, age: Duration) -> Time {
    let first_seen = candidate.first_seen.map_or(Timestamp::MAX, Timestamp::from);
    let born = candidate.created.map_or(first_seen, |created| first_seen.max(created.into()));
    later(born.into(), age)
}
