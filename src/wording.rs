//! What `status` and `plan` say alike: the phase of a stage, a row of what is waited for, and what comes next. Pure.

use std::time::Duration;

use jiff::Timestamp;
use voxsync_crds::{
    code_sync::{StagePhase, Waiting},
    duration::spoken,
};

use crate::output::{Tone, clock, minute, sentence};

/// The reason of a row that says that somebody else changed a target.
pub const HELD: &str = "Held";
/// The reason of a row that says that no window is open.
const WINDOW: &str = "Window";

/// The mark of a phase, and what it means.
pub fn mark(phase: StagePhase) -> (&'static str, Tone) {
    match phase {
        StagePhase::Deployed | StagePhase::Soaking => ("✔", Tone::Good),
        StagePhase::Failed | StagePhase::Held => ("✘", Tone::Bad),
        StagePhase::Gating
        | StagePhase::Writing
        | StagePhase::Rolling
        | StagePhase::Checking
        | StagePhase::RollingBack => ("▸", Tone::Attention),
        StagePhase::Pending | StagePhase::NothingToProve => ("⏸", Tone::Faint),
    }
}

/// A phase in words: `rolling back`.
pub fn phase(phase: StagePhase) -> String {
    let mut words = String::new();
    for char in format!("{phase:?}").chars() {
        if char.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(char.to_ascii_lowercase());
    }
    words
}

/// A row, with its reason where the message does not begin with that.
pub fn row(row: &Waiting) -> String {
    let message = sentence(&row.message);
    let is_said = row.reason == HELD || message.to_lowercase().starts_with(&row.reason.to_lowercase());
    if is_said { message } else { format!("{}: {message}", row.reason) }
}

/// What ends first of all that is waited for, when, and in how long.
pub fn next_end(rows: &[Waiting], whose: Whose, now: Timestamp) -> Option<String> {
    let ends = rows.iter().filter_map(|row| Some((row.until?.timestamp(), row)));
    let (until, row) = ends.min_by_key(|(until, _)| *until)?;
    let stage = row.stage.as_deref().filter(|_| whose == Whose::Named);
    let of = stage.map_or_else(String::new, |stage| format!(" of {stage}"));
    let what = match row.reason.as_str() {
        WINDOW => format!("the window{of} opens"),
        "Soak" => format!("the soak{of} ends"),
        "MinimumAge" => "the minimum age is reached".to_owned(),
        reason => format!("{reason}{of} ends"),
    };
    let left = left(until, now).map_or_else(String::new, |left| format!(", in {left}"));
    let at = if row.reason == WINDOW { minute(until) } else { clock(until, now) };
    Some(format!("{what} at {at}{left}"))
}

/// Whether the stage of what is waited for is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// It is.
    Named,
    /// It is the only one, or it is known.
    Known,
}

/// How long it is until then; none where that is past.
pub fn left(until: Timestamp, now: Timestamp) -> Option<String> {
    let left = Duration::try_from(until.duration_since(now)).ok()?;
    Some(spoken(Duration::from_secs(left.as_secs())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-11-22T22:50:46.5Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    #[test]
    fn says_phases_in_words() {
        assert_eq!(
            [StagePhase::RollingBack, StagePhase::NothingToProve, StagePhase::Held].map(phase),
            ["rolling back", "nothing to prove", "held"]
        );
    }

    #[test]
    fn says_what_ends_first_and_in_how_long() {
        let rows: Vec<Waiting> = serde_json::from_value(json!([
            {"stage": "b", "reason": "Window", "message": "", "until": "2026-11-24T03:00:00Z"},
            {"stage": "a", "reason": "Soak", "message": "", "until": "2026-11-22T23:50:46Z"},
            {"reason": "Pinned", "message": ""},
        ]))
        .unwrap();
        let said = |rows: &[Waiting], whose| next_end(rows, whose, now()).unwrap();
        assert_eq!(said(&rows, Whose::Named), "the soak of a ends at 23:50:46Z, in 59 m 59 s");
        assert_eq!(
            said(rows.get(..1).unwrap(), Whose::Known),
            "the window opens at 2026-11-24 03:00Z, in 1 d 4 h"
        );
        let mut of_today = rows.clone();
        of_today[0].until = Some("2026-11-22T23:00:00Z".parse::<Timestamp>().unwrap().into());
        assert_eq!(
            said(&of_today, Whose::Named),
            "the window of b opens at 2026-11-22 23:00Z, in 9 m 13 s",
            "as its row says it"
        );
        assert_eq!(next_end(&[], Whose::Named, now()), None);
    }

    #[test]
    fn nothing_is_left_of_what_is_over() {
        assert_eq!(left("2026-11-22T22:50:46Z".parse().unwrap(), now()), None);
        assert_eq!(left("2026-11-22T22:51:30Z".parse().unwrap(), now()).as_deref(), Some("43 s"));
    }
}
