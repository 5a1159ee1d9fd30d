//! Where a task's output is kept until it is read: in memory as far as its share goes, then on
//! disk. In: bytes. Out: the same bytes, as often as they are asked for, until nobody holds them.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result, internal_datafusion_err, resources_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SpillFile, SpillWriter};

use crate::task::joined;

/// Keeps what one task writes. Its memory and its file are given back when the last of what it
/// keeps is dropped.
pub struct Spool {
    runtime: Arc<RuntimeEnv>,
    room: Arc<Room>,
    reservation: MemoryReservation,
    overflow: Mutex<Option<Overflow>>,
}

/// The file for what does not fit into memory.
struct Overflow {
    file: Arc<dyn SpillFile>,
    path: PathBuf,
    writer: Box<dyn SpillWriter>,
    length: u64,
}

/// Bytes that are kept.
#[derive(Debug, Clone)]
pub struct Kept {
    place: Place,
    length: usize,
    /// Holds the reservation, or the file.
    _spool: Option<Arc<Spool>>,
}

#[derive(Debug, Clone)]
enum Place {
    Memory(Bytes),
    File { path: PathBuf, offset: u64 },
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool").field("memory", &self.reservation.size()).finish_non_exhaustive()
    }
}

impl Spool {
    /// A spool in the memory and on the disk of `runtime`, where all spools share the `room`.
    pub fn new(runtime: Arc<RuntimeEnv>, room: Arc<Room>) -> Arc<Self> {
        let reservation = MemoryConsumer::new("output of a task").register(&runtime.memory_pool);
        Arc::new(Self { runtime, room, reservation, overflow: Mutex::new(None) })
    }

    /// Keeps bytes.
    ///
    /// # Errors
    /// When they fit neither into memory nor onto the disk.
    pub fn keep(self: &Arc<Self>, bytes: Vec<u8>) -> Result<Kept> {
        let length = bytes.len();
        let place = match self.take(bytes.capacity()) {
            Ok(()) => Place::Memory(Bytes::from(bytes)),
            Err(full) => self.write(&bytes, full)?,
        };
        Ok(Kept { place, length, _spool: Some(Arc::clone(self)) })
    }

    /// Takes room and memory.
    fn take(&self, bytes: usize) -> Result<()> {
        self.room.take(bytes)?;
        self.reservation.try_grow(bytes).inspect_err(|_| self.room.give_back(bytes))
    }

    fn write(&self, bytes: &[u8], full: DataFusionError) -> Result<Place> {
        let mut overflow = self.overflow.lock().unwrap_or_else(PoisonError::into_inner);
        if overflow.is_none() {
            let disk = &self.runtime.disk_manager;
            if !disk.tmp_files_enabled() {
                return Err(full);
            }
            let file = disk.create_tmp_file("keeping the output of a task")?;
            let path =
                file.path().ok_or_else(|| internal_datafusion_err!("a file without path"))?;
            let (path, writer) = (path.to_owned(), file.open_writer()?);
            *overflow = Some(Overflow { file, path, writer, length: 0 });
        }
        let Some(overflow) = overflow.as_mut() else { return Err(full) };
        overflow.writer.write_all(bytes)?;
        overflow.writer.flush()?;
        let offset = overflow.length;
        overflow.length += bytes.len() as u64;
        Ok(Place::File { path: overflow.path.clone(), offset })
    }

    /// Bytes on disk.
    pub fn spilled(&self) -> u64 {
        let overflow = self.overflow.lock().unwrap_or_else(PoisonError::into_inner);
        overflow.as_ref().map_or(0, |overflow| overflow.file.size().unwrap_or(overflow.length))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.room.give_back(self.reservation.size());
    }
}

/// How much memory all outputs of this process may take.
#[derive(Debug)]
pub struct Room {
    max_bytes: usize,
    used: AtomicUsize,
}

impl Room {
    /// Room for so many bytes.
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, used: AtomicUsize::new(0) }
    }

    fn take(&self, bytes: usize) -> Result<()> {
        if self.used.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.max_bytes {
            return Ok(());
        }
        self.give_back(bytes);
        resources_err!(
            "no room for {bytes} bytes for output of a task with {} used",
            self.max_bytes
        )
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes that somebody else keeps.
impl From<Bytes> for Kept {
    fn from(bytes: Bytes) -> Self {
        Self { length: bytes.len(), place: Place::Memory(bytes), _spool: None }
    }
}

impl Kept {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes, from memory in place.
    ///
    /// # Errors
    /// What the disk says.
    pub async fn read(&self) -> Result<Bytes> {
        match &self.place {
            Place::Memory(bytes) => Ok(bytes.clone()),
            Place::File { path, offset } => {
                let (path, offset, length) = (path.clone(), *offset, self.length);
                let read = tokio::task::spawn_blocking(move || {
                    let mut bytes = vec![0; length];
                    File::open(path)?.read_exact_at(&mut bytes, offset)?;
                    std::io::Result::Ok(Bytes::from(bytes))
                });
                Ok(read.await.map_err(joined)??)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;

    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_is_on_disk_until_nobody_holds_it() {
        let pool = Arc::new(GreedyMemoryPool::new(100));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc().expect("builds");
        let room = Arc::new(Room::new(9));
        let spool = Spool::new(Arc::clone(&runtime), Arc::clone(&room));
        let texts = ["eight by", "tes more", "than ten"];
        let kept = texts.map(|text| spool.keep(text.as_bytes().to_vec()).expect("fits"));
        assert_eq!((runtime.memory_pool.reserved(), spool.spilled()), (8, 16));
        for (kept, text) in kept.iter().zip(texts) {
            assert_eq!(kept.read().await.expect("reads"), text.as_bytes());
        }
        drop((kept, spool));
        assert_eq!((runtime.memory_pool.reserved(), room.used.load(Ordering::Relaxed)), (0, 0));
        assert_eq!(runtime.disk_manager.used_disk_space(), 0);
    }
}
