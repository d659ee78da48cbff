//! Mail to a real server: with STARTTLS, with TLS from the start, with logins, and to servers that lie.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
};

use rstest::rstest;
use voxsync_crds::code_sync::NotificationChannel::Mail;
use voxsync_fixtures::{CertificateAuthority, MailLogin, MailServer, MailTls};
use voxsync_notification::{Destination, Failure, Keys, News, Sender, Template, compose};

use crate::news;

fn keys(address: String) -> Keys {
    Keys {
        address: Some(address),
        from: Some("voxsync <voxsync@example.com>".to_owned()),
        to: Some("ops@example.com, Dev <dev@example.com>".to_owned()),
        ..Keys::default()
    }
}

fn with_login(address: String, password: &str) -> Keys {
    Keys { username: Some("voxsync".to_owned()), password: Some(password.to_owned()), ..keys(address) }
}

async fn send(keys: &Keys, authorities: Option<&str>, news: &News) -> Result<(), Failure> {
    let template = Template::parse("{message}").unwrap();
    let destination = Destination::of(Mail, keys).unwrap();
    let composed = compose(Mail, news, Some(&template), 0);
    Sender::new(String::new()).send(&destination, authorities, &composed, news.at).await
}

#[rstest]
#[case::starttls(MailTls::StartTls, MailLogin::None)]
#[case::implicit(MailTls::Implicit, MailLogin::None)]
#[case::plain(MailTls::StartTls, MailLogin::Plain)]
#[case::plain_implicit(MailTls::Implicit, MailLogin::Plain)]
#[case::login(MailTls::StartTls, MailLogin::Login)]
#[tokio::test]
async fn a_mail_arrives_for_all_recipients(#[case] tls: MailTls, #[case] login: MailLogin) {
    let authority = CertificateAuthority::create();
    let server = MailServer::start(&authority.issue(), tls, login);
    let keys = match login {
        MailLogin::None => keys(server.address()),
        _ => with_login(server.address(), MailServer::PASSWORD),
    };
    // It must be there as it was, whatever ends a mail or begins a header.
    let message = ".leading dot . From: nobody Grüße \u{1f44d}";
    send(&keys, Some(&authority.pem()), &News { message: message.to_owned(), ..news() }).await.unwrap();
    let mails = server.mails();
    let [mail] = mails.as_slice() else { panic!("{mails:?}") };
    assert_eq!(mail["X-RcptTo"], "ops@example.com, dev@example.com");
    assert_eq!(mail["X-MailFrom"], "voxsync@example.com");
    assert_eq!(mail["Subject"], "Failed: puppet/production v1.1.0");
    assert_eq!(mail["body"], message);
}

#[rstest]
#[case::wrong_password(MailLogin::Plain, "wrong", "127.0.0.1: it answers 535: check username and password")]
#[case::wrong_password_in_two_steps(
    MailLogin::Login,
    "wrong",
    "127.0.0.1: it answers 535: check username and password"
)]
#[tokio::test]
async fn a_refused_login_is_said(#[case] login: MailLogin, #[case] password: &str, #[case] wanted: &str) {
    let authority = CertificateAuthority::create();
    let server = MailServer::start(&authority.issue(), MailTls::StartTls, login);
    let failure =
        send(&with_login(server.address(), password), Some(&authority.pem()), &news()).await.unwrap_err();
    assert_eq!(failure.to_string(), wanted);
    assert!(server.mails().is_empty());
}

#[rstest]
#[case::starttls(MailTls::StartTls)]
#[case::implicit(MailTls::Implicit)]
#[tokio::test]
async fn nothing_is_said_to_a_server_that_nobody_vouches_for(#[case] tls: MailTls) {
    let server = MailServer::start(&CertificateAuthority::create().issue(), tls, MailLogin::Plain);
    let keys = with_login(server.address(), MailServer::PASSWORD);
    let failure = send(&keys, Some(&CertificateAuthority::create().pem()), &news()).await.unwrap_err();
    assert!(failure.to_string().contains("its certificate is of an unknown CA"), "{failure}");
    assert!(server.mails().is_empty());
}

/// A server that says this, one piece for each line that it hears.
fn scripted(pieces: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("smtp://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        for piece in pieces {
            // Who is asked may hang up at any time.
            if stream.get_mut().write_all(piece.as_bytes()).is_err() {
                return;
            }
            let _ = stream.read_line(&mut String::new());
        }
    });
    address
}

#[rstest]
#[case::no_starttls(&["220 hi\r\n", "250-hi\r\n250 SIZE 1000\r\n"], "it has no STARTTLS")]
#[case::injected(
    &["220 hi\r\n", "250-hi\r\n250 STARTTLS\r\n", "220 go\r\n250 AUTH PLAIN\r\n"],
    "says more than it was asked"
)]
#[case::busy(&["421 later\r\n"], "it answers 421")]
#[case::html(&["HTTP/1.1 400 Bad Request\r\n\r\n"], "what it answers is not SMTP")]
#[case::closed(&["220 hi\r\n"], "it closed the connection")]
#[tokio::test]
async fn a_server_that_lies_gets_nothing(#[case] pieces: &'static [&'static str], #[case] wanted: &str) {
    let keys = with_login(scripted(pieces), "s3cret");
    let failure = send(&keys, None, &news()).await.unwrap_err().to_string();
    assert!(failure.contains(wanted) && !failure.contains("s3cret"), "{failure}");
}

#[tokio::test]
async fn a_line_or_an_answer_without_an_end_is_not_read_on() {
    let endless = |text: &'static str| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("smtp://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(text.as_bytes()).is_ok() {}
        });
        address
    };
    for text in ["220", "220-hi\r\n"] {
        let failure = send(&keys(endless(text)), None, &news()).await.unwrap_err();
        assert_eq!(failure.to_string(), "127.0.0.1: what it answers is not SMTP");
    }
}
