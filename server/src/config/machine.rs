//! What the machine or the container lets this process have.
//! In: /proc and the cgroup files. Out: bytes, cores, file descriptors. It decides nothing.

use std::fs;
use std::path::Path;

/// Assumed where the system does not say (not Linux): small enough not to drown a laptop.
const UNKNOWN_MEMORY_BYTES: u64 = 8 << 30;

/// Cores this process may use: affinity and cgroup quota counted.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Memory this process may use, in bytes: the machine's, or the strictest cgroup limit above it.
pub fn memory_bytes() -> u64 {
    memory_bytes_under(Path::new("/"))
}

/// The same with `root` in place of `/`.
pub(super) fn memory_bytes_under(root: &Path) -> u64 {
    let total = meminfo_total(root).unwrap_or(UNKNOWN_MEMORY_BYTES);
    cgroup_limit(root).map_or(total, |limit| limit.min(total))
}

fn meminfo_total(root: &Path) -> Option<u64> {
    bytes_of(&root.join("proc/meminfo"), "MemTotal:")
}

/// What this process has in memory, in bytes; none where the system does not say.
pub fn resident_bytes() -> Option<u64> {
    bytes_of(Path::new("/proc/self/status"), "VmRSS:")
}

/// The line `NAME: NUMBER kB` of a file, in bytes.
fn bytes_of(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The smallest limit from this process's cgroup up to the root, of version 2 or 1.
fn cgroup_limit(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    text.lines().filter_map(|line| line_limit(root, line)).min()
}

/// One line is `hierarchy:controllers:path`; version 2 has the hierarchy 0 and no controllers.
fn line_limit(root: &Path, line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':');
    let (hierarchy, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let (mount, file) = if hierarchy == "0" && controllers.is_empty() {
        ("sys/fs/cgroup", "memory.max")
    } else if controllers.split(',').any(|name| name == "memory") {
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
    } else {
        return None;
    };
    // Inside a container the path may name groups that are not visible: the walk up then ends at
    // the mount itself, which is the container's own group.
    let mount = root.join(mount);
    let mut group = Path::new(path.trim_start_matches('/'));
    let mut limits = Vec::new();
    loop {
        if let Ok(text) = fs::read_to_string(mount.join(group).join(file)) {
            // "max", and the huge number version 1 writes for it, mean none.
            limits.extend(text.trim().parse::<u64>().ok().filter(|limit| *limit < 1 << 60));
        }
        match group.parent() {
            Some(parent) => group = parent,
            None => break,
        }
    }
    limits.into_iter().min()
}

/// Raises this process's limit of open files to what it is allowed, since each session is one, and
/// returns the limit then in force. The usual soft limit of 1,024 is for programs with `select`.
pub fn raise_open_files() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    #[expect(unsafe_code, reason = "std has no call for it; both only read or write `limit`")]
    // SAFETY: `limit` is a valid rlimit for the length of both calls, which keep no pointer.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return 0;
        }
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) == 0 {
            return raised.rlim_cur;
        }
    }
    limit.rlim_cur
}

/// Memory that a query freed is kept for the next one, milliseconds. At the allocator's own 10 ms
/// much of it is given back and faulted in again while one query runs: TPC-H at SF 1 took 16 %
/// longer.
const FREED_KEPT_MS: libc::c_long = 2_000;
/// `mi_option_purge_delay`, which the bindings do not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Sets up this process's memory. Call it before threads are started.
pub fn tune_memory() {
    #[expect(unsafe_code, reason = "the allocator has no other interface")]
    // SAFETY: the option exists in every version of mimalloc since 2.0, and takes any number.
    unsafe {
        libmimalloc_sys::mi_option_set_default(PURGE_DELAY, FREED_KEPT_MS);
    }
    // Huge pages double what a scan with small buffers keeps (30 MiB a partition instead of 13),
    // and TPC-H is no faster with them.
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "std has no call for it")]
    // SAFETY: only sets a flag of this process; a kernel without it answers an error.
    unsafe {
        libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0);
    }
}
