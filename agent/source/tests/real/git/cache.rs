//! The folder for fetched commits: shared, damaged, made anew.

use std::fs;

use rstest::rstest;
use voxsync_fixtures::GitRepository;
use voxsync_source::git::{look, read_file};

use super::{FILE, production, read, revision, serve};

#[tokio::test]
async fn many_may_read_at_once() {
    let repository = GitRepository::create();
    let (_server, remote) = serve("http", &repository);
    let cache = tempfile::tempdir().unwrap();
    let mut reads = tokio::task::JoinSet::new();
    for round in 0..6 {
        let commit = repository.commit(FILE, &round.to_string(), "again");
        let (remote, folder) = (remote.clone(), cache.path().to_owned());
        let revision = revision(&commit);
        reads.spawn(async move { read_file(&remote, &revision, FILE, &folder).await });
    }
    while let Some(read) = reads.join_next().await {
        read.unwrap().unwrap();
    }
    let newest = look(&remote, &production()).await.unwrap();
    assert_eq!(read(&remote, &newest, &cache).await.unwrap().bytes, b"5");
}

#[tokio::test]
async fn nothing_is_known_of_a_size_before_it_is_measured() {
    let repository = GitRepository::create();
    let (_server, remote) = serve("http", &repository);
    let cache = tempfile::tempdir().unwrap();
    let mut sizes = Vec::new();
    for round in 0..2 {
        repository.commit(FILE, &round.to_string(), "again");
        let revision = look(&remote, &production()).await.unwrap();
        read(&remote, &revision, &cache).await.unwrap();
        let mut entries = fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().path());
        let lock = entries.find(|path| path.is_file()).unwrap();
        sizes.push(fs::read_to_string(lock).unwrap().parse::<u64>().unwrap());
    }
    assert!(sizes[0] < sizes[1], "each read leaves what it fetched: {sizes:?}");
}

#[rstest]
#[case::no_repository("HEAD")]
#[case::no_objects("objects")]
#[case::no_packs("objects/pack")]
#[tokio::test]
async fn a_damaged_cache_is_made_anew(#[case] damaged: &str) {
    let repository = GitRepository::create();
    let (_server, remote) = serve("http", &repository);
    let cache = tempfile::tempdir().unwrap();
    let revision = look(&remote, &production()).await.unwrap();
    read(&remote, &revision, &cache).await.unwrap_err();
    let mut entries = fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().path());
    let damaged = entries.find(|path| path.is_dir()).unwrap().join(damaged);
    let _ = fs::remove_dir_all(&damaged);
    fs::write(&damaged, "junk").unwrap();

    repository.commit(FILE, "1", "one");
    let revision = look(&remote, &production()).await.unwrap();
    assert_eq!(read(&remote, &revision, &cache).await.unwrap().bytes, b"1");
}
