//! Memory that was freed and is kept for the next query. In: how much this process may have. It is
//! given back at once while more than half of that is taken: what one query freed must not keep the
//! next one from what it may have, or a container's limit ends the process.

use std::io;
use std::thread;
use std::time::Duration;

use crate::config::resident_bytes;

/// Between two looks: little beside the time in which queries fill gigabytes.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Starts to watch, for as long as the process lives.
///
/// # Errors
/// No thread could be made.
pub fn give_back_above_half(allowed_bytes: u64) -> io::Result<()> {
    let watch = move || loop {
        thread::sleep(LOOK_EVERY);
        if resident_bytes().is_some_and(|taken| taken > allowed_bytes / 2) {
            give_back();
        }
    };
    thread::Builder::new().name("freed-memory".to_owned()).spawn(watch).map(drop)
}

fn give_back() {
    #[expect(unsafe_code, reason = "the allocator has no other interface")]
    // SAFETY: it may be called from any thread at any time, and frees only what nobody uses.
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}
