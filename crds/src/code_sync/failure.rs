//! Why a promotion failed.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a promotion failed: a Server could not run it or did not get its turn, or a check did not hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromotionFailure {
    /// In which stage.
    pub stage: String,
    /// Which Server could not run it; none where a check failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Which check of the stage failed; none where a Server could not run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// The pod's own reason, for instance ImagePullBackOff; `CheckFailed` of a check; `GateTooOld` where the Server was
    /// held back for too long.
    pub reason: String,
    /// The pod's own message, or what the check found.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// The most of a message that is quoted in a sentence, in characters: what is said around it must not be lost.
const QUOTED_CHARACTERS: usize = 300;

impl PromotionFailure {
    /// The reason where a check failed.
    pub const CHECK: &str = "CheckFailed";
    /// The reason where a Deployment was held back for too long.
    pub const GATE: &str = "GateTooOld";

    /// What failed: `Server compile-1`, or `check nodes`.
    pub fn culprit(&self) -> String {
        match (&self.server, &self.check) {
            (_, Some(check)) => format!("check {check}"),
            (Some(server), None) => format!("Server {server}"),
            (None, None) => "a Server".to_owned(),
        }
    }

    /// What failed and why, without the stage: `Server compile-1: ImagePullBackOff: …`, or `check nodes: …`.
    pub fn cause(&self) -> String {
        let (reason, message) = (&self.reason, self.quoted());
        match &self.check {
            Some(_) => format!("{}: {message}", self.culprit()),
            None => format!("{}: {reason}: {message}", self.culprit()),
        }
    }

    /// All of it in a clause.
    pub fn clause(&self) -> String {
        let (stage, reason, message) = (&self.stage, &self.reason, self.quoted());
        match &self.check {
            Some(check) => format!("check {check} of stage {stage} failed: {message}"),
            None if reason == Self::GATE => {
                format!("{} of stage {stage} did not get its turn: {reason}: {message}", self.culprit())
            }
            None => format!("{} of stage {stage} cannot run it: {reason}: {message}", self.culprit()),
        }
    }

    /// The beginning and the end of the message: a pod says first what it was about, and why last.
    fn quoted(&self) -> Cow<'_, str> {
        let count = self.message.chars().count();
        if count <= QUOTED_CHARACTERS {
            return Cow::Borrowed(&self.message);
        }
        let half = QUOTED_CHARACTERS / 2;
        let (head, tail) = (self.message.chars().take(half), self.message.chars().skip(count - half));
        Cow::Owned(head.chain(['…']).chain(tail).collect())
    }

    /// A few words: `canary ImagePullBackOff`, or `canary check nodes`.
    pub fn brief(&self) -> String {
        match &self.check {
            Some(check) => format!("{} check {check}", self.stage),
            None => format!("{} {}", self.stage, self.reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(server: Option<&str>, check: Option<&str>) -> PromotionFailure {
        PromotionFailure {
            stage: "canary".into(),
            server: server.map(str::to_owned),
            check: check.map(str::to_owned),
            reason: check.map_or("ImagePullBackOff", |_| PromotionFailure::CHECK).into(),
            message: "no".into(),
        }
    }

    #[test]
    fn says_what_failed() {
        let of_server = failure(Some("one"), None);
        assert_eq!(of_server.clause(), "Server one of stage canary cannot run it: ImagePullBackOff: no");
        assert_eq!(
            [of_server.cause(), of_server.brief()],
            ["Server one: ImagePullBackOff: no", "canary ImagePullBackOff"]
        );
        let of_gate = PromotionFailure { reason: PromotionFailure::GATE.into(), ..of_server };
        assert_eq!(of_gate.clause(), "Server one of stage canary did not get its turn: GateTooOld: no");
        let of_check = failure(None, Some("nodes"));
        assert_eq!(of_check.clause(), "check nodes of stage canary failed: no");
        assert_eq!([of_check.cause(), of_check.brief()], ["check nodes: no", "canary check nodes"]);
    }

    #[test]
    fn of_a_long_message_the_beginning_and_the_end_are_quoted() {
        let mut failure = failure(Some("one"), None);
        failure.message = format!("pulling {}: not found", "ä".repeat(900));
        for said in [failure.clause(), failure.cause()] {
            assert!(said.contains("ImagePullBackOff: pulling ä") && said.ends_with("ä: not found"), "{said}");
            assert!(said.chars().count() < 400, "{said}");
        }
        assert!(failure.message.len() > 1800, "the record has all of it");
    }
}
