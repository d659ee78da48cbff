//! A conversation with a server, in which objects are asked for by their ids: a commit without its history, and of a
//! commit only what is needed, where the server can leave the rest out.
//!
//! Protocol: `fetch` of <https://git-scm.com/docs/gitprotocol-v2>. In its version 2 Git's own server gives any object
//! that it has; older servers, and some forges, give only what their references lead to.

use std::{
    io::{BufRead, Cursor, Read as _},
    ops::ControlFlow,
    path::PathBuf,
    sync::Arc,
};

use gix::{
    ObjectId, Repository,
    objs::{Kind, find::Never},
    odb::pack,
    progress::Discard,
    protocol::{
        Command, Handshake,
        fetch::{Arguments, Response},
        transport::{Protocol, Service, client::blocking_io::ExtendedBufRead},
    },
};

use super::{
    GitProblem, GitRemote,
    cache::MAX_OBJECT_BYTES,
    connect::{Connected, connect, of_protocol},
    line::Line,
    tree::{MAX_FILE_BYTES, MAX_TREE_BYTES, broken},
};

/// How voxsync names itself to servers.
pub(super) const AGENT: (&str, Option<&str>) =
    ("agent", Some(concat!("git/voxsync-", env!("CARGO_PKG_VERSION"))));
/// The head of a pack and of its first object, and no less than the shortest pack has.
const PACK_HEAD_BYTES: u64 = 24;

/// What is wanted of an object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'a> {
    /// The commit (or tag, and its commit) alone.
    Commit,
    /// The commit with all its folders, and no file.
    Folders,
    /// One file; its path is for messages.
    File(&'a str),
}

impl Part<'_> {
    /// As the protocol has it. A file is asked for by its own id.
    fn filter(self) -> Option<&'static str> {
        match self {
            Self::Commit => Some("tree:0"),
            Self::Folders => Some("blob:none"),
            Self::File(_) => None,
        }
    }
}

/// A server that was greeted: it is known what it can do.
pub(super) struct Server {
    pub(super) connected: Connected,
    pub(super) handshake: Handshake,
    line: Arc<Line>,
}

impl Server {
    /// Greets it, which also shows it the login.
    pub(super) fn greet(remote: &GitRemote, line: &Arc<Line>) -> Result<Self, GitProblem> {
        Self::greet_over(connect(remote, line)?, line)
    }

    /// Greets it over a line that is there already.
    pub(super) fn greet_over(mut connected: Connected, line: &Arc<Line>) -> Result<Self, GitProblem> {
        let greeted = gix::protocol::handshake(
            &mut connected.transport,
            Service::UploadPack,
            |_| Ok(None),
            Vec::new(),
            &mut Discard,
        );
        match greeted {
            Ok(handshake) => Ok(Self { connected, handshake, line: line.clone() }),
            Err(error) => Err(connected.end.problem().unwrap_or_else(|| of_protocol(&error))),
        }
    }

    /// Whether it gives parts of a commit. Older servers say so, too, but would not give the rest later.
    pub(super) fn gives_parts(&self) -> bool {
        let fetch = self.handshake.capabilities.capability(Command::Fetch.as_str());
        self.handshake.server_protocol_version == Protocol::V2
            && fetch.is_some_and(|fetch| fetch.supports("filter").unwrap_or(false))
    }

    /// Says farewell; who does not listen has nothing to lose.
    pub(super) fn leave(mut self) {
        let _ = gix::protocol::indicate_end_of_interaction(&mut self.connected.transport, false);
    }

    /// Fetches an object, or the part of it that is wanted, into a repository. `in_parts` leaves out the rest; none
    /// is the answer of a server that does not do that although it offers it.
    pub(super) fn fetch(
        mut self,
        repository: &Repository,
        wanted: ObjectId,
        part: Part<'_>,
        in_parts: bool,
    ) -> Result<Option<Self>, GitProblem> {
        let error = match self.receive(repository, wanted, part, in_parts) {
            Ok(()) => return Ok(Some(self)),
            Err(Failure::Problem(problem)) => return Err(problem),
            Err(Failure::Protocol(error)) => error,
        };
        if let Some(problem) = self.line.problem() {
            return Err(problem);
        }
        // An error of gix has the server's own words in it, if there were any.
        let said = error.iter_errors().map(ToString::to_string).collect::<Vec<_>>().join(": ");
        let has = |words: &str| said.contains(words);
        if in_parts && has("filter") && has("not supported") {
            return Ok(None);
        }
        if has("not our ref") || has("not valid") || has("unadvertised object") {
            return Err(GitProblem::CommitMissing(wanted.to_string()));
        }
        Err(self.connected.end.problem().unwrap_or_else(|| broken(error)))
    }

    fn receive(
        &mut self,
        repository: &Repository,
        wanted: ObjectId,
        part: Part<'_>,
        in_parts: bool,
    ) -> Result<(), Failure> {
        let version = self.handshake.server_protocol_version;
        let mut features = Command::Fetch.default_features(version, &self.handshake.capabilities);
        // To ask an older server for `deepen-relative` makes it take the one commit that is wanted for one more than none,
        // and send the whole history.
        features.retain(|(name, _)| !matches!(*name, "sideband-all" | "deepen-relative"));
        features.push((AGENT.0, AGENT.1.map(str::to_owned)));
        Response::check_required_features(version, &features)?;
        let mut arguments = Arguments::new(version, features, false);
        if matches!(part, Part::Commit | Part::Folders) && arguments.can_use_deepen() {
            arguments.deepen(1);
        }
        if let Some(filter) = part.filter().filter(|_| in_parts) {
            arguments.filter(filter);
        }
        arguments.want(wanted);
        let mut reader =
            arguments.send(&mut self.connected.transport, true).map_err(gix::Error::from_error)?;
        let response = Response::from_line_reader(version, &mut reader, true, false)?;
        if !response.has_pack() {
            return Err(Failure::Problem(GitProblem::Broken("the server sent no objects".to_owned())));
        }
        // Without somebody to tell of progress, what the server says of it would be read as a part of the pack.
        reader.set_progress_handler(Some(Box::new(|_, _| ControlFlow::Continue(()))));
        let limit_bytes = match part {
            Part::File(_) => MAX_FILE_BYTES,
            Part::Commit | Part::Folders if in_parts => MAX_TREE_BYTES,
            Part::Commit | Part::Folders => MAX_OBJECT_BYTES,
        };
        let head = head_of_pack(&mut reader, part, wanted.kind())?;
        let mut pack = Cursor::new(head).chain(reader);
        write_pack(repository, &mut pack, limit_bytes, &self.line)?;
        let (_, mut reader) = pack.into_inner();
        // The last words of the answer: the line is used again.
        while !reader.fill_buf().map_err(gix::Error::from_error)?.is_empty() {
            let count = reader.fill_buf().map_err(gix::Error::from_error)?.len();
            reader.consume(count);
        }
        Ok(())
    }
}

/// Why nothing came.
enum Failure {
    Problem(GitProblem),
    Protocol(gix::Error),
}

impl From<gix::Error> for Failure {
    fn from(error: gix::Error) -> Self {
        Self::Protocol(error)
    }
}

/// Reads the beginning of a pack. A file that is too large is refused before it is unpacked: a hundred megabytes of
/// zeros are a hundred kilobytes on the way.
fn head_of_pack(
    reader: &mut impl BufRead,
    part: Part<'_>,
    hash: gix::hash::Kind,
) -> Result<Vec<u8>, Failure> {
    let mut head = Vec::new();
    reader.take(PACK_HEAD_BYTES).read_to_end(&mut head).map_err(gix::Error::from_error)?;
    let Part::File(path) = part else { return Ok(head) };
    let Some((start, mut object)) = head.split_first_chunk() else { return Ok(head) };
    let (_, count) = pack::data::header::decode(start)?;
    let entry = pack::data::Entry::from_read(&mut object, 0, hash.len_in_bytes());
    let entry = entry.map_err(gix::Error::from_error)?;
    if count != 1 || entry.header.as_kind() != Some(Kind::Blob) {
        let problem = GitProblem::Broken(format!("`{path}` is not a file, or not alone"));
        return Err(Failure::Problem(problem));
    }
    if entry.decompressed_size > MAX_FILE_BYTES {
        return Err(Failure::Problem(GitProblem::FileTooLarge {
            path: path.to_owned(),
            bytes: entry.decompressed_size,
            limit: MAX_FILE_BYTES,
        }));
    }
    Ok(head)
}

/// Unpacks what comes into the repository. Each object gets the id of its content there: nothing can be passed off as
/// something else.
fn write_pack(
    repository: &Repository,
    pack: &mut dyn BufRead,
    object_limit_bytes: u64,
    line: &Line,
) -> Result<(), gix::Error> {
    let folder: PathBuf = repository.objects.store_ref().path().join("pack");
    let options = pack::bundle::write::Options {
        thread_limit: Some(1),
        alloc_limit_bytes: usize::try_from(object_limit_bytes).ok(),
        ..Default::default()
    };
    let kind = repository.object_hash();
    let written = pack::Bundle::write_to_directory(
        pack,
        Some(&folder),
        &mut Discard,
        &line.interrupt,
        None::<Never>,
        kind,
        options,
    )?;
    if let Some(keep) = written.keep_path {
        std::fs::remove_file(keep).map_err(gix::Error::from_error)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::delta_of_another_object(0x70)]
    #[case::delta_of_one_before(0x60)]
    #[case::folder(0x20)]
    #[case::no_kind(0x00)]
    fn a_file_is_a_whole_object(#[case] kind: u8) {
        let pack = [&b"PACK\0\0\0\x02\0\0\0\x01"[..], &[kind], &[1; 40]].concat();
        assert!(head_of_pack(&mut &pack[..], Part::File("a.yaml"), gix::hash::Kind::Sha1).is_err());
    }
}
