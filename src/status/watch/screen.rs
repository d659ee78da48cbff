//! Standard output, as something that may be small, slow, or gone.

use std::{
    future::pending,
    io::{self, IsTerminal as _, Write as _},
    os::fd::AsFd as _,
    thread,
};

use rustix::termios::tcgetwinsize;
use tokio::{
    io::{Interest, Ready},
    net::unix::pipe::Sender,
    sync::oneshot,
};

use super::frame::Size;

/// The size of the terminal, if it is one that knows its size.
pub fn size() -> Option<Size> {
    let out = io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let size = tcgetwinsize(&out).ok()?;
    let (rows, columns) = (usize::from(size.ws_row), usize::from(size.ws_col));
    (rows > 0 && columns > 0).then_some(Size { rows, columns })
}

/// Writes all of it. It may take as long as a reader wants: a thread of its own waits for that, which does not keep the
/// program from ending.
pub async fn write(text: String) -> io::Result<()> {
    let (done, is_done) = oneshot::channel();
    thread::Builder::new().name("screen".to_owned()).spawn(move || {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        let _ = done.send(written);
    })?;
    is_done.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
}

/// Comes when nobody reads it any more. Of a file nobody can tell.
pub async fn closed() {
    // Only the end of the pipe is waited for: how it is written to stays as it is.
    let out = io::stdout().as_fd().try_clone_to_owned().and_then(Sender::from_owned_fd_unchecked);
    if let Ok(out) = out
        && out.ready(Interest::ERROR).await.is_ok_and(Ready::is_error)
    {
        return;
    }
    pending::<()>().await;
}
