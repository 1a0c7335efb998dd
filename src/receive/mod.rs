//! The receiving half. A byte travels from the [`Input`] through four stages to an event, each in its file:
//!
//! ```text
//!     Input ──▶ frames ──▶ inflate ──▶ check ──▶ assemble ──▶ Event
//!               headers    compressed  text      whole messages
//!               judged     messages    checked   stored
//!                 │
//!                 ▼
//!               rules: everything that a header can do wrong
//!               state: where in the stream, which message is open
//! ```
//!
//! [`Receiver::next_message`] goes through all four, [`Receiver::next_chunk`] through the first three. Control frames
//! come out of the first. `shortcuts` has what is only there to be fast.

mod assemble;
mod check;
mod direct_read;
mod event;
mod failure;
mod frames;
mod inflate;
#[cfg(feature = "alloc")]
mod owned;
mod piece;
mod rules;
mod shortcuts;
mod state;

use core::fmt;

pub use event::{Chunk, ChunkEvent, Event, Kind, Message};
pub use failure::{Failure, UncleanEnd};
#[cfg(feature = "alloc")]
pub use owned::{OwnedEvent, OwnedMessage};

use assemble::Assembly;
use frames::Frames;
use piece::{At, Found, Piece, unmasked};
use rules::Rules;
use state::{Ending, Position};

use crate::{
    Config, Input, Replies, Reply, Role, Storage,
    connection::ReplyKind,
    frame::{Close, MAX_CONTROL_PAYLOAD, Opcode},
    storage::{self, Bytes, MessageStore},
    text::{self, InvalidUtf8},
};
#[cfg(feature = "deflate")]
use crate::{
    boxed::Boxed,
    deflate::{self, Agreement, Inflater, RSV1},
};

/// The receiving half of a connection: bytes from the peer in, events out.
///
/// Call [`next_message`](Self::next_message) for whole messages, or [`next_chunk`](Self::next_chunk) for chunks as they
/// are received, until it returns `None`. Then all of the input is used, and the buffer can be filled again. The
/// receiver keeps headers and control frames that reads have cut.
///
/// Replies, such as Pongs, are passed to `replies`, usually the [sender](crate::Sender), before the corresponding event
/// is returned.
///
/// After a Close or a failure every further byte is discarded.
pub struct Receiver<R, S: Storage> {
    frames: Frames<R, S::Control>,
    #[cfg(feature = "deflate")]
    inflater: Option<Boxed<Inflater>>,
    assembly: Assembly<S::Message>,
    max_message: u64,
    #[cfg(feature = "deflate")]
    keep: usize,
}

// Not what is stored: it is somebody's message.
impl<R, S: Storage> fmt::Debug for Receiver<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({:?})", self.frames.state)
    }
}

impl<R: Role, S: Storage> Receiver<R, S> {
    #[inline]
    #[cfg(feature = "deflate")]
    pub(crate) fn new(config: &Config, inflater: Option<Boxed<Inflater>>, store: S) -> Self {
        let (claimed_rsv, longest) =
            if inflater.is_some() { (RSV1, deflate::bound(config.max_message)) } else { (0, u64::MAX) };
        Self {
            frames: Frames::new(Rules::new(config, claimed_rsv, longest)),
            inflater,
            assembly: Assembly::new(store.into(), config.keep),
            max_message: config.max_message,
            keep: config.keep,
        }
    }

    #[cfg(not(feature = "deflate"))]
    pub(crate) fn new(config: &Config, store: S) -> Self {
        Self {
            frames: Frames::new(Rules::new(config, 0, u64::MAX)),
            assembly: Assembly::new(store.into(), config.keep),
            max_message: config.max_message,
        }
    }

    /// The next whole message or control frame; `None` when the input is used up.
    ///
    /// A message in one frame that is all in the input is lent from there. Any other is assembled in the receiver's
    /// store, and limited by [`Config::max_message`] and by the size of the store.
    ///
    /// If [`next_chunk`](Self::next_chunk) has returned the beginning of a message, this returns the rest, as if the
    /// rest were the message. Later frames of the message are limited as if its beginning, too, had to fit into the
    /// store.
    // Inlined into the caller's loop, an event does not go through memory: a quarter less for a short message. The
    // compiler makes it a call where there are two.
    #[inline(always)]
    #[must_use = "an event is all that tells of a message, a close or a failure"]
    pub fn next_message<'a, 'b: 'a>(
        &'a mut self,
        input: &mut Input<'b>,
        replies: &mut (impl Replies + ?Sized),
    ) -> Option<Event<'a>> {
        if self.frames.state.is_at_rest() || self.settle(input.is_empty()) {
            match self.frames.whole_message::<0>(input, self.max_whole_message()) {
                Some((Kind::Binary, bytes)) => return Some(Event::Binary(bytes)),
                Some((Kind::Text, bytes)) => {
                    return Some(match text::whole(bytes) {
                        Ok(text) => Event::Text(text),
                        Err(InvalidUtf8) => Event::of_whole(self.fail(Failure::InvalidUtf8, replies)),
                    });
                }
                None if input.is_empty() => return None,
                None => self.frames.state.leave_rest(),
            }
        }
        self.next_message_in_parts(input, replies)
    }

    /// Everything but a message of one frame in one piece.
    #[inline(never)]
    fn next_message_in_parts<'a, 'b: 'a>(
        &'a mut self,
        input: &mut Input<'b>,
        replies: &mut (impl Replies + ?Sized),
    ) -> Option<Event<'a>> {
        let found = self.next_assembled(input);
        self.tell(found, replies).map(Event::of_whole)
    }

    /// The next chunk of a message, or control frame; `None` when the input is used up.
    ///
    /// Chunks are lent as they are received and never stored, so a message may be larger than memory
    /// ([`Config::max_message`] still applies). Text is never cut inside a code point: a code point that reads or
    /// frames have cut is a chunk of its own.
    ///
    /// In the middle of a message whose beginning [`next_message`](Self::next_message) has stored, that beginning is
    /// the first chunk.
    ///
    /// ```
    /// use websocket_proto::{Chunk, ChunkEvent, Input, Receiver, Sender, Server};
    ///
    /// /// Writes binary messages to a file while they are received; returns how many have ended.
    /// fn save(
    ///     rx: &mut Receiver<Server, Vec<u8>>,
    ///     tx: &mut Sender<Server, Vec<u8>>,
    ///     mut input: Input<'_>,
    ///     file: &mut impl std::io::Write,
    /// ) -> std::io::Result<usize> {
    ///     let mut ended = 0;
    ///     while let Some(event) = rx.next_chunk(&mut input, tx) {
    ///         if let ChunkEvent::Binary(Chunk { data, last, .. }) = event {
    ///             file.write_all(data)?;
    ///             ended += usize::from(last);
    ///         }
    ///     }
    ///     Ok(ended)
    /// }
    /// # use websocket_proto::{Config, server};
    /// # let mut request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    /// #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
    /// #     \x82\x85\0\0\0\0hel".to_vec();
    /// # let mut early = Input::new(&mut request);
    /// # let mut handshake = server::Handshake::new(Config::new());
    /// # assert!(handshake.read(&mut early));
    /// # let mut connection = handshake.into_request()?.upgrade()?.accept(&server::Accept::new())?;
    /// # let mut file = Vec::new();
    /// # assert_eq!(save(&mut connection.receiver, &mut connection.sender, early, &mut file)?, 0);
    /// # assert_eq!(file, b"hel");
    /// # let mut rest = *b"lo";
    /// # assert_eq!(save(&mut connection.receiver, &mut connection.sender, Input::new(&mut rest), &mut file)?, 1);
    /// # assert_eq!(file, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    // As for whole messages.
    #[inline(always)]
    #[must_use = "an event is all that tells of a message, a close or a failure"]
    pub fn next_chunk<'a, 'b: 'a>(
        &'a mut self,
        input: &mut Input<'b>,
        replies: &mut (impl Replies + ?Sized),
    ) -> Option<ChunkEvent<'a>> {
        if self.frames.state.is_at_rest() || self.settle(input.is_empty()) {
            match self.frames.whole_message::<0>(input, self.max_message) {
                Some((Kind::Binary, data)) => return Some(ChunkEvent::Binary(Chunk::whole(data))),
                Some((Kind::Text, bytes)) => match text::whole(bytes) {
                    Ok(data) => return Some(ChunkEvent::Text(Chunk::whole(data))),
                    Err(InvalidUtf8) => return Some(self.broken_text(bytes, replies)),
                },
                None if input.is_empty() => return None,
                None => self.frames.state.leave_rest(),
            }
        }
        self.next_chunk_in_parts(input, replies)
    }

    /// Everything but a message of one frame in one piece.
    #[inline(never)]
    fn next_chunk_in_parts<'a, 'b: 'a>(
        &'a mut self,
        input: &mut Input<'b>,
        replies: &mut (impl Replies + ?Sized),
    ) -> Option<ChunkEvent<'a>> {
        let found = self.next_checked(input);
        self.tell(found, replies)
    }

    /// How many bytes of the current data frame are still to be received; 0 between frames. Further fragments don't
    /// count.
    ///
    /// The peer has announced it: use it to show progress, not to reserve memory.
    pub fn payload_remaining(&self) -> u64 {
        self.frames.state.payload_remaining()
    }

    /// Says how the connection ends if the stream ends now: `Ok` if the peer has sent a Close.
    ///
    /// This changes nothing, so it can be asked at any time.
    ///
    /// # Errors
    ///
    /// [`UncleanEnd::Failed`] if the connection has failed. Otherwise no Close was received: the connection is lost,
    /// and a message may be lost with it.
    pub fn end_of_input(&self) -> Result<(), UncleanEnd> {
        Err(match self.frames.state.position {
            Position::Ended(Ending::Closed) => return Ok(()),
            Position::Ended(Ending::BrokenText) => UncleanEnd::Failed(Failure::InvalidUtf8),
            Position::Ended(Ending::Failed(failure)) => UncleanEnd::Failed(failure),
            _ if self.frames.state.is_between_messages() => UncleanEnd::WithoutClose,
            _ => UncleanEnd::InsideMessage,
        })
    }

    /// What client and server have agreed on for compressed messages; `None` if messages are not compressed.
    #[cfg(feature = "deflate")]
    pub fn compression(&self) -> Option<&Agreement> {
        self.inflater.as_ref().map(|inflater| inflater.agreement())
    }

    /// Frees memory that is kept for the next message (see [`Config::keep`]), and the spare memory of the calling
    /// thread. Memory that is in use is not freed.
    pub fn release(&mut self) {
        #[cfg(feature = "deflate")]
        if let Some(inflater) = &mut self.inflater {
            inflater.release();
        }
        self.assembly.free();
        storage::free_spare();
    }

    /// Takes no shortcuts from now on: the fuzz targets compare the two ways.
    #[cfg(fuzzing)]
    #[doc(hidden)]
    pub fn take_the_long_way(&mut self) {
        self.frames.takes_the_long_way = true;
    }

    /// Whether a message begins next, and nothing that was lent has to be released.
    #[inline]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.frames.state.is_at_rest()
    }

    /// Releases what the last event has lent. Returns whether a message begins next.
    #[inline(never)]
    fn settle(&mut self, is_input_over: bool) -> bool {
        self.assembly.release(is_input_over);
        self.frames.release();
        #[cfg(feature = "deflate")]
        if let Some(inflater) = &mut self.inflater {
            inflater.keep(self.keep);
        }
        let is_between_messages = self.frames.state.is_between_messages();
        if is_between_messages && !self.assembly.is_warm() {
            self.frames.state.rest();
        }
        is_between_messages
    }

    /// Turns what was found into an event, and passes on the reply that it calls for.
    fn tell<'a, 'b: 'a>(
        &'a mut self,
        found: Result<Option<Found<'b, Piece<'b>>>, Failure>,
        replies: &mut (impl Replies + ?Sized),
    ) -> Option<ChunkEvent<'a>> {
        Some(match found {
            Ok(None) => {
                self.assembly.cool();
                return None;
            }
            Ok(Some(Found::Payload(piece))) => self.lend(piece),
            Ok(Some(Found::Control { opcode, payload })) => self.control(opcode, payload, replies),
            Err(failure) => self.fail(failure, replies),
        })
    }

    fn lend<'a, 'b: 'a>(&'a mut self, Piece { at, last }: Piece<'b>) -> ChunkEvent<'a> {
        let remaining =
            if last { Some(0) } else { self.frames.state.known_remaining(self.assembly.text.unfinished_len()) };
        let (kind, first) = self.frames.state.given(last);
        let text = |data: &'a str| ChunkEvent::Text(Chunk { data, first, last, remaining });
        let binary = |data: &'a [u8]| ChunkEvent::Binary(Chunk { data, first, last, remaining });
        match at {
            At::Wire(bytes, mask) => binary(unmasked(bytes, mask)),
            At::Text(data) => text(data),
            At::CodePoint(char) => text(self.assembly.text.lend(char)),
            #[cfg(feature = "deflate")]
            At::Inflated(range) => {
                let data = inflate::inflated(&self.inflater, &range);
                match kind {
                    // It was checked before; safe code has to do so once more.
                    Kind::Text => {
                        let checked = text::whole(data);
                        debug_assert!(checked.is_ok(), "decompressed text is checked before it is lent");
                        text(checked.unwrap_or_default())
                    }
                    Kind::Binary => binary(data),
                }
            }
            At::Store => {
                let store = self.assembly.lend();
                match kind {
                    Kind::Text => text(store.text()),
                    Kind::Binary => binary(store.bytes()),
                }
            }
        }
    }

    /// The valid beginning of a text, as if a read had ended there; or its failure.
    #[cold]
    fn broken_text<'a>(&'a mut self, bytes: &'a [u8], replies: &mut (impl Replies + ?Sized)) -> ChunkEvent<'a> {
        let (data, _) = self.assembly.text.text(bytes);
        if data.is_empty() {
            return self.fail(Failure::InvalidUtf8, replies);
        }
        self.frames.end(Ending::BrokenText);
        ChunkEvent::Text(Chunk { data, first: true, last: false, remaining: None })
    }

    fn control<'a>(
        &'a mut self,
        opcode: Opcode,
        payload: Option<&'a [u8]>,
        replies: &mut (impl Replies + ?Sized),
    ) -> ChunkEvent<'a> {
        let message_cut_short = self.frames.state.message.is_some();
        if opcode == Opcode::Close {
            self.end(Ending::Closed);
        }
        let payload = payload.unwrap_or_else(|| self.frames.control_payload());
        match opcode {
            Opcode::Ping => {
                replies.reply(Reply { kind: ReplyKind::Pong, payload });
                ChunkEvent::Ping(payload)
            }
            Opcode::Close => {
                replies.reply(Reply { kind: ReplyKind::Close, payload });
                let close = Close::parse(payload);
                debug_assert!(close.is_ok(), "a Close is judged as it is received");
                let Close { code, reason } = close.unwrap_or(Close::EMPTY);
                ChunkEvent::Close { code, reason, message_cut_short }
            }
            _ => ChunkEvent::Pong(payload),
        }
    }

    #[cold]
    fn fail(&mut self, failure: Failure, replies: &mut (impl Replies + ?Sized)) -> ChunkEvent<'static> {
        self.end(Ending::Failed(failure));
        let close = Close { code: Some(failure.close_code()), reason: failure.reason() };
        let mut buffer = [0; MAX_CONTROL_PAYLOAD];
        let payload = close.encode(&mut buffer).unwrap_or_default();
        debug_assert!(!payload.is_empty(), "every reason is short enough for a Close");
        replies.reply(Reply { kind: ReplyKind::Fail, payload });
        ChunkEvent::Failed(failure)
    }

    /// Ends the stream here: what is stored will not be completed.
    fn end(&mut self, ending: Ending) {
        self.frames.end(ending);
        #[cfg(feature = "deflate")]
        if let Some(inflater) = &mut self.inflater {
            inflater.drop_rest();
        }
        self.assembly.end();
    }
}
