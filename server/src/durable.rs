//! Files that are there whole or not at all, and stay after a power cut.
//! In: paths and text. Out: files whose names and bytes are on disk. It knows no content.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Makes the names in a folder durable.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes `text` as the file `name` in `dir`, readable by this user only from its first byte.
pub fn write_private(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    let staged = dir.join(format!(".{name}.new"));
    // A leftover of a killed start might have other rights.
    match fs::remove_file(&staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&staged, dir.join(name))?;
    sync_folder(dir)
}
