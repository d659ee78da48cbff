//! `voxsync status --watch`: the same screen, drawn anew whenever what it is about changes; on a terminal in the same place,
//! and each second, so that what is counted down moves. It ends at Ctrl-C, or when nobody reads any more, with the exit code
//! of the last screen.
//!
//! One part asks the API server, with a bound on each call; another draws what is known meanwhile, and since when nothing is.

mod frame;
mod reader;
mod screen;

use std::{process::ExitCode, time::Duration};

use jiff::Timestamp;
use kube::Client;
use tokio::{
    sync::watch::{Receiver, channel},
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::Seen;
use crate::{
    arguments::{StatusOptions, TableOutput},
    output,
    stop::Signals,
};
use frame::frame;
use reader::Reader;

/// How often a terminal is drawn.
const BEAT: Duration = Duration::from_secs(1);

/// What is known, and how well.
struct Report {
    seen: Seen,
    /// When the API server answered last.
    at: Timestamp,
    /// How many screens there were before it.
    number: u64,
    /// Why it cannot be asked now.
    lost: Option<String>,
}

impl Report {
    /// What is to be said of the API server.
    fn notice(&self, now: Timestamp) -> Option<String> {
        let why = output::harmless(self.lost.as_ref()?);
        let at = output::clock(self.at, now);
        Some(format!("last seen {at}; the API server cannot be asked, it is tried again: {why}"))
    }
}

/// Draws until a signal.
pub async fn watch(
    client: &Client,
    namespace: &str,
    options: &StatusOptions,
    first: Seen,
) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::catch()?;
    let (reports, shown) = channel(Report { seen: first, at: Timestamp::now(), number: 0, lost: None });
    let reader = Reader { client, namespace, options, reports: &reports };
    // Nothing of these waits for another one: a call or a reader that hangs keeps nobody from ending it.
    let ended = tokio::select! {
        _ = signals.first() => Ok(()),
        () = screen::closed() => Ok(()),
        ended = reader.read() => ended,
        ended = draw(options, shown) => ended,
    };
    let code = reports.borrow().seen.code();
    ended.map(|()| code)
}

/// Draws what is known, until nobody reads it any more.
async fn draw(options: &StatusOptions, mut reports: Receiver<Report>) -> anyhow::Result<()> {
    let is_drawn = options.output == TableOutput::Table;
    let mut beat = interval_at(Instant::now() + BEAT, BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last_size, mut last_number) = (None, None);
    loop {
        // Where the size is not known, there is no place to draw in again.
        let size = if is_drawn { screen::size() } else { None };
        let text = {
            let report = reports.borrow_and_update();
            let now = Timestamp::now();
            let text = report.seen.text(options.output, output::is_colourful(), now)?;
            let is_new = last_number.replace(report.number) != Some(report.number);
            let (notice, nothing) = (report.notice(now), report.seen.nothing.as_deref());
            if let Some(size) = size {
                let lines = notice.iter().map(String::as_str).chain(nothing).chain(text.lines());
                frame(lines, size, last_size.replace(size) != Some(size))
            } else {
                let news = notice.as_deref().into_iter().chain(nothing.filter(|_| is_new));
                news.for_each(output::news);
                // One screen after the other, apart by an empty line.
                if is_new && !text.is_empty() { format!("{text}\n\n") } else { String::new() }
            }
        };
        if screen::write(text).await.is_err() {
            return Ok(());
        }
        tokio::select! {
            changed = reports.changed() => if changed.is_err() { return Ok(()) },
            _ = beat.tick(), if size.is_some() => {}
        }
    }
}
