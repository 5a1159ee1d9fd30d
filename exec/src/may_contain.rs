//! Whether a row's keys may be in a set. In: keys, and a set of hashes. Out: "no" or "perhaps".
//! Made where it is asked; it does not travel.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

use crate::bloom::Bloom;
use crate::keys::hash;

/// Whether keys may be in a set.
#[derive(Debug)]
pub(crate) struct MayContain {
    keys: Vec<Arc<dyn PhysicalExpr>>,
    bloom: Arc<Bloom>,
}

impl MayContain {
    /// Whether these may be in that set.
    pub(crate) fn new(keys: Vec<Arc<dyn PhysicalExpr>>, bloom: Arc<Bloom>) -> Self {
        Self { keys, bloom }
    }
}

impl PartialEq for MayContain {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bloom, &other.bloom) && self.keys == other.keys
    }
}

impl Eq for MayContain {}

impl Hash for MayContain {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.bloom).hash(state);
        self.keys.hash(state);
    }
}

impl fmt::Display for MayContain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.keys.iter().map(ToString::to_string).collect();
        write!(f, "may_contain({})", keys.join(", "))
    }
}

impl PhysicalExpr for MayContain {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(false)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let keys = self.keys.iter().map(|key| key.evaluate(batch)?.into_array(batch.num_rows()));
        let keys: Vec<ArrayRef> = keys.collect::<Result<_>>()?;
        let mut hashes = vec![];
        hash(&keys, &mut hashes)?;
        let passes =
            BooleanBuffer::collect_bool(hashes.len(), |row| self.bloom.may_contain(hashes[row]));
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::new(passes, None))))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.keys.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        keys: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self { keys, bloom: Arc::clone(&self.bloom) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
