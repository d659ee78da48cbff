//! What a tag names that the source never named: another tag of the same image, of which only the registry knows.

use std::time::Duration;

use kube::Client;
use voxsync_crds::{CodeSync, code_sync::CodeSyncStatus, reference::is_tag};

use super::selector::Selector;
use crate::one_look::OneLook;

/// How long the registry may take for one answer.
const CALL_LIMIT: Duration = Duration::from_secs(15);

/// A registry that is asked what a tag names, as often as there is something else to compare that with.
pub struct Registry {
    look: OneLook,
    /// What was compared last.
    compared: Option<[Option<String>; 2]>,
    was_silent: bool,
}

impl Registry {
    pub fn new(look: OneLook) -> Self {
        Self { look, compared: None, was_silent: false }
    }

    /// Learns what the tag names that is waited for, and says whether there is something to learn. The error is why that
    /// cannot be known; it is given once.
    pub async fn learn(
        &mut self,
        client: Client,
        code_sync: &CodeSync,
        selector: &mut Selector,
    ) -> Result<bool, String> {
        let (Selector::Tag(tag, names), Some(status)) = (selector, &code_sync.status) else {
            return Ok(false);
        };
        let digests = digests(status);
        if !is_tag(tag) || digests == [None, None] || self.compared.as_ref() == Some(&digests) {
            return Ok(false);
        }
        let asked = Box::pin(voxsync_agent::digest_of(client, code_sync, tag, &self.look.options));
        let answer = tokio::time::timeout(CALL_LIMIT, asked).await;
        match answer.unwrap_or_else(|_| Err(format!("no answer within {CALL_LIMIT:?}"))) {
            Ok(digest) => {
                self.compared = Some(digests);
                *names = digest;
                Ok(true)
            }
            // Nothing was compared: the next news asks again.
            Err(_) if self.was_silent => Ok(false),
            Err(why) => {
                self.was_silent = true;
                Err(format!("whether tag {tag} is another name of that image is not known: {why}"))
            }
        }
    }
}

/// What is to run, and what does.
fn digests(status: &CodeSyncStatus) -> [Option<String>; 2] {
    let wanted = status.candidate.as_ref().map(|candidate| candidate.digest.clone());
    [wanted, status.deployed.as_ref().and_then(|deployed| deployed.digest.clone())]
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;
    use voxsync_sandbox::{Sandbox, SandboxOptions};

    use super::*;
    use crate::arguments::{Arguments, Verb};

    fn code_sync(digest: &str) -> CodeSync {
        let candidate = json!({"name": "v1", "reference": "r.io/code:v1", "digest": digest});
        serde_json::from_value(json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": "a"},
            "spec": {
                "source": {"registry": {"repository": "127.0.0.1:1/code", "tag": {"semver": "*"}, "insecure": true}},
                "target": {"kind": "Config", "name": "a"},
            },
            "status": {"candidate": candidate},
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn the_silence_of_a_registry_is_said_once() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let Verb::Wait(options) = Arguments::parse_from(["voxsync", "wait", "a"]).verb else {
            panic!("another verb")
        };
        let mut registry = Registry::new(OneLook::prepare(options.look).await.unwrap());
        let client = Sandbox::new(SandboxOptions::default()).client("default");
        let [one, two] = ["sha256:1", "sha256:2"].map(code_sync);
        let mut learn = async |code_sync: &CodeSync, tag: &str| {
            let mut selector = Selector::Tag(tag.to_owned(), None);
            registry.learn(client.clone(), code_sync, &mut selector).await
        };
        assert_eq!(learn(&one, "feature/x").await, Ok(false), "no image has such a tag");
        let silent = learn(&one, "stable").await.unwrap_err();
        assert!(silent.contains("whether tag stable is") && silent.contains("127.0.0.1:1"), "{silent}");
        assert_eq!(learn(&two, "stable").await, Ok(false), "it was said");
    }
}
