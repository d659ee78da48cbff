use std::time::Duration;

use super::*;
use crate::look::place::{Access, Found, IMAGE_UNAVAILABLE, TagQuery};
use voxsync_policy::TagRule;
use voxsync_promotion::SourceProblem;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn subscriber(name: &str) -> Subscriber {
    let key = CodeSyncKey { namespace: "puppet".to_owned(), name: name.to_owned() };
    Subscriber { key, purpose: Purpose::Source }
}

fn order(semver: &str) -> Order {
    Order {
        place: Place::Registry { repository: "ghcr.io/a/b".to_owned(), access: Access::default() },
        want: want(semver),
        verify: None,
        cadence: Cadence::Interval(Duration::from_mins(1)),
    }
}

fn want(semver: &str) -> Want {
    let rule = TagRule::semver(semver).unwrap();
    Want::Best(TagQuery { rule, matching: None, ignore: Vec::new(), count: 1 })
}

fn found(digest: &str) -> Finding {
    let image = Found {
        name: digest.to_owned(),
        repository: "ghcr.io/a/b".to_owned(),
        tag: None,
        digest: digest.to_owned(),
        commit: None,
        author: None,
        source_revision: None,
        created: None,
        names_digest: false,
        verified: None,
    };
    Finding { image: Some(image), ..Finding::default() }
}

fn unreachable() -> Finding {
    Finding::problem(SourceProblem {
        reason: "Unreachable".into(),
        message: "away".into(),
        unreachable: true,
    })
}

/// Carries out what is due, finding the same for each want; says how many looks that were, and who was told.
fn look(looks: &mut Looks, now: Timestamp, finding: &Finding) -> (usize, Vec<String>) {
    let (mut count, mut told) = (0, Vec::new());
    while let Some(job) = looks.begin(now) {
        count += 1;
        let findings = job.asked.iter().map(|want| (want.clone(), finding.clone())).collect();
        let keys = looks.end(Report { id: job.id, findings, memory: job.memory }, now);
        told.extend(keys.into_iter().map(|key| key.name));
    }
    (count, told)
}

#[test]
fn a_thousand_subscribers_are_one_look() {
    let mut looks = Looks::default();
    for number in 0..1000 {
        looks.subscribe(&subscriber(&number.to_string()), order(">=1.0.0"), Urgency::AtOnce, at(0));
    }
    let (count, told) = look(&mut looks, at(0), &found("one"));
    assert_eq!((count, told.len()), (1, 1000));
    assert_eq!(look(&mut looks, at(30), &found("one")).0, 0, "nothing is due yet");
    assert_eq!(look(&mut looks, at(70), &found("one")), (1, vec![]), "an idle look tells nobody");
}

#[test]
fn different_rules_on_one_repository_are_one_look() {
    let mut looks = Looks::default();
    looks.subscribe(&subscriber("a"), order(">=1.0.0"), Urgency::AtOnce, at(0));
    assert_eq!(look(&mut looks, at(0), &found("one")).0, 1);
    looks.subscribe(&subscriber("b"), order(">=2.0.0"), Urgency::AtOnce, at(1));
    assert_eq!(look(&mut looks, at(1), &found("one")), (1, vec!["b".to_owned()]));
    looks.subscribe(&subscriber("c"), order(">=2.0.0"), Urgency::AtOnce, at(2));
    assert_eq!(look(&mut looks, at(2), &found("one")).0, 0, "what is known already needs no look");
    assert!(looks.finding(&subscriber("c")).is_some());
}

#[test]
fn what_was_known_stays_while_looks_fail() {
    let mut looks = Looks::default();
    let who = subscriber("a");
    looks.subscribe(&who, order(">=1.0.0"), Urgency::AtOnce, at(0));
    look(&mut looks, at(0), &found("one"));
    assert_eq!(look(&mut looks, at(70), &unreachable()), (1, vec!["a".to_owned()]));
    let known = looks.finding(&who).unwrap();
    assert!(known.image == found("one").image && known.problem.is_some());
    assert_eq!(look(&mut looks, at(140), &found("one")), (1, vec!["a".to_owned()]));
    assert_eq!(looks.finding(&who), Some(&found("one")));
}

#[test]
fn a_pin_that_is_not_there_yet_is_looked_for_again_until_it_is() {
    let mut looks = Looks::default();
    let who = Subscriber { purpose: Purpose::Pin, ..subscriber("a") };
    let reference = "ghcr.io/a/b:v1".parse().unwrap();
    let place = Place::Image { reference, access: Access::default() };
    looks.subscribe(
        &who,
        Order { place, want: Want::Image, verify: None, cadence: Cadence::UntilFound },
        Urgency::AtOnce,
        at(0),
    );
    let missing = Finding::problem(SourceProblem {
        reason: IMAGE_UNAVAILABLE.into(),
        message: "no such tag".into(),
        unreachable: false,
    });
    let mut now = at(0);
    for _ in 0..20 {
        assert_eq!(look(&mut looks, now, &missing).0, 1);
        let next = looks.next_due().unwrap();
        assert!(next <= now + Duration::from_secs(64), "{now} {next}");
        now = next;
    }
    assert_eq!(look(&mut looks, now, &found("one")), (1, vec!["a".to_owned()]));
    assert_eq!(looks.next_due(), None);
}

#[test]
fn a_request_is_done_by_a_look_that_began_after_it() {
    let mut looks = Looks::default();
    let who = subscriber("a");
    looks.subscribe(&who, order(">=1.0.0"), Urgency::AtOnce, at(0));
    let job = looks.begin(at(0)).unwrap();
    assert!(!looks.request(&who, "now", at(1)));
    let report = |job: Job| Report {
        id: job.id,
        findings: vec![(want(">=1.0.0").into(), found("one"))],
        memory: job.memory,
    };
    looks.end(report(job), at(2));
    assert!(!looks.request(&who, "now", at(2)), "that look began before the request");
    let job = looks.begin(at(2)).unwrap();
    assert_eq!(looks.end(report(job), at(3)).len(), 1, "a request is answered even if nothing changed");
    assert!(looks.request(&who, "now", at(3)));
    assert!(looks.begin(at(3)).is_none());
    assert!(!looks.request(&who, "again", at(4)));
    assert!(looks.begin(at(4)).is_some());
}

#[test]
fn nobody_is_left_behind() {
    let mut looks = Looks::default();
    looks.subscribe(&subscriber("a"), order(">=1.0.0"), Urgency::AtOnce, at(0));
    let job = looks.begin(at(0)).unwrap();
    looks.subscribe(&subscriber("b"), order("1.x"), Urgency::AtOnce, at(0));
    looks.end(
        Report { id: job.id, findings: vec![(want(">=1.0.0").into(), found("one"))], memory: job.memory },
        at(1),
    );
    assert_eq!(looks.next_due(), Some(at(1)), "what b wants was not in that look");
    look(&mut looks, at(1), &found("one"));
    for name in ["a", "b"] {
        looks.unsubscribe(&subscriber(name));
    }
    assert!(
        looks.rows.is_empty()
            && looks.ids.is_empty()
            && looks.due.is_empty()
            && looks.subscriptions.is_empty()
    );
}

#[test]
fn looks_are_spread_after_a_start() {
    let mut looks = Looks::default();
    for number in 0..200 {
        let mut order = order(">=1.0.0");
        order.place =
            Place::Registry { repository: format!("ghcr.io/a/{number}"), access: Access::default() };
        looks.subscribe(&subscriber(&number.to_string()), order, Urgency::Spread, at(0));
    }
    let mut due = Vec::new();
    for second in 0..=60 {
        due.push(look(&mut looks, at(second), &found("one")).0);
    }
    assert!(looks.rows.values().all(|row| row.last.is_some()), "all had their turn within the interval");
    assert!(due.iter().all(|count| *count < 20), "{due:?}");
}

#[test]
fn a_flood_of_calls_is_a_look_and_one_more() {
    let mut looks = Looks::default();
    let one = subscriber("a");
    looks.subscribe(&one, order(">=1.0.0"), Urgency::AtOnce, at(0));
    assert_eq!(look(&mut looks, at(0), &found("one")).0, 1);
    (0..10_000).for_each(|_| looks.call(&one, at(10)));
    let job = looks.begin(at(10)).expect("a look at once");
    assert!(looks.begin(at(10)).is_none());
    (0..10_000).for_each(|_| looks.call(&one, at(10)));
    assert!(looks.begin(at(20)).is_none(), "one at a time");
    let findings = job.asked.iter().map(|want| (want.clone(), found("one"))).collect();
    looks.end(Report { id: job.id, findings, memory: job.memory }, at(10));
    (0..10_000).for_each(|_| looks.call(&one, at(10)));
    assert_eq!(look(&mut looks, at(10), &found("one")).0, 0, "not before a pause");
    assert_eq!(looks.next_due(), Some(at(11)));
    assert_eq!(look(&mut looks, at(11), &found("one")).0, 1);
    assert!(looks.next_due() > Some(at(60)), "then as ever");
    looks.call(&subscriber("unknown"), at(30));
    assert_eq!(look(&mut looks, at(30), &found("one")).0, 0);
}

#[test]
fn a_call_outlives_a_change_of_the_spec() {
    let mut looks = Looks::default();
    let one = subscriber("a");
    looks.subscribe(&one, order(">=1.0.0"), Urgency::AtOnce, at(0));
    assert_eq!(look(&mut looks, at(0), &found("one")).0, 1);
    looks.call(&one, at(0));
    looks.subscribe(&one, order(">=1.0.0"), Urgency::AtOnce, at(0));
    assert_eq!(looks.next_due(), Some(at(1)));
}
