//! What can be said to `voxsync check`.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{LookArguments, TableOutput, duration, names::name};

#[derive(Clone, Debug, Args)]
#[command(after_help = "Exit status:
  0    each would find an image that could be deployed
  1    one would not: its spec, a stage, a Secret, the source, a signature, a target or a check is in the way
  2    the question cannot be answered: wrong arguments, no such CodeSync, a file that cannot be read

Of an image, manifest and signatures are read, and no layer: whether it can be pulled, and what code is in it, shows in
its first stage. In a cluster, an image that failed there before, or is in quarantine, is said to.

Checks of stages are asked once, of what runs now; puppetdb about the last hour. One that fails is in the way, one that
cannot be asked from here is not. A Job is not run.

With --file there is no cluster: CodeSyncs, Secrets, ConfigMaps, Configs and Servers are taken from the files. A target,
or a Secret that no look needs, that is not among them is not checked. Of CodeSyncs with one target, the first has it.
With --cluster, what is not among them is looked for in the cluster, with your rights: targets, the CodeSync that is
followed, Secrets, and what the status of a CodeSync of that name says.

In a cluster, Secrets are read with your rights; this tells whether voxsync may read one:
  kubectl auth can-i get secret/NAME -n puppet --as=system:serviceaccount:puppet:voxsync

Other namespaces that a CodeSync names are read too, and voxsync is taken to run with --allow-cross-namespace.

Examples:
  voxsync check production -n puppet
  voxsync check -f codesync.yaml -f secrets.yaml       before it is in the cluster
  voxsync check -f codesync.yaml --cluster             an edited one, with all else that is in the cluster
  voxsync check staging --git-file-root /srv/git       with a source whose Git URL begins with file://
  voxsync check -f codesync.yaml --ca ca.crt           with an authority that voxsync's pod knows, and this machine does not
  kubectl kustomize . | voxsync check -f -")]
pub struct CheckOptions {
    /// The CodeSync (default: all of the namespace or of the files)
    #[arg(value_parser = name)]
    pub name: Option<String>,
    /// Manifests to check instead of those in the cluster; - is standard input
    #[arg(short, long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Look for what is not among the files in the cluster, which is only read
    #[arg(long, requires = "files")]
    pub cluster: bool,
    /// The folder below which the files of `file` sources are
    #[arg(long, default_value = "/etc/voxsync", value_name = "FOLDER")]
    pub file_root: PathBuf,
    /// The folder below which `file://` repositories are (default: none are read)
    #[arg(long, value_name = "FOLDER")]
    pub git_file_root: Option<PathBuf>,
    #[command(flatten)]
    pub look: LookArguments,
    /// How long each may take
    #[arg(long, default_value = "2m", value_name = "DURATION", value_parser = duration)]
    pub timeout: Duration,
    /// What is printed
    #[arg(short, long, value_enum, default_value_t = TableOutput::Table)]
    pub output: TableOutput,
}
