//! The module travels to every node of the cluster: without symbols that nobody can name it is an
//! eighth smaller.

fn main() {
    println!("cargo::rustc-link-arg-cdylib=-Wl,--discard-all");
}
