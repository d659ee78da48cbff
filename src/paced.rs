//! Keeps a distance between the watches of a kind.
//!
//! A watch that ends is no failure to kube, which begins the next at once. Behind an API server or a proxy that ends
//! each of them at once that would be thousands of requests a second.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::Request;
use kube::{Client, client::Body};
use tokio::time::{Instant, sleep_until};
use tower::service_fn;

/// The shortest time from the beginning of a watch to that of the next of the same objects.
const WATCH_DISTANCE: Duration = Duration::from_secs(1);

/// When watches began last, or will begin; by the path of what they watch, of which there are few.
type Turns = Mutex<HashMap<String, Instant>>;

/// The same client, but that it keeps a distance between watches.
pub fn paced(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let turns = Arc::<Turns>::default();
    let send = move |request: Request<Body>| {
        let (client, turns) = (client.clone(), turns.clone());
        async move {
            if is_watch(&request) {
                let turn = turn(&turns, request.uri().path(), Instant::now());
                sleep_until(turn).await;
            }
            client.send(request).await
        }
    };
    Client::new(service_fn(send), namespace)
}

/// Whether a request begins a watch.
pub fn is_watch<B>(request: &Request<B>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1")
}

fn turn(turns: &Turns, path: &str, now: Instant) -> Instant {
    let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
    let turn = turns.get(path).map_or(now, |last| now.max(*last + WATCH_DISTANCE));
    turns.insert(path.to_owned(), turn);
    turn
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use axum::Router;
    use futures::StreamExt as _;
    use k8s_openapi::api::core::v1::Pod;
    use kube::{
        Api,
        runtime::watcher::{Config, watcher},
    };

    use super::*;

    const MANY: u64 = 1000;

    #[test]
    fn each_watch_has_its_turn() {
        let (turns, now) = (Turns::default(), Instant::now());
        let later = now + 5 * WATCH_DISTANCE;
        let given = [("/pods", now), ("/pods", now), ("/servers", now), ("/pods", now), ("/pods", later)]
            .map(|(path, now)| turn(&turns, path, now));
        assert_eq!(given, [now, now + WATCH_DISTANCE, now, now + 2 * WATCH_DISTANCE, later]);
    }

    #[tokio::test]
    async fn watches_that_end_at_once_are_no_storm() {
        let begun = Instant::now();
        let [free, kept_apart] = [(); 2].map(|()| Arc::<AtomicU64>::default());
        let many = async {
            while free.load(Ordering::Relaxed) < MANY {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = many => {}
            () = watch(Client::new(router(&free), "default")) => {}
            () = watch(paced(Client::new(router(&kept_apart), "default"))) => {}
        }
        let seconds = begun.elapsed().as_secs();
        assert!(
            (1..=seconds + 2).contains(&kept_apart.load(Ordering::Relaxed)),
            "{kept_apart:?} in {seconds} s"
        );
    }

    async fn watch(client: Client) {
        watcher(Api::<Pod>::default_namespaced(client), Config::default()).for_each(|_| async {}).await;
    }

    /// An API server that ends each watch at once, and counts them.
    fn router(watches: &Arc<AtomicU64>) -> Router {
        let watches = watches.clone();
        Router::new().fallback(async move |request: Request<axum::body::Body>| {
            if is_watch(&request) {
                watches.fetch_add(1, Ordering::Relaxed);
                return "";
            }
            r#"{"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []}"#
        })
    }
}
