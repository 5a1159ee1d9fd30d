//! Tables of files. In: where the files are and how they are written. Out: a table DataFusion can
//! scan, or its schema as found in the files. What may be read is decided by [`exec::Roots`].

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, Result, TableReference};
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::execution::SessionState;
use exec::roots::{Opened, Refusal, Roots};
use futures::TryStreamExt;
use url::Url;

/// How a table's files are found and read.
#[derive(Debug, Clone)]
pub struct FileTable {
    /// `parquet`, `csv`, `json` or `arrow`.
    pub format: String,
    /// An absolute path, or one relative to the data directory; may end in a glob.
    pub location: String,
    /// Options of the format, as DataFusion names them (`format.delimiter`).
    pub options: HashMap<String, String>,
    /// Columns taken from folder names (`year=2020`), in order.
    pub partition_columns: Vec<(String, DataType)>,
}

/// Why a location cannot be a table's.
#[derive(Debug)]
pub enum LocationError {
    /// Not in an allowed folder.
    Refused(Refusal),
    /// Neither file nor folder.
    Missing(String),
    /// Another kind of store.
    Scheme(String),
    /// A format that is not read.
    Format(String),
    /// The system's words.
    Io(String, std::io::Error),
}

impl std::fmt::Display for LocationError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Missing(path) => write!(f, "could not open \"{path}\": no such file or folder"),
            Self::Scheme(scheme) => write!(f, "locations with \"{scheme}\" are not supported"),
            Self::Format(format) => write!(f, "files of format \"{format}\" are not supported"),
            Self::Io(path, error) => write!(f, "could not open \"{path}\": {}", error.kind()),
        }
    }
}

impl std::error::Error for LocationError {}

impl From<LocationError> for DataFusionError {
    fn from(error: LocationError) -> Self {
        Self::External(Box::new(error))
    }
}

/// A location as an absolute path, by its text alone.
///
/// # Errors
/// [`LocationError`] for other stores, other hosts and paths that climb.
pub fn absolute(base: &Path, location: &str) -> Result<PathBuf, LocationError> {
    let refused = |path: &str| LocationError::Refused(Refusal::Outside(PathBuf::from(path)));
    let url = location.split_once("://").map(|(scheme, rest)| (scheme.to_lowercase(), rest));
    let path = match url.as_ref().map(|(scheme, rest)| (scheme.as_str(), *rest)) {
        Some(("file", rest)) if rest.starts_with('/') => {
            // Only the plain form: what percent-encoding hides is not worth guessing.
            if rest.contains(['%', '?', '#']) {
                return Err(refused(location));
            }
            PathBuf::from(rest)
        }
        Some(("file", _)) => return Err(refused(location)),
        Some((scheme, _)) => return Err(LocationError::Scheme(scheme.to_owned())),
        None if location.to_lowercase().starts_with("file:") => return Err(refused(location)),
        None => base.join(location),
    };
    let climbs = path.components().any(|part| part == Component::ParentDir);
    if climbs || location.contains('\0') { Err(refused(location)) } else { Ok(path) }
}

/// The URL DataFusion lists: a file, a folder (with all below it) or a glob.
///
/// # Errors
/// [`LocationError`] when nothing may be read there, or nothing is.
pub fn locate(roots: &Roots, base: &Path, location: &str) -> Result<ListingTableUrl> {
    let path = absolute(base, location)?;
    let path = roots.canonical(&path);
    let (folder, glob) = split_glob(&path);
    let opened = roots.open_path(&folder).map_err(|error| location_error(location, error))?;
    let is_folder = matches!(opened, Opened::Folder(_));
    let url = match (is_folder, &glob) {
        (true, _) => Url::from_directory_path(&folder),
        (false, None) => Url::from_file_path(&folder),
        (false, Some(_)) => return Err(LocationError::Missing(location.to_owned()).into()),
    };
    let missing = |()| LocationError::Missing(location.to_owned());
    let table_url = ListingTableUrl::try_new(url.map_err(missing)?, None)?;
    match glob {
        // What is no pattern matches no file.
        Some(glob) => Ok(table_url.with_glob(&glob).map_err(|_| missing(()))?),
        None => Ok(table_url),
    }
}

fn location_error(location: &str, error: std::io::Error) -> LocationError {
    if error.kind() == std::io::ErrorKind::NotFound {
        return LocationError::Missing(location.to_owned());
    }
    let kind = error.kind();
    match error.into_inner().and_then(|inner| inner.downcast::<Refusal>().ok()) {
        Some(refusal) => LocationError::Refused(*refusal),
        None => LocationError::Io(location.to_owned(), kind.into()),
    }
}

/// The folder before the first part with a wildcard, and the rest.
fn split_glob(path: &Path) -> (PathBuf, Option<String>) {
    let wild = |part: &Component<'_>| part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    let parts: Vec<_> = path.components().collect();
    match parts.iter().position(wild) {
        None => (path.to_owned(), None),
        Some(first) => {
            let glob: PathBuf = parts[first..].iter().collect();
            (parts[..first].iter().collect(), Some(glob.to_string_lossy().into_owned()))
        }
    }
}

fn listing_options(
    state: &SessionState,
    url: &ListingTableUrl,
    table: &FileTable,
) -> Result<ListingOptions> {
    let unknown = || LocationError::Format(table.format.clone());
    let factory = state.get_file_format_factory(&table.format).ok_or_else(unknown)?;
    let format = factory.create(state, &table.options)?;
    // In a folder the files with the format's ending are the table's; a file or a pattern names
    // its files itself.
    let extension = match (url.is_folder() && url.get_glob().is_none(), format.compression_type()) {
        (false, _) => String::new(),
        (true, Some(compression)) => format.get_ext_with_compression(&compression)?,
        (true, None) => format.get_ext(),
    };
    Ok(ListingOptions::new(format)
        .with_file_extension(extension)
        .with_table_partition_cols(table.partition_columns.clone()))
}

/// The columns found in a table's files, without its partition columns.
///
/// # Errors
/// [`LocationError`], no file at all, or files that are not of the format.
pub async fn infer_schema(
    state: &SessionState,
    url: &ListingTableUrl,
    table: &FileTable,
) -> Result<SchemaRef> {
    let options = listing_options(state, url, table)?;
    let listed = datafusion::datasource::listing::ListingTableUrl::clone(url);
    let store = state.runtime_env().object_store(&listed)?;
    let mut files = listed.list_all_files(state, store.as_ref(), &options.file_extension).await?;
    if files.try_next().await?.is_none() {
        return Err(LocationError::Missing(table.location.clone()).into());
    }
    drop(files);
    let schema = options.infer_schema(state, url).await?;
    if schema.fields().is_empty() {
        return Err(LocationError::Missing(table.location.clone()).into());
    }
    Ok(schema)
}

/// Partition columns that the folder names show (`year=2020/month=1`), in order.
///
/// # Errors
/// What listing says.
pub async fn infer_partitions(
    state: &SessionState,
    url: &ListingTableUrl,
    table: &FileTable,
) -> Result<Vec<String>> {
    if !url.is_collection() {
        return Ok(vec![]);
    }
    listing_options(state, url, table)?.infer_partitions(state, url).await
}

/// A table over files. `schema` holds the files' columns, without the partition columns.
///
/// # Errors
/// A format or an option that does not exist.
pub fn table(
    state: &SessionState,
    url: ListingTableUrl,
    name: &TableReference,
    table: &FileTable,
    schema: SchemaRef,
) -> Result<Arc<dyn TableProvider>> {
    let options = listing_options(state, &url, table)?;
    let url = url.with_table_ref(name.clone());
    let config = ListingTableConfig::new(url).with_listing_options(options).with_schema(schema);
    let cache = state.runtime_env().cache_manager.get_file_statistic_cache();
    Ok(Arc::new(ListingTable::try_new(config)?.with_cache(cache)))
}

/// A schema without its partition columns.
pub fn without(schema: &Schema, partition_columns: &[(String, DataType)]) -> SchemaRef {
    let own = |field: &&Arc<Field>| partition_columns.iter().all(|(name, _)| name != field.name());
    let fields: Vec<_> = schema.fields().iter().filter(own).cloned().collect();
    Arc::new(Schema::new(fields))
}
