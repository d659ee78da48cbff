//! `voxsync rollback`: back to the last good release, and no further until `resume`.

use std::process::ExitCode;

use anyhow::bail;
use kube::{Api, api::ListParams};
use serde_json::json;
use voxsync_agent::{LastGood, Left, NoLastGood, last_good};
use voxsync_cluster::Snapshot;
use voxsync_crds::{CodeRelease, CodeSync, annotations::ROLLBACK, code_release::CODE_SYNC_LABEL};

use super::{Subject, followed, image, say, token};
use crate::{
    arguments::{Connection, RollbackOptions},
    output,
    wait::Goal,
};

/// The word that keeps what is left out of quarantine.
const NO_QUARANTINE: &str = "no-quarantine";
/// How many releases the status has in short: with fewer, it has all.
const HISTORY_LIMIT: usize = 5;
/// How many CodeReleases are read at most; a CodeSync keeps no more.
const RELEASES_LIMIT: u32 = 1000;

/// `voxsync rollback NAME`
pub async fn rollback(connection: &Connection, options: RollbackOptions) -> anyhow::Result<ExitCode> {
    let RollbackOptions { name, reason, no_quarantine, follow } = options;
    let subject = Subject::find(connection, &name).await?;
    let value = value(reason.as_deref(), no_quarantine)?;
    let records = records(&subject).await;
    let way = match way(&subject.code_sync, records.as_ref()) {
        Ok(way) => way,
        Err(why) => {
            output::news(&output::harmless(&format!("codesync {name}: {why}")));
            return Ok(ExitCode::FAILURE);
        }
    };
    say(&name, &format!("goes back from {} to {}", way.from, way.to));
    let (is_suspended, named) = (subject.code_sync.spec.suspend, subject.named());
    let decide = |code_sync: &CodeSync| self::way(code_sync, records.as_ref()).map_err(anyhow::Error::msg);
    subject.decide_and_patch(decide, |_| json!({"metadata": {"annotations": {ROLLBACK: value}}})).await?;
    let left = if no_quarantine { "is not put into quarantine" } else { "goes to quarantine" };
    say(&name, &format!("stays there until `voxsync resume {named}`; {} {left}", way.from));
    if is_suspended {
        say(&name, &format!("is suspended: nothing is written before `voxsync resume {named}`"));
    }
    if !follow.wait {
        say(&name, &format!("can be followed with `voxsync wait {named}`"));
    }
    followed(connection, &name, Goal::WayBack, follow).await
}

/// The value of the annotation: a word that it has not had before, and the rest.
fn value(reason: Option<&str>, no_quarantine: bool) -> anyhow::Result<String> {
    // Else it would not be known for a part of the reason.
    if !no_quarantine && reason.is_some_and(|reason| reason.split_whitespace().next() == Some(NO_QUARANTINE))
    {
        bail!("a reason does not begin with the word {NO_QUARANTINE}: that is an option");
    }
    let word = no_quarantine.then_some(NO_QUARANTINE);
    let id = token();
    Ok([Some(id.as_str()), word, reason].into_iter().flatten().collect::<Vec<_>>().join(" "))
}

/// From where to where, as people call it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    from: String,
    to: String,
}

/// From where to where the agent will go, by its own rule; else why it cannot. `records` has the CodeReleases; without the
/// right to read them, what the status does not say is not known.
fn way(code_sync: &CodeSync, records: Option<&Snapshot>) -> Result<Way, String> {
    let Some(status) = &code_sync.status else { return Err("the agent has not seen it yet".to_owned()) };
    let found = last_good(records.unwrap_or(&Snapshot::default()), code_sync);
    let from =
        |left: &Left| image(&left.name, left.digest.as_deref().unwrap_or_default(), left.commit.as_deref());
    match found {
        Ok(LastGood { left, candidate }) => {
            let to = image(&candidate.name, &candidate.digest, candidate.commit.as_deref());
            Ok(Way { from: from(&left), to })
        }
        Err(NoLastGood::NothingBefore(left))
            if records.is_none() && status.history.len() >= HISTORY_LIMIT =>
        {
            let to = "the last good release before it, if its CodeReleases name one (you may not read them)";
            Ok(Way { from: from(&left), to: to.to_owned() })
        }
        Err(why) => Err(why.to_string()),
    }
}

/// The CodeReleases of a CodeSync; none where they cannot be read.
async fn records(subject: &Subject) -> Option<Snapshot> {
    let api: Api<CodeRelease> = Api::namespaced(subject.client.clone(), &subject.namespace);
    let label = format!("{CODE_SYNC_LABEL}={}", subject.name);
    let listed = api.list(&ListParams::default().labels(&label).limit(RELEASES_LIMIT)).await.ok()?;
    let mut records = Snapshot::default();
    for release in listed.items {
        records.apply(release);
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::verbs::fixtures::{candidate, code_sync, deployed, digest, promotion, quarantined, released};

    fn goes(status: &Value) -> Result<(String, String), String> {
        let name = |text: &str| text.split(' ').next().unwrap().to_owned();
        way(&code_sync(&Value::Null, status), None).map(|way| (name(&way.from), name(&way.to)))
    }

    #[test]
    fn goes_back_to_what_ran_everywhere_before() {
        let of = |from: &str, to: &str| Ok((from.to_owned(), to.to_owned()));
        for outcome in [None, Some("Failed"), Some("RolledBack")] {
            let status = json!({"deployed": deployed("v1", 'a'), "promotion": promotion("v2", 'b', outcome)});
            assert_eq!(goes(&status), of("v2", "v1"), "{outcome:?}");
        }
        let mut status = json!({"deployed": deployed("v3", 'c'), "history": [
            released("v3", 'c', "Released"), released("v9", 'e', "Failed"), released("v2", 'b', "Released"),
            released("v3", 'c', "Released"), released("v1", 'a', "Released"),
        ]});
        assert_eq!(goes(&status), of("v3", "v2"));
        status["quarantine"] = json!([quarantined("v2", 'b')]);
        assert_eq!(goes(&status), of("v3", "v1"));
        status["quarantine"] = json!([quarantined("v2", 'b'), quarantined("v1", 'a')]);
        assert_eq!(goes(&status), of("v3", "the"), "older ones may be in CodeReleases");
        // What was adopted has no release of its own.
        let mut first =
            json!({"deployed": deployed("v2", 'b'), "history": [released("v2", 'b', "Released")]});
        first["history"][0]["from"] = json!("r.io/a:v1");
        assert_eq!(goes(&first), of("v2", "v1"));
    }

    #[test]
    fn says_that_there_is_nothing_to_go_back_to() {
        let first = json!({"deployed": deployed("v1", 'a'), "history": [released("v1", 'a', "Released")]});
        let never = json!({"promotion": promotion("v1", 'a', Some("Failed"))});
        for status in [first, never, json!({}), Value::Null] {
            goes(&status).unwrap_err();
        }
    }

    #[test]
    fn announces_what_the_agent_does() {
        // What was gone back from is not gone back to, and a second rollback goes further.
        let rollback = |from: &str, letter: char| {
            json!({"candidate": candidate("v2", 'b'), "fromName": from,
            "from": format!("r.io/a:{from}@{}", digest(letter)), "at": "2026-03-01T10:00:00Z"})
        };
        let mut status = json!({"deployed": deployed("v2", 'b'), "rollback": rollback("v3", 'c'), "history": [
            released("v2", 'b', "Released"), released("v3", 'c', "Released"), released("v1", 'a', "Released"),
        ]});
        assert_eq!(goes(&status), Ok(("v2".to_owned(), "v1".to_owned())));
        status["history"] = json!([released("v2", 'b', "Released"), released("v3", 'c', "Released")]);
        assert!(goes(&status).unwrap_err().contains("nothing to go back to"), "v3 was left");
        // A digest that only its summary names, in quarantine.
        let mut by_tag =
            json!({"deployed": deployed("v2", 'b'), "history": [released("v1", 'a', "Released")]});
        by_tag["history"][0]["reference"] = json!("r.io/a:v1");
        by_tag["history"][0]["digest"] = json!(digest('a'));
        by_tag["quarantine"] = json!([quarantined("v1.0.0", 'a')]);
        goes(&by_tag).unwrap_err();
    }

    #[test]
    fn what_the_status_forgot_its_records_name() {
        let status = json!({"deployed": deployed("v9", 'f'), "history": [released("v9", 'f', "Released")]});
        let mut code_sync = code_sync(&Value::Null, &status);
        code_sync.metadata.namespace = Some("puppet".to_owned());
        code_sync.metadata.uid = Some("u".to_owned());
        let mut records = Snapshot::default();
        way(&code_sync, Some(&records)).unwrap_err();
        let record: CodeRelease = serde_json::from_value(json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeRelease",
            "metadata": {"name": "p-v1", "namespace": "puppet"},
            "spec": {"codeSync": "production", "codeSyncUid": "u", "promotion": "p-v1", "trigger": "Source",
                "candidate": candidate("v1", 'a'), "outcome": "Released", "startedAt": "2026-03-01T10:00:00Z",
                "endedAt": "2026-03-01T10:00:00Z", "stages": []},
        }))
        .unwrap();
        records.apply(record);
        assert!(way(&code_sync, Some(&records)).unwrap().to.starts_with("v1 ("));
    }

    #[test]
    fn the_value_is_read_as_it_was_meant() {
        let words = |reason: Option<&str>, no_quarantine: bool| {
            let value = value(reason, no_quarantine).unwrap();
            value.split_once(' ').map(|(_, rest)| rest.to_owned()).unwrap_or_default()
        };
        assert_eq!(words(None, false), "");
        assert_eq!(words(Some("broken hiera"), false), "broken hiera");
        assert_eq!(words(Some("broken hiera"), true), "no-quarantine broken hiera");
        assert_eq!(words(Some("no-quarantine"), true), "no-quarantine no-quarantine");
        value(Some("no-quarantine of that"), false).unwrap_err();
    }
}
