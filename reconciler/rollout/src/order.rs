//! In which order the Servers of a stage may roll.
//!
//! Certificate authorities come last and alone: their Deployments are recreated, so code that cannot run takes them
//! down. `max_concurrent` bounds how many of the others roll at once. Both rules hold Deployments back by gates
//! before the code is written, and lift them one by one: [`to_gate`], [`to_lift`] and [`goes_back_at_once`] are all there is
//! to decide, and the agent and the reconciler ask the same.
//!
//! Pure.

use std::{collections::BTreeSet, num::NonZeroU32};

use crate::state::RolloutState;

/// A Server of a stage that serves code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it is a certificate authority.
    pub is_authority: bool,
    /// Whether voxsync holds its Deployment back.
    pub is_gated: bool,
    /// Whether its Deployment is to have pods, which could prove the code.
    pub has_pods: bool,
    /// Where it is on the way to the code that the stage is given.
    pub way: Way,
}

/// Where a Server is on the way to the code that its stage is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What it is to run is not written to its target yet.
    Before,
    /// Its pods go over, or will as soon as the template has the code or the gate is lifted.
    Under,
    /// It has no Deployment: there is nothing to hold back, and nothing that proves the code.
    Missing,
    /// A pod of it cannot start, or it waits for a person: nobody may follow.
    Stopped,
    /// All of its pods run it; how many are ready.
    Done {
        /// Pods that are ready.
        ready: u32,
    },
}

/// Which Servers have to be held back before the stage's code is written.
pub fn to_gate<'a>(members: &[Member<'a>], max_concurrent: Option<NonZeroU32>) -> BTreeSet<&'a str> {
    let is_bounded = max_concurrent.is_some_and(|most| members.len() > most.get() as usize);
    // Who has no pods proves nothing that anybody could wait for.
    let has_company = |name| members.iter().any(|other| other.name != name && other.has_pods);
    let before = members.iter().filter(|member| member.way == Way::Before);
    let gated = before.filter(|member| is_bounded || (member.is_authority && has_company(member.name)));
    gated.map(|member| member.name).collect()
}

/// By whom a Deployment is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// voxsync: a gate is written on it, even if a person undid the pause.
    Gate,
    /// Anybody else, who paused it.
    Person,
}

/// Whether a Server that is to go back does not run the candidate well, so that nothing is gained by holding it back: the
/// others wait for it. Who is held back already stays so.
pub fn goes_back_at_once(state: Option<&RolloutState>, hold: Option<Hold>) -> bool {
    match hold {
        Some(Hold::Gate) => false,
        Some(Hold::Person) => true,
        None => !matches!(state, Some(RolloutState::Complete(_))),
    }
}

/// Which Servers' gates may be lifted now, if their templates have the code. The answer is the same until one is
/// lifted, so that several who ask at once do not lift more than one of them should.
pub fn to_lift<'a>(members: &[Member<'a>], max_concurrent: Option<NonZeroU32>) -> BTreeSet<&'a str> {
    let is_still = |way| matches!(way, Way::Done { .. } | Way::Missing);
    let rolling = members.iter().filter(|member| !member.is_gated && !is_still(member.way));
    let (rolling, authority_rolls) = rolling
        .fold((0_u32, false), |(count, authority), member| (count + 1, authority || member.is_authority));
    if members.iter().any(|member| member.way == Way::Stopped) || authority_rolls {
        return BTreeSet::new();
    }
    let waiting = |is_authority| {
        // Who cannot have the code yet does not stand in the way of those who can.
        let waiting = move |member: &&Member<'a>| {
            member.is_gated && member.is_authority == is_authority && member.way != Way::Before
        };
        let mut names: Vec<&str> = members.iter().filter(waiting).map(|member| member.name).collect();
        names.sort_unstable();
        names
    };
    let others = waiting(false);
    if !others.is_empty() {
        let room = max_concurrent.map_or(u32::MAX, |most| most.get().saturating_sub(rolling));
        return others.into_iter().take(room as usize).collect();
    }
    let has_proof = |member: &Member<'_>| matches!(member.way, Way::Done { ready } if ready > 0);
    let company = || members.iter().filter(|member| !member.is_authority && member.has_pods);
    // An authority alone is held back only if it had company: who was scaled down or deleted since proved nothing.
    let is_sole = members.iter().filter(|member| member.is_authority).count() == 1;
    let is_left_alone = is_sole && company().next().is_none();
    if rolling > 0 || !company().all(has_proof) || is_left_alone {
        return BTreeSet::new();
    }
    waiting(true).into_iter().take(1).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::state::Progress;

    fn member(text: &str) -> Member<'_> {
        // A name, `!` for an authority, `#` for a gate, `0` for no pods, and the first letter of: before, under,
        // missing, stopped, done.
        let (name, way) = text.rsplit_once(' ').unwrap();
        Member {
            name: name.trim_end_matches(['!', '#', '0']),
            is_authority: name.contains('!'),
            is_gated: name.contains('#'),
            has_pods: !name.ends_with('0'),
            way: match way {
                "b" => Way::Before,
                "u" => Way::Under,
                "m" => Way::Missing,
                "s" => Way::Stopped,
                _ => Way::Done { ready: u32::from(!name.ends_with('0')) },
            },
        }
    }

    fn members<'a>(texts: &'a [&'a str]) -> Vec<Member<'a>> {
        texts.iter().map(|text| member(text)).collect()
    }

    #[rstest]
    #[case::no_order(&["a b", "b b"], None, &[])]
    #[case::an_authority_in_company(&["a b", "ca! b"], None, &["ca"])]
    #[case::an_authority_alone(&["ca! b"], None, &[])]
    #[case::an_authority_beside_one_without_pods(&["a0 b", "ca! b"], None, &[])]
    #[case::two_authorities(&["ca1! b", "ca2! b"], None, &["ca1", "ca2"])]
    #[case::room_for_all(&["a b", "b b"], Some(2), &[])]
    #[case::one_at_a_time(&["a b", "b b"], Some(1), &["a", "b"])]
    #[case::what_has_it_already_goes_on(&["a d", "b b", "ca! d"], Some(1), &["b"])]
    #[case::nobody_to_hold_back(&[], Some(1), &[])]
    fn holds_back(#[case] texts: &[&str], #[case] most: Option<u32>, #[case] wanted: &[&str]) {
        let gated = to_gate(&members(texts), most.and_then(NonZeroU32::new));
        assert_eq!(gated.into_iter().collect::<Vec<_>>(), wanted);
    }

    #[rstest]
    #[case::well(Some(true), None, false)]
    #[case::not_well(Some(false), None, true)]
    #[case::not_known(None, None, true)]
    #[case::well_and_held_back(Some(true), Some(Hold::Gate), false)]
    #[case::held_back(Some(false), Some(Hold::Gate), false)]
    #[case::paused_by_a_person(Some(true), Some(Hold::Person), true)]
    fn who_does_not_run_it_well_goes_back_at_once(
        #[case] is_well: Option<bool>,
        #[case] hold: Option<Hold>,
        #[case] wanted: bool,
    ) {
        let progress = Progress { updated: 1, ready: 1, wanted: 1 };
        let state = |is_well| {
            if is_well { RolloutState::Complete(progress) } else { RolloutState::Progressing(progress) }
        };
        assert_eq!(goes_back_at_once(is_well.map(state).as_ref(), hold), wanted);
    }

    #[rstest]
    #[case::others_first(&["a# u", "ca!# u"], None, &["a"])]
    #[case::as_many_as_may(&["a# u", "b# u", "c# u"], Some(2), &["a", "b"])]
    #[case::no_room(&["a u", "b# u", "c# u"], Some(1), &[])]
    #[case::room_again(&["a d", "b# u", "c# u"], Some(1), &["b"])]
    #[case::nobody_follows_who_is_stopped(&["a s", "b# u", "ca!# u"], Some(2), &[])]
    #[case::the_authority_waits_for_who_rolls(&["a u", "ca!# u"], None, &[])]
    #[case::the_authority_comes_last(&["a d", "ca!# u"], None, &["ca"])]
    #[case::authorities_one_by_one(&["a d", "ca1!# u", "ca2!# u"], None, &["ca1"])]
    #[case::alone(&["a d", "ca1! u", "ca2!# u"], None, &[])]
    #[case::nothing_beside_an_authority(&["a# u", "ca! u"], None, &[])]
    #[case::those_without_pods_are_no_company(&["a0 d", "b d", "ca!# u"], None, &["ca"])]
    #[case::the_others_were_scaled_down(&["a0 d", "b0 d", "ca!# u"], None, &[])]
    #[case::the_others_were_deleted(&["ca!# u"], None, &[])]
    #[case::a_deployment_was_deleted(&["a m", "b d", "ca!# u"], None, &[])]
    #[case::the_others_go_on_without_a_deployment(&["a m", "b# u", "ca!# u"], Some(1), &["b"])]
    #[case::authorities_only(&["ca1!# u", "ca2!# u"], None, &["ca1"])]
    #[case::not_written_yet(&["a b", "ca!# u"], None, &[])]
    #[case::who_waits_for_the_code_lets_others_by(&["a# b", "b# u", "c# u"], Some(1), &["b"])]
    #[case::the_authority_waits_for_whom_the_code_waits(&["a# b", "b d", "ca!# u"], None, &[])]
    fn lifts(#[case] texts: &[&str], #[case] most: Option<u32>, #[case] wanted: &[&str]) {
        let lifted = to_lift(&members(texts), most.and_then(NonZeroU32::new));
        assert_eq!(lifted.into_iter().collect::<Vec<_>>(), wanted);
    }
}
