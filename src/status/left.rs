//! What a screen shows of what was left: the release that a person went back from, and what is in quarantine. Pure.

use voxsync_crds::{CodeSync, code_sync::CodeSyncStatus, reference::short_digest};

use super::view::View;
use crate::{
    kinds::named_of,
    output::{harmless, with_short_digests},
};

/// How much of a reason is shown: the row of a failure and `-o json` have all of it.
const REASON_CHARACTERS: usize = 120;
/// How many digests in quarantine are shown; `-o json` has them all.
const QUARANTINE_LIMIT: usize = 3;

fn beginning(reason: &str) -> String {
    let (mut kept, more) =
        (reason.chars().take(REASON_CHARACTERS).collect::<String>(), reason.chars().nth(REASON_CHARACTERS));
    kept.extend(more.map(|_| '…'));
    kept
}

impl View {
    /// That an earlier release is gone back to.
    pub(super) fn rolled_back(&self, code_sync: &CodeSync, status: &CodeSyncStatus) -> Option<String> {
        let rollback = status.rollback.as_ref()?;
        let reason = rollback.reason.as_deref().unwrap_or("no reason given");
        let until = match rollback.failure {
            Some(_) => "until all stages run it".to_owned(),
            None => format!("until `voxsync resume {}`", named_of(code_sync)),
        };
        Some(format!(
            "  went back  to {} from {} at {} ({}), {until}",
            harmless(&rollback.candidate.name),
            harmless(&rollback.from_name),
            self.at(rollback.at),
            harmless(reason)
        ))
    }

    /// What is not taken again, with the command that lets it.
    pub(super) fn quarantine(&self, code_sync: &CodeSync, status: &CodeSyncStatus) -> Vec<String> {
        let shown = status.quarantine.iter().take(QUARANTINE_LIMIT).map(|one| {
            format!(
                "  quarantine {} ({}) since {}: {}; `voxsync release-quarantine {} {}`",
                harmless(&one.name),
                harmless(short_digest(&one.digest)),
                self.at(one.since),
                beginning(&with_short_digests(&harmless(&one.reason))),
                named_of(code_sync),
                harmless(&one.digest)
            )
        });
        let more = status.quarantine.len().saturating_sub(QUARANTINE_LIMIT);
        let more = (more > 0).then(|| {
            format!("             and {more} more: `voxsync status {} -o json`", named_of(code_sync))
        });
        shown.chain(more).collect()
    }
}
