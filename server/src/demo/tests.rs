//! The demo's files: readable, complete, made once.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::DataType;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("mobula-demo-{:x}", rand::random::<u64>()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn rows(table: &DemoTable) -> usize {
    let files = fs::read_dir(&table.path).unwrap();
    files
        .map(|file| {
            let file = File::open(file.unwrap().path()).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
            reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>()
        })
        .sum()
}

#[test]
fn a_tiny_scale_is_complete_and_made_once() {
    let folder = Folder::new();
    // What a killed start leaves behind.
    let staging = folder.0.join("demo/.staging-sf0.001/lineitem");
    fs::create_dir_all(&staging).unwrap();
    fs::write(staging.join("part-1.parquet"), "half a file").unwrap();

    let tables = generate(&folder.0, 0.001, 2).unwrap();
    let counts: BTreeMap<_, _> = tables.iter().map(|table| (table.name, rows(table))).collect();
    let expected = [
        ("customer", 150),
        ("lineitem", 6005),
        ("nation", 25),
        ("orders", 1500),
        ("part", 200),
        ("partsupp", 800),
        ("region", 5),
        ("supplier", 10),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
    assert!(!folder.0.join("demo/.staging-sf0.001").exists());

    let file = folder.0.join("demo/sf0.001/lineitem/part-1.parquet");
    let made = fs::metadata(&file).unwrap().modified().unwrap();
    assert_eq!(generate(&folder.0, 0.001, 2).unwrap(), tables);
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), made);
    // A folder without its marker is not believed.
    fs::remove_file(folder.0.join("demo/sf0.001").join(MARKER)).unwrap();
    generate(&folder.0, 0.001, 1).unwrap();
    assert_ne!(fs::metadata(&file).unwrap().modified().unwrap(), made);
}

#[test]
fn columns_have_the_types_of_the_specification() {
    let folder = Folder::new();
    let tables = generate(&folder.0, 0.001, 1).unwrap();
    let lineitem = tables.iter().find(|table| table.name == "lineitem").unwrap();
    let file = File::open(lineitem.path.join("part-1.parquet")).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let field = |name: &str| reader.schema().field_with_name(name).unwrap().clone();
    assert_eq!(field("l_orderkey").data_type(), &DataType::Int64);
    assert_eq!(field("l_quantity").data_type(), &DataType::Decimal128(15, 2));
    assert_eq!(field("l_shipdate").data_type(), &DataType::Date32);
    assert_eq!(field("l_comment").data_type(), &DataType::Utf8);
    assert!(!field("l_comment").is_nullable());
    let group = reader.metadata().row_group(0);
    assert!(group.columns().iter().all(|column| column.statistics().is_some()));
    assert!(group.columns().iter().all(|column| column.column_index_length().is_some()));
}

#[test]
fn files_are_shared_out_by_scale_alone() {
    let count = |scale: f64, name: &str| {
        let jobs = jobs(scale, Path::new("/staging"));
        jobs.iter().filter(|job| job.table.name == name).count()
    };
    assert_eq!((count(1.0, "lineitem"), count(1.0, "orders"), count(1.0, "nation")), (7, 2, 1));
    assert_eq!((count(0.1, "lineitem"), count(10.0, "lineitem")), (1, 62));
}
