//! What can be said to `voxsync run`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::RegistryArguments;
use crate::run::{ElectionOptions, HooksOptions};

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  voxsync run --namespace puppet
  voxsync run --all-namespaces --reconciler cooperative --log-format json
  voxsync run --all-namespaces --allow-cross-namespace
  voxsync run --reconciler off --shard north --shard-selector shard=north")]
pub struct RunOptions {
    /// Serve all namespaces instead of one
    #[arg(short = 'A', long, env = "VOXSYNC_ALL_NAMESPACES", conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Let CodeSyncs have targets in other namespaces, and follow CodeSyncs there, where the other object consents
    #[arg(long, env = "VOXSYNC_ALLOW_CROSS_NAMESPACE", requires = "all_namespaces")]
    pub allow_cross_namespace: bool,
    /// Whether to decide which code should run, and write it to Configs and Servers
    #[arg(long, value_enum, default_value_t = Switch::On, env = "VOXSYNC_AGENT")]
    pub agent: Switch,
    /// Who brings the code into the Deployments
    #[arg(long, value_enum, default_value_t = ReconcilerMode::Full, env = "VOXSYNC_RECONCILER")]
    pub reconciler: ReconcilerMode,
    /// The folder below which the files of `file` sources are
    #[arg(long, default_value = "/etc/voxsync", env = "VOXSYNC_FILE_ROOT", value_name = "FOLDER")]
    pub file_root: PathBuf,
    /// The folder below which `file://` repositories are (default: none are read)
    #[arg(long, env = "VOXSYNC_GIT_FILE_ROOT", value_name = "FOLDER")]
    pub git_file_root: Option<PathBuf>,
    /// The service account of the pods of checks of kind `job` (default: there are no such checks)
    #[arg(long, env = "VOXSYNC_JOB_SERVICE_ACCOUNT", value_name = "NAME")]
    pub job_service_account: Option<String>,
    /// Where Git objects are kept between looks (default: a temporary folder)
    #[arg(long, env = "VOXSYNC_CACHE", value_name = "FOLDER")]
    pub cache: Option<PathBuf>,
    /// Where /healthz, /readyz and /metrics answer
    #[arg(long, default_value = "127.0.0.1:8080", env = "VOXSYNC_LISTEN", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Human, env = "VOXSYNC_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// What is logged, for instance info or voxsync=debug,kube=warn
    #[arg(long, default_value = "info", env = "VOXSYNC_LOG", value_name = "FILTER")]
    pub log: String,
    /// Where /log answers, on loopback: GET shows the filter of the log, PUT changes it (default: nowhere)
    #[arg(long, env = "VOXSYNC_ADMIN_LISTEN", value_name = "ADDRESS")]
    pub admin_listen: Option<SocketAddr>,
    /// Where traces are sent, by OTLP over HTTP, for instance `http://collector:4318` (default: nowhere)
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", hide_env_values = true)]
    pub otlp_endpoint: Option<String>,
    #[command(flatten)]
    pub registries: RegistryArguments,
    #[command(flatten)]
    pub hooks: HooksOptions,
    #[command(flatten)]
    pub election: ElectionOptions,
    /// How long work that is under way may take to end after SIGTERM
    #[arg(long, default_value = "10s", env = "VOXSYNC_GRACE", value_name = "DURATION", value_parser = super::duration)]
    pub grace: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReconcilerMode {
    /// The reconciler writes Deployments, as the operator would
    Full,
    /// It asks the operator, and never writes a Deployment
    Cooperative,
    /// It only reports
    Observe,
    /// It does not run
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Human,
    Json,
}
