//! The verbs by which people say what should happen to a CodeSync. All of them end alike.

use std::time::Duration;

use clap::Args;

use super::{digest, names::name};

/// How the verbs of this file end, and `exit_statuses!` with what 1 means.
macro_rules! exit_statuses {
    ($no:literal) => {
        concat!(
            "Exit status:\n  0    it is done\n",
            $no,
            "  2    it could not be done: wrong arguments, no such CodeSync, no right to do it, no answer\n"
        )
    };
    () => {
        exit_statuses!("")
    };
    (waits $no:literal) => {
        concat!(
            exit_statuses!($no),
            "With --wait, once it is done, that of `voxsync wait`: 0 deployed, 1 failed or rolled back, 3 another took its\n\
             place, 124 none of these within --timeout\n"
        )
    };
}

/// After the options of `reconcile`.
pub const RECONCILE_HELP: &str = concat!(
    exit_statuses!(waits ""),
    "\nExamples:\n  voxsync reconcile production\n  voxsync reconcile production --wait --timeout 10m"
);
/// After the options of `resume`.
pub const RESUME_HELP: &str = concat!(
    exit_statuses!(waits ""),
    "
What stops it, in this order; each `resume` ends one of them:
  suspended      spec.suspend: nothing is written until it ends; a rollback that was typed meanwhile is then
  held           somebody else changed a target: it may be written over
  rolled back    by `voxsync rollback`: the source, or a pin, decides again
  failed         the candidate is tried again, and leaves quarantine
  pinned         spec.pin: the source decides again

Example:
  voxsync resume production -n puppet"
);

#[derive(Clone, Debug, Args)]
pub struct NamedOptions {
    /// The CodeSync
    #[arg(value_parser = name)]
    pub name: String,
    #[command(flatten)]
    pub follow: FollowArguments,
}

/// Whether a verb stays until what it began is over.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct FollowArguments {
    /// Wait then until what this asks for is deployed, and end with the exit status of `voxsync wait`
    #[arg(long)]
    pub wait: bool,
    /// How long to wait
    #[arg(long, default_value = "30m", value_name = "DURATION", value_parser = super::duration, requires = "wait")]
    pub timeout: Duration,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = concat!(exit_statuses!(waits "  1    nothing waits for approval\n"), "
An approval is for a digest: it never counts for the next candidate. It can be given before the stage waits for it, with
--stage, --all-stages or --digest.

Examples:
  voxsync approve production                           the stage that waits
  voxsync approve production --digest sha256:…         only if it is this one
  voxsync approve production --all-stages              the candidate, in every stage that asks for approval"))]
pub struct ApproveOptions {
    /// The CodeSync
    #[arg(value_parser = name)]
    pub name: String,
    /// The stage (default: the one that waits)
    #[arg(long, value_name = "NAME", conflicts_with = "all_stages")]
    pub stage: Option<String>,
    /// All stages
    #[arg(long)]
    pub all_stages: bool,
    /// The digest (default: that of the candidate)
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    pub digest: Option<String>,
    #[command(flatten)]
    pub follow: FollowArguments,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = concat!(exit_statuses!(waits ""), "
Examples:
  voxsync promote production v1.4.2 --reason 'the fix for the outage'
  voxsync promote production ghcr.io/example/puppet-code@sha256:…
  voxsync promote production v1.4.3 --now --reason 'INC-42: certificates expire at noon'"))]
pub struct PromoteOptions {
    /// The CodeSync
    #[arg(value_parser = name)]
    pub name: String,
    /// A reference, or a tag or digest of the repository that the CodeSync uses
    pub reference: String,
    /// Why; kept in the release
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
    /// An emergency: wait for no window, soak time, age, check or approval. Signatures, the order of the stages, and that
    /// certificate authorities come last, hold all the same
    #[arg(long, requires = "reason")]
    pub now: bool,
    #[command(flatten)]
    pub follow: FollowArguments,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = concat!(exit_statuses!(waits "  1    there is no release to go back to\n"), "
It waits for no window, approval, check or soak time. What is left goes to quarantine: it is not taken again before
`voxsync release-quarantine`. A newer candidate waits for `voxsync resume`.

Examples:
  voxsync rollback production --reason 'broken hiera'
  voxsync rollback production --reason 'broken hiera' --wait --timeout 10m
  voxsync rollback production --no-quarantine --reason 'back until the database is up'"))]
pub struct RollbackOptions {
    /// The CodeSync
    #[arg(value_parser = name)]
    pub name: String,
    /// Why; kept in the release
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
    /// Do not put what is left into quarantine
    #[arg(long)]
    pub no_quarantine: bool,
    #[command(flatten)]
    pub follow: FollowArguments,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = concat!(exit_statuses!("  1    nothing in quarantine is called so; what there is, is listed\n"), "
Examples:
  voxsync release-quarantine production v1.4.0
  voxsync release-quarantine production sha256:9f86d081"))]
pub struct ReleaseQuarantineOptions {
    /// The CodeSync
    #[arg(value_parser = name)]
    pub name: String,
    /// The digest or its beginning, or the name that `voxsync status` shows
    #[arg(value_name = "DIGEST|NAME")]
    pub what: String,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = concat!(exit_statuses!(), "
A stage that is written already rolls to its end: who is held back in it gets its turn, too. No rollback goes on. To go
back: `voxsync rollback` first, which is kept, and then `voxsync resume`; the other way round what was stopped goes on.

Example:
  voxsync suspend production --reason 'freeze until Monday'"))]
pub struct SuspendOptions {
    /// The CodeSync
    #[arg(value_parser = name)]
    pub name: String,
    /// Why; shown wherever the CodeSync is
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
}

/// The longest reason that the API takes, in characters.
const REASON_LIMIT_CHARACTERS: usize = 256;

fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a reason has words".to_owned()),
        text if text.chars().count() > REASON_LIMIT_CHARACTERS => {
            Err(format!("a reason has at most {REASON_LIMIT_CHARACTERS} characters"))
        }
        text => Ok(text.to_owned()),
    }
}
