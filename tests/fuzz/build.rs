//! Makes the server's error.rs one that compiles alone. In: `server/src/error.rs`. Out: the same
//! without the two modules that know DataFusion, in `OUT_DIR`, to be included inside a module.

use std::path::PathBuf;

/// What is left out; each must be there, or this file has to learn what took its place.
const LEFT_OUT: [&str; 2] = ["pub mod engine;", "mod words;"];

fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo names the package's folder");
    let source = PathBuf::from(root).join("../../server/src/error.rs");
    println!("cargo::rerun-if-changed={}", source.display());
    let text = std::fs::read_to_string(&source).expect("server/src/error.rs");
    for line in LEFT_OUT {
        assert!(text.lines().any(|l| l == line), "server/src/error.rs has no line `{line}`");
    }
    // An included file may not begin with inner comments.
    let kept = text.lines().filter(|line| !line.starts_with("//!") && !LEFT_OUT.contains(line));
    let kept: Vec<&str> = kept.collect();
    let out = std::env::var("OUT_DIR").expect("cargo names a folder for what is made");
    std::fs::write(PathBuf::from(out).join("error.rs"), kept.join("\n")).expect("OUT_DIR");
}
