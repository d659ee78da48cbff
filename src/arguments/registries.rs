//! What can be said about how registries are asked, whatever the verb.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use voxsync_agent::{DEFAULT_REQUESTS_PER_SECOND, Mirror, OwnLoginOptions, OwnLogins, Pace, Registries};

/// Where `--help` says how registries are asked.
pub(super) const REGISTRIES: &str = "Registries";

#[derive(Clone, Debug, Args)]
pub struct RegistryArguments {
    /// How many requests a second each registry gets at most, from all CodeSyncs together
    #[arg(long, env = "VOXSYNC_REGISTRY_REQUESTS_PER_SECOND", value_name = "NUMBER", help_heading = REGISTRIES,
        default_value_t = DEFAULT_REQUESTS_PER_SECOND, value_parser = clap::value_parser!(u32).range(1..))]
    registry_requests_per_second: u32,
    /// A registry that is asked for images before another one, for instance docker.io=mirror.example/hub; with +resolve
    /// behind it for tags and signatures, too; several with commas
    #[arg(long, env = "VOXSYNC_REGISTRY_MIRROR", value_name = "HOST=MIRROR[+resolve]", help_heading = REGISTRIES,
        value_delimiter = ',')]
    registry_mirror: Vec<Mirror>,
    /// A Docker configuration (a mounted Secret's .dockerconfigjson) with logins for registries to which no Secret of a
    /// CodeSync gives one
    #[arg(long, env = "VOXSYNC_DOCKER_CONFIG", value_name = "FILE", help_heading = REGISTRIES)]
    docker_config: Option<PathBuf>,
    /// The kubelet's `CredentialProviderConfig`: programs that give logins of clouds, where nothing else gives one
    #[arg(long, env = "VOXSYNC_IMAGE_CREDENTIAL_PROVIDER_CONFIG", value_name = "FILE", help_heading = REGISTRIES,
        requires = "image_credential_provider_bin_dir")]
    image_credential_provider_config: Option<PathBuf>,
    /// The folder of these programs
    #[arg(long, env = "VOXSYNC_IMAGE_CREDENTIAL_PROVIDER_BIN_DIR", value_name = "FOLDER", help_heading = REGISTRIES,
        requires = "image_credential_provider_config")]
    image_credential_provider_bin_dir: Option<PathBuf>,
}

impl RegistryArguments {
    /// How registries are to be asked. Reads the configuration of credential providers.
    pub async fn registries(self) -> anyhow::Result<Registries> {
        let options = OwnLoginOptions {
            docker_config: self.docker_config,
            credential_providers: self
                .image_credential_provider_config
                .zip(self.image_credential_provider_bin_dir),
            environment: std::env::vars_os().collect(),
        };
        Ok(Registries {
            pace: Pace::new(self.registry_requests_per_second),
            mirrors: self.registry_mirror,
            logins: Arc::new(OwnLogins::load(options).await?),
        })
    }
}
