//! Between a replica and the API server: faults, and requests that take effect late, even where nobody waits any more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use kube::Client;
use tokio::time::sleep;
use voxsync_sandbox::{FaultPlan, Faults, Sandbox};

/// One replica's way to the API server.
pub(crate) struct Network {
    pub(crate) faults: Faults,
    longest_delay_milliseconds: Arc<AtomicU64>,
    router: Router,
}

impl Network {
    pub(crate) fn new(sandbox: &Sandbox, seed: u64) -> Self {
        let faults = Faults::new(seed);
        let longest_delay_milliseconds = Arc::new(AtomicU64::new(0));
        let state = (longest_delay_milliseconds.clone(), Arc::new(AtomicU64::new(seed)));
        let router = faults.layer(sandbox.router()).layer(from_fn_with_state(state, delay));
        Self { faults, longest_delay_milliseconds, router }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.router.clone(), "default")
    }

    /// From now on each way, there and back, takes up to so long.
    pub(crate) fn slow_down(&self, longest: Duration) {
        let longest = u64::try_from(longest.as_millis()).unwrap();
        self.longest_delay_milliseconds.store(longest, Ordering::SeqCst);
    }

    /// Nothing goes wrong any more.
    pub(crate) fn calm(&self) {
        self.faults.resume();
        self.faults.set(FaultPlan::default());
        self.slow_down(Duration::ZERO);
    }
}

async fn delay(
    State((longest, seed)): State<(Arc<AtomicU64>, Arc<AtomicU64>)>,
    request: Request,
    next: Next,
) -> Response {
    let longest = longest.load(Ordering::SeqCst);
    let mut random = Random::new(seed.fetch_add(1, Ordering::SeqCst));
    let [there, back] = [(); 2].map(|()| Duration::from_millis(random.below(longest + 1)));
    // A task of its own: who sent the request may have given it up by then.
    let answer = tokio::spawn(async move {
        sleep(there).await;
        let answer = next.run(request).await;
        sleep(back).await;
        answer
    });
    answer.await.unwrap()
}

/// Numbers that only depend on the seed, by splitmix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(crate) fn permille(&mut self, bound: u64) -> u16 {
        u16::try_from(self.below(bound)).unwrap()
    }
}
