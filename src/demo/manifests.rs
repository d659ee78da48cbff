//! The manifests of `examples/`, made to point at the demo's own registry and repository.
//!
//! Only what a user would change too is changed: where the images and the repository are, that loopback has no
//! TLS, and how long to wait.

use super::world::REPOSITORY;

/// The operator's kinds, so far as the sandbox needs them: with their unknown fields kept.
pub const DEFINITIONS: &str = include_str!("openvox-crds.yaml");

const SERVERS: &str = include_str!("../../examples/servers.yaml");
const STAGED: &str = include_str!("../../examples/staged.yaml");
const GIT_REFERENCE: &str = include_str!("../../examples/git-reference.yaml");

const EXAMPLE_REPOSITORY: &str = "ghcr.io/example/puppet-code";

/// `examples/servers.yaml` with the image that all Servers run at the start.
pub fn servers(reference: &str) -> String {
    SERVERS.replace(&format!("{EXAMPLE_REPOSITORY}:v1.0.0"), reference)
}

/// `examples/staged.yaml` with the demo's registry, and seconds instead of minutes.
pub fn staged(host: &str) -> String {
    STAGED
        .replace(
            &format!("repository: {EXAMPLE_REPOSITORY}"),
            &format!("repository: {host}/{REPOSITORY}\n      insecure: true"),
        )
        .replace("interval: 1m", "interval: 1s")
        .replace("soak: 10m", "soak: 2s")
}

/// `examples/git-reference.yaml` with the demo's repository.
pub fn git_reference(url: &str) -> String {
    GIT_REFERENCE
        .replace("https://git.example/control-repo.git", url)
        .replace("interval: 1m", "interval: 1s")
        .replace("  target:", "  image: {insecure: true}\n  target:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_what_it_means_to_change() {
        let staged = staged("127.0.0.1:5000");
        for wanted in ["repository: 127.0.0.1:5000/puppet-code", "insecure: true", "interval: 1s", "soak: 2s"]
        {
            assert!(staged.contains(wanted), "{wanted}: {staged}");
        }
        let git = git_reference("file:///x");
        assert!(
            git.contains("url: file:///x") && git.contains("interval: 1s") && git.contains("insecure: true"),
            "{git}"
        );
        assert!(!servers("r.io/x:1").contains(EXAMPLE_REPOSITORY));
    }
}
