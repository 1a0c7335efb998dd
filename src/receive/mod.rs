mod event;
mod failure;
mod frames;
#[cfg(not(feature = "deflate"))]
mod no_inflater;
mod part;
mod payloads;
mod whole;

use core::{fmt, mem};

#[cfg(feature = "deflate")]
use crate::deflate::Agreement;
use crate::{
    Config, Input, Replies, Reply, Role, STRAIGHT_PATHS, Storage,
    connection::ReplyKind,
    frame::{Close, MAX_CONTROL_PAYLOAD, Opcode},
    storage::{self, Bytes, MessageStore},
    text::{self as utf8, Checked, InvalidUtf8, Utf8},
};

pub use event::{Chunk, ChunkEvent, Event, Kind, Message};
pub use failure::{EndOfInput, Failure};
use frames::{Most, Next, Wanted};
use part::{Content, Part};
pub(crate) use payloads::Payloads;
use payloads::{Payload, Source};

/// The receiving half of a connection: bytes from the peer in, events out.
///
/// Call [`next_message`](Self::next_message) for whole messages or [`next`](Self::next) for chunks as they come, until
/// it returns `None`: then the input is used up, all of it, and can be refilled. What must be whole and is not yet,
/// a header or a control frame, is kept inside.
///
/// What the peer is owed goes straight to the `replies`, usually the [sender](crate::Sender), before the event that
/// tells of it.
///
/// After a Close or a failure every further byte is discarded.
pub struct Receiver<R, S: Storage> {
    payloads: Payloads<R, S::Control>,
    state: State,
    /// The text's code point that a read or a frame has cut.
    utf8: Utf8,
    /// Some of the message that comes has been handed out as a chunk.
    begun: bool,
    store_use: StoreUse,
    /// The kind of the message that is in the store.
    stored: Kind,
    /// The message's payload so far, for whole messages.
    store: S::Message,
    max_message: u64,
    keep: usize,
}

// Not what is stored: it is somebody's message.
impl<R, S: Storage> fmt::Debug for Receiver<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({:?})", self.state)
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Open, between two messages, and nothing of what was lent is to be cleared away.
    AtRest,
    /// Open, and perhaps at rest all the same: [`settle`](Receiver::settle) finds out.
    Open,
    /// The last event was the valid text before a bad byte; the next one says so.
    BrokenText,
    /// A Close has come.
    Closed,
    /// The peer broke the protocol.
    Failed(Failure),
}

/// What a receiver's store is there for at the moment.
#[derive(Clone, Copy, PartialEq)]
enum StoreUse {
    /// It holds what was received of a message that is not whole, or nothing.
    Assembling,
    /// What is in it has been handed out.
    Lent,
    /// It is empty, and has its memory still in case another message of the same input has to be stored.
    Warm,
}

impl<R: Role, S: Storage> Receiver<R, S> {
    #[inline]
    pub(crate) fn new(payloads: Payloads<R, S::Control>, config: &Config, store: S) -> Self {
        Self {
            payloads,
            state: State::AtRest,
            utf8: Utf8::default(),
            begun: false,
            store_use: StoreUse::Assembling,
            stored: Kind::Binary,
            store: store.into(),
            max_message: config.max_message,
            keep: config.keep,
        }
    }

    /// The next whole message or control frame; `None` when the input is used up.
    ///
    /// A message that lies whole in the input, in one frame, is lent from there; any other is put together in the
    /// receiver's store, and limited by [`Config::max_message`] and the store's size.
    ///
    /// In the middle of a message of which [`next`](Self::next) has given the beginning, this gives the rest. What else is announced of the
    /// message is then limited as if all of it had to be stored.
    // In the caller's loop an event needn't go through memory: a quarter less for a short message. Left to itself, the compiler makes it a
    // call where there are two.
    #[inline(always)]
    #[must_use = "an event is all that tells of a message, a close or a failure"]
    pub fn next_message<'a, 'b: 'a>(
        &'a mut self,
        input: &mut Input<'b>,
        replies: &mut (impl Replies + ?Sized),
    ) -> Option<Event<'a>> {
        if self.is_at_rest() || self.settle(input.is_empty()) {
            let limit = self.max_message.min(self.store.capacity() as u64);
            match self.payloads.frames.whole_message::<0>(input, limit) {
                Some((Kind::Binary, bytes)) => return Some(Event::Binary(bytes)),
                Some((Kind::Text, bytes)) => {
                    return Some(match utf8::whole(bytes) {
                        Ok(text) => Event::Text(text),
                        Err(InvalidUtf8) => Event::of_whole(self.fail(Failure::InvalidUtf8, replies)),
                    });
                }
                None if input.is_empty() => return None,
                None => self.state = State::Open,
            }
        }
        self.next_message_in_parts(input, replies)
    }

    /// What is no message of one frame in one piece.
    #[inline(never)]
    fn next_message_in_parts<'a, 'b: 'a>(
        &'a mut self,
        input: &mut Input<'b>,
        replies: &mut (impl Replies + ?Sized),
    ) -> Option<Event<'a>> {
        let found = self.find_whole(input);
        self.tell(found, replies).map(Event::of_whole)
    }

    /// The next chunk of a message, or control frame; `None` when the input is used up.
    ///
    /// Chunks come as the bytes do and are never stored, so a message may be larger than memory
    /// ([`Config::max_message`] still counts). Text is never cut inside a code point: one that a read or a frame has
    /// cut is joined and comes as a chunk of its own.
    ///
    /// In the middle of a message of which [`next_message`](Self::next_message) has stored the beginning, that
    /// comes as the first chunk.
    // As for whole messages.
    #[inline(always)]
    #[must_use = "an event is all that tells of a message, a close or a failure"]
    pub fn next<'a, 'b: 'a>(
        &'a mut self,
        input: &mut Input<'b>,
        replies: &mut (impl Replies + ?Sized),
    ) -> Option<ChunkEvent<'a>> {
        if self.is_at_rest() || self.settle(input.is_empty()) {
            match self.payloads.frames.whole_message::<0>(input, self.max_message) {
                Some((Kind::Binary, data)) => return Some(ChunkEvent::Binary(Chunk { data, first: true, last: true })),
                Some((Kind::Text, bytes)) => match utf8::whole(bytes) {
                    Ok(data) => return Some(ChunkEvent::Text(Chunk { data, first: true, last: true })),
                    Err(InvalidUtf8) => return Some(self.broken_text(bytes, replies)),
                },
                None if input.is_empty() => return None,
                None => self.state = State::Open,
            }
        }
        self.next_in_parts(input, replies)
    }

    /// What is no message of one frame in one piece.
    #[inline(never)]
    fn next_in_parts<'a, 'b: 'a>(
        &'a mut self,
        input: &mut Input<'b>,
        replies: &mut (impl Replies + ?Sized),
    ) -> Option<ChunkEvent<'a>> {
        let found = self.find_chunk(input);
        self.tell(found, replies)
    }

    /// How many bytes of the current message's frame are still to come: 0 between frames, and nothing is said about
    /// further fragments.
    ///
    /// It is what the peer has announced; use it to show progress, not to reserve memory.
    pub fn payload_remaining(&self) -> u64 {
        self.payloads.frames.payload_remaining()
    }

    /// The peer has ended the stream.
    ///
    /// # Errors
    ///
    /// When it did so without a Close: the connection was lost, and a message may have been, too.
    pub fn end_of_input(&self) -> Result<(), EndOfInput> {
        match self.state {
            State::Closed => Ok(()),
            State::Failed(failure) => Err(EndOfInput::Failed(failure)),
            State::BrokenText => Err(EndOfInput::Failed(Failure::InvalidUtf8)),
            State::Open if self.payloads.frames.is_inside_frame() || self.payloads.frames.is_inside_message() => {
                Err(EndOfInput::InsideMessage)
            }
            State::AtRest | State::Open => Err(EndOfInput::WithoutClose),
        }
    }

    /// What the two sides have agreed on for compressed messages, if they have.
    #[cfg(feature = "deflate")]
    pub fn compression(&self) -> Option<&Agreement> {
        self.payloads.compression()
    }

    /// Frees memory that is kept for the next message (see [`Config::keep`]), and what the calling thread has to spare.
    /// What holds something stays.
    pub fn release(&mut self) {
        self.payloads.release();
        if self.store_use != StoreUse::Assembling || self.store.bytes().is_empty() {
            self.store_use = StoreUse::Assembling;
            self.store.clear(0);
        }
        storage::free_spare();
    }

    /// The next chunk; first of all, what `next_message` has stored of a message whose rest is now asked for in chunks.
    fn find_chunk<'b>(&mut self, input: &mut Input<'b>) -> Result<Option<Next<'b, Part<'b>>>, Failure> {
        let last = self.take_stored(input);
        if self.store.bytes().is_empty() {
            self.find_part(input, self.max_message, Most::ANY, false)
        } else {
            Ok(Some(Next::Data(Part::stored(last))))
        }
    }

    /// The next part of a message, no more of it than `most` says. What may be stored is found to be ASCII on the way; and text that
    /// is inflated is stored here and now, while it is known to be text.
    fn find_part<'b>(
        &mut self,
        input: &mut Input<'b>,
        limit: u64,
        most: Most,
        may_store: bool,
    ) -> Result<Option<Next<'b, Part<'b>>>, Failure> {
        loop {
            // To join a cut code point, take its missing bytes and no more.
            let wanted = match self.utf8.missing() {
                0 => Wanted { most, ascii: may_store && self.store.takes_ascii() },
                missing => Wanted { most: Most::Bytes(missing), ascii: false },
            };
            let Payload { kind, bytes, last, is_ascii } = match self.find(input, limit, wanted)? {
                None => return Ok(None),
                Some(Next::Control { opcode, payload }) => return Ok(Some(Next::Control { opcode, payload })),
                Some(Next::Data(payload)) => payload,
            };
            if let Source::Inflated(piece) = &bytes {
                self.make_room(piece.len());
            }
            let part = |content| Ok(Some(Next::Data(Part { content, last })));
            match (kind, bytes) {
                (Kind::Text, Source::Input(bytes)) if STRAIGHT_PATHS && is_ascii => return part(Content::Ascii(bytes)),
                (Kind::Binary, Source::Input(bytes)) => return part(Content::Binary(bytes)),
                (Kind::Binary, Source::Inflated(piece)) => return part(Content::Inflated(kind, piece)),
                (Kind::Text, Source::Input(bytes)) => match self.utf8.next(bytes, last)? {
                    Checked::Nothing => {}
                    Checked::Joined(char) => return part(Content::Joined(char)),
                    Checked::Text { text, is_broken } => {
                        return Ok(Some(self.text(Content::Text(text), last, is_broken)));
                    }
                },
                (Kind::Text, Source::Inflated(piece)) => match self.utf8.next(self.payloads.inflated(&piece), last)? {
                    Checked::Nothing => {}
                    Checked::Joined(char) => return part(Content::Joined(char)),
                    Checked::Text { text, is_broken } => {
                        let (len, is_whole) = (text.len(), last && !is_broken && self.store.bytes().is_empty());
                        let content = if may_store && !is_whole {
                            self.store.append_text(text, usize::MAX).map_err(|_| self.no_room(len))?;
                            self.will_store(kind);
                            Content::Stored
                        } else {
                            Content::Inflated(kind, piece.front(len))
                        };
                        return Ok(Some(self.text(content, last, is_broken)));
                    }
                },
            }
        }
    }

    /// A part of a text. What is broken behind it is told next, as it would have been had the good bytes come in a read of their own.
    fn text<'b>(&mut self, content: Content<'b>, last: bool, is_broken: bool) -> Next<'b, Part<'b>> {
        if is_broken {
            self.state = State::BrokenText;
        }
        Next::Data(Part { content, last: last && !is_broken })
    }

    /// What comes next, while the connection is open.
    fn find<'b>(
        &mut self,
        input: &mut Input<'b>,
        limit: u64,
        wanted: Wanted,
    ) -> Result<Option<Next<'b, Payload<'b>>>, Failure> {
        match self.state {
            State::AtRest | State::Open => self.payloads.next(input, limit, wanted),
            State::BrokenText => Err(Failure::InvalidUtf8),
            State::Closed | State::Failed(_) => {
                input.discard();
                Ok(None)
            }
        }
    }

    /// Turns what was found into an event, and sends the reply that it calls for.
    fn tell<'a, 'b: 'a>(
        &'a mut self,
        found: Result<Option<Next<'b, Part<'b>>>, Failure>,
        replies: &mut (impl Replies + ?Sized),
    ) -> Option<ChunkEvent<'a>> {
        Some(match found {
            Ok(None) => {
                self.cool();
                return None;
            }
            Ok(Some(Next::Data(part))) => self.lend(part),
            Ok(Some(Next::Control { opcode, payload })) => self.control(opcode, payload, replies),
            Err(failure) => self.fail(failure, replies),
        })
    }

    fn lend<'a, 'b: 'a>(&'a mut self, Part { content, last }: Part<'b>) -> ChunkEvent<'a> {
        let first = self.begin_chunk(last);
        let text = |data: &'a str| ChunkEvent::Text(Chunk { data, first, last });
        let binary = |data: &'a [u8]| ChunkEvent::Binary(Chunk { data, first, last });
        match content {
            Content::Text(data) => text(data),
            Content::Ascii(data) => text(checked_text(data)),
            Content::Binary(data) => binary(data),
            Content::Inflated(kind, piece) => {
                let data = self.payloads.inflated(&piece);
                match kind {
                    Kind::Text => text(checked_text(data)),
                    Kind::Binary => binary(data),
                }
            }
            Content::Joined(char) => text(self.utf8.lend(char)),
            Content::Stored => {
                self.store_use = StoreUse::Lent;
                match self.stored {
                    Kind::Text => text(self.store.text()),
                    Kind::Binary => binary(self.store.bytes()),
                }
            }
        }
    }

    /// Notes that a chunk is handed out, and answers whether it is its message's first.
    fn begin_chunk(&mut self, last: bool) -> bool {
        !mem::replace(&mut self.begun, !last)
    }

    /// Clears away what was lent, and finds out whether all is at rest. Memory stays for the next message if there
    /// is more input.
    #[inline(never)]
    fn settle(&mut self, is_over: bool) -> bool {
        self.store_use = match self.store_use {
            StoreUse::Lent if !is_over => {
                self.store.clear(usize::MAX);
                StoreUse::Warm
            }
            StoreUse::Lent | StoreUse::Warm => {
                self.store.clear(self.keep);
                StoreUse::Assembling
            }
            StoreUse::Assembling => StoreUse::Assembling,
        };
        self.payloads.frames.clear();
        self.payloads.keep(self.keep);
        let is_at_rest = self.is_expecting() && self.payloads.frames.is_between_messages();
        if is_at_rest && self.store_use == StoreUse::Assembling {
            self.state = State::AtRest;
        }
        is_at_rest
    }

    /// The input is used up: memory in which nothing is stored goes back.
    fn cool(&mut self) {
        if self.store.bytes().is_empty() {
            self.store_use = StoreUse::Assembling;
            self.store.clear(self.keep);
        }
    }

    /// This many bytes are stored next. Memory of the message before goes back if it is too large for them.
    fn make_room(&mut self, len: usize) {
        if self.store_use == StoreUse::Warm {
            self.store.clear(storage::most_for(len).max(self.keep));
        }
    }

    /// What is stored next is of this kind, and not lent.
    fn will_store(&mut self, kind: Kind) {
        (self.stored, self.store_use) = (kind, StoreUse::Assembling);
    }

    /// Whether it is open, between two messages, with nothing to clear away.
    #[inline]
    pub(crate) fn is_at_rest(&self) -> bool {
        matches!(self.state, State::AtRest)
    }

    /// Whether more may come, and all that has come has been taken out of an inflater.
    fn is_expecting(&self) -> bool {
        matches!(self.state, State::AtRest | State::Open) && !self.payloads.is_inflating()
    }

    /// The good beginning of a text, as it would have been had it come in a read of its own; or its failure.
    #[cold]
    fn broken_text<'a>(&'a mut self, bytes: &'a [u8], replies: &mut (impl Replies + ?Sized)) -> ChunkEvent<'a> {
        let (data, _) = self.utf8.text(bytes);
        if data.is_empty() {
            return self.fail(Failure::InvalidUtf8, replies);
        }
        self.state = State::BrokenText;
        ChunkEvent::Text(Chunk { data, first: self.begin_chunk(false), last: false })
    }

    fn control<'a>(
        &'a mut self,
        opcode: Opcode,
        payload: Option<&'a [u8]>,
        replies: &mut (impl Replies + ?Sized),
    ) -> ChunkEvent<'a> {
        let message_cut_short = self.payloads.frames.is_inside_message();
        if opcode == Opcode::Close {
            self.end(State::Closed);
        }
        let payload = payload.unwrap_or(self.payloads.frames.control_payload());
        match opcode {
            Opcode::Ping => {
                replies.reply(Reply { kind: ReplyKind::Pong, payload });
                ChunkEvent::Ping(payload)
            }
            Opcode::Close => {
                replies.reply(Reply { kind: ReplyKind::Close, payload });
                // It was found to be right when it came.
                let Close { code, reason } = Close::parse(payload).unwrap_or(Close::EMPTY);
                ChunkEvent::Close { code, reason, message_cut_short }
            }
            _ => ChunkEvent::Pong(payload),
        }
    }

    #[cold]
    fn fail(&mut self, failure: Failure, replies: &mut (impl Replies + ?Sized)) -> ChunkEvent<'static> {
        self.end(State::Failed(failure));
        self.payloads.frames.drop_rest();
        let close = Close { code: Some(failure.close_code()), reason: failure.reason() };
        let mut room = [0; MAX_CONTROL_PAYLOAD];
        let payload = close.encode(&mut room).unwrap_or_default();
        replies.reply(Reply { kind: ReplyKind::Fail, payload });
        ChunkEvent::Failed(failure)
    }

    /// Nothing more will come, nor the rest of what is stored.
    fn end(&mut self, state: State) {
        self.state = state;
        self.payloads.drop_inflated();
        self.utf8 = Utf8::default();
        self.store_use = StoreUse::Assembling;
        self.store.clear(0);
    }
}

/// Text that was checked before: to make a `str` of it without checking it once more is not for safe code.
fn checked_text(bytes: &[u8]) -> &str {
    utf8::whole(bytes).unwrap_or_default()
}
