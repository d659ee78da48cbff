//! Replicas that want one Lease, on the sandbox, in paused time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail their test"
)]

mod network;
mod replica;

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use voxsync_lease::lead;
use voxsync_sandbox::{FaultPlan, Sandbox, SandboxOptions};

use network::{Network, Random};
use replica::{NAME, Office, Replica, Work, options};

fn sandbox() -> Sandbox {
    Sandbox::new(SandboxOptions::default())
}

fn leases(sandbox: &Sandbox) -> Api<Lease> {
    Api::namespaced(sandbox.client("default"), "default")
}

async fn spec(sandbox: &Sandbox) -> LeaseSpec {
    leases(sandbox).get(NAME).await.unwrap().spec.unwrap()
}

async fn holder(sandbox: &Sandbox) -> String {
    spec(sandbox).await.holder_identity.unwrap()
}

async fn write(sandbox: &Sandbox, lease: Value) {
    let patch = Patch::Merge(lease);
    leases(sandbox).patch(NAME, &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_leads_and_hands_over_when_it_stops() {
    let (sandbox, office) = (sandbox(), Office::default());
    let one = Replica::start(sandbox.client("default"), "one", &office, Work::Obeys);
    office.until(1).await;
    let created = spec(&sandbox).await;
    assert_eq!((created.holder_identity.as_deref(), created.lease_transitions), (Some("one"), Some(0)));
    let two = Replica::start(sandbox.client("default"), "two", &office, Work::Obeys);
    sleep(Duration::from_mins(2)).await;
    let renewed = spec(&sandbox).await;
    assert_eq!(renewed.holder_identity.as_deref(), Some("one"), "it is renewed, so nobody takes it");
    assert!(renewed.acquire_time == created.acquire_time && renewed.renew_time > created.renew_time);

    one.stop().await;
    let released = spec(&sandbox).await;
    assert_eq!((released.holder_identity.as_deref(), released.lease_duration_seconds), (Some(""), Some(1)));
    let stopped_at = Instant::now();
    office.until(1).await;
    assert!(stopped_at.elapsed() < Duration::from_secs(3), "the next need not wait for it to run out");
    let taken = spec(&sandbox).await;
    assert_eq!((taken.holder_identity.as_deref(), taken.lease_transitions), (Some("two"), Some(1)));
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_leader_is_followed_when_its_lease_ran_out() {
    let (sandbox, office) = (sandbox(), Office::default());
    let one = Replica::start(sandbox.client("default"), "one", &office, Work::Obeys);
    office.until(1).await;
    let two = Replica::start(sandbox.client("default"), "two", &office, Work::Obeys);
    sleep(Duration::from_mins(1)).await;
    one.kill().await;
    let killed_at = Instant::now();
    office.until(1).await;
    let pause = killed_at.elapsed();
    assert!(pause > Duration::from_secs(10) && pause < Duration::from_secs(20), "{pause:?}");
    assert_eq!(holder(&sandbox).await, "two");
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_under_its_name_need_not_wait() {
    let (sandbox, office) = (sandbox(), Office::default());
    let one = Replica::start(sandbox.client("default"), "one", &office, Work::Obeys);
    office.until(1).await;
    one.kill().await;
    let killed_at = Instant::now();
    let again = Replica::start(sandbox.client("default"), "one", &office, Work::Obeys);
    office.until(1).await;
    assert!(killed_at.elapsed() < Duration::from_secs(1));
    assert_eq!(spec(&sandbox).await.lease_transitions, Some(0), "it did not change hands");
    again.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_ends_its_work_before_the_next_begins() {
    for how in [Work::Obeys, Work::Dawdles(Duration::from_secs(3)), Work::Ignores] {
        let (sandbox, office) = (sandbox(), Office::default());
        let network = Network::new(&sandbox, 1);
        let one = Replica::start(network.client(), "one", &office, how);
        office.until(1).await;
        let two = Replica::start(sandbox.client("default"), "two", &office, Work::Obeys);
        sleep(Duration::from_secs(30)).await;
        network.faults.stop();
        office.until(0).await;
        office.until(1).await;
        assert_eq!(holder(&sandbox).await, "two", "{how:?}");
        network.faults.resume();
        sleep(Duration::from_mins(1)).await;
        two.stop().await;
        office.until(1).await;
        assert_eq!(holder(&sandbox).await, "one", "it stands for election again");
        one.stop().await;
    }
}

/// What a slow answer says was true when it was given, not when it was asked for.
#[tokio::test(start_paused = true)]
async fn a_slow_look_does_not_shorten_the_time_of_the_leader() {
    for seed in 0..40 {
        let (sandbox, office) = (sandbox(), Office::default());
        let [near, far] = [seed, seed + 1].map(|seed| Network::new(&sandbox, seed));
        let one = Replica::start(near.client(), "one", &office, Work::Ignores);
        office.until(1).await;
        far.slow_down(Duration::from_secs(4));
        let two = Replica::start(far.client(), "two", &office, Work::Obeys);
        sleep(Duration::from_secs(30) + Duration::from_millis(100) * u32::try_from(seed).unwrap()).await;
        near.faults.stop();
        // From now on it is quick to see that nothing changed, and to take over.
        far.calm();
        sleep(Duration::from_secs(14)).await;
        while holder(&sandbox).await != "two" {
            sleep(Duration::from_millis(50)).await;
        }
        office.until(1).await;
        one.kill().await;
        two.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_taken_or_deleted_by_hand_is_no_end() {
    let (sandbox, office) = (sandbox(), Office::default());
    let one = Replica::start(sandbox.client("default"), "one", &office, Work::Obeys);
    office.until(1).await;
    write(&sandbox, json!({"metadata": {"labels": {"team": "a"}}})).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(office.workers(), 1, "a conflict is no loss");
    write(&sandbox, json!({"spec": {"holderIdentity": "x".repeat(5000), "leaseDurationSeconds": i32::MAX}}))
        .await;
    office.until(0).await;
    office.until(1).await;
    let taken_back = leases(&sandbox).get(NAME).await.unwrap();
    assert_eq!(taken_back.metadata.labels.unwrap()["team"], "a", "what others wrote stays");
    assert_eq!(taken_back.spec.unwrap().lease_transitions, Some(1));
    leases(&sandbox).delete(NAME, &DeleteParams::default()).await.unwrap();
    sleep(Duration::from_secs(20)).await;
    assert_eq!((holder(&sandbox).await, office.workers()), ("one".to_owned(), 1));
    one.stop().await;
}

#[tokio::test(start_paused = true)]
async fn work_that_ends_by_itself_or_fails_ends_it_and_gives_the_lease_up() {
    let sandbox = sandbox();
    for outcome in [Ok(()), Err("the work failed")] {
        let work = |_| async move { outcome };
        let ended = lead(sandbox.client("default"), options("one"), CancellationToken::new(), work).await;
        assert_eq!((ended, holder(&sandbox).await), (outcome, String::new()));
    }
}

/// Whatever the network, the API server and the replicas do: never two at once, and one in the end.
#[tokio::test(start_paused = true)]
async fn never_two_at_once() {
    for seed in 0..30 {
        let (sandbox, office, mut random) = (sandbox(), Office::default(), Random::new(seed));
        let networks: Vec<_> = (0..3).map(|index| Network::new(&sandbox, seed * 3 + index)).collect();
        let start = |index: usize, how| {
            Replica::start(networks[index].client(), &format!("replica-{index}"), &office, how)
        };
        let mut replicas: Vec<_> = (0..3).map(|index| Some(start(index, Work::Obeys))).collect();
        for _ in 0..80 {
            sleep(Duration::from_millis(random.below(8_000))).await;
            let index = usize::try_from(random.below(3)).unwrap();
            let network = &networks[index];
            match random.below(8) {
                0 => network.faults.stop(),
                1 => network.calm(),
                2 => network.faults.set(FaultPlan {
                    internal_error_per_thousand: random.permille(300),
                    lost_answer_per_thousand: random.permille(300),
                    too_many_requests_per_thousand: random.permille(100),
                    conflict_per_thousand: random.permille(200),
                    delay: Duration::ZERO,
                }),
                3 | 4 => network.slow_down(Duration::from_millis(random.below(9_000))),
                5 => {
                    write(
                        &sandbox,
                        json!({"metadata": {"labels": {"random": random.below(99).to_string()}}}),
                    )
                    .await;
                }
                _ => {
                    let replica = replicas[index].take().unwrap();
                    let is_killed = random.below(2) == 0;
                    if is_killed {
                        replica.kill().await;
                    } else {
                        replica.stop().await;
                    }
                    let ways =
                        [Work::Obeys, Work::Dawdles(Duration::from_secs(random.below(9))), Work::Ignores];
                    let how = ways[usize::try_from(random.below(3)).unwrap()];
                    replicas[index] = Some(start(index, how));
                }
            }
            assert!(replicas.iter().flatten().all(|replica| !replica.task.is_finished()), "seed {seed}");
        }
        networks.iter().for_each(Network::calm);
        office.until(1).await;
        for replica in replicas.into_iter().flatten() {
            replica.stop().await;
        }
    }
}
