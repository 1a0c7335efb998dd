use core::mem;

/// Bytes that came from the peer, and how much of them is used up.
///
/// One is made around the caller's buffer after every read. Handshake and [receiver](crate::Receiver) take from its
/// front; payloads are unmasked in place and lent from it. A receiver always uses all of it; a handshake stops
/// behind the head, and what is left is the connection's first input.
///
/// ```
/// use websocket_proto::Input;
///
/// let mut buf = *b"bytes from a socket";
/// let input = Input::new(&mut buf);
/// assert_eq!(input.remaining().len(), 19);
/// assert!(Input::default().is_empty());
/// ```
// No `Drop`, ever: it would forbid `input = Input::new(&mut buf[..n])` in a loop (E0499).
#[derive(Debug, Default)]
pub struct Input<'b> {
    bytes: &'b mut [u8],
}

impl<'b> Input<'b> {
    /// All of `bytes`, as they were read. Their contents afterwards are unspecified: payloads are unmasked in place.
    #[inline]
    pub fn new(bytes: &'b mut [u8]) -> Self {
        Self { bytes }
    }

    /// What has not been used yet.
    #[inline]
    pub fn remaining(&self) -> &[u8] {
        self.bytes
    }

    /// Whether all has been used.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
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

    /// Uses up everything: what comes behind a Close, or a failure.
    pub(crate) fn discard(&mut self) {
        self.bytes = &mut [];
    }
}
