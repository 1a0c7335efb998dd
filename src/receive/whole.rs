//! Whole messages: lent as they lie, or put together in the store.

use super::{
    Content, Next, Part, Receiver, State, StoreUse,
    frames::{BLOCK, Masked, Most, Unmasked},
    payloads::Inflated,
};
use crate::{
    Failure, Input, Kind, Role, STRAIGHT_PATHS, Storage,
    storage::{Bytes, MessageStore, StorageFull},
    text::{self as utf8, Checked, InvalidUtf8},
};

/// To copy less than this takes less time than a read of its own.
const LEAST_ROOM: usize = if cfg!(fuzzing) { 8 } else { 8 << 10 };

impl<R: Role, S: Storage> Receiver<R, S> {
    /// The next message that is complete: as it lies there, if that is in one piece, else put together in the store.
    pub(super) fn find_whole<'b>(&mut self, input: &mut Input<'b>) -> Result<Option<Next<'b, Part<'b>>>, Failure> {
        // What is stored for a message must fit, whatever the limit; and the answer must be the same when the message
        // happens to come in one piece.
        let limit = self.max_message.min(self.store.capacity() as u64);
        if self.take_stored(input) {
            return Ok(Some(Next::Data(Part::stored(true))));
        }
        loop {
            if self.is_expecting() {
                if input.is_empty() {
                    return Ok(None);
                }
                if let Some(part) = self.inflate_whole(input, limit)? {
                    return Ok(Some(Next::Data(part)));
                }
            }
            if self.is_expecting() {
                if let Some((opcode, payload)) = self.payloads.frames.whole_control(input) {
                    return Ok(Some(Next::Control { opcode, payload: Some(payload) }));
                }
                let is_begun =
                    self.payloads.frames.is_inside_message() || self.payloads.frames.begin_cut(input, limit)?;
                if is_begun {
                    if self.store_frames(input, limit)? {
                        return Ok(Some(Next::Data(Part::stored(true))));
                    }
                    if input.is_empty() {
                        return Ok(None);
                    }
                }
            }
            let is_begun = !self.store.bytes().is_empty();
            let most = if is_begun { Most::Bytes(BLOCK) } else { Most::BytesOrAll(BLOCK) };
            let part = match self.find_part(input, limit, most, true)? {
                Some(Next::Data(part)) => part,
                other => return Ok(other),
            };
            let last = part.last;
            if last && self.store.bytes().is_empty() && part.content.len() <= self.store.capacity() {
                return Ok(Some(Next::Data(part)));
            }
            self.store_part(part.content)?;
            if last {
                return Ok(Some(Next::Data(Part::stored(true))));
            }
        }
    }

    /// A short compressed message that lies whole in the input.
    fn inflate_whole(&mut self, input: &mut Input<'_>, limit: u64) -> Result<Option<Part<'static>>, Failure> {
        let Some(Inflated { kind, piece, last }) = self.payloads.whole_inflated(input, limit)? else { return Ok(None) };
        if kind == Kind::Text {
            utf8::whole(self.payloads.inflated(&piece))?;
        }
        Ok(Some(Part { content: Content::Inflated(kind, piece), last }))
    }

    /// Stores what was received of a message that can't be lent from the input, up to what needs a closer look; whether
    /// that was its last byte.
    fn store_frames(&mut self, input: &mut Input<'_>, limit: u64) -> Result<bool, Failure> {
        loop {
            let is_begun = !self.store.bytes().is_empty();
            // A code point that was cut is joined elsewhere.
            let text = self.utf8.missing() == 0;
            let next = self.payloads.frames.payload_to_store(input, limit, is_begun, text);
            let Some(Masked { kind, bytes, mask, last }) = next else { return Ok(false) };
            let missing = self.payloads.frames.message_remaining();
            if !is_begun {
                self.make_room(bytes.len());
                self.will_store(kind);
            }
            let stored = match kind {
                Kind::Binary => self.store.append(bytes, mask, missing),
                Kind::Text if mask.is_some_and(|key| key.apply_to_ascii(bytes)) && self.store.takes_ascii() => {
                    self.store.append(bytes, None, missing)
                }
                Kind::Text => {
                    self.store_text(bytes, last, missing)?;
                    Ok(())
                }
            };
            stored.map_err(|StorageFull| self.no_room(bytes.len()))?;
            if last {
                return Ok(true);
            }
        }
    }

    /// Stores the next bytes of a text, when no code point is cut before them.
    fn store_text(&mut self, bytes: &[u8], last: bool, missing: usize) -> Result<(), Failure> {
        let Checked::Text { text, is_broken } = self.utf8.next(bytes, last)? else { return Ok(()) };
        if is_broken {
            return Err(Failure::InvalidUtf8);
        }
        let missing = missing.saturating_add(self.utf8.unfinished_len());
        self.store.append_text(text, missing).map_err(|StorageFull| self.no_room(bytes.len()))
    }

    fn store_part(&mut self, content: Content<'_>) -> Result<(), Failure> {
        let (len, missing) = (content.len(), self.payloads.frames.message_remaining());
        self.make_room(len);
        // The beginning of a code point that is cut is neither stored nor missing from the frame.
        let missing_text = missing.saturating_add(self.utf8.unfinished_len());
        let (kind, stored) = match content {
            Content::Text(text) => (Kind::Text, self.store.append_text(text, missing_text)),
            Content::Ascii(bytes) => (Kind::Text, self.store.append(bytes, None, missing)),
            Content::Binary(bytes) => (Kind::Binary, self.store.append(bytes, None, missing)),
            Content::Inflated(kind, piece) => {
                (kind, self.store.append(self.payloads.inflated(&piece), None, usize::MAX))
            }
            Content::Joined(char) => (Kind::Text, self.store.append_text(char.encode_utf8(&mut [0; 4]), missing_text)),
            Content::Stored => return Ok(()),
        };
        self.will_store(kind);
        stored.map_err(|StorageFull| self.no_room(len))
    }

    /// Takes what was read into the store; whether it is the last of the message.
    pub(super) fn take_stored(&mut self, input: &mut Input<'_>) -> bool {
        let count = input.take_elsewhere();
        if count == 0 || !matches!(self.state, State::Open) {
            return false;
        }
        let count = self.payloads.frames.unchanged_remaining().min(count as u64);
        // The room that was lent for the read, filled.
        let bytes = self.store.room(0, count as usize, 0).unwrap_or_default();
        let Unmasked { last, is_ascii } = self.payloads.frames.unmask_payload(bytes, true);
        if !STRAIGHT_PATHS || self.stored == Kind::Binary || is_ascii {
            let count = bytes.len();
            self.store.fill(count);
            return last;
        }
        let (good, is_broken) = match self.utf8.next(bytes, last) {
            Ok(Checked::Text { text, is_broken }) => (text.len(), is_broken),
            Ok(_) => (0, false),
            Err(InvalidUtf8) => (0, true),
        };
        self.store.fill(good);
        // From now on it is checked before it is stored; in a store that grows, no more of it is read to here.
        if is_broken || self.store.become_text().is_err() {
            self.state = State::BrokenText;
            return false;
        }
        last
    }

    /// Where the next bytes of a long message belong, when that is room for `least` bytes.
    pub(crate) fn room(&mut self, least: usize) -> Option<&mut [u8]> {
        if !matches!(self.state, State::Open) || self.store_use != StoreUse::Assembling || self.store.bytes().is_empty()
        {
            return None;
        }
        let most = usize::try_from(self.payloads.frames.unchanged_remaining()).unwrap_or(usize::MAX);
        // A code point that was cut is joined first, in the receiver.
        if most < least.max(LEAST_ROOM) || self.utf8.missing() > 0 {
            return None;
        }
        self.store.room(least, most, self.payloads.frames.message_remaining())
    }

    /// The store has no room for this much more of the message.
    pub(super) fn no_room(&self, more: usize) -> Failure {
        let (len, limit) = (self.store.bytes().len() + more, self.store.capacity());
        if len > limit {
            // Accepted by `next`, which needs no store, and then asked for whole.
            Failure::MessageTooLong { len: len as u64, limit: limit as u64 }
        } else {
            Failure::OutOfMemory
        }
    }
}
