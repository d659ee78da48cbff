//! `voxsync rollback`: back to the last good release, and no further until `resume`.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::json;
use voxsync_crds::{
    CodeReference, CodeSync,
    annotations::ROLLBACK,
    code_sync::{CandidateStatus, CodeSyncStatus, DeployedStatus, Outcome},
    reference::is_same_code,
};

use super::{Subject, image, say, token};
use crate::{
    arguments::{Connection, RollbackOptions},
    output,
};

/// The word that keeps what is left out of quarantine.
const NO_QUARANTINE: &str = "no-quarantine";
/// How many releases the status has in short: with fewer, it has all.
const HISTORY_LIMIT: usize = 5;

/// `voxsync rollback NAME`
pub async fn rollback(connection: &Connection, options: RollbackOptions) -> anyhow::Result<ExitCode> {
    let RollbackOptions { name, reason, no_quarantine } = options;
    let subject = Subject::find(connection, &name).await?;
    let value = value(reason.as_deref(), no_quarantine)?;
    let way = match way(&subject.code_sync) {
        Ok(way) => way,
        Err(why) => {
            output::news(&output::harmless(&format!("codesync {name}: {why}")));
            return Ok(ExitCode::FAILURE);
        }
    };
    say(&name, &format!("goes back from {} to {}", way.from, way.to));
    let is_suspended = subject.code_sync.spec.suspend;
    let decide = |code_sync: &CodeSync| self::way(code_sync).map_err(anyhow::Error::msg);
    subject.decide_and_patch(decide, |_| json!({"metadata": {"annotations": {ROLLBACK: value}}})).await?;
    let left = if no_quarantine { "is not put into quarantine" } else { "goes to quarantine" };
    say(&name, &format!("stays there until `voxsync resume {name}`; {} {left}", way.from));
    if is_suspended {
        say(&name, &format!("is suspended: nothing is written before `voxsync resume {name}`"));
    }
    say(&name, &format!("can be followed with `voxsync wait {name}`"));
    Ok(ExitCode::SUCCESS)
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

/// From where to where the agent will go, as far as the status tells; else why it cannot.
fn way(code_sync: &CodeSync) -> Result<Way, String> {
    let Some(status) = &code_sync.status else { return Err("the agent has not seen it yet".to_owned()) };
    let deployed = status.deployed.as_ref().map(Image::from);
    // What is on its way, or stopped there, is left; what all stages ran before is good.
    let open = status.promotion.as_ref().filter(|it| it.outcome != Some(Outcome::Released));
    let open = open.map(|promotion| Image::from(&promotion.candidate));
    let is_open = open.is_some();
    let left =
        open.or_else(|| deployed.clone()).ok_or("nothing is deployed: there is nothing to go back from")?;
    let good = deployed.filter(|_| is_open).into_iter().chain(released(status));
    let is_allowed = |image: &Image| status.quarantine.iter().all(|kept| kept.digest != image.digest);
    let mut good = good.filter(|image| !is_same_code(&image.reference, &left.reference) && is_allowed(image));
    let from = left.called;
    match good.next() {
        Some(image) => Ok(Way { from, to: image.called }),
        None if status.history.len() < HISTORY_LIMIT => {
            Err(format!("no other release ran in all stages before {from}: there is nothing to go back to"))
        }
        None => {
            Ok(Way { from, to: "the last good release before it, which its CodeReleases name".to_owned() })
        }
    }
}

/// What ran.
#[derive(Clone, Debug)]
struct Image {
    reference: String,
    digest: String,
    /// As people call it.
    called: String,
}

impl From<&CandidateStatus> for Image {
    fn from(it: &CandidateStatus) -> Self {
        let called = image(&it.name, &it.digest, it.commit.as_deref());
        Self { reference: it.reference.clone(), digest: it.digest.clone(), called }
    }
}

impl From<&DeployedStatus> for Image {
    fn from(it: &DeployedStatus) -> Self {
        let digest = it.digest.clone().unwrap_or_default();
        let called = image(&it.name, &digest, it.commit.as_deref());
        Self { reference: it.reference.clone(), digest, called }
    }
}

impl Image {
    /// What a reference names, by the name that it had then if that is known.
    fn of(reference: &str, name: Option<&str>) -> Option<Self> {
        let parsed = CodeReference::parse(reference).ok()?;
        let digest = parsed.digest().unwrap_or_default().to_owned();
        let short = || parsed.tag().map_or_else(|| parsed.short(), str::to_owned);
        let called = image(&name.map_or_else(short, str::to_owned), &digest, None);
        Some(Self { reference: reference.to_owned(), digest, called })
    }
}

/// What all stages ran, the newest first; what was adopted has no release, but is what the first one replaced.
fn released(status: &CodeSyncStatus) -> impl Iterator<Item = Image> + '_ {
    let released = status.history.iter().filter(|release| release.outcome == Outcome::Released);
    released.flat_map(|release| {
        let replaced = release.from.as_deref().and_then(|from| Image::of(from, None));
        Image::of(&release.reference, Some(&release.name)).into_iter().chain(replaced)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::verbs::fixtures::{code_sync, deployed, promotion, quarantined, released};

    fn goes(status: &Value) -> Result<(String, String), String> {
        let name = |text: &str| text.split(' ').next().unwrap().to_owned();
        way(&code_sync(&Value::Null, status)).map(|way| (name(&way.from), name(&way.to)))
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
