//! When one host may be asked: a budget, and rests that it asks for. Pure: time and chance are passed in.
//!
//! After a rest one request goes alone, to see whether the rest was long enough; the others follow at the rate of the
//! budget, and never all at once.

use std::time::Duration;

use tokio::time::Instant;

use crate::pause;

/// How many requests of the budget may go at once where nothing was asked for a while.
const BURST: u32 = 20;
/// How long a host rests that refuses for the first time and does not say how long; each further refusal doubles it.
const FIRST_REST: Duration = Duration::from_secs(1);
/// The longest rest of a host that does not say how long.
const LONGEST_REST: Duration = Duration::from_mins(5);
/// The part of a rest that is added by chance, so that several processes do not come back together.
const JITTER: f64 = 0.2;

/// What one host may be sent.
#[derive(Debug)]
pub(super) struct Host {
    /// The time that one request of the budget takes.
    interval: Duration,
    /// When the budget is whole again.
    whole_at: Instant,
    state: State,
    /// Counts the rests: an answer to what was sent before the last one says nothing about it.
    rests: u64,
    /// Refusals since the host was last well for as long as its last rest was.
    refusals: u32,
    well_at: Instant,
}

#[derive(Debug, PartialEq)]
enum State {
    Open,
    Resting {
        until: Instant,
    },
    /// One request is under way that shows whether the rest was long enough.
    Trial,
}

/// What a request must do.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Go(Ticket),
    WaitUntil(Instant),
    WaitForTrial,
}

/// Names a request by the time in which it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    rests: u64,
    is_trial: bool,
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    /// The host wants to be left alone, perhaps for so long.
    Refused(Option<Duration>),
    Answered,
    NoAnswer,
}

impl Host {
    pub(super) fn new(requests_per_second: u32, now: Instant) -> Self {
        let interval = Duration::from_secs(1) / requests_per_second.max(1);
        Self { interval, whole_at: now, state: State::Open, rests: 0, refusals: 0, well_at: now }
    }

    pub(super) fn admit(&mut self, now: Instant) -> Verdict {
        match self.state {
            State::Resting { until } if now < until => Verdict::WaitUntil(until),
            State::Resting { .. } => {
                self.state = State::Trial;
                Verdict::Go(Ticket { rests: self.rests, is_trial: true })
            }
            State::Trial => Verdict::WaitForTrial,
            State::Open => {
                let whole_at = self.whole_at.max(now);
                let free_at = whole_at.checked_sub(self.interval * (BURST - 1)).unwrap_or(now);
                if free_at > now {
                    return Verdict::WaitUntil(free_at);
                }
                self.whole_at = whole_at + self.interval;
                Verdict::Go(Ticket { rests: self.rests, is_trial: false })
            }
        }
    }

    /// Whether no rest began since a ticket was given.
    pub(super) fn admits_still(&self, ticket: Ticket) -> bool {
        ticket.rests == self.rests
    }

    /// How long it is still to be left alone.
    pub(super) fn rest(&self, now: Instant) -> Duration {
        match self.state {
            State::Resting { until } => until.saturating_duration_since(now),
            State::Open | State::Trial => Duration::ZERO,
        }
    }

    /// Whether there is nothing to remember of it.
    pub(super) fn is_forgettable(&self, now: Instant) -> bool {
        self.state == State::Open && self.whole_at <= now && (self.refusals == 0 || self.well_at <= now)
    }

    pub(super) fn ended(&mut self, ticket: Ticket, outcome: Outcome, now: Instant, chance: f64) {
        let is_current = self.admits_still(ticket);
        match outcome {
            Outcome::Refused(asked) if is_current => {
                self.rests += 1;
                self.refusals = if now >= self.well_at { 1 } else { self.refusals.saturating_add(1) };
                let own = pause(FIRST_REST, self.refusals, LONGEST_REST);
                let rest = asked.map_or(own, |asked| asked.max(FIRST_REST));
                let until = now + rest.mul_f64(1.0 + JITTER * chance);
                self.state = State::Resting { until };
                self.well_at = until + rest;
            }
            // It was sent before the rest began; only that it asks for a longer one is news.
            Outcome::Refused(asked) => {
                let asked = now + asked.unwrap_or_default().mul_f64(1.0 + JITTER * chance);
                if let State::Resting { until } = &mut self.state {
                    *until = asked.max(*until);
                }
            }
            Outcome::Answered if is_current && ticket.is_trial => {
                self.state = State::Open;
                self.whole_at = now + self.interval * BURST;
            }
            Outcome::NoAnswer if is_current && ticket.is_trial => {
                self.state = State::Resting { until: now + self.interval };
            }
            Outcome::Answered | Outcome::NoAnswer => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 20;

    fn go(host: &mut Host, now: Instant) -> Ticket {
        match host.admit(now) {
            Verdict::Go(ticket) => ticket,
            verdict => panic!("{verdict:?} and not Go"),
        }
    }

    fn started() -> (Host, Instant) {
        let now = Instant::now();
        (Host::new(RATE, now), now)
    }

    fn refused(host: &mut Host, asked: Option<u64>, now: Instant) {
        let ticket = go(host, now);
        host.ended(ticket, Outcome::Refused(asked.map(Duration::from_secs)), now, 0.0);
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let (mut host, start) = started();
        let mut now = start;
        let mut sent = 0;
        while now < start + Duration::from_secs(10) {
            match host.admit(now) {
                Verdict::Go(_) => sent += 1,
                Verdict::WaitUntil(next) => {
                    assert!(next > now);
                    now = next;
                }
                Verdict::WaitForTrial => panic!("there is no trial"),
            }
        }
        assert_eq!(sent, BURST - 1 + 10 * RATE);
    }

    #[test]
    fn a_rest_is_kept_and_ends_with_one_request() {
        let (mut host, now) = started();
        refused(&mut host, Some(30), now);
        let end = now + Duration::from_secs(30);
        assert_eq!(host.admit(end.checked_sub(Duration::from_millis(1)).unwrap()), Verdict::WaitUntil(end));
        let trial = go(&mut host, end);
        for _ in 0..100 {
            assert_eq!(host.admit(end), Verdict::WaitForTrial);
        }
        host.ended(trial, Outcome::Answered, end, 0.0);
        go(&mut host, end + Duration::from_millis(50));
        let Verdict::WaitUntil(next) = host.admit(end + Duration::from_millis(50)) else { panic!("a herd") };
        assert_eq!(next, end + Duration::from_millis(100), "the budget begins empty");
    }

    #[test]
    fn an_answer_to_an_older_request_ends_no_rest() {
        let (mut host, now) = started();
        let (older, another) = (go(&mut host, now), go(&mut host, now));
        refused(&mut host, Some(30), now);
        assert!(!host.admits_still(older), "it must not be sent if it is not yet");
        host.ended(older, Outcome::Answered, now, 0.0);
        assert_eq!(host.admit(now), Verdict::WaitUntil(now + Duration::from_secs(30)));
        host.ended(another, Outcome::Refused(Some(Duration::from_mins(1))), now, 0.0);
        assert_eq!(host.admit(now), Verdict::WaitUntil(now + Duration::from_mins(1)));
    }

    #[test]
    fn many_refusals_at_once_are_one() {
        let (mut host, now) = started();
        let tickets: Vec<Ticket> = (0..8).map(|_| go(&mut host, now)).collect();
        for ticket in tickets {
            host.ended(ticket, Outcome::Refused(None), now, 0.0);
        }
        assert_eq!(host.admit(now), Verdict::WaitUntil(now + FIRST_REST));
    }

    #[test]
    fn rests_get_longer_until_the_host_is_well_for_as_long() {
        let (mut host, mut now) = started();
        let mut rests = Vec::new();
        for _ in 0..12 {
            refused(&mut host, None, now);
            let Verdict::WaitUntil(until) = host.admit(now) else { panic!("no rest") };
            rests.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        // One good answer alone forgives nothing.
        let trial = go(&mut host, now);
        host.ended(trial, Outcome::Answered, now, 0.0);
        now += Duration::from_secs(1);
        refused(&mut host, None, now);
        assert_eq!(host.admit(now), Verdict::WaitUntil(now + LONGEST_REST));
        now += LONGEST_REST;
        let trial = go(&mut host, now);
        host.ended(trial, Outcome::Answered, now, 0.0);
        now += LONGEST_REST;
        assert!(host.is_forgettable(now));
        refused(&mut host, None, now);
        assert_eq!(host.admit(now), Verdict::WaitUntil(now + FIRST_REST));
    }

    #[test]
    fn a_trial_without_an_answer_is_tried_again() {
        let (mut host, now) = started();
        refused(&mut host, Some(1), now);
        let end = now + Duration::from_secs(1);
        let trial = go(&mut host, end);
        host.ended(trial, Outcome::NoAnswer, end, 0.0);
        let Verdict::WaitUntil(next) = host.admit(end) else { panic!("a herd") };
        assert!(go(&mut host, next).is_trial);
    }

    #[test]
    fn chance_makes_a_rest_longer_and_never_shorter() {
        let (mut host, now) = started();
        let ticket = go(&mut host, now);
        host.ended(ticket, Outcome::Refused(Some(Duration::from_secs(100))), now, 0.5);
        assert_eq!(host.admit(now), Verdict::WaitUntil(now + Duration::from_secs(110)));
    }
}
