use core::fmt;

use crate::{
    Input, Role, Storage, VectoredFrame,
    frame::{Header, Opcode},
};

/// Counts what passes on a connection, in both directions, for a caller that wants to know.
///
/// It reads the headers of the frames as they pass, and nothing else. A connection without one pays nothing.
///
/// ```
/// use std::io::{Read, Write};
/// use websocket_proto::{Connection, ReadBuffer, ServerConnection, Traffic};
///
/// fn turn(
///     socket: &mut (impl Read + Write),
///     connection: &mut ServerConnection,
///     buffer: &mut ReadBuffer<Vec<u8>>,
///     traffic: &mut Traffic,
/// ) -> std::io::Result<()> {
///     let Connection { receiver: rx, sender: tx } = connection;
///     let n = socket.read(buffer.room_for(rx))?;
///     let mut input = buffer.received(n);
///     traffic.add_received(&input);                               // before the receiver uses it
///     while let Some(event) = rx.next_message(&mut input, tx) {
///         if let Some(message) = event.message() { tx.send(message)? }
///     }
///     let n = socket.write(tx.pending())?;
///     traffic.add_sent(&tx.pending()[..n]);
///     tx.consume(n);
///     Ok(())
/// }
/// # use websocket_proto::{Config, Input, server};
/// # let mut request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
/// #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".to_vec();
/// # let mut handshake = server::Handshake::new(Config::new());
/// # assert!(handshake.read(&mut Input::new(&mut request)));
/// # let mut connection = handshake.into_request()?.upgrade()?.accept(&server::Accept::new())?;
/// # connection.sender.consume(usize::MAX);
/// # let mut traffic = Traffic::new();
/// # let mut socket = std::io::Cursor::new(b"\x81\x85\0\0\0\0hello\x89\x80\0\0\0\0".to_vec());
/// # turn(&mut socket, &mut connection, &mut ReadBuffer::new(vec![0; 100]), &mut traffic)?;
/// # assert_eq!(traffic.to_string(), "received 1 message and 1 Ping in 2 frames (17 bytes, payload 5); \
/// #     sent 1 message and 1 Pong in 2 frames (9 bytes, payload 5)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What is received after a Close or a failure is counted, although the receiver discards it.
///
/// The bytes of the opening handshake do not belong to a direction: add what [remains](Input::remaining) after the head
/// as received, and consume the response without adding it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    received: Direction,
    sent: Direction,
}

/// What has passed in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Count {
    /// Bytes on the wire.
    pub bytes: u64,
    /// Of these, the payload of text and binary messages, compressed if they are.
    pub payload: u64,
    /// Frames whose header has passed.
    pub frames: u64,
    /// Text and binary messages that are complete.
    pub messages: u64,
    /// Pings whose header has passed.
    pub pings: u64,
    /// Pongs whose header has passed.
    pub pongs: u64,
}

/// Walks from header to header.
#[derive(Clone, Copy, Debug, Default)]
struct Direction {
    count: Count,
    header: [u8; Header::MAX_LEN],
    header_len: u8,
    /// Of the payload of the current frame.
    remaining: u64,
    is_data: bool,
    ends_message: bool,
    /// Something was not a header. What follows it is only counted in bytes.
    is_lost: bool,
}

impl Traffic {
    /// Returns a count of nothing.
    pub const fn new() -> Self {
        Self { received: Direction::NEW, sent: Direction::NEW }
    }

    /// Adds what was received. Call this before the receiver takes the input.
    pub fn add_received(&mut self, input: &Input<'_>) {
        self.received.skip(input.len_in_store() as u64);
        self.received.add(input.remaining());
    }

    /// Adds what the transport took: the front of [`Sender::pending`](crate::Sender::pending).
    pub fn add_sent(&mut self, bytes: &[u8]) {
        self.sent.add(bytes);
    }

    /// Adds the first `count` bytes of a frame that was written in one vectored write. Call this before
    /// [`VectoredFrame::sent`].
    pub fn add_sent_frame<R: Role, S: Storage>(&mut self, frame: &VectoredFrame<'_, '_, R, S>, count: usize) {
        let mut rest = count;
        for part in frame.parts() {
            let taken = part.len().min(rest);
            rest -= taken;
            self.sent.add(part.get(..taken).unwrap_or_default());
        }
    }

    /// Returns what was received.
    pub fn received(&self) -> Count {
        self.received.count
    }

    /// Returns what was sent.
    pub fn sent(&self) -> Count {
        self.sent.count
    }
}

impl Direction {
    const NEW: Self = Self {
        count: Count { bytes: 0, payload: 0, frames: 0, messages: 0, pings: 0, pongs: 0 },
        header: [0; Header::MAX_LEN],
        header_len: 0,
        remaining: 0,
        is_data: false,
        ends_message: false,
        is_lost: false,
    };

    fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = self.remaining.min(bytes.len() as u64);
            self.skip(skipped);
            bytes = bytes.get(skipped as usize..).unwrap_or_default();
            if self.is_lost {
                self.count.bytes += bytes.len() as u64;
                return;
            }
            while let Some((byte, rest)) = bytes.split_first().filter(|_| self.remaining == 0 && !self.is_lost) {
                self.add_to_header(*byte);
                bytes = rest;
            }
        }
    }

    /// Payload passes.
    fn skip(&mut self, count: u64) {
        self.count.bytes += count;
        self.remaining = self.remaining.saturating_sub(count);
        if self.is_data {
            self.count.payload += count;
        }
        self.end_frame();
    }

    fn add_to_header(&mut self, byte: u8) {
        self.count.bytes += 1;
        if let Some(next) = self.header.get_mut(usize::from(self.header_len)) {
            *next = byte;
            self.header_len += 1;
        }
        match Header::parse(self.header.get(..usize::from(self.header_len)).unwrap_or_default()) {
            Ok(None) => {}
            Ok(Some((header, _))) => self.begin_frame(&header),
            Err(_) => self.is_lost = true,
        }
    }

    fn begin_frame(&mut self, header: &Header) {
        self.header_len = 0;
        self.remaining = header.payload_len;
        self.is_data = !header.first.opcode.is_control();
        self.ends_message = self.is_data && header.first.fin;
        self.count.frames += 1;
        self.count.pings += u64::from(header.first.opcode == Opcode::Ping);
        self.count.pongs += u64::from(header.first.opcode == Opcode::Pong);
        self.end_frame();
    }

    fn end_frame(&mut self) {
        if self.remaining == 0 {
            self.count.messages += u64::from(self.ends_message);
            self.ends_message = false;
        }
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "received {}; sent {}", self.received.count, self.sent.count)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count| if count == 1 { "" } else { "s" };
        let Self { bytes, payload, frames, messages, pings, pongs } = *self;
        write!(f, "{messages} message{}", plural(messages))?;
        for (name, count) in [("Ping", pings), ("Pong", pongs)] {
            if count > 0 {
                write!(f, " and {count} {name}{}", plural(count))?;
            }
        }
        write!(f, " in {frames} frame{} ({bytes} byte{}, payload {payload})", plural(frames), plural(bytes))
    }
}
