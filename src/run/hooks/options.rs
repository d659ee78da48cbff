//! What can be said of the receiver of webhooks.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

#[derive(Clone, Debug, Default, Args)]
#[expect(clippy::struct_field_names, reason = "each is the name of an option")]
pub struct HooksOptions {
    /// Where webhooks are received, at /hooks/NAMESPACE/CODESYNC (default: nowhere)
    #[arg(long, env = "VOXSYNC_HOOKS_ADDRESS", value_name = "ADDRESS")]
    pub hooks_address: Option<SocketAddr>,
    /// The certificate for that, in PEM; read again when it changes (default: plain HTTP)
    #[arg(long, env = "VOXSYNC_HOOKS_TLS_CERT", value_name = "FILE", requires_all = ["hooks_address", "hooks_tls_key"])]
    pub hooks_tls_cert: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, env = "VOXSYNC_HOOKS_TLS_KEY", value_name = "FILE", requires = "hooks_tls_cert")]
    pub hooks_tls_key: Option<PathBuf>,
    /// Also receive at /hooks, for whatever CodeSyncs follow the repository that the payload names: a file with the one
    /// secret for that (default: not at all)
    #[arg(long, env = "VOXSYNC_HOOKS_SECRET_FILE", value_name = "FILE", requires = "hooks_address")]
    pub hooks_secret_file: Option<PathBuf>,
}
