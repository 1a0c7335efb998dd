use core::fmt;

use crate::{Input, Receiver, Role, Storage};

/// The most that is read after a read straight into a store: what it brings of another long message is copied.
const FEW: usize = if cfg!(fuzzing) { 16 } else { 4 << 10 };

/// A buffer for reads, of any number of connections.
///
/// Nothing stays in it between two reads. A message that lies whole in it is lent from there. A longer one is assembled in
/// the receiver's store, and [`room_for`](Self::room_for) gives a read that store's memory in place of the buffer's, so
/// that the rest of the message is not copied.
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
/// 16 to 64 KiB are a good size: as much as a read of a socket usually brings, so that it cuts few messages, and still in
/// a near cache when it is unmasked. A message of up to twice the buffer is copied once if reads cut it; of longer ones only
/// the beginning and the end are.
///
/// The same can be had without it: [`Input::new`] around whatever was read. Then all of a message that a read has cut
/// is copied.
pub struct ReadBuffer<B> {
    bytes: B,
    /// How much the next read may bring.
    most: usize,
    /// The last room was in the receiver's store.
    is_direct: bool,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> ReadBuffer<B> {
    /// An empty one in `bytes`: an array, a slice or a `Vec`, whose length it keeps.
    pub const fn new(bytes: B) -> Self {
        Self { bytes, most: usize::MAX, is_direct: false }
    }

    /// Where the next read goes if there is no receiver yet; never empty, if the buffer isn't.
    #[inline]
    pub fn room(&mut self) -> &mut [u8] {
        self.is_direct = false;
        let bytes = self.bytes.as_mut();
        let most = self.most.min(bytes.len());
        bytes.get_mut(..most).unwrap_or_default()
    }

    /// Where the next read for this receiver goes: in the middle of a long message straight to where it is assembled.
    ///
    /// The store has to have room for as much as the buffer: less than that is read to the buffer, together with what
    /// follows, because a read costs more than a copy. The store grows only when it is full, and
    /// only where it holds as much already: what a frame announces reserves nothing. That is so for binary messages; with
    /// `std` for text too: for any with an array as the store, and in a server with a `Vec` while the text is ASCII,
    /// because other text is checked before it is stored.
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

    /// The first `count` bytes of the room have been read into: the input that they are. After
    /// [`room_for`](Self::room_for) it is the input of that receiver, which must not be asked for anything in between.
    ///
    /// Let `count` be what was read: behind it there may be bytes of another connection. After a read that failed or read
    /// nothing you need not call this.
    #[inline]
    pub fn received(&mut self, count: usize) -> Input<'_> {
        if self.is_direct {
            self.is_direct = false;
            return Input::elsewhere(count);
        }
        if count >= self.most {
            self.most = usize::MAX;
        }
        let bytes = self.bytes.as_mut();
        let count = count.min(bytes.len());
        Input::new(bytes.get_mut(..count).unwrap_or_default())
    }
}

// Not what is in it: it is somebody's message.
impl<B: AsRef<[u8]>> fmt::Debug for ReadBuffer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadBuffer({} bytes)", self.bytes.as_ref().len())
    }
}
