use core::fmt;

use crate::{Input, Receiver, Role, Storage, bytes::move_down, input::Tail};

/// The most that is worth reading at once, unless more is missing of a frame: longer reads leave the cache before they are unmasked, and over a
/// socket take more time, not less.
const READ: usize = if cfg!(fuzzing) { 64 } else { 64 << 10 };

/// The same where a long message was read straight to a store: another one may come, and what is read of it to here has to be copied.
const FEW: usize = if cfg!(fuzzing) { 16 } else { 8 << 10 };

/// The read that ends a long frame may bring so much more: the next header, and little that would have to be moved.
const BEYOND: usize = if cfg!(fuzzing) { 16 } else { 256 };

/// A buffer to read into that is one connection's own, for the fewest copies.
///
/// For connections that often get messages larger than one read: 72 KiB are a good size, more if longer frames are to be received without a
/// copy. Read to [`room_for(&mut rx)`](Self::room_for), and take [`received(n)`](Self::received) for the input of that receiver.
///
/// A plain buffer and an [`Input`] around what was read serve any number of connections, because nothing stays in it: what of a
/// message is not there yet is put together in the receiver's store. That copies what a read has cut. With a buffer of its own a
/// connection needs not even that:
///
/// - the beginning of a frame that fits into the buffer is left there, and its end read behind it: of binary messages, and of texts in one
///   frame that are ASCII so far, or of which no more than 2 KiB have come;
/// - the rest of a message that doesn't fit is read [straight to where it is put together](Self::room_for), if it is binary, or on a server a
///   text that is ASCII so far; to an array, any.
///
/// Other long text is put together in the receiver's store: its faults are to be found as it comes, and what was found to be text can be kept
/// as text only in a store. Without `alloc` nothing is left and no text read straight to the store: there, less code is worth more than a copy.
///
/// The receiver counts on what it has left: what comes behind that must be read to the same buffer, until its frame is whole. If you change
/// from [`Receiver::next_message`] to [`Receiver::next`] in the middle of it, a binary frame comes in one chunk, a text as far as it has come.
///
/// ```
/// # use std::io::Read;
/// use websocket_proto::{Event, ReadBuffer, Receiver, Sender, Server};
///
/// fn receive(
///     socket: &mut impl Read,
///     rx: &mut Receiver<Server, Vec<u8>>,
///     tx: &mut Sender<Server, Vec<u8>>,
/// ) -> Result<usize, Box<dyn std::error::Error>> {
///     let mut buffer = ReadBuffer::new(vec![0; 72 << 10]);
///     let mut total = 0;
///     loop {
///         let n = socket.read(buffer.room_for(rx))?;
///         if n == 0 { break }
///         let mut input = buffer.received(n);
///         while let Some(event) = rx.next_message(&mut input, tx) {
///             if let Event::Binary(data) = event { total += data.len() }
///         }
///     }
///     Ok(total)
/// }
/// # use websocket_proto::{Config, Input, frame::{Header, MaskingKey, Opcode}, server};
/// # let mut request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
/// #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".to_vec();
/// # let mut handshake = server::Handshake::new(Config::new());
/// # handshake.read(&mut Input::new(&mut request));
/// # let mut connection = handshake.into_request()?.upgrade()?.accept(&server::Accept::new())?;
/// # let mut wire = Header::new(Opcode::Binary, Some(MaskingKey([0; 4])), 900_000).encode().as_slice().to_vec();
/// # wire.resize(wire.len() + 900_000, 7);
/// # assert_eq!(receive(&mut &wire[..], &mut connection.receiver, &mut connection.sender)?, 900_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ReadBuffer<B> {
    bytes: B,
    /// Where the bytes end that were read last.
    end: usize,
    tail: Tail,
    /// How much to read if no long frame is left.
    read: usize,
    /// The last room was the receiver's.
    lent_store: bool,
    is_shared: bool,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> ReadBuffer<B> {
    /// An empty one in `bytes`, an array, a slice or a `Vec`, whose length it keeps: best a little more than 64 KiB, and than the longest
    /// frames that are to be left in it. A read gets 64 KiB, or what is missing of a frame longer than half of that: more at a time takes more
    /// time. Behind a message that was read straight to a store it gets 8 KiB, until more comes; in a text of more than 32 KiB that is put
    /// together in a store, what is missing of it. 256 bytes of what follows may come with it.
    ///
    /// What is left in it moves to its front when its frame would go beyond its end, and at once where it is little: memory that was just
    /// used is in the cache.
    pub fn new(bytes: B) -> Self {
        let capacity = bytes.as_ref().len();
        Self { bytes, end: 0, tail: Tail { len: 0, wanted: 0, frame: 0, capacity }, read: READ, lent_store: false, is_shared: false }
    }

    /// Shared.
    pub fn shared(bytes: B) -> Self {
        Self { is_shared: true, ..Self::new(bytes) }
    }

    /// Where the next read goes; never empty, if the buffer isn't.
    #[inline]
    pub fn room(&mut self) -> &mut [u8] {
        self.lent_store = false;
        let Tail { len, frame, capacity, .. } = self.tail;
        let start = self.end - len;
        if len == 0 {
            self.end = 0;
        } else if start + frame > capacity || len <= start / 4 {
            move_down(self.bytes.as_mut().get_mut(..self.end).unwrap_or_default(), start);
            self.end = len;
        }
        let missing = frame.saturating_sub(len);
        let more = if frame > READ / 2 { missing } else { missing.max(self.read) };
        let reach = capacity.min(self.end + more + BEYOND);
        self.bytes.as_mut().get_mut(self.end..reach).unwrap_or_default()
    }

    /// Where the next read goes: in the middle of a long message straight to where the receiver puts it together, if that is worth a read.
    ///
    /// The receiver offers no more room than it holds of the message already: what a frame announces makes it reserve nothing.
    #[inline]
    pub fn room_for<'r, R: Role, S: Storage>(&'r mut self, receiver: &'r mut Receiver<R, S>) -> &'r mut [u8] {
        if receiver.is_at_rest() {
            return self.room();
        }
        if let Some(missing) = receiver.missing_text() {
            self.read = missing.min(READ);
        }
        match receiver.room(self.tail.capacity) {
            Some(room) => {
                (self.read, self.lent_store) = (FEW, true);
                room
            }
            None => self.room(),
        }
    }

    /// The first `count` bytes of the room have been read into: the input that they are, together with what was left before them.
    ///
    /// After [`room_for`](Self::room_for) it is the input of that receiver. Where a read has brought nothing, don't call this: an
    /// input that no receiver is given can't be presented again.
    #[inline]
    pub fn received(&mut self, count: usize) -> Input<'_> {
        if self.lent_store {
            self.lent_store = false;
            return Input::elsewhere(count);
        }
        if count >= self.read {
            self.read = READ;
        }
        let start = self.end - self.tail.len;
        self.end = self.tail.capacity.min(self.end.saturating_add(count));
        if self.tail.len > 0 && self.end - start < self.tail.wanted {
            self.tail.len = self.end - start;
            return Input::elsewhere(count);
        }
        (self.tail.len, self.tail.frame) = (0, 0);
        let bytes = self.bytes.as_mut().get_mut(start..self.end).unwrap_or_default();
        if self.is_shared { Input::new(bytes) } else { Input::with_tail(bytes, &mut self.tail) }
    }
}

// Not what is in it: it is somebody's message.
impl<B> fmt::Debug for ReadBuffer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadBuffer({} bytes, {} left)", self.tail.capacity, self.tail.len)
    }
}
