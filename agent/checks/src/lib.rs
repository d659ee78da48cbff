//! What must be true of a stage after its rollout: how it is asked, and what the answer means.
//!
//! Each kind of check has a file. In it, what is asked and how an answer is judged are plain functions; [`ask`] is the thin
//! shell around those of `http`, `prometheus` and `puppetdb`: one question, bounded in size and time, that follows no
//! redirect and shows a login to nobody but the host of the URL. Of a Job there is no shell here: whoever talks to the
//! API server creates [`job::job`], reads it again, and has it judged.
//!
//! Nothing is decided here: whether a failed check is one too many is for the promotion. Nothing is remembered either.
//!
//! Reading order: `answer`, `exchange` (one question to a server), `http`, `prometheus`, `puppetdb`, `job`.

mod answer;
mod exchange;
pub mod http;
pub mod job;
pub mod prometheus;
pub mod puppetdb;

use voxsync_crds::{code_sync::Check, duration::spoken};
use voxsync_promotion::CheckRun;

pub use answer::{Answer, Standing};
pub use exchange::{Line, Received};

/// Asks a check once, over a line with the check's own login and certificates. A Job is not asked here.
pub async fn ask(check: &Check, run: &CheckRun, line: &Line<'_>) -> Answer {
    let answer = async {
        if let Some(check) = &check.http {
            http::ask(check, line).await
        } else if let Some(check) = &check.prometheus {
            prometheus::ask(check, line).await
        } else if let Some(check) = &check.puppetdb {
            puppetdb::ask(check, run, line).await
        } else {
            Answer::unreachable("it names nothing that can be asked")
        }
    };
    tokio::time::timeout(line.timeout, answer).await.unwrap_or_else(|_| {
        Answer::unreachable(format!("there is no whole answer within {}", spoken(line.timeout)))
    })
}
