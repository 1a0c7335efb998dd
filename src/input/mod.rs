mod read_buffer;

use core::mem;

pub use read_buffer::ReadBuffer;

/// A cursor over bytes received from the peer.
///
/// A [`ReadBuffer`] makes one after every read; or you make one around a buffer of your own. The handshake and the
/// [receiver](crate::Receiver) take bytes from its front. Payloads are unmasked in place and lent from it. A receiver
/// always uses all of it. A handshake stops after the head, and the rest is the connection's first input.
///
/// ```
/// use websocket_proto::Input;
///
/// let mut buf = *b"bytes from a socket";
/// let input = Input::new(&mut buf);
/// assert_eq!(input.remaining().len(), 19);
/// assert!(Input::default().is_empty());
/// ```
///
/// An input borrows the buffer. So before a read that may be cancelled, by a timeout or in a `select!`, end the borrow
/// of the last input: `input = Input::default()`. A function that reads a handshake can't return the input, but it can
/// return a range: the [remaining](Self::remaining) bytes are always the end of the bytes that were given:
///
/// ```
/// # use std::{io::{self, Read}, ops::Range};
/// # use websocket_proto::{Config, Input, server};
/// /// Reads the request's head; the connection's first input is this part of `buf`.
/// fn read_head(
///     socket: &mut impl Read,
///     handshake: &mut server::Handshake<Vec<u8>, Vec<u8>>,
///     buf: &mut [u8],
/// ) -> io::Result<Range<usize>> {
///     loop {
///         let n = socket.read(buf)?;
///         let mut input = Input::new(&mut buf[..n]);
///         if handshake.read(&mut input) || n == 0 {
///             return Ok(n - input.remaining().len()..n);
///         }
///     }
/// }
/// # let mut handshake = server::Handshake::new(Config::new());
/// # let mut buf = [0; 99];
/// # assert_eq!(read_head(&mut &b"GET / HTTP/1.1\r\nHost: a\r\n\r\nmore"[..], &mut handshake, &mut buf).unwrap(), 27..31);
/// ```
// No `Drop`, ever: it would forbid `input = Input::new(&mut buf[..n])` in a loop (E0499).
#[derive(Debug, Default)]
pub struct Input<'b> {
    bytes: &'b mut [u8],
    /// Number of payload bytes that were read directly into the receiver's store, and so are not in `bytes`.
    in_store: usize,
}

impl<'b> Input<'b> {
    /// All of `bytes`, as they were read. Their contents afterwards are unspecified: payloads are unmasked in place.
    #[inline]
    pub fn new(bytes: &'b mut [u8]) -> Self {
        Self { bytes, in_store: 0 }
    }

    /// The input of a read into the store of a receiver.
    pub(crate) fn in_store(count: usize) -> Self {
        Self { in_store: count, ..Self::default() }
    }

    /// The bytes in the caller's buffer that have not been used yet.
    #[inline]
    pub fn remaining(&self) -> &[u8] {
        self.bytes
    }

    /// The number of payload bytes that are in the receiver's store.
    pub(crate) fn len_in_store(&self) -> usize {
        self.in_store
    }

    /// Whether everything has been used.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.in_store == 0
    }

    /// Takes up to `most` bytes from the front. They live as long as the buffer, not as long as this cursor.
    #[inline]
    pub(crate) fn take(&mut self, most: usize) -> &'b mut [u8] {
        let bytes = mem::take(&mut self.bytes);
        let (front, rest) = bytes.split_at_mut(most.min(bytes.len()));
        self.bytes = rest;
        front
    }

    /// Takes exactly `count` bytes from the front, or none when there are fewer.
    #[inline]
    pub(crate) fn take_exactly(&mut self, count: usize) -> Option<&'b mut [u8]> {
        let bytes = mem::take(&mut self.bytes);
        if count > bytes.len() {
            self.bytes = bytes;
            return None;
        }
        let (front, rest) = bytes.split_at_mut(count);
        self.bytes = rest;
        Some(front)
    }

    /// Takes the payload that is in the store. Returns its length.
    #[inline]
    pub(crate) fn take_in_store(&mut self) -> usize {
        mem::take(&mut self.in_store)
    }

    /// Uses up everything that follows a Close or a failure.
    pub(crate) fn discard(&mut self) {
        *self = Self::default();
    }
}
