//! The folders SQL may read. In: absolute paths. Out: open files, or a refusal. Every open resolves
//! beneath an allowed folder's descriptor (`openat2` with `RESOLVE_BENEATH`), so neither `..` nor a
//! symbolic link nor a race with a rename leads out. Knows nothing of formats or tables.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};

/// Why a path is refused. Never carries bytes of a file.
#[derive(Debug)]
pub enum Refusal {
    /// Not beneath an allowed folder, by its text or by a link.
    Outside(PathBuf),
    /// Neither a regular file nor a folder: a pipe, a device, a socket.
    NotRegular(PathBuf),
    /// Beneath the data directory, but the server's own.
    Private(PathBuf),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Outside(path) => write!(f, "\"{}\" is not in an allowed path", path.display()),
            Self::NotRegular(path) => write!(f, "\"{}\" is not a regular file", path.display()),
            Self::Private(path) => write!(f, "\"{}\" belongs to the server", path.display()),
        }
    }
}

impl std::error::Error for Refusal {}

/// One allowed folder, held open so that renaming it does not move the fence.
#[derive(Debug)]
struct Root {
    /// As the administrator wrote it, made absolute.
    given: PathBuf,
    /// The same without links.
    path: PathBuf,
    dir: OwnedFd,
    /// Names directly beneath that SQL never sees.
    private: Vec<OsString>,
}

/// All allowed folders.
#[derive(Debug)]
pub struct Roots(Vec<Root>);

impl Roots {
    /// Opens the data directory, without its `private` names, and the other `allowed` folders.
    ///
    /// # Errors
    /// A folder that is missing or not a folder, named in the error.
    pub fn open(data_dir: &Path, private: &[&str], allowed: &[PathBuf]) -> io::Result<Self> {
        let mut roots = vec![open_root(data_dir, private)?];
        for path in allowed {
            roots.push(open_root(path, &[])?);
        }
        // The longest match decides, so that an allowed folder inside another keeps its own rules.
        roots.sort_by_key(|root| std::cmp::Reverse(root.path.as_os_str().len()));
        Ok(Self(roots))
    }

    /// The allowed folders, for messages to an administrator.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|root| root.path.as_path())
    }

    /// A path under the name an administrator gave a folder, under the folder's real name.
    pub fn canonical(&self, path: &Path) -> PathBuf {
        let real = |root: &Root| Some(root.path.join(path.strip_prefix(&root.given).ok()?));
        self.0.iter().find_map(real).unwrap_or_else(|| path.to_owned())
    }

    /// Opens a file or folder for reading.
    ///
    /// # Errors
    /// [`Refusal`] inside an [`io::Error`] of kind `PermissionDenied`; else what the system says.
    pub fn open_path(&self, path: &Path) -> io::Result<Opened> {
        let (root, relative) = self.locate(path)?;
        // Never wait for a writer of a pipe: such a file is refused just below.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let fd = openat2(&root.dir, &relative, flags, Mode::empty(), beneath).map_err(|errno| {
            match errno {
                // XDEV: leads out of the folder; NXIO: a socket or a device without a driver.
                rustix::io::Errno::XDEV => refuse(Refusal::Outside(path.to_owned())),
                rustix::io::Errno::NXIO => refuse(Refusal::NotRegular(path.to_owned())),
                other => io::Error::from(other),
            }
        })?;
        match FileType::from_raw_mode(fstat(&fd)?.st_mode) {
            FileType::RegularFile => Ok(Opened::File(File::from(fd))),
            FileType::Directory => Ok(Opened::Folder(fd)),
            _ => Err(refuse(Refusal::NotRegular(path.to_owned()))),
        }
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// As [`Roots::open_path`]; a folder is `IsADirectory`.
    pub fn open_file(&self, path: &Path) -> io::Result<File> {
        match self.open_path(path)? {
            Opened::File(file) => Ok(file),
            Opened::Folder(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// Which root a path is beneath, by its text alone; `.` (the root itself) when equal.
    fn locate(&self, path: &Path) -> io::Result<(&Root, PathBuf)> {
        let outside = || refuse(Refusal::Outside(path.to_owned()));
        if !path.is_absolute() || path.components().any(|c| c == Component::ParentDir) {
            return Err(outside());
        }
        for root in &self.0 {
            let Ok(relative) = path.strip_prefix(&root.path) else { continue };
            let first = relative.components().next();
            if first.is_some_and(|c| root.private.iter().any(|name| *name == c.as_os_str())) {
                return Err(refuse(Refusal::Private(path.to_owned())));
            }
            let empty = relative.as_os_str().is_empty();
            return Ok((root, if empty { PathBuf::from(".") } else { relative.to_owned() }));
        }
        Err(outside())
    }

    /// Whether a folder holds files of the server's own, and so is no table.
    pub(crate) fn holds_private(&self, folder: &Path) -> bool {
        self.0.iter().any(|root| root.path == folder && !root.private.is_empty())
    }
}

/// What a path turned out to be.
#[derive(Debug)]
pub enum Opened {
    /// A regular file.
    File(File),
    /// A folder.
    Folder(OwnedFd),
}

fn refuse(refusal: Refusal) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, refusal)
}

fn open_root(path: &Path, private: &[&str]) -> io::Result<Root> {
    let context = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    let given = std::path::absolute(path).map_err(context)?;
    let path = path.canonicalize().map_err(context)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(&path, flags, Mode::empty()).map_err(|e| context(e.into()))?;
    Ok(Root { given, path, dir, private: private.iter().map(Into::into).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn refused(roots: &Roots, path: &Path) -> bool {
        let error = roots.open_path(path).expect_err("must be refused");
        error.kind() == io::ErrorKind::PermissionDenied
    }

    #[test]
    fn nothing_leads_out() {
        let dir = tempfile::tempdir().expect("temp dir");
        let base = dir.path().canonicalize().expect("path");
        let root = base.join("root");
        std::fs::create_dir(&root).expect("root");
        std::fs::write(root.join("in.txt"), "x").expect("file");
        std::fs::write(root.join("secret"), "x").expect("file");
        symlink("/etc/passwd", root.join("absolute")).expect("link");
        symlink("../../../../../../etc/passwd", root.join("relative")).expect("link");
        symlink("/etc", root.join("folder")).expect("link");
        symlink("in.txt", root.join("inside")).expect("link");
        let roots = Roots::open(&root, &["secret"], &[]).expect("roots");

        assert!(roots.open_file(&root.join("in.txt")).is_ok());
        assert!(roots.open_file(&root.join("inside")).is_ok());
        for name in ["absolute", "relative", "folder/passwd", "../root2", "secret"] {
            assert!(refused(&roots, &root.join(name)), "{name}");
        }
        assert!(refused(&roots, Path::new("/etc/passwd")));
        assert!(refused(&roots, Path::new("/dev/null")));
        assert!(refused(&roots, Path::new("in.txt")));
    }
}
