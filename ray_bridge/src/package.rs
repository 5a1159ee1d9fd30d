//! The Python package, made from what the program carries and the module that was built with it.
//! In: a folder. Out: the package in it, as Python and Ray want it, or a wheel of it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The module, beside the program.
const MODULE: &str = "libmobula_ray_module.so";
/// As Python looks for it.
const NATIVE: &str = "_native.abi3.so";
/// Its files.
const FILES: &[(&str, &str)] = &[
    ("__init__.py", include_str!("../python/mobula_ray/__init__.py")),
    ("__main__.py", include_str!("../python/mobula_ray/__main__.py")),
    ("driver.py", include_str!("../python/mobula_ray/driver.py")),
    ("state.py", include_str!("../python/mobula_ray/state.py")),
    ("task.py", include_str!("../python/mobula_ray/task.py")),
    ("wheel.py", include_str!("../python/mobula_ray/wheel.py")),
];

/// Writes the package `mobula_ray` into a folder.
///
/// # Errors
/// The module is not there, or the folder cannot be written.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    let package = folder.join("mobula_ray");
    fs::create_dir_all(&package)?;
    for (name, text) in FILES {
        fs::write(package.join(name), text)?;
    }
    let program = std::env::current_exe()?;
    let module = program.with_file_name(MODULE);
    if !module.exists() {
        let missing = format!("{} is not there: it is built with the server", module.display());
        return Err(io::Error::new(ErrorKind::NotFound, missing));
    }
    let native = package.join(NATIVE);
    match fs::remove_file(&native) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // A hundred megabytes: a link where the file system allows it.
    fs::hard_link(&module, &native).or_else(|_| fs::copy(&module, &native).map(drop))
}

/// Makes a wheel of the package, for nodes that are to have it installed; its path. Python does it.
///
/// # Errors
/// The module is not there, the folder cannot be written, or there is no such Python.
pub fn wheel(python: &Path, folder: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let package = tempfile::tempdir()?;
    write(package.path())?;
    let made = Command::new(python)
        .args(["-m", "mobula_ray.wheel"])
        .arg(folder)
        .arg(env!("CARGO_PKG_VERSION"))
        .env("PYTHONPATH", package.path())
        .output();
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", python.display()));
    let made = made.map_err(named)?;
    let said =
        String::from_utf8_lossy(if made.status.success() { &made.stdout } else { &made.stderr });
    let last = said.lines().last().unwrap_or_default().to_owned();
    if made.status.success() { Ok(last.into()) } else { Err(io::Error::other(last)) }
}
