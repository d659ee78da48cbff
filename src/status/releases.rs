//! The last releases of a CodeSync: what its status says of them, and what their CodeReleases add.

use futures::future::join_all;
use kube::{Api, Client};
use serde::Serialize;
use voxsync_crds::{
    CodeRelease, CodeSync,
    code_release::CodeReleaseSpec,
    code_sync::{CodeSyncStatus, Outcome, PromotionFailure, ReleaseSummary, Trigger},
    time::Time,
};

/// How many are shown.
const RELEASES_LIMIT: usize = 5;

/// One release, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    pub ended_at: Time,
    /// The short name of what was deployed before.
    pub from: Option<String>,
    /// The candidate's short name.
    pub to: String,
    pub outcome: Outcome,
    /// What began it, as far as that is known.
    pub trigger: Option<Trigger>,
    /// Where and why it failed; else the reason that a person gave with it.
    pub why: Option<String>,
}

impl Release {
    /// Whether an earlier release was gone back to.
    pub fn is_rollback(&self) -> bool {
        self.trigger == Some(Trigger::Rollback)
    }
}

/// The records of those releases that the status itself does not tell all of. What cannot be read is left out.
pub async fn records(client: Client, namespace: &str, code_sync: &CodeSync) -> Vec<CodeReleaseSpec> {
    let Some(status) = &code_sync.status else { return Vec::new() };
    let promotion = status.promotion.as_ref().map(|promotion| &promotion.id);
    let api: Api<CodeRelease> = Api::namespaced(client, namespace);
    let open = status.history.iter().take(RELEASES_LIMIT).filter(|release| Some(&release.id) != promotion);
    let asked = join_all(open.map(|release| api.get(&release.id))).await;
    asked.into_iter().filter_map(Result::ok).map(|release| release.spec).collect()
}

/// The last releases, newest first.
pub fn releases(status: &CodeSyncStatus, records: &[CodeReleaseSpec]) -> Vec<Release> {
    let release = |(index, summary): (usize, &ReleaseSummary)| {
        let promotion = status.promotion.as_ref().filter(|promotion| promotion.id == summary.id);
        let record = records.iter().find(|record| record.promotion == summary.id);
        let known = promotion
            .map(|it| (&it.from_name, &it.failure, said(it.trigger, it.emergency, it.reason.as_deref())));
        let known = known.or(record
            .map(|it| (&it.from_name, &it.failure, said(it.trigger, it.emergency, it.reason.as_deref()))));
        let trigger = promotion.map(|it| it.trigger).or(record.map(|it| it.trigger)).or(summary.trigger);
        let (from, why) = if let Some((from, failure, said)) = known {
            (from.clone(), failure.as_ref().map(failed).or(said))
        } else if trigger == Some(Trigger::Rollback) {
            // What was left is only in its record.
            (None, said(Trigger::Rollback, false, None))
        } else {
            // Then it took the place of the release before it, if that is still known.
            let mut older = status.history.iter().skip(index + 1);
            (older.find(|it| it.outcome == Outcome::Released).map(|it| it.name.clone()), None)
        };
        let ReleaseSummary { ended_at, name: to, outcome, .. } = summary.clone();
        Release { ended_at, from, to, outcome, trigger, why }
    };
    status.history.iter().take(RELEASES_LIMIT).enumerate().map(release).collect()
}

/// What was done, and why.
fn said(trigger: Trigger, emergency: bool, reason: Option<&str>) -> Option<String> {
    let what = match trigger {
        _ if emergency => "emergency",
        // By a person, or by itself: only the reason tells.
        Trigger::Rollback => "went back",
        Trigger::Pin => "pinned",
        Trigger::Resume => "tried again",
        Trigger::Source => return reason.map(str::to_owned),
    };
    Some(reason.map_or_else(|| what.to_owned(), |reason| format!("{what}: {reason}")))
}

fn failed(failure: &PromotionFailure) -> String {
    let PromotionFailure { stage, server, check, reason, .. } = failure;
    match (check, server) {
        (Some(check), _) => format!("{stage}: check {check}"),
        (None, Some(server)) => format!("{stage}: {reason} of {server}"),
        (None, None) => format!("{stage}: {reason}"),
    }
}
