#[cfg(feature = "deflate")]
use alloc::boxed::Box;
#[cfg(feature = "deflate")]
use core::ops::Range;
use core::{fmt, mem};

#[cfg(feature = "deflate")]
use crate::deflate::{Agreement, Inflated, Inflater, RSV1};
use crate::{
    Input, Storage,
    frame::{Close, MAX_CONTROL_PAYLOAD, Opcode},
    storage::StorageFull,
    utf8::{self, InvalidUtf8, Utf8},
};

use super::{
    Chunk, ChunkEvent, Config, EndOfInput, Event, Extensions, Failure, Kind, Replies, Reply, Role,
    event::ControlEvent,
    frames::{self, Frames},
    reply::ReplyKind,
};

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
pub struct Receiver<R, S> {
    frames: Frames<R>,
    state: State,
    /// Open, between two messages, and nothing of what was lent is to be cleared away: never true when it isn't so.
    at_rest: bool,
    /// The text's code point that a read or a frame has cut.
    utf8: Utf8,
    /// The same when it has been joined, to be lent.
    joined: [u8; 4],
    /// Some of the message that comes has been handed out as a chunk.
    begun: bool,
    /// The message's payload so far, for whole messages.
    store: S,
    /// What is in the store has been handed out.
    store_lent: bool,
    /// The kind of the message that is in the store.
    stored: Kind,
    max_message: u64,
    keep: usize,
    #[cfg(feature = "deflate")]
    inflater: Option<Box<Inflater>>,
}

// Not what is stored: it is somebody's message.
impl<R, S> fmt::Debug for Receiver<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({:?})", self.state)
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    /// The last event was the valid text before a bad byte; the next one says so.
    AboutToFail(Failure),
    /// A Close has come.
    Closed,
    /// The peer broke the protocol.
    Failed(Failure),
}

/// What was found, before anything of the receiver is lent.
enum Found<'b> {
    Data(Data<'b>),
    Control { opcode: Opcode, payload: Option<&'b [u8]> },
}

/// Payload of a message, and where it is.
struct Data<'b> {
    kind: Kind,
    payload: Payload<'b>,
    last: bool,
}

enum Payload<'b> {
    /// In the input.
    Lent(&'b [u8]),
    /// In the inflater's room.
    #[cfg(feature = "deflate")]
    Inflated(Range<usize>),
}

/// A message that is complete, before anything of the receiver is lent.
enum Whole<'b> {
    Text(&'b str),
    Binary(&'b [u8]),
    /// In the store.
    Stored(Kind),
    #[cfg(feature = "deflate")]
    Inflated(Kind, Range<usize>),
    Control {
        opcode: Opcode,
        payload: Option<&'b [u8]>,
    },
}

/// A chunk of a message, before anything of the receiver is lent.
enum Part<'b> {
    Text {
        text: &'b str,
        last: bool,
    },
    Binary {
        bytes: &'b [u8],
        last: bool,
    },
    #[cfg(feature = "deflate")]
    Inflated {
        kind: Kind,
        piece: Range<usize>,
        last: bool,
    },
    /// The code point that two chunks had cut.
    Joined {
        char: char,
        last: bool,
    },
    /// This much of what `next_message` has stored.
    Stored {
        kind: Kind,
        len: usize,
    },
    Control {
        opcode: Opcode,
        payload: Option<&'b [u8]>,
    },
}

impl<R: Role, S: Storage> Receiver<R, S> {
    #[cfg_attr(not(feature = "deflate"), expect(unused_variables, reason = "no extension is known"))]
    pub(crate) fn new(config: &Config, extensions: Extensions, store: S) -> Self {
        #[cfg(feature = "deflate")]
        let (inflater, claimed_rsv) = match (extensions.deflate, &config.deflate) {
            (Some(agreement), Some(wanted)) => (Some(Box::new(Inflater::new(agreement, wanted))), RSV1),
            _ => (None, 0),
        };
        #[cfg(not(feature = "deflate"))]
        let claimed_rsv = 0;
        Self {
            frames: Frames::new(config, claimed_rsv),
            state: State::Open,
            at_rest: true,
            utf8: Utf8::default(),
            joined: [0; 4],
            begun: false,
            store,
            store_lent: false,
            stored: Kind::Binary,
            max_message: config.max_message,
            keep: config.keep,
            #[cfg(feature = "deflate")]
            inflater,
        }
    }

    /// The next whole message or control frame; `None` when the input is used up.
    ///
    /// A message that lies whole in the input, in one frame, is lent from there; any other is put together in the
    /// receiver's store, and limited by [`Config::max_message`] and the store's size.
    ///
    /// In the middle of a message of which [`next`](Self::next) has given the beginning, this gives the rest.
    #[must_use = "an event is all that tells of a message, a close or a failure"]
    pub fn next_message<'a, 'b: 'a>(
        &'a mut self,
        input: &mut Input<'b>,
        replies: &mut (impl Replies + ?Sized),
    ) -> Option<Event<'a>> {
        if self.at_rest || self.settle() {
            let limit = self.max_message.min(self.store.capacity() as u64);
            match self.frames.whole_message(input, limit) {
                Some((Kind::Binary, bytes)) => return Some(Event::Binary(bytes)),
                Some((Kind::Text, bytes)) => {
                    return Some(match utf8::whole(bytes) {
                        Ok(text) => Event::Text(text),
                        Err(InvalidUtf8) => self.fail(Failure::InvalidUtf8, replies).into(),
                    });
                }
                None if input.is_empty() => return None,
                None => self.at_rest = false,
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
        let whole = match self.find_whole(input) {
            Ok(whole) => whole?,
            Err(failure) => return Some(self.fail(failure, replies).into()),
        };
        Some(match whole {
            Whole::Text(text) => Event::Text(text),
            Whole::Binary(bytes) => Event::Binary(bytes),
            Whole::Stored(kind) => {
                self.store_lent = true;
                match kind {
                    Kind::Text => Event::Text(checked_text(self.store.bytes())),
                    Kind::Binary => Event::Binary(self.store.bytes()),
                }
            }
            #[cfg(feature = "deflate")]
            Whole::Inflated(Kind::Text, piece) => Event::Text(checked_text(inflated(&self.inflater, piece))),
            #[cfg(feature = "deflate")]
            Whole::Inflated(Kind::Binary, piece) => Event::Binary(inflated(&self.inflater, piece)),
            Whole::Control { opcode, payload } => self.control(opcode, payload, replies).into(),
        })
    }

    /// The next chunk of a message, or control frame; `None` when the input is used up.
    ///
    /// Chunks come as the bytes do and are never stored, so a message may be larger than memory
    /// ([`Config::max_message`] still counts). Text is never cut inside a code point: one that a read or a frame has
    /// cut is joined and comes as a chunk of its own.
    ///
    /// In the middle of a message of which [`next_message`](Self::next_message) has stored the beginning, that
    /// comes as the first chunk.
    #[must_use = "an event is all that tells of a message, a close or a failure"]
    pub fn next<'a, 'b: 'a>(
        &'a mut self,
        input: &mut Input<'b>,
        replies: &mut (impl Replies + ?Sized),
    ) -> Option<ChunkEvent<'a>> {
        if self.at_rest || self.settle() {
            match self.frames.whole_message(input, self.max_message) {
                Some((Kind::Binary, data)) => return Some(ChunkEvent::Binary(Chunk { data, first: true, last: true })),
                Some((Kind::Text, bytes)) => match utf8::whole(bytes) {
                    Ok(data) => return Some(ChunkEvent::Text(Chunk { data, first: true, last: true })),
                    Err(InvalidUtf8) => return Some(self.broken_text(bytes, replies)),
                },
                None if input.is_empty() => return None,
                None => self.at_rest = false,
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
        let part = match self.find_part(input) {
            Ok(part) => part?,
            Err(failure) => return Some(self.fail(failure, replies).into()),
        };
        Some(match part {
            Part::Text { text, last } => ChunkEvent::Text(Chunk { data: text, first: self.hand_out(last), last }),
            Part::Binary { bytes, last } => ChunkEvent::Binary(Chunk { data: bytes, first: self.hand_out(last), last }),
            #[cfg(feature = "deflate")]
            Part::Inflated { kind, piece, last } => {
                let first = self.hand_out(last);
                let data = inflated(&self.inflater, piece);
                match kind {
                    Kind::Text => ChunkEvent::Text(Chunk { data: checked_text(data), first, last }),
                    Kind::Binary => ChunkEvent::Binary(Chunk { data, first, last }),
                }
            }
            Part::Joined { char, last } => {
                let first = self.hand_out(last);
                ChunkEvent::Text(Chunk { data: char.encode_utf8(&mut self.joined), first, last })
            }
            Part::Stored { kind, len } => {
                let first = self.hand_out(false);
                self.store_lent = true;
                let data = self.store.bytes().get(..len).unwrap_or_default();
                match kind {
                    Kind::Text => ChunkEvent::Text(Chunk { data: checked_text(data), first, last: false }),
                    Kind::Binary => ChunkEvent::Binary(Chunk { data, first, last: false }),
                }
            }
            Part::Control { opcode, payload } => self.control(opcode, payload, replies).into(),
        })
    }

    /// How many bytes of the current message's frame are still to come: 0 between frames, and nothing is said about
    /// further fragments.
    ///
    /// It is what the peer has announced; use it to show progress, not to reserve memory.
    pub fn payload_remaining(&self) -> u64 {
        self.frames.payload_remaining()
    }

    /// The peer has ended the stream.
    ///
    /// # Errors
    ///
    /// When it did so without a Close: the connection was lost, and a message may have been, too.
    pub fn end_of_input(&self) -> Result<(), EndOfInput> {
        match self.state {
            State::Closed => Ok(()),
            State::Failed(failure) | State::AboutToFail(failure) => Err(EndOfInput::Failed(failure)),
            State::Open if self.frames.is_inside_frame() || self.frames.is_inside_message() => {
                Err(EndOfInput::InsideMessage)
            }
            State::Open => Err(EndOfInput::WithoutClose),
        }
    }

    /// What the two sides have agreed on for compressed messages, if they have.
    #[cfg(feature = "deflate")]
    pub fn compression(&self) -> Option<&Agreement> {
        self.inflater.as_ref().map(|inflater| inflater.agreement())
    }

    /// Lets go of memory kept for the next message (see [`Config::keep`]); of none that holds something.
    pub fn release(&mut self) {
        #[cfg(feature = "deflate")]
        if let Some(inflater) = &mut self.inflater {
            inflater.release();
        }
        if self.store_lent || self.store.bytes().is_empty() {
            self.store_lent = false;
            self.store.clear(0);
        }
    }

    fn find_whole<'b>(&mut self, input: &mut Input<'b>) -> Result<Option<Whole<'b>>, Failure> {
        // What is stored for a message must fit, whatever the limit; and the answer must be the same when the message
        // happens to come in one piece.
        let limit = self.max_message.min(self.store.capacity() as u64);
        if self.store.bytes().is_empty() && self.utf8.missing() > 0 {
            // `next` has given what was before this code point.
            self.store.append(self.utf8.unfinished()).map_err(|full| self.no_room(full, 0))?;
        }
        while let Some(found) = self.find(input, limit, usize::MAX)? {
            let Data { kind, payload, last } = match found {
                Found::Data(data) => data,
                Found::Control { opcode, payload } => return Ok(Some(Whole::Control { opcode, payload })),
            };
            if last {
                self.begun = false;
            }
            let in_one_piece = last && self.store.bytes().is_empty();
            let bytes = match &payload {
                Payload::Lent(bytes) if in_one_piece => {
                    return Ok(Some(match kind {
                        Kind::Text => {
                            self.utf8.end()?;
                            Whole::Text(utf8::whole(bytes)?)
                        }
                        Kind::Binary => Whole::Binary(bytes),
                    }));
                }
                Payload::Lent(bytes) => bytes,
                #[cfg(feature = "deflate")]
                Payload::Inflated(piece) => inflated(&self.inflater, piece.clone()),
            };
            if kind == Kind::Text {
                self.utf8.check(bytes)?;
                if last {
                    self.utf8.end()?;
                }
            }
            #[cfg(feature = "deflate")]
            if let (true, Payload::Inflated(piece)) = (in_one_piece, payload) {
                return Ok(Some(Whole::Inflated(kind, piece)));
            }
            let len = bytes.len();
            self.store.append(bytes).map_err(|full| self.no_room(full, len))?;
            self.stored = kind;
            if last {
                return Ok(Some(Whole::Stored(kind)));
            }
        }
        Ok(None)
    }

    fn find_part<'b>(&mut self, input: &mut Input<'b>) -> Result<Option<Part<'b>>, Failure> {
        if let Some(stored) = self.stored_beginning() {
            return Ok(Some(stored));
        }
        loop {
            // To join a cut code point, take its missing bytes and no more.
            let most = match self.utf8.missing() {
                0 => usize::MAX,
                missing => missing,
            };
            let Data { kind, payload, last } = match self.find(input, self.max_message, most)? {
                None => return Ok(None),
                Some(Found::Control { opcode, payload }) => return Ok(Some(Part::Control { opcode, payload })),
                Some(Found::Data(data)) => data,
            };
            if kind == Kind::Binary {
                return Ok(Some(match payload {
                    Payload::Lent(bytes) => Part::Binary { bytes, last },
                    #[cfg(feature = "deflate")]
                    Payload::Inflated(piece) => Part::Inflated { kind, piece, last },
                }));
            }
            let bytes = match &payload {
                Payload::Lent(bytes) => *bytes,
                #[cfg(feature = "deflate")]
                Payload::Inflated(piece) => inflated(&self.inflater, piece.clone()),
            };
            if self.utf8.missing() > 0 && !bytes.is_empty() {
                if let Some(char) = self.utf8.finish(bytes)? {
                    return Ok(Some(Part::Joined { char, last }));
                }
                if last {
                    self.utf8.end()?;
                }
                continue;
            }
            let (text, verdict) = self.utf8.text(bytes);
            let verdict = if last { verdict.and_then(|()| self.utf8.end()) } else { verdict };
            if verdict.is_err() {
                if text.is_empty() {
                    return Err(Failure::InvalidUtf8);
                }
                // As it would have been, had the good bytes come in a read of their own.
                self.state = State::AboutToFail(Failure::InvalidUtf8);
            } else if text.is_empty() && !last {
                continue;
            }
            let last = last && verdict.is_ok();
            return Ok(Some(match payload {
                Payload::Lent(bytes) => Part::Text { text: lent_text(bytes, text.len()), last },
                #[cfg(feature = "deflate")]
                Payload::Inflated(Range { start, .. }) => {
                    Part::Inflated { kind, piece: start..start + text.len(), last }
                }
            }));
        }
    }

    /// What comes next, while the connection is open.
    fn find<'b>(&mut self, input: &mut Input<'b>, limit: u64, most: usize) -> Result<Option<Found<'b>>, Failure> {
        match self.state {
            State::Open => self.find_open(input, limit, most),
            State::AboutToFail(failure) => Err(failure),
            State::Closed | State::Failed(_) => {
                input.discard();
                Ok(None)
            }
        }
    }

    #[cfg(not(feature = "deflate"))]
    fn find_open<'b>(&mut self, input: &mut Input<'b>, limit: u64, most: usize) -> Result<Option<Found<'b>>, Failure> {
        Ok(self.frames.next(input, limit, most)?.map(Found::from))
    }

    /// What the frames bring; of compressed messages, what that says.
    #[cfg(feature = "deflate")]
    fn find_open<'b>(&mut self, input: &mut Input<'b>, limit: u64, most: usize) -> Result<Option<Found<'b>>, Failure> {
        loop {
            if let Some(inflater) = &mut self.inflater {
                if let Some(Inflated { kind, piece, last }) = inflater.next(most, limit)? {
                    return Ok(Some(Found::Data(Data { kind, payload: Payload::Inflated(piece), last })));
                }
            }
            match (self.frames.next(input, limit, most)?, &mut self.inflater) {
                (Some(frames::Found::Data { kind, rsv: RSV1, bytes, last }), Some(inflater)) => {
                    inflater.feed(kind, bytes, last)?;
                }
                (found, _) => return Ok(found.map(Found::from)),
            }
        }
    }

    /// What `next_message` has stored of a message whose rest is now asked for in chunks.
    fn stored_beginning(&mut self) -> Option<Part<'static>> {
        // A code point that is cut at its end is in `utf8` as well, and comes when it is whole.
        let len = self.store.bytes().len().saturating_sub(self.utf8.unfinished().len());
        if len == 0 {
            self.store.clear(self.keep);
            return None;
        }
        Some(Part::Stored { kind: self.stored, len })
    }

    /// Notes that a chunk is handed out, and answers whether it is its message's first.
    fn hand_out(&mut self, last: bool) -> bool {
        !mem::replace(&mut self.begun, !last)
    }

    /// Clears away what was lent, and finds out whether all is at rest.
    #[inline(never)]
    fn settle(&mut self) -> bool {
        if mem::take(&mut self.store_lent) {
            self.store.clear(self.keep);
        }
        #[cfg(feature = "deflate")]
        if let Some(inflater) = &mut self.inflater {
            inflater.keep(self.keep);
        }
        #[cfg(feature = "deflate")]
        let is_inflating = self.inflater.as_ref().is_some_and(|inflater| inflater.is_inside_message());
        #[cfg(not(feature = "deflate"))]
        let is_inflating = false;
        self.at_rest = matches!(self.state, State::Open) && self.frames.is_at_rest() && !is_inflating;
        self.at_rest
    }

    /// The good beginning of a text, as it would have been had it come in a read of its own; or its failure.
    #[cold]
    fn broken_text<'a>(&'a mut self, bytes: &'a [u8], replies: &mut (impl Replies + ?Sized)) -> ChunkEvent<'a> {
        self.at_rest = false;
        let (data, _) = self.utf8.text(bytes);
        if data.is_empty() {
            return self.fail(Failure::InvalidUtf8, replies).into();
        }
        self.state = State::AboutToFail(Failure::InvalidUtf8);
        ChunkEvent::Text(Chunk { data, first: self.hand_out(false), last: false })
    }

    fn control<'a>(
        &'a mut self,
        opcode: Opcode,
        payload: Option<&'a [u8]>,
        replies: &mut (impl Replies + ?Sized),
    ) -> ControlEvent<'a> {
        let message_cut_short = self.frames.is_inside_message();
        if opcode == Opcode::Close {
            if let Err(error) = Close::parse(payload.unwrap_or(self.frames.control_payload())) {
                return self.fail(error.into(), replies);
            }
            self.end(State::Closed);
        }
        let payload = payload.unwrap_or(self.frames.control_payload());
        match opcode {
            Opcode::Ping => {
                replies.reply(Reply { kind: ReplyKind::Pong, payload });
                ControlEvent::Ping(payload)
            }
            Opcode::Close => {
                replies.reply(Reply { kind: ReplyKind::Close, payload });
                let Close { code, reason } = Close::parse(payload).unwrap_or(Close::EMPTY);
                ControlEvent::Close { code, reason, message_cut_short }
            }
            _ => ControlEvent::Pong(payload),
        }
    }

    #[cold]
    fn fail(&mut self, failure: Failure, replies: &mut (impl Replies + ?Sized)) -> ControlEvent<'static> {
        self.end(State::Failed(failure));
        let close = Close { code: Some(failure.close_code()), reason: failure.reason() };
        let mut room = [0; MAX_CONTROL_PAYLOAD];
        let payload = close.encode(&mut room).unwrap_or_default();
        replies.reply(Reply { kind: ReplyKind::Fail, payload });
        ControlEvent::Failed(failure)
    }

    /// Nothing more will come, nor the rest of what is stored.
    fn end(&mut self, state: State) {
        self.state = state;
        self.at_rest = false;
        #[cfg(feature = "deflate")]
        if let Some(inflater) = &mut self.inflater {
            inflater.close();
        }
        self.utf8 = Utf8::default();
        self.store_lent = false;
        self.store.clear(0);
    }

    /// The store has no room for this much more of the message.
    fn no_room(&self, StorageFull: StorageFull, more: usize) -> Failure {
        let (len, limit) = (self.store.bytes().len() + more, self.store.capacity());
        if len > limit {
            // Accepted by `next`, which needs no store, and then asked for whole.
            Failure::MessageTooLong { len: len as u64, limit: limit as u64 }
        } else {
            Failure::OutOfMemory
        }
    }
}

impl<'b> From<frames::Found<'b>> for Found<'b> {
    fn from(found: frames::Found<'b>) -> Self {
        match found {
            frames::Found::Data { kind, bytes, last, .. } => {
                Self::Data(Data { kind, payload: Payload::Lent(bytes), last })
            }
            frames::Found::Control { opcode, payload } => Self::Control { opcode, payload },
        }
    }
}

#[cfg(feature = "deflate")]
fn inflated(inflater: &Option<Box<Inflater>>, piece: Range<usize>) -> &[u8] {
    inflater.as_ref().map_or(&[], |inflater| inflater.piece(piece))
}

/// The first `len` bytes, which were found to be text.
fn lent_text(bytes: &[u8], len: usize) -> &str {
    checked_text(bytes.get(..len).unwrap_or_default())
}

/// Text whose every piece was checked as it came: to make a `str` of it without checking it once more is not for safe code.
fn checked_text(bytes: &[u8]) -> &str {
    utf8::whole(bytes).unwrap_or_default()
}

impl From<InvalidUtf8> for Failure {
    fn from(_: InvalidUtf8) -> Self {
        Self::InvalidUtf8
    }
}
