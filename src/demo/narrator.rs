//! Tells what happens, as it happens: prints for people, stays silent for programs.

use tokio::time::Instant;

use crate::output::{self, Tone, paint, sentence};

/// Who something happened to; the second column.
const ACTOR_WIDTH: usize = 10;

/// Prints the demo's lines.
pub struct Narrator {
    silent: bool,
    colourful: bool,
    step_began: Instant,
}

impl Narrator {
    /// One that prints, or one that does not.
    pub fn new(silent: bool) -> Self {
        Self { silent, colourful: output::is_colourful(), step_began: Instant::now() }
    }

    /// A line as it is.
    pub fn line(&self, text: &str) {
        if !self.silent {
            output::line(text);
        }
    }

    /// Starts a step: its times count from here.
    pub fn step(&mut self, number: usize, title: &str) {
        self.step_began = Instant::now();
        self.line("");
        self.line(&paint(&format!("{number}  {title}"), Tone::Strong, self.colourful));
    }

    /// Seconds since the step began.
    pub fn seconds(&self) -> f64 {
        self.step_began.elapsed().as_secs_f64()
    }

    /// Something happened.
    pub fn happened(&self, actor: &str, what: &str, tone: Tone) {
        let what = paint(&sentence(what), tone, self.colourful);
        self.line(&format!("  {:6.2} s  {actor:ACTOR_WIDTH$} {what}", self.seconds()));
    }

    /// A fact of the set-up.
    pub fn fact(&self, name: &str, what: &str, hint: &str) {
        self.line(&format!("  {name:ACTOR_WIDTH$} {what:42} {}", paint(hint, Tone::Faint, self.colourful)));
    }

    /// Whether colours are used.
    pub fn is_colourful(&self) -> bool {
        self.colourful
    }
}
