//! What can be said on the command line. Every option of `run` can be given in the environment too.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

mod check;
mod look;
pub mod names;
mod people;
mod plan;
mod registries;
mod run;
mod simulate;
mod tags;

pub use check::CheckOptions;
pub use look::LookArguments;
pub use people::{
    ApproveOptions, FollowArguments, NamedOptions, PromoteOptions, ReleaseQuarantineOptions, RollbackOptions,
    SuspendOptions,
};
pub use plan::PlanOptions;
pub use registries::RegistryArguments;
pub use run::{LogFormat, ReconcilerMode, RunOptions, Switch};
pub use simulate::SimulateOptions;
pub use tags::{PolicyArguments, SelectArgument, TagsOptions};

/// Gets Puppet code onto OpenVox servers in Kubernetes, safely and by itself.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Examples:
  voxsync demo                                 see it work: nothing outside this process is touched
  voxsync audit -A                             which code does every server run?
  voxsync status production -n puppet          what is deployed, what is next, why not yet
  voxsync plan production                      what would happen now, and when
  voxsync simulate -f codesync.yaml --timeline timeline.yaml
                                               what it would do over days, before it is live
  voxsync approve production                   let the stage start that waits for it
  voxsync rollback production --reason 'broken hiera'
  voxsync run --namespace puppet               the agent and the reconciler"
)]
pub struct Arguments {
    #[command(flatten)]
    pub connection: Connection,
    #[command(subcommand)]
    pub verb: Verb,
}

/// Where `--help` says which cluster is meant: after what a verb has of its own.
const CONNECTION: &str = "Connection";

/// Which cluster, and where in it.
#[derive(Clone, Debug, Default, Args)]
pub struct Connection {
    /// The kubeconfig file (default: $KUBECONFIG, ~/.kube/config, or the pod's service account)
    #[arg(long, global = true, value_name = "FILE", help_heading = CONNECTION)]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME", help_heading = CONNECTION)]
    pub context: Option<String>,
    /// The namespace (default: that of the context)
    #[arg(short, long, global = true, value_name = "NAME", env = "VOXSYNC_NAMESPACE", value_parser = names::namespace,
        help_heading = CONNECTION)]
    pub namespace: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the agent and the reconciler
    Run(Box<RunOptions>),
    /// Show the whole way, from a pushed tag to rolled servers, on a sandbox in this process
    Demo(DemoOptions),
    /// Which code does every server run, and is that what was declared?
    Audit(AuditOptions),
    /// What is deployed, what is next, and why not yet
    Status(StatusOptions),
    /// What would happen now, and why: what is written, who rolls in which order, what is waited for. Writes nothing
    Plan(PlanOptions),
    /// What a CodeSync would do over days: run it through a timeline of tags, approvals and failures. Needs no cluster
    Simulate(SimulateOptions),
    /// Can a CodeSync reach and read its sources, and what would it choose? Writes nothing
    Check(CheckOptions),
    /// Which tag would a policy take, and why not the others? For trying it before it is used
    Tags(TagsOptions),
    /// Wait until a commit, digest, tag or whatever is the candidate is deployed; for CI
    Wait(WaitOptions),
    /// Look at the source now
    #[command(after_help = people::RECONCILE_HELP)]
    Reconcile(NamedOptions),
    /// Let a stage start that waits for somebody's approval, in your own name
    Approve(ApproveOptions),
    /// Pin a reference: it goes through the stages, and automation rests until `resume`
    Promote(PromoteOptions),
    /// Go back to the last good release at once, and stay there until `resume`
    Rollback(RollbackOptions),
    /// Let a digest be taken again that was rolled back
    ReleaseQuarantine(ReleaseQuarantineOptions),
    /// Go on after a suspend, a hold, a rollback, a failure or a pin: the first of them that stops it
    #[command(after_help = people::RESUME_HELP)]
    Resume(NamedOptions),
    /// Look and report, but write nothing
    Suspend(SuspendOptions),
    /// Print the CustomResourceDefinitions
    #[command(after_help = "Example:\n  voxsync crds | kubectl apply --server-side -f -")]
    Crds,
    /// Print a completion script
    #[command(after_help = "Example:\n  voxsync completions bash > /etc/bash_completion.d/voxsync")]
    Completions { shell: clap_complete::Shell },
    /// Write the manual pages, one for each verb
    #[command(after_help = "Examples:
  voxsync man /usr/local/share/man/man1
  voxsync man | man -l -                       the first page only, read at once")]
    Man {
        /// The folder for them, which must exist (default: the first page goes to standard output)
        folder: Option<PathBuf>,
    },
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  voxsync demo                       watch it, then play on with kubectl and git
  voxsync demo --once -o json        for programs: exit code 0 if every step came true")]
pub struct DemoOptions {
    /// End after the steps, with exit code 0 or 1
    #[arg(long)]
    pub once: bool,
    /// Changes tags, digests and the order of the steps
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub seed: u64,
    /// Who brings the code into the Deployments; with `off` nobody does, and the demo fails
    #[arg(long, value_enum, default_value_t = ReconcilerMode::Full)]
    pub reconciler: ReconcilerMode,
    /// What is printed
    #[arg(short, long, value_enum, default_value_t = DemoOutput::Text)]
    pub output: DemoOutput,
    /// The folder for the kubeconfig, the Git repository and `push`, which pushes images (default: a temporary one)
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DemoOutput {
    Text,
    Json,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Exit status:
  0    no server has one of the verdicts of --fail-on
  1    a server has one of them
  2    it cannot be told: wrong arguments, no right to read; with --fail-on also where there is no server at all

Examples:
  voxsync audit -A
  voxsync audit -n puppet -o json
  voxsync audit -A --fail-on Stuck,NotRolledOut,Mixed      for CI")]
pub struct AuditOptions {
    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// What is printed
    #[arg(short, long, value_enum, default_value_t = TableOutput::Table)]
    pub output: TableOutput,
    /// End with exit code 1 if a server has one of these verdicts, and with 2 if there is no server at all
    #[arg(long, value_delimiter = ',', value_enum, value_name = "VERDICT,…", ignore_case = true)]
    pub fail_on: Vec<crate::audit::Verdict>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableOutput {
    Table,
    Json,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Exit status:
  0    nothing is wrong: it is deployed, or waits for what comes by itself; also of a namespace without CodeSyncs
  1    something is to look at: a failure, a hold, a source that cannot be read
  2    the question cannot be answered: wrong arguments, no such CodeSync or namespace, no right to read it

Examples:
  voxsync status                           all CodeSyncs of the namespace
  voxsync status production -n puppet
  voxsync status production --watch        drawn again whenever it changes, until Ctrl-C
  voxsync status -A -o json                for programs; `isWell` is what the exit status is about")]
pub struct StatusOptions {
    /// The CodeSync (default: all of the namespace)
    #[arg(value_parser = names::name)]
    pub name: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "name"])]
    pub all_namespaces: bool,
    /// What is printed
    #[arg(short, long, value_enum, default_value_t = TableOutput::Table)]
    pub output: TableOutput,
    /// Go on until Ctrl-C: on a terminal in the same place, else one screen after the other whenever something changes
    #[arg(short, long)]
    pub watch: bool,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Exit status:
  0    it is deployed: in all stages, or in the stage that was named
  1    it failed, or was rolled back
  2    the question cannot be answered: wrong arguments, no such CodeSync or stage, no right to read it
  3    another candidate took its place, before or after all stages ran it (the message says which), or is higher
  124  it was none of these within --timeout

A hold, a suspend and a spec that is not valid are waited out too, and said: a person may mend them in time.

Examples:
  voxsync wait production                               whatever is the candidate, also a newer one
  voxsync wait production --commit $GITHUB_SHA --timeout 20m
  voxsync wait production --tag v1.4.2 --stage canary
  voxsync wait production --digest sha256:… -o json")]
pub struct WaitOptions {
    /// The CodeSync
    #[arg(value_parser = names::name)]
    pub name: String,
    /// The commit, at least seven of its digits: as the image claims it, or in the repository that names the image
    #[arg(long, value_name = "SHA", value_parser = commit, conflicts_with_all = ["digest", "tag"])]
    pub commit: Option<String>,
    /// The digest of the code image
    #[arg(long, value_name = "DIGEST", value_parser = digest, conflicts_with = "tag")]
    pub digest: Option<String>,
    /// The tag of the code image, or the Git tag that named it. A tag that the source does not name is asked for at the
    /// registry, with the CodeSync's Secrets if you may read them: it may be another name of the same image. A registry
    /// without an answer is asked again until --timeout
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Only until this stage has passed
    #[arg(long, value_name = "NAME")]
    pub stage: Option<String>,
    /// How long to wait; with 0s it looks once
    #[arg(long, default_value = "30m", value_name = "DURATION", value_parser = duration)]
    pub timeout: Duration,
    /// What is printed to standard output at the end; while it waits, the reason goes to standard error
    #[arg(short, long, value_enum, default_value_t = WaitOutput::Text)]
    pub output: WaitOutput,
    #[command(flatten)]
    pub look: LookArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WaitOutput {
    Text,
    Json,
}

/// The fewest digits of a commit that name it, as Git shortens it.
const COMMIT_DIGITS: std::ops::RangeInclusive<usize> = 7..=64;

fn commit(text: &str) -> Result<String, String> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && COMMIT_DIGITS.contains(&text.len()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("a commit is 7 to 64 hexadecimal digits".to_owned())
}

fn digest(text: &str) -> Result<String, String> {
    if voxsync_crds::reference::is_digest(text) {
        return Ok(text.to_owned());
    }
    Err("a digest is sha256: and 64 hexadecimal digits".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    voxsync_crds::duration::DurationText::from(text).to_duration().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn hangs_together() {
        Arguments::command().debug_assert();
    }
}
