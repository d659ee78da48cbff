//! What can be said about how a verb asks that looks once.

use std::path::PathBuf;

use clap::Args;
use voxsync_agent::Registries;

use super::{RegistryArguments, registries::REGISTRIES};
use crate::authorities;

#[derive(Clone, Debug, Args)]
pub struct LookArguments {
    /// Certificates in PEM, one or several, of authorities that registries and Git servers may have, besides those of the
    /// system and of a CodeSync
    #[arg(long, value_name = "FILE", help_heading = REGISTRIES)]
    ca: Option<PathBuf>,
    #[command(flatten)]
    registries: RegistryArguments,
}

impl LookArguments {
    /// How registries are to be asked, and the authorities that they and Git servers may have. Reads the files for that.
    pub async fn read(self) -> anyhow::Result<(Registries, Option<String>)> {
        let authorities = self.ca.as_deref().map(authorities::read).transpose()?;
        Ok((self.registries.registries().await?, authorities))
    }
}
