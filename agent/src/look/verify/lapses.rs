//! When something that is kept has to be judged again: no verdict on it counts any more, and none is on its way. Pure.
//!
//! A look judges what is kept when it begins, by the keys of then. What was elected by other keys before, or while that
//! look was under way, and what was good only until a key expired, would wait for the next one.

use std::collections::HashMap;

use jiff::Timestamp;
use voxsync_crds::{
    code_sync::{CandidateStatus, GitObjects, VerifiedStatus},
    time::Time,
};
use voxsync_promotion::{is_named_by, is_same};

use super::query::{Asked, VerifyQuery};
use crate::look::place::{Finding, JudgedBy};

/// What looks were called for: the same is no reason for another, or looks that cannot judge it would never end.
#[derive(Debug, Default)]
pub(crate) struct Lapses(Vec<Lapse>);

/// Something that no verdict counts for.
#[derive(Clone, Debug, PartialEq)]
struct Lapse {
    repository: String,
    digest: String,
    named_by: Option<GitObjects>,
    /// By what it would be judged.
    rules: String,
    keys: String,
    /// When the last verdict by these ended.
    until: Option<Time>,
}

impl Lapses {
    /// Whether a look has to judge something of this; says so once for the same keys, and once more when a verdict ends.
    pub(crate) fn call_for_a_look(
        &mut self,
        kept: &[CandidateStatus],
        asked: &Asked,
        findings: &HashMap<Asked, Finding>,
        now: Timestamp,
    ) -> bool {
        // Without a finding there is a first look anyway.
        let (Some(query), Some(finding)) = (&asked.verify, findings.get(asked)) else { return false };
        // Where the keys could not be read, or are none, looks go on until they can.
        let Some(JudgedBy::Keys(keys)) = &finding.judged_by else { return false };
        let is_present = |known: &Lapse| {
            let is_it = |one: &CandidateStatus| {
                (&one.repository, &one.digest, &one.named_by)
                    == (&known.repository, &known.digest, &known.named_by)
            };
            known.rules == query.rules && known.keys == *keys && kept.iter().any(is_it)
        };
        self.0.retain(is_present);
        let lapses = kept.iter().filter_map(|one| lapse(one, (query, keys), finding, now));
        let news: Vec<Lapse> = lapses.filter(|lapse| !self.0.contains(lapse)).collect();
        let is_any = !news.is_empty();
        self.0.extend(news);
        is_any
    }
}

/// What has to be judged again, if it has.
fn lapse(
    kept: &CandidateStatus,
    (query, keys): (&VerifyQuery, &str),
    finding: &Finding,
    now: Timestamp,
) -> Option<Lapse> {
    if finding.doubts().any(|unverified| unverified.is_of(&kept.repository, &kept.digest)) {
        return None;
    }
    let found = finding.image.iter().chain(&finding.next_best).filter(|found| found.is_of(kept));
    let is_of_it =
        |judged: &&CandidateStatus| is_same(judged, kept) && is_named_by(kept, judged.named_by.as_ref());
    let judged = finding.kept.iter().flatten().filter(is_of_it).chain([kept]);
    let verdicts = found.map(|found| &found.verified).chain(judged.map(|judged| &judged.verified));
    let is_by_these = |verified: &&VerifiedStatus| verified.rules == query.rules && verified.keys == keys;
    let verdicts: Vec<&VerifiedStatus> = verdicts.flatten().filter(is_by_these).collect();
    let counts = |verified: &&VerifiedStatus| verified.until.is_none_or(|until| now < until.timestamp());
    if verdicts.iter().any(counts) {
        return None;
    }
    Some(Lapse {
        repository: kept.repository.clone(),
        digest: kept.digest.clone(),
        named_by: kept.named_by.clone(),
        rules: query.rules.clone(),
        keys: keys.to_owned(),
        until: verdicts.iter().filter_map(|verified| verified.until).max(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use voxsync_promotion::Unverified;

    use super::*;
    use crate::look::place::Want;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn asked(secret: &str) -> Asked {
        let verify = json!({"cosign": {"keys": {"secretRef": {"name": secret}}}});
        let verify = VerifyQuery::of(&serde_json::from_value(verify).unwrap(), "puppet").unwrap();
        Asked { want: Want::Follow("stable".to_owned()), verify: Some(verify) }
    }

    /// An image with a verdict by the first keys.
    fn judged(digest: &str, keys: &str, until: Option<i64>) -> CandidateStatus {
        let rules = asked("keys").verify.unwrap().rules;
        let until = until.map(|second| at(second).into());
        let verified = VerifiedStatus { by: Vec::new(), rules, keys: keys.to_owned(), until };
        CandidateStatus { verified: Some(verified), ..unjudged(digest) }
    }

    fn unjudged(digest: &str) -> CandidateStatus {
        let (repository, digest) = ("a".to_owned(), digest.to_owned());
        CandidateStatus { repository, digest, ..CandidateStatus::default() }
    }

    fn refused(digest: &str) -> Unverified {
        Unverified {
            what: Some(digest.to_owned()),
            repository: Some("a".to_owned()),
            named_by: None,
            reason: Unverified::REFUSED.to_owned(),
            message: String::new(),
            overrules: true,
        }
    }

    /// By the second keys.
    fn finding(kept: Vec<Result<CandidateStatus, Unverified>>) -> Finding {
        let judged_by = Some(JudgedBy::Keys("second".to_owned()));
        Finding { judged_by, kept, ..Finding::default() }
    }

    /// Whether a look is called for, and whether the same calls for another one.
    fn calls(kept: &CandidateStatus, finding: Finding, now: i64) -> (bool, bool) {
        let (mut lapses, findings) = (Lapses::default(), HashMap::from([(asked("keys"), finding)]));
        let mut call =
            || lapses.call_for_a_look(std::slice::from_ref(kept), &asked("keys"), &findings, at(now));
        (call(), call())
    }

    #[test]
    fn what_no_verdict_counts_for_calls_for_one_look() {
        let (once, never) = ((true, false), (false, false));
        assert_eq!(calls(&judged("1", "first", None), finding(Vec::new()), 0), once, "other keys since");
        assert_eq!(calls(&unjudged("1"), finding(Vec::new()), 0), once);
        assert_eq!(calls(&judged("1", "second", Some(100)), finding(Vec::new()), 100), once, "it ended");
        assert_eq!(calls(&judged("1", "second", Some(100)), finding(Vec::new()), 99), never);
        assert_eq!(calls(&unjudged("1"), finding(vec![Ok(judged("1", "second", None))]), 0), never);
        assert_eq!(calls(&unjudged("1"), finding(vec![Err(refused("1"))]), 0), never, "looks go on anyway");
        let of_another = finding(vec![Ok(judged("2", "second", None)), Err(refused("2"))]);
        assert_eq!(calls(&unjudged("1"), of_another, 0), once);
        let named_by = |commit: &str| Some(GitObjects { commit: commit.to_owned(), ..GitObjects::default() });
        for (commit, wanted) in [("one", never), ("two", once)] {
            let good = CandidateStatus { named_by: named_by("one"), ..judged("1", "second", None) };
            let kept = CandidateStatus { named_by: named_by(commit), ..unjudged("1") };
            assert_eq!(calls(&kept, finding(vec![Ok(good)]), 0), wanted, "{commit}");
        }
    }

    #[test]
    fn where_looks_go_on_anyway_none_is_called_for() {
        for judged_by in [None, Some(JudgedBy::Nothing("no Secret".to_owned()))] {
            let finding = Finding { judged_by, ..Finding::default() };
            assert_eq!(calls(&unjudged("1"), finding, 0), (false, false));
        }
        let mut lapses = Lapses::default();
        assert!(!lapses.call_for_a_look(&[unjudged("1")], &asked("keys"), &HashMap::new(), at(0)));
    }

    #[test]
    fn a_verdict_that_ends_calls_once_more_and_looks_that_disagree_call_no_more() {
        let kept = [unjudged("1"), unjudged("2")];
        let mut lapses = Lapses::default();
        let mut call = |kept: &[CandidateStatus], judgements: Vec<CandidateStatus>, now: i64| {
            let judgements = judgements.into_iter().map(Ok).collect();
            let findings = HashMap::from([(asked("keys"), finding(judgements))]);
            lapses.call_for_a_look(kept, &asked("keys"), &findings, at(now))
        };
        let (one, two) = (judged("1", "second", Some(100)), judged("2", "second", Some(100)));
        assert!(call(&kept, vec![one.clone()], 0));
        assert!(call(&kept, vec![two.clone()], 1));
        assert!(!call(&kept, vec![one.clone()], 2), "they were called for");
        assert!(!call(&kept, vec![one.clone(), two.clone()], 3));
        assert!(call(&kept, vec![one.clone(), two.clone()], 100) && !call(&kept, vec![one, two], 101));
        assert!(!call(&[], Vec::new(), 102) && call(&kept[..1], Vec::new(), 103), "it was away meanwhile");
    }

    #[test]
    fn other_rules_call_anew() {
        let findings = ["keys", "others"].map(|secret| (asked(secret), finding(Vec::new())));
        let (mut lapses, findings) = (Lapses::default(), HashMap::from(findings));
        for secret in ["keys", "others", "keys"] {
            assert!(lapses.call_for_a_look(&[unjudged("1")], &asked(secret), &findings, at(0)));
            assert!(!lapses.call_for_a_look(&[unjudged("1")], &asked(secret), &findings, at(0)));
        }
    }
}
