//! Where to, as a Secret says it. Nothing of it is shown: the address of a chat is as good as a password.

use std::{fmt, str::FromStr as _};

use lettre::message::Mailbox;
use url::Url;
use voxsync_crds::code_sync::NotificationChannel;

/// How many people one mail goes to.
const RECIPIENTS_LIMIT: usize = 32;
/// Where mail is handed in, first with STARTTLS, then with TLS from the start (RFC 8314, 3.3 and 7.3).
const SUBMISSION_PORTS: [u16; 2] = [587, 465];

/// The values of a Secret. A value that is there is not empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// `address`.
    pub address: Option<String>,
    /// `token`.
    pub token: Option<String>,
    /// `hmac-key`.
    pub hmac_key: Option<Vec<u8>>,
    /// `username`.
    pub username: Option<String>,
    /// `password`.
    pub password: Option<String>,
    /// `from`.
    pub from: Option<String>,
    /// `to`.
    pub to: Option<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Keys")
    }
}

/// Where a letter goes.
#[derive(Clone)]
pub enum Destination {
    /// A POST.
    Post(Post),
    /// A mail.
    Mail(Box<MailServer>),
}

impl fmt::Debug for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Post(_) => "Destination::Post",
            Self::Mail(_) => "Destination::Mail",
        })
    }
}

/// Where a POST goes, and what is sent with it.
#[derive(Clone)]
pub struct Post {
    pub(crate) address: Url,
    pub(crate) token: Option<String>,
    pub(crate) hmac_key: Option<Vec<u8>>,
    pub(crate) channel: NotificationChannel,
}

/// A server that takes mail, and for whom.
#[derive(Clone)]
pub struct MailServer {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    pub(crate) login: Option<(String, String)>,
    pub(crate) from: Mailbox,
    pub(crate) to: Vec<Mailbox>,
}

/// When TLS begins. It always does, before anything is said that somebody else may not hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    StartTls,
    Implicit,
}

/// What is wrong with a Secret, without a value of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// A key is missing.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// The address is none.
    #[error("address is no URL")]
    NoUrl,
    /// The address is of another kind.
    #[error("address must begin with {0}")]
    Scheme(&'static str),
    /// A name or password in the address.
    #[error("address has a login in it: put that into {0}")]
    Login(&'static str),
    /// One of two that belong together.
    #[error("username and password belong together")]
    HalfALogin,
    /// No address of a person.
    #[error("{0} has no mail address such as `Name <user@example.com>`, or several must be parted by commas")]
    NoMailbox(&'static str),
    /// Too many of them.
    #[error("to has more than {RECIPIENTS_LIMIT} mail addresses")]
    TooMany,
}

impl Destination {
    /// Reads the keys that a channel needs.
    pub fn of(channel: NotificationChannel, keys: &Keys) -> Result<Self, DestinationError> {
        let address = keys.address.as_deref().ok_or(DestinationError::Missing("address"))?;
        let address = Url::parse(address.trim()).map_err(|_| DestinationError::NoUrl)?;
        let has_login = !address.username().is_empty() || address.password().is_some();
        if channel == NotificationChannel::Mail {
            if has_login {
                return Err(DestinationError::Login("username and password"));
            }
            return mail(&address, keys).map(|mail| Self::Mail(Box::new(mail)));
        }
        if has_login {
            return Err(DestinationError::Login("token"));
        }
        if !matches!(address.scheme(), "https" | "http") {
            return Err(DestinationError::Scheme("https:// or http://"));
        }
        // Only who made the receiver knows these; services take what they do not know as an error, or show it.
        let own = channel == NotificationChannel::Webhook;
        let (token, hmac_key) = if own { (keys.token.clone(), keys.hmac_key.clone()) } else { (None, None) };
        Ok(Self::Post(Post { address, token, hmac_key, channel }))
    }
}

fn mail(address: &Url, keys: &Keys) -> Result<MailServer, DestinationError> {
    let [starttls, implicit] = SUBMISSION_PORTS;
    let (security, usual) = match address.scheme() {
        "smtp" => (Security::StartTls, starttls),
        "smtps" => (Security::Implicit, implicit),
        _ => return Err(DestinationError::Scheme("smtp:// (STARTTLS) or smtps://")),
    };
    let host = address.host_str().filter(|host| !host.is_empty()).ok_or(DestinationError::NoUrl)?;
    let login = match (&keys.username, &keys.password) {
        (Some(username), Some(password)) => Some((username.clone(), password.clone())),
        (None, None) => None,
        _ => return Err(DestinationError::HalfALogin),
    };
    let mailboxes = |key: &'static str, text: &Option<String>| {
        let text = text.as_deref().ok_or(DestinationError::Missing(key))?;
        let is_sendable =
            |one: &Mailbox| AsRef::<str>::as_ref(&one.email).bytes().all(|byte| byte.is_ascii_graphic());
        let found = text.split(',').map(|one| Mailbox::from_str(one.trim()).ok().filter(is_sendable));
        found.collect::<Option<Vec<_>>>().ok_or(DestinationError::NoMailbox(key))
    };
    let from = mailboxes("from", &keys.from)?;
    let [from] = <[Mailbox; 1]>::try_from(from).map_err(|_| DestinationError::NoMailbox("from"))?;
    let to = mailboxes("to", &keys.to)?;
    if to.len() > RECIPIENTS_LIMIT {
        return Err(DestinationError::TooMany);
    }
    // An address of IPv6 has brackets in a URL.
    let host = host.trim_matches(['[', ']']).to_owned();
    Ok(MailServer { host, port: address.port().unwrap_or(usual), security, login, from, to })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn keys(address: &str) -> Keys {
        let text = |text: &str| Some(text.to_owned());
        Keys {
            address: text(address),
            from: text("voxsync <voxsync@example.com>"),
            to: text("a@example.com, B <b@example.com>"),
            ..Keys::default()
        }
    }

    #[rstest]
    #[case("smtp://mail.example", 587, Security::StartTls)]
    #[case("smtps://mail.example", 465, Security::Implicit)]
    #[case("smtp://mail.example:25", 25, Security::StartTls)]
    fn mail_is_handed_in_with_tls(#[case] address: &str, #[case] port: u16, #[case] security: Security) {
        let Ok(Destination::Mail(server)) = Destination::of(NotificationChannel::Mail, &keys(address)) else {
            panic!("no mail server")
        };
        assert_eq!((server.host.as_str(), server.port, server.security), ("mail.example", port, security));
        assert_eq!(server.to.len(), 2);
    }

    #[rstest]
    #[case::no_url(NotificationChannel::Slack, keys("hooks.slack.com/x"), DestinationError::NoUrl)]
    #[case::scheme(
        NotificationChannel::Slack,
        keys("file:///etc/passwd"),
        DestinationError::Scheme("https:// or http://")
    )]
    #[case::mail_scheme(
        NotificationChannel::Mail,
        keys("https://a.example"),
        DestinationError::Scheme("smtp:// (STARTTLS) or smtps://")
    )]
    #[case::login(
        NotificationChannel::Webhook,
        keys("https://me:hunter2@a.example"),
        DestinationError::Login("token")
    )]
    #[case::mail_login(
        NotificationChannel::Mail,
        keys("smtps://me:hunter2@a.example"),
        DestinationError::Login("username and password")
    )]
    #[case::no_address(NotificationChannel::Webhook, Keys::default(), DestinationError::Missing("address"))]
    #[case::no_recipient(NotificationChannel::Mail, Keys { to: None, ..keys("smtps://a.example") }, DestinationError::Missing("to"))]
    #[case::half(NotificationChannel::Mail, Keys { username: Some("me".into()), ..keys("smtps://a.example") }, DestinationError::HalfALogin)]
    #[case::injected(
        NotificationChannel::Mail,
        Keys { to: Some("a@example.com\r\nBcc: c@example.com".into()), ..keys("smtps://a.example") },
        DestinationError::NoMailbox("to")
    )]
    #[case::many(
        NotificationChannel::Mail,
        Keys { to: Some(vec!["a@example.com"; 33].join(",")), ..keys("smtps://a.example") },
        DestinationError::TooMany
    )]
    #[case::two_senders(
        NotificationChannel::Mail,
        Keys { from: Some("a@example.com,b@example.com".into()), ..keys("smtps://a.example") },
        DestinationError::NoMailbox("from")
    )]
    fn what_is_wrong_is_said_without_a_value(
        #[case] channel: NotificationChannel,
        #[case] keys: Keys,
        #[case] wanted: DestinationError,
    ) {
        let error = Destination::of(channel, &keys).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        assert_eq!(error, wanted);
    }

    #[test]
    fn tokens_go_to_receivers_of_cloud_events_only() {
        let keys = Keys { token: Some("t".into()), ..keys("https://a.example/hook") };
        for (channel, has) in [(NotificationChannel::Webhook, true), (NotificationChannel::Slack, false)] {
            let Ok(Destination::Post(post)) = Destination::of(channel, &keys) else { panic!("no address") };
            assert_eq!(post.token.is_some(), has);
        }
        let destination = Destination::of(NotificationChannel::Webhook, &keys);
        assert_eq!(format!("{destination:?}{keys:?}"), "Ok(Destination::Post)Keys");
    }
}
