//! Who is told: a receiver of CloudEvents that is there, one that refuses, and one that never answers.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{Json, Router, http::StatusCode, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{
    Case, Cluster, Process, cases,
    estate::{Estate, PRODUCTION, create_secret},
    status::{DEADLINE, assert_says, text},
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![releases_and_failures_are_told_and_a_dead_receiver_holds_nothing_up];

/// What is in an address that is nobody's business.
const TOKEN: &str = "c0ffee5f2d7c0f9f";

async fn releases_and_failures_are_told_and_a_dead_receiver_holds_nothing_up(cluster: &Cluster) {
    let mut estate = Estate::staged(cluster, "0s").await;
    estate.kill();
    let receiver = Receiver::start().await;
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let silent_at = silent.local_addr().expect("its address");
    let secrets = [
        ("receiver", format!("{}/{TOKEN}", receiver.address)),
        ("gone", format!("{}/gone/{TOKEN}", receiver.address)),
        ("silent", format!("http://{silent_at}/{TOKEN}")),
    ];
    for (name, address) in secrets {
        create_secret(cluster, name, json!({"address": address})).await;
    }
    let to =
        |secret: &str, on: Value| json!({"type": "webhook", "secretRef": {"name": secret}, "occasions": on});
    let notifications = json!([
        to("silent", json!([])),
        to("gone", json!(["Released"])),
        to("receiver", json!(["Released", "Failed"]))
    ]);
    cluster.change_code_sync(PRODUCTION, json!({"notifications": notifications})).await;
    let mut command = Process::command(cluster.voxsync_kubeconfig(), cluster.namespace());
    command.args(["--log", "trace"]);
    let process = Process::spawn(command);

    let reference = estate.push_and_look(cluster, "v1.1.0").await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    let released = receiver.news(1).await;
    assert_eq!(
        (&released["type"], &released["specversion"]),
        (&json!("dev.voxsync.codesync.released"), &json!("1.0"))
    );
    let data = &released["data"];
    assert_eq!(
        (text(&data["name"]), text(&data["from"]), text(&data["reference"])),
        ("v1.1.0", "v1.0.0", reference.as_str())
    );
    assert_eq!(text(&data["namespace"]), cluster.namespace());

    // Whoever asks for failures is told of one that is rolled back; and the silent one is still being waited for.
    estate.push_and_look(cluster, "v1.2.0-missing").await;
    let failed = receiver.news(2).await;
    assert_eq!(
        (text(&failed["type"]), text(&failed["data"]["stage"])),
        ("dev.voxsync.codesync.failed", "canary")
    );
    assert_says(text(&failed["data"]["message"]), &["v1.2.0-missing", "ImagePullBackOff"]);
    assert_ne!(failed["id"], released["id"]);
    let back = receiver.news(3).await;
    assert_eq!(text(&back["type"]), "dev.voxsync.codesync.rolledback");

    let said = cluster.event(PRODUCTION, "NotificationFailed").await;
    assert_says(&said, &["spec.notifications[1]", "Secret gone", "127.0.0.1 answers 404"]);
    let counted = ["sent\"} 3", "failed\"} 1"];
    let counted =
        counted.map(|end| format!("voxsync_notifications_total{{channel=\"webhook\",outcome=\"{end}"));
    wait_for("all that was sent to be counted", DEADLINE, async || {
        let metrics = process.get("/metrics").await.map_err(|error| error.to_string())?;
        if counted.iter().all(|line| metrics.contains(line)) { Ok(()) } else { Err(metrics) }
    })
    .await;
    let log = process.log().join("\n");
    assert!(
        log.contains("a notification did not arrive") && log.contains("\"TRACE\""),
        "it says all that it has to say"
    );
    assert!(!log.contains(TOKEN) && !said.contains(TOKEN), "an address is a secret: {log}");
}

/// A receiver of CloudEvents.
struct Receiver {
    address: String,
    news: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("its address"));
        let news = Arc::<Mutex<Vec<Value>>>::default();
        let received = Arc::clone(&news);
        let take = async move |Json(one): Json<Value>| {
            received.lock().unwrap_or_else(PoisonError::into_inner).push(one);
            StatusCode::ACCEPTED
        };
        let router = Router::new().route(&format!("/{TOKEN}"), post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, news }
    }

    /// The latest news, once there are so many; there are never more.
    async fn news(&self, count: usize) -> Value {
        wait_for(&format!("{count} news"), DEADLINE, async || {
            let news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
            assert!(news.len() <= count, "{news:?}");
            let last = news.last().filter(|_| news.len() == count).cloned();
            last.ok_or_else(|| format!("{news:?}"))
        })
        .await
    }
}
