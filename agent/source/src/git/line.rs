//! The line to a server, and every bound on it: one deadline, one budget of received bytes.
//!
//! gix reads and writes with blocking calls, and gives only text when they fail. So all bytes go through here, on
//! a thread for blocking work: each wait ends at the deadline, each byte is counted, and the first problem is kept
//! as a value.

use std::{
    future::Future,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    runtime::Handle,
    sync::watch,
    time::Instant,
};

use super::GitProblem;

/// One mebibyte.
pub(super) const MIB: u64 = 1 << 20;

/// What all reads and writes of one look share.
#[derive(Debug)]
pub(super) struct Line {
    runtime: Handle,
    deadline: Instant,
    timeout: Duration,
    /// Set at the deadline, for the parts of gix that compute rather than wait.
    pub(super) interrupt: Arc<AtomicBool>,
    /// Closed when nobody waits for the outcome any more.
    caller: watch::Receiver<()>,
    received_bytes: AtomicU64,
    limit_bytes: u64,
    problem: Mutex<Option<GitProblem>>,
}

impl Line {
    pub(super) fn new(
        runtime: Handle,
        deadline: Instant,
        timeout: Duration,
        interrupt: Arc<AtomicBool>,
        caller: watch::Receiver<()>,
        limit_bytes: u64,
    ) -> Self {
        Self {
            runtime,
            deadline,
            timeout,
            interrupt,
            caller,
            received_bytes: AtomicU64::new(0),
            limit_bytes,
            problem: Mutex::new(None),
        }
    }

    /// Waits on this thread, up to the deadline, and not after the caller is gone.
    pub(super) fn wait<T>(&self, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let mut caller = self.caller.clone();
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                _ = caller.changed() => Err(io::Error::other("nobody waits for it any more")),
                outcome = tokio::time::timeout_at(self.deadline, what) => {
                    outcome.unwrap_or_else(|_| Err(self.fail(self.timed_out())))
                }
            }
        })
    }

    /// Keeps the first problem; the error only tells gix to stop.
    pub(super) fn fail(&self, problem: GitProblem) -> io::Error {
        let error = io::Error::other(problem.to_string());
        self.kept().get_or_insert(problem);
        error
    }

    /// The problem behind an error of gix, if it is one of the line.
    pub(super) fn problem(&self) -> Option<GitProblem> {
        let interrupted = self.interrupt.load(Ordering::Relaxed);
        self.kept().clone().or_else(|| interrupted.then(|| self.timed_out()))
    }

    /// Counts what came in.
    pub(super) fn received(&self, bytes: usize) -> io::Result<()> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = self.received_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.limit_bytes {
            return Err(self.fail(GitProblem::TooMuchData(self.limit_bytes / MIB)));
        }
        Ok(())
    }

    pub(super) fn seconds_left(&self) -> u64 {
        self.deadline.saturating_duration_since(Instant::now()).as_secs().max(1)
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    fn timed_out(&self) -> GitProblem {
        GitProblem::TimedOut(self.timeout.as_secs())
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<GitProblem>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiving end of a line over a socket or pipe.
pub(super) struct Receiver<R> {
    pub(super) inner: R,
    pub(super) line: Arc<Line>,
}

impl<R: AsyncRead + Unpin> io::Read for Receiver<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.line.wait(self.inner.read(buffer))?;
        self.line.received(count)?;
        Ok(count)
    }
}

/// The sending end of a line over a socket or pipe.
pub(super) struct Sender<W> {
    pub(super) inner: W,
    pub(super) line: Arc<Line>,
}

impl<W: AsyncWrite + Unpin> io::Write for Sender<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.wait(self.inner.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.line.wait(self.inner.flush())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn line(timeout: Duration, limit_bytes: u64) -> (Arc<Line>, watch::Sender<()>) {
        let deadline = Instant::now() + timeout;
        let (sender, caller) = watch::channel(());
        let line = Line::new(Handle::current(), deadline, timeout, Arc::default(), caller, limit_bytes);
        (Arc::new(line), sender)
    }

    async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        tokio::task::spawn_blocking(work).await.unwrap()
    }

    #[tokio::test]
    async fn a_silent_server_ends_at_the_deadline() {
        let (line, _caller) = line(Duration::from_millis(20), MIB);
        let (silent, _kept_open) = tokio::io::duplex(16);
        let mut receiver = Receiver { inner: silent, line: line.clone() };
        blocking(move || receiver.read(&mut [0; 4]).unwrap_err()).await;
        assert_eq!(line.problem(), Some(GitProblem::TimedOut(0)));
    }

    #[tokio::test]
    async fn a_silent_server_holds_nobody_whose_caller_is_gone() {
        let (line, caller) = line(Duration::from_hours(1), MIB);
        let (silent, _kept_open) = tokio::io::duplex(16);
        let mut receiver = Receiver { inner: silent, line };
        let reading = tokio::spawn(blocking(move || receiver.read(&mut [0; 4]).unwrap_err()));
        drop(caller);
        let ended = tokio::time::timeout(Duration::from_secs(20), reading).await;
        ended.expect("waited 20 s for a read whose caller is gone").unwrap();
    }

    #[tokio::test]
    async fn a_server_that_sends_too_much_is_cut_off() {
        let (line, _caller) = line(Duration::from_mins(1), 3 * MIB);
        let mut receiver = Receiver { inner: tokio::io::repeat(7), line: line.clone() };
        let read = blocking(move || {
            let mut read = Vec::new();
            receiver.read_to_end(&mut read).unwrap_err();
            read.len()
        });
        assert!(read.await as u64 <= 3 * MIB);
        assert_eq!(line.problem(), Some(GitProblem::TooMuchData(3)));
    }

    #[tokio::test]
    async fn the_first_problem_is_kept() {
        let (line, _caller) = line(Duration::from_mins(1), MIB);
        line.fail(GitProblem::Forbidden);
        line.fail(GitProblem::HttpStatus(500));
        assert_eq!(line.problem(), Some(GitProblem::Forbidden));
    }
}
