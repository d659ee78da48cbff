use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

const SOON: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_hours(1);

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

async fn problem(root: &Path, path: &Path) -> FileProblem {
    read(root, path).await.unwrap_err().problem
}

/// The layout of a mounted `ConfigMap`: `name -> ..data/name`, `..data -> ..<version>`.
fn mount(root: &Path, version: &str, content: &str) {
    let data = root.join(format!("..{version}"));
    fs::create_dir(&data).unwrap();
    fs::write(data.join("ref.txt"), content).unwrap();
    let swap = root.join("..data_tmp");
    symlink(format!("..{version}"), &swap).unwrap();
    fs::rename(swap, root.join("..data")).unwrap();
    if !root.join("ref.txt").is_symlink() {
        symlink("..data/ref.txt", root.join("ref.txt")).unwrap();
    }
}

#[tokio::test]
async fn a_file_and_a_config_map_are_read() {
    let root = folder();
    fs::write(root.path().join("plain.txt"), "reg/y:1\n").unwrap();
    assert_eq!(read(root.path(), &root.path().join("plain.txt")).await.unwrap(), b"reg/y:1\n");
    mount(root.path(), "1", "reg/y:2");
    assert_eq!(read(root.path(), &root.path().join("ref.txt")).await.unwrap(), b"reg/y:2");
    mount(root.path(), "2", "reg/y:3");
    assert_eq!(read(root.path(), &root.path().join("ref.txt")).await.unwrap(), b"reg/y:3");
    assert_eq!(read(root.path(), Path::new("ref.txt")).await.unwrap(), b"reg/y:3", "below the folder");
}

#[test]
fn what_is_below_is_told_by_the_text_alone() {
    let below = |path: &str| is_below(Path::new("/etc/voxsync"), Path::new(path));
    assert!(below("/etc/voxsync/a/ref.txt") && below("/etc/voxsync"));
    for path in ["/etc/voxsync-2/x", "/mnt/hangs/x", "/etc/voxsync/../x", "/etc/voxsync/a/../../x", "x"] {
        assert!(!below(path), "{path}");
    }
}

#[tokio::test]
async fn nothing_outside_is_read_or_told() {
    let (root, elsewhere) = (folder(), folder());
    let secret = elsewhere.path().join("secret");
    fs::write(&secret, "hunter2").unwrap();
    symlink(&secret, root.path().join("link")).unwrap();
    symlink(elsewhere.path(), root.path().join("folder")).unwrap();
    let climbing = root.path().join("..").join(elsewhere.path().file_name().unwrap()).join("secret");
    let dangling = root.path().join("../nothing-is-here");
    let paths = ["link", "folder/secret"].map(|name| root.path().join(name));
    let paths = paths.into_iter().chain([secret, climbing, elsewhere.path().join("missing"), dangling]);
    let paths = paths.chain([PathBuf::from("link"), PathBuf::from("../nothing-is-here")]);
    for path in paths {
        let outside = FileProblem::Outside(root.path().to_owned());
        assert_eq!(problem(root.path(), &path).await, outside, "{}", path.display());
    }
}

#[tokio::test]
async fn what_is_no_small_file_is_refused() {
    let root = folder();
    let path = |name: &str| root.path().join(name);
    let status = std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap();
    assert!(status.success());
    File::create(path("sparse")).unwrap().set_len(100 << 20).unwrap();
    File::create(path("limit")).unwrap().set_len(MAX_FILE_BYTES).unwrap();
    symlink("loop", path("loop")).unwrap();
    let missing = FileProblem::Unreadable(io::ErrorKind::NotFound);
    let large = FileProblem::TooLarge { bytes: 104_857_600, limit: 1_048_576 };
    assert_eq!(problem(root.path(), &path("pipe")).await, FileProblem::NotAFile);
    assert_eq!(problem(root.path(), root.path()).await, FileProblem::NotAFile);
    assert_eq!(problem(root.path(), &path("missing")).await, missing);
    assert_eq!(problem(root.path(), &path("sparse")).await, large);
    assert!(matches!(problem(root.path(), &path("loop")).await, FileProblem::Unreadable(_)));
    assert_eq!(read(root.path(), &path("limit")).await.unwrap().len() as u64, MAX_FILE_BYTES);
    let error = read(root.path(), &path("sparse")).await.unwrap_err().to_string();
    assert!(
        error.ends_with("sparse: is 104857600 bytes, the limit for a reference file is 1048576"),
        "{error}"
    );
}

async fn next(changes: &mut Changes) -> Vec<PathBuf> {
    let next = tokio::time::timeout(SOON, changes.next()).await;
    next.expect("waited 20 s for a change of a watched file").into_iter().collect()
}

/// The first poll tick is at once; after it only the system tells.
async fn watched(path: &Path) -> Changes {
    let mut changes = watch([path.to_owned()], NEVER).await;
    changes.poll.tick().await;
    changes
}

#[tokio::test]
async fn a_write_is_told_at_once() {
    let root = folder();
    let path = root.path().join("ref.txt");
    fs::write(&path, "1").unwrap();
    let mut changes = watched(&path).await;
    fs::write(root.path().join("other.txt"), "x").unwrap();
    fs::write(&path, "2").unwrap();
    assert_eq!(next(&mut changes).await, [path]);
}

#[tokio::test]
async fn a_swapped_config_map_is_told_at_once() {
    let root = folder();
    mount(root.path(), "1", "same length");
    let path = root.path().join("ref.txt");
    let mut changes = watched(&path).await;
    mount(root.path(), "2", "same_length");
    assert_eq!(next(&mut changes).await, [path]);
}

#[tokio::test]
async fn a_file_that_comes_later_is_told() {
    let root = folder();
    let path = root.path().join("later/ref.txt");
    let mut changes = watch([path.clone()], Duration::from_millis(10)).await;
    fs::create_dir(root.path().join("later")).unwrap();
    fs::write(&path, "1").unwrap();
    assert_eq!(next(&mut changes).await, [path]);
}

#[tokio::test]
async fn the_poll_finds_what_the_system_forgets() {
    let root = folder();
    let path = root.path().join("ref.txt");
    fs::write(&path, "1").unwrap();
    let mut changes = watch([path.clone()], Duration::from_millis(10)).await;
    changes.watcher = None;
    fs::write(&path, "1 and more").unwrap();
    assert_eq!(next(&mut changes).await, [path]);
}
