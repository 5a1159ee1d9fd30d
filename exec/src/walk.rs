//! Listing of folders beneath the allowed roots. In: a prefix. Out: regular files with their
//! metadata, in name order. A link that leads out of its root is listed and refused when it is
//! read: a table must not silently lose files.

use std::os::fd::OwnedFd;

use object_store::path::Path;
use object_store::{Error, ListResult, ObjectMeta, Result};

use crate::roots::{Opened, Refusal, Roots};
use crate::store::{file_path, map, object_meta};

/// Folders deeper than this below a prefix are an error: a loop of mounts or a mistake.
const DEPTH_MAX: usize = 64;

/// All regular files below `prefix`, or the file it names. Names that begin with `.` or `_` are
/// left out, as every lake reader does (`_SUCCESS`, `_delta_log`, half-written files).
pub(crate) fn files(roots: &Roots, prefix: &Path) -> Result<Vec<ObjectMeta>> {
    let mut found = Vec::new();
    // A folder that is gone is an error and not an empty table.
    let opened = roots.open_path(&file_path(prefix)).map_err(|error| map(prefix, error))?;
    visit(roots, prefix, opened, DEPTH_MAX, &mut found)?;
    Ok(found)
}

fn visit(
    roots: &Roots,
    at: &Path,
    opened: Opened,
    depth: usize,
    found: &mut Vec<ObjectMeta>,
) -> Result<()> {
    let folder = match opened {
        Opened::File(file) => {
            let metadata = file.metadata().map_err(|e| map(at, e))?;
            found.push(object_meta(at.clone(), &metadata));
            return Ok(());
        }
        Opened::Folder(folder) => folder,
    };
    if depth == 0 {
        let source = "folders are nested too deeply".into();
        return Err(Error::Generic { store: "FileStore", source });
    }
    for name in names(roots, at, folder)? {
        let child = at.clone().join(name.as_str());
        match roots.open_path(&file_path(&child)) {
            Ok(opened) => visit(roots, &child, opened, depth - 1, found)?,
            Err(_) => found.push(unreadable(child)),
        }
    }
    Ok(())
}

/// The size listed for a name that cannot be opened: large enough that no format gives up before it
/// tries to open it.
const UNREADABLE_BYTES: u64 = 1 << 20;

/// A name that cannot be opened: a link that leads out, a pipe. It is listed, so that a table that
/// means it fails when it is read, and one whose pattern leaves it out does not.
fn unreadable(location: Path) -> ObjectMeta {
    let last_modified = std::time::UNIX_EPOCH.into();
    ObjectMeta { location, last_modified, size: UNREADABLE_BYTES, e_tag: None, version: None }
}

/// The direct children of `prefix`: files with metadata, folders by name.
pub(crate) fn children(roots: &Roots, prefix: &Path) -> Result<ListResult> {
    let mut result = ListResult { common_prefixes: vec![], objects: vec![] };
    let folder = match roots.open_path(&file_path(prefix)) {
        Ok(Opened::Folder(folder)) => folder,
        Ok(Opened::File(_)) => return Ok(result),
        Err(error) => return Err(map(prefix, error)),
    };
    for name in names(roots, prefix, folder)? {
        let child = prefix.clone().join(name.as_str());
        match roots.open_path(&file_path(&child)) {
            Ok(Opened::Folder(_)) => result.common_prefixes.push(child),
            Ok(Opened::File(file)) => {
                let metadata = file.metadata().map_err(|e| map(&child, e))?;
                result.objects.push(object_meta(child, &metadata));
            }
            Err(_) => result.objects.push(unreadable(child)),
        }
    }
    Ok(result)
}

fn names(roots: &Roots, at: &Path, folder: OwnedFd) -> Result<Vec<String>> {
    let path = file_path(at);
    if roots.holds_private(&path) {
        let refusal = std::io::Error::other(Refusal::Private(path));
        return Err(Error::PermissionDenied { path: at.to_string(), source: refusal.into() });
    }
    let fail = |e: rustix::io::Errno| map(at, e.into());
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::new(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if !name.starts_with(['.', '_']) {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}
