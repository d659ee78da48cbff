//! Killed after each write: no process lives longer than one write, and what they bring about together is what one
//! process would have.
//!
//! All that outlives a process are its writes, so "killed after a write" and "killed before the next one" are the same
//! place: between any two writes there is a kill. A write is carried out by the API server, its answer is lost, and of what
//! the process sent at the same time nothing arrives. Most Events come behind the status that they tell of, and are lost
//! with the process: so the same is done with two writes a life. With a newer tag meanwhile: see `crash`.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use serde_json::{Value, json};
use voxsync_fixtures::{Access, Registry, Transport};

use crate::harness::{
    Case, Cluster, Needs, cases,
    estate::PRODUCTION,
    proxy::{Catch, Proxy, WriteName},
    staged::{Codes, End, Staged, are_within},
    status::DEADLINE,
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![
    killed_after_each_write_a_failed_promotion_is_given_back => Needs::OBJECT.on_control_plane_only(),
    killed_after_each_write_a_promotion_is_brought_to_its_end => Needs::LIST.on_control_plane_only(),
    killed_after_each_write_a_person_goes_back => Needs::LIST.on_control_plane_only(),
];

/// A promotion that does not get forward is no promotion: several times what one takes.
const LIVES_LIMIT: usize = 300;
/// One that is started again finds the Leases to be its own.
const ARGUMENTS: &[&str] = &["--identity", "the-one-that-is-killed"];
/// By the word in it no pod can start.
const BAD: &str = "v1.1.0-missing";
const GOOD: &str = "v1.1.0";

/// What happens, and what it leads to.
struct Story {
    /// So many pods the canary has: one without any lets bad code get to the last stage.
    canaries: u32,
    /// What is promoted before anybody is killed.
    before: &'static [&'static str],
    begins: Beginning,
    end: End<'static>,
    /// What each Server is let run.
    codes: &'static [(&'static str, &'static [&'static str])],
}

/// What starts it.
enum Beginning {
    /// A tag is pushed.
    Push(&'static str),
    /// A person asks to go back.
    Rollback,
}

/// How many processes bring it to its end.
#[derive(Clone, Copy, Debug)]
enum Lives {
    One,
    /// Each is killed after so many writes.
    Many(usize),
}

/// What one estate came to.
struct Ended {
    /// All of one life, or the last of each.
    writes: Vec<WriteName>,
    codes: Codes,
    pods: BTreeMap<String, usize>,
    state: Value,
    faults: Vec<String>,
}

/// The last of two stages fails, while the certificate authority is held back: its pod is never touched.
async fn killed_after_each_write_a_failed_promotion_is_given_back(cluster: &Cluster) {
    let story = Story {
        canaries: 0,
        before: &[],
        begins: Beginning::Push(BAD),
        end: End::RolledBack(BAD),
        codes: &[
            ("ca", &["v1.0.0"]),
            ("canary", &["v1.0.0", BAD, "v1.0.0"]),
            ("worker-1", &["v1.0.0", BAD, "v1.0.0"]),
            ("worker-2", &["v1.0.0", BAD, "v1.0.0"]),
        ],
    };
    story.is_the_same_in_many_lives(cluster).await;
}

async fn killed_after_each_write_a_promotion_is_brought_to_its_end(cluster: &Cluster) {
    const CODES: &[&str] = &["v1.0.0", GOOD];
    let story = Story {
        canaries: 1,
        before: &[],
        begins: Beginning::Push(GOOD),
        end: End::Deployed(GOOD),
        codes: &[("ca", CODES), ("canary", CODES), ("worker-1", CODES), ("worker-2", CODES)],
    };
    story.is_the_same_in_many_lives(cluster).await;
}

async fn killed_after_each_write_a_person_goes_back(cluster: &Cluster) {
    const CODES: &[&str] = &["v1.0.0", GOOD, "v1.0.0"];
    let story = Story {
        canaries: 1,
        before: &[GOOD],
        begins: Beginning::Rollback,
        end: End::Deployed("v1.0.0"),
        codes: &[("ca", CODES), ("canary", CODES), ("worker-1", CODES), ("worker-2", CODES)],
    };
    story.is_the_same_in_many_lives(cluster).await;
}

impl Story {
    async fn is_the_same_in_many_lives(&self, cluster: &Cluster) {
        let registry = &Arc::new(Registry::start(Access::Anonymous, Transport::Plain));
        let places = [cluster.another("undisturbed").await, cluster.another("two-writes").await];
        let (one, short, long) = tokio::join!(
            self.ends(&places[0], registry, Lives::One),
            self.ends(cluster, registry, Lives::Many(1)),
            self.ends(&places[1], registry, Lives::Many(2))
        );
        for place in &places {
            place.end().await;
        }
        print(cluster, &[(Lives::One, &one), (Lives::Many(1), &short), (Lives::Many(2), &long)]);
        self.assert_good(&one, "in one life");
        for (many, lives) in [(short, "in lives of one write"), (long, "in lives of two writes")] {
            self.assert_good(&many, lives);
            for (server, pods) in &many.pods {
                let most = one.pods.get(server).copied().unwrap_or_default();
                assert!(*pods <= most, "{server} had {pods} pods {lives}, and {most} in one life");
            }
            assert_eq!(many.state, one.state, "{lives}, and in one life");
        }
    }

    fn assert_good(&self, ended: &Ended, lives: &str) {
        assert_eq!(ended.faults, Vec::<String>::new(), "{lives}");
        for (server, wanted) in self.codes {
            let found = ended.codes.get(*server).map_or(&[][..], |codes| codes);
            // One that was not let run bad code yet, when it turned out to be bad, may go without it.
            assert!(are_within(found, wanted), "{server} {lives}: {found:?}, not {wanted:?}");
        }
    }

    async fn ends(&self, cluster: &Cluster, registry: &Arc<Registry>, lives: Lives) -> Ended {
        let staged = Staged::create_with(cluster, Arc::clone(registry), self.canaries).await;
        let process = staged.start(cluster.voxsync_kubeconfig(), ARGUMENTS).await;
        staged.rests_on("v1.0.0").await;
        for tag in self.before {
            staged.push(tag).await;
            staged.rests_on(tag).await;
        }
        process.kill();
        match self.begins {
            Beginning::Push(tag) => staged.push(tag).await,
            Beginning::Rollback => {
                let order = json!({"metadata": {"annotations": {"voxsync.dev/rollback": "1 broken"}}});
                cluster.patch("CodeSync", PRODUCTION, order).await;
            }
        }
        let writes = match lives {
            Lives::One => one_life(&staged, self.end).await,
            Lives::Many(writes) => many_lives(&staged, self.end, writes).await,
        };
        let mut faults = staged.faults().await;
        faults.extend(writes_at_rest(&staged, self.end).await);
        Ended {
            writes,
            codes: staged.codes().await,
            pods: staged.pods(),
            state: staged.state().await,
            faults,
        }
    }
}

/// One process brings it to its end, and gives its writes.
async fn one_life(staged: &Staged<'_>, end: End<'_>) -> Vec<WriteName> {
    let proxy = Proxy::start(staged.cluster.voxsync_kubeconfig()).await;
    let _process = staged.start(&proxy.kubeconfig(), ARGUMENTS).await;
    staged.rests(end).await;
    proxy.writes().into_iter().map(|write| write.name).collect()
}

/// Each process is killed after so many writes, until all is done. Gives the last write of each.
async fn many_lives(staged: &Staged<'_>, end: End<'_>, writes_a_life: usize) -> Vec<WriteName> {
    let mut writes = Vec::new();
    while writes.len() < LIVES_LIMIT {
        // A proxy of its own: what is still on its way from the last one gets nowhere.
        let proxy = Proxy::start(staged.cluster.voxsync_kubeconfig()).await;
        proxy.catch(Catch::AfterTaken(writes_a_life));
        let process = staged.start(&proxy.kubeconfig(), ARGUMENTS).await;
        let write = wait_for("a write, or the end", DEADLINE, async || match proxy.caught() {
            Some(write) => Ok(Some(write.name)),
            None => staged.is_at_rest(end).await.map(|()| None),
        })
        .await;
        process.kill();
        let Some(write) = write else { return writes };
        writes.push(write);
    }
    panic!("no end after {LIVES_LIMIT} lives; the last writes: {:?}", writes.iter().rev().take(9));
}

/// What one more process writes when it looks and nothing is left to do, but for the answer to who asked it to look.
async fn writes_at_rest(staged: &Staged<'_>, end: End<'_>) -> Vec<String> {
    let proxy = Proxy::start(staged.cluster.voxsync_kubeconfig()).await;
    let _process = staged.start(&proxy.kubeconfig(), ARGUMENTS).await;
    staged.cluster.look(PRODUCTION).await;
    staged.rests(end).await;
    let is_answer = |name: &str| name.ends_with("/status") || name.starts_with("events/");
    let writes = proxy.writes().into_iter().filter(|write| !is_answer(&write.name.object));
    writes.map(|write| format!("at rest: {} {}", write.name, write.body)).collect()
}

fn print(cluster: &Cluster, all: &[(Lives, &Ended)]) {
    let mut table = format!("{} ({:?})\n", cluster.namespace(), cluster.shape());
    for (lives, ended) in all {
        let _ = writeln!(
            table,
            "{lives:?}, {} writes: {:?}, pods {:?}",
            ended.writes.len(),
            ended.codes,
            ended.pods
        );
        if let Lives::Many(_) = lives {
            for WriteName { verb, object, .. } in &ended.writes {
                let _ = writeln!(table, "  killed after {verb:5} {object}");
            }
        }
    }
    #[expect(clippy::print_stdout, reason = "it is what this test is for")]
    {
        println!("{table}");
    }
}
