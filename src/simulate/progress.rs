//! How far a long simulation is, in one line of a terminal.

use std::io::Write;

use jiff::Timestamp;

/// After so many moments, and so many again, it is said how far it is: most simulations have fewer.
const MOMENTS_APART: usize = 200;
/// Goes to the begin of the line and takes it away.
const CLEARED: &str = "\r\x1b[K";

/// Writes it to a terminal, where there is one.
pub struct Progress<Terminal: Write> {
    terminal: Option<Terminal>,
    moments: usize,
}

impl<Terminal: Write> Progress<Terminal> {
    pub fn new(terminal: Option<Terminal>) -> Self {
        Self { terminal, moments: 0 }
    }

    /// The simulation came to this moment.
    pub fn tell(&mut self, at: Timestamp) {
        self.moments += 1;
        if self.moments.is_multiple_of(MOMENTS_APART) {
            self.write(&format!("{CLEARED}simulated until {}", at.strftime("%F %H:%MZ")));
        }
    }

    fn write(&mut self, text: &str) {
        if let Some(terminal) = &mut self.terminal {
            // Nobody misses it.
            let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
        }
    }
}

/// Takes the line away: what follows is the answer.
impl<Terminal: Write> Drop for Progress<Terminal> {
    fn drop(&mut self) {
        if self.moments >= MOMENTS_APART {
            self.write(CLEARED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_long_says_how_far_it_is() {
        let said = |moments: usize| {
            let mut terminal = Vec::new();
            let mut progress = Progress::new(Some(&mut terminal));
            for _ in 0..moments {
                progress.tell("2026-12-14T15:00:00Z".parse().unwrap());
            }
            drop(progress);
            String::from_utf8(terminal).unwrap()
        };
        assert_eq!(said(199), "");
        let line = "\r\x1b[Ksimulated until 2026-12-14 15:00Z";
        assert_eq!(said(401), format!("{line}{line}\r\x1b[K"));
    }
}
