//! What became of the looks since the last good one, as far as that decides when the next one is. Pure.

use jiff::{SignedDuration, Timestamp};

use super::{place::Finding, verify::Asked};

/// How long what is on its way is looked for more often than the source's interval says.
const SEARCH: SignedDuration = SignedDuration::from_hours(1);

/// The looks since the last good one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tries {
    /// Those that failed.
    pub(crate) failed: u32,
    /// Those that failed, or found no image where one is named.
    pub(crate) incomplete: u32,
    /// Those whose login is refused or cannot be used: somebody may mend it at any time.
    pub(crate) of_login: u32,
    /// Since when the image or the signature is missing that is on its way now.
    pub(crate) missing_since: Option<Timestamp>,
}

impl Tries {
    /// One more, with what it found.
    pub(crate) fn count(&mut self, findings: &[(Asked, Finding)], now: Timestamp) {
        let is_any = |is: fn(&Asked, &Finding) -> bool| findings.iter().any(|(asked, it)| is(asked, it));
        let next = |count: u32, more: bool| if more { count.saturating_add(1) } else { 0 };
        let is_missing = is_any(|_, finding| finding.is_missing());
        *self = Self {
            failed: next(self.failed, is_any(|_, finding| finding.is_failure())),
            incomplete: next(self.incomplete, is_any(|asked, finding| finding.is_incomplete(&asked.want))),
            of_login: next(self.of_login, is_any(|_, finding| finding.is_of_login())),
            missing_since: is_missing.then(|| self.missing_since.unwrap_or(now)),
        };
    }

    /// It found something else than the one before: what is on its way now began to be so now.
    pub(crate) fn hear_news(&mut self, now: Timestamp) {
        self.missing_since = self.missing_since.map(|_| now);
    }

    /// How many failed on end, for the source or for a login.
    pub(crate) fn failures(&self) -> u32 {
        self.failed.max(self.of_login)
    }

    /// Whether something is on its way that may be there at any time.
    pub(crate) fn is_search(&self, now: Timestamp) -> bool {
        self.missing_since.is_some_and(|since| now.duration_since(since) < SEARCH)
    }
}
