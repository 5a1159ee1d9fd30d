//! Buffers of tasks as Python sees them. In: memory of ours, or of Ray's store. Out: the same
//! memory on the other side; nothing is copied here.

use std::ffi::c_int;
use std::sync::Arc;

use bytes::Bytes;
use exec::output::{Buffer, Segment};
use exec::spool::Kept;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use ray_bridge::SMALL_BYTES;
use ray_bridge::messages::Small;

/// Bytes of ours that Python may read.
#[pyclass(frozen)]
pub struct Written(Bytes);

#[pymethods]
impl Written {
    #[expect(unsafe_code, reason = "the buffer protocol is C")]
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let bytes = &slf.get().0;
        let length = isize::try_from(bytes.len())
            .map_err(|_| PyBufferError::new_err("a segment is too long"))?;
        // SAFETY: Python hands a view to fill in; it then holds `slf`, which holds the bytes and
        // never changes them.
        let filled = unsafe {
            let start = bytes.as_ptr().cast_mut().cast();
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, length, 1, flags)
        };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

/// A buffer as `task.py` takes it: rows, the partition of each segment, the segments.
pub type Parts = (usize, Vec<usize>, Vec<Written>);

/// A buffer that was written, with its segments in memory.
///
/// # Errors
/// What the disk says.
pub async fn parts(buffer: Buffer) -> datafusion::common::Result<Parts> {
    let mut segments = vec![];
    let partitions = buffer.segments.iter().map(|segment| segment.partition).collect();
    for segment in buffer.segments {
        segments.push(Written(segment.stream.read().await?));
    }
    Ok((buffer.rows, partitions, segments))
}

/// The buffers, if they are small enough to travel with the report; else none.
pub fn small(written: &[Parts]) -> Vec<Small> {
    let segments = written.iter().flat_map(|(.., segments)| segments);
    if segments.map(|segment| segment.0.len()).sum::<usize>() > SMALL_BYTES {
        return vec![];
    }
    let small = |(rows, partitions, segments): &Parts| Small {
        rows: *rows as u64,
        partitions: partitions.iter().map(|partition| *partition as u64).collect(),
        segments: segments.iter().map(|segment| segment.0.clone()).collect(),
    };
    written.iter().map(small).collect()
}

/// A buffer from Ray's store.
///
/// # Errors
/// An object that is none.
pub fn read(object: &Bound<'_, PyAny>) -> PyResult<Arc<Buffer>> {
    let object = object.cast::<PyTuple>()?;
    let partitions: Vec<usize> = object.get_item(1)?.extract()?;
    let mut segments = vec![];
    for (partition, bytes) in partitions.into_iter().zip(object.get_item(2)?.try_iter()?) {
        let stored = Stored(PyBuffer::get(&bytes?)?);
        let stream = Kept::from(Bytes::from_owner(stored));
        segments.push(Segment { partition, stream });
    }
    Ok(Arc::new(Buffer { segments, rows: object.get_item(0)?.extract()? }))
}

/// Memory that Ray holds as long as this does.
struct Stored(PyBuffer<u8>);

impl AsRef<[u8]> for Stored {
    #[expect(unsafe_code, reason = "the buffer protocol is C")]
    fn as_ref(&self) -> &[u8] {
        if self.0.len_bytes() == 0 {
            return &[];
        }
        // SAFETY: the view is contiguous (`PyBuffer::get` of Ray's memory), read-only and held.
        unsafe { std::slice::from_raw_parts(self.0.buf_ptr().cast(), self.0.len_bytes()) }
    }
}
