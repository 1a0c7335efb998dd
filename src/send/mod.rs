#[cfg(feature = "deflate")]
mod compressed;
mod error;
mod pongs;
mod queue;
mod vectored;

use core::fmt;

use crate::{
    Config, Kind, Message, Replies, Reply, Role, SHORTCUTS, Storage, Transport,
    connection::{Closing, Owed, ReplyKind},
    frame::{Close, CloseCode, EncodedHeader, FirstByte, Header, MAX_CONTROL_PAYLOAD, MaskingKey, Opcode},
    storage,
};
#[cfg(feature = "deflate")]
use crate::{boxed::Boxed, deflate::Deflater};

pub use error::{SendCloseError, SendError};
use queue::Outbox;
pub use vectored::VectoredFrame;

/// The sending half of a connection: messages in, bytes for the socket out.
///
/// Everything that is sent, by the application or in reply to the peer, becomes part of [`pending`](Self::pending);
/// the caller writes that to the socket and says how much of it the socket took. When nothing is pending it flushes the
/// socket, because a [stream](crate#streams) that buffers, such as TLS, may keep the end of it.
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
    out: Outbox<S::Output>,
    /// How much of what is pending may be Pongs: not less than what is.
    pongs: u16,
    /// The payload of the newest Pong, when too many wait.
    newest_pong: Option<S::Control>,
    closing: Closing,
    /// The fragmented message that has begun and not ended.
    fragmented: Option<Fragmented>,
    /// [`Config::high_water`], or what the store can hold beside a Close if that is less.
    high_water: usize,
    #[cfg(feature = "deflate")]
    deflater: Option<Boxed<Deflater>>,
}

#[derive(Clone, Copy)]
struct Fragmented {
    kind: Kind,
    compressed: bool,
}

// Not what waits: it may be megabytes, and somebody's secrets.
impl<R, S: Storage> fmt::Debug for Sender<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender({:?})", self.closing)
    }
}

impl<R: Role, S: Storage> Sender<R, S> {
    /// The longest control frame. There is always room for one: the Close.
    pub(crate) const MAX_CONTROL_FRAME: usize = Self::frame_len(MAX_CONTROL_PAYLOAD);

    /// The smallest store that can answer a peer: with a Pong and a Close.
    pub(crate) const MIN_CAPACITY: usize = 2 * Self::MAX_CONTROL_FRAME;

    #[inline]
    pub(crate) fn new(
        role: R,
        config: &Config,
        store: S,
        #[cfg(feature = "deflate")] deflater: Option<Boxed<Deflater>>,
    ) -> Self {
        let out = Outbox::new(store.into(), config.keep_output);
        Self {
            role,
            high_water: config.high_water.min(Self::limit(&out)),
            out,
            pongs: 0,
            newest_pong: None,
            closing: Closing::Open,
            fragmented: None,
            #[cfg(feature = "deflate")]
            deflater,
        }
    }

    /// The bytes to write to the socket now; empty when there is nothing to do.
    ///
    /// Until they are [consumed](Self::consume) they stay as they are, and more may come behind them: a copy of them may be on its way
    /// while other things are sent.
    ///
    /// They may not be all that waits. After a flood of pings the last Pong becomes pending only when those before it
    /// are consumed. And an array in which more than 4 KiB wait may be used in a circle: what continues at its
    /// beginning becomes pending when the bytes up to its end are consumed. So a loop that sleeps in a read writes
    /// until [`is_empty`](Self::is_empty) says so, and then flushes the socket.
    #[inline]
    pub fn pending(&self) -> &[u8] {
        self.out.pending()
    }

    /// Whether there is nothing to write.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.out.pending().is_empty()
    }

    /// How many bytes wait for the socket: the figure that [`Config::high_water`] bounds.
    #[inline]
    pub fn backlog(&self) -> usize {
        self.out.len() + self.newest_pong_len()
    }

    /// The socket has taken the first `count` bytes of [`pending`](Self::pending) (no more than all of them).
    #[inline]
    pub fn consume(&mut self, count: usize) {
        self.out.consume(count);
        if self.pongs > 0 || self.newest_pong.is_some() {
            self.pongs_consumed();
        }
    }

    /// Whether the application may still send: neither side has closed, and the connection has not failed.
    ///
    /// A loop that closes by itself while messages still come in asks this before it answers them; one that only
    /// answers needn't, because no message comes after the peer's Close.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.closing.is_open()
    }

    /// What to do with the transport now.
    #[must_use = "it may be time to close"]
    pub fn transport(&self) -> Transport {
        self.closing.transport(self.is_empty(), R::PEER_IS_CLIENT)
    }

    /// Sends a text message in one frame.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing is sent then, not even in part.
    #[inline]
    pub fn send_text(&mut self, text: &str) -> Result<(), SendError> {
        self.send(Message::Text(text))
    }

    /// Sends a binary message in one frame.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing is sent then, not even in part.
    #[inline]
    pub fn send_binary(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.send(Message::Binary(bytes))
    }

    /// Sends a message in one frame: a `&str`, a `&[u8]`, or the [`message`](crate::Event::message) of an event.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing is sent then, not even in part.
    #[inline(always)]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        self.may_begin()?;
        self.push_message(message)
    }

    /// Sends the next fragment of a text message, the first if none is open. Other messages must wait until the
    /// `last`; control frames need not.
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
    /// See [`SendError`]; nothing is sent then, and the message can go on.
    pub fn send_text_fragment(&mut self, text: &str, last: bool) -> Result<(), SendError> {
        self.send_fragment(Message::Text(text), last)
    }

    /// Sends the next fragment of a binary message, the first if none is open. Other messages must wait until the
    /// `last`; control frames need not.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing is sent then, and the message can go on.
    pub fn send_binary_fragment(&mut self, bytes: &[u8], last: bool) -> Result<(), SendError> {
        self.send_fragment(Message::Binary(bytes), last)
    }

    fn send_fragment(&mut self, fragment: Message<'_>, last: bool) -> Result<(), SendError> {
        let (kind, payload) = (fragment.kind(), fragment.as_bytes());
        let (opcode, compressed) = match self.fragmented {
            Some(message) if message.kind == kind && self.is_open() => (Opcode::Continuation, message.compressed),
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
        self.fragmented = (!last).then_some(Fragmented { kind, compressed });
        Ok(())
    }

    /// A message as one frame for a vectored write, without copying it.
    ///
    /// A client has to mask the payload and so to copy it, and so does a server whose output is an array that is used in a
    /// circle (see [`pending`](Self::pending)); the loop is the same.
    ///
    /// ```
    /// # use websocket_proto::{Sender, Server};
    /// # use std::io::Write;
    /// # fn send(tx: &mut Sender<Server, Vec<u8>>, message: &[u8], socket: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
    /// let frame = tx.frame(message)?;
    /// let written = socket.write_vectored(&frame.slices())?;
    /// frame.sent(written);                     // what the socket did not take is pending now
    /// while !tx.is_empty() { socket.write_all(tx.pending())?; tx.consume(tx.pending().len()) }
    /// socket.flush()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    #[inline]
    pub fn frame<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<VectoredFrame<'_, 'm, R, S>, SendError> {
        let message = message.into();
        self.may_begin()?;
        let first = FirstByte::last(message.kind().opcode());
        let mut payload = message.as_bytes();
        let mut header = EncodedHeader::EMPTY;
        let is_lent = R::PEER_IS_CLIENT && !self.compresses(payload) && {
            // First, because it can add a Pong, behind which what waits may no longer be in one piece.
            self.admit(payload.len())?;
            self.out.is_in_one_piece()
        };
        if is_lent {
            header = self.next_header(first, payload.len()).encode();
        } else {
            self.push_message(message)?;
            payload = &[];
        }
        Ok(VectoredFrame::new(self, header, payload))
    }

    /// Sends a Ping. The peer answers with a Pong of the same payload, at most 125 bytes.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing is sent then.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_control(Opcode::Ping, payload)
    }

    /// Sends a Pong that nobody asked for: a one-way sign of life (RFC 6455 §5.5.3). Pings are answered without it.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing is sent then.
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_control(Opcode::Pong, payload)
    }

    fn send_control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
        if !self.is_open() {
            return Err(self.not_open());
        }
        if payload.len() > MAX_CONTROL_PAYLOAD {
            return Err(SendError::TooLong { len: payload.len(), limit: MAX_CONTROL_PAYLOAD });
        }
        self.push_frame(FirstByte::last(opcode), payload)
    }

    /// Begins the closing handshake, with a code such as [`CloseCode::NORMAL`] or one of your own from [`CloseCode::new`]. Messages of the
    /// peer may still arrive until its own Close does.
    ///
    /// Works under any backlog. An open fragmented message is cut short.
    ///
    /// # Errors
    ///
    /// See [`SendCloseError`]; nothing is sent then.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendCloseError> {
        self.send_close(Close { code: Some(code), reason })
    }

    /// Begins the closing handshake without giving a reason: an empty Close frame.
    ///
    /// # Errors
    ///
    /// See [`SendCloseError`]; nothing is sent then.
    pub fn close_without_code(&mut self) -> Result<(), SendCloseError> {
        self.send_close(Close::EMPTY)
    }

    fn send_close(&mut self, close: Close<'_>) -> Result<(), SendCloseError> {
        match self.closing {
            Closing::Open => {}
            Closing::Lost => return Err(SendCloseError::TransportLost),
            _ => return Err(SendCloseError::AlreadyClosing),
        }
        let mut room = [0; MAX_CONTROL_PAYLOAD];
        let Some(payload) = close.encode(&mut room) else {
            return Err(SendCloseError::ReasonTooLong { len: close.reason.len() });
        };
        self.closing.close_sent();
        self.push_close(payload);
        Ok(())
    }

    /// Takes a receiver's reply. A loop that passes its sender to the receiver never calls this.
    ///
    /// Pongs queue in order while less than 4 KiB of them wait for the socket. Beyond that only the newest is kept, in a place of its own,
    /// and follows before the next message or when there is room: "the endpoint MAY elect to send a Pong frame for only the most
    /// recently processed Ping" (RFC 6455 §5.5.3). So a peer that doesn't read can't make replies pile up, and none has to
    /// be waited for. A Close always has room. (Behind a backlog that never ends, Pongs still count that have been written before it.)
    pub fn reply<'a>(&mut self, reply: impl Into<Reply<'a>>) {
        let reply = reply.into();
        let owed = match reply.kind {
            ReplyKind::Pong if self.closing.may_pong() => return self.push_pong(reply.payload),
            ReplyKind::Pong => return,
            ReplyKind::Close => self.closing.close_received(),
            ReplyKind::Fail => self.closing.failed(),
        };
        if owed == Owed::Close {
            self.push_close(reply.payload);
        }
        // Nobody waits for a Pong any more.
        self.newest_pong = None;
    }

    /// Tells the sender that the transport is gone: its end was read, a read or a write failed, or it was closed. What
    /// was pending is dropped, [`transport`](Self::transport) says `CloseNow`, and sending fails with
    /// [`TransportLost`](SendError::TransportLost).
    ///
    /// A loop that reads and writes needs no telling, and simply ends. Where one task reads and another writes, the
    /// reader finds out first, while the writer may sleep until there is something to write. So the reader calls this
    /// and wakes the writer.
    ///
    /// ```
    /// use std::{io::{self, Write}, sync::{Condvar, Mutex}};
    /// use websocket_proto::{Sender, Server, Transport};
    ///
    /// /// The writer's task. It ends when everything was written after a Close, or when the reader has called
    /// /// `transport_lost` and notified it.
    /// fn write(mut socket: impl Write, sender: &Mutex<Sender<Server, Vec<u8>>>, changed: &Condvar) -> io::Result<()> {
    ///     let mut copy = Vec::new();
    ///     loop {
    ///         let mut tx = sender.lock().unwrap();
    ///         tx.consume(copy.len());                              // what was written; it has not changed meanwhile
    ///         while tx.is_empty() {
    ///             if tx.transport() == Transport::CloseNow { return Ok(()) }
    ///             tx = changed.wait(tx).unwrap();
    ///         }
    ///         copy.clear();
    ///         copy.extend_from_slice(tx.pending());
    ///         drop(tx);                                            // the reader needs it, and writing may take long
    ///         socket.write_all(&copy)?;
    ///         socket.flush()?;
    ///     }
    /// }
    /// # let sender = None::<Mutex<Sender<Server, Vec<u8>>>>;
    /// # if let Some(sender) = sender { write(io::sink(), &sender, &Condvar::new()).unwrap() }
    /// ```
    pub fn transport_lost(&mut self) {
        self.closing.lost();
        self.out.clear();
        (self.newest_pong, self.fragmented) = (None, None);
        self.let_go();
    }

    /// Frees memory that is kept for the next message (see [`Config::keep`]), and what the calling thread has to spare.
    /// What holds something stays.
    pub fn release(&mut self) {
        self.let_go();
        storage::free_spare();
    }

    /// Keeps no memory for the next message.
    fn let_go(&mut self) {
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &mut self.deflater {
            deflater.release();
        }
        self.out.let_go();
    }

    /// The socket has taken this much of what is pending, and all of a frame behind it but these parts.
    pub(crate) fn frame_sent(&mut self, of_pending: usize, header: &[u8], payload: &[u8]) {
        // Not yet `self.consume`: it could put a Pong before the rest of the frame.
        self.out.consume(of_pending);
        let has_rest = !header.is_empty() || !payload.is_empty();
        if has_rest && self.out.push_anew(header, payload, None).is_err() {
            // No memory for the rest of a frame that may have begun: the stream can't be continued.
            self.give_up();
        }
        self.consume(0);
    }

    #[inline]
    fn may_begin(&self) -> Result<(), SendError> {
        if !self.is_open() {
            Err(self.not_open())
        } else if self.fragmented.is_some() {
            Err(SendError::MessageOpen)
        } else {
            Ok(())
        }
    }

    /// Why nothing can be sent when the connection is not open.
    fn not_open(&self) -> SendError {
        if self.closing == Closing::Lost { SendError::TransportLost } else { SendError::Closing }
    }

    /// Whether a frame fits behind what waits. A Pong that waits has then gone before it.
    #[inline]
    fn admit(&mut self, payload_len: usize) -> Result<(), SendError> {
        // With the longest header, for a start.
        let most = self.out.len() + Header::MAX_LEN + payload_len;
        if SHORTCUTS && most <= self.high_water && self.newest_pong.is_none() {
            return Ok(());
        }
        self.admit_exactly(payload_len)
    }

    #[inline(never)]
    fn admit_exactly(&mut self, payload_len: usize) -> Result<(), SendError> {
        let len = Self::frame_len(payload_len);
        let limit = Self::limit(&self.out);
        if len > limit {
            return Err(SendError::TooLong { len, limit });
        }
        let waiting = self.backlog();
        if waiting > 0 && waiting + len > self.high_water {
            return Err(SendError::Backlog { waiting, limit: self.high_water });
        }
        if self.newest_pong.is_some() {
            self.push_newest_pong();
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
        // As long as the compiler knows that it is short, little is left of what follows, and it takes hardly longer than the calls would.
        if SHORTCUTS && message.as_bytes().len() <= MAX_CONTROL_PAYLOAD {
            return self.push_frame_here(first, message.as_bytes());
        }
        self.push_frame(first, message.as_bytes())
    }

    #[cfg(not(feature = "deflate"))]
    fn compresses(&self, _: &[u8]) -> bool {
        false
    }

    #[inline(never)]
    fn push_frame(&mut self, first: FirstByte, payload: &[u8]) -> Result<(), SendError> {
        self.push_frame_here(first, payload)
    }

    #[inline(always)]
    fn push_frame_here(&mut self, first: FirstByte, payload: &[u8]) -> Result<(), SendError> {
        self.admit(payload.len())?;
        let header = self.next_header(first, payload.len());
        Ok(self.out.push(&header, payload)?)
    }

    fn push_close(&mut self, payload: &[u8]) {
        self.push_newest_pong();
        let header = self.next_header(FirstByte::last(Opcode::Close), payload.len());
        if self.out.push(&header, payload).is_err() {
            self.give_up();
        }
    }

    /// There is no memory for what must be said: the transport ends without it.
    fn give_up(&mut self) {
        self.out.clear();
        self.newest_pong = None;
        self.closing.gave_up();
    }

    /// How much a store can hold beside a Close.
    fn limit(out: &Outbox<S::Output>) -> usize {
        out.capacity().saturating_sub(Self::MAX_CONTROL_FRAME)
    }

    #[inline]
    const fn frame_len(payload_len: usize) -> usize {
        let mask = if R::PEER_IS_CLIENT { None } else { Some(MaskingKey([0; 4])) };
        Header::new(Opcode::Binary, mask, payload_len as u64).encoded_len() + payload_len
    }

    /// With the next masking key, in a client.
    #[inline]
    fn next_header(&mut self, first: FirstByte, payload_len: usize) -> Header {
        Header { first, mask: self.role.masking_key(), payload_len: payload_len as u64 }
    }
}

impl<R: Role, S: Storage> Replies for Sender<R, S> {
    fn reply(&mut self, reply: Reply<'_>) {
        Self::reply(self, reply);
    }
}
