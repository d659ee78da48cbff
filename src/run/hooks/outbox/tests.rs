use super::*;

const SECOND: Duration = Duration::from_secs(1);
const FAILED: Outcome = Outcome::Failed { retry_after: None };

fn key(name: &str) -> CodeSyncKey {
    CodeSyncKey { namespace: "puppet".to_owned(), name: name.to_owned() }
}

/// An outbox and a clock that only moves when it is told.
struct World {
    outbox: Outbox,
    now: Instant,
}

impl World {
    fn new() -> Self {
        Self { outbox: Outbox::default(), now: Instant::now() }
    }

    fn hook(&mut self, name: &str) {
        self.outbox.heard([key(name)].into(), self.now);
    }

    fn begun(&mut self) -> Vec<String> {
        self.outbox.begin(self.now).into_iter().map(|key| key.name).collect()
    }

    fn ended(&mut self, name: &str, outcome: Outcome) -> bool {
        self.outbox.ended(&key(name), outcome, self.now)
    }

    /// Goes to when there is something to begin, and says how long that took.
    fn wait(&mut self) -> Option<Duration> {
        let next = self.outbox.next_at()?;
        let waited = next.saturating_duration_since(self.now);
        self.now += waited;
        Some(waited)
    }
}

#[test]
fn the_first_hook_is_written_down_at_once_and_the_last_one_when_the_pause_ends() {
    let mut world = World::new();
    world.hook("a");
    assert_eq!((world.wait(), world.begun()), (Some(Duration::ZERO), vec!["a".to_owned()]));
    // Its value is fixed already: this one wants another write.
    world.hook("a");
    assert_eq!((world.begun().len(), world.wait()), (0, None), "one write at a time");
    world.ended("a", Outcome::Written);
    for _ in 0..9 {
        world.now += SECOND;
        world.hook("a");
        assert_eq!(world.begun().len(), 0);
    }
    assert_eq!((world.wait(), world.begun().len()), (Some(SECOND), 1));
    world.ended("a", Outcome::Written);
    world.now += PAUSE;
    assert_eq!((world.begun().len(), world.wait(), world.outbox.rows.len()), (0, None, 0), "and no more");
}

#[test]
fn a_flood_is_a_write_each_pause() {
    let mut world = World::new();
    let (end, mut writes) = (world.now + 100 * SECOND, 0);
    while world.now < end {
        world.hook("a");
        for name in world.begun() {
            writes += 1;
            world.ended(&name, Outcome::Written);
        }
        world.now += Duration::from_millis(10);
    }
    assert_eq!(writes, 100 * SECOND.as_secs() / PAUSE.as_secs());
}

#[test]
fn one_that_fails_holds_up_no_other() {
    let mut world = World::new();
    world.hook("bad");
    assert_eq!(world.begun(), ["bad"]);
    world.hook("good");
    assert_eq!(world.begun(), ["good"], "while the other is under way");
    assert!(!world.ended("bad", FAILED) && !world.ended("good", Outcome::Written));
    world.hook("another");
    assert_eq!(world.begun(), ["another"], "while the other waits");
}

#[test]
fn writes_at_once_are_bounded_and_who_waits_longest_is_next() {
    let mut world = World::new();
    let names: Vec<String> = (0..=WRITES_LIMIT + 1).rev().map(|number| format!("{number:02}")).collect();
    for name in &names {
        world.hook(name);
        world.now += SECOND;
    }
    let (first, rest) = names.split_at(WRITES_LIMIT);
    assert_eq!(world.begun(), first);
    assert_eq!((world.begun().len(), world.wait()), (0, None));
    world.ended(&first[3], FAILED);
    assert_eq!(world.begun(), rest[..1]);
}

#[test]
fn what_fails_is_tried_ever_more_rarely_and_given_up_once() {
    let mut world = World::new();
    world.hook("a");
    let (begin, mut pauses) = (world.now, vec![]);
    loop {
        pauses.push(world.wait().unwrap().as_secs());
        assert_eq!(world.begun(), ["a"]);
        if world.ended("a", FAILED) {
            break;
        }
    }
    assert_eq!(pauses[..8], [0, 1, 2, 4, 8, 16, 30, 30]);
    assert!(world.now <= begin + TRIED && world.now + LONGEST_RETRY > begin + TRIED);
    assert_eq!(world.outbox.left().count(), 0);
    world.hook("a");
    assert_eq!((world.begun().len(), world.wait()), (0, Some(GIVEN_UP_PAUSE)), "a new one, with a new time");
    assert!(world.begun().len() == 1 && !world.ended("a", FAILED));
}

#[test]
fn a_hook_that_comes_while_another_is_tried_goes_along_with_it() {
    let mut world = World::new();
    world.hook("a");
    assert_eq!(world.begun().len(), 1);
    world.hook("a");
    assert!(!world.ended("a", FAILED));
    assert_eq!((world.wait(), world.begun().len()), (Some(FIRST_RETRY), 1));
    world.ended("a", Outcome::Written);
    assert_eq!(world.outbox.left().count(), 0);
}

#[test]
fn the_api_server_says_when_to_come_again() {
    let mut world = World::new();
    for (seconds, wanted) in [(20, 20), (0, 1)] {
        world.hook("a");
        assert_eq!(world.begun().len(), 1);
        assert!(!world.ended("a", Outcome::Failed { retry_after: Some(seconds * SECOND) }));
        assert_eq!((world.wait(), world.begun().len()), (Some(wanted * SECOND), 1));
        world.ended("a", Outcome::Gone);
    }
}

#[test]
fn what_is_final_is_not_tried_again() {
    let mut world = World::new();
    for (name, outcome, is_given_up) in [("a", Outcome::Refused, true), ("b", Outcome::Gone, false)] {
        world.hook(name);
        assert_eq!(world.begun(), [name]);
        assert_eq!((world.ended(name, outcome), world.wait()), (is_given_up, None), "{name}");
    }
}

#[test]
fn at_the_end_nothing_waits() {
    let mut world = World::new();
    for name in ["written", "failed", "new"] {
        world.hook(name);
    }
    assert_eq!(world.begun().len(), 3);
    world.ended("written", Outcome::Written);
    world.ended("failed", FAILED);
    world.hook("written");
    world.hook("new");
    world.outbox.hurry(world.now);
    assert_eq!(world.begun(), ["failed", "written"]);
    world.ended("new", Outcome::Written);
    assert_eq!(world.begun(), ["new"], "what came in the middle of the write");
    assert_eq!(world.outbox.left().count(), 3);
}
