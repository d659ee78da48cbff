//! What a tag names that the source never named: another tag of the same image, of which only the registry knows.

use std::time::Duration;

use kube::Client;
use tokio::time::{Instant, sleep_until};
use voxsync_agent::{NoAnswer, pause};
use voxsync_crds::{CodeSync, code_sync::CodeSyncStatus, reference::is_tag};

use super::selector::Selector;
use crate::one_look::OneLook;

/// How long the registry may take for one answer.
const CALL_LIMIT: Duration = Duration::from_secs(15);
/// How long it is left alone after it had no answer for the first time; each further time doubles that.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest of these pauses; one that the registry asks for may be longer.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// A registry that is asked what a tag names, as often as there is something else to compare that with.
pub struct Registry {
    look: OneLook,
    /// What was compared last.
    compared: Option<[Option<String>; 2]>,
    /// How often it had no answer since the last one.
    failures: u32,
    /// Why, as it was said.
    said: Option<String>,
    /// Until when it is left alone then.
    rests_until: Option<Instant>,
}

impl Registry {
    pub fn new(look: OneLook) -> Self {
        Self { look, compared: None, failures: 0, said: None, rests_until: None }
    }

    /// Comes when it is to be asked again, because it had no answer.
    pub async fn turn(&mut self) {
        let Some(until) = self.rests_until else { return std::future::pending().await };
        sleep_until(until).await;
        self.rests_until = None;
    }

    /// Learns what the tag names that is waited for, and says whether there is something to learn. The error is why that
    /// cannot be known; it is given once as long as it stays the same.
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
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            return Ok(false);
        }
        let asked = Box::pin(voxsync_agent::digest_of(client, code_sync, tag, &self.look.options));
        let answer = tokio::time::timeout(CALL_LIMIT, asked).await;
        let silence =
            |_| Err(NoAnswer { why: format!("no answer within {CALL_LIMIT:?}"), rest: Duration::ZERO });
        match answer.unwrap_or_else(silence) {
            Ok(digest) => {
                (self.compared, self.failures, self.said) = (Some(digests), 0, None);
                *names = digest;
                Ok(true)
            }
            Err(NoAnswer { why, rest }) => {
                self.failures += 1;
                let pause = pause(FIRST_PAUSE, self.failures, LONGEST_PAUSE);
                self.rests_until = Some(Instant::now() + pause.max(rest));
                let why = format!("whether tag {tag} is another name of that image is not known: {why}");
                if self.said.as_ref() == Some(&why) {
                    return Ok(false);
                }
                self.said = Some(why.clone());
                Err(why)
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
    use axum::{
        Router,
        http::{StatusCode, header::RETRY_AFTER},
    };
    use clap::Parser as _;
    use serde_json::json;
    use tokio::net::TcpListener;
    use voxsync_sandbox::{Sandbox, SandboxOptions};

    use super::*;
    use crate::arguments::{Arguments, Verb};

    async fn registry() -> Registry {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let Verb::Wait(options) = Arguments::parse_from(["voxsync", "wait", "a"]).verb else {
            panic!("another verb")
        };
        Registry::new(OneLook::prepare(options.look).await.unwrap())
    }

    async fn learn(registry: &mut Registry, code_sync: &CodeSync, tag: &str) -> Result<bool, String> {
        let client = Sandbox::new(SandboxOptions::default()).client("default");
        registry.learn(client, code_sync, &mut Selector::Tag(tag.to_owned(), None)).await
    }

    fn code_sync(host: &str, digest: &str) -> CodeSync {
        let candidate = json!({"name": "v1", "reference": "r.io/code:v1", "digest": digest});
        serde_json::from_value(json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": "a"},
            "spec": {
                "source": {"registry": {"repository": format!("{host}/code"), "tag": {"semver": "*"}, "insecure": true}},
                "target": {"kind": "Config", "name": "a"},
            },
            "status": {"candidate": candidate},
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn a_registry_without_an_answer_is_asked_again_and_its_silence_said_once() {
        let mut registry = registry().await;
        let [one, two] = ["sha256:1", "sha256:2"].map(|digest| code_sync("127.0.0.1:1", digest));
        assert_eq!(learn(&mut registry, &one, "feature/x").await, Ok(false), "no image has such a tag");
        let silent = learn(&mut registry, &one, "stable").await.unwrap_err();
        assert!(silent.contains("whether tag stable is") && silent.contains("127.0.0.1:1"), "{silent}");
        registry.rests_until = Some(Instant::now() + LONGEST_PAUSE);
        assert_eq!(learn(&mut registry, &two, "stable").await, Ok(false));
        assert_eq!(registry.failures, 1, "it is left alone, whatever the news");
        registry.rests_until = Some(Instant::now());
        registry.turn().await;
        let before = Instant::now();
        assert_eq!(learn(&mut registry, &two, "stable").await, Ok(false), "it was said");
        assert_eq!(registry.failures, 2);
        assert!(registry.rests_until.unwrap() > before + FIRST_PAUSE, "the pause grows");
    }

    #[tokio::test]
    async fn a_registry_is_left_alone_as_long_as_it_asks() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let busy = Router::new().fallback(async || (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "600")]));
        tokio::spawn(axum::serve(listener, busy).into_future());
        let (mut registry, before) = (registry().await, Instant::now());
        let busy = learn(&mut registry, &code_sync(&host, "sha256:1"), "stable").await.unwrap_err();
        assert!(busy.contains("too many requests (429)"), "{busy}");
        assert!(registry.rests_until.unwrap() > before + Duration::from_secs(500));
    }
}
