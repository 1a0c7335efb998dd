#[cfg(feature = "deflate")]
use alloc::boxed::Box;
use core::fmt;

#[cfg(feature = "deflate")]
use crate::deflate::{Agreement, Deflater, Prepared, RSV1, WindowBits};
use crate::{
    STRAIGHT_PATHS, Storage,
    frame::{Close, CloseCode, EncodedHeader, FirstByte, Header, MAX_CONTROL_PAYLOAD, MaskingKey, Opcode},
    storage::ControlStore,
};

use super::{
    Config, Extensions, Kind, Message, Replies, Reply, Role, SendCloseError, SendError, Transport, VectoredFrame,
    closing::{Closing, Owed},
    outbox::Outbox,
    reply::ReplyKind,
};

/// How many bytes of Pongs may wait for the socket. Beyond it only the newest is kept, in a place of its own.
const MAX_PONGS: usize = 4096;

/// The sending half of a connection: messages in, bytes for the socket out.
///
/// Everything that is sent, by the application or in reply to the peer, becomes part of [`pending`](Self::pending);
/// the caller writes that to the socket and says how much of it the socket took.
///
/// ```
/// # use websocket_proto::{Sender, Server};
/// # use std::io::Write;
/// fn greet(sender: &mut Sender<Server, Vec<u8>>, socket: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
///     sender.send_text("hello")?;
///     while !sender.is_empty() {
///         let written = socket.write(sender.pending())?;
///         sender.consume(written);
///     }
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
    fragmented: Option<Kind>,
    /// What the store can't hold, with a Close behind it, is taken off.
    high_water: usize,
    #[cfg(feature = "deflate")]
    deflater: Option<Box<Deflater>>,
    /// The fragmented message that has begun is compressed.
    #[cfg(feature = "deflate")]
    fragments_compressed: bool,
}

// Not what waits: it may be megabytes, and somebody's secrets.
impl<R, S: Storage> fmt::Debug for Sender<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender({:?})", self.closing)
    }
}

impl<R: Role, S: Storage> Sender<R, S> {
    /// The size of the largest control frame: room that is kept for a Close.
    const CLOSE: usize = 2 + if R::PEER_IS_CLIENT { 0 } else { 4 } + MAX_CONTROL_PAYLOAD;

    /// The smallest store that can answer a peer: with a Pong and a Close.
    pub(crate) const MIN_CAPACITY: usize = 2 * Self::CLOSE;

    #[cfg_attr(not(feature = "deflate"), expect(unused_variables, reason = "no extension is known"))]
    pub(crate) fn new(role: R, config: &Config, extensions: Extensions, store: S) -> Self {
        let out = Outbox::new(store.into(), config.keep);
        Self {
            role,
            high_water: config.high_water.min(Self::room(&out)),
            out,
            pongs: 0,
            newest_pong: None,
            closing: Closing::Open,
            fragmented: None,
            #[cfg(feature = "deflate")]
            deflater: extensions
                .deflate
                .zip(config.deflate)
                .map(|(agreement, wanted)| Box::new(Deflater::new(agreement, &wanted, config.keep))),
            #[cfg(feature = "deflate")]
            fragments_compressed: false,
        }
    }

    /// The bytes to write to the socket now; empty when there is nothing to do.
    ///
    /// Until they are [consumed](Self::consume) they stay as they are, and more may come behind them: a write of them may go on
    /// while other things are sent.
    ///
    /// After a flood of pings there may be a last Pong that becomes pending only when those before it are consumed, so a loop
    /// that sleeps in a read writes until [`is_empty`](Self::is_empty) says so.
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
        self.out.pending().len() + self.newest_pong_len()
    }

    /// The socket has taken the first `count` bytes of [`pending`](Self::pending) (no more than all of them).
    #[inline]
    pub fn consume(&mut self, count: usize) {
        self.out.consume(count);
        if self.pongs > 0 || self.newest_pong.is_some() {
            self.pongs_consumed();
        }
    }

    #[cold]
    fn pongs_consumed(&mut self) {
        self.pongs = self.pongs.min(u16::try_from(self.out.pending().len()).unwrap_or(u16::MAX));
        if self.newest_pong.is_some() && self.backlog() <= MAX_PONGS {
            self.push_newest_pong();
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

    /// Sends a message in one frame.
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
        let opcode = match self.fragmented {
            Some(kind) if kind == fragment.kind() && self.is_open() => Opcode::Continuation,
            _ => {
                self.may_begin()?;
                fragment.kind().opcode()
            }
        };
        self.push_fragment(FirstByte { fin: last, rsv: 0, opcode }, fragment)?;
        self.fragmented = if last { None } else { Some(fragment.kind()) };
        Ok(())
    }

    /// A message as one frame for a vectored write, without copying it.
    ///
    /// A client has to mask the payload and so to copy it; the loop is the same.
    ///
    /// ```
    /// # use websocket_proto::{Sender, Server};
    /// # use std::io::Write;
    /// # fn send(tx: &mut Sender<Server, Vec<u8>>, message: &[u8], socket: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
    /// let frame = tx.frame(message)?;
    /// let written = socket.write_vectored(&frame.slices())?;
    /// frame.sent(written);                     // what the socket did not take is pending now
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
        if R::PEER_IS_CLIENT && !self.compresses(payload) {
            self.admit(payload.len())?;
            header = self.header(first, payload.len()).encode();
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
            return Err(SendError::Closing);
        }
        if payload.len() > MAX_CONTROL_PAYLOAD {
            return Err(SendError::TooLong { len: payload.len(), limit: MAX_CONTROL_PAYLOAD });
        }
        self.push_data(FirstByte::last(opcode), payload)
    }

    /// Begins the closing handshake. Messages of the peer may still arrive until its own Close does.
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
        if !self.is_open() {
            return Err(SendCloseError::AlreadyClosing);
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
    /// be waited for. A Close always has room.
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

    /// What the two sides have agreed on for compressed messages, if they have.
    #[cfg(feature = "deflate")]
    pub fn compression(&self) -> Option<&Agreement> {
        self.deflater.as_ref().map(|deflater| deflater.agreement())
    }

    /// Whether the messages that begin from now on are compressed, where that was agreed on. It is so until this says otherwise.
    ///
    /// What is compressed already, such as pictures, is not worth the work.
    #[cfg(feature = "deflate")]
    pub fn compress(&mut self, enabled: bool) {
        if let Some(deflater) = &mut self.deflater {
            deflater.enabled = enabled;
        }
    }

    /// Sends a message that is prepared to be sent to many.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing is sent then, not even in part.
    #[cfg(feature = "deflate")]
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), SendError> {
        self.may_begin()?;
        let message = prepared.message();
        let first = FirstByte::last(message.kind().opcode());
        let sharing = self.deflater.as_ref().filter(|deflater| {
            deflater.is_worth_it(message.as_bytes().len()) && deflater.agreement().send_window == WindowBits::MAX
        });
        let Some(sharing) = sharing else { return self.push_message(message) };
        let Some(packed) = prepared.packed(sharing.wanted()) else { return self.push_data(first, message.as_bytes()) };
        self.push_data(FirstByte { rsv: RSV1, ..first }, packed)?;
        if let Some(deflater) = &mut self.deflater {
            deflater.forget();
        }
        Ok(())
    }

    /// Lets go of memory kept for the next message (see [`Config::keep`]); of none that holds something.
    pub fn release(&mut self) {
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &mut self.deflater {
            deflater.release();
        }
        self.out.release();
    }

    /// The socket has taken this much of what is pending, and all of a frame behind it but these parts.
    pub(crate) fn frame_sent(&mut self, of_pending: usize, header: &[u8], payload: &[u8]) {
        // Not yet `self.consume`: it could put a Pong before the rest of the frame.
        self.out.consume(of_pending);
        let has_rest = !header.is_empty() || !payload.is_empty();
        if has_rest && self.out.push_rest(header, payload).is_err() {
            // No memory for the rest of a frame that may have begun: the stream can't be continued.
            self.give_up();
        }
        self.consume(0);
    }

    #[inline]
    fn may_begin(&self) -> Result<(), SendError> {
        if !self.is_open() {
            Err(SendError::Closing)
        } else if self.fragmented.is_some() {
            Err(SendError::MessageOpen)
        } else {
            Ok(())
        }
    }

    /// Whether a frame fits behind what waits. A Pong that waits has then gone before it.
    #[inline]
    fn admit(&mut self, payload_len: usize) -> Result<(), SendError> {
        // With the longest header, for a start.
        let most = self.out.pending().len() + Header::MAX_LEN + payload_len;
        if STRAIGHT_PATHS && most <= self.high_water && self.newest_pong.is_none() {
            return Ok(());
        }
        self.admit_exactly(payload_len)
    }

    #[inline(never)]
    fn admit_exactly(&mut self, payload_len: usize) -> Result<(), SendError> {
        let len = Self::frame_len(payload_len);
        let room = Self::room(&self.out);
        if len > room {
            return Err(SendError::TooLong { len, limit: room });
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
        if STRAIGHT_PATHS && message.as_bytes().len() <= MAX_CONTROL_PAYLOAD {
            return self.push_here(first, message.as_bytes());
        }
        self.push_data(first, message.as_bytes())
    }

    fn push_fragment(&mut self, first: FirstByte, fragment: Message<'_>) -> Result<(), SendError> {
        #[cfg(feature = "deflate")]
        {
            let compressed = match first.opcode {
                Opcode::Continuation => self.fragments_compressed,
                _ => self.compresses(fragment.as_bytes()),
            };
            if compressed {
                self.push_compressed(first, fragment.as_bytes())?;
                self.fragments_compressed = !first.fin;
                return Ok(());
            }
        }
        self.push_data(first, fragment.as_bytes())
    }

    /// Whether a message that begins with this is to be compressed.
    #[cfg(feature = "deflate")]
    fn compresses(&self, payload: &[u8]) -> bool {
        self.deflater.as_ref().is_some_and(|deflater| deflater.is_worth_it(payload.len()))
    }

    #[cfg(not(feature = "deflate"))]
    fn compresses(&self, _: &[u8]) -> bool {
        false
    }

    #[cfg(feature = "deflate")]
    #[inline(never)]
    fn push_compressed(&mut self, first: FirstByte, payload: &[u8]) -> Result<(), SendError> {
        // A message in one frame can still go as it is, if it is not shorter compressed.
        let is_whole = first.fin && first.opcode != Opcode::Continuation;
        let most = if is_whole { payload.len() } else { Deflater::bound(payload.len()) };
        self.admit(most)?;
        let Some(mut deflater) = self.deflater.take() else { return Err(SendError::OutOfMemory) };
        let rsv = if first.opcode == Opcode::Continuation { 0 } else { RSV1 };
        let pushed = match deflater.compress(payload, first.fin) {
            Ok(packed) if is_whole && packed.len() >= payload.len() => {
                deflater.forget();
                self.push_data(first, payload)
            }
            Ok(packed) => {
                let header = self.header(FirstByte { rsv, ..first }, packed.len());
                self.out.push(&header, packed).map_err(|_| SendError::OutOfMemory)
            }
            Err(_) => Err(SendError::OutOfMemory),
        };
        if pushed.is_err() {
            deflater.forget();
        }
        deflater.done();
        self.deflater = Some(deflater);
        pushed
    }

    #[inline(never)]
    fn push_data(&mut self, first: FirstByte, payload: &[u8]) -> Result<(), SendError> {
        self.push_here(first, payload)
    }

    #[inline(always)]
    fn push_here(&mut self, first: FirstByte, payload: &[u8]) -> Result<(), SendError> {
        self.admit(payload.len())?;
        let header = self.header(first, payload.len());
        self.out.push(&header, payload).map_err(|_| SendError::OutOfMemory)
    }

    fn push_pong(&mut self, payload: &[u8]) {
        let few = self.newest_pong.is_none() && usize::from(self.pongs) + Self::CLOSE <= MAX_PONGS;
        if !few || !self.try_push_pong(payload) {
            // Without memory it has to go unanswered: the next Ping may have more luck.
            let _ = self.newest_pong.insert(S::Control::default()).append(payload);
        }
    }

    fn push_newest_pong(&mut self) {
        if let Some(payload) = self.newest_pong.take()
            && !self.try_push_pong(payload.bytes())
        {
            self.newest_pong = Some(payload);
        }
    }

    fn try_push_pong(&mut self, payload: &[u8]) -> bool {
        let header = self.header(FirstByte::last(Opcode::Pong), payload.len());
        let len = Self::frame_len(payload.len());
        let fits = self.out.pending().len() + len + Self::CLOSE <= self.out.capacity();
        let pushed = fits && self.out.push(&header, payload).is_ok();
        if pushed {
            self.pongs = self.pongs.saturating_add(len as u16);
        }
        pushed
    }

    fn push_close(&mut self, payload: &[u8]) {
        self.push_newest_pong();
        let header = self.header(FirstByte::last(Opcode::Close), payload.len());
        if self.out.push(&header, payload).is_err() {
            self.give_up();
        }
    }

    /// There is no memory for what must be said: the transport ends without it.
    fn give_up(&mut self) {
        self.out.consume(usize::MAX);
        self.newest_pong = None;
        let _ = self.closing.failed();
    }

    /// The size of the Pong that waits apart.
    fn newest_pong_len(&self) -> usize {
        let header = Self::CLOSE - MAX_CONTROL_PAYLOAD;
        self.newest_pong.as_ref().map_or(0, |payload| header + payload.bytes().len())
    }

    /// How much a store can hold besides a Close.
    fn room(out: &Outbox<S::Output>) -> usize {
        out.capacity().saturating_sub(Self::CLOSE)
    }

    #[inline]
    fn frame_len(payload_len: usize) -> usize {
        let mask = if R::PEER_IS_CLIENT { None } else { Some(MaskingKey::default()) };
        Header::new(Opcode::Binary, mask, payload_len as u64).encoded_len() + payload_len
    }

    #[inline]
    fn header(&mut self, first: FirstByte, payload_len: usize) -> Header {
        Header { first, mask: self.role.masking_key(), payload_len: payload_len as u64 }
    }
}

impl<R: Role, S: Storage> Replies for Sender<R, S> {
    fn reply(&mut self, reply: Reply<'_>) {
        Self::reply(self, reply);
    }
}
