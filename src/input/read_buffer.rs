use core::fmt;

use crate::{Input, Receiver, Role, Storage};

/// The largest read right after one directly into a store. If it brings the beginning of another long message, that is
/// copied.
const FEW: usize = if cfg!(fuzzing) { 16 } else { 4 << 10 };

/// A buffer for the reads of any number of connections.
///
/// Nothing stays in it between two reads. A message that is all in it is lent from it. A longer one is assembled in the
/// receiver's store, and [`room_for`](Self::room_for) gives a read the free space of that store, so that the rest of
/// the message is not copied.
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
///     let mut buffer = ReadBuffer::new([0; 32 << 10]);
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
///
/// 16 to 64 KiB are a good size. A read of a socket usually brings as much, so few messages are cut, and the bytes are
/// still in a near cache when they are unmasked. If reads cut a message of up to twice that size, it is copied once; of
/// a longer one only the beginning and the end are copied.
///
/// [`Input::new`] around any bytes does the same, but then every message that reads cut is copied whole.
pub struct ReadBuffer<B> {
    bytes: B,
    /// The most bytes that the next read may bring.
    most: usize,
    /// The last room was the receiver's store.
    is_direct: bool,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> ReadBuffer<B> {
    /// Returns a buffer over `bytes`: an array, a slice or a `Vec`. Its length is the length of the longest read.
    ///
    /// The capacity of a `Vec` does not count: over `Vec::with_capacity(n)` every read returns 0, as at the end of a
    /// stream. Use `vec![0; n]`.
    pub const fn new(bytes: B) -> Self {
        Self { bytes, most: usize::MAX, is_direct: false }
    }

    /// Where the next read goes while there is no receiver; never empty, unless the buffer is.
    #[inline]
    pub fn room(&mut self) -> &mut [u8] {
        self.is_direct = false;
        let bytes = self.bytes.as_mut();
        let most = self.most.min(bytes.len());
        bytes.get_mut(..most).unwrap_or_default()
    }

    /// Where the next read for this receiver goes: in the middle of a long message, directly to the receiver's store.
    ///
    /// This is the store only if its free space is at least as long as the buffer. Otherwise it is the buffer, which
    /// also takes the bytes that follow the message: one more read would cost more than a copy. The store grows only
    /// when it is full, and at most to twice what it holds: an announced length reserves nothing.
    ///
    /// Binary messages are read into the store. With `std` text is, too: if the store is an array, all text; if it is
    /// the `Vec` of a server, text that is ASCII so far. Other text is checked before it is stored.
    #[inline]
    pub fn room_for<'r, R: Role, S: Storage>(&'r mut self, receiver: &'r mut Receiver<R, S>) -> &'r mut [u8] {
        if !receiver.is_at_rest()
            && let Some(room) = receiver.space_for_read(self.bytes.as_ref().len())
        {
            (self.most, self.is_direct) = (FEW, true);
            return room;
        }
        self.room()
    }

    /// Returns the first `count` bytes of the last room as an input.
    ///
    /// After [`room_for`](Self::room_for), give this input to the same receiver, and give that receiver no other input
    /// before it. Any other receiver fails with [`ForeignInput`](crate::Failure::ForeignInput), unless a read of its
    /// own was begun and never reported.
    ///
    /// `count` must be what was read, because after it there may be bytes of another connection. After a read that
    /// failed or read nothing you need not call this.
    #[inline]
    pub fn received(&mut self, count: usize) -> Input<'_> {
        if self.is_direct {
            self.is_direct = false;
            return Input::in_store(count);
        }
        let bytes = self.bytes.as_mut();
        let room = self.most.min(bytes.len());
        if count >= self.most {
            self.most = usize::MAX;
        }
        let count = count.min(room);
        Input::new(bytes.get_mut(..count).unwrap_or_default())
    }
}

// Not what is in it: it is somebody's message.
impl<B: AsRef<[u8]>> fmt::Debug for ReadBuffer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadBuffer({} bytes)", self.bytes.as_ref().len())
    }
}
