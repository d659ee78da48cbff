//! The thin shell: one letter to one destination, bounded in size and time.

mod http;
mod mail;
mod smtp;

use std::time::Duration;

use jiff::Timestamp;

use crate::{Composed, Destination};

/// The longest time that a place may ask to be left alone.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Why a letter did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// For people: whom was asked, and what was wrong; no path, no login, and no answer of more than a word.
    pub message: String,
    pub(crate) again: Again,
}

/// Whether another try can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// It can, after the time that was asked for.
    Later(Option<Duration>),
    /// It was refused.
    Never,
}

impl Failure {
    /// Another try can help.
    pub fn passing(message: String) -> Self {
        Self { message, again: Again::Later(None) }
    }

    fn refused(message: String) -> Self {
        Self { message, again: Again::Never }
    }
}

/// Sends letters.
#[derive(Clone, Debug)]
pub struct Sender {
    user_agent: String,
    request_timeout: Duration,
}

impl Sender {
    /// One that shows itself so.
    pub fn new(user_agent: String) -> Self {
        Self { user_agent, request_timeout: http::REQUEST_TIMEOUT }
    }

    /// The same, with less patience, or more, for the answer to a POST.
    #[must_use]
    pub fn with_request_timeout(self, request_timeout: Duration) -> Self {
        Self { request_timeout, ..self }
    }

    /// Sends a letter. `authorities` are trusted besides those of the system.
    pub async fn send(
        &self,
        destination: &Destination,
        authorities: Option<&str>,
        composed: &Composed,
        at: Timestamp,
    ) -> Result<(), Failure> {
        match (destination, composed) {
            (Destination::Post(post), Composed::Post { content_type, body }) => {
                let request = http::request(post, authorities, self)?;
                http::send(request, post, content_type, body.to_string()).await
            }
            (Destination::Mail(server), Composed::Mail { subject, text, id }) => {
                let message = mail::message(server, subject, text, id, at)?;
                smtp::hand_in(server, authorities, &message).await
            }
            // The kind of both is that of the channel.
            _ => Err(Failure::refused("its Secret is for another channel".to_owned())),
        }
    }
}
