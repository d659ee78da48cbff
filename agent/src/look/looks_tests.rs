use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::look::awaits::Confirmed;
use crate::look::cadence::Cadence;
use crate::look::place::{Access, Found, IMAGE_UNAVAILABLE, JudgedBy, TagQuery};
use crate::look::verify::Kept;
use crate::look::verify::VerifyQuery;
use voxsync_crds::CodeReference;
use voxsync_policy::TagRule;
use voxsync_promotion::{SourceProblem, Unverified};

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
    let image = Found::image("ghcr.io/a/b", digest);
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

/// An order that is looked at once an hour.
fn hourly() -> Order {
    Order { cadence: Cadence::Interval(Duration::from_hours(1)), ..order(">=1.0.0") }
}

/// Carries out the next looks when they are due, finding the same; says when the last of them was.
fn look_on(looks: &mut Looks, count: usize, finding: &Finding) -> Timestamp {
    let next = |_| {
        let now = looks.next_due().unwrap();
        assert_eq!(look(looks, now, finding).0, 1);
        now
    };
    (0..count).map(next).last().unwrap()
}

/// Carries out the look that is due at a time, finding the same; says whether it is one that somebody wanted.
fn look_at(looks: &mut Looks, now: Timestamp, finding: &Finding) -> bool {
    let job = looks.begin(now).unwrap();
    let findings = job.asked.iter().map(|want| (want.clone(), finding.clone())).collect();
    looks.end(Report { id: job.id, findings, memory: job.memory }, now);
    job.is_afresh
}

#[test]
fn what_failed_before_does_not_count_in_a_look_that_a_person_wants() {
    let (mut looks, who) = (Looks::default(), subscriber("a"));
    looks.subscribe(&who, hourly(), Urgency::AtOnce, at(0));
    let last = look_on(&mut looks, 9, &unreachable());
    assert!(looks.next_due() > Some(last + Duration::from_mins(1)));
    assert!(!looks.request(&who, &last.to_string(), last));
    assert!(look_at(&mut looks, last, &unreachable()));
    let next = looks.next_due().unwrap();
    assert!(next < last + Duration::from_secs(2), "it fails for the first time: {next} {last}");
    assert!(!look_at(&mut looks, next, &unreachable()), "it is a look as ever");
}

#[test]
fn a_flood_of_calls_does_not_end_the_pauses_of_a_source_that_fails() {
    const LONGEST_PAUSE: Duration = Duration::from_secs(64);
    let (mut looks, who) = (Looks::default(), subscriber("a"));
    looks.subscribe(&who, hourly(), Urgency::AtOnce, at(0));
    let mut last = look_on(&mut looks, 9, &unreachable());
    for _ in 0..3 {
        for millisecond in 0..1_000 {
            looks.call(&who, last + Duration::from_millis(millisecond));
        }
        let next = looks.next_due().unwrap();
        assert!(next > last + Duration::from_secs(50) && next < last + LONGEST_PAUSE, "{next} {last}");
        assert!(look_at(&mut looks, next, &unreachable()), "they may be right");
        last = next;
    }
}

#[test]
fn a_request_is_answered_by_a_look_that_broke_off() {
    let (mut looks, who) = (Looks::default(), subscriber("a"));
    looks.subscribe(&who, hourly(), Urgency::AtOnce, at(0));
    assert!(!looks.request(&who, "now", at(1)));
    let job = looks.begin(at(1)).unwrap();
    assert_eq!(looks.broke_off(job.id, at(2)), BTreeSet::from([who.key.clone()]));
    assert!(looks.request(&who, "now", at(2)));
    let problem = looks.finding(&who).unwrap().problem.clone().unwrap();
    assert!(problem.unreachable && problem.message.contains("broke off"), "{problem:?}");
}

#[test]
fn what_is_on_its_way_is_looked_for_each_minute_for_an_hour_and_then_as_told() {
    let problem = SourceProblem {
        reason: IMAGE_UNAVAILABLE.into(),
        message: "it is not there".into(),
        unreachable: false,
    };
    let of = |commit: &str| Finding { revision: Some(commit.into()), ..Finding::problem(problem.clone()) };
    let unsigned = Unverified {
        what: None,
        repository: None,
        named_by: None,
        reason: Unverified::MISSING.to_owned(),
        message: "no signature yet".to_owned(),
        overrules: true,
    };
    let unsigned = Finding { unverified: vec![unsigned], ..found("one") };
    let mut looks = Looks::default();
    looks.subscribe(&subscriber("a"), hourly(), Urgency::AtOnce, at(0));
    // Each is news, and has an hour of its own.
    for finding in [of("one"), of("two"), unsigned] {
        let first = look_on(&mut looks, 1, &finding);
        let last = look_on(&mut looks, 55, &finding);
        assert!(last < first + Duration::from_hours(1), "{first} {last}");
        let last = look_on(&mut looks, 10, &finding);
        assert!(last > first + Duration::from_hours(3), "then once an hour: {first} {last}");
    }
    let last = look_on(&mut looks, 1, &found("one"));
    assert!(looks.next_due() > Some(last + Duration::from_mins(50)));
}

#[test]
fn a_flood_of_calls_is_a_look_and_one_more() {
    let mut looks = Looks::default();
    let one = subscriber("a");
    looks.subscribe(&one, order(">=1.0.0"), Urgency::AtOnce, at(0));
    assert_eq!(look(&mut looks, at(0), &found("one")).0, 1);
    (0..10_000).for_each(|_| looks.call(&one, at(10)));
    let job = looks.begin(at(10)).expect("a look at once");
    assert!(job.is_afresh, "a Secret may be changed");
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

fn candidate(digest: &str, revision: Option<&str>) -> CandidateStatus {
    let source_revision = revision.map(str::to_owned);
    CandidateStatus { digest: digest.to_owned(), source_revision, ..CandidateStatus::default() }
}

fn order_of_pin() -> Order {
    let reference = "ghcr.io/a/b:v1".parse().unwrap();
    let place = Place::Image { reference, access: Access::default() };
    Order { place, want: Want::Image, verify: None, cadence: Cadence::UntilFound }
}

#[test]
fn what_is_kept_is_part_of_each_look_and_pins_are_got_at_as_pins() {
    let (mut looks, source) = (Looks::default(), subscriber("one"));
    let pin = Subscriber { purpose: Purpose::Pin, ..source.clone() };
    looks.subscribe(&source, order("*"), Urgency::AtOnce, at(0));
    looks.keep(&source, vec![candidate("promoted", Some("v1")), candidate("pinned", None)], at(0));
    let kept = |looks: &mut Looks, now| {
        let mut kept = Vec::new();
        while let Some(job) = looks.begin(now) {
            let of_pin = |one: &Kept| (one.candidate.digest.clone(), one.pin.is_some());
            kept.extend(job.kept.iter().map(of_pin));
            let findings = job.asked.into_iter().map(|asked| (asked, found("one"))).collect();
            looks.end(Report { id: job.id, findings, memory: job.memory }, now);
        }
        kept
    };
    let promoted = ("promoted".to_owned(), false);
    assert_eq!(
        kept(&mut looks, at(0)),
        std::slice::from_ref(&promoted),
        "nobody says how to get at a pin that is gone"
    );
    looks.subscribe(&pin, order_of_pin(), Urgency::AtOnce, at(100));
    assert_eq!(kept(&mut looks, at(100)), [promoted, ("pinned".to_owned(), true)]);
}

#[test]
fn what_no_verdict_counts_for_is_looked_at_at_once_and_once() {
    let verify = serde_json::json!({"git": {"keys": {"secretRef": {"name": "keys"}}}});
    let verify = VerifyQuery::of(&serde_json::from_value(verify).unwrap(), "puppet").ok();
    let by = Finding { judged_by: Some(JudgedBy::Keys("first".to_owned())), ..found("one") };
    let (mut looks, source) = (Looks::default(), subscriber("one"));
    looks.subscribe(&source, Order { verify, ..order("*") }, Urgency::AtOnce, at(0));
    assert_eq!(look(&mut looks, at(0), &by).0, 1);
    let keep = |looks: &mut Looks, now| looks.keep(&source, vec![candidate("promoted", Some("v1"))], now);
    keep(&mut looks, at(10));
    assert_eq!(look(&mut looks, at(10), &by).0, 1);
    keep(&mut looks, at(20));
    assert_eq!(look(&mut looks, at(20), &by).0, 0, "that look could not judge it");
}

#[test]
fn a_pin_that_was_judged_by_other_keys_calls_for_a_look_at_the_source() {
    let by = |keys: &str| Finding { judged_by: Some(JudgedBy::Keys(keys.to_owned())), ..found("one") };
    let (mut looks, source) = (Looks::default(), subscriber("one"));
    let pin = Subscriber { purpose: Purpose::Pin, ..source.clone() };
    looks.subscribe(&source, order("*"), Urgency::AtOnce, at(0));
    assert_eq!(look(&mut looks, at(0), &by("first")).0, 1);
    looks.subscribe(&pin, order_of_pin(), Urgency::AtOnce, at(1));
    assert_eq!(look(&mut looks, at(1), &by("first")).0, 1, "the same keys");
    looks.unsubscribe(&pin);
    looks.subscribe(&pin, order_of_pin(), Urgency::AtOnce, at(2));
    assert_eq!(look(&mut looks, at(2), &by("second")).0, 2, "the pin, and then the source");
    assert_eq!(look(&mut looks, at(3), &by("second")).0, 0);
}

#[test]
fn what_is_known_of_keys_stays_while_they_cannot_be_read() {
    let known = Finding { judged_by: Some(JudgedBy::Keys("first".to_owned())), ..found("one") };
    assert_eq!(unreachable().after(Some(&known)).judged_by, known.judged_by);
    let nothing = Finding { judged_by: Some(JudgedBy::Nothing("gone".to_owned())), ..unreachable() };
    assert_eq!(nothing.clone().after(Some(&known)).judged_by, nothing.judged_by);
}

/// Ends the look that is due with a tag that was asked for when it began; says what was sought.
fn confirm(looks: &mut Looks, now: Timestamp, is_asked: bool) -> Vec<Option<Timestamp>> {
    let Some(job) = looks.begin(now) else { return Vec::new() };
    let tag: CodeReference = format!("ghcr.io/a/b:v1@sha256:{}", "0".repeat(64)).parse().unwrap();
    let confirmed = vec![Confirmed { reference: tag, at: now }];
    let finding = if is_asked { Finding { confirmed, ..found("one") } } else { unreachable() };
    let findings = job.asked.iter().map(|want| (want.clone(), finding.clone())).collect();
    looks.end(Report { id: job.id, findings, memory: job.memory }, now);
    job.sought.into_values().flat_map(BTreeMap::into_values).collect()
}

#[test]
fn a_tag_is_asked_for_when_it_is_old_enough_and_not_before() {
    let mut looks = Looks::default();
    let who = subscriber("a");
    let awaited = |from: Option<i64>| {
        vec![Awaited { reference: "ghcr.io/a/b:v1".parse().unwrap(), from: from.map(at) }]
    };
    let hourly = Order { cadence: Cadence::Interval(Duration::from_hours(1)), ..order(">=1.0.0") };
    looks.subscribe(&who, hourly, Urgency::AtOnce, at(0));
    looks.wait_for(&who, awaited(Some(100)), at(0));
    assert_eq!(confirm(&mut looks, at(0), true), [None], "it is sought, and need not be asked for yet");
    assert_eq!(looks.next_due(), Some(at(100)));
    assert!(looks.confirmed(&who).is_empty(), "that was too early");
    assert_eq!(confirm(&mut looks, at(100), true), [Some(at(100))]);
    assert_eq!(looks.confirmed(&who).len(), 1);
    assert!(looks.next_due() > Some(at(1000)), "only once");

    // Nothing is taken while a person has chosen; after that it must be asked for again, at once.
    looks.wait_for(&who, awaited(None), at(200));
    assert!(looks.confirmed(&who).is_empty() && looks.next_due() > Some(at(1000)));
    looks.wait_for(&who, awaited(Some(100)), at(300));
    assert!(looks.confirmed(&who).is_empty(), "somebody may have pushed it again since");
    assert_eq!(confirm(&mut looks, at(300), false), [Some(at(300))]);
    assert!(looks.confirmed(&who).is_empty(), "the registry gave no answer");
    let retry = looks.next_due().unwrap();
    assert_eq!(confirm(&mut looks, retry, true), [Some(at(300))]);
    assert_eq!(looks.confirmed(&who).len(), 1);
}

#[test]
fn what_waits_after_a_restart_is_no_reason_for_a_herd() {
    let mut looks = Looks::default();
    let who = subscriber("a");
    let awaited = Awaited { reference: "ghcr.io/a/b:v1".parse().unwrap(), from: Some(at(-100)) };
    let daily = Order { cadence: Cadence::Interval(Duration::from_hours(24)), ..order(">=1.0.0") };
    looks.subscribe(&who, daily, Urgency::Spread, at(0));
    let first = looks.next_due();
    looks.wait_for(&who, vec![awaited], at(0));
    assert_eq!(looks.next_due(), first);
}
