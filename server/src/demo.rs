//! The demo: TPC-H tables as Parquet files, made once per scale factor.
//! In: the data directory, a scale factor, threads. Out: the tables' folders, whole or not there.
//! It registers nothing in the catalog and answers no query.

mod source;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::ArrowWriterOptions;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use datafusion::parquet::schema::types::ColumnPath;

use crate::durable::sync_folder;
use crate::error::{PgError, PgResult, SqlState};
use source::{TABLES, Table};

/// Rows of a row group: the unit by which a scan is shared between cores. 15 batches of 8,192:
/// SF 1 has 49 of lineitem, which 16 cores share with little left over, and each column's piece
/// is still some hundred kilobytes.
const ROWS_PER_GROUP: usize = 15 * 8_192;

/// Rows of a file, about: files are what threads make in parallel, and 8 row groups each keep the
/// footers few. It must not depend on the machine: the same scale is the same files everywhere.
const ROWS_PER_FILE: f64 = 8.0 * ROWS_PER_GROUP as f64;

/// Rows that one batch of the generator has.
const ROWS_PER_BATCH: usize = 8_192;

/// In the folder of a scale once it is whole, with the number of this layout: another number here
/// means that the files are made again.
const MARKER: &str = "mobula-demo";
const LAYOUT: &str = "1\n";

/// One table of the demo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoTable {
    /// Its name, such as `lineitem`.
    pub name: &'static str,
    /// The folder with its Parquet files.
    pub path: PathBuf,
}

/// The demo tables of `scale` in the data directory `dir`, made if they are not there, by
/// `threads` threads. Blocking: some seconds a scale factor and core. Holds one row group a thread
/// and the generator's text pool (300 MiB, kept by its library until the process ends).
pub fn generate(dir: &Path, scale: f64, threads: usize) -> PgResult<Vec<DemoTable>> {
    let root = dir.join("demo");
    let folder = root.join(format!("sf{scale}"));
    if !is_whole(&folder) {
        make(&root, &folder, scale, threads.max(1)).map_err(|error| {
            // To the operator, at start: the path may be said.
            let state = match error.kind() {
                io::ErrorKind::StorageFull => SqlState::DiskFull,
                _ => SqlState::IoError,
            };
            let shown = folder.display();
            PgError::fatal(state, format!("cannot make the demo tables in {shown}: {error}"))
        })?;
    }
    let table = |table: &Table| DemoTable { name: table.name, path: folder.join(table.name) };
    Ok(TABLES.iter().map(table).collect())
}

fn is_whole(folder: &Path) -> bool {
    fs::read_to_string(folder.join(MARKER)).is_ok_and(|text| text == LAYOUT)
}

/// Makes all files beside the final folder, then renames it once.
fn make(root: &Path, folder: &Path, scale: f64, threads: usize) -> io::Result<()> {
    let start = Instant::now();
    tracing::info!(scale, threads, "making the TPC-H tables");
    let staging = root.join(format!(".staging-sf{scale}"));
    remove(&staging)?;
    for table in TABLES {
        fs::create_dir_all(staging.join(table.name))?;
    }
    let jobs = jobs(scale, &staging);
    let (rows, bytes) = run(&jobs, scale, threads)?;
    for table in TABLES {
        sync_folder(&staging.join(table.name))?;
    }
    let marker = staging.join(MARKER);
    fs::write(&marker, LAYOUT)?;
    File::open(&marker)?.sync_all()?;
    sync_folder(&staging)?;
    // Of an older layout, or its marker was deleted by hand to have it made again.
    remove(folder)?;
    fs::rename(&staging, folder)?;
    sync_folder(root)?;
    if let Some(parent) = root.parent() {
        sync_folder(parent)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    tracing::info!(scale, rows, bytes, seconds, "the TPC-H tables are ready");
    Ok(())
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// One file to be made: share `part` of `parts`, counted from 1 as dbgen does.
struct Job {
    table: &'static Table,
    part: i32,
    parts: i32,
    path: PathBuf,
}

/// All files, those of the largest table first, so that no thread is left with one at the end.
fn jobs(scale: f64, staging: &Path) -> Vec<Job> {
    let mut jobs = Vec::new();
    for table in TABLES {
        let parts = (table.rows(scale) / ROWS_PER_FILE).ceil().max(1.0) as i32;
        for part in 1..=parts {
            let path = staging.join(table.name).join(format!("part-{part}.parquet"));
            jobs.push(Job { table, part, parts, path });
        }
    }
    jobs
}

/// Runs the jobs on `threads` threads; gives rows and bytes. The first error stops the others.
fn run(jobs: &[Job], scale: f64, threads: usize) -> io::Result<(u64, u64)> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (rows, bytes, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicUsize::new(0));
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(jobs.len()) {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match write(job, scale, &stop) {
                        Ok((job_rows, job_bytes)) => {
                            rows.fetch_add(job_rows, Ordering::Relaxed);
                            bytes.fetch_add(job_bytes, Ordering::Relaxed);
                            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                            report(job, done, jobs.len());
                        }
                        Err(error) => {
                            stop.store(true, Ordering::Relaxed);
                            let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
                            first.get_or_insert(error);
                        }
                    }
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok((rows.into_inner(), bytes.into_inner())),
    }
}

fn report(job: &Job, done: usize, of: usize) {
    let (table, part, parts) = (job.table.name, job.part, job.parts);
    tracing::info!("demo: {table} {part}/{parts} written, {done} of {of} files");
}

/// Writes one file and makes it durable; gives its rows and bytes.
fn write(job: &Job, scale: f64, stop: &AtomicBool) -> io::Result<(u64, u64)> {
    let batches = (job.table.batches)(scale, job.part, job.parts, ROWS_PER_BATCH);
    let schema = batches.schema();
    let mut properties = WriterProperties::builder()
        // Decompressing is most of a hot scan that is not decoding. LZ4 decompresses several times
        // faster than zstd, for files about a third larger, which the file cache holds anyway.
        .set_compression(Compression::LZ4_RAW)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(ROWS_PER_GROUP));
    for field in schema.fields() {
        // No two are alike: a dictionary would be built, found too large and thrown away.
        if ["_comment", "_address", "_phone"].iter().any(|end| field.name().ends_with(end)) {
            let column = ColumnPath::from(field.name().as_str());
            properties = properties.set_column_dictionary_enabled(column, false);
        }
    }
    // Without Arrow's own schema in the footer, text is plain text to whoever reads it; the
    // generator's view type would otherwise be asked of every reader.
    let options = ArrowWriterOptions::new()
        .with_properties(properties.build())
        .with_skip_arrow_metadata(true);
    let file = File::create_new(&job.path)?;
    let mut writer = ArrowWriter::try_new_with_options(file, schema, options).map_err(io_error)?;
    let mut rows = 0;
    for batch in batches {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let batch = batch.map_err(io::Error::other)?;
        rows += batch.num_rows() as u64;
        writer.write(&batch).map_err(io_error)?;
    }
    let file = writer.into_inner().map_err(io_error)?;
    file.sync_all()?;
    Ok((rows, file.metadata()?.len()))
}

/// The I/O error inside, so that a full disk is told as one.
fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}
