//! A socket made of bytes. In: what the client sends and in which pieces it arrives. Out: the
//! pieces, and a record of what was read and written. Before each piece it is once not ready.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio_real::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What happened on a socket.
#[derive(Debug, Default)]
pub struct Record {
    /// Bytes taken from it.
    pub read: Cell<usize>,
    /// The most bytes that one read asked for.
    pub asked: Cell<usize>,
    /// Bytes written to it.
    pub written: RefCell<Vec<u8>>,
}

/// The socket.
#[derive(Debug)]
pub struct TcpStream {
    bytes: Vec<u8>,
    pieces: Vec<usize>,
    piece: usize,
    ready: bool,
    record: Rc<Record>,
}

impl TcpStream {
    /// Sends `bytes` in pieces of these sizes, again and again.
    pub fn new(bytes: &[u8], pieces: &[usize]) -> Self {
        assert!(pieces.iter().all(|size| *size > 0), "an empty piece would be the end");
        let (bytes, pieces) = (bytes.to_vec(), pieces.to_vec());
        Self { bytes, pieces, piece: 0, ready: false, record: Rc::default() }
    }

    /// What happens on it, also after it is gone.
    pub fn record(&self) -> Rc<Record> {
        Rc::clone(&self.record)
    }

    /// The next bytes, which stay.
    ///
    /// # Errors
    /// None.
    pub async fn peek(&self, out: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.record.read.get()..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        socket.ready = !socket.ready;
        if socket.ready {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let record = &socket.record;
        record.asked.set(record.asked.get().max(out.remaining()));
        let rest = &socket.bytes[record.read.get()..];
        let count = socket.pieces[socket.piece].min(rest.len()).min(out.remaining());
        out.put_slice(&rest[..count]);
        record.read.set(record.read.get() + count);
        socket.piece = (socket.piece + 1) % socket.pieces.len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.record.written.borrow_mut().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls one future to its end.
pub fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Polls a future once; when it is not ready it is dropped, as a `select!` does.
pub fn once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
