//! What is behind an error of the HTTP library. The reason of a failed connection is several errors deep, and in the middle
//! of the chain are `io::Error`s that hide the one that they wrap: so the chain is walked here, once.

use std::{error::Error, io};

const MAX_CAUSES: usize = 16;
const MAX_REASON_CHARACTERS: usize = 200;

/// The error itself, and one behind the other what led to it.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| cause_of(*cause)).take(MAX_CAUSES)
}

/// What the deepest error says. Those have no addresses in them, and so no credentials either.
pub(crate) fn innermost_reason(error: &reqwest::Error) -> String {
    let innermost = causes(error).last().map(ToString::to_string).unwrap_or_default();
    innermost.chars().take(MAX_REASON_CHARACTERS).collect()
}

fn cause_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}
