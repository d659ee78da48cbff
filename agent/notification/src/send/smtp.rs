//! Handing in a mail (RFC 5321, RFC 6409): the dialogue, always within TLS.
//!
//! It is our own because it is small, and the answers of a server must be bounded: a line, how many of them, and the time.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use rustls_platform_verifier::Verifier;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use voxsync_source::http;

use super::{Again, Failure};
use crate::destination::{MailServer, Security};

/// How long one mail may take.
const DIALOGUE_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest line that is read; RFC 5321, 4.5.3.1.5 allows 512.
const LINE_LIMIT_BYTES: u64 = 2_048;
/// How many lines one answer has at most.
const LINES_LIMIT: usize = 64;

/// Hands a mail in.
pub(super) async fn hand_in(
    server: &MailServer,
    authorities: Option<&str>,
    message: &[u8],
) -> Result<(), Failure> {
    let dialogue = Box::pin(dialogue(server, authorities, message));
    let handed_in = tokio::time::timeout(DIALOGUE_TIMEOUT, dialogue).await;
    let handed_in =
        handed_in.unwrap_or_else(|_| Err(Failure::passing("it does not answer in time".to_owned())));
    handed_in
        .map_err(|failure| Failure { message: format!("{}: {}", server.host, failure.message), ..failure })
}

async fn dialogue(server: &MailServer, authorities: Option<&str>, message: &[u8]) -> Result<(), Failure> {
    let tls = TlsConnector::from(Arc::new(tls(authorities)?));
    let stream =
        tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((server.host.as_str(), server.port)));
    let stream = stream.await.map_err(|_| Failure::passing("no connection in time".to_owned()))?;
    let stream = stream.map_err(|error| Failure::passing(connection(&error)))?;
    let name = own_name(stream.local_addr().ok());
    let stream = match server.security {
        Security::Implicit => stream,
        Security::StartTls => {
            let mut talk = Talk::over(stream);
            talk.greeting().await?;
            if !talk.hello(&name).await?.iter().any(|line| line.eq_ignore_ascii_case("STARTTLS")) {
                return Err(Failure::refused(
                    "it has no STARTTLS, and nothing is said to it without".to_owned(),
                ));
            }
            talk.ask("STARTTLS", 220).await?;
            talk.into_stream()?
        }
    };
    let host = ServerName::try_from(server.host.clone())
        .map_err(|_| Failure::refused("its name is none that a certificate can have".to_owned()))?;
    let stream = tls.connect(host, stream).await.map_err(|error| Failure::passing(connection(&error)))?;
    let mut talk = Talk::over(stream);
    if server.security == Security::Implicit {
        talk.greeting().await?;
    }
    let offers = talk.hello(&name).await?;
    if let Some((username, password)) = &server.login {
        talk.login(&offers, username, password).await?;
    }
    talk.ask(&format!("MAIL FROM:<{}>", server.from.email), 250).await?;
    for (number, to) in server.to.iter().enumerate() {
        talk.ask(&format!("RCPT TO:<{}>", to.email), 250).await.map_err(|failure| Failure {
            message: format!("of {} recipients number {}: {}", server.to.len(), number + 1, failure.message),
            ..failure
        })?;
    }
    talk.ask("DATA", 354).await?;
    talk.write(&stuffed(message)).await?;
    talk.expect(250).await?;
    // It has the mail: how the farewell goes changes nothing.
    let _ = talk.ask("QUIT", 221).await;
    Ok(())
}

/// Trusts those whom HTTPS trusts, too.
fn tls(authorities: Option<&str>) -> Result<ClientConfig, Failure> {
    let unusable = |what: String| Failure::passing(format!("TLS cannot be used: {what}"));
    let roots = CertificateDer::pem_slice_iter(authorities.unwrap_or_default().as_bytes());
    let roots = roots.collect::<Result<Vec<_>, _>>().map_err(|error| unusable(error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider));
    let verifier = verifier.map_err(|error| unusable(error.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| unusable(error.to_string()))?.dangerous();
    Ok(builder.with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// An address literal: a pod has no name that anybody else knows (RFC 5321, 4.1.3).
fn own_name(address: Option<SocketAddr>) -> String {
    match address {
        Some(SocketAddr::V4(address)) => format!("[{}]", address.ip()),
        Some(SocketAddr::V6(address)) => format!("[IPv6:{}]", address.ip()),
        None => "[127.0.0.1]".to_owned(),
    }
}

/// Why there is no connection, for people.
fn connection(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => http::tls_failure(error),
        None if error.kind() == io::ErrorKind::ConnectionRefused => {
            "it refuses the connection; check the host and the port".to_owned()
        }
        None => format!("the connection failed ({error})"),
    }
}

/// A line that is only a dot would be the end of the mail (RFC 5321, 4.5.2).
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(message.len() + 8);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    if !stuffed.ends_with(b"\r\n") {
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed.extend_from_slice(b".\r\n");
    stuffed
}

/// A dialogue over a connection.
struct Talk<S>(BufReader<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    fn over(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    /// The connection, if nothing came over it that was not asked for: that would count as said within TLS.
    fn into_stream(self) -> Result<S, Failure> {
        if !self.0.buffer().is_empty() {
            return Err(Failure::refused(
                "it, or somebody on the way, says more than it was asked".to_owned(),
            ));
        }
        Ok(self.0.into_inner())
    }

    async fn greeting(&mut self) -> Result<(), Failure> {
        self.expect(220).await.map(drop)
    }

    /// Says who asks; gives back what the server offers.
    async fn hello(&mut self, name: &str) -> Result<Vec<String>, Failure> {
        self.ask(&format!("EHLO {name}"), 250).await
    }

    async fn login(&mut self, offers: &[String], username: &str, password: &str) -> Result<(), Failure> {
        let offered = |mechanism: &str| {
            let mut words = offers.iter().map(|line| line.split_ascii_whitespace());
            words.any(|mut words| {
                words.next().is_some_and(|word| word.eq_ignore_ascii_case("AUTH"))
                    && words.any(|word| word.eq_ignore_ascii_case(mechanism))
            })
        };
        let logged_in = if offered("PLAIN") {
            let login = STANDARD.encode(format!("\0{username}\0{password}"));
            self.ask(&format!("AUTH PLAIN {login}"), 235).await
        } else if offered("LOGIN") {
            self.ask("AUTH LOGIN", 334).await?;
            self.ask(&STANDARD.encode(username), 334).await?;
            self.ask(&STANDARD.encode(password), 235).await
        } else {
            return Err(Failure::refused("it takes no login by PLAIN or LOGIN".to_owned()));
        };
        logged_in.map(drop).map_err(|failure| Failure {
            message: format!("{}: check username and password", failure.message),
            ..failure
        })
    }

    /// Says one line, which must have no line break in it.
    async fn ask(&mut self, line: &str, wanted: u16) -> Result<Vec<String>, Failure> {
        self.write(format!("{line}\r\n").as_bytes()).await?;
        self.expect(wanted).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let stream = self.0.get_mut();
        let written = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        written.await.map_err(|error| Failure::passing(connection(&error)))
    }

    /// Reads an answer; gives back its texts where its code is the wanted one.
    async fn expect(&mut self, wanted: u16) -> Result<Vec<String>, Failure> {
        let mut texts = Vec::new();
        while texts.len() < LINES_LIMIT {
            let line = self.line().await?;
            let (code, text) = line.split_at_checked(3).unwrap_or_default();
            let code: u16 = code.parse().map_err(|_| no_smtp())?;
            let is_last = !text.starts_with('-');
            texts.push(text.get(1..).unwrap_or_default().trim().to_owned());
            if is_last {
                return if code == wanted { Ok(texts) } else { Err(refusal(code)) };
            }
        }
        Err(no_smtp())
    }

    async fn line(&mut self) -> Result<String, Failure> {
        let mut line = Vec::new();
        let read = (&mut self.0).take(LINE_LIMIT_BYTES).read_until(b'\n', &mut line).await;
        read.map_err(|error| Failure::passing(connection(&error)))?;
        if line.is_empty() {
            return Err(Failure::passing("it closed the connection".to_owned()));
        }
        if line.pop() != Some(b'\n') {
            return Err(no_smtp());
        }
        String::from_utf8(line).map_err(|_| no_smtp())
    }
}

fn no_smtp() -> Failure {
    Failure::passing("what it answers is not SMTP".to_owned())
}

/// Codes from 400 on are for now, those from 500 on for ever. Of an answer the code is shown and nothing else.
fn refusal(code: u16) -> Failure {
    let again = if code >= 500 { Again::Never } else { Again::Later(None) };
    Failure { message: format!("it answers {code}"), again }
}

#[cfg(test)]
mod tests {
    use voxsync_hostile::{fuzz, near};

    use super::*;

    #[test]
    fn a_line_that_is_a_dot_does_not_end_the_mail() {
        assert_eq!(stuffed(b"a\r\n.\r\n..b\r\n"), b"a\r\n..\r\n...b\r\n.\r\n");
        assert_eq!(stuffed(b"a"), b"a\r\n.\r\n");
    }

    #[test]
    fn fuzz_answers_of_mail_servers() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let samples = [
            "250-mail.example\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n",
            "250 ok\n",
            "250\r\n",
            "354 go on\r\n",
        ];
        fuzz(near(samples), |bytes| {
            runtime.block_on(async {
                let answer =
                    Talk::over(tokio::io::join(bytes.as_slice(), tokio::io::sink())).expect(250).await;
                answer.is_ok_and(|texts| {
                    assert!(texts.len() <= LINES_LIMIT);
                    true
                })
            })
        });
    }
}
