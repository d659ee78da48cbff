//! Checks of kind `puppetdb`: how many of the nodes whose catalogs the stage's Servers compile fail since its rollout.
//!
//! PuppetDB counts itself, so that its answer is small however many nodes there are. A node counts where its newest
//! report is of a run that began after the rollout, and one of the Servers compiled its catalog or passed on its report
//! (`producer` of both). Either alone is not enough: what is not compiled leaves no catalog, and some report processors
//! name another producer than the Server. It has failed if its run did, or if it ran a cached catalog because the Server
//! could not compile one: the report alone then says that nothing changed.
//!
//! Protocol: "AST query language" and "reports" of the query API 4, and "count" of
//! <https://www.puppet.com/docs/puppetdb/latest/api/query/v4/ast>.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use voxsync_crds::code_sync::PuppetdbCheck;
use voxsync_promotion::CheckRun;

use crate::{
    Answer, Line,
    exchange::{Question, Received, address},
};

/// What is counted has a handful of rows.
const BODY_LIMIT_BYTES: usize = 64 << 10;
/// What was before a rollout is read from the reports of so long: two runs of an agent, where nobody changed its interval.
const BEFORE: SignedDuration = SignedDuration::from_hours(1);
/// How many Servers a question names at most.
const PRODUCERS_LIMIT: usize = 1000;

/// How many reports there are of which kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    all: u64,
    failed: u64,
    changed: u64,
}

/// A row of an answer.
#[derive(Deserialize)]
struct Row {
    count: u64,
    status: Option<String>,
    cached_catalog_status: Option<String>,
}

pub(crate) async fn ask(check: &PuppetdbCheck, run: &CheckRun, way: &Line<'_>) -> Answer {
    asked(check, run, way).await.unwrap_or_else(|answer| answer)
}

async fn asked(check: &PuppetdbCheck, run: &CheckRun, way: &Line<'_>) -> Result<Answer, Answer> {
    let since = counted(check, way, &since(check, run)).await?;
    enough(check, since)?;
    let before = counted(check, way, &before(check, run)).await?;
    Ok(judge(check, since, before))
}

async fn counted(check: &PuppetdbCheck, way: &Line<'_>, query: &Value) -> Result<Reports, Answer> {
    let question = Question {
        address: address(&check.url, &["pdb", "query", "v4"])?,
        content: Some(("application/json", json!({"query": query}).to_string())),
        body_limit_bytes: BODY_LIMIT_BYTES,
    };
    read(&way.exchange(question).await?)
}

/// Asks for the nodes whose newest report is of a run since the rollout, by what became of it.
pub fn since(check: &PuppetdbCheck, run: &CheckRun) -> Value {
    count(
        check,
        run,
        &[json!(["=", "latest_report?", true]), json!([">=", "start_time", run.since.to_string()])],
    )
}

/// Asks for the reports of the hour before the rollout.
pub fn before(check: &PuppetdbCheck, run: &CheckRun) -> Value {
    let from = run.since.checked_sub(BEFORE).unwrap_or(Timestamp::MIN);
    let from = json!([">=", "start_time", from.to_string()]);
    count(check, run, &[from, json!(["<", "start_time", run.since.to_string()])])
}

fn count(check: &PuppetdbCheck, run: &CheckRun, conditions: &[Value]) -> Value {
    let producers = if check.producers.is_empty() { &run.servers } else { &check.producers };
    let producers: Vec<&String> = producers.iter().take(PRODUCERS_LIMIT).collect();
    let through = json!(["in", "producer", ["array", producers]]);
    let compiled = json!(["in", "certname", ["extract", "certname", ["select_catalogs", through]]]);
    let of_stage = json!(["or", through, compiled]);
    let conditions: Vec<Value> =
        [json!("and"), of_stage].into_iter().chain(conditions.iter().cloned()).collect();
    let kinds = ["status", "cached_catalog_status"];
    json!([
        "from",
        "reports",
        [
            "extract",
            [["function", "count"], kinds[0], kinds[1]],
            conditions,
            ["group_by", kinds[0], kinds[1]]
        ],
    ])
}

/// Reads how many reports there are of which kind.
///
/// # Errors
/// Where that is no such answer.
pub fn read(received: &Received) -> Result<Reports, Answer> {
    match received.status {
        200 => {}
        401 | 403 => {
            return Err(Answer::unreachable(format!(
                "PuppetDB refuses this client ({}): `certSecretRef` names the Secret with a certificate that it knows",
                received.status
            )));
        }
        404 => {
            return Err(Answer::unreachable("there is no PuppetDB at `url` (404): leave out /pdb/query/v4"));
        }
        503 => return Err(Answer::unreachable("PuppetDB is not ready (503)")),
        status => return Err(Answer::unreachable(format!("PuppetDB answers {status}"))),
    }
    let rows: Vec<Row> = received.json("PuppetDB")?;
    let mut reports = Reports::default();
    for Row { count, status, cached_catalog_status } in rows {
        reports.all = reports.all.saturating_add(count);
        let did_not_compile = cached_catalog_status.as_deref() == Some("on_failure");
        match status.as_deref() {
            Some("failed") => reports.failed = reports.failed.saturating_add(count),
            _ if did_not_compile => reports.failed = reports.failed.saturating_add(count),
            Some("changed") => reports.changed = reports.changed.saturating_add(count),
            _ => {}
        }
    }
    Ok(reports)
}

/// Whether there are enough nodes to say something.
fn enough(check: &PuppetdbCheck, since: Reports) -> Result<(), Answer> {
    let least = u64::from(check.minimum_nodes.unwrap_or(1)).max(1);
    if since.all >= least {
        return Ok(());
    }
    Err(Answer::undecided(format!("{} of at least {least} nodes reported since the rollout", since.all)))
}

/// What the reports since the rollout mean, beside those before it.
pub fn judge(check: &PuppetdbCheck, since: Reports, before: Reports) -> Answer {
    if let Err(answer) = enough(check, since) {
        return answer;
    }
    let (failed, failed_before) = (since.share(since.failed), before.share(before.failed));
    let mut limits: Vec<(f64, String)> = Vec::new();
    if let Some(maximum) = check.maximum_failed_percent {
        limits.push((maximum, format!("limit {maximum} %")));
    }
    if let Some(increase) = check.maximum_failed_increase_percent {
        // Without a report before, all failures are new.
        limits.push((failed_before + increase, format!("limit {increase} more than before")));
    }
    let share_of = |what: &str, share: f64, share_before: f64, limit: &str| {
        let earlier = if before.all == 0 { "no reports".to_owned() } else { format!("{share_before:.1} %") };
        format!("{share:.1} % of {} nodes {what} (before: {earlier}){limit}", since.all)
    };
    let (of_failed, of_changed) = (
        |limit: &str| share_of("failed", failed, failed_before, limit),
        |limit: &str| share_of("changed", since.share(since.changed), before.share(before.changed), limit),
    );
    if let Some((_, limit)) = limits.iter().find(|(limit, _)| failed > *limit) {
        return Answer::failed(of_failed(&format!(", {limit}")));
    }
    let is_changed = check.maximum_changed_percent.filter(|maximum| since.share(since.changed) > *maximum);
    if let Some(maximum) = is_changed {
        return Answer::failed(of_changed(&format!(", limit {maximum} %")));
    }
    let limits: Vec<String> = limits.into_iter().map(|(_, limit)| format!(", {limit}")).collect();
    let changed = check.maximum_changed_percent.map(|maximum| of_changed(&format!(", limit {maximum} %")));
    let failed = (!limits.is_empty()).then(|| of_failed(&limits.concat()));
    Answer::passed(failed.into_iter().chain(changed).collect::<Vec<_>>().join("; "))
}

impl Reports {
    #[expect(clippy::cast_precision_loss, reason = "shares of more than 2^52 reports are near enough")]
    fn share(self, part: u64) -> f64 {
        if self.all == 0 { 0.0 } else { part as f64 * 100.0 / self.all as f64 }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::Standing::{self, *};

    fn run() -> CheckRun {
        CheckRun {
            stage: "canary".to_owned(),
            check: "nodes".to_owned(),
            promotion: "p".to_owned(),
            reference: "r".to_owned(),
            since: "2026-03-01T10:00:00Z".parse().unwrap(),
            servers: vec!["one".to_owned(), "two".to_owned()],
        }
    }

    fn reports(all: u64, failed: u64, changed: u64) -> Reports {
        Reports { all, failed, changed }
    }

    #[test]
    fn asks_for_what_came_through_the_servers() {
        let query = since(&PuppetdbCheck::default(), &run()).to_string();
        assert_eq!(
            query,
            r#"["from","reports",["extract",[["function","count"],"status","cached_catalog_status"],["and",["or",["in","producer",["array",["one","two"]]],["in","certname",["extract","certname",["select_catalogs",["in","producer",["array",["one","two"]]]]]]],["=","latest_report?",true],[">=","start_time","2026-03-01T10:00:00Z"]],["group_by","status","cached_catalog_status"]]]"#
        );
        let named =
            PuppetdbCheck { producers: vec!["canary.example".to_owned()], ..PuppetdbCheck::default() };
        let query = before(&named, &run()).to_string();
        assert!(query.contains(r#"["in","producer",["array",["canary.example"]]]"#), "{query}");
        assert!(
            query.contains(
                r#"[">=","start_time","2026-03-01T09:00:00Z"],["<","start_time","2026-03-01T10:00:00Z"]"#
            ),
            "{query}"
        );
    }

    #[test]
    fn a_catalog_from_the_cache_is_a_failure() {
        let rows = r#"[
            {"count": 1, "status": "failed", "cached_catalog_status": "not_used"},
            {"count": 2, "status": "unchanged", "cached_catalog_status": "on_failure"},
            {"count": 4, "status": "changed", "cached_catalog_status": "on_failure"},
            {"count": 8, "status": "changed", "cached_catalog_status": "explicitly_requested"},
            {"count": 16, "status": "unchanged", "cached_catalog_status": null},
            {"count": 32, "status": null, "cached_catalog_status": null}]"#;
        let received = Received { status: 200, body: rows.into(), ..Received::default() };
        assert_eq!(read(&received), Ok(reports(63, 7, 8)));
    }

    #[rstest]
    #[case::html(200, "<html>", "what answers is not PuppetDB: no such JSON")]
    #[case::an_object(200, "{}", "what answers is not PuppetDB: no such JSON")]
    #[case::other_rows(200, r#"[{"certname": "a"}]"#, "what answers is not PuppetDB: no such JSON")]
    #[case::less_than_none(200, r#"[{"count": -1}]"#, "what answers is not PuppetDB: no such JSON")]
    #[case::starting(503, "", "PuppetDB is not ready (503)")]
    #[case::elsewhere(404, "", "there is no PuppetDB at `url` (404): leave out /pdb/query/v4")]
    #[case::broken(500, "<html>hunter2", "PuppetDB answers 500")]
    #[case::unknown(
        403,
        "",
        "PuppetDB refuses this client (403): `certSecretRef` names the Secret with a certificate that it knows"
    )]
    fn no_answers(#[case] status: u16, #[case] body: &str, #[case] message: &str) {
        let received = Received { status, body: body.into(), ..Received::default() };
        assert_eq!(read(&received), Err(Answer::unreachable(message)));
    }

    #[rstest]
    #[case::good(
        reports(50, 1, 9),
        reports(100, 0, 9),
        Passed,
        "2.0 % of 50 nodes failed (before: 0.0 %), limit 2 %"
    )]
    #[case::bad(
        reports(50, 2, 9),
        reports(250, 1, 9),
        Failed,
        "4.0 % of 50 nodes failed (before: 0.4 %), limit 2 %"
    )]
    #[case::new(
        reports(1, 1, 0),
        reports(0, 0, 0),
        Failed,
        "100.0 % of 1 nodes failed (before: no reports), limit 2 %"
    )]
    #[case::silent(
        reports(0, 0, 0),
        reports(9, 0, 0),
        Undecided,
        "0 of at least 1 nodes reported since the rollout"
    )]
    fn failed_nodes(
        #[case] since: Reports,
        #[case] before: Reports,
        #[case] standing: Standing,
        #[case] message: &str,
    ) {
        let check = PuppetdbCheck { maximum_failed_percent: Some(2.0), ..PuppetdbCheck::default() };
        let answer = judge(&check, since, before);
        assert_eq!((answer.standing, answer.message.as_str()), (standing, message));
    }

    #[rstest]
    #[case::as_before(reports(20, 1, 0), reports(20, 1, 0), Passed)]
    #[case::a_little_more(reports(20, 2, 0), reports(20, 1, 0), Passed)]
    #[case::too_many_more(reports(20, 3, 0), reports(20, 1, 0), Failed)]
    #[case::all_are_new(reports(20, 2, 0), reports(0, 0, 0), Failed)]
    #[case::better(reports(20, 0, 0), reports(20, 20, 0), Passed)]
    fn failed_nodes_beside_those_before(
        #[case] since: Reports,
        #[case] before: Reports,
        #[case] standing: Standing,
    ) {
        let check = PuppetdbCheck { maximum_failed_increase_percent: Some(5.0), ..PuppetdbCheck::default() };
        let answer = judge(&check, since, before);
        assert_eq!(answer.standing, standing, "{}", answer.message);
        assert!(answer.message.contains("limit 5 more than before"), "{}", answer.message);
    }

    #[test]
    fn changed_nodes() {
        let check = PuppetdbCheck {
            maximum_failed_percent: Some(2.0),
            maximum_changed_percent: Some(10.0),
            ..PuppetdbCheck::default()
        };
        let answer = judge(&check, reports(10, 0, 2), reports(10, 0, 1));
        let message = "20.0 % of 10 nodes changed (before: 10.0 %), limit 10 %";
        assert_eq!((answer.standing, answer.message.as_str()), (Failed, message));
        let answer = judge(&check, reports(10, 0, 1), reports(10, 0, 1));
        let message = "0.0 % of 10 nodes failed (before: 0.0 %), limit 2 %; 10.0 % of 10 nodes changed (before: 10.0 %), limit 10 %";
        assert_eq!((answer.standing, answer.message.as_str()), (Passed, message));
    }

    #[test]
    fn too_few_nodes_say_nothing() {
        let check = PuppetdbCheck {
            maximum_failed_percent: Some(2.0),
            minimum_nodes: Some(10),
            ..PuppetdbCheck::default()
        };
        let answer = judge(&check, reports(3, 3, 0), reports(100, 0, 0));
        let message = "3 of at least 10 nodes reported since the rollout";
        assert_eq!((answer.standing, answer.message.as_str()), (Undecided, message));
        assert_eq!(judge(&check, reports(10, 3, 0), reports(100, 0, 0)).standing, Failed);
    }
}
