//! Checks of kind `puppetdb` against the one of Debian, with reports that Puppet made.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use voxsync_checks::{
    Answer, Line,
    Standing::{self, *},
    ask,
};
use voxsync_fixtures::{NodeReport, PuppetDb, RunOutcome};
use voxsync_source::registry::Login;

use crate::support::{PATIENT, check, client, run_since};

fn report(node: usize, producer: &str, outcome: RunOutcome, started: Timestamp) -> NodeReport {
    NodeReport { certname: format!("node-{node}"), producer: producer.to_owned(), outcome, started }
}

/// Asks over TLS with a certificate that PuppetDB knows.
async fn asked(puppetdb: &PuppetDb, since: Timestamp, of_kind: Value) -> Answer {
    let mut of_kind = of_kind;
    of_kind["url"] = json!(puppetdb.url());
    let client = client(Some(&puppetdb.authority_pem()), Some(&puppetdb.identity_pem()));
    let line =
        Line { client: &client, login: &Login::Anonymous, timeout: PATIENT, user_agent: "voxsync/test" };
    ask(&check(json!({"name": "nodes", "puppetdb": of_kind})), &run_since(since), &line).await
}

#[track_caller]
fn assert_said(said: &Answer, standing: Standing, message: &str) {
    assert_eq!((said.standing, said.message.as_str()), (standing, message));
}

/// One story, since a PuppetDB takes half a minute to start.
#[tokio::test]
async fn the_nodes_of_a_canary_start_to_fail() {
    use RunOutcome::{Changed, Failed as Bad, FromCache, Unchanged};
    let puppetdb = PuppetDb::start();
    let rollout = Timestamp::now();
    let after = |minutes| rollout + SignedDuration::from_mins(minutes);
    let at_most = |percent: u32| json!({"maximumFailedPercent": percent});

    // Before: one of twenty runs failed. Long before, all did.
    let old = (0..20).map(|node| report(node, "canary", Bad, after(-90)));
    let before =
        (0..20).map(|node| report(node, "canary", if node == 0 { Bad } else { Unchanged }, after(-20)));
    puppetdb.store(&old.chain(before).collect::<Vec<_>>()).await;
    let said = asked(&puppetdb, rollout, at_most(2)).await;
    assert_said(&said, Undecided, "0 of at least 1 nodes reported since the rollout");

    // Runs through other Servers, and such as began before the rollout, say nothing of it.
    let late = report(1, "canary", Bad, after(-1));
    let elsewhere = report(2, "worker", Bad, after(1));
    puppetdb.store(&[late, elsewhere]).await;
    let said = asked(&puppetdb, rollout, at_most(2)).await;
    assert_said(&said, Undecided, "0 of at least 1 nodes reported since the rollout");

    // The first nodes run the new code, and well.
    puppetdb.store(&(3..6).map(|node| report(node, "canary", Changed, after(1))).collect::<Vec<_>>()).await;
    let ten = json!({"maximumFailedPercent": 2, "minimumNodes": 10});
    let said = asked(&puppetdb, rollout, ten.clone()).await;
    assert_said(&said, Undecided, "3 of at least 10 nodes reported since the rollout");
    let said = asked(&puppetdb, rollout, at_most(2)).await;
    // Two of twenty-one: that which began just before the rollout counts there, too.
    assert_said(&said, Passed, "0.0 % of 3 nodes failed (before: 9.5 %), limit 2 %");
    let said = asked(&puppetdb, rollout, json!({"maximumChangedPercent": 50})).await;
    assert_said(&said, Failed, "100.0 % of 3 nodes changed (before: 0.0 %), limit 50 %");

    // One more fails, and of one the catalog is not even compiled.
    let more = (6..10).map(|node| report(node, "canary", Unchanged, after(2)));
    let bad = [report(10, "canary", Bad, after(2)), report(11, "canary", FromCache, after(2))];
    puppetdb
        .store(&more.chain(bad).chain([report(12, "canary", Unchanged, after(2))]).collect::<Vec<_>>())
        .await;
    let said = asked(&puppetdb, rollout, ten).await;
    assert_said(&said, Failed, "20.0 % of 10 nodes failed (before: 9.5 %), limit 2 %");
    let said = asked(&puppetdb, rollout, json!({"maximumFailedIncreasePercent": 20})).await;
    assert_said(&said, Passed, "20.0 % of 10 nodes failed (before: 9.5 %), limit 20 more than before");
    let said = asked(&puppetdb, rollout, json!({"maximumFailedIncreasePercent": 10})).await;
    assert_said(&said, Failed, "20.0 % of 10 nodes failed (before: 9.5 %), limit 10 more than before");

    // A node that runs again, and well, has not failed any more.
    puppetdb.store(&[10, 11].map(|node| report(node, "canary", Unchanged, after(3)))).await;
    let said = asked(&puppetdb, rollout, at_most(2)).await;
    assert_said(&said, Passed, "0.0 % of 10 nodes failed (before: 9.5 %), limit 2 %");
    let said =
        asked(&puppetdb, rollout, json!({"maximumFailedPercent": 0, "producers": ["worker", "x"]})).await;
    assert_said(&said, Failed, "100.0 % of 1 nodes failed (before: no reports), limit 0 %");

    // A report processor may name another producer: it counts whose catalog it was.
    puppetdb.store_catalog("node-20", "canary").await;
    puppetdb.store(&[report(20, "node-20", Bad, after(4))]).await;
    let said = asked(&puppetdb, rollout, at_most(2)).await;
    assert_said(&said, Failed, "9.1 % of 11 nodes failed (before: 9.5 %), limit 2 %");

    is_asked_with_a_certificate_only(&puppetdb).await;
}

async fn is_asked_with_a_certificate_only(puppetdb: &PuppetDb) {
    let stranger = client(Some(&puppetdb.authority_pem()), None);
    let line =
        Line { client: &stranger, login: &Login::Anonymous, timeout: PATIENT, user_agent: "voxsync/test" };
    let written = json!({"name": "nodes", "puppetdb": {"url": puppetdb.url(), "maximumFailedPercent": 1}});
    let said = ask(&check(written), &run_since(Timestamp::now()), &line).await;
    assert_eq!(said.standing, Unreachable);
    assert!(said.message.contains("wants a client certificate"), "{}", said.message);
}
