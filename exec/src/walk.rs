//! Listing of folders beneath the allowed roots. In: a prefix. Out: regular files with their
//! metadata, in name order. A link that leads out of its root ends the listing with a refusal:
//! a table must not silently lose files.

use std::path::Path as FilePath;

use object_store::path::Path;
use object_store::{Error, ListResult, ObjectMeta, Result};

use crate::roots::{Opened, Roots};
use crate::store::{file_path, map, object_meta};

/// Folders deeper than this below a prefix are an error: a loop of mounts or a mistake.
const DEPTH_MAX: usize = 64;

/// All regular files below `prefix`, or the file it names. Names that begin with `.` or `_` are
/// left out, as every lake reader does (`_SUCCESS`, `_delta_log`, half-written files).
pub(crate) fn files(roots: &Roots, prefix: &Path) -> Result<Vec<ObjectMeta>> {
    let mut found = Vec::new();
    visit(roots, prefix, DEPTH_MAX, &mut found)?;
    Ok(found)
}

fn visit(roots: &Roots, at: &Path, depth: usize, found: &mut Vec<ObjectMeta>) -> Result<()> {
    let path = file_path(at);
    match roots.open_path(&path) {
        Ok(Opened::File(file)) => {
            let metadata = file.metadata().map_err(|e| map(at, e))?;
            found.push(object_meta(at.clone(), &metadata));
        }
        Ok(Opened::Folder(_)) if depth == 0 => {
            let source = "folders are nested too deeply".into();
            return Err(Error::Generic { store: "FileStore", source });
        }
        Ok(Opened::Folder(folder)) => {
            for name in names(roots, &path, at, folder)? {
                visit(roots, &at.clone().join(name.as_str()), depth - 1, found)?;
            }
        }
        // A prefix of a glob need not exist itself.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && depth == DEPTH_MAX => {}
        Err(error) => return Err(map(at, error)),
    }
    Ok(())
}

/// The direct children of `prefix`: files with metadata, folders by name.
pub(crate) fn children(roots: &Roots, prefix: &Path) -> Result<ListResult> {
    let path = file_path(prefix);
    let mut result =
        ListResult { common_prefixes: vec![], objects: vec![] };
    let folder = match roots.open_path(&path) {
        Ok(Opened::Folder(folder)) => folder,
        Ok(Opened::File(_)) => return Ok(result),
        Err(error) => return Err(map(prefix, error)),
    };
    for name in names(roots, &path, prefix, folder)? {
        let child = prefix.clone().join(name.as_str());
        match roots.open_path(&file_path(&child)).map_err(|e| map(&child, e))? {
            Opened::Folder(_) => result.common_prefixes.push(child),
            Opened::File(file) => {
                let metadata = file.metadata().map_err(|e| map(&child, e))?;
                result.objects.push(object_meta(child, &metadata));
            }
        }
    }
    Ok(result)
}

fn names(
    roots: &Roots,
    path: &FilePath,
    at: &Path,
    folder: std::os::fd::OwnedFd,
) -> Result<Vec<String>> {
    let fail = |e: rustix::io::Errno| map(at, e.into());
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::new(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if !name.starts_with(['.', '_']) && !roots.is_private(path, name.as_ref()) {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}
