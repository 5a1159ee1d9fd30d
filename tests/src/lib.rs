//! What the tests from outside share: servers to test, clients, scripts. In: the program built by
//! this workspace. Out: its answers, as a Postgres client sees them. Links no crate of Mobula.
//!
//! - [`mobula`], [`postgres`]: a server of our own, and PostgreSQL to compare with.
//! - [`wire`], [`frames`]: a client that can send anything; [`client`]: one that behaves.
//! - [`script`]: conversations as text files; [`slt`]: SQL tests as text files.

pub mod client;
pub mod frames;
pub mod golden;
pub mod mobula;
pub mod postgres;
pub mod process;
pub mod script;
pub mod show;
pub mod slt;
pub mod tls;
pub mod uri;
pub mod wire;

use std::path::{Path, PathBuf};

/// The root of the checkout.
pub fn root() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    folder.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The files below `folder` (from the root) whose name ends so, sorted.
pub fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
