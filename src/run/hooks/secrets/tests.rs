use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
};

use axum::http::{Request, Response};
use kube::client::Body;
use serde_json::json;
use tokio::sync::Semaphore;

use super::*;

/// An API server that gives a Secret, once it may.
struct Server {
    secrets: Secrets,
    may_answer: Arc<Semaphore>,
    reads: Arc<AtomicUsize>,
}

impl Server {
    fn new() -> Self {
        let (may_answer, reads) = (Arc::new(Semaphore::new(0)), Arc::<AtomicUsize>::default());
        let (gate, counted) = (Arc::clone(&may_answer), Arc::clone(&reads));
        let service = tower::service_fn(move |_: Request<Body>| {
            counted.fetch_add(1, Ordering::Relaxed);
            let gate = Arc::clone(&gate);
            async move {
                drop(gate.acquire().await);
                let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook"}, "data": {"token": "czNjcmV0"}});
                Ok::<_, Infallible>(Response::new(Body::from(secret.to_string().into_bytes())))
            }
        });
        let secrets = Secrets::new(Client::new(service, "puppet"));
        Self { secrets, may_answer, reads }
    }

    fn open(self) -> Self {
        self.may_answer.add_permits(1);
        self
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    /// Whether who shows this is believed, by then.
    async fn believes(&self, shown: &str, number: u32, by: Instant) -> Result<(), String> {
        let prove = |secret: &Secret| if *secret == of(shown) { Ok(()) } else { Err(Refusal::Wrong) };
        self.secrets.prove(&origin(number), prove, by).await
    }

    /// As if it had read it so long ago.
    fn has_read(&self, number: u32, secret: &str, age: Duration) {
        let at = Instant::now().checked_sub(age).unwrap();
        self.secrets.kept(&origin(number)).keep(Ok(Ok(of(secret))), at);
    }
}

fn origin(number: u32) -> Origin {
    Origin::Secret { namespace: "puppet".to_owned(), name: format!("hook-{number}") }
}

fn of(secret: &str) -> Secret {
    Secret::new(secret.as_bytes()).unwrap()
}

fn later() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

#[tokio::test]
async fn a_slow_api_server_is_not_waited_for_and_what_it_says_is_used_later() {
    let server = Server::new();
    let why = server.believes("s3cret", 0, Instant::now()).await.unwrap_err();
    assert_eq!(why, "Secret puppet/hook-0 was not read in time");
    assert!(server.believes("s3cret", 0, Instant::now()).await.is_err(), "while it is being read");
    let server = server.open();
    assert_eq!(server.believes("s3cret", 0, later()).await, Ok(()));
    assert_eq!(server.reads(), 1);
}

#[tokio::test]
async fn who_shows_the_last_secret_is_believed_while_nobody_can_be_asked() {
    let server = Server::new();
    server.has_read(0, "old", BELIEVED);
    assert_eq!(server.believes("old", 0, Instant::now()).await, Ok(()));
    let server = server.open();
    assert!(server.believes("old", 0, later()).await.is_err(), "it was renewed a minute ago");
    assert_eq!(server.believes("s3cret", 0, later()).await, Ok(()));
    assert_eq!(server.reads(), 1);
}

#[tokio::test]
async fn a_renewed_secret_is_read_for_who_shows_it() {
    let server = Server::new().open();
    server.has_read(0, "old", READ_PAUSE);
    assert_eq!(server.believes("s3cret", 0, later()).await, Ok(()));
    assert!(server.believes("old", 0, later()).await.is_err());
    assert_eq!(server.reads(), 1);
}

/// Anybody may send what is wrong, for as many CodeSyncs as there are.
#[tokio::test]
async fn who_has_no_proof_causes_few_reads() {
    let server = Server::new().open();
    for _ in 0..1_000 {
        assert!(server.believes("wrong", 0, later()).await.is_err());
    }
    assert_eq!(server.reads(), 1, "of one secret");
    for number in 1..=1_000 {
        server.has_read(number, "old", READ_PAUSE);
        assert!(server.believes("wrong", number, later()).await.is_err());
    }
    assert_eq!(server.reads(), 51, "of all");
    server.has_read(0, "old", READ_PAUSE);
    assert!(server.believes("s3cret", 0, later()).await.is_err(), "the others used them up");
    server.has_read(0, "old", BELIEVED);
    assert_eq!(server.believes("s3cret", 0, later()).await, Ok(()));
    assert_eq!(server.reads(), 52, "each secret has one a minute, whatever the others send");
    server.has_read(0, "s3cret", BELIEVED);
    assert_eq!(server.believes("s3cret", 0, later()).await, Ok(()));
    assert_eq!(server.reads(), 53, "who has one gets what there is to read");
}

#[tokio::test]
async fn what_is_known_does_not_make_room_for_itself() {
    let server = Server::new();
    let kept = |number| server.secrets.kept(&origin(number));
    let first = kept(0);
    for number in (0..).take(REMEMBERED_LIMIT) {
        kept(number);
    }
    assert!(Arc::ptr_eq(&first, &kept(0)));
    kept(u32::MAX);
    assert!(!Arc::ptr_eq(&first, &kept(0)), "a new one needs room");
}

#[test]
fn anyone_has_it_read_once_a_minute_and_who_has_no_proof_now_and_then() {
    for (age, is_proven, wanted) in [
        (None, false, Need::Own),
        (Some(BELIEVED / 2), true, Need::None),
        (Some(BELIEVED), true, Need::Own),
        (Some(READ_PAUSE / 2), false, Need::None),
        (Some(READ_PAUSE), false, Need::OfAnyone),
        (Some(BELIEVED), false, Need::Own),
    ] {
        assert_eq!(need(age, is_proven), wanted, "{age:?}, {is_proven}");
    }
}

#[test]
fn the_last_secret_is_kept_while_nobody_can_be_asked() {
    let (kept, now) = (Kept::default(), Instant::now());
    let keep = |read| kept.keep(read, now).secret.map(|secret| (*secret).clone()).map_err(|why| why.len());
    assert!(keep(Err("away".to_owned())) == Err(4));
    assert!(keep(Ok(Ok(of("one")))) == Ok(of("one")));
    assert!(keep(Err("away".to_owned())) == Ok(of("one")));
    assert!(keep(Ok(Err("removed".to_owned()))) == Err(7));
}
