//! How it is with what is waited for, and the words for it. Pure: they are made once, for who asked and how.

use super::selector::Selector;

/// How it is with what is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is what `status.deployed` names, or the stage that is asked for has passed.
    Deployed,
    /// A stage could not run it.
    Failed,
    /// A stage could not run it, and was given back what it had.
    RolledBack,
    /// It was rolled back, and is not taken again until a person says so.
    Quarantined,
    /// Another candidate took its place, before or after all stages ran it, or is higher.
    Superseded,
    /// It is on its way, or something is in its way.
    Waiting,
    /// Nothing is known of it yet.
    Unseen,
    /// The question itself is wrong.
    Unanswerable,
}

/// A verdict, and why, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub verdict: Verdict,
    pub message: String,
}

/// A verdict, and what is known.
#[derive(Debug)]
pub(super) struct Known {
    verdict: Verdict,
    /// The name of the image that this is about.
    image: Option<String>,
    /// A sentence; where it is about an image, without its name at the beginning.
    says: String,
}

impl Known {
    pub fn new(verdict: Verdict, says: String) -> Self {
        Self { verdict, image: None, says }
    }

    /// Of an image, by its name.
    pub fn of(image: &str, verdict: Verdict, says: String) -> Self {
        Self { verdict, image: Some(image.to_owned()), says }
    }

    /// The same, and something behind it.
    pub fn and(self, more: &str) -> Self {
        Self { says: self.says + more, ..self }
    }

    /// Says it to who asked for this.
    pub fn told(self, selector: &Selector) -> Answer {
        let Self { verdict, image, says } = self;
        let message = match (image, selector) {
            (Some(image), Selector::Tag(tag, _)) if *tag != image => {
                format!("tag {tag} names this image: {image} {says}")
            }
            (Some(image), _) => format!("{image} {says}"),
            (None, _) => says,
        };
        Answer { verdict, message }
    }
}
