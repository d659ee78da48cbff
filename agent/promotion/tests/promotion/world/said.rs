//! What a world says.

use voxsync_crds::{
    CodeReference,
    code_sync::{ConditionStatus, StagePhase},
};

use super::{Target, World};

impl World {
    pub fn tags(&self) -> Vec<String> {
        let tag = |target: &Target| {
            let reference = CodeReference::parse(target.live.image.as_deref()?).ok()?;
            reference.tag().map(str::to_owned)
        };
        self.stages.iter().flatten().map(|target| tag(target).unwrap_or_else(|| "-".into())).collect()
    }

    pub fn deployed(&self) -> &str {
        self.status.deployed.as_ref().map_or("-", |deployed| &deployed.name)
    }

    pub fn summary(&self) -> &str {
        self.status.summary.as_deref().unwrap_or("-")
    }

    pub fn phases(&self) -> Vec<StagePhase> {
        self.status.stages.iter().map(|stage| stage.phase).collect()
    }

    pub fn reasons(&self) -> Vec<&str> {
        self.status.waiting.iter().map(|row| row.reason.as_str()).collect()
    }

    /// The message of the first waiting row of this reason.
    pub fn message(&self, reason: &str) -> &str {
        let row = self.status.waiting.iter().find(|row| row.reason == reason);
        row.map_or_else(|| panic!("no row {reason} in {:?}", self.status.waiting), |row| &row.message)
    }

    /// `True Reason`, or `-` where the condition is absent.
    pub fn condition(&self, kind: &str) -> String {
        let condition = self.status.conditions.iter().find(|condition| condition.kind == kind);
        condition.map_or_else(
            || "-".into(),
            |condition| {
                let status = match condition.status {
                    ConditionStatus::True => "True",
                    ConditionStatus::False => "False",
                    ConditionStatus::Unknown => "Unknown",
                };
                format!("{status} {}", condition.reason)
            },
        )
    }

    /// The reasons of all events so far.
    pub fn told(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.split_once(": ").unwrap().0).collect()
    }

    /// The one event of this reason.
    pub fn event(&self, reason: &str) -> &str {
        let mut events = self.events.iter().filter(|event| event.starts_with(&format!("{reason}: ")));
        let event = events.next().unwrap_or_else(|| panic!("no event {reason} in {:#?}", self.events));
        assert_eq!(events.next(), None, "{reason} was told twice");
        event
    }
}
