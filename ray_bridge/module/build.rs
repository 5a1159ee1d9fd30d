//! The module travels to every node of the cluster: without its symbols it is a third smaller.

fn main() {
    println!("cargo::rustc-link-arg-cdylib=-Wl,--discard-all");
}
