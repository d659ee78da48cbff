//! What can be said to `voxsync plan`.

use std::path::PathBuf;

use clap::Args;

use super::{TableOutput, names::name};

#[derive(Clone, Debug, Args)]
#[command(after_help = "Exit status:
  0    it is said what would happen, also where that is nothing
  2    it cannot be told: wrong arguments, no such CodeSync, no right to read, a file that cannot be read

Needs no right but to read: those of the shipped ClusterRole voxsync-audit are enough. The source is not asked; what it
has is what voxsync's last look found. `voxsync check` asks it.

Times are the earliest ones: how long rollouts and people take is not known. Other namespaces that a CodeSync names are
read too, with your rights, and voxsync is taken to run with --allow-cross-namespace.

Examples:
  voxsync plan production -n puppet
  voxsync plan -f codesync.yaml            an edited CodeSync, before it is applied, against what the cluster has
  voxsync plan production -o json          for programs")]
pub struct PlanOptions {
    /// The CodeSync (default: all of the namespace, or those of the files)
    #[arg(value_parser = name)]
    pub name: Option<String>,
    /// CodeSyncs as they are to be, instead of those in the cluster; - is standard input
    #[arg(short, long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What is printed
    #[arg(short, long, value_enum, default_value_t = TableOutput::Table)]
    pub output: TableOutput,
}
