//! Bodies and heads that are too large or too slow, too many connections, and floods.

use std::{
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::*;

const FLOOD: usize = 2_000;
const SENDERS: usize = 16;

#[tokio::test]
async fn a_body_of_two_mebibytes_is_too_large() {
    let mut world = World::start().await;
    for (megabytes, status) in [(1, 202), (2, 413), (9, 413)] {
        let body = "x".repeat(megabytes << 20);
        let signature = signature(SECRET, &body);
        let headers = [("X-Hub-Signature-256", signature.as_str())];
        let answer = world.request("POST", "/hooks/puppet/production", &headers, &body).await;
        assert_eq!(answer.status(), status, "{megabytes} MiB");
    }
    assert_eq!(world.heard().len(), 1);
    let chunks = format!("{:x}\r\n{}\r\n", 1 << 16, "x".repeat(1 << 16)).repeat(32);
    let head = "POST /hooks/puppet/absent HTTP/1.1\r\nHost: voxsync\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = Answer(world.send(format!("{head}{chunks}0\r\n\r\n").as_bytes()).await);
    assert_eq!(answer.status(), 413, "2 MiB of unknown length");
}

#[tokio::test]
async fn what_is_sent_too_slowly_is_given_up() {
    let world = World::start().await;
    let slow = |text: &'static str| world.send(text.as_bytes());
    let (body, head, nothing) = tokio::join!(
        slow("POST /hooks/puppet/production HTTP/1.1\r\nHost: voxsync\r\nContent-Length: 100\r\n\r\n{"),
        slow("POST /hooks/puppet/production HTTP/1.1\r\nHost: vox"),
        slow(""),
    );
    assert_eq!(Answer(body).status(), 408);
    assert!(!head.contains(" 20") && nothing.is_empty(), "{head:?} {nothing:?}");
}

#[tokio::test]
async fn a_head_is_bounded() {
    let world = World::start().await;
    let line = |length: usize| format!("POST /hooks/puppet/{} HTTP/1.1\r\n", "x".repeat(length));
    let header =
        |length: usize| format!("POST /hooks/puppet/a HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(length));
    for head in [line(100_000), header(100_000), format!("{}{}\r\n", line(1), "A: b\r\n".repeat(1000))] {
        let answer = Answer(world.send(head.as_bytes()).await);
        assert!([414, 431].contains(&answer.status()), "{answer:?}");
    }
}

#[tokio::test]
async fn silent_connections_leave_for_a_sender() {
    let mut world = World::start().await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(world.address).await.unwrap());
    }
    assert_eq!((world.push(SECRET).await, world.heard().len()), (202, 1));
    let newest = silent.pop().unwrap();
    assert!(newest.try_read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "it stays");
    assert_eq!(silent[0].read(&mut [0]).await.unwrap_or_default(), 0, "the oldest was closed");
}

#[tokio::test]
async fn who_has_proven_nothing_is_closed() {
    let world = World::start().await;
    let good = signature(SECRET, BODY);
    for (method, path, signature, status, connection) in [
        ("POST", "/hooks/puppet/absent", good.as_str(), 401, Some("close")),
        ("POST", "/hooks/puppet/production", "sha256=", 401, Some("close")),
        ("POST", "/metrics", &good, 404, Some("close")),
        ("GET", "/hooks/puppet/production", &good, 405, Some("close")),
        ("POST", "/hooks/puppet/production", &good, 202, None),
    ] {
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: voxsync\r\nX-Hub-Signature-256: {signature}\r\nContent-Length: {}\r\n\r\n{BODY}",
            BODY.len()
        );
        let answer = Answer(world.send(text.as_bytes()).await);
        assert_eq!((answer.status(), answer.header("connection")), (status, connection), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_asks_once() {
    let mut world = World::start().await;
    let request = format!(
        "POST /hooks/puppet/production HTTP/1.1\r\nHost: voxsync\r\nX-Hub-Signature-256: {}\r\nContent-Length: {}\r\n\r\n{BODY}",
        signature(SECRET, BODY),
        BODY.len()
    );
    let taken = Arc::<AtomicUsize>::default();
    let senders = (0..SENDERS).map(|_| {
        let (address, request, taken) = (world.address, request.clone(), Arc::clone(&taken));
        async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut answer = [0; 1024];
            for _ in 0..FLOOD / SENDERS {
                stream.write_all(request.as_bytes()).await.unwrap();
                let length = stream.read(&mut answer).await.unwrap();
                assert!(answer[..length].starts_with(b"HTTP/1.1 202 "));
                taken.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    timeout(PATIENCE, futures::future::join_all(senders)).await.expect("an end of the flood");
    assert_eq!(taken.load(Ordering::Relaxed), FLOOD);
    assert_eq!(world.heard(), ["production".to_owned()].into());
    assert_eq!(world.heard().len(), 0);
}
