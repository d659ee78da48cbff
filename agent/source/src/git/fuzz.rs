//! Hostile servers, and hostile objects: what gix and our code read together.

mod packets;

use std::{
    cell::RefCell,
    io::BufReader,
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::{Arc, Once},
    time::Duration,
};

use gix::{
    ObjectId, Repository,
    objs::{Kind, Write as _},
    protocol::transport::{
        Protocol,
        client::git::{ConnectMode, blocking_io::Connection},
    },
};
use proptest::prelude::*;
use tokio::{runtime::Runtime, sync::watch, time::Instant};
use voxsync_hostile::{fuzz, near, near_text};
use voxsync_policy::{TagPolicy, TagRule};

use self::packets::{DELIMITER, FLUSH, entry, pack, packet, packets};
use super::{
    GitRef, Revision,
    cache::{MAX_FETCH_BYTES, open_options},
    connect::{Connected, Ending},
    fetch::{Part, Server},
    line::{Line, Receiver, Sender},
    refs, signed, tree,
};

const ID: &str = "89abcdef0123456789abcdef0123456789abcdef";
const OTHER_ID: &str = "0123456789abcdef0123456789abcdef01234567";
/// What a server says before it is asked anything.
const GREETING: &str = "version 2\nagent=git/2.47.3\nls-refs=unborn\nfetch=shallow wait-for-done filter\n\
    server-option\nobject-format=sha1\n~\n";
thread_local! {
    static PANICKED_IN: RefCell<String> = const { RefCell::new(String::new()) };
}

/// gix panics on some answers. That ends a look and nothing else, see `in_time`; a panic of our own is a defect.
fn contained<T>(work: impl FnOnce() -> Option<T>) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let other = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let file = info.location().map_or("", |location| location.file()).to_owned();
            if !file.contains("/gix-") {
                other(info);
            }
            PANICKED_IN.set(file);
        }));
    });
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|reason| {
        let file = PANICKED_IN.take();
        if !file.contains("/gix-") {
            panic::resume_unwind(reason);
        }
        None
    })
}

/// A conversation whose other side has said everything at once.
struct Conversation {
    runtime: Runtime,
    _caller: watch::Sender<()>,
    gone: watch::Receiver<()>,
}

impl Conversation {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (caller, gone) = watch::channel(());
        Self { runtime, _caller: caller, gone }
    }

    /// Greets a server that says this.
    fn greet(&self, said: Vec<u8>) -> Option<Server> {
        let timeout = Duration::from_mins(1);
        let deadline = Instant::now() + timeout;
        let handle = self.runtime.handle().clone();
        let line = Line::new(handle, deadline, timeout, Arc::default(), self.gone.clone(), MAX_FETCH_BYTES);
        let line = Arc::new(line);
        let connection = Connection::new(
            BufReader::new(Receiver { inner: std::io::Cursor::new(said), line: line.clone() }),
            Sender { inner: tokio::io::sink(), line: line.clone() },
            Protocol::V2,
            "/a.git",
            None::<(String, Option<u16>)>,
            ConnectMode::Process,
            false,
        );
        let end = Ending { line: line.clone(), ssh: None };
        Server::greet_over(Connected { transport: Box::new(connection), end }, &line).ok()
    }
}

#[test]
fn fuzz_names_of_a_server() {
    let names = format!(
        "{GREETING}{ID} refs/heads/main\n{OTHER_ID} refs/heads/feature/x symref-target:refs/heads/main\n{FLUSH}\n\
         {OTHER_ID} refs/tags/v1.0.0 peeled:{ID}\n{ID} refs/tags/v2.0.0-rc.1\nunborn HEAD symref-target:refs/heads/x\n{FLUSH}\n"
    );
    let tags = format!("{GREETING}{OTHER_ID} refs/tags/v1.0.0 peeled:{ID}\n{ID} refs/tags/1.1\n{FLUSH}\n");
    let old = format!(
        "{ID} HEAD\0multi_ack thin-pack side-band-64k symref=HEAD:refs/heads/main object-format=sha1 agent=git/1\n\
         {ID} refs/heads/main\n{OTHER_ID} refs/tags/v1.0.0\n{ID} refs/tags/v1.0.0^{{}}\nshallow {ID}\n{FLUSH}\n"
    );
    let lines = [names.clone(), tags.clone(), old.clone()];
    let packed = [names, tags, old].map(|lines| packets(lines.as_bytes()));
    let said = prop_oneof![3 => near(lines).prop_map(|lines| packets(&lines)), 1 => near(packed)];
    let policy = TagPolicy::new(TagRule::semver("*").unwrap(), None, &[]).unwrap();
    let wanted = [GitRef::Branch("main".to_owned()), GitRef::Tag(policy)];
    let conversation = Conversation::new();
    fuzz(said, |said| {
        let mut found = wanted.iter().filter_map(|wanted| {
            let look = || refs::look(conversation.greet(said.clone())?, wanted).ok();
            let revision = contained(look)?;
            assert_eq!(super::read::object_id(&revision.commit).unwrap().to_string(), revision.commit);
            Some(revision)
        });
        found.next().is_some()
    });
}

/// A repository without anything in it.
fn empty(folder: &Path) -> Repository {
    let options = gix::create::Options::default();
    let made = gix::ThreadSafeRepository::init_opts(folder, gix::create::Kind::Bare, options, open_options());
    made.unwrap().into()
}

fn commit(tree: &str) -> String {
    format!(
        "tree {tree}\nparent {OTHER_ID}\nauthor A. Author <a@example.com> 1700000000 +0100\n\
         committer C <c@example.com> 1700000001 -0030\nencoding UTF-8\ngpgsig -----BEGIN SSH SIGNATURE-----\n AAAA\n \
         -----END SSH SIGNATURE-----\n\nTitle of it\n\nText\n"
    )
}

const TAG: &str = "object 89abcdef0123456789abcdef0123456789abcdef\ntype commit\ntag v1.0.0\n\
    tagger T <t@example.com> 1700000000 +0000\n\nRelease\n-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n";

#[test]
fn fuzz_pack_of_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let repository = empty(folder.path());
    let commit = commit(ID);
    // The last three are deltas of the fourth: sizes of base and result, then what to copy or to insert.
    let contents: [&[u8]; 7] = [
        commit.as_bytes(),
        TAG.as_bytes(),
        b"image: reg.example/code:v1\n",
        b"0123456789",
        b"\x0a\x05\x90\x05",
        b"\x0a\x03\x03abc",
        b"\x0a\xff\xff\xff\xff\x7f\xff\0\0\0\0\xff\xff\xff",
    ];
    let contents = near(contents);
    let kind = prop_oneof![Just(1_u8), Just(3), Just(4), Just(6), Just(7), 0..8_u8];
    let lie = prop_oneof![8 => Just(None), 1 => any::<u32>().prop_map(Some)];
    let object = (kind, lie, contents).prop_map(|(kind, size, content)| {
        entry(kind, size.map_or(content.len(), |size| size as usize), &content)
    });
    let objects =
        (prop::collection::vec(object, 1..4), prop_oneof![8 => Just(None), 1 => any::<u32>().prop_map(Some)]);
    let packed = objects
        .prop_map(|(objects, count)| pack(count.unwrap_or(u32::try_from(objects.len()).unwrap()), &objects));
    let good = pack(1, &[entry(3, 10, b"0123456789")]);
    let bytes = prop_oneof![4 => packed, 1 => near([good])];
    let sections =
        near_text([format!("shallow-info\nshallow {ID}\n{DELIMITER}\npackfile\n"), "packfile\n".to_owned()]);
    let said = (sections, bytes).prop_map(|(sections, pack)| {
        let bands: Vec<u8> = pack
            .chunks(100)
            .flat_map(|piece| [packet(&[2], b"progress\r"), packet(&[1], piece)].concat())
            .collect();
        [packets(GREETING.as_bytes()), packets(sections.as_bytes()), bands, b"0000".to_vec()].concat()
    });
    let conversation = Conversation::new();
    let wanted = ObjectId::from_hex(ID.as_bytes()).unwrap();
    let parts = [Part::Commit, Part::File("a.yaml")];
    fuzz((said, prop::sample::select(parts.to_vec())), |(said, part)| {
        let fetch = || {
            let server = conversation.greet(said)?;
            let in_parts = server.gives_parts();
            server.fetch(&repository, wanted, part, in_parts).ok()
        };
        contained(fetch).is_some()
    });
}

#[test]
fn fuzz_objects() {
    let folder = tempfile::tempdir().unwrap();
    let repository = empty(folder.path()).with_object_memory();
    let write =
        |repository: &Repository, kind, bytes: &[u8]| repository.objects.write_buf(kind, bytes).unwrap();
    let file = write(&repository, Kind::Blob, b"image: reg.example/code:v1\n");
    let entry = |mode: &str, name: &str, id: ObjectId| {
        [mode.as_bytes(), b" ", name.as_bytes(), b"\0", id.as_bytes()].concat()
    };
    let folder = write(&repository, Kind::Tree, &entry("100644", "production.yaml", file));
    let root = [
        entry("100755", "build.sh", file),
        entry("40000", "deploy", folder),
        entry("120000", "link", file),
        entry("160000", "module", file),
        entry("100644", "production.yaml", file),
    ];
    let trees = near([root.concat(), root[1].clone(), Vec::new()]);
    let input = (trees, near([commit("{tree}")]), near([TAG]));
    let paths = ["deploy/production.yaml", "production.yaml", "link", "module/x", "missing"];
    fuzz(input, |(root, commit, tag)| {
        let repository = repository.clone();
        let root = write(&repository, Kind::Tree, &root).to_string();
        let at = commit.windows(6).position(|window| window == b"{tree}");
        let commit =
            at.map_or(commit.clone(), |at| [&commit[..at], root.as_bytes(), &commit[at + 6..]].concat());
        let (commit, tag) = (write(&repository, Kind::Commit, &commit), write(&repository, Kind::Tag, &tag));
        let mut is_read = false;
        for path in paths {
            let parts = tree::parts(path).unwrap();
            match tree::find(&repository, commit, &parts) {
                Ok(Some(blob)) => is_read |= tree::read(&repository, commit, blob, path).is_ok(),
                Ok(None) => {}
                Err(problem) => assert!(problem.to_string().len() < 6000, "{problem}"),
            }
        }
        if let Ok(facts) = tree::facts(&repository, commit) {
            assert!(facts.author.len() < 400 && facts.title.len() < 400);
        }
        let revision = Revision {
            commit: commit.to_string(),
            reference: String::new(),
            tag: None,
            tag_object: Some(tag.to_string()),
        };
        assert!(signed::objects(&repository, commit, &revision).is_ok());
        is_read
    });
}
