mod read_buffer;

use core::mem;

pub use read_buffer::ReadBuffer;

/// Bytes that came from the peer, and how much of them is used up.
///
/// A [`ReadBuffer`](crate::ReadBuffer) makes one after every read, or you do around a buffer of your own. Handshake and
/// [receiver](crate::Receiver) take from its front; payloads are unmasked in place and lent from it. A receiver always uses all of
/// it; a handshake stops behind the head, and what is left is the connection's first input.
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
/// It borrows the buffer for as long as it lives. So before a read that may bring nothing, with a timeout or in a `select!`, drop the last one:
/// `input = Input::default()`. And a handshake that is read in a function of its own hands back where its input was, not the
/// input; what [remains](Self::remaining) is always the end of the bytes that were given:
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
    /// Payload that was read into the receiver's store and so is not in `bytes`.
    elsewhere: usize,
}

impl<'b> Input<'b> {
    /// All of `bytes`, as they were read. Their contents afterwards are unspecified: payloads are unmasked in place.
    #[inline]
    pub fn new(bytes: &'b mut [u8]) -> Self {
        Self { bytes, elsewhere: 0 }
    }

    pub(crate) fn elsewhere(count: usize) -> Self {
        Self { elsewhere: count, ..Self::default() }
    }

    /// What has not been used yet, of the bytes that are in the caller's buffer.
    #[inline]
    pub fn remaining(&self) -> &[u8] {
        self.bytes
    }

    /// Whether all has been used.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.elsewhere == 0
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

    /// Takes the payload that is elsewhere: how much.
    #[inline]
    pub(crate) fn take_elsewhere(&mut self) -> usize {
        mem::take(&mut self.elsewhere)
    }

    /// Uses up everything: what comes behind a Close, or a failure.
    pub(crate) fn discard(&mut self) {
        *self = Self::default();
    }
}
