use super::{Open, SendError, Sender};
use crate::{
    Chunk, Kind, Message, Role, Storage,
    frame::{FirstByte, Header, MaskingKey},
};

/// A frame whose header was sent before its payload.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    kind: Kind,
    /// For the next byte, in a client.
    mask: Option<MaskingKey>,
    /// How many bytes of the payload are still to be sent; at least one.
    remaining: u64,
}

impl<R: Role, S: Storage> Sender<R, S> {
    /// Begins a message of one frame whose payload has `len` bytes, and is sent in pieces.
    ///
    /// [`send_payload`](Self::send_payload) sends the pieces. So a message can be sent while it is read from a file, or
    /// received from another connection ([`Chunk::remaining`](crate::Chunk::remaining)), without a fragment for each
    /// piece. It is not compressed.
    ///
    /// Nothing can be sent inside a frame (RFC 6455 §5.4). So until its payload is complete, Pings and a Close of the
    /// application fail with [`MessageOpen`](SendError::MessageOpen), and of the replies only the newest Pong is
    /// stored, or the Close. If the payload cannot be completed, the only way to end the connection is to close the
    /// transport. And a frame that pauses has no keepalive: a peer that is silent meanwhile cannot be asked, and
    /// cannot be answered. So if the bytes may pause for more than a few seconds, send fragments.
    ///
    /// A frame without payload is complete at once.
    ///
    /// ```
    /// use std::io::{self, Read, Write};
    /// use websocket_proto::{Kind, Sender, Server};
    ///
    /// /// Sends a file as one message of one frame, without reading all of it into memory.
    /// fn send_file(
    ///     tx: &mut Sender<Server, Vec<u8>>,
    ///     file: &mut impl Read,
    ///     len: u64,
    ///     socket: &mut impl Write,
    /// ) -> io::Result<()> {
    ///     let mut buffer = [0; 4096];
    ///     tx.begin_frame(Kind::Binary, len)?;
    ///     while tx.payload_remaining() > 0 {
    ///         let wanted = tx.payload_remaining().min(4096) as usize;
    ///         file.read_exact(&mut buffer[..wanted])?;
    ///         tx.send_payload(&buffer[..wanted])?;
    ///         while !tx.is_empty() {
    ///             let written = socket.write(tx.pending())?;
    ///             tx.consume(written);
    ///         }
    ///     }
    ///     socket.flush()
    /// }
    /// # use websocket_proto::{Config, Input, server};
    /// # let mut request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    /// #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".to_vec();
    /// # let mut handshake = server::Handshake::new(Config::new());
    /// # assert!(handshake.read(&mut Input::new(&mut request)));
    /// # let mut connection = handshake.into_request()?.upgrade()?.accept(&server::Accept::new())?;
    /// # connection.sender.consume(usize::MAX);
    /// # let mut socket = Vec::new();
    /// # send_file(&mut connection.sender, &mut io::repeat(b'a'), 70_000, &mut socket)?;
    /// # assert_eq!((&socket[..10], socket.len()), (&[0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70][..], 70_010));
    /// # Ok::<(), io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`SendError`]. After an error the output is unchanged.
    pub fn begin_frame(&mut self, kind: Kind, len: u64) -> Result<(), SendError> {
        self.may_begin()?;
        if len > Header::MAX_PAYLOAD {
            let (len, limit) = (saturated(len), saturated(Header::MAX_PAYLOAD));
            return Err(SendError::FrameTooLong { len, limit });
        }
        self.admit_len(Self::header_len(len))?;
        let header = Header { first: FirstByte::last(kind.opcode()), mask: self.role.masking_key(), payload_len: len };
        self.queue.push(&header, &[])?;
        if len > 0 {
            self.open = Some(Open::InPieces(Frame { kind, mask: header.mask, remaining: len }));
        }
        Ok(())
    }

    /// Sends the next bytes of the payload of the frame that [`begin_frame`](Self::begin_frame) has begun: a `&str` if
    /// it is text, a `&[u8]` if it is binary.
    ///
    /// This is allowed even after the peer's Close, because our answer can only follow the frame.
    ///
    /// # Errors
    ///
    /// [`BeyondFrame`](SendError::BeyondFrame) if there are more bytes than the frame's length says,
    /// [`MessageOpen`](SendError::MessageOpen) if it is text in a binary frame or binary in a text frame, and see
    /// [`SendError`]. After an error the output is unchanged, and the frame can be continued.
    pub fn send_payload<'m>(&mut self, piece: impl Into<Message<'m>>) -> Result<(), SendError> {
        let piece = piece.into();
        let bytes = piece.as_bytes();
        let len = bytes.len() as u64;
        let frame = match self.open {
            Some(Open::InPieces(frame)) if frame.kind == piece.kind() => frame,
            Some(_) => return Err(SendError::MessageOpen),
            None if !self.is_open() => return Err(self.not_open()),
            None if bytes.is_empty() => return Ok(()),
            None => return Err(SendError::BeyondFrame { len: bytes.len(), remaining: 0 }),
        };
        if len > frame.remaining {
            return Err(SendError::BeyondFrame { len: bytes.len(), remaining: frame.remaining });
        }
        // What is held is queued after the frame, so it does not limit the payload.
        self.check_len(bytes.len(), self.queue.len())?;
        self.push_payload(frame, bytes)
    }

    /// Queues the next bytes of the frame that is open, which were checked.
    fn push_payload(&mut self, frame: Frame, bytes: &[u8]) -> Result<(), SendError> {
        self.queue.push_and_grow(&[], bytes, frame.mask)?;
        let (mask, remaining) = (frame.mask.map(|key| key.at(bytes.len())), frame.remaining - bytes.len() as u64);
        self.open = (remaining > 0).then_some(Open::InPieces(Frame { mask, remaining, ..frame }));
        self.push_held();
        Ok(())
    }

    /// Sends a chunk that was received on another connection: in one frame if the message was received in one, and
    /// otherwise in fragments.
    ///
    /// So a relay passes on messages of any size, without storing them. The messages of a connection with compression
    /// have no length that is known before they are decompressed, so they are passed on in fragments.
    ///
    /// ```
    /// use websocket_proto::{ChunkEvent, Input, Receiver, Replies, Role, SendError, Sender};
    ///
    /// /// Passes on what was received at `rx`.
    /// fn relay<A: Role, B: Role>(
    ///     rx: &mut Receiver<A, Vec<u8>>,
    ///     replies: &mut impl Replies,
    ///     mut input: Input<'_>,
    ///     tx: &mut Sender<B, Vec<u8>>,
    /// ) -> Result<(), SendError> {
    ///     while let Some(event) = rx.next_chunk(&mut input, replies) {
    ///         match event {
    ///             ChunkEvent::Text(chunk) => tx.send_chunk(chunk)?,
    ///             ChunkEvent::Binary(chunk) => tx.send_chunk(chunk)?,
    ///             ChunkEvent::Close { code: Some(code), reason, .. } => tx.close(code, reason)?,
    ///             _ => {}
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// # use websocket_proto::{Config, Connection, server};
    /// # let open = || {
    /// #     let mut request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    /// #         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".to_vec();
    /// #     let mut handshake = server::Handshake::new(Config::new());
    /// #     assert!(handshake.read(&mut Input::new(&mut request)));
    /// #     let mut connection = handshake.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).unwrap();
    /// #     connection.sender.consume(usize::MAX);
    /// #     connection
    /// # };
    /// # let (Connection { mut receiver, mut sender }, mut to) = (open(), open());
    /// # relay(&mut receiver, &mut sender, Input::new(&mut b"\x81\x84\0\0\0\0ab".to_vec()), &mut to.sender)?;
    /// # relay(&mut receiver, &mut sender, Input::new(&mut b"cd".to_vec()), &mut to.sender)?;
    /// # assert_eq!(to.sender.pending(), b"\x81\x04abcd");
    /// # Ok::<(), SendError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`MessageOpen`](SendError::MessageOpen) if the chunk is the first of a message while another one is open,
    /// [`BeyondFrame`](SendError::BeyondFrame) if it is a later one and no message is open, and see [`SendError`].
    /// After an error the output is unchanged, and the chunk can be sent again; except after `OutOfMemory`.
    pub fn send_chunk<'m, T: ?Sized>(&mut self, chunk: Chunk<'m, T>) -> Result<(), SendError>
    where
        &'m T: Into<Message<'m>>,
    {
        let piece = chunk.data.into();
        // The source of the message that is open may be gone. Two messages must not become one.
        if chunk.first {
            self.may_begin()?;
        } else if !matches!(self.open, Some(Open::Fragmented { .. })) {
            return self.send_payload(piece);
        }
        let Some(remaining) = chunk.remaining.filter(|_| chunk.first) else {
            return self.send_fragment(piece, chunk.last);
        };
        // Both or nothing.
        let bytes = piece.as_bytes();
        let total = remaining.saturating_add(bytes.len() as u64);
        self.check_len(Self::header_len(total) + bytes.len(), self.backlog())?;
        self.begin_frame(piece.kind(), total)?;
        match self.open {
            Some(Open::InPieces(frame)) => self.push_payload(frame, bytes),
            _ => Ok(()),
        }
    }

    /// Returns how many bytes [`send_payload`](Self::send_payload) must still send until the frame is complete; 0 if
    /// there is none.
    pub fn payload_remaining(&self) -> u64 {
        match self.open {
            Some(Open::InPieces(frame)) => frame.remaining,
            _ => 0,
        }
    }

    /// Whether what is queued next must be payload.
    pub(super) fn is_in_frame(&self) -> bool {
        matches!(self.open, Some(Open::InPieces(_)))
    }
}

fn saturated(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}
