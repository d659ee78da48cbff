//! Servers that are not there, slow, or lie: a check of each kind says so, and ends.

use std::{net::TcpListener, time::Duration};

use rstest::rstest;
use serde_json::{Value, json};
use voxsync_checks::Standing::{self, *};

use crate::support::{PATIENT, Then, answer, asked, check, server};

/// For those that never end.
const IMPATIENT: Duration = Duration::from_millis(500);

/// A check of each kind that asks there.
fn checks(url: &str) -> [Value; 3] {
    [
        json!({"name": "http", "http": {"url": url, "contains": "running"}}),
        json!({"name": "prometheus", "prometheus": {"url": url, "query": "up", "minimum": 1}}),
        json!({"name": "puppetdb", "puppetdb": {"url": url, "maximumFailedPercent": 1}}),
    ]
}

/// What the three kinds say: how they stand, and what is in their messages.
type Said = [(Standing, &'static str); 3];

const fn all(standing: Standing, message: &'static str) -> Said {
    [(standing, message); 3]
}

fn says(status: &str, body: &str) -> impl Fn() -> Then {
    let text = answer(status, body);
    move || Then::Says(text.clone())
}

#[rstest]
#[case::out_of_order(
    &says("500 Internal Server Error", "hunter2"),
    PATIENT,
    [(Failed, "it answers 500, not 200"), (Unreachable, "Prometheus answers 500"), (Unreachable, "PuppetDB answers 500")]
)]
#[case::html(
    &says("200 OK", "<html>hunter2</html>"),
    PATIENT,
    [(Failed, "without \"running\""), (Unreachable, "is not Prometheus"), (Unreachable, "is not PuppetDB")]
)]
#[case::other_json(
    &says("200 OK", r#"{"hunter2": []}"#),
    PATIENT,
    [(Failed, "without \"running\""), (Unreachable, "is not Prometheus"), (Unreachable, "is not PuppetDB")]
)]
#[case::redirect(
    &|| Then::Says(b"HTTP/1.1 302 Found\r\nlocation: http://other.example/?hunter2\r\ncontent-length: 0\r\n\r\n".into()),
    PATIENT,
    [(Failed, "redirects to http://other.example,"), (Unreachable, "answers 302"), (Unreachable, "answers 302")]
)]
#[case::without_an_end(
    &|| Then::GoesOn(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"10\r\nnonsense & more!\r\n"),
    PATIENT,
    [(Failed, "in the first 256 KiB"), (Unreachable, "more than 1024 KiB"), (Unreachable, "more than 64 KiB")]
)]
#[case::announced_as_huge(
    &|| Then::GoesOn(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", b"nonsense"),
    PATIENT,
    [(Failed, "in the first 256 KiB"), (Unreachable, "more than 1024 KiB"), (Unreachable, "more than 64 KiB")]
)]
#[case::headers_without_an_end(
    &|| Then::GoesOn(b"HTTP/1.1 200 OK\r\n", b"x: nonsense\r\n"),
    PATIENT,
    all(Unreachable, "the connection failed")
)]
#[case::one_header_without_an_end(
    &|| Then::GoesOn(b"HTTP/1.1 200 OK\r\nx: ", b"nonsense"),
    PATIENT,
    all(Unreachable, "the connection failed")
)]
#[case::no_http(&|| Then::Says(b"220 mail.example ESMTP hunter2\r\n".into()), PATIENT, all(Unreachable, "the connection failed"))]
#[case::cut_off(
    &|| Then::Says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[".into()),
    PATIENT,
    all(Unreachable, "the connection failed")
)]
#[case::silent(&|| Then::Rests(b""), IMPATIENT, all(Unreachable, "no whole answer within"))]
#[case::without_its_body(
    &|| Then::Rests(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"),
    IMPATIENT,
    all(Unreachable, "no whole answer within")
)]
#[tokio::test]
async fn lies(#[case] then: &dyn Fn() -> Then, #[case] timeout: Duration, #[case] wanted: Said) {
    for (place, (standing, message)) in wanted.into_iter().enumerate() {
        let (url, _asked) = server(then());
        let written = checks(&url)[place].clone();
        let said = asked(&check(written.clone()), timeout).await;
        assert_eq!(said.standing, standing, "{written}: {}", said.message);
        assert!(said.message.contains(message), "{written}: {}", said.message);
        assert!(!said.message.contains("hunter2"), "{written}: {}", said.message);
    }
}

#[tokio::test]
async fn nobody_is_there() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Every resolver refuses such a label before it asks anybody.
    let unknown = format!("{}.example", "x".repeat(64));
    for (host, message) in
        [(nobody.to_string(), "refuses the connection"), (unknown, "its name cannot be resolved")]
    {
        for written in checks(&format!("http://user:hunter2@{host}/?token=hunter2")) {
            let said = asked(&check(written), PATIENT).await;
            assert_eq!(said.standing, Unreachable, "{}", said.message);
            assert!(said.message.contains(message), "{}", said.message);
            assert!(!said.message.contains("hunter2"), "{}", said.message);
        }
    }
}
