//! A story for people. Pure.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use voxsync_simulation::{Line, Story, Tone as Kind};

use crate::output::{Tone, harmless, paint, sentence, with_short_digests};

/// The widest second column, in characters.
const WHO_LIMIT_CHARACTERS: usize = 20;

/// The ladder, one heading a day, and how it ended.
pub fn text(name: &str, source: &str, story: &Story, colourful: bool) -> String {
    let title = paint(&harmless(name), Tone::Strong, colourful);
    let mut lines = vec![format!("{title}  ·  {}, simulated from {}", harmless(source), minute(story.start))];
    let width = story.ladder.iter().map(|line| line.who.chars().count()).max().unwrap_or(0);
    let width = width.min(WHO_LIMIT_CHARACTERS);
    let mut day = None;
    for line in &story.ladder {
        if day.replace(date(line.at)) != Some(date(line.at)) {
            lines.push(String::new());
            lines.push(paint(&line.at.strftime("%a %F").to_string(), Tone::Strong, colourful));
        }
        lines.push(said(line, width, colourful));
    }
    lines.push(String::new());
    lines.extend(end(story).iter().map(|line| format!("  {line}")));
    lines.join("\n")
}

fn said(line: &Line, width: usize, colourful: bool) -> String {
    let tone = match line.tone {
        Kind::Given => Tone::Strong,
        Kind::Happens => Tone::Plain,
        Kind::Good => Tone::Good,
        Kind::Bad => Tone::Bad,
        Kind::Waits => Tone::Faint,
    };
    let mark = paint(&line.tone.mark().to_string(), tone, colourful);
    let (who, time) = (harmless(&line.who), line.at.strftime("%H:%M:%SZ"));
    // Nobody copies a command from here: these digests are of the model world.
    format!("  {time}  {who:width$}  {mark} {}", sentence(&with_short_digests(&line.what)))
}

/// How it ended.
fn end(story: &Story) -> Vec<String> {
    let deployed = story.status.deployed.as_ref().map_or("nothing", |deployed| deployed.name.as_str());
    let summary = harmless(story.status.summary.as_deref().unwrap_or_default());
    let mut lines =
        vec![format!("at the end, {}: deployed {}; {summary}", minute(story.end), harmless(deployed))];
    if story.is_cut_off {
        lines.push("more would come after that: give `until` or `for` to see it".to_owned());
    }
    if let Some(expectations) = story.expectations {
        let all = expectations.met + expectations.missed;
        lines.push(format!("{} of {all} expectations came true", expectations.met));
    }
    lines
}

fn date(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

fn minute(time: Timestamp) -> String {
    time.strftime("%F %H:%MZ").to_string()
}
