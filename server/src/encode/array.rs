//! Lists as PostgreSQL arrays of one or more dimensions, and as oidvector and int2vector.
//! In: Arrow lists and a bound cell for their elements. Out: `{1,NULL,"a b"}` or the binary form.
//! How an element looks is not its business, only when it needs quotes.

use std::ops::Range;

use bytes::BytesMut;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::DataType;

use super::cell::{BoxCell, Cell, Unwritable, Written, null_at};
use crate::types::oid;

/// PostgreSQL's MAXDIM.
pub(super) const DIMENSIONS_MAX: usize = 6;

/// Where the elements of each row of a list lie.
enum Spans {
    Offsets(OffsetBuffer<i32>),
    LargeOffsets(OffsetBuffer<i64>),
    Width(usize),
    Views(ScalarBuffer<i32>, ScalarBuffer<i32>),
    LargeViews(ScalarBuffer<i64>, ScalarBuffer<i64>),
}

/// The rows of a list: which are NULL, and which elements the others have.
pub(super) struct ListRows {
    spans: Spans,
    /// Where in the Arrow list's values the elements start that these rows use.
    base: usize,
    nulls: Option<NullBuffer>,
    row_count: usize,
}

impl ListRows {
    /// The rows of an Arrow list and its elements; `None` if it is not a list.
    pub(super) fn of(array: &dyn Array) -> Option<(Self, ArrayRef)> {
        let (spans, values) = match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                (Spans::Offsets(list.offsets().clone()), list.values())
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                (Spans::LargeOffsets(list.offsets().clone()), list.values())
            }
            DataType::FixedSizeList(_, width) => {
                (Spans::Width(usize::try_from(*width).ok()?), array.as_fixed_size_list().values())
            }
            DataType::ListView(_) => {
                let list = array.as_list_view::<i32>();
                (Spans::Views(list.offsets().clone(), list.sizes().clone()), list.values())
            }
            DataType::LargeListView(_) => {
                let list = array.as_list_view::<i64>();
                (Spans::LargeViews(list.offsets().clone(), list.sizes().clone()), list.values())
            }
            _ => return None,
        };
        let used = match &spans {
            // A slice of a list keeps all values of the whole.
            Spans::Offsets(offsets) => first_and_last(offsets),
            Spans::LargeOffsets(offsets) => first_and_last(offsets),
            _ => 0..values.len(),
        };
        let (nulls, row_count) = (array.nulls().cloned(), array.len());
        let rows = Self { spans, base: used.start, nulls, row_count };
        Some((rows, values.slice(used.start, used.len())))
    }

    /// True if the row has no list.
    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        null_at(self.nulls.as_ref(), row)
    }

    /// The elements of a row.
    #[inline]
    pub(super) fn span(&self, row: usize) -> Range<usize> {
        let from_base = |start: usize, end: usize| start - self.base..end - self.base;
        match &self.spans {
            Spans::Offsets(at) => from_base(at[row] as usize, at[row + 1] as usize),
            Spans::LargeOffsets(at) => from_base(at[row] as usize, at[row + 1] as usize),
            Spans::Width(width) => row * width..(row + 1) * width,
            Spans::Views(starts, sizes) => {
                starts[row] as usize..starts[row] as usize + sizes[row] as usize
            }
            Spans::LargeViews(starts, sizes) => {
                starts[row] as usize..starts[row] as usize + sizes[row] as usize
            }
        }
    }

    /// How many rows there are.
    pub(super) fn row_count(&self) -> usize {
        self.row_count
    }
}

fn first_and_last<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> Range<usize> {
    let end = |o: Option<&O>| o.map_or(0, |o| o.as_usize());
    end(offsets.first())..end(offsets.last())
}

/// How long an array is in each dimension.
#[derive(Default)]
struct Dimensions {
    lengths: [usize; DIMENSIONS_MAX],
    count: usize,
}

impl Dimensions {
    fn lengths(&self) -> &[usize] {
        &self.lengths[..self.count]
    }
}

/// Lists in lists down to the elements.
pub(super) struct ArrayRows {
    /// The outermost first.
    pub(super) levels: Vec<ListRows>,
    /// The elements of the innermost lists.
    pub(super) elements: BoxCell,
    /// The type of the elements.
    pub(super) element_oid: u32,
}

impl ArrayRows {
    /// The length of each dimension of a row, none for an array without elements. A list of lists
    /// is an array only if it is a box: no NULL among the lists, the same length for all.
    fn dimensions(&self, row: usize) -> Result<Dimensions, Unwritable> {
        let mut dimensions = Dimensions::default();
        self.measure(0, row, &mut dimensions)?;
        if dimensions.lengths().contains(&0) {
            dimensions.count = 0;
        }
        Ok(dimensions)
    }

    fn measure(&self, level: usize, list: usize, into: &mut Dimensions) -> Written {
        let Some(lists) = self.levels.get(level) else { return Ok(()) };
        let span = lists.span(list);
        if into.count == level {
            into.lengths[level] = span.len();
            into.count = level + 1;
        }
        if lists.is_null(list) || into.lengths[level] != span.len() {
            return Err(Unwritable::Ragged);
        }
        if level + 1 < self.levels.len() {
            for inner in span {
                self.measure(level + 1, inner, into)?;
            }
        }
        Ok(())
    }

    /// Calls `put` with the elements of the innermost lists, one list after the other.
    fn each_list(
        &self,
        level: usize,
        list: usize,
        put: &mut impl FnMut(Range<usize>) -> Written,
    ) -> Written {
        let span = self.levels[level].span(list);
        if level + 1 == self.levels.len() {
            return put(span);
        }
        for inner in span {
            self.each_list(level + 1, inner, put)?;
        }
        Ok(())
    }

    fn has_elements(&self, level: usize, span: Range<usize>) -> bool {
        match self.levels.get(level) {
            None => !span.is_empty(),
            // A NULL list is no array, but it is there: let the text show it.
            Some(lists) => span
                .into_iter()
                .any(|list| lists.is_null(list) || self.has_elements(level + 1, lists.span(list))),
        }
    }

    fn bytes_hint(&self) -> usize {
        self.elements.bytes_hint() + 20 * self.levels[0].row_count()
    }
}

/// The text form of arrays.
pub(super) struct ArrayText {
    rows: ArrayRows,
    may_need_quotes: bool,
}

impl ArrayText {
    /// Elements of these types never need quotes.
    pub(super) fn new(rows: ArrayRows) -> Self {
        let bare = [oid::BOOL, oid::INT2, oid::INT4, oid::INT8, oid::OID, oid::FLOAT4];
        let bare = bare.contains(&rows.element_oid)
            || [oid::FLOAT8, oid::NUMERIC, oid::XID, oid::UUID].contains(&rows.element_oid);
        Self { rows, may_need_quotes: !bare }
    }

    fn put_level(&self, level: usize, span: Range<usize>, out: &mut BytesMut) -> Written {
        let lists = self.rows.levels.get(level);
        out.extend_from_slice(b"{");
        for (place, index) in span.enumerate() {
            if place > 0 {
                out.extend_from_slice(b",");
            }
            match lists {
                Some(lists) if lists.is_null(index) => out.extend_from_slice(b"NULL"),
                Some(lists) => self.put_level(level + 1, lists.span(index), out)?,
                None => self.put_element(index, out)?,
            }
        }
        out.extend_from_slice(b"}");
        Ok(())
    }

    fn put_element(&self, index: usize, out: &mut BytesMut) -> Written {
        if self.rows.elements.is_null(index) {
            out.extend_from_slice(b"NULL");
            return Ok(());
        }
        let at = out.len();
        self.rows.elements.put(index, out)?;
        if self.may_need_quotes {
            quote_from(at, out);
        }
        Ok(())
    }
}

impl Cell for ArrayText {
    fn is_null(&self, row: usize) -> bool {
        self.rows.levels[0].is_null(row)
    }

    /// A ragged list of lists has no array, but braces show it well enough.
    fn put(&self, row: usize, out: &mut BytesMut) -> Written {
        let span = self.rows.levels[0].span(row);
        if !self.rows.has_elements(1, span.clone()) {
            out.extend_from_slice(b"{}");
            return Ok(());
        }
        self.put_level(1, span, out)
    }

    fn bytes_hint(&self) -> usize {
        self.rows.bytes_hint()
    }
}

/// Puts the text from `at` on into quotes if an array needs that, in place.
fn quote_from(at: usize, out: &mut BytesMut) {
    let text = &out[at..];
    let special = |b: &u8| matches!(b, b'"' | b'\\' | b'{' | b'}' | b',' | b' ' | 9..=13);
    if !text.is_empty() && !text.eq_ignore_ascii_case(b"null") && !text.iter().any(special) {
        return;
    }
    let escapes = text.iter().filter(|b| matches!(b, b'"' | b'\\')).count();
    let (mut from, end) = (out.len(), out.len() + escapes + 2);
    out.resize(end, b'"');
    // From the back, so that nothing is overwritten before it has moved.
    let mut to = end - 1;
    while from > at {
        from -= 1;
        to -= 1;
        let byte = out[from];
        out[to] = byte;
        if matches!(byte, b'"' | b'\\') {
            to -= 1;
            out[to] = b'\\';
        }
    }
    out[at] = b'"';
}

/// The binary form of arrays.
pub(super) struct ArrayBinary(pub(super) ArrayRows);

impl Cell for ArrayBinary {
    fn is_null(&self, row: usize) -> bool {
        self.0.levels[0].is_null(row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Written {
        let dimensions = self.0.dimensions(row)?;
        put_binary_array(&self.0, row, (dimensions.lengths(), 1), out)
    }

    fn bytes_hint(&self) -> usize {
        self.0.bytes_hint()
    }
}

/// Header, dimensions with their lower bound, elements.
fn put_binary_array(
    rows: &ArrayRows,
    row: usize,
    (lengths, lower_bound): (&[usize], i32),
    out: &mut BytesMut,
) -> Written {
    let length = |n: usize| i32::try_from(n).map_err(|_| Unwritable::TooLong);
    out.extend_from_slice(&length(lengths.len())?.to_be_bytes());
    let flag_at = out.len();
    out.extend_from_slice(&0_i32.to_be_bytes());
    out.extend_from_slice(&rows.element_oid.to_be_bytes());
    for dimension in lengths {
        out.extend_from_slice(&length(*dimension)?.to_be_bytes());
        out.extend_from_slice(&lower_bound.to_be_bytes());
    }
    let mut has_null = false;
    rows.each_list(0, row, &mut |span| {
        for element in span {
            has_null |= rows.elements.is_null(element);
            rows.elements.put_field(element, out)?;
        }
        Ok(())
    })?;
    out[flag_at + 3] = u8::from(has_null);
    Ok(())
}

/// oidvector and int2vector: text without braces, and a lower bound of 0.
pub(super) struct VectorCell {
    pub(super) rows: ArrayRows,
    pub(super) binary: bool,
}

impl Cell for VectorCell {
    fn is_null(&self, row: usize) -> bool {
        self.rows.levels[0].is_null(row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Written {
        let span = self.rows.levels[0].span(row);
        if self.binary {
            return put_binary_array(&self.rows, row, (&[span.len()], 0), out);
        }
        for (place, element) in span.enumerate() {
            if place > 0 {
                out.extend_from_slice(b" ");
            }
            if self.rows.elements.is_null(element) {
                return Err(Unwritable::Malformed);
            }
            self.rows.elements.put(element, out)?;
        }
        Ok(())
    }

    fn bytes_hint(&self) -> usize {
        self.rows.bytes_hint()
    }
}
