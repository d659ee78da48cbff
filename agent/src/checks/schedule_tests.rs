use rstest::rstest;
use serde_json::{Value, json};
use voxsync_crds::code_sync::CheckStanding::{Failed, Passed, Unknown, Unreachable};

use super::*;

fn key(name: &str) -> CodeSyncKey {
    CodeSyncKey { namespace: "puppet".to_owned(), name: name.to_owned() }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A CodeSync with these checks in its stage `canary`.
fn spec(checks: &[Value]) -> CodeSyncSpec {
    serde_json::from_value(json!({
        "source": {"file": {"path": "x"}},
        "stages": [{"name": "canary", "targets": [{"kind": "Server", "name": "canary"}], "checks": checks}],
    }))
    .unwrap()
}

fn web(name: &str) -> Value {
    json!({"name": name, "interval": "10s", "http": {"url": "http://host"}})
}

fn run(check: &str) -> CheckRun {
    CheckRun {
        stage: "canary".to_owned(),
        check: check.to_owned(),
        promotion: "p".to_owned(),
        reference: "r".to_owned(),
        since: at(0),
        servers: vec!["canary".to_owned()],
    }
}

fn said(answer: Answer) -> Reply {
    Reply::on_the_way(answer)
}

/// The last word of a Job.
fn ended(answer: Answer) -> Reply {
    Reply { ended: true, ..said(answer) }
}

/// One check that is asked now.
fn asked(check: &Value) -> (Checks, u64) {
    let mut checks = Checks::default();
    let name = check["name"].as_str().unwrap();
    checks.want((&key("a"), "u"), &spec(std::slice::from_ref(check)), vec![run(name)], at(0));
    let id = checks.begin(at(0)).unwrap().id;
    (checks, id)
}

/// The answers to checks of this spec.
fn answers(checks: &Checks, of: &[Value]) -> usize {
    checks.answers(&key("a"), &spec(of), at(1)).len()
}

fn standing(checks: &Checks) -> (CheckStanding, u16) {
    let row = checks.rows.values().next().unwrap();
    let stages = [json!({"name": "canary", "targets": [], "checks": [row.check]})];
    let of = serde_json::from_value(json!({"source": {}, "stages": stages})).unwrap();
    let answers = checks.answers(&key("a"), &of, at(0));
    (answers[0].standing, answers[0].failures)
}

#[test]
fn each_is_asked_at_once_and_then_at_its_interval() {
    let (mut checks, id) = asked(&web("web"));
    assert!(checks.begin(at(99)).is_none() && checks.next_due().is_none(), "it is asked already");
    checks.end(id, said(Answer::passed("")), at(3));
    assert_eq!(checks.next_due(), Some(at(13)));
    assert!(checks.begin(at(12)).is_none());
    assert_eq!(checks.begin(at(13)).unwrap().id, id);
}

#[test]
fn only_news_wakes() {
    let (mut checks, id) = asked(&json!({"name": "web", "failureLimit": 3, "http": {"url": "http://host"}}));
    let mut end = |answer| {
        let woken = checks.end(id, said(answer), at(0)).is_some();
        (woken, standing(&checks))
    };
    assert_eq!(end(Answer::undecided("a")), (true, (Unknown, 0)));
    assert_eq!(end(Answer::undecided("b")), (false, (Unknown, 0)));
    assert_eq!(end(Answer::failed("")), (true, (Failed, 1)));
    assert_eq!(end(Answer::unreachable("")), (true, (Unreachable, 1)), "silence neither counts nor forgives");
    assert_eq!(end(Answer::failed("")), (true, (Failed, 2)));
    assert_eq!(end(Answer::failed("")), (true, (Failed, 3)));
    assert_eq!(end(Answer::failed("")), (false, (Failed, 3)), "it is too many already");
    assert_eq!(end(Answer::passed("")), (true, (Passed, 0)));
    assert_eq!(end(Answer::passed("")), (false, (Passed, 0)));
}

#[test]
fn silence_is_a_failure_where_the_spec_says_so() {
    let (mut checks, id) =
        asked(&json!({"name": "web", "unreachable": "Fail", "http": {"url": "http://host"}}));
    checks.end(id, said(Answer::unreachable("")), at(0));
    assert_eq!(standing(&checks), (Failed, 1));
}

#[rstest]
#[case::the_same(&|_: &mut CheckRun| {}, true)]
#[case::a_server_joined(&|run: &mut CheckRun| run.servers.push("other".to_owned()), true)]
#[case::another_promotion(&|run: &mut CheckRun| run.promotion = "q".to_owned(), false)]
#[case::rolled_out_again(&|run: &mut CheckRun| run.since = at(1), false)]
fn what_was_said_holds_for_the_same_only(#[case] change: &dyn Fn(&mut CheckRun), #[case] holds: bool) {
    let (mut checks, id) = asked(&web("web"));
    checks.end(id, said(Answer::passed("")), at(0));
    let mut next = run("web");
    change(&mut next);
    checks.want((&key("a"), "u"), &spec(&[web("web")]), vec![next.clone()], at(1));
    assert_eq!(answers(&checks, &[web("web")]), usize::from(holds));
    let order = checks.begin(at(10)).unwrap();
    assert_eq!((order.run, order.id == id), (next, holds));
}

#[test]
fn another_spec_is_another_check() {
    let (mut checks, id) = asked(&web("web"));
    checks.end(id, said(Answer::passed("")), at(0));
    let other = json!({"name": "web", "interval": "10s", "http": {"url": "http://other"}});
    let stricter =
        json!({"name": "web", "interval": "10s", "failureLimit": 2, "http": {"url": "http://host"}});
    let before = [&web("web"), &other, &stricter].map(|check| answers(&checks, std::slice::from_ref(check)));
    assert_eq!(before, [1, 0, 0], "before the new one is wanted, too");
    assert_eq!(answers(&checks, &[]), 0);
    checks.want((&key("a"), "u"), &spec(std::slice::from_ref(&other)), vec![run("web")], at(1));
    assert_eq!(answers(&checks, &[other]), 0);
    assert_eq!(checks.next_due(), Some(at(1)));
}

#[test]
fn an_answer_that_nobody_wants_any_more_is_dropped() {
    let (mut checks, id) = asked(&web("web"));
    checks.want((&key("a"), "u"), &spec(&[web("web")]), vec![], at(1));
    assert_eq!(checks.end(id, said(Answer::failed("")), at(2)), None);
    assert!(!checks.is_wanted(id) && checks.rows.is_empty() && checks.next_due().is_none());
    let (mut checks, id) = asked(&web("web"));
    checks.forget(&key("a"));
    assert_eq!(checks.end(id, said(Answer::failed("")), at(2)), None);
    assert!(checks.next_due().is_none() && checks.rows.is_empty());
}

#[test]
fn what_was_good_long_ago_is_no_answer_and_to_be_good_again_is_news() {
    let (mut checks, id) = asked(&web("web"));
    let of = spec(&[web("web")]);
    let count = |checks: &Checks, second| checks.answers(&key("a"), &of, at(second)).len();
    checks.end(id, said(Answer::passed("")), at(0));
    assert_eq!([count(&checks, 80), count(&checks, 81)], [1, 0]);
    assert!(checks.end(id, said(Answer::passed("")), at(80)).is_none());
    assert!(checks.end(id, said(Answer::passed("")), at(200)).is_some());
    checks.end(id, said(Answer::unreachable("")), at(200));
    assert_eq!(count(&checks, 9999), 1, "nothing goes on because of that");
}

#[test]
fn a_namespace_whose_servers_are_slow_keeps_no_other_one_waiting() {
    let mut checks = Checks::default();
    let of = |namespace: &str, number: usize| CodeSyncKey {
        namespace: namespace.to_owned(),
        name: number.to_string(),
    };
    for number in 0..=AT_ONCE_OF_NAMESPACE {
        checks.want((&of("slow", number), "u"), &spec(&[web("web")]), vec![run("web")], at(0));
    }
    checks.want((&of("other", 0), "u"), &spec(&[web("web")]), vec![run("web")], at(1));
    let begun: Vec<Order> = std::iter::from_fn(|| checks.begin(at(1))).collect();
    let of_slow = begun.iter().filter(|order| order.key.namespace == "slow").count();
    assert_eq!((of_slow, begun.len()), (AT_ONCE_OF_NAMESPACE, AT_ONCE_OF_NAMESPACE + 1));
    assert_eq!(checks.next_due(), None, "who cannot be asked yet wakes nobody");
    let first = &begun[0];
    checks.forget(&first.key);
    assert!(!checks.is_wanted(first.id) && checks.begin(at(1)).is_none(), "it is still asked");
    checks.broke_off(first.id, at(1));
    assert_eq!(checks.begin(at(1)).unwrap().key.namespace, "slow");
}

#[test]
fn only_so_many_are_asked_at_once() {
    let mut checks = Checks::default();
    for number in 0..AT_ONCE {
        let key = CodeSyncKey { namespace: number.to_string(), ..key("a") };
        checks.want((&key, "u"), &spec(&[web("one"), web("two")]), vec![run("one"), run("two")], at(0));
    }
    let begun: Vec<Order> = std::iter::from_fn(|| checks.begin(at(0))).collect();
    assert_eq!((begun.len(), checks.next_due()), (AT_ONCE, None));
    checks.end(begun[0].id, said(Answer::passed("")), at(0));
    assert_eq!(checks.next_due(), Some(at(0)));
    assert!(checks.begin(at(0)).is_some() && checks.begin(at(0)).is_none());
}

#[test]
fn a_job_that_succeeded_is_not_run_again() {
    let job = json!({"name": "job", "failureLimit": 2, "job": {"image": "i"}});
    let (mut checks, id) = asked(&job);
    checks.end(id, said(Answer::undecided("it runs")), at(0));
    assert_eq!(checks.next_due(), Some(at(5)), "it may end any moment");
    assert_eq!(checks.begin(at(5)).unwrap().attempt, 1);
    checks.end(id, ended(Answer::failed("")), at(5));
    assert_eq!(checks.next_due(), Some(at(35)));
    assert_eq!(checks.begin(at(35)).unwrap().attempt, 2);
    checks.end(id, ended(Answer::passed("")), at(40));
    assert_eq!((checks.next_due(), standing(&checks)), (None, (Passed, 0)));
}

#[test]
fn jobs_that_end_without_an_answer_are_made_less_and_less_often() {
    let (mut checks, id) = asked(&json!({"name": "job", "job": {"image": "i"}}));
    let mut now = 0;
    let mut silent = |answer| {
        checks.end(id, ended(answer), at(now));
        let due = checks.next_due().unwrap();
        let pause = due.as_second() - now;
        now = due.as_second();
        let order = checks.begin(due).unwrap();
        (pause, order.attempt, order.silences)
    };
    let pauses: Vec<_> = (0..8).map(|_| silent(Answer::unreachable("no node"))).collect();
    assert_eq!(pauses[0], (60, 2, 1));
    assert_eq!(pauses[1], (120, 3, 2));
    assert_eq!(pauses[7], (3600, 9, 8));
    assert_eq!(silent(Answer::failed("")), (30, 10, 0), "it was asked and answered");
}

#[test]
fn after_a_restart_jobs_that_ended_before_count_again_and_are_not_waited_for() {
    let job = json!({"name": "job", "interval": "1h", "failureLimit": 3, "job": {"image": "i"}});
    // Two Jobs failed in two hours, half an hour ago the last of them.
    let (mut checks, id) = asked(&job);
    let failed_at = |time| Reply { ended_at: Some(at(time)), ..ended(Answer::failed("")) };
    checks.end(id, failed_at(-5400), at(0));
    let second = checks.begin(at(0)).expect("the next one is looked at at once");
    assert_eq!(second.attempt, 2);
    checks.end(id, failed_at(-1800), at(0));
    assert_eq!((standing(&checks), checks.next_due()), ((Failed, 2), Some(at(1800))));
    // A clock that goes wrong makes nobody wait for longer than the interval.
    assert_eq!(checks.begin(at(1800)).unwrap().attempt, 3);
    checks.end(id, failed_at(1_000_000), at(1800));
    assert_eq!(checks.next_due(), Some(at(5400)));
}
