//! The eight tables of TPC-H and where their rows come from.
//! In: scale factor, part. Out: batches of rows. It knows no file.

use datafusion::arrow::array::RecordBatchReader;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};

/// Batches of one share of a table: scale factor, part from 1, parts, rows a batch.
type Batches = fn(f64, i32, i32, usize) -> Box<dyn RecordBatchReader>;

/// One table.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Rows at scale factor 1, about; zero if the scale does not matter.
    rows_per_scale: f64,
    /// Its rows.
    pub batches: Batches,
}

impl Table {
    /// Its rows at `scale`, about; good for sharing out, not for counting.
    pub fn rows(&self, scale: f64) -> f64 {
        self.rows_per_scale * scale
    }
}

macro_rules! table {
    ($name:literal, $rows:literal, $generator:ident, $arrow:ident) => {
        Table {
            name: $name,
            rows_per_scale: $rows,
            batches: |scale, part, parts, rows| {
                let generator = $generator::new(scale, part, parts);
                Box::new($arrow::new(generator).with_batch_size(rows))
            },
        }
    };
}

/// All tables, the largest first.
pub static TABLES: &[Table] = &[
    table!("lineitem", 6_001_215.0, LineItemGenerator, LineItemArrow),
    table!("orders", 1_500_000.0, OrderGenerator, OrderArrow),
    table!("partsupp", 800_000.0, PartSuppGenerator, PartSuppArrow),
    table!("part", 200_000.0, PartGenerator, PartArrow),
    table!("customer", 150_000.0, CustomerGenerator, CustomerArrow),
    table!("supplier", 10_000.0, SupplierGenerator, SupplierArrow),
    table!("nation", 0.0, NationGenerator, NationArrow),
    table!("region", 0.0, RegionGenerator, RegionArrow),
];
