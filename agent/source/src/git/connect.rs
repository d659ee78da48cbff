//! From a URL to a line that gix can talk over, whatever the scheme.

use std::{io::BufReader, sync::Arc};

use gix::protocol::transport::{
    Protocol,
    client::{
        blocking_io::{Transport, http},
        git::{ConnectMode, blocking_io::Connection},
    },
};
use tokio::net::TcpStream;

use super::{
    GitLogin, GitProblem, GitRemote,
    error::clean,
    http::HttpLine,
    line::{Line, Receiver, Sender},
    ssh::{self, SshAddress, SshProcess},
    url::Place,
};

/// An open line, and what is needed to explain its end.
pub(super) struct Connected {
    pub(super) transport: Box<dyn Transport>,
    pub(super) end: Ending,
}

/// What remains to be asked when a line has failed.
pub(super) struct Ending {
    pub(super) line: Arc<Line>,
    pub(super) ssh: Option<SshProcess>,
}

impl Ending {
    /// What the line saw, else what ssh said: either explains an error of gix better than gix does.
    pub(super) fn problem(self) -> Option<GitProblem> {
        let seen = self.line.problem();
        seen.or_else(|| self.ssh.and_then(SshProcess::problem))
    }
}

/// Opens a line to a repository that is elsewhere.
pub(super) fn connect(remote: &GitRemote, line: &Arc<Line>) -> Result<Connected, GitProblem> {
    let mut ssh = None;
    let transport: Box<dyn Transport> = match remote.url.place() {
        Place::Http => {
            let url = gix::url::parse(remote.url.as_str())
                .map_err(|_| GitProblem::NotGit("its URL cannot be parsed".to_owned()))?;
            let client = HttpLine::open(remote, line.clone())?;
            Box::new(http::Transport::new_http(client, url, Protocol::V2, false))
        }
        Place::Git { host, port, path } => Box::new(connect_daemon(remote, host, *port, path, line)?),
        Place::Ssh { user, host, port, path } => {
            let address = SshAddress { user: user.as_deref(), host, port: *port, path };
            let (connection, process) = ssh::open(&address, &remote.login, line)?;
            ssh = Some(process);
            Box::new(connection)
        }
        Place::File(_) => return Err(GitProblem::FileRefused("a local repository is read without a server")),
    };
    Ok(Connected { transport, end: Ending { line: line.clone(), ssh } })
}

type DaemonConnection =
    Connection<BufReader<Receiver<tokio::net::tcp::OwnedReadHalf>>, Sender<tokio::net::tcp::OwnedWriteHalf>>;

/// `git://`: nothing is encrypted, nobody is known. A login would go to everybody, so it is not taken.
fn connect_daemon(
    remote: &GitRemote,
    host: &str,
    port: u16,
    path: &str,
    line: &Arc<Line>,
) -> Result<DaemonConnection, GitProblem> {
    if remote.login != GitLogin::Anonymous {
        return Err(GitProblem::LoginMismatch(
            "git URLs have no login: use https or ssh, or leave the Secret out",
        ));
    }
    let stream = line.wait(TcpStream::connect((host, port))).map_err(|error| {
        line.problem().unwrap_or_else(|| GitProblem::Unreachable(clean(&error.to_string())))
    })?;
    let (receive, send) = stream.into_split();
    Ok(Connection::new(
        BufReader::new(Receiver { inner: receive, line: line.clone() }),
        Sender { inner: send, line: line.clone() },
        Protocol::V2,
        path,
        Some((host, Some(port))),
        ConnectMode::Daemon,
        false,
    ))
}

/// What is left are answers that do not follow the protocol, and the error lines of `git daemon`.
pub(super) fn of_protocol(error: &gix::Error) -> GitProblem {
    let said = error.iter_errors().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    if said.contains("access denied or repository not exported") {
        return GitProblem::RepositoryMissing("access denied or not exported".to_owned());
    }
    GitProblem::NotGit(clean(&said))
}
