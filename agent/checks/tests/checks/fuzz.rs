//! Hostile answers: no reader may panic, what is said is short, and only what is good passes.

use serde_json::json;
use voxsync_checks::{
    Answer, Received,
    Standing::{Passed, Undecided, Unreachable},
    http, job, prometheus, puppetdb,
};
use voxsync_crds::code_sync::{HttpCheck, PrometheusCheck, PuppetdbCheck};
use voxsync_hostile::{fuzz, heavy, is_frugal, near};

/// What Prometheus says, by its documentation and by itself.
const OF_PROMETHEUS: [&str; 6] = [
    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"puppet"},"value":[1435781451.781,"1"]}]}}"#,
    r#"{"status":"success","data":{"resultType":"scalar","result":[1435781451.781,"+Inf"]},"warnings":["PromQL info: a hint"]}"#,
    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"NaN"]},{"metric":{},"value":[1,"0.5"]}]}}"#,
    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{"count":"60","sum":"33897","buckets":[[0,"1","2","3"]]}]}]}}"#,
    r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2,"1"]]}]}}"#,
    r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:4: parse error"}"#,
];
/// What PuppetDB says.
const OF_PUPPETDB: [&str; 2] = [
    r#"[{"count":12,"status":"changed","cached_catalog_status":"not_used"},{"count":1,"status":"failed","cached_catalog_status":"on_failure"}]"#,
    r#"[{"count":0,"status":null,"cached_catalog_status":null}]"#,
];

fn received(body: Vec<u8>) -> Received {
    Received { status: 200, body, ..Received::default() }
}

fn is_short(answer: &Answer) {
    assert!(answer.message.chars().count() <= 256, "{}", answer.message);
    assert!(!answer.message.contains(|letter: char| letter.is_control()), "{:?}", answer.message);
}

fn bounds() -> PrometheusCheck {
    PrometheusCheck { minimum: Some(0.0), maximum: Some(2.0), ..PrometheusCheck::default() }
}

#[test]
fn answers_of_prometheus() {
    fuzz(near(OF_PROMETHEUS), |body| {
        let answer = prometheus::judge(&bounds(), &received(body));
        is_short(&answer);
        answer.standing == Passed
    });
}

#[test]
fn answers_of_puppetdb() {
    let check = PuppetdbCheck { maximum_failed_percent: Some(50.0), ..PuppetdbCheck::default() };
    fuzz(near(OF_PUPPETDB), |body| match puppetdb::read(&received(body)) {
        Ok(reports) => {
            is_short(&puppetdb::judge(&check, reports, reports));
            true
        }
        Err(answer) => {
            is_short(&answer);
            assert_eq!(answer.standing, Unreachable);
            false
        }
    });
}

#[test]
fn answers_that_cost_much_to_read() {
    for body in heavy(1 << 20) {
        for answer in [
            prometheus::judge(&bounds(), &received(body.clone().into_bytes())),
            puppetdb::read(&received(body.clone().into_bytes())).unwrap_err_or_undecided(),
        ] {
            is_short(&answer);
            assert_ne!(answer.standing, Passed);
        }
    }
    is_frugal();
}

trait UnwrapErrOrUndecided {
    fn unwrap_err_or_undecided(self) -> Answer;
}

impl UnwrapErrOrUndecided for Result<puppetdb::Reports, Answer> {
    /// A list without a row is an answer, of no node.
    fn unwrap_err_or_undecided(self) -> Answer {
        match self {
            Ok(reports) => puppetdb::judge(&PuppetdbCheck::default(), reports, reports),
            Err(answer) => answer,
        }
    }
}

#[test]
fn bodies_of_servers() {
    let check = HttpCheck { contains: Some("running".to_owned()), ..HttpCheck::default() };
    fuzz(near(["running", "the state is: running\n", "{\"state\": \"starting\"}"]), |body| {
        let has_it = String::from_utf8_lossy(&body).contains("running");
        let answer = http::judge(&check, &received(body));
        is_short(&answer);
        assert_eq!(answer.standing == Passed, has_it);
        has_it
    });
}

/// The last words of a pod are those of an image that anybody may have made.
#[test]
fn last_words_of_pods() {
    let failed = json!({"metadata": {"name": "check"}, "status": {"conditions": [
        {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}});
    let failed = serde_json::from_value(failed).unwrap();
    fuzz(near(["line 1\nline 2\n", "\u{1b}[31mError\u{1b}[0m: \u{202e}hidden", ""]), |message| {
        let message = String::from_utf8_lossy(&message).into_owned();
        let pod = json!({"status": {"containerStatuses": [{
            "name": "check", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 1, "message": message}}}]}});
        let progress = job::judge(&failed, &[serde_json::from_value(pod).unwrap()]);
        let job::Progress::Ended(answer) = progress else { panic!("it has ended") };
        is_short(&answer);
        assert!(answer.standing != Passed && answer.standing != Undecided);
        !message.is_empty()
    });
}
