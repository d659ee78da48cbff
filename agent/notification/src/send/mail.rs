//! The mail itself, as RFC 5322 wants it. Pure.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lettre::{
    Message,
    message::header::{ContentType, HeaderName, HeaderValue},
};

use super::Failure;
use crate::destination::MailServer;

/// Nobody's holiday notes are wanted (RFC 3834, 5).
const AUTOMATIC: (&str, &str) = ("Auto-Submitted", "auto-generated");

pub(super) fn message(
    server: &MailServer,
    subject: &str,
    text: &str,
    id: &str,
    at: Timestamp,
) -> Result<Vec<u8>, Failure> {
    let seconds = u64::try_from(at.as_second()).unwrap_or_default();
    let (name, value) = AUTOMATIC;
    let mut builder = Message::builder()
        .from(server.from.clone())
        .subject(subject)
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .message_id(Some(format!("<{id}@{}>", server.from.email.domain())))
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned()))
        .header(ContentType::TEXT_PLAIN);
    for to in &server.to {
        builder = builder.to(to.clone());
    }
    let message = builder.body(text.to_owned());
    message
        .map(|message| message.formatted())
        .map_err(|error| Failure::refused(format!("the mail cannot be made: {error}")))
}

#[cfg(test)]
mod tests {
    use voxsync_crds::code_sync::NotificationChannel;
    use voxsync_hostile::{fuzz, near_text};

    use super::*;
    use crate::{Composed, Destination, Keys, News, compose, example::news};

    fn server() -> MailServer {
        let keys = Keys {
            address: Some("smtps://mail.example".to_owned()),
            from: Some("voxsync <voxsync@example.com>".to_owned()),
            to: Some("Jörg <a@example.com>, b@example.com".to_owned()),
            ..Keys::default()
        };
        match Destination::of(NotificationChannel::Mail, &keys) {
            Ok(Destination::Mail(server)) => *server,
            other => panic!("{other:?}"),
        }
    }

    fn mail_of(news: &News) -> String {
        let Composed::Mail { subject, text, id } = compose(NotificationChannel::Mail, news, None, 0) else {
            panic!("no mail")
        };
        String::from_utf8(message(&server(), &subject, &text, &id, news.at).unwrap()).unwrap()
    }

    #[test]
    fn a_mail_is_as_the_standard_wants_it() {
        let wanted = "From: voxsync <voxsync@example.com>\r\n\
            Subject: Failed: puppet/production v1.1.0\r\n\
            Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\
            Message-ID: <ID@example.com>\r\n\
            Auto-Submitted: auto-generated\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\
            To: =?utf-8?b?SsO2cmc=?= <a@example.com>, b@example.com\r\n\
            Content-Transfer-Encoding: 7bit\r\n\
            \r\n\
            v1.1.0 failed in stage canary: manifest unknown\r\n\r\n\
            from: v1.0.0\r\nstage: canary\r\nreference: r.example/code:v1.1.0\r\n";
        assert_eq!(mail_of(&news()).replace(&news().id(), "ID"), wanted);
    }

    #[test]
    fn fuzz_nothing_from_outside_becomes_a_header_or_another_recipient() {
        let names = ["v1.1.0\r\nBcc: c@example.com\r\n\r\nhello", "Fix\n.\nQUIT", "=?utf-8?Q?=0D=0ABcc:_c?="];
        fuzz(near_text(names), |text| {
            let news = News { name: Some(text.clone()), message: text, ..news() };
            let mail = mail_of(&news);
            let (head, _) = mail.split_once("\r\n\r\n").unwrap();
            let fields: Vec<&str> =
                head.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])).collect();
            assert_eq!(fields.len(), 8, "{head}");
            assert!(mail.is_ascii() && !mail.replace("\r\n", "").contains(['\r', '\n']), "{mail:?}");
            assert!(mail.lines().all(|line| line.len() <= 998), "{mail}");
            // One is the name of a recipient.
            head.matches("=?utf-8?").count() == 1
        });
    }
}
