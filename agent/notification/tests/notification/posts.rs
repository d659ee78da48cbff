//! POSTs to real HTTP servers: what arrives, and what each answer means.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use ring::hmac::{HMAC_SHA256, Key, verify};
use rstest::rstest;
use voxsync_crds::code_sync::NotificationChannel::{self, *};
use voxsync_fixtures::CertificateAuthority;
use voxsync_notification::{Destination, Ended, Failure, Keys, Queue, Sender, compose};

use crate::news;

/// What an incoming webhook has in its path, and nobody is to see.
const PATH: &str = "/services/T000/B000/s3cret";

/// One answer of a server, and then what comes as long as somebody reads.
struct Answer {
    head: String,
    end: &'static str,
    endless: bool,
}

fn answer(status: &str, headers: &str, end: &'static str) -> Answer {
    Answer { head: format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\r\n"), end, endless: false }
}

/// A server that gives one answer; what it was asked.
fn serve(answer: Answer) -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}{PATH}?sig=s3cret", listener.local_addr().unwrap());
    let asked = Arc::<Mutex<String>>::default();
    let written = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let from = head.len();
            stream.read_line(&mut head).unwrap();
            if let Some(value) = head[from..].to_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        *written.lock().unwrap() = head + &String::from_utf8(body).unwrap();
        // Who is asked may hang up at any time.
        let stream = stream.get_mut();
        let mut said =
            stream.write_all(answer.head.as_bytes()).and_then(|()| stream.write_all(answer.end.as_bytes()));
        while said.is_ok() && answer.endless {
            said = stream.write_all(&[b'a'; 8192]);
        }
    });
    (address, asked)
}

async fn send(channel: NotificationChannel, keys: &Keys, authorities: Option<&str>) -> Result<(), Failure> {
    send_within(None, channel, keys, authorities).await
}

async fn send_within(
    patience: Option<Duration>,
    channel: NotificationChannel,
    keys: &Keys,
    authorities: Option<&str>,
) -> Result<(), Failure> {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let destination = Destination::of(channel, keys).unwrap();
    let composed = compose(channel, &news(), None, 0);
    let sender = Sender::new("voxsync-test".to_owned());
    let sender = patience.into_iter().fold(sender, Sender::with_request_timeout);
    let sent = sender.send(&destination, authorities, &composed, news().at).await;
    if let Err(failure) = &sent {
        assert!(!format!("{failure} {failure:?}").contains("s3cret"), "{failure:?}");
    }
    sent
}

fn keys(address: String) -> Keys {
    Keys { address: Some(address), ..Keys::default() }
}

/// How a queue takes it: after how many seconds the next try is, or never.
fn next_try(failure: &Failure) -> Option<u64> {
    let now = tokio::time::Instant::now();
    let mut queue: Queue<&str, &str, &str> = Queue::default();
    queue.put(&"there", "owner", "letter", now);
    // What is refused is tried once more.
    for _ in 0..2 {
        let due = queue.next_due().unwrap();
        queue.take(due).unwrap();
        match queue.ended(&"there", Err(failure), due) {
            Ended::Failed(lost) if lost.is_empty() => {}
            _ => return None,
        }
    }
    let last = queue.next_due().unwrap();
    // The pause after the first try is as long, or a second.
    Some((last - now).as_secs())
}

#[rstest]
#[case::fine("204 No Content", "", Webhook, "", Ok(()))]
#[case::limited("429 Too Many Requests", "Retry-After: 30\r\n", Slack, "", Err(("127.0.0.1 answers 429", Some(60))))]
#[case::limited_by_discord("429 Too Many Requests", "Content-Type: application/json\r\n", Discord,
    r#"{"retry_after": 64.5}"#, Err(("127.0.0.1 answers 429", Some(129))))]
#[case::out_of_order("500 Internal Server Error", "", Webhook, "<html>s3cret</html>", Err(("127.0.0.1 answers 500", Some(3))))]
#[case::gone("404 Not Found", "", Slack, "no_service", Err(("127.0.0.1 answers 404 no_service", None)))]
#[case::told_more("403 Forbidden", "", Slack, "root:s3cret", Err(("127.0.0.1 answers 403", None)))]
#[case::refused("400 Bad Request", "", Mattermost, "s3cret", Err(("127.0.0.1 answers 400", None)))]
#[case::elsewhere("302 Found", "Location: http://169.254.169.254/s3cret\r\n", Webhook, "", Err(("127.0.0.1 redirects (302)", None)))]
#[tokio::test]
async fn what_an_answer_means(
    #[case] status: &str,
    #[case] headers: &str,
    #[case] channel: NotificationChannel,
    #[case] end: &'static str,
    #[case] wanted: Result<(), (&str, Option<u64>)>,
) {
    let (address, asked) = serve(answer(status, headers, end));
    match (send(channel, &keys(address), None).await, wanted) {
        (Ok(()), Ok(())) => {}
        (Err(failure), Err((message, next))) => {
            assert!(failure.to_string().starts_with(message), "{failure}");
            assert_eq!(next_try(&failure), next);
        }
        (sent, _) => panic!("{sent:?}"),
    }
    let asked = asked.lock().unwrap();
    assert!(asked.starts_with(&format!("POST {PATH}?sig=s3cret HTTP/1.1\r\n")), "{asked}");
}

#[rstest]
#[case::well("200 OK", true)]
#[case::refused("400 Bad Request", false)]
#[tokio::test]
async fn a_body_that_does_not_end_is_not_read_to_its_end(#[case] status: &str, #[case] is_well: bool) {
    let (address, _) = serve(Answer { endless: true, ..answer(status, "", "") });
    assert_eq!(send(Slack, &keys(address), None).await.is_ok(), is_well);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}{PATH}", listener.local_addr().unwrap());
    let patience = Some(Duration::from_millis(50));
    let failure = send_within(patience, Webhook, &keys(address), None).await.unwrap_err();
    assert_eq!(failure.to_string(), "127.0.0.1: it does not answer in time");
    assert!(next_try(&failure).is_some());
}

#[tokio::test]
async fn nobody_there_is_said_without_the_path() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failure = send(Webhook, &keys(format!("http://{free}{PATH}")), None).await.unwrap_err();
    assert_eq!(failure.to_string(), "127.0.0.1: it refuses the connection; check the host and the port");
}

#[tokio::test]
async fn a_receiver_can_prove_who_sent_it_and_that_nothing_was_changed() {
    let (address, asked) = serve(answer("202 Accepted", "", ""));
    let keys = Keys { token: Some("t0ken".into()), hmac_key: Some(b"key".to_vec()), ..keys(address) };
    send(Webhook, &keys, None).await.unwrap();
    let asked = asked.lock().unwrap();
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| {
        let found = head.lines().filter_map(|line| line.split_once(": "));
        found
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect::<Vec<_>>()
    };
    assert_eq!(header("authorization"), ["Bearer t0ken"]);
    assert_eq!(header("content-type"), ["application/cloudevents+json"]);
    let signature = hex::decode(header("x-signature")[0].strip_prefix("sha256=").unwrap()).unwrap();
    verify(&Key::new(HMAC_SHA256, b"key"), body.as_bytes(), &signature).unwrap();
}

#[tokio::test]
async fn a_token_that_cannot_be_sent_is_said_without_it() {
    let keys = Keys { token: Some("s3cret\u{7}".into()), ..keys("http://127.0.0.1:9/".into()) };
    let failure = send(Webhook, &keys, None).await.unwrap_err();
    assert_eq!(failure.to_string(), "127.0.0.1: the token has characters that no header can have");
}

#[tokio::test]
async fn what_is_no_authority_is_said() {
    let failure = send(Webhook, &keys("https://127.0.0.1:9/".into()), Some("no PEM")).await.unwrap_err();
    assert!(failure.to_string().starts_with("127.0.0.1: the CA cannot be used: "), "{failure}");
    let pem = CertificateAuthority::create().pem();
    let failure = send(Webhook, &keys("https://127.0.0.1:9/".into()), Some(&pem)).await.unwrap_err();
    assert!(failure.to_string().contains("refuses the connection"), "{failure}");
}
