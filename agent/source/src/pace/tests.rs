use futures::FutureExt as _;

use super::*;

#[tokio::test]
async fn a_host_that_does_not_answer_holds_up_nobody_else() {
    let pace = Pace::default();
    let mut dead = Vec::new();
    let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(pace.admit("dead"))).collect();
    for one in &mut waiting {
        dead.extend(one.now_or_never());
    }
    assert_eq!(dead.len(), AT_ONCE_TO_A_HOST);
    assert!(pace.admit("well").now_or_never().is_some());
    drop((waiting, dead));
    assert!(pace.admit("dead").now_or_never().is_some());
}

#[tokio::test]
async fn a_host_at_which_nothing_is_under_way_waits_for_no_other() {
    let pace = Pace::default();
    let first = pace.admit("well").await;
    let mut dead = Vec::new();
    for host in 0..=AT_ONCE / AT_ONCE_TO_A_HOST {
        for _ in 0..AT_ONCE_TO_A_HOST {
            dead.extend(pace.admit(&format!("dead {host}")).now_or_never());
        }
    }
    assert_eq!(pace.0.all.available_permits(), 0);
    let mut second = Box::pin(pace.admit("well"));
    let mut third = Box::pin(pace.admit("well"));
    assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
    drop(first);
    assert!(second.now_or_never().is_some(), "it is alone, whoever waits behind it");
}

#[tokio::test]
async fn a_rest_holds_for_those_who_waited_already() {
    const REST: Duration = Duration::from_secs(1);
    let pace = Pace::default();
    let mut first = pace.admit("busy").await;
    let held: Vec<_> = futures::future::join_all((1..AT_ONCE_TO_A_HOST).map(|_| pace.admit("busy"))).await;
    let mut waiting = Box::pin(pace.admit("busy"));
    assert!((&mut waiting).now_or_never().is_none());
    let begin = Instant::now();
    first.refused(Some(REST));
    assert!(pace.is_resting("busy") && !pace.is_resting("other"));
    assert!(pace.rest_of("busy") > REST / 2, "{:?}", pace.rest_of("busy"));
    drop((first, held));
    waiting.await;
    assert!(begin.elapsed() >= REST, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn after_a_rest_they_come_one_by_one() {
    const REST: Duration = Duration::from_secs(1);
    let pace = Pace::new(50);
    let begin = Instant::now();
    pace.admit("busy").await.refused(Some(REST));
    let asked = (0..40).map(|_| async {
        let mut admission = pace.admit("busy").await;
        let at = begin.elapsed();
        tokio::task::yield_now().await;
        admission.answered();
        (at, begin.elapsed())
    });
    let mut times = futures::future::join_all(asked).await;
    times.sort_unstable();
    let (first, answered) = times[0];
    assert!(first >= REST, "{times:?}");
    assert!(times[1].0 >= answered, "the first goes alone: {times:?}");
    // The last of 40 cannot come sooner than 50 a second allow.
    assert!(times[39].0 >= first + Duration::from_millis(38 * 20), "{times:?}");
}

#[tokio::test]
async fn who_came_first_goes_first_whoever_is_woken_first() {
    let pace = Pace::default();
    let mut under_way = Vec::new();
    for _ in 0..AT_ONCE_TO_A_HOST {
        under_way.push(pace.admit("busy").await);
    }
    let [mut first, mut second] = [(); 2].map(|()| Box::pin(pace.admit("busy")));
    assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
    under_way.clear();
    assert!((&mut second).now_or_never().is_none(), "it overtakes");
    assert!(first.now_or_never().is_some() && second.now_or_never().is_some());
}

/// Where there are several threads, the task that is woken last runs first.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_came_first_goes_first() {
    let pace = Pace::new(500);
    // Tasks begin in any order.
    let (came, went) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let tasks = (0..100).map(|number| {
        let (pace, came, went) = (pace.clone(), Arc::clone(&came), Arc::clone(&went));
        tokio::spawn(async move {
            lock(&came).push(number);
            pace.admit("busy").await.answered();
            lock(&went).push(number);
        })
    });
    futures::future::join_all(tasks).await;
    assert_eq!(*lock(&went), *lock(&came));
    assert_eq!(lock(&went).len(), 100);
}

#[tokio::test]
async fn hosts_that_nobody_asks_are_forgotten() {
    // So many that the budget is whole again at once.
    let pace = Pace::new(u32::MAX);
    for number in 0..10 {
        pace.admit(&format!("{number}")).await.answered();
    }
    let _held = pace.admit("held").await;
    let _other = pace.admit("other").await;
    assert_eq!(lock(&pace.0.gates).len(), 2, "only who is asked is remembered");
}
