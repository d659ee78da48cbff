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
    Reply { answer, ended: false }
}

/// One check that is asked now.
fn asked(check: &Value) -> (Checks, u64) {
    let mut checks = Checks::default();
    let name = check["name"].as_str().unwrap();
    checks.want((&key("a"), "u"), &spec(std::slice::from_ref(check)), vec![run(name)], at(0));
    let id = checks.begin(at(0)).unwrap().id;
    (checks, id)
}

fn standing(checks: &Checks) -> (CheckStanding, u16) {
    let answers = checks.answers(&key("a"));
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
    assert_eq!(checks.answers(&key("a")).len(), usize::from(holds));
    let order = checks.begin(at(10)).unwrap();
    assert_eq!((order.run, order.id == id), (next, holds));
}

#[test]
fn another_spec_is_another_check() {
    let (mut checks, id) = asked(&web("web"));
    checks.end(id, said(Answer::passed("")), at(0));
    let other = json!({"name": "web", "interval": "10s", "http": {"url": "http://other"}});
    checks.want((&key("a"), "u"), &spec(&[other]), vec![run("web")], at(1));
    assert_eq!(checks.answers(&key("a")), []);
    assert_eq!(checks.next_due(), Some(at(1)));
}

#[test]
fn an_answer_that_nobody_wants_any_more_is_dropped() {
    let (mut checks, id) = asked(&web("web"));
    checks.want((&key("a"), "u"), &spec(&[web("web")]), vec![], at(1));
    assert_eq!(checks.end(id, said(Answer::failed("")), at(2)), None);
    assert!(checks.answers(&key("a")).is_empty() && checks.next_due().is_none());
    let (mut checks, id) = asked(&web("web"));
    checks.forget(&key("a"));
    assert_eq!(checks.end(id, said(Answer::failed("")), at(2)), None);
    assert!(checks.next_due().is_none() && checks.rows.is_empty());
}

#[test]
fn only_so_many_are_asked_at_once() {
    let mut checks = Checks::default();
    for number in 0..AT_ONCE {
        let key = key(&number.to_string());
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
    checks.end(id, Reply { answer: Answer::failed(""), ended: true }, at(5));
    assert_eq!(checks.next_due(), Some(at(35)));
    assert_eq!(checks.begin(at(35)).unwrap().attempt, 2);
    checks.end(id, Reply { answer: Answer::passed(""), ended: true }, at(40));
    assert_eq!((checks.next_due(), standing(&checks)), (None, (Passed, 0)));
}
