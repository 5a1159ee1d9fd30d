//! The Python package, made from what the program carries and the module that was built with it.
//! In: a folder. Out: the package in it, as Python and Ray want it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

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
