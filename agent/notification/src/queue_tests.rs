use rstest::rstest;

use super::*;

type Letters = Queue<&'static str, &'static str, usize>;

fn failure(again: Again) -> Failure {
    Failure { message: "no".to_owned(), again }
}

fn later() -> Failure {
    failure(Again::Later(None))
}

/// What goes within a time, each to its place at once.
fn go(queue: &mut Letters, from: Instant, within: Duration) -> Vec<(u64, usize, usize)> {
    let mut gone = Vec::new();
    let mut now = from;
    while now <= from + within {
        while let Some(due) = queue.take(now) {
            gone.push((now.duration_since(from).as_secs(), due.letter, due.left_out));
            queue.ended(&due.place, Ok(()), now);
        }
        let Some(next) = queue.next_due() else { break };
        now = next;
    }
    gone
}

#[test]
fn ten_go_at_once_then_one_a_second_and_the_rest_is_counted() {
    let (mut queue, start) = (Letters::default(), Instant::now());
    let costs: usize = (0..30).map(|letter| queue.put(&"chat", "a", letter, start)).sum();
    assert_eq!((costs, queue.len()), (14, OWNER_LIMIT));
    let gone = go(&mut queue, start, Duration::from_mins(1));
    let seconds: Vec<u64> = gone.iter().map(|(second, ..)| *second).collect();
    assert_eq!(seconds, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6]);
    assert_eq!((gone[0], gone[1].2), ((0, 14, 14), 0), "the oldest are left out, and it is said once");

    let later = start + Duration::from_mins(2);
    (0..12).for_each(|letter| _ = queue.put(&"chat", "a", letter, later));
    let gone = go(&mut queue, later, Duration::from_secs(1));
    assert_eq!(gone.len(), 11, "after a while ten go at once again");
}

#[test]
fn a_steady_pace_is_kept_when_letters_come_one_by_one() {
    let (mut queue, start) = (Letters::default(), Instant::now());
    let mut gone = 0;
    for tenth in 0..300 {
        let now = start + Duration::from_millis(100 * tenth);
        queue.put(&"chat", "a", 0, now);
        while let Some(due) = queue.take(now) {
            gone += 1;
            queue.ended(&due.place, Ok(()), now);
        }
    }
    assert_eq!(gone, 10 + 29);
}

#[test]
fn an_owner_does_not_fill_a_line_that_it_shares() {
    let (mut queue, start) = (Letters::default(), Instant::now());
    queue.put(&"chat", "quiet", 1_000, start);
    (0..500).for_each(|letter| _ = queue.put(&"chat", "loud", letter, start));
    assert_eq!(queue.take(start).map(|due| due.letter), Some(1_000));
    assert_eq!(queue.len(), 1 + OWNER_LIMIT);
}

#[test]
fn there_is_a_bound_for_all_places_together() {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    let mut queue: Queue<usize, &str, usize> = Queue::default();
    let start = Instant::now();
    for letter in 0..10_000 {
        queue.put(&(letter % 2_000), NAMES[letter % 4], letter, start);
    }
    assert!(queue.len() <= LIMIT, "{}", queue.len());
}

#[test]
fn one_place_that_does_not_answer_holds_up_no_other() {
    let (mut queue, start) = (Letters::default(), Instant::now());
    queue.put(&"dead", "a", 1, start);
    queue.put(&"dead", "a", 2, start);
    queue.put(&"alive", "a", 3, start);
    let taken: BTreeSet<_> =
        [queue.take(start), queue.take(start)].into_iter().flatten().map(|due| due.letter).collect();
    assert_eq!(taken, BTreeSet::from([1, 3]));
    assert_eq!((queue.take(start), queue.next_due()), (None, None), "one at a time to each");
}

#[test]
fn a_letter_is_tried_for_ten_minutes_and_one_owner_is_told_once() {
    let (mut queue, start) = (Letters::default(), Instant::now());
    for (owner, letter) in [("a", 1), ("a", 2), ("b", 3)] {
        queue.put(&"dead", owner, letter, start);
    }
    let (mut now, mut tries, mut lost) = (start, 0, Vec::new());
    while !queue.is_empty() {
        now = queue.next_due().unwrap();
        assert_eq!(queue.take(now).unwrap().letter, 1, "they keep their order");
        tries += 1;
        let Ended::Failed(gone) = queue.ended(&"dead", Err(&later()), now) else { panic!() };
        lost.extend(gone.into_iter().map(|lost| (lost.owner, lost.letter, lost.is_news)));
    }
    assert_eq!(lost, [("a", 1, true), ("a", 2, false), ("b", 3, true)]);
    assert!(now <= start + TRY_TIME && tries > 8, "{tries} tries in {:?}", now - start);

    queue.put(&"dead", "a", 4, now);
    let now = queue.next_due().unwrap();
    queue.take(now).unwrap();
    assert_eq!(queue.ended(&"dead", Ok(()), now), Ended::Sent);
    queue.put(&"dead", "a", 5, now);
    queue.take(now).unwrap();
    queue.ended(&"dead", Err(&failure(Again::Never)), now);
    let now = queue.next_due().unwrap();
    queue.take(now).unwrap();
    let ended = queue.ended(&"dead", Err(&failure(Again::Never)), now);
    assert_eq!(
        ended,
        Ended::Failed(vec![Lost { owner: "a", letter: 5, is_news: true }]),
        "after one that arrived it is news"
    );
}

#[rstest]
#[case::as_asked(Again::Later(Some(Duration::from_secs(90))), Some(90))]
#[case::not_sooner_than_usual(Again::Later(Some(Duration::ZERO)), Some(1))]
#[case::longer_than_it_is_tried(Again::Later(Some(Duration::from_mins(10))), None)]
#[case::longer_than_a_clock_counts(Again::Later(Some(Duration::MAX)), None)]
#[case::refused_once(Again::Never, Some(1))]
fn a_place_is_left_alone_as_long_as_it_asks(#[case] again: Again, #[case] seconds: Option<u64>) {
    let (mut queue, start) = (Letters::default(), Instant::now());
    queue.put(&"chat", "a", 1, start);
    queue.take(start).unwrap();
    queue.ended(&"chat", Err(&failure(again)), start);
    let due = queue.next_due().map(|due| due.duration_since(start).as_secs());
    assert_eq!(due, seconds);
    // The place is not given up: what comes next goes there when that time is over, which is an hour at most.
    queue.put(&"chat", "a", 2, start);
    assert!(queue.next_due().is_some_and(|due| due <= start + LONGEST_WAIT));
}

#[test]
fn what_was_left_out_is_said_until_it_arrives() {
    let (mut queue, start) = (Letters::default(), Instant::now());
    (0..20).for_each(|letter| _ = queue.put(&"chat", "a", letter, start));
    assert_eq!(queue.take(start).unwrap().left_out, 4);
    queue.put(&"chat", "a", 20, start);
    queue.put(&"chat", "a", 21, start);
    queue.ended(&"chat", Err(&later()), start);
    let now = queue.next_due().unwrap();
    let due = queue.take(now).unwrap();
    assert_eq!(
        (due.letter, due.left_out),
        (4, 5),
        "one more had to make way for the one that came back or after it"
    );
    queue.ended(&"chat", Ok(()), now);
    assert_eq!(queue.take(now).unwrap().left_out, 0);
}
