//! Git over the `ssh` program: one child process a look, that knows nothing but what the Secret says.
//!
//! No configuration of the user or the machine is read, no agent asked, no password prompted for, and a host whose
//! key is not in the Secret's `known_hosts` is not talked to. The key lies in a private temporary folder for as
//! long as the process runs.

use std::{
    fs,
    io::{self, BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use gix::protocol::transport::{
    Protocol,
    client::git::{ConnectMode, blocking_io::Connection},
};
use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
};

use super::{
    GitLogin, GitProblem,
    error::clean,
    line::{Line, Receiver, Sender},
};

/// How much of what ssh says is read.
const MAX_STDERR_BYTES: u64 = 8 << 10;
/// How long is waited for it after the connection has ended.
const STDERR_WAIT: Duration = Duration::from_secs(2);

/// The connection as gix takes it.
pub(super) type SshConnection = Connection<BufReader<Receiver<ChildStdout>>, Sender<ChildStdin>>;

/// What stays with us: the process (killed when dropped), its last words, and the folder with the key.
pub(super) struct SshProcess {
    _child: Child,
    stderr: ChildStderr,
    _secrets: TempDir,
    host: String,
    line: Arc<Line>,
}

/// Where to.
pub(super) struct SshAddress<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
    pub(super) path: &'a str,
}

impl SshAddress<'_> {
    /// As `known_hosts` has it.
    fn known_as(&self) -> String {
        match self.port {
            None | Some(22) => self.host.to_owned(),
            Some(port) => format!("[{}]:{port}", self.host),
        }
    }
}

const KEYS_NEEDED: &str =
    "an ssh URL needs a Secret with the keys `ssh-privatekey` (or `identity`) and `known_hosts`";

pub(super) fn open(
    address: &SshAddress<'_>,
    login: &GitLogin,
    line: &Arc<Line>,
) -> Result<(SshConnection, SshProcess), GitProblem> {
    let GitLogin::Ssh { private_key_pem, known_hosts } = login else {
        return Err(GitProblem::LoginMismatch(KEYS_NEEDED));
    };
    if known_hosts.trim().is_empty() {
        return Err(GitProblem::HostKeyUnknown { host: address.known_as() });
    }
    let secrets = secrets(private_key_pem, known_hosts).map_err(|error| {
        GitProblem::Ssh(format!("its key cannot be put into a temporary folder: {error}"))
    })?;
    let mut command = command(address, secrets.path(), line.seconds_left());
    let _runtime = line.runtime().enter();
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => GitProblem::Ssh("the program `ssh` is not installed".to_owned()),
        _ => GitProblem::Ssh(error.to_string()),
    })?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(GitProblem::Ssh("it has no standard input and output".to_owned()));
    };
    let connection = Connection::new(
        BufReader::new(Receiver { inner: stdout, line: line.clone() }),
        Sender { inner: stdin, line: line.clone() },
        Protocol::V2,
        address.path,
        None::<(String, Option<u16>)>,
        ConnectMode::Process,
        false,
    );
    let process =
        SshProcess { _child: child, stderr, _secrets: secrets, host: address.known_as(), line: line.clone() };
    Ok((connection, process))
}

/// Key and known hosts as files that only this user can read.
fn secrets(private_key_pem: &str, known_hosts: &str) -> io::Result<TempDir> {
    let private = fs::Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new().prefix("voxsync-ssh-").permissions(private).tempdir()?;
    for (name, text) in [("key", private_key_pem), ("known_hosts", known_hosts)] {
        // A key without its last newline is "invalid format" to ssh, and Secrets lose it easily.
        let mut file = tempfile::Builder::new().prefix(name).tempfile_in(folder.path())?;
        file.write_all(text.trim_end().as_bytes())?;
        file.write_all(b"\n")?;
        file.persist(folder.path().join(name))?;
    }
    Ok(folder)
}

fn command(address: &SshAddress<'_>, secrets: &Path, connect_seconds: u64) -> Command {
    let mut command = Command::new("ssh");
    command.env("GIT_PROTOCOL", "version=2").env_remove("SSH_AUTH_SOCK").env_remove("SSH_ASKPASS");
    command.args(["-F", "/dev/null"]);
    for option in [
        "BatchMode=yes".to_owned(),
        "StrictHostKeyChecking=yes".to_owned(),
        format!("UserKnownHostsFile={}", secrets.join("known_hosts").display()),
        "GlobalKnownHostsFile=/dev/null".to_owned(),
        "UpdateHostKeys=no".to_owned(),
        "IdentitiesOnly=yes".to_owned(),
        "IdentityAgent=none".to_owned(),
        format!("IdentityFile={}", secrets.join("key").display()),
        "PasswordAuthentication=no".to_owned(),
        "ClearAllForwardings=yes".to_owned(),
        format!("ConnectTimeout={connect_seconds}"),
        "SendEnv=GIT_PROTOCOL".to_owned(),
    ] {
        command.args(["-o", &option]);
    }
    if let Some(port) = address.port {
        command.args(["-p", &port.to_string()]);
    }
    if let Some(user) = address.user {
        command.args(["-l", user]);
    }
    command.args(["--", address.host, &format!("git-upload-pack '{}'", address.path.replace('\'', r"'\''"))]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

impl SshProcess {
    /// What ssh or the far side said before the connection ended.
    pub(super) fn problem(mut self) -> Option<GitProblem> {
        let mut said = Vec::new();
        let mut stderr = (&mut self.stderr).take(MAX_STDERR_BYTES);
        self.line
            .wait(async {
                // Not the end but the words matter: a process that does not end keeps nobody here.
                let _ = tokio::time::timeout(STDERR_WAIT, stderr.read_to_end(&mut said)).await;
                Ok(())
            })
            .ok()?;
        problem_in(&String::from_utf8_lossy(&said), &self.host)
    }
}

/// The meaning of ssh's words. It has exit code 255 for everything, so the words are all there is.
fn problem_in(said: &str, host: &str) -> Option<GitProblem> {
    let has = |words: &str| said.contains(words);
    let host = || host.to_owned();
    if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        return Some(GitProblem::HostKeyChanged { host: host() });
    }
    if has("Host key verification failed") || has("host key is known for") {
        return Some(GitProblem::HostKeyUnknown { host: host() });
    }
    // The last line is the reason; what comes before it are warnings and banners.
    let last = clean(said.lines().rev().find(|line| !line.trim().is_empty())?);
    if has("Unable to negotiate") {
        return Some(GitProblem::SshAlgorithms(last));
    }
    if has("Load key") && has("passphrase") {
        let reason = "the private key in the Secret has a passphrase: make one without, for this use alone";
        return Some(GitProblem::LoginRefused(reason.to_owned()));
    }
    if has("Permission denied (") || has("Too many authentication failures") {
        return Some(GitProblem::LoginRefused(last));
    }
    if has("Load key") && has("invalid format") || has("error in libcrypto") {
        return Some(GitProblem::LoginRefused(
            "the private key in the Secret is not a private key".to_owned(),
        ));
    }
    let unreachable =
        ["ssh: connect to host", "Could not resolve hostname", "Connection closed", "Connection reset"];
    if unreachable.into_iter().any(has) {
        return Some(GitProblem::Unreachable(last));
    }
    if has("not appear to be a git repository") || has("epository not found") || has("No such file") {
        return Some(GitProblem::RepositoryMissing(last));
    }
    Some(GitProblem::NotGit(last))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{super::PRIVATE_KEY_NAMES, *};

    #[rstest]
    #[case(
        "No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.",
        "not known"
    )]
    #[case(
        "@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
        "another SSH host key"
    )]
    #[case(
        "git@h: Permission denied (publickey).",
        "does not know this login (git@h: Permission denied (publickey).)"
    )]
    #[case(
        "Load key \"/tmp/x\": invalid format\ngit@h: Permission denied (publickey).",
        "does not know this login"
    )]
    #[case(
        "Load key \"/tmp/x\": incorrect passphrase supplied to decrypt private key\r\ngit@h: Permission denied (publickey).",
        "has a passphrase"
    )]
    #[case(
        "Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-rsa",
        "no algorithm in common with this client (Unable to negotiate with 10.0.0.1 port 22: no matching host key"
    )]
    #[case("ssh: connect to host h port 22: Connection refused", "cannot be reached")]
    #[case("ssh: Could not resolve hostname h: Name or service not known", "cannot be reached")]
    #[case("fatal: '/a.git' does not appear to be a git repository", "no such repository")]
    #[case("bash: line 1: git-upload-pack: command not found", "not a Git server")]
    #[case("Warning: x\nThis account is currently not available.", "not a Git server: This account is")]
    fn words_of_ssh(#[case] said: &str, #[case] meaning: &str) {
        let shown = problem_in(said, "[h]:2222").unwrap().to_string();
        assert!(shown.contains(meaning), "{shown}");
    }

    #[test]
    fn the_message_names_the_keys_that_are_read() {
        assert!(
            PRIVATE_KEY_NAMES.iter().all(|name| KEYS_NEEDED.contains(&format!("`{name}`"))),
            "{KEYS_NEEDED}"
        );
    }

    #[test]
    fn silence_means_nothing() {
        assert_eq!(problem_in("\n \n", "h"), None);
    }

    #[test]
    fn the_path_cannot_leave_its_quotes() {
        let address = SshAddress { user: None, host: "h", port: None, path: "a'; id '" };
        let command = command(&address, Path::new("/s"), 1);
        let last = command.as_std().get_args().last().unwrap().to_string_lossy().into_owned();
        assert_eq!(last, r"git-upload-pack 'a'\''; id '\'''");
    }

    #[test]
    fn the_secrets_are_private() {
        let folder = secrets("KEY", "h ssh-ed25519 x\n").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(mode(&folder.path().join("key")), 0o600);
        assert_eq!(std::fs::read_to_string(folder.path().join("key")).unwrap(), "KEY\n");
    }
}
