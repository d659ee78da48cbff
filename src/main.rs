//! The `voxsync` command: one file a verb, wiring only.

mod api_requests;
mod arguments;
mod audit;
mod authorities;
mod check;
mod commit;
mod connect;
mod crds;
mod demo;
mod halves;
mod input;
mod kinds;
mod man;
mod one_look;
mod output;
mod paced;
mod places;
mod plan;
mod run;
mod selector;
mod simulate;
mod status;
mod stop;
mod tags;
mod telemetry;
mod verbs;
mod wait;
mod wording;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{
    CommandFactory as _, Parser as _,
    error::{ContextKind, ContextValue},
};

use arguments::{Arguments, Verb};

/// The exit code of a verb that could not do what it was asked for, as of wrong arguments: 1 is an answer.
const ERROR: u8 = 2;
/// How much of an argument is said again where it is wrong, in characters.
const ARGUMENT_CHARACTERS: usize = 100;

fn main() -> ExitCode {
    // Before anything opens a connection: rustls has no default of its own here.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        output::error("another TLS provider is installed already: this is a defect of voxsync");
        return ExitCode::FAILURE;
    }
    let arguments = Arguments::try_parse().unwrap_or_else(|error| bounded(error).exit());
    match start(arguments) {
        Ok(code) => code,
        Err(error) => {
            output::error(&describe(&error));
            for cause in check::causes(&error) {
                output::news(&format!("  {}", output::message(cause)));
            }
            ExitCode::from(ERROR)
        }
    }
}

/// What is wrong with the arguments, with no more of what was typed than a line has: it may be a file by mistake.
fn bounded(mut error: clap::Error) -> clap::Error {
    let long: Vec<(ContextKind, String)> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, text.clone())),
            _ => None,
        })
        .collect();
    for (kind, text) in long {
        error.insert(kind, ContextValue::String(output::shorten(&text, ARGUMENT_CHARACTERS)));
    }
    error
}

/// The chain of causes for people: an API server's own words instead of a dump, and nothing twice.
fn describe(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let part = match cause.downcast_ref::<kube::Error>() {
            Some(kube::Error::Api(status)) => status.message.clone(),
            _ => cause.to_string(),
        };
        if text.contains(&part) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&part);
        if matches!(cause.downcast_ref::<kube::Error>(), Some(kube::Error::Api(_))) {
            break;
        }
    }
    output::harmless(&text)
}

fn start(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime cannot start")?;
    let connection = arguments.connection;
    runtime.block_on(async move {
        match arguments.verb {
            Verb::Run(options) => run::run(&connection, *options).await,
            Verb::Demo(options) => demo::run(options).await,
            Verb::Audit(options) => audit::run(&connection, options).await,
            Verb::Status(options) => status::run(&connection, options).await,
            Verb::Plan(options) => Box::pin(plan::run(&connection, options)).await,
            Verb::Simulate(options) => simulate::run(&connection, &options).await,
            Verb::Check(options) => check::run(&connection, options).await,
            Verb::Tags(options) => tags::run(&connection, options).await,
            Verb::Wait(options) => wait::run(&connection, options).await,
            Verb::Reconcile(options) => verbs::reconcile(&connection, options).await,
            Verb::Approve(options) => Box::pin(verbs::approve(&connection, options)).await,
            Verb::Promote(options) => verbs::promote(&connection, options).await,
            Verb::Rollback(options) => Box::pin(verbs::rollback(&connection, options)).await,
            Verb::ReleaseQuarantine(options) => verbs::release_quarantine(&connection, options).await,
            Verb::Resume(options) => verbs::resume(&connection, options).await,
            Verb::Suspend(options) => verbs::suspend(&connection, options).await,
            Verb::Crds => crds::print(),
            Verb::Completions { shell } => {
                clap_complete::generate(shell, &mut Arguments::command(), "voxsync", &mut std::io::stdout());
                Ok(ExitCode::SUCCESS)
            }
            Verb::Man { folder } => man::write(&Arguments::command(), folder.as_deref()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_argument_is_not_said_again_in_whole() {
        let long = "a\x1b[31m".repeat(10_000);
        for arguments in [
            &["voxsync", "suspend", "production", "--reason", &long][..],
            &["voxsync", "suspend", &long],
            &["voxsync", &long],
            &["voxsync", "status", "-n", &long],
            &["voxsync", "status", "-o", &long],
            &["voxsync", "status", "production", &long],
            &["voxsync", "wait", "production", "--timeout", &long],
            &["voxsync", "wait", "production", "--digest", &long],
        ] {
            let said = bounded(Arguments::try_parse_from(arguments).unwrap_err()).render().to_string();
            assert!(said.starts_with("error: ") && said.len() < 2_000 && !said.contains('\x1b'), "{said}");
        }
    }
}
