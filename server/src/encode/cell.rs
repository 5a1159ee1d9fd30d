//! A column bound for writing: one virtual call per value, everything inside it known at compile
//! time. In: Arrow buffers. Out: payload bytes, or a length and payload. It chooses nothing: which
//! writer a column gets is decided in `bind`.

use bytes::BytesMut;
use datafusion::arrow::array::Array;
use datafusion::arrow::buffer::{NullBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::ArrowNativeType;

use crate::error::{PgError, SqlState};

/// Why a value has no PostgreSQL form. One byte, so that the hot path returns it in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwritable {
    /// An integer that its declared type cannot hold.
    Number,
    /// A date or time beyond the range of the binary format.
    Moment,
    /// A list of lists of different lengths, which binary arrays cannot express.
    Ragged,
    /// A text that its declared type does not have.
    Malformed,
    /// A value longer than a field may be.
    TooLong,
}

impl From<Unwritable> for PgError {
    fn from(why: Unwritable) -> Self {
        let (state, message) = match why {
            Unwritable::Number => (SqlState::NumericOutOfRange, "value out of range for its type"),
            Unwritable::Moment => (SqlState::DatetimeOverflow, "date/time value out of range"),
            Unwritable::Ragged => (
                SqlState::ArraySubscript,
                "multidimensional arrays must have sub-arrays with matching dimensions",
            ),
            Unwritable::Malformed => {
                (SqlState::InvalidBinaryRepresentation, "value has no binary form of its type")
            }
            Unwritable::TooLong => (SqlState::ProgramLimitExceeded, "value is too long to send"),
        };
        Self::new(state, message)
    }
}

/// What writing one value gives.
pub(crate) type Written = Result<(), Unwritable>;

/// A column that can write each of its values.
pub(crate) trait Cell: Send + Sync {
    /// True if the row has no value.
    fn is_null(&self, row: usize) -> bool;

    /// Appends the payload of a row that is not NULL.
    fn put(&self, row: usize, out: &mut BytesMut) -> Written;

    /// About how many bytes all values take, for reserving.
    fn bytes_hint(&self) -> usize;

    /// Appends length and payload, or the length -1 of NULL. Provided, so that each implementation
    /// gets a copy with `is_null` and `put` inlined.
    fn put_field(&self, row: usize, out: &mut BytesMut) -> Written {
        let at = out.len();
        out.extend_from_slice(&NULL_FIELD);
        if self.is_null(row) {
            return Ok(());
        }
        self.put(row, out)?;
        patch_length(out, at)
    }
}

/// A bound column of any kind.
pub(crate) type BoxCell = Box<dyn Cell>;

/// The length that means NULL.
pub(crate) const NULL_FIELD: [u8; 4] = (-1_i32).to_be_bytes();

/// Writes at `at` how many bytes follow the length there.
#[inline]
pub(crate) fn patch_length(out: &mut BytesMut, at: usize) -> Written {
    let length = i32::try_from(out.len() - at - 4).map_err(|_| Unwritable::TooLong)?;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// True if the row is NULL by this mask.
#[inline]
pub(crate) fn null_at(nulls: Option<&NullBuffer>, row: usize) -> bool {
    nulls.is_some_and(|n| n.is_null(row))
}

/// Values of fixed width and the function that writes one.
pub(crate) struct Fixed<T: ArrowNativeType, F> {
    values: ScalarBuffer<T>,
    nulls: Option<NullBuffer>,
    put: F,
}

impl<T, F> Fixed<T, F>
where
    T: ArrowNativeType,
    F: Fn(T, &mut BytesMut) -> Written + Send + Sync + 'static,
{
    /// Binds the buffers to `put`.
    pub(crate) fn boxed(values: ScalarBuffer<T>, nulls: Option<&NullBuffer>, put: F) -> BoxCell {
        Box::new(Self { values, nulls: nulls.cloned(), put })
    }
}

impl<T, F> Cell for Fixed<T, F>
where
    T: ArrowNativeType,
    F: Fn(T, &mut BytesMut) -> Written + Send + Sync + 'static,
{
    fn is_null(&self, row: usize) -> bool {
        null_at(self.nulls.as_ref(), row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Written {
        (self.put)(self.values[row], out)
    }

    fn bytes_hint(&self) -> usize {
        self.values.len() * (size_of::<T>() * 2 + 4)
    }
}

/// An array whose values are read by a function of the row: strings, bytes, booleans.
pub(crate) struct Indexed<A, F> {
    array: A,
    put: F,
    hint: usize,
}

impl<A, F> Indexed<A, F>
where
    A: Array + 'static,
    F: Fn(&A, usize, &mut BytesMut) -> Written + Send + Sync + 'static,
{
    /// Binds the array to `put`; `hint` is about how many payload bytes all rows take.
    pub(crate) fn boxed(array: A, hint: usize, put: F) -> BoxCell {
        Box::new(Self { array, put, hint })
    }
}

impl<A, F> Cell for Indexed<A, F>
where
    A: Array + 'static,
    F: Fn(&A, usize, &mut BytesMut) -> Written + Send + Sync + 'static,
{
    fn is_null(&self, row: usize) -> bool {
        null_at(self.array.nulls(), row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Written {
        (self.put)(&self.array, row, out)
    }

    fn bytes_hint(&self) -> usize {
        self.hint + 4 * self.array.len()
    }
}

/// Rows that point into other values: dictionaries and runs.
pub(crate) struct Pointing {
    /// The mask of the pointers; the values have their own.
    pub(crate) nulls: Option<NullBuffer>,
    /// For each row, the index of its value; anything where the pointer is NULL.
    pub(crate) indices: Vec<usize>,
    /// What is pointed at.
    pub(crate) values: BoxCell,
    /// How many values there are.
    pub(crate) value_count: usize,
}

impl Cell for Pointing {
    fn is_null(&self, row: usize) -> bool {
        null_at(self.nulls.as_ref(), row) || self.values.is_null(self.indices[row])
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Written {
        self.values.put(self.indices[row], out)
    }

    fn bytes_hint(&self) -> usize {
        // A dictionary may be far larger or smaller than the rows that use it.
        self.indices.len() * (self.values.bytes_hint() / self.value_count.max(1)).clamp(8, 1024)
    }
}

/// A column without any value, of so many rows.
pub(crate) struct AllNull(pub(crate) usize);

impl Cell for AllNull {
    fn is_null(&self, _row: usize) -> bool {
        true
    }

    fn put(&self, _row: usize, _out: &mut BytesMut) -> Written {
        Ok(())
    }

    fn bytes_hint(&self) -> usize {
        4 * self.0
    }
}
