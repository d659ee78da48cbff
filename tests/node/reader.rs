//! A client of the servers that never stops asking, as Puppet agents do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::Client;
use tokio::task::JoinHandle;

const BETWEEN_READS: Duration = Duration::from_millis(20);
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// What `site.pp` says on the servers behind an address, or why it cannot be read.
pub(crate) async fn read(client: &Client, host: &str) -> String {
    let url = format!("http://{host}:8140/production/manifests/site.pp");
    let answer = async { client.get(url).send().await?.error_for_status()?.text().await };
    answer.await.map_or_else(|error| format!("failed: {error:?}"), |text| text.trim().to_owned())
}

/// A client that opens a connection for each request: one that is kept would stay with its server.
pub(crate) fn client() -> Client {
    let client = Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(READ_TIMEOUT);
    client.build().expect("an HTTP client")
}

/// Reads until it is asked what it saw.
pub(crate) struct Reader {
    is_over: Arc<AtomicBool>,
    task: JoinHandle<Reads>,
}

/// The answers in their order.
pub(crate) struct Reads(Vec<String>);

impl Reader {
    /// Starts reading, and returns after the first answer.
    pub(crate) async fn start(host: String) -> Self {
        let client = client();
        let mut answers = vec![read(&client, &host).await];
        let is_over = Arc::<AtomicBool>::default();
        let over = Arc::clone(&is_over);
        let task = tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                answers.push(read(&client, &host).await);
                tokio::time::sleep(BETWEEN_READS).await;
            }
            Reads(answers)
        });
        Self { is_over, task }
    }

    /// Ends, with all that was read.
    pub(crate) async fn end(self) -> Reads {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.await.expect("the reader")
    }
}

impl Reads {
    /// Asserts that every single answer was the one code or the other, the first the old and the last the new.
    #[track_caller]
    pub(crate) fn went(&self, from: &str, to: &str) {
        let Self(answers) = self;
        let others: Vec<_> = answers.iter().filter(|answer| ![from, to].contains(&answer.as_str())).collect();
        assert!(others.is_empty(), "{} of {} answers: {:?} …", others.len(), answers.len(), others.first());
        assert_eq!(answers.first().map(String::as_str), Some(from), "before");
        assert_eq!(answers.last().map(String::as_str), Some(to), "after");
        let old = answers.iter().filter(|answer| *answer == from).count();
        println!("  {} requests, all answered, {old} by {from:?}", answers.len());
    }

    /// Asserts that every single answer was this code.
    #[track_caller]
    pub(crate) fn stayed(&self, code: &str) {
        self.went(code, code);
    }
}
