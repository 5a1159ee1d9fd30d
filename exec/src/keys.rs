//! Which keys a stage's rows have, in short, for a filter in another stage. In: batches and what of
//! them is a key. Out: how many rows, the least and the greatest of each key, and their hashes, or
//! a set of these when there are many: one row of a record batch. Who reads those of all tasks
//! knows how many there are, and how large a set is good for so many; one task does not.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::common::{Result, ScalarValue, internal_datafusion_err};
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::{Accumulator, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, lit};

use crate::bloom::{self, Bloom, LARGEST_FROM};
use crate::may_contain::MayContain;

/// The same in every process.
pub(crate) const HASHES: RandomState = RandomState::with_seed(0x6d6f_6275_6c61);

/// Keys of rows that are still being made.
#[derive(Debug)]
pub(crate) struct KeysWriter {
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    bounds: Vec<Option<(MinAccumulator, MaxAccumulator)>>,
    types: Vec<DataType>,
    rows: usize,
    set: Set,
    hashes: Vec<u64>,
}

/// Hashes of keys.
#[derive(Debug, Clone)]
enum Set {
    /// Each of them; neighbours that are equal count as one.
    Few(Vec<u64>),
    /// A set of the largest size.
    Many(Bloom),
}

impl Set {
    fn add(&mut self, hashes: &[u64]) {
        match self {
            Self::Few(all) => {
                let mut last = all.last().copied();
                all.extend(hashes.iter().filter(|hash| last.replace(**hash) != Some(**hash)));
                if all.len() > LARGEST_FROM {
                    let mut bloom = Bloom::largest();
                    bloom.add(all);
                    *self = Self::Many(bloom);
                }
            }
            Self::Many(bloom) => bloom.add(hashes),
        }
    }

    fn merge(&mut self, other: &Self) {
        match (&mut *self, other) {
            (_, Self::Few(hashes)) => self.add(hashes),
            (Self::Many(bloom), Self::Many(others)) => bloom.merge(others),
            (Self::Few(hashes), Self::Many(others)) => {
                let mut bloom = others.clone();
                bloom.add(hashes);
                *self = Self::Many(bloom);
            }
        }
    }

    /// What is asked whether it may have a hash; none when it would say so of most.
    fn finish(self, rows: usize) -> Option<Bloom> {
        match self {
            Self::Few(hashes) => Some(Bloom::of(&hashes)),
            Self::Many(bloom) => bloom.fold(rows),
        }
    }
}

impl KeysWriter {
    /// For keys of rows of a schema.
    pub(crate) fn new(exprs: Vec<Arc<dyn PhysicalExpr>>, schema: &Schema) -> Result<Self> {
        let types: Vec<_> =
            exprs.iter().map(|expr| expr.data_type(schema)).collect::<Result<_>>()?;
        let bounds = types.iter().map(|of| {
            let both = || Ok((MinAccumulator::try_new(of)?, MaxAccumulator::try_new(of)?));
            has_bounds(of).then(both).transpose()
        });
        let bounds = bounds.collect::<Result<_>>()?;
        Ok(Self { exprs, bounds, types, rows: 0, set: Set::Few(vec![]), hashes: vec![] })
    }

    /// Adds the keys of a batch.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let keys = self.exprs.iter().map(|expr| expr.evaluate(batch)?.into_array(batch.num_rows()));
        let keys: Vec<ArrayRef> = keys.collect::<Result<_>>()?;
        self.rows += batch.num_rows();
        for (key, bounds) in keys.iter().zip(&mut self.bounds) {
            if let Some((least, greatest)) = bounds {
                least.update_batch(std::slice::from_ref(key))?;
                greatest.update_batch(std::slice::from_ref(key))?;
            }
        }
        hash(&keys, &mut self.hashes)?;
        self.set.add(&self.hashes);
        Ok(())
    }

    /// What was found.
    pub(crate) fn finish(self) -> Result<Keys> {
        let bounds = self.bounds.into_iter().zip(&self.types).map(|(bounds, of)| match bounds {
            Some((mut least, mut greatest)) => Ok((least.evaluate()?, greatest.evaluate()?)),
            None => Ok((ScalarValue::try_new_null(of)?, ScalarValue::try_new_null(of)?)),
        });
        let bounds = bounds.collect::<Result<_>>()?;
        Ok(Keys { rows: self.rows, bounds, set: self.set })
    }
}

/// The hash of each row's keys. Equal keys have equal hashes; NULL has one too.
pub(crate) fn hash(keys: &[ArrayRef], hashes: &mut Vec<u64>) -> Result<()> {
    hashes.clear();
    hashes.resize(keys.first().map_or(0, |key| key.len()), 0);
    create_hashes(keys, &HASHES, hashes)?;
    Ok(())
}

/// Whether "less" says of the type what "equal" does: not of floats, for NaN.
fn has_bounds(of: &DataType) -> bool {
    of.is_integer() || of.is_decimal() || of.is_temporal() || of.is_string()
}

/// The keys of a stage's rows, or of a part of them.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    rows: usize,
    /// Least and greatest of each key; NULL when not known.
    bounds: Vec<(ScalarValue, ScalarValue)>,
    set: Set,
}

impl Keys {
    /// Adds the keys of other rows.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<()> {
        if other.rows == 0 {
            return Ok(());
        }
        if self.rows == 0 {
            *self = other.clone();
            return Ok(());
        }
        self.rows += other.rows;
        for (bounds, others) in self.bounds.iter_mut().zip(&other.bounds) {
            if others.0.is_null() || others.0 < bounds.0 {
                bounds.0 = others.0.clone();
            }
            if others.1.is_null() || others.1 > bounds.1 {
                bounds.1 = others.1.clone();
            }
        }
        self.set.merge(&other.set);
        Ok(())
    }

    /// As one row.
    pub(crate) fn to_batch(&self) -> Result<RecordBatch> {
        let (hashes, bloom) = match &self.set {
            Set::Few(hashes) => (Some(bloom::bytes(hashes)), None),
            Set::Many(bloom) => (None, Some(bloom.to_bytes())),
        };
        let mut fields = vec![
            Field::new("rows", DataType::UInt64, false),
            Field::new("hashes", DataType::Binary, true),
            Field::new("bloom", DataType::Binary, true),
        ];
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from(vec![self.rows as u64])),
            Arc::new(BinaryArray::from(vec![hashes.as_deref()])),
            Arc::new(BinaryArray::from(vec![bloom.as_deref()])),
        ];
        for value in self.bounds.iter().flat_map(|(least, greatest)| [least, greatest]) {
            fields.push(Field::new("bound", value.data_type(), true));
            columns.push(value.to_array()?);
        }
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        Ok(RecordBatch::try_new(schema, columns)?)
    }

    /// From one row.
    pub(crate) fn from_batch(batch: &RecordBatch) -> Result<Self> {
        let other = || internal_datafusion_err!("keys that cannot be read");
        let [rows, hashes, bloom, bounds @ ..] = batch.columns() else { return Err(other()) };
        let rows = rows.as_primitive_opt::<UInt64Type>().filter(|rows| rows.len() == 1);
        let rows = rows.ok_or_else(other)?.value(0) as usize;
        let hashes = hashes.as_binary_opt::<i32>().ok_or_else(other)?;
        let bloom = bloom.as_binary_opt::<i32>().ok_or_else(other)?;
        let set = match bloom.is_null(0) {
            true => bloom::words(hashes.value(0)).map(Set::Few),
            false => Bloom::from_bytes(bloom.value(0)).map(Set::Many),
        };
        let set = set.ok_or_else(other)?;
        let value = |column: &ArrayRef| ScalarValue::try_from_array(column, 0);
        let (pairs, _) = bounds.as_chunks::<2>();
        let bounds = pairs.iter().map(|[least, greatest]| Ok((value(least)?, value(greatest)?)));
        Ok(Self { rows, bounds: bounds.collect::<Result<_>>()?, set })
    }

    /// What holds of keys that may be among these.
    pub(crate) fn predicate(self, keys: &[Arc<dyn PhysicalExpr>]) -> Arc<dyn PhysicalExpr> {
        if self.rows == 0 {
            return lit(false);
        }
        let mut conditions = vec![];
        for (key, (least, greatest)) in keys.iter().zip(self.bounds) {
            for (op, bound) in [(Operator::GtEq, least), (Operator::LtEq, greatest)] {
                if !bound.is_null() {
                    conditions
                        .push(Arc::new(BinaryExpr::new(Arc::clone(key), op, lit(bound))) as _);
                }
            }
        }
        if let Some(bloom) = self.set.finish(self.rows) {
            conditions.push(Arc::new(MayContain::new(keys.to_vec(), Arc::new(bloom))) as _);
        }
        let both = |all, next| Arc::new(BinaryExpr::new(all, Operator::And, next)) as _;
        conditions.into_iter().reduce(both).unwrap_or_else(|| lit(true))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int32Array, StringArray};
    use datafusion::physical_expr::expressions::col;

    use super::*;

    fn batch(numbers: Vec<Option<i32>>, texts: Vec<&str>) -> RecordBatch {
        let fields = [("n", DataType::Int32), ("t", DataType::Utf8)];
        let fields = fields.map(|(name, of)| Field::new(name, of, true));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Int32Array::from(numbers)), Arc::new(StringArray::from(texts))];
        RecordBatch::try_new(schema, columns).expect("a batch")
    }

    fn exprs(schema: &Schema) -> Vec<Arc<dyn PhysicalExpr>> {
        ["n", "t"].map(|name| col(name, schema).expect("a column")).to_vec()
    }

    fn keys(batch: &RecordBatch) -> Keys {
        let schema = batch.schema();
        let mut writer = KeysWriter::new(exprs(&schema), &schema).expect("keys");
        writer.add(batch).expect("adds");
        let row = writer.finish().expect("ends").to_batch().expect("a row");
        Keys::from_batch(&row).expect("reads")
    }

    fn passing(keys: Keys, batch: &RecordBatch) -> Vec<bool> {
        let predicate = keys.predicate(&exprs(&batch.schema()));
        let mask = predicate.evaluate(batch).expect("evaluates");
        let mask = mask.into_array(batch.num_rows()).expect("an array");
        mask.as_boolean().iter().map(|passes| passes == Some(true)).collect()
    }

    #[test]
    fn keys_that_were_there_pass_and_others_do_not() {
        let (first, second) =
            (batch(vec![Some(3), None], vec!["c", "d"]), batch(vec![Some(7)], vec!["x"]));
        let mut all = keys(&first);
        all.merge(&keys(&second)).expect("merges");
        all.merge(&keys(&batch(vec![], vec![]))).expect("merges");
        let asked =
            batch(vec![Some(3), Some(7), Some(8), Some(3), Some(2)], vec!["c", "x", "x", "x", "c"]);
        assert_eq!(passing(all, &asked), [true, true, false, false, false]);
    }

    #[test]
    fn the_keys_of_many_tasks_are_told_apart_as_those_of_one() {
        let part = |n: i32| batch(vec![Some(n * 16), Some(n * 16 + 8)], vec!["t", "t"]);
        let mut all = keys(&part(0));
        (1..1_000).for_each(|n| all.merge(&keys(&part(n))).expect("merges"));
        let asked = batch((0..16_000).map(Some).collect(), vec!["t"; 16_000]);
        let passed = passing(all, &asked).into_iter().filter(|passes| *passes).count();
        assert!((2_000..2_500).contains(&passed), "{passed} pass, 2000 are there");
    }

    #[test]
    fn many_keys_are_a_set() {
        let rows = LARGEST_FROM as i32 / 2 + 1;
        let text = vec!["t"; rows as usize];
        let even =
            |from: i32| batch((from..from + rows).map(|n| Some(n * 2)).collect(), text.clone());
        let mut all = keys(&even(0));
        all.merge(&keys(&even(rows))).expect("merges");
        assert!(matches!(all.set, Set::Many(_)));
        all.merge(&keys(&batch(vec![Some(1)], vec!["t"]))).expect("merges");
        let mut other = keys(&batch(vec![Some(3)], vec!["t"]));
        other.merge(&all).expect("merges");
        let asked = batch((0..10_000).map(Some).collect(), vec!["t"; 10_000]);
        let passed = passing(other, &asked);
        assert!([0, 1, 2, 3, 4, 9_998].iter().all(|there| passed[*there]));
        let passed = passed.into_iter().filter(|passes| *passes).count();
        assert!((5_002..5_500).contains(&passed), "{passed} pass, 5002 are there");
    }

    #[test]
    fn no_rows_let_nothing_pass() {
        let none = keys(&batch(vec![], vec![]));
        assert_eq!(passing(none, &batch(vec![Some(1)], vec!["a"])), [false]);
    }
}
