//! New approvals, and whether the API server vouches for who signed them: asked once for each, after it was seen and before
//! it is decided on.

use std::collections::HashMap;

use jiff::Timestamp;
use kube::Client;
use tokio::task::{JoinError, JoinSet};
use tracing::info;
use voxsync_crds::{
    CodeSync,
    annotations::{APPROVE, APPROVED_BY},
};

use crate::{
    key::CodeSyncKey,
    vouch::{self, Unvouched, Voucher},
};

/// Since when the policy is in force, or why that is not so; or the asking broke off.
pub(super) type Answered = Result<Result<Timestamp, Unvouched>, JoinError>;

/// The approvals that the status does not have yet.
#[derive(Debug, Default)]
pub(super) struct Vouching {
    approvals: HashMap<CodeSyncKey, Approval>,
    /// At most one.
    reading: JoinSet<Result<Timestamp, Unvouched>>,
}

#[derive(Debug)]
struct Approval {
    uid: Option<String>,
    token: String,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    /// Nobody was asked since it was seen.
    Open,
    Asked,
    /// Since when the policy is in force, if it is.
    Given(Option<Timestamp>),
}

impl Vouching {
    /// Who vouches for the approval on a CodeSync; none while that is being asked. Nothing is to be stored before, or the
    /// approval would look newer than it is.
    pub(super) fn voucher(&mut self, key: &CodeSyncKey, code_sync: &CodeSync) -> Option<Voucher> {
        let Some(token) = new_and_signed(code_sync) else {
            self.approvals.remove(key);
            return Some(Voucher::None);
        };
        let uid = &code_sync.metadata.uid;
        let known = self.approvals.get(key).filter(|known| known.token == *token && known.uid == *uid);
        match known.map(|known| &known.answer) {
            None => {
                let approval = Approval { uid: uid.clone(), token: token.clone(), answer: Answer::Open };
                self.approvals.insert(key.clone(), approval);
                None
            }
            Some(Answer::Open | Answer::Asked) => None,
            Some(Answer::Given(None)) => Some(Voucher::None),
            Some(Answer::Given(Some(since))) => Some(match vouch::covers(*since, code_sync) {
                Ok(()) => Voucher::ApiServer,
                Err(why) => {
                    info!(code_sync = %key, %why, "an approval has nobody's name");
                    Voucher::None
                }
            }),
        }
    }

    pub(super) fn forget(&mut self, key: &CodeSyncKey) {
        self.approvals.remove(key);
    }

    /// Asks for all that are open, if nobody is being asked.
    pub(super) fn begin(&mut self, client: &Client) {
        let is_open = |approval: &Approval| matches!(approval.answer, Answer::Open);
        if !self.reading.is_empty() || !self.approvals.values().any(is_open) {
            return;
        }
        for approval in self.approvals.values_mut().filter(|approval| is_open(approval)) {
            approval.answer = Answer::Asked;
        }
        let client = client.clone();
        self.reading.spawn(async move { vouch::read(&client).await });
    }

    /// The next answer; none while nobody is asked.
    pub(super) async fn next(&mut self) -> Option<Answered> {
        self.reading.join_next().await
    }

    /// Takes an answer; gives back whose approvals it is for.
    pub(super) fn answered(&mut self, answer: Answered) -> Vec<CodeSyncKey> {
        let since = match answer {
            Ok(Ok(since)) => Some(since),
            Ok(Err(why)) => {
                info!(%why, "approvals have nobody's name");
                None
            }
            Err(broken) => {
                info!(error = %broken, "approvals have nobody's name");
                None
            }
        };
        let asked = self.approvals.iter_mut().filter(|(_, it)| matches!(it.answer, Answer::Asked));
        asked
            .map(|(key, approval)| {
                approval.answer = Answer::Given(since);
                key.clone()
            })
            .collect()
    }
}

/// An approval that is not in the status yet, if it has a name. On an object without status it is not carried out.
fn new_and_signed(code_sync: &CodeSync) -> Option<&String> {
    let annotations = code_sync.metadata.annotations.as_ref()?;
    let token = annotations.get(APPROVE)?;
    let is_signed = annotations.get(APPROVED_BY).is_some_and(|name| !name.is_empty());
    let handled = code_sync.status.as_ref()?.last_handled_approve.as_ref();
    (is_signed && handled != Some(token)).then_some(token)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use voxsync_sandbox::{Sandbox, SandboxOptions};

    use super::*;

    fn key() -> CodeSyncKey {
        CodeSyncKey { namespace: "puppet".to_owned(), name: "production".to_owned() }
    }

    fn code_sync(token: &str, handled: Option<&str>) -> CodeSync {
        serde_json::from_value(json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
            "metadata": {"name": "production", "uid": "u", "creationTimestamp": "2026-03-01T10:00:00Z",
                "annotations": {APPROVE: token, APPROVED_BY: "jane"}},
            "spec": {"source": {"file": {"path": "x"}}, "target": {"kind": "Config", "name": "production"}},
            "status": {"lastHandledApprove": handled, "promotion": {
                "id": "a", "candidate": {}, "trigger": "Source", "startedAt": "2026-03-01T12:00:00Z"}},
        }))
        .unwrap()
    }

    fn given(vouching: &mut Vouching, since: Option<&str>) -> Vec<CodeSyncKey> {
        let since = since.map(|since| since.parse().unwrap());
        vouching.answered(Ok(since.ok_or(Unvouched::TooNew)))
    }

    #[tokio::test]
    async fn each_approval_is_asked_for_once_it_was_seen() {
        // It knows no policies.
        let client = Sandbox::new(SandboxOptions::default()).client("puppet");
        let mut vouching = Vouching::default();
        let first = code_sync("a", None);
        assert_eq!(vouching.voucher(&key(), &first), None);
        assert_eq!(given(&mut vouching, Some("2026-03-01T10:00:00Z")), [], "an answer of before it was seen");
        vouching.begin(&client);
        assert_eq!(vouching.voucher(&key(), &first), None);
        assert_eq!(given(&mut vouching, Some("2026-03-01T10:00:00Z")), [key()]);
        assert_eq!(vouching.voucher(&key(), &first), Some(Voucher::ApiServer));
        // What another one proves is not known.
        let second = code_sync("b", Some("a"));
        assert_eq!(vouching.voucher(&key(), &second), None);
        assert_eq!(given(&mut vouching, Some("2026-03-01T10:00:00Z")), [], "an answer of before it was seen");
        let asked = vouching.next().await;
        assert!(matches!(asked, Some(Ok(Err(Unvouched::Unread(_))))), "{asked:?}");
        vouching.begin(&client);
        assert_eq!(given(&mut vouching, None), [key()]);
        assert_eq!(vouching.voucher(&key(), &second), Some(Voucher::None));
        assert_eq!(vouching.voucher(&key(), &code_sync("b", Some("b"))), Some(Voucher::None));
        assert!(vouching.approvals.is_empty(), "what the status has is forgotten");
    }
}
