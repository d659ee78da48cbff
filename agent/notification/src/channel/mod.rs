//! What each channel takes. One file for each, with its escapes and with where its vendor says so.

mod discord;
mod mail;
mod mattermost;
mod rocket_chat;
mod slack;
mod teams;
mod webhook;

use serde_json::Value;
use voxsync_crds::code_sync::NotificationChannel;

use crate::{News, Template, said::Said, text::Escape};

/// Something that can be sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Composed {
    /// The body of a POST.
    Post {
        /// Its type.
        content_type: &'static str,
        /// All of it.
        body: Value,
    },
    /// A mail.
    Mail {
        /// One line.
        subject: String,
        /// Plain text.
        text: String,
        /// The same for each try.
        id: String,
    },
}

/// Says the news in the form of a channel; `more` is how many were left out before it.
pub fn compose(
    channel: NotificationChannel,
    news: &News,
    template: Option<&Template>,
    more: usize,
) -> Composed {
    let said = Said::of(news, template, more, escape(channel));
    let body = match channel {
        NotificationChannel::Webhook => {
            let content_type = webhook::CONTENT_TYPE;
            return Composed::Post { content_type, body: webhook::body(news, &said, more) };
        }
        NotificationChannel::Mail => {
            let (subject, text) = mail::parts(said);
            return Composed::Mail { subject, text, id: news.id() };
        }
        NotificationChannel::Slack => slack::body(news, &said),
        NotificationChannel::Teams => teams::body(news, &said),
        NotificationChannel::RocketChat => rocket_chat::body(news, &said),
        NotificationChannel::Mattermost => mattermost::body(news, &said),
        NotificationChannel::Discord => discord::body(news, &said),
    };
    Composed::Post { content_type: "application/json", body }
}

fn escape(channel: NotificationChannel) -> Escape {
    match channel {
        // Neither reads markup.
        NotificationChannel::Webhook | NotificationChannel::Mail => crate::text::plain,
        NotificationChannel::Slack => slack::escape,
        NotificationChannel::Teams => teams::escape,
        NotificationChannel::RocketChat => rocket_chat::escape,
        NotificationChannel::Mattermost => mattermost::escape,
        NotificationChannel::Discord => discord::escape,
    }
}

/// Not seen; between `@` and a name it keeps both from being a mention.
const ZERO_WIDTH_SPACE: char = '\u{200b}';

/// Puts a backslash before what is markup.
fn backslash(char: char, markup: &str, to: &mut String) {
    if markup.contains(char) {
        to.push('\\');
    }
    to.push(char);
    if char == '@' {
        to.push(ZERO_WIDTH_SPACE);
    }
}
