//! How often what happened, so that a hollow run is seen: a world in which nothing goes wrong proves nothing.

use std::{collections::BTreeMap, fmt};

/// What can happen, and how often it must at least, over all of the seeds that run every time.
const ROWS: &[(&str, usize)] = &[
    ("steps that the leader decided", 10_000),
    ("steps that an old leader decided", 200),
    ("promotions that ended Released", 150),
    ("promotions that ended RolledBack", 100),
    ("promotions that ended Failed", 5),
    ("promotions that ended Superseded", 50),
    ("promotions that ended Abandoned", 10),
    ("promotions in an emergency", 10),
    ("rolled back, everywhere", 50),
    ("rolled back, stages that had passed among them", 10),
    ("rolled back, failed by an authority on its turn", 5),
    ("rolled back after the release", 15),
    ("stuck: what was there before cannot run either", 3),
    ("a person goes back", 30),
    ("a person goes back, and that is released", 20),
    ("held targets", 30),
    ("digests put into quarantine", 100),
    ("digests released from quarantine by a person", 20),
    ("writes", 1_000),
    ("writes of what had to be signed", 100),
    ("writes that give back", 100),
    ("writes that give back after Servers were held back", 20),
    ("writes that were refused: somebody was faster", 50),
    ("writes of an old leader, or late ones, that were taken", 3),
    ("crashes before a Write", 10),
    ("crashes before a Record", 3),
    ("crashes before an Event", 10),
    ("crashes before a Finalizer", 1),
    ("actions lost: Write", 10),
    ("actions lost: Record", 3),
    ("actions lost: Event", 10),
    ("actions lost: Finalizer", 1),
    ("answers lost, and the action done twice", 50),
    ("the process starts again", 20),
    ("gates placed", 500),
    ("gates lifted", 500),
    ("CodeSyncs deleted half-way", 5),
    ("waits for a window", 100),
    ("waits for an approval", 100),
    ("stages begun", 300),
    ("checks that held", 100),
    ("checks that failed", 10),
    ("checks asked after the release", 500),
    ("checks that failed after the release", 50),
    ("checks that held again after the release", 10),
    ("a tool puts its own code back", 15),
    ("targets relabelled into another stage", 20),
    ("targets that left the selector", 20),
    ("targets deleted and made again", 20),
    ("consent withdrawn", 50),
    ("consent withdrawn while something is held back", 5),
    ("consent given again", 50),
    ("targets that another CodeSync has", 100),
    ("writes of another CodeSync", 50),
];

/// How often each happened.
#[derive(Clone, Debug, Default)]
pub(super) struct Coverage(BTreeMap<&'static str, usize>);

impl Coverage {
    pub(super) fn saw(&mut self, what: &'static str) {
        self.saw_times(what, 1);
    }

    pub(super) fn saw_times(&mut self, what: &'static str, times: usize) {
        assert!(ROWS.iter().any(|(row, _)| *row == what), "no row for {what:?}");
        *self.0.entry(what).or_default() += times;
    }

    pub(super) fn add(&mut self, other: Self) {
        for (what, times) in other.0 {
            self.saw_times(what, times);
        }
    }

    /// What happened too seldom.
    pub(super) fn hollow(&self) -> Vec<&'static str> {
        let rows = ROWS.iter().filter(|(what, least)| self.times(what) < *least);
        rows.map(|(what, _)| *what).collect()
    }

    fn times(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or_default()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, least) in ROWS {
            writeln!(formatter, "{:>8}  (at least {least:>6})  {what}", self.times(what))?;
        }
        Ok(())
    }
}
