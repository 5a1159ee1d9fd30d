//! The store behind every scan: regular files beneath the allowed [`Roots`], each pinned to the
//! version a statement met first. In: object paths and ranges. Out: bytes of exactly that version,
//! or an error: never rows of two versions.
//! Read only; files are written by [`crate::publish`].

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};

use crate::pulse::Pulse;
use crate::roots::Roots;
use crate::walk;

/// Bytes a streamed file is read in: large enough to amortise a call, small beside a batch.
const STREAM_CHUNK_BYTES: u64 = 1 << 20;

/// The e-tag each file had when a statement first met it.
type Pins = Mutex<HashMap<Path, String>>;

/// Files beneath the allowed roots. A statement has a store of its own: what it has listed or read
/// once must be the same file when it is read again, in planning and in running alike.
#[derive(Debug, Clone)]
pub struct FileStore {
    roots: Arc<Roots>,
    /// None for a store that outlives statements.
    pins: Option<Arc<Pins>>,
    /// Beats when bytes are read.
    pulse: Pulse,
}

impl FileStore {
    /// A store that pins nothing.
    pub fn new(roots: Arc<Roots>) -> Self {
        Self { roots, pins: None, pulse: Pulse::default() }
    }

    /// The same files for one statement, or for one of its tasks: what was met before is pinned
    /// already, by path and e-tag. `pulse` beats with every read.
    pub fn with_pins(&self, met: HashMap<Path, String>, pulse: Pulse) -> Self {
        let pins = Some(Arc::new(Mutex::new(met)));
        Self { roots: Arc::clone(&self.roots), pins, pulse }
    }

    /// The folders this store may read.
    pub fn roots(&self) -> &Arc<Roots> {
        &self.roots
    }

    fn open(&self, location: &Path) -> Result<(File, ObjectMeta)> {
        self.pulse.beat();
        let opened = self.roots.open_file(&file_path(location));
        let file = opened.map_err(|error| match error.kind() {
            // It was there when the statement first met it.
            io::ErrorKind::NotFound if self.is_pinned(location) => changed(location),
            _ => map(location, error),
        })?;
        let meta = self.current(location, &file)?;
        Ok((file, meta))
    }

    /// The file's metadata now; an error when it is not the version this statement met first.
    fn current(&self, location: &Path, file: &File) -> Result<ObjectMeta> {
        let metadata = file.metadata().map_err(|e| map(location, e))?;
        let meta = object_meta(location.clone(), &metadata);
        self.pin(&meta)?;
        Ok(meta)
    }

    fn pin(&self, meta: &ObjectMeta) -> Result<()> {
        let (Some(pins), Some(now)) = (&self.pins, &meta.e_tag) else { return Ok(()) };
        let mut pins = pins.lock().unwrap_or_else(PoisonError::into_inner);
        match pins.get(&meta.location) {
            Some(pin) if pin != now => Err(changed(&meta.location)),
            Some(_) => Ok(()),
            None => {
                pins.insert(meta.location.clone(), now.clone());
                Ok(())
            }
        }
    }

    fn is_pinned(&self, location: &Path) -> bool {
        let pins =
            self.pins.as_ref().map(|pins| pins.lock().unwrap_or_else(PoisonError::into_inner));
        pins.is_some_and(|pins| pins.contains_key(location))
    }

    /// Reads ranges, checking the version after the last byte: what was read before the check is
    /// the planned version or the query ends.
    fn read(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (file, _) = self.open(location)?;
        let read = |range: &Range<u64>| {
            let mut buffer = vec![0; (range.end - range.start) as usize];
            file.read_exact_at(&mut buffer, range.start)?;
            Ok(Bytes::from(buffer))
        };
        let result: io::Result<Vec<Bytes>> = ranges.iter().map(read).collect();
        // A file cut short while being read is a changed file first, a short read second.
        self.current(location, &file)?;
        result.map_err(|e| map(location, e))
    }
}

impl fmt::Display for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileStore")
    }
}

#[async_trait]
impl ObjectStore for FileStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (_, meta) = self.open(location)?;
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            Some(range) => range.as_range(meta.size).map_err(|source| Error::Generic {
                store: "FileStore",
                source: Box::new(source),
            })?,
            None => 0..meta.size,
        };
        let payload = if options.head {
            stream::empty().boxed()
        } else {
            chunks(self.clone(), location.clone(), range.clone())
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(payload),
            meta,
            range,
            attributes: Attributes::default(),
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (store, location, ranges) = (self.clone(), location.clone(), ranges.to_vec());
        blocking(move || store.read(&location, &ranges)).await
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (roots, prefix) = (Arc::clone(&self.roots), prefix.cloned().unwrap_or_default());
        let store = self.clone();
        let listing = blocking(move || {
            let files = walk::files(&roots, &prefix)?;
            files.iter().try_for_each(|meta| store.pin(meta))?;
            Ok(files)
        });
        stream::once(listing)
            .flat_map(|listed| match listed {
                Ok(files) => stream::iter(files.into_iter().map(Ok)).boxed(),
                Err(error) => stream::once(async { Err(error) }).boxed(),
            })
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let (roots, prefix) = (Arc::clone(&self.roots), prefix.cloned().unwrap_or_default());
        blocking(move || walk::children(&roots, &prefix)).await
    }

    async fn put_opts(&self, path: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only(path))
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only(path))
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        locations.map(|location| Err(read_only(&location?))).boxed()
    }

    async fn copy_opts(&self, from: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only(from))
    }
}

/// The bytes of a range in chunks, each read by its own checked read.
fn chunks(store: FileStore, path: Path, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
    stream::try_unfold(range.start, move |at| {
        let (store, path, end) = (store.clone(), path.clone(), range.end);
        async move {
            if at >= end {
                return Ok(None);
            }
            let next = end.min(at + STREAM_CHUNK_BYTES);
            let range = at..next;
            let mut read =
                blocking(move || store.read(&path, std::slice::from_ref(&range))).await?;
            Ok(read.pop().map(|bytes| (bytes, next)))
        }
    })
    .boxed()
}

async fn blocking<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(|source| Error::JoinError { source })?
}

/// The file an object path names: object paths are absolute paths without the first slash.
pub(crate) fn file_path(location: &Path) -> PathBuf {
    let mut path = PathBuf::from("/");
    for part in location.parts() {
        path.push(decode(part.as_ref()));
    }
    path
}

/// Undoes the percent-encoding that object paths carry for the characters they reserve.
fn decode(part: &str) -> String {
    percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()
}

pub(crate) fn object_meta(location: Path, metadata: &std::fs::Metadata) -> ObjectMeta {
    let modified = metadata.modified().unwrap_or(std::time::UNIX_EPOCH);
    let changed_ns = metadata.ctime() as i128 * 1_000_000_000 + metadata.ctime_nsec() as i128;
    let modified_ns = metadata.mtime() as i128 * 1_000_000_000 + metadata.mtime_nsec() as i128;
    let (inode, size) = (metadata.ino(), metadata.len());
    ObjectMeta {
        location,
        last_modified: modified.into(),
        size,
        e_tag: Some(format!("{inode:x}-{modified_ns:x}-{changed_ns:x}-{size:x}")),
        version: None,
    }
}

pub(crate) fn map(location: &Path, error: io::Error) -> Error {
    let path = location.to_string();
    match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound { path, source: error.into() },
        io::ErrorKind::PermissionDenied => Error::PermissionDenied { path, source: error.into() },
        _ => Error::Generic { store: "FileStore", source: error.into() },
    }
}

fn changed(location: &Path) -> Error {
    let source = "the file changed while it was read".into();
    Error::Precondition { path: location.to_string(), source }
}

fn read_only(path: &Path) -> Error {
    Error::PermissionDenied { path: path.to_string(), source: "the store is read only".into() }
}
