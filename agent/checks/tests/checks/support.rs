//! Lines to servers, and a server that says what a test wants.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use jiff::Timestamp;
use reqwest::Client;
use serde_json::Value;
use voxsync_checks::{Answer, Line, ask};
use voxsync_crds::code_sync::Check;
use voxsync_promotion::CheckRun;
use voxsync_source::{http, registry::Login};

/// Long enough for whoever answers at all.
pub(crate) const PATIENT: Duration = Duration::from_mins(1);

/// A check as somebody writes it.
pub(crate) fn check(written: Value) -> Check {
    serde_json::from_value(written).unwrap()
}

/// A stage of one Server that was rolled out then.
pub(crate) fn run_since(since: Timestamp) -> CheckRun {
    CheckRun {
        stage: "canary".to_owned(),
        check: "check".to_owned(),
        promotion: "promotion".to_owned(),
        reference: "registry.example/code:v1".to_owned(),
        since,
        servers: vec!["canary".to_owned()],
    }
}

/// A client with these certificates.
pub(crate) fn client(authority: Option<&str>, identity: Option<&str>) -> Client {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    http::client(authority, identity).unwrap()
}

/// Asks as a stranger, in clear text.
pub(crate) async fn asked(check: &Check, timeout: Duration) -> Answer {
    asked_with(check, &client(None, None), &Login::Anonymous, timeout).await
}

/// Asks with this client and login.
pub(crate) async fn asked_with(check: &Check, client: &Client, login: &Login, timeout: Duration) -> Answer {
    let line = Line { client, login, timeout, user_agent: "voxsync/test" };
    ask(check, &run_since(Timestamp::UNIX_EPOCH), &line).await
}

/// What a server does after it read a request.
pub(crate) enum Then {
    /// Says this, and closes the connection.
    Says(Vec<u8>),
    /// Says this, and then this again and again, for as long as somebody reads it.
    GoesOn(&'static [u8], &'static [u8]),
    /// Says this, and keeps the connection open without another word.
    Rests(&'static [u8]),
}

/// Starts a server for one request. Gives its address, and what was asked.
pub(crate) fn server(then: Then) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, asked) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = sender.send(request(&mut stream));
        match then {
            Then::Says(text) => drop(stream.write_all(&text)),
            Then::GoesOn(first, again) => {
                let mut said = stream.write_all(first);
                while said.is_ok() {
                    said = stream.write_all(again);
                }
            }
            Then::Rests(text) => {
                let _ = stream.write_all(text);
                // Until the other side has had enough.
                let _ = stream.read(&mut [0]);
            }
        }
    });
    (address, asked)
}

/// An answer as it goes over a line.
pub(crate) fn answer(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Reads a request with its body.
fn request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length: ").map(|length| length.parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return text.into_owned();
            }
        }
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the request breaks off: {text}");
        read.extend_from_slice(&buffer[..count]);
    }
}
