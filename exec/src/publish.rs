//! Files appear whole or not at all. In: a staged file or folder of the server's own. Out: the same
//! under its final name, after its bytes and its directory entry are on disk. A name that is taken
//! is never replaced.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Moves `staged` to `target`; parents of `target` are made. Every file and folder is synced first.
///
/// # Errors
/// `AlreadyExists` when the name is taken; else what the file system says. On an error nothing is
/// visible under `target`.
pub fn publish(staged: &Path, target: &Path) -> io::Result<()> {
    sync_tree(staged)?;
    let parent = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(parent)?;
    renameat_with(CWD, staged, CWD, target, RenameFlags::NOREPLACE)?;
    File::open(parent)?.sync_all()
}

fn sync_tree(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            sync_tree(&entry?.path())?;
        }
    }
    File::open(path)?.sync_all()
}

/// Empties a folder of what an earlier run left behind.
///
/// # Errors
/// What the file system says.
pub fn sweep(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_name_is_kept() {
        let dir = tempfile::tempdir().expect("temp dir");
        let (staged, target) = (dir.path().join("staged"), dir.path().join("a/b"));
        fs::write(&staged, "new").expect("write");
        publish(&staged, &target).expect("first");
        fs::write(&staged, "newer").expect("write");
        let error = publish(&staged, &target).expect_err("taken");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&target).expect("read"), "new");
    }
}
