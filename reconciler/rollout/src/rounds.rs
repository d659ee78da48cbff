//! In which order the Servers of a stage would roll: [`to_gate`] and [`to_lift`], asked until all are done.
//!
//! Pure.

use std::num::NonZeroU32;

use crate::order::{Member, Way, to_gate, to_lift};

/// Servers of a stage that roll after those before them are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Their names, in the order of their turns.
    pub servers: Vec<String>,
    /// How many of them roll at once.
    pub at_once: usize,
    /// Whether they are certificate authorities.
    pub is_of_authorities: bool,
}

/// The order of Servers that are not written yet and could all run the code. `members` are as they are before that.
pub fn rounds(members: &[Member<'_>], max_concurrent: Option<NonZeroU32>) -> Vec<Round> {
    let gated = to_gate(members, max_concurrent);
    let done = |member: &Member<'_>| Way::Done { ready: u32::from(member.has_pods) };
    let mut members: Vec<Member<'_>> = members.to_vec();
    for member in &mut members {
        member.is_gated = gated.contains(member.name);
    }
    let mut rounds: Vec<Round> = Vec::new();
    let free = members.iter().filter(|member| !member.is_gated && member.way == Way::Before);
    let mut turn: Vec<String> = free.map(|member| member.name.to_owned()).collect();
    turn.sort_unstable();
    for member in &mut members {
        member.way = if member.is_gated { Way::Under } else { done(member) };
    }
    loop {
        push(&mut rounds, &members, turn);
        turn = to_lift(&members, max_concurrent).into_iter().map(str::to_owned).collect();
        if turn.is_empty() {
            break;
        }
        for member in members.iter_mut().filter(|member| turn.iter().any(|name| name == member.name)) {
            (member.is_gated, member.way) = (false, done(member));
        }
    }
    rounds
}

/// Adds a turn: to the last round, where these follow one by one as soon as one of it is done.
fn push(rounds: &mut Vec<Round>, members: &[Member<'_>], turn: Vec<String>) {
    if turn.is_empty() {
        return;
    }
    let is_authority = |name: &String| members.iter().any(|one| one.name == *name && one.is_authority);
    let is_of_authorities = turn.iter().all(is_authority);
    match rounds.last_mut().filter(|last| last.is_of_authorities == is_of_authorities) {
        Some(last) => last.servers.extend(turn),
        None => rounds.push(Round { at_once: turn.len(), servers: turn, is_of_authorities }),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn said(names: &[&'static str], most: Option<u32>) -> Vec<String> {
        let member = |name: &&'static str| Member {
            name: name.trim_end_matches(['!', '0']),
            is_authority: name.contains('!'),
            is_gated: false,
            has_pods: !name.ends_with('0'),
            way: Way::Before,
        };
        let members: Vec<Member<'_>> = names.iter().map(member).collect();
        let rounds = rounds(&members, most.and_then(NonZeroU32::new));
        let text = |round: Round| {
            let kind = if round.is_of_authorities { "!" } else { "" };
            format!("{} ({}){kind}", round.servers.join(" "), round.at_once)
        };
        rounds.into_iter().map(text).collect()
    }

    #[rstest]
    #[case::all_at_once(&["b", "a"], None, &["a b (2)"])]
    #[case::two_at_a_time(&["a", "b", "c"], Some(2), &["a b c (2)"])]
    #[case::an_authority_last(&["ca!", "b", "a"], None, &["a b (2)", "ca (1)!"])]
    #[case::authorities_one_by_one(&["ca1!", "ca2!", "a"], None, &["a (1)", "ca1 ca2 (1)!"])]
    #[case::an_authority_alone(&["ca!"], None, &["ca (1)!"])]
    #[case::bounded_with_an_authority(&["a", "b", "c", "ca!"], Some(2), &["a b c (2)", "ca (1)!"])]
    #[case::nobody(&[], Some(1), &[])]
    fn in_order(#[case] names: &[&'static str], #[case] most: Option<u32>, #[case] wanted: &[&str]) {
        assert_eq!(said(names, most), wanted);
    }
}
