//! Logins of the process itself, as a node has them: a Docker configuration in a file, and the kubelet's credential
//! providers. They are for registries to which no Secret of a CodeSync gives a login.
//!
//! It reads the files that it is told and starts the programs that they name; it never writes, and shows no login.

mod cache;
mod configuration;
mod plugin;

use std::{ffi::OsString, io, path::PathBuf};

use tokio::io::AsyncReadExt as _;

use super::{
    Login, Repository,
    docker_config::{self, DockerConfigError, login_for},
};
use configuration::Configuration;
use plugin::Plugin;

const MAX_FILE_BYTES: u64 = 1 << 20;

/// Where the logins come from.
#[derive(Debug, Clone, Default)]
pub struct OwnLoginOptions {
    /// A Docker configuration; read anew at each use.
    pub docker_config: Option<PathBuf>,
    /// The kubelet's `CredentialProviderConfig`, and the folder of the programs that it names.
    pub credential_providers: Option<(PathBuf, PathBuf)>,
    /// The environment of this process. Programs get only what they need of it.
    pub environment: Vec<(OsString, OsString)>,
}

/// Logins of the process itself.
#[derive(Debug, Default)]
pub struct OwnLogins {
    docker_config: Option<PathBuf>,
    plugins: Vec<Plugin>,
}

/// Why there is no login. Shows none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnLoginError {
    /// A file cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file holds something else.
    #[error("the Docker configuration {} cannot be used: {reason}", path.display())]
    DockerConfig {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: DockerConfigError,
    },
    /// The configuration of credential providers is none.
    #[error("{}: {reason}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A credential provider gave no answer that can be used.
    #[error("the credential provider {name} gives no login for {image}: {reason}")]
    Plugin {
        /// Its name in the configuration.
        name: String,
        /// What it was asked for.
        image: String,
        /// Why.
        reason: String,
    },
}

impl OwnLogins {
    /// Reads the configuration of credential providers, if there is one; no program is started yet.
    pub async fn load(options: OwnLoginOptions) -> Result<Self, OwnLoginError> {
        let OwnLoginOptions { docker_config, credential_providers, environment } = options;
        let plugins = match credential_providers {
            Some((path, folder)) => {
                let text = read(&path).await?;
                let configuration = Configuration::read(&text);
                let configuration =
                    configuration.map_err(|reason| OwnLoginError::Configuration { path, reason })?;
                Plugin::all(configuration, &folder, &environment)
            }
            None => Vec::new(),
        };
        Ok(Self { docker_config, plugins })
    }

    /// The login for a repository, if somebody has one: the file first, then the providers in their order.
    pub async fn login_for(&self, repository: &Repository) -> Result<Option<Login>, OwnLoginError> {
        if let Some(path) = &self.docker_config {
            let found = login_for(&read(path).await?, repository);
            let found = found.map_err(|reason| OwnLoginError::DockerConfig { path: path.clone(), reason })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        let mut failure = None;
        for plugin in self.plugins.iter().filter(|plugin| plugin.is_for(repository)) {
            match plugin.login(repository).await {
                Ok(Some(login)) => return Ok(Some(login)),
                Ok(None) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    /// The credential store in which the file says that the login for a repository is: no program of that kind is started.
    pub async fn store_for(&self, repository: &Repository) -> Option<String> {
        let config = read(self.docker_config.as_ref()?).await.ok()?;
        docker_config::store_for(&config, repository)
    }

    /// Believes no provider's login for a repository any longer: the registry refused it.
    pub fn forget(&self, repository: &Repository) {
        for plugin in self.plugins.iter().filter(|plugin| plugin.is_for(repository)) {
            plugin.forget(repository);
        }
    }
}

async fn read(path: &PathBuf) -> Result<Vec<u8>, OwnLoginError> {
    let unreadable =
        |error: &io::Error| OwnLoginError::Unreadable { path: path.clone(), reason: error.to_string() };
    let file = tokio::fs::File::open(path).await.map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).await.map_err(|error| unreadable(&error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
