//! `voxsync status`: what is deployed, what is next, and why not yet. Read from the CodeSync's own status, so
//! that it says what the agent knows and needs no right but to read CodeSyncs. Of one CodeSync its last CodeReleases are
//! asked for too; without the right to read them, less is said of them.

mod json;
mod left;
mod readiness;
mod releases;
#[cfg(test)]
mod releases_tests;
mod stage;
#[cfg(test)]
mod stage_tests;
#[cfg(test)]
mod tests;
mod view;
mod watch;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, api::ListParams};
use voxsync_crds::{
    CodeSync,
    code_sync::{CodeSyncStatus, Condition, ConditionStatus},
};

use crate::{
    arguments::{Connection, StatusOptions, TableOutput},
    connect::connect,
    kinds, output,
};
use releases::Release;
use view::View;

/// The reason of a source that is a CodeSync which has released nothing yet.
const NOTHING_RELEASED: &str = "NothingReleased";

/// Prints one CodeSync, or all of the namespace. Exit code 1 if one of them needs a person.
pub async fn run(connection: &Connection, options: StatusOptions) -> anyhow::Result<ExitCode> {
    let (client, namespace) = connect(connection).await?;
    let seen = look(&client, &namespace, &options).await?;
    if options.watch {
        return Box::pin(watch::watch(&client, &namespace, &options, seen)).await;
    }
    let text = seen.text(options.output, output::is_colourful(), Timestamp::now())?;
    if !text.is_empty() {
        output::line(&text);
    }
    if let Some(nothing) = &seen.nothing {
        output::news(nothing);
    }
    Ok(seen.code())
}

/// What a look has found.
#[derive(PartialEq)]
struct Seen {
    code_syncs: Vec<CodeSync>,
    /// The last releases of the one that was asked for by name.
    releases: Option<Vec<Release>>,
    /// That there are none.
    nothing: Option<String>,
}

impl Seen {
    /// All that is printed of it.
    fn text(&self, output: TableOutput, colourful: bool, now: Timestamp) -> anyhow::Result<String> {
        let Self { code_syncs, releases, nothing: _ } = self;
        if output == TableOutput::Json {
            let view = View { now, colourful: false };
            return Ok(serde_json::to_string_pretty(&json::json(&view, code_syncs, releases.as_deref()))?);
        }
        let view = View { now, colourful };
        let screens: Vec<String> = code_syncs.iter().map(|it| view.code_sync(it)).collect();
        let releases = releases.as_ref().map(|releases| view.releases(releases));
        let parts: Vec<String> = screens.into_iter().chain(releases).collect();
        Ok(parts.join("\n\n").trim_end().to_owned())
    }

    fn code(&self) -> ExitCode {
        let mut statuses = self.code_syncs.iter().filter_map(|code_sync| code_sync.status.as_ref());
        let is_trouble = statuses.any(|status| trouble(status).is_some());
        if is_trouble { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

async fn look(client: &Client, namespace: &str, options: &StatusOptions) -> anyhow::Result<Seen> {
    if let Some(name) = &options.name {
        return one(client.clone(), namespace, name).await;
    }
    all(client.clone(), namespace, options.all_namespaces).await
}

/// The CodeSync of a name, with its last releases.
async fn one(client: Client, namespace: &str, name: &str) -> anyhow::Result<Seen> {
    let api: Api<CodeSync> = Api::namespaced(client.clone(), namespace);
    let code_sync = kinds::code_sync(&api, namespace, name).await?;
    let records = releases::records(client, namespace, &code_sync).await;
    let releases = code_sync.status.as_ref().map(|status| releases::releases(status, &records));
    Ok(Seen { code_syncs: vec![code_sync], releases, nothing: None })
}

/// The CodeSyncs of a namespace, or of all. That there are none is said.
async fn all(client: Client, namespace: &str, is_everywhere: bool) -> anyhow::Result<Seen> {
    let api: Api<CodeSync> =
        if is_everywhere { Api::all(client.clone()) } else { Api::namespaced(client.clone(), namespace) };
    let listed = api.list(&ListParams::default()).await.map_err(kinds::explained);
    let code_syncs = listed.context("the list of codesyncs")?.items;
    let nothing = match code_syncs.as_slice() {
        [_, ..] => None,
        [] if is_everywhere => Some("no CodeSync in any namespace".to_owned()),
        [] => {
            let found = Api::<Namespace>::all(client).get(namespace).await;
            Some(nothing_in(namespace, kinds::found(found))?)
        }
    };
    Ok(Seen { code_syncs, releases: None, nothing })
}

/// What to say of a namespace without CodeSyncs, as far as it is known whether there is such a namespace: a typing error
/// is none where all is well.
fn nothing_in(namespace: &str, found: anyhow::Result<Option<Namespace>>) -> anyhow::Result<String> {
    let unknown = match found {
        Ok(Some(_)) => String::new(),
        Ok(None) => bail!("there is no namespace {namespace:?}: see `voxsync status -A`"),
        Err(error) => {
            format!(" (whether there is such a namespace cannot be told: {})", crate::describe(&error))
        }
    };
    Ok(format!("no CodeSync in namespace {namespace}{unknown}; `voxsync status -A` looks everywhere"))
}

/// What is wrong, if a person has to act.
fn trouble(status: &CodeSyncStatus) -> Option<&Condition> {
    let is = |kind, wanted| status.condition_that_is(kind, wanted);
    let unready =
        is("Ready", ConditionStatus::False).filter(|_| is("Reconciling", ConditionStatus::True).is_none());
    // That comes by itself, or the CodeSync that is followed says why not.
    let source = is("SourceReady", ConditionStatus::False).filter(|it| it.reason != NOTHING_RELEASED);
    stalled(status).or(unready).or(source)
}

/// Why nothing goes on before the spec is mended, if that is so.
fn stalled(status: &CodeSyncStatus) -> Option<&Condition> {
    status.condition_that_is("Stalled", ConditionStatus::True)
}
