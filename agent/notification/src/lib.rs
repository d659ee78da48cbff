//! Telling people and programs of what happens: what is said on each channel, and how it gets there.
//!
//! Composing is pure: [`occasion()`] says which news is for whom, [`compose`] makes of a [`News`] what one channel takes.
//! [`Queue`] is pure, too: what is sent next, what is tried again and what is given up, with the time passed in.
//! [`Sender`] is the thin shell: one letter to one [`Destination`], bounded in size and time.
//!
//! All that a text holds comes from outside (tags, titles of commits, messages of pods): it is cleaned, bounded, and
//! escaped by the rules of each channel. Addresses are secrets, and are in no error and no `Debug`.
//!
//! Reading order: `news`, `occasion`, `text`, `template`, `said`, `channel` (one file each, with where its vendor says
//! so), `queue`, `destination`, `send`.

mod channel;
mod destination;
#[cfg(test)]
#[path = "../tests/notification/example.rs"]
mod example;
mod news;
mod occasion;
mod queue;
mod said;
mod send;
mod template;
mod text;

pub use channel::{Composed, compose};
pub use destination::{Destination, DestinationError, Keys};
pub use news::News;
pub use occasion::{EVENT_REASONS, occasion};
pub use queue::{Due, Ended, Queue};
pub use send::{Failure, Sender};
pub use template::{Template, TemplateError};
