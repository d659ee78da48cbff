//! What can be said to `voxsync simulate`.

use std::path::PathBuf;

use clap::Args;

use super::{TableOutput, names::name};

#[derive(Clone, Debug, Args)]
#[command(after_help = "Exit status:
  0    it went as the timeline expects; where that expects nothing: at the end all stages run what they should
  1    it did not: an expectation was missed; or at the end something failed, is held or is waited for
  2    it cannot be told: wrong arguments, a file that cannot be read, a CodeSync that the API would not take

No cluster and no network are needed. The rules are those of the agent; the world is a model: a tag is seen as soon as it
is pushed, a rollout takes as long as the timeline says, signatures are good and checks hold unless it says otherwise.
Configs and Servers are taken from the files, too; what is not in them is assumed.

Examples:
  voxsync simulate -f codesync.yaml --timeline timeline.yaml
  voxsync simulate -f codesync.yaml -f servers.yaml --timeline timeline.yaml    with your Configs and Servers
  voxsync simulate -f codesync.yaml --timeline - < timeline.yaml
  voxsync simulate -f codesync.yaml --timeline timeline.yaml -o json            for programs; for CI with `expect`

A timeline:
  start: 2026-12-17T15:00:00Z
  deployed: v1.4.2
  servers:
    production: {compile: 4, ca: 1}
  events:
    - {at: +0s, tag: v1.5.0}
    - {at: +1h, approve: v1.5.0, by: maria}
    - {at: +2h, tag: v1.6.0, fails: {stage: canary, reason: ImagePullBackOff}}
    - {at: +3h, expect: {canary: v1.5.0}}")]
pub struct SimulateOptions {
    /// The CodeSync (default: the only one of the files)
    #[arg(value_parser = name)]
    pub name: Option<String>,
    /// The CodeSync, and Configs and Servers if you like; - is standard input
    #[arg(short, long = "file", value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// What happens when; - is standard input
    #[arg(short, long, value_name = "FILE")]
    pub timeline: PathBuf,
    /// What is printed
    #[arg(short, long, value_enum, default_value_t = TableOutput::Table)]
    pub output: TableOutput,
}
