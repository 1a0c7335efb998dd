//! The in-memory socket: what every contender reads from and writes to.
//!
//! All sockets of a case share one [`Feed`]: a loop of bytes, of which the harness grants some. A read copies at most a
//! given number of bytes, as the kernel would. When all granted bytes have been read, the socket would block. A write
//! takes everything and counts it. It keeps the bytes only while a check needs them.

use std::{
    hint::black_box,
    io::{self, IoSlice, Read, Write},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use tokio::io::ReadBuf;

/// A short loop is stored in this many places, each at another offset in its page.
const PLACES: usize = 8;

const PAGE: usize = 4 << 10;

/// Longer loops have one place, because they are read from memory anyway.
const SHORT: usize = 2 << 20;

/// The bytes to read, and the number of bytes written. Everything runs in one thread; the fields are atomic only
/// because some contenders require sockets that are `Send` and `Sync`.
pub struct Feed {
    /// The loop, in all of its places.
    memory: Vec<u8>,
    /// The distance from one place to the next.
    stride: usize,
    /// The length of the loop.
    len: usize,
    /// The place where the loop is read now.
    place: AtomicUsize,
    /// The most bytes that one read brings.
    most: usize,
    /// The length of a message.
    message: usize,
    position: AtomicUsize,
    granted: AtomicUsize,
    written: AtomicUsize,
    captures: AtomicBool,
    captured: Mutex<Vec<u8>>,
}

impl Feed {
    pub fn new(wire: Vec<u8>, most: usize, message: usize) -> Arc<Self> {
        let len = wire.len();
        let (places, stride) =
            if len <= SHORT { (PLACES, len.next_multiple_of(PAGE) + PAGE / PLACES) } else { (1, len) };
        let mut memory = wire;
        for place in 1..places {
            memory.resize(place * stride, 0);
            memory.extend_from_within(..len);
        }
        Arc::new(Self {
            memory,
            stride,
            len,
            place: AtomicUsize::new(0),
            most,
            message,
            position: AtomicUsize::new(0),
            granted: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            captures: AtomicBool::new(false),
            captured: Mutex::default(),
        })
    }

    /// The loop, in the place where it is read now.
    fn wire(&self) -> &[u8] {
        &self.memory[self.place.load(Relaxed)..][..self.len]
    }

    /// From now on, the loop is read in another place. The time of a copy depends on the offsets of its two addresses
    /// in their pages.
    pub fn move_on(&self) {
        let next = self.place.load(Relaxed) + self.stride;
        self.place.store(if next + self.len <= self.memory.len() { next } else { 0 }, Relaxed);
    }

    /// Lets the sockets read this many more bytes.
    pub fn grant(&self, len: usize) {
        self.granted.store(self.granted.load(Relaxed) + len, Relaxed);
    }

    /// The length of a message.
    pub fn message(&self) -> usize {
        self.message
    }

    /// The number of granted bytes that were not read yet.
    pub fn granted(&self) -> usize {
        self.granted.load(Relaxed)
    }

    /// Goes back to the beginning of the loop, with nothing granted.
    pub fn rewind(&self) {
        self.position.store(0, Relaxed);
        self.granted.store(0, Relaxed);
    }

    /// The number of bytes written since the last call.
    pub fn take_written(&self) -> usize {
        self.written.swap(0, Relaxed)
    }

    /// From now on, written bytes are kept.
    pub fn capture(&self) {
        self.captures.store(true, Relaxed);
    }

    /// Returns the bytes that were kept. From now on, written bytes are only counted.
    pub fn take_captured(&self) -> Vec<u8> {
        self.captures.store(false, Relaxed);
        std::mem::take(&mut self.captured.lock().unwrap())
    }

    /// Takes everything that was granted, for contenders that do their own reads.
    pub fn take_batch(&self) -> Batch<'_> {
        let (offset, granted) = (self.position.load(Relaxed), self.granted.swap(0, Relaxed));
        self.position.store((offset + granted) % self.len, Relaxed);
        Batch { wire: self.wire(), offset, reads: self.most, messages: granted / self.message }
    }

    /// Whether written bytes are kept.
    pub fn captures(&self) -> bool {
        self.captures.load(Relaxed)
    }

    /// Counts bytes that were written elsewhere.
    pub fn count_written(&self, len: usize) {
        self.written.store(self.written.load(Relaxed) + len, Relaxed);
    }

    /// The bytes of the next read into a buffer of `room` bytes. `None` if the read would block.
    fn read(&self, room: usize) -> Option<&[u8]> {
        let (position, granted) = (self.position.load(Relaxed), self.granted.load(Relaxed));
        if granted == 0 {
            return None;
        }
        let len = room.min(self.most).min(granted).min(self.len - position);
        let end = position + len;
        self.granted.store(granted - len, Relaxed);
        self.position.store(if end == self.len { 0 } else { end }, Relaxed);
        Some(&self.wire()[position..end])
    }

    pub fn write(&self, bytes: &[u8]) -> usize {
        black_box(bytes);
        if self.captures() {
            self.captured.lock().unwrap().extend_from_slice(bytes);
        }
        self.count_written(bytes.len());
        bytes.len()
    }

    fn write_all(&self, slices: &[IoSlice<'_>]) -> usize {
        slices.iter().map(|slice| self.write(slice)).sum()
    }
}

/// A number of messages of the loop, from `offset` on, in reads of at most `reads` bytes.
pub struct Batch<'a> {
    pub wire: &'a [u8],
    pub offset: usize,
    pub reads: usize,
    pub messages: usize,
}

#[derive(Clone)]
pub struct Socket(pub Arc<Feed>);

impl Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.read(buf.len()).ok_or(io::ErrorKind::WouldBlock)?;
        buf[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

impl Write for Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(self.0.write(buf))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.0.write_all(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl tokio::io::AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.0.read(buf.remaining()) {
            Some(bytes) => {
                buf.put_slice(bytes);
                Poll::Ready(Ok(()))
            }
            None => Poll::Pending,
        }
    }
}

impl tokio::io::AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.0.write(buf)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.0.write_all(slices)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl futures_util::AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match Read::read(self.get_mut(), buf) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            outcome => Poll::Ready(outcome),
        }
    }
}

impl futures_util::AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.0.write(buf)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.0.write_all(slices)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
