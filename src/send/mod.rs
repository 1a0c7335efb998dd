#[cfg(feature = "deflate")]
mod compressed;
mod error;
mod in_pieces;
mod pongs;
mod queue;
mod vectored;

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;

use crate::{
    Closes, Config, Kind, Message, Replies, Reply, Role, SHORTCUTS, Storage, Transport,
    connection::{Closing, Owed, ReplyKind},
    frame::{Close, CloseCode, EncodedHeader, FirstByte, Header, MAX_CONTROL_PAYLOAD, MaskingKey, Opcode},
    handshake::NotWritten,
    storage,
};
#[cfg(feature = "deflate")]
use crate::{boxed::Boxed, deflate::Deflater};

pub use error::SendError;
use in_pieces::Frame;
use queue::Queue;
pub use vectored::VectoredFrame;

/// The sending half of a connection: messages in, bytes to write out.
///
/// All frames, from the application and in reply to the peer, are added to the [`pending`](Self::pending) bytes. The
/// caller writes these to the transport, and [`consume`](Self::consume)s the bytes that the transport took. When
/// nothing is pending, the caller flushes the transport, because a [stream](crate#streams) such as TLS may keep the
/// last bytes.
///
/// ```
/// # use websocket_proto::{Sender, Server};
/// # use std::io::Write;
/// fn greet(sender: &mut Sender<Server, Vec<u8>>, socket: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
///     sender.send_text("hello")?;
///     while !sender.is_empty() {
///         socket.write_all(sender.pending())?;
///         sender.consume(sender.pending().len());
///     }
///     socket.flush()?;
///     Ok(())
/// }
/// ```
pub struct Sender<R, S: Storage> {
    role: R,
    queue: Queue<S::Output>,
    /// An upper bound on the waiting bytes that are Pongs, saturated at `u16::MAX`.
    pongs: u16,
    /// A control frame that is queued later: the newest Pong if too many Pongs wait in the queue, and inside a frame
    /// the newest Pong or the last Close.
    held: Option<(Opcode, S::Control)>,
    closing: Closing,
    /// The message that is open: it has more fragments, or more of its only frame.
    open: Option<Open>,
    /// [`Config::high_water`], or the capacity of the store less a Close, whichever is less.
    high_water: usize,
    #[cfg(feature = "deflate")]
    deflater: Option<Boxed<Deflater>>,
}

#[derive(Clone, Copy)]
enum Open {
    /// The next frame is a fragment of it.
    Fragmented { kind: Kind, compressed: bool },
    /// The next bytes are payload of its only frame.
    InPieces(Frame),
}

// Without the waiting bytes, which may be megabytes, and confidential.
impl<R, S: Storage> fmt::Debug for Sender<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender({:?})", self.closing)
    }
}

impl<R: Role, S: Storage> Sender<R, S> {
    /// The length of the longest control frame. This many bytes are reserved for a Close.
    pub(crate) const MAX_CONTROL_FRAME: usize = Self::frame_len(MAX_CONTROL_PAYLOAD);

    /// The capacity of the smallest store in which every peer can be answered: with a Pong and a Close.
    const MIN_CAPACITY: usize = 2 * Self::MAX_CONTROL_FRAME;

    /// Checks that every peer can be answered in this store.
    #[inline]
    pub(crate) fn check_store(store: &S) -> Result<(), NotWritten> {
        let (needed, capacity) = (Self::MIN_CAPACITY, store.capacity());
        if capacity < needed { Err(NotWritten::TooSmall { needed, capacity }) } else { Ok(()) }
    }

    #[inline]
    pub(crate) fn new(
        role: R,
        config: &Config,
        store: S,
        #[cfg(feature = "deflate")] deflater: Option<Boxed<Deflater>>,
    ) -> Self {
        let queue = Queue::new(store.into(), config.keep_output);
        Self {
            role,
            high_water: config.high_water.min(Self::limit(&queue)),
            queue,
            pongs: 0,
            held: None,
            closing: Closing::OPEN,
            open: None,
            #[cfg(feature = "deflate")]
            deflater,
        }
    }

    /// Returns the bytes to write to the transport now; empty if nothing waits.
    ///
    /// Until they are [consumed](Self::consume) they do not change, except that more bytes may follow them. So a copy
    /// of them can be written while other messages are sent.
    ///
    /// They may be only a part of the [backlog](Self::backlog). After a flood of Pings the newest Pong becomes pending
    /// only when the Pongs before it are consumed. And if more than 4 KiB wait in an array, the queue may continue at
    /// the beginning of the array; that part becomes pending when the bytes up to the end of the array are consumed. So
    /// before a loop waits in a read, it writes until [`is_empty`](Self::is_empty) is true, and then flushes the
    /// transport.
    #[inline]
    pub fn pending(&self) -> &[u8] {
        self.queue.pending()
    }

    /// Whether nothing is pending.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queue.pending().is_empty()
    }

    /// Returns the number of bytes that wait for the transport, which [`Config::high_water`] limits.
    ///
    /// A Pong or a Close that waits for the end of a frame [in pieces](Self::begin_frame) does not count: it waits for
    /// the application.
    #[inline]
    pub fn backlog(&self) -> usize {
        self.queue.len() + self.held_len()
    }

    /// Drops the first `count` [pending](Self::pending) bytes, which the transport took.
    ///
    /// If `count` is larger than the number of pending bytes, all of them are dropped.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        self.queue.consume(count);
        if self.pongs > 0 || self.held.is_some() {
            self.pongs_consumed();
        }
    }

    /// Whether the application may send: neither end has closed, and the connection has not failed.
    ///
    /// A loop that closes while messages still arrive asks this before it answers them. A loop that only answers need
    /// not ask, because no message follows the peer's Close.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.closing.is_open()
    }

    /// Returns what to do with the transport now.
    #[must_use = "the transport may have to be closed"]
    pub fn transport(&self) -> Transport {
        let all_written = self.held.is_none() && self.is_empty();
        self.closing.transport(all_written, R::PEER_IS_CLIENT)
    }

    /// Returns which Closes have passed so far: what a log or a decision to reconnect needs, once the connection has
    /// ended.
    pub fn closes(&self) -> Closes {
        self.closing.closes
    }

    /// Sends a text message in one frame.
    ///
    /// # Errors
    ///
    /// See [`SendError`]. After an error the output is unchanged.
    #[inline]
    pub fn send_text(&mut self, text: &str) -> Result<(), SendError> {
        self.send(Message::Text(text))
    }

    /// Sends a binary message in one frame.
    ///
    /// # Errors
    ///
    /// See [`SendError`]. After an error the output is unchanged.
    #[inline]
    pub fn send_binary(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.send(Message::Binary(bytes))
    }

    /// Sends a message in one frame: a `&str`, a `&[u8]`, or the [`message`](crate::Event::message) of an event.
    ///
    /// # Errors
    ///
    /// See [`SendError`]. After an error the output is unchanged.
    #[inline(always)]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        self.may_begin()?;
        self.push_message(message)
    }

    /// Sends the next fragment of a text message, or the first if no message is open.
    ///
    /// Other messages can be sent only after the `last` fragment. Control frames can be sent between fragments
    /// (RFC 6455 §5.4).
    ///
    /// ```
    /// # use websocket_proto::{Sender, SendError, Server};
    /// fn tell(sender: &mut Sender<Server, Vec<u8>>) -> Result<(), SendError> {
    ///     sender.send_text_fragment("once upon ", false)?;
    ///     sender.send_text_fragment("a time", true)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`SendError`]. After an error the output is unchanged, and the message can be continued.
    pub fn send_text_fragment(&mut self, text: &str, last: bool) -> Result<(), SendError> {
        self.send_fragment(Message::Text(text), last)
    }

    /// Sends the next fragment of a binary message, or the first if no message is open.
    ///
    /// Other messages can be sent only after the `last` fragment. Control frames can be sent between fragments
    /// (RFC 6455 §5.4).
    ///
    /// # Errors
    ///
    /// See [`SendError`]. After an error the output is unchanged, and the message can be continued.
    pub fn send_binary_fragment(&mut self, bytes: &[u8], last: bool) -> Result<(), SendError> {
        self.send_fragment(Message::Binary(bytes), last)
    }

    fn send_fragment(&mut self, fragment: Message<'_>, last: bool) -> Result<(), SendError> {
        let (kind, payload) = (fragment.kind(), fragment.as_bytes());
        let (opcode, compressed) = match self.open {
            Some(Open::Fragmented { kind: open, compressed }) if open == kind && self.is_open() => {
                (Opcode::Continuation, compressed)
            }
            _ => {
                self.may_begin()?;
                (kind.opcode(), self.compresses(payload))
            }
        };
        let first = FirstByte { fin: last, rsv: 0, opcode };
        match compressed {
            #[cfg(feature = "deflate")]
            true => self.push_compressed(first, payload)?,
            _ => self.push_frame(first, payload)?,
        }
        self.open = (!last).then_some(Open::Fragmented { kind, compressed });
        Ok(())
    }

    /// Makes a frame of a message for a vectored write, without copying the payload.
    ///
    /// The payload is copied in a client, which has to mask it; if it is compressed; and in a server whose output is an
    /// array while the queue continues at the beginning of the array (see [`pending`](Self::pending)). The loop is the
    /// same.
    ///
    /// ```
    /// # use websocket_proto::{Sender, Server};
    /// # use std::io::Write;
    /// # type Result = core::result::Result<(), Box<dyn std::error::Error>>;
    /// # fn send(tx: &mut Sender<Server, Vec<u8>>, message: &[u8], socket: &mut impl Write) -> Result {
    /// let frame = tx.vectored_frame(message)?;
    /// let written = socket.write_vectored(&frame.slices())?;
    /// frame.sent(written);                     // the rest of the frame is pending now
    /// while !tx.is_empty() { socket.write_all(tx.pending())?; tx.consume(tx.pending().len()) }
    /// socket.flush()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`SendError`]. After an error the output is unchanged.
    #[inline]
    pub fn vectored_frame<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<VectoredFrame<'_, 'm, R, S>, SendError> {
        let message = message.into();
        self.may_begin()?;
        let first = FirstByte::last(message.kind().opcode());
        let mut payload = message.as_bytes();
        let mut header = EncodedHeader::EMPTY;
        let is_lent = R::PEER_IS_CLIENT && !self.compresses(payload) && {
            // This is done first, because it can add a Pong, after which the queue may no longer be contiguous.
            self.admit(payload.len())?;
            self.queue.is_contiguous()
        };
        if is_lent {
            header = self.next_header(first, payload.len()).encode();
        } else {
            self.push_message(message)?;
            payload = &[];
        }
        Ok(VectoredFrame::new(self, header, payload))
    }

    /// Sends a Ping with a payload of at most 125 bytes.
    ///
    /// The peer answers with a Pong that has the same payload (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// See [`SendError`]. After an error the output is unchanged.
    pub fn send_ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_control(Opcode::Ping, payload)
    }

    /// Sends an unsolicited Pong with a payload of at most 125 bytes: a one-way sign of life (RFC 6455 §5.5.3).
    ///
    /// Pings are answered without this.
    ///
    /// # Errors
    ///
    /// See [`SendError`]. After an error the output is unchanged.
    pub fn send_pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_control(Opcode::Pong, payload)
    }

    fn send_control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
        if !self.is_open() {
            return Err(self.not_open());
        }
        if payload.len() > MAX_CONTROL_PAYLOAD {
            return Err(SendError::ControlTooLong { len: payload.len() });
        }
        if self.is_in_frame() {
            return Err(SendError::MessageOpen);
        }
        self.push_frame(FirstByte::last(opcode), payload)
    }

    /// Begins the closing handshake, with a code such as [`CloseCode::NORMAL`] or one from [`CloseCode::new`].
    ///
    /// Messages of the peer may arrive until its own Close does. A Close can be sent whatever the backlog is. It cuts
    /// short a fragmented message that is open, but not a frame that is [sent in pieces](Self::begin_frame). The
    /// reason has at most 123 bytes (RFC 6455 §5.5.1).
    ///
    /// # Errors
    ///
    /// See [`SendError`]. After an error the output is unchanged.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.send_close(Close { code: Some(code), reason })
    }

    /// Begins the closing handshake with an empty Close, which has neither a code nor a reason (RFC 6455 §5.5.1).
    ///
    /// # Errors
    ///
    /// See [`SendError`]. After an error the output is unchanged.
    pub fn close_without_code(&mut self) -> Result<(), SendError> {
        self.send_close(Close::EMPTY)
    }

    fn send_close(&mut self, close: Close<'_>) -> Result<(), SendError> {
        if !self.is_open() {
            return Err(self.not_open());
        }
        let mut space = [0; MAX_CONTROL_PAYLOAD];
        let Some(payload) = close.encode(&mut space) else {
            return Err(SendError::ReasonTooLong { len: close.reason.len() });
        };
        if self.is_in_frame() {
            return Err(SendError::MessageOpen);
        }
        self.closing.close_sent();
        self.push_close(payload);
        Ok(())
    }

    /// Takes a reply of the receiver. A loop that passes its sender to the receiver never calls this.
    ///
    /// Pongs are queued in order while fewer than 4 KiB of them wait for the transport. Beyond that, only the newest
    /// Pong is stored. It is queued before the next message, or when there is free space for it: "the endpoint MAY
    /// elect to send a Pong frame for only the most recently processed Ping" (RFC 6455 §5.5.3). So a peer that does
    /// not read cannot make replies pile up, and a reply never has to wait for a write. There is always free space for
    /// a Close.
    ///
    /// The number of waiting Pongs is estimated from above: while the backlog stays above 4 KiB, Pongs that were
    /// written still count.
    pub fn reply<'a>(&mut self, reply: impl Into<Reply<'a>>) {
        let reply = reply.into();
        let owed = match reply.kind {
            ReplyKind::Pong if self.closing.may_pong() => return self.push_pong(reply.payload),
            ReplyKind::Pong => return,
            ReplyKind::Close => {
                self.closing.closes.add_received(reply.payload);
                self.closing.close_received()
            }
            ReplyKind::Fail => self.closing.failed(),
        };
        match owed {
            Owed::Close => self.push_close(reply.payload),
            Owed::Nothing => self.push_held(),
        }
        // The connection ends: from now on no Pong is owed. Inside a frame it is a Close that is held.
        if !self.is_in_frame() {
            self.held = None;
        }
    }

    /// Tells the sender that the transport is lost: its end was read, a read or a write failed, or it was closed.
    ///
    /// Pending bytes are dropped, [`transport`](Self::transport) returns `CloseNow`, and sending fails with
    /// [`TransportLost`](SendError::TransportLost).
    ///
    /// A loop that both reads and writes just ends, and need not call this. If one task reads and another writes, the
    /// reader notices the loss first, while the writer may be waiting for something to write. So the reader calls this
    /// and wakes the writer.
    ///
    /// ```
    /// use std::{io::{self, Write}, sync::{Condvar, Mutex}};
    /// use websocket_proto::{Sender, Server, Transport};
    ///
    /// /// The writer's task. It ends when everything was written and the connection is closed, or when the reader has
    /// /// called `transport_lost` and notified it.
    /// fn write(mut socket: impl Write, sender: &Mutex<Sender<Server, Vec<u8>>>, changed: &Condvar) -> io::Result<()> {
    ///     let mut copy = Vec::new();
    ///     loop {
    ///         let mut tx = sender.lock().unwrap();
    ///         tx.consume(copy.len());                              // these bytes were written, and have not changed
    ///         while tx.is_empty() {
    ///             if tx.transport() == Transport::CloseNow { return Ok(()) }
    ///             tx = changed.wait(tx).unwrap();
    ///         }
    ///         copy.clear();
    ///         copy.extend_from_slice(tx.pending());
    ///         drop(tx);                                            // the reader needs it, and a write may take long
    ///         socket.write_all(&copy)?;
    ///         socket.flush()?;
    ///     }
    /// }
    /// # let sender = None::<Mutex<Sender<Server, Vec<u8>>>>;
    /// # if let Some(sender) = sender { write(io::sink(), &sender, &Condvar::new()).unwrap() }
    /// ```
    pub fn transport_lost(&mut self) {
        self.closing.lost();
        self.queue.clear();
        (self.held, self.open) = (None, None);
        self.free_kept();
    }

    /// Frees the memory that is kept for the next message (see [`Config::keep`]), and the spare memory of this thread.
    ///
    /// Memory that is in use is not freed.
    pub fn release(&mut self) {
        self.free_kept();
        storage::free_spare();
    }

    fn free_kept(&mut self) {
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &mut self.deflater {
            deflater.release();
        }
        self.queue.free_kept();
    }

    /// The transport took this many pending bytes, and of the frame after them everything but these parts.
    pub(crate) fn frame_sent(&mut self, of_pending: usize, header: &[u8], payload: &[u8]) {
        // This must not be `self.consume`, which could add a Pong before the rest of the frame.
        self.queue.consume(of_pending);
        let has_rest = !header.is_empty() || !payload.is_empty();
        if has_rest && self.queue.push_and_grow(header, payload, None).is_err() {
            // A part of the frame may have been written. Without memory for the rest, the stream cannot be continued.
            self.give_up();
        }
        self.consume(0);
    }

    #[inline]
    fn may_begin(&self) -> Result<(), SendError> {
        if !self.is_open() {
            Err(self.not_open())
        } else if self.open.is_some() {
            Err(SendError::MessageOpen)
        } else {
            Ok(())
        }
    }

    /// The error of an operation if the connection is not open.
    fn not_open(&self) -> SendError {
        if self.closing.is_lost() { SendError::TransportLost } else { SendError::Closing }
    }

    /// Checks that a frame is allowed by the limits. If it is, and a Pong is held, the Pong is queued first.
    #[inline]
    fn admit(&mut self, payload_len: usize) -> Result<(), SendError> {
        // A frame that fits even with the longest header needs no exact calculation.
        let most = self.queue.len() + Header::MAX_LEN + payload_len;
        if SHORTCUTS && most <= self.high_water && self.held.is_none() {
            return Ok(());
        }
        self.admit_exactly(payload_len)
    }

    #[inline(never)]
    fn admit_exactly(&mut self, payload_len: usize) -> Result<(), SendError> {
        self.admit_len(Self::frame_len(payload_len))
    }

    fn admit_len(&mut self, len: usize) -> Result<(), SendError> {
        self.check_len(len, self.backlog())?;
        self.push_held();
        Ok(())
    }

    /// Checks that the limits allow `len` more bytes after those that wait.
    fn check_len(&self, len: usize, waiting: usize) -> Result<(), SendError> {
        let limit = Self::limit(&self.queue);
        if len > limit {
            return Err(SendError::FrameTooLong { len, limit });
        }
        if waiting > 0 && waiting + len > self.high_water {
            return Err(SendError::Backlog { waiting, limit: self.high_water });
        }
        Ok(())
    }

    #[inline(always)]
    fn push_message(&mut self, message: Message<'_>) -> Result<(), SendError> {
        let first = FirstByte::last(message.kind().opcode());
        #[cfg(feature = "deflate")]
        if self.compresses(message.as_bytes()) {
            return self.push_compressed(first, message.as_bytes());
        }
        // If the compiler knows that the message is short, the inlined code is small, and about as fast as the calls
        // alone.
        if SHORTCUTS && message.as_bytes().len() <= MAX_CONTROL_PAYLOAD {
            return self.push_frame_inline(first, message.as_bytes());
        }
        self.push_frame(first, message.as_bytes())
    }

    #[cfg(not(feature = "deflate"))]
    fn compresses(&self, _: &[u8]) -> bool {
        false
    }

    #[inline(never)]
    fn push_frame(&mut self, first: FirstByte, payload: &[u8]) -> Result<(), SendError> {
        self.push_frame_inline(first, payload)
    }

    #[inline(always)]
    fn push_frame_inline(&mut self, first: FirstByte, payload: &[u8]) -> Result<(), SendError> {
        self.admit(payload.len())?;
        let header = self.next_header(first, payload.len());
        Ok(self.queue.push(&header, payload)?)
    }

    fn push_close(&mut self, payload: &[u8]) {
        self.closing.closes.add_sent(payload);
        self.push_held();
        if !self.is_in_frame() {
            self.push_last(payload);
        } else if self.hold(Opcode::Close, payload).is_err() {
            self.give_up();
        }
    }

    /// Queues a Close.
    fn push_last(&mut self, payload: &[u8]) {
        let header = self.next_header(FirstByte::last(Opcode::Close), payload.len());
        if self.queue.push(&header, payload).is_err() {
            self.give_up();
        }
    }

    /// Ends the connection, because there is no memory for a frame that must be sent.
    fn give_up(&mut self) {
        self.queue.clear();
        (self.held, self.open) = (None, None);
        self.closing.gave_up();
    }

    /// The capacity of the store less a Close.
    fn limit(queue: &Queue<S::Output>) -> usize {
        queue.capacity().saturating_sub(Self::MAX_CONTROL_FRAME)
    }

    #[inline]
    const fn header_len(payload_len: u64) -> usize {
        let mask = if R::PEER_IS_CLIENT { None } else { Some(MaskingKey([0; 4])) };
        Header::new(Opcode::Binary, mask, payload_len).encoded_len()
    }

    #[inline]
    const fn frame_len(payload_len: usize) -> usize {
        Self::header_len(payload_len as u64) + payload_len
    }

    /// In a client this takes a masking key: "the client MUST pick a fresh masking key" (RFC 6455 §5.3).
    #[inline]
    fn next_header(&mut self, first: FirstByte, payload_len: usize) -> Header {
        Header { first, mask: self.role.masking_key(), payload_len: payload_len as u64 }
    }
}

#[cfg(feature = "alloc")]
impl<R: Role> Sender<R, Vec<u8>> {
    /// Moves all [pending](Self::pending) bytes to `bytes` without copying them, and takes its memory in exchange.
    ///
    /// This is for interfaces that need a buffer of their own while they write, such as io_uring. The bytes count as
    /// consumed: write all of them before the next ones. What was in `bytes` is dropped.
    ///
    /// ```
    /// use websocket_proto::{SendError, Sender, Server};
    ///
    /// fn submit(
    ///     sender: &mut Sender<Server, Vec<u8>>,
    ///     mut write_all: impl FnMut(Vec<u8>) -> Vec<u8>,
    /// ) -> Result<(), SendError> {
    ///     let mut buffer = Vec::new();
    ///     sender.send_text("hello")?;
    ///     while !sender.is_empty() {
    ///         sender.take_pending(&mut buffer);
    ///         buffer = write_all(buffer);                         // returns the buffer when everything was written
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn take_pending(&mut self, bytes: &mut Vec<u8>) {
        self.queue.take(bytes);
        self.consume(0);
    }
}

impl<R: Role, S: Storage> Replies for Sender<R, S> {
    fn reply(&mut self, reply: Reply<'_>) {
        Self::reply(self, reply);
    }
}
