//! The last stage: a message that is not whole in the input is assembled in the store.

#[cfg(feature = "deflate")]
use super::inflate::inflated;
use super::{
    Failure, Receiver,
    piece::{At, Found, Piece},
};
use crate::{
    Input, Kind, Role, SHORTCUTS, Storage,
    frame::MaskingKey,
    storage::{self, Bytes, MessageStore, StorageFull},
    text::{Checked, InvalidUtf8, Utf8},
};

/// A message as far as it was received and not given to the caller. It knows of no frames.
pub(crate) struct Assembly<M> {
    store: M,
    memory: Memory,
    /// The beginning of the code point that the last piece has cut. It is not in the store.
    pub(super) text: Utf8,
    /// [`Config::keep`](crate::Config::keep).
    keep: usize,
}

/// What the store is used for at the moment.
#[derive(Clone, Copy)]
enum Memory {
    /// It holds the beginning of a message, or nothing.
    Assembling,
    /// The same, and its free space is lent for a read.
    LentToRead,
    /// It holds a message that was lent to the caller.
    LentToCaller,
    /// It is empty, and has kept its memory in case another message of the same input has to be stored.
    Warm,
}

/// The end of the message, which is the store.
const WHOLE: Found<'static, Piece<'static>> = Found::Payload(Piece { at: At::Store, last: true });

impl<R: Role, S: Storage> Receiver<R, S> {
    /// What a message that is asked for as a whole may have. It must fit into the store, even if it need not be stored:
    /// the answer is the same wherever reads cut it.
    #[inline]
    pub(super) fn max_whole_message(&self) -> u64 {
        self.max_message.min(self.assembly.store.capacity() as u64)
    }

    /// The next whole message: where it was received if that is in one piece, else in the store.
    pub(super) fn next_assembled<'b>(
        &mut self,
        input: &mut Input<'b>,
    ) -> Result<Option<Found<'b, Piece<'b>>>, Failure> {
        if self.take_direct(input)? {
            return Ok(Some(WHOLE));
        }
        if let Some((opcode, payload)) = self.frames.whole_control(input) {
            return Ok(Some(Found::Control { opcode, payload: Some(payload) }));
        }
        let limit = self.max_whole_message();
        #[cfg(feature = "deflate")]
        self.feed_whole(input, limit)?;
        loop {
            if self.store_received(input, limit)? {
                return Ok(Some(WHOLE));
            }
            if input.is_empty() && self.frames.state.needs_input() {
                return Ok(None);
            }
            let piece = match self.next_piece(input, usize::MAX, limit)? {
                Some(Found::Payload(piece)) => piece,
                other => return Ok(other),
            };
            let last = piece.last;
            if last && self.assembly.can_pass(piece.at.len()) {
                return self.check_whole(piece).map(|piece| Some(Found::Payload(piece)));
            }
            self.store(piece)?;
            if last {
                return Ok(Some(WHOLE));
            }
        }
    }

    #[inline]
    fn store(&mut self, Piece { at, last }: Piece<'_>) -> Result<(), Failure> {
        let kind = self.frames.state.kind();
        let missing = if last { 0 } else { self.frames.state.message_remaining() };
        match at {
            At::Wire(bytes, mask) => self.assembly.append_masked(kind, bytes, mask, last, missing),
            #[cfg(feature = "deflate")]
            At::Inflated(range) => {
                let bytes = inflated(&self.inflater, &range);
                match kind {
                    Kind::Text => self.assembly.append_text(bytes, last, missing),
                    Kind::Binary => self.assembly.append_bytes(bytes, None, missing),
                }
            }
            At::Text(_) | At::CodePoint(_) | At::Store => {
                debug_assert!(false, "a piece is checked when it is stored, and not before");
                Ok(())
            }
        }
    }
}

impl<M: MessageStore> Assembly<M> {
    pub(super) fn new(store: M, keep: usize) -> Self {
        Self { store, memory: Memory::Assembling, text: Utf8::default(), keep }
    }

    /// Whether nothing is stored.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.store.bytes().is_empty()
    }

    /// Whether a message of this length, whose last byte was received, need not be stored.
    #[inline]
    fn can_pass(&self, len: usize) -> bool {
        self.is_empty() && self.text.missing() == 0 && len <= self.store.capacity()
    }

    /// Adds payload as it was received. As much as is `missing` may follow: memory that is needed for it grows no
    /// further.
    #[inline(always)]
    pub(super) fn append_masked(
        &mut self,
        kind: Kind,
        bytes: &mut [u8],
        mask: Option<MaskingKey>,
        last: bool,
        missing: usize,
    ) -> Result<(), Failure> {
        if kind == Kind::Binary {
            return self.append_bytes(bytes, mask, missing);
        }
        let is_ascii = unmask(bytes, mask, SHORTCUTS && self.store.takes_ascii());
        if is_ascii && self.text.missing() == 0 {
            return self.append_bytes(bytes, None, missing);
        }
        self.append_text(bytes, last, missing)
    }

    /// Adds bytes that need no check: of a binary message, masked if there is a key, or ASCII.
    #[inline]
    fn append_bytes(&mut self, bytes: &[u8], mask: Option<MaskingKey>, missing: usize) -> Result<(), Failure> {
        self.prepare(bytes.len());
        self.store.append(bytes, mask, missing).map_err(|full| self.failure(full, bytes.len()))
    }

    /// Adds unmasked bytes of a text, and checks them.
    #[inline]
    fn append_text(&mut self, mut bytes: &[u8], last: bool, missing: usize) -> Result<(), Failure> {
        loop {
            // To complete a code point, no more than its missing bytes.
            let most = match self.text.missing() {
                0 => bytes.len(),
                missing => missing.min(bytes.len()),
            };
            let (piece, rest) = bytes.split_at_checked(most).unwrap_or((bytes, &[]));
            let mut code_point = [0; 4];
            let (text, is_broken) = match self.text.next(piece, last && rest.is_empty())? {
                Checked::Nothing => ("", false),
                Checked::CodePoint(char) => (&*char.encode_utf8(&mut code_point), false),
                Checked::Text(text) => (text, false),
                // It may be too long as well, before its wrong byte.
                Checked::Broken(text) => (text, true),
            };
            self.prepare(text.len());
            if !text.is_empty() {
                // The beginning of a code point is neither stored nor missing from the frame.
                let missing = missing.saturating_add(rest.len() + self.text.unfinished_len());
                self.store.append_text(text, missing).map_err(|full| self.failure(full, text.len()))?;
            }
            if is_broken {
                return Err(Failure::InvalidUtf8);
            }
            if rest.is_empty() {
                return Ok(());
            }
            bytes = rest;
        }
    }

    /// Prepares memory to store `len` bytes. What it has kept goes back if that is too large for them.
    #[inline]
    fn prepare(&mut self, len: usize) {
        if len == 0 {
            return;
        }
        if matches!(self.memory, Memory::Warm) {
            self.store.clear(storage::most_for(len).max(self.keep));
        }
        self.memory = Memory::Assembling;
    }

    /// The store has no space for `more` bytes of the message.
    #[cold]
    fn failure(&self, StorageFull: StorageFull, more: usize) -> Failure {
        let (len, limit) = (self.store.bytes().len() + more, self.store.capacity());
        if len > limit {
            // Its header was accepted by `next_chunk`, which needs no store.
            Failure::MessageTooLong { len: len as u64, limit: limit as u64 }
        } else {
            Failure::OutOfMemory
        }
    }

    /// Lends all that is stored.
    pub(super) fn lend(&mut self) -> &M {
        self.memory = Memory::LentToCaller;
        &self.store
    }

    /// Moves the store out, with the message and its memory.
    #[cfg(feature = "alloc")]
    pub(super) fn take(&mut self) -> M
    where
        M: From<alloc::vec::Vec<u8>>,
    {
        self.memory = Memory::Assembling;
        core::mem::replace(&mut self.store, alloc::vec::Vec::new().into())
    }

    /// Space of at least `least` and at most `most` bytes for a read of what follows the stored beginning of a message.
    pub(super) fn lend_to_read(&mut self, least: usize, most: usize, missing: usize) -> Option<&mut [u8]> {
        let is_begun = matches!(self.memory, Memory::Assembling | Memory::LentToRead) && !self.is_empty();
        // A code point that was cut is completed first.
        if !is_begun || self.text.missing() > 0 {
            return None;
        }
        self.memory = Memory::Assembling;
        let space = self.store.space_for_read(least, most, missing)?;
        self.memory = Memory::LentToRead;
        Some(space)
    }

    /// Takes back the space that was lent for a read. Returns how many bytes of it can have been read if the caller
    /// says `count`; `None` if none was lent.
    pub(super) fn take_back(&mut self, count: usize) -> Option<usize> {
        let Memory::LentToRead = self.memory else { return None };
        self.memory = Memory::Assembling;
        Some(self.store.space_for_read(0, count, 0)?.len())
    }

    /// Adds the first `count` bytes of the space that was lent for a read.
    pub(super) fn fill(
        &mut self,
        kind: Kind,
        count: usize,
        mask: Option<MaskingKey>,
        last: bool,
    ) -> Result<(), InvalidUtf8> {
        let Some(bytes) = self.store.space_for_read(0, count, 0) else {
            debug_assert!(false, "space that was lent is still there");
            return Err(InvalidUtf8);
        };
        let is_text = SHORTCUTS && kind == Kind::Text;
        let is_ascii = unmask(bytes, mask, is_text);
        if !is_text || is_ascii {
            self.store.mark_filled(count);
            return Ok(());
        }
        let (valid, is_broken) = match self.text.next(bytes, last) {
            Ok(Checked::Text(text)) => (text.len(), false),
            Ok(Checked::Broken(text)) => (text.len(), true),
            Ok(Checked::Nothing | Checked::CodePoint(_)) => (0, false),
            Err(InvalidUtf8) => (0, true),
        };
        self.store.mark_filled(valid);
        // From now on it is checked before it is stored. In a store that grows, no more of it is read to here.
        if is_broken || self.store.become_text().is_err() { Err(InvalidUtf8) } else { Ok(()) }
    }

    /// Clears what was lent to the caller. Its memory stays for the next message if there is more input.
    pub(super) fn release(&mut self, is_input_over: bool) {
        match self.memory {
            Memory::LentToCaller if !is_input_over => {
                self.store.clear(usize::MAX);
                self.memory = Memory::Warm;
            }
            Memory::LentToCaller | Memory::Warm => self.clear(self.keep),
            Memory::Assembling | Memory::LentToRead => {}
        }
    }

    /// The input is used up: memory in which nothing is stored goes back.
    pub(super) fn cool(&mut self) {
        if self.is_empty() {
            self.clear(self.keep);
        }
    }

    /// Frees memory that holds nothing, or nothing but what was lent.
    pub(super) fn free(&mut self) {
        if self.is_empty() || matches!(self.memory, Memory::LentToCaller | Memory::Warm) {
            self.clear(0);
        }
    }

    pub(super) fn is_warm(&self) -> bool {
        matches!(self.memory, Memory::Warm)
    }

    /// Drops everything.
    pub(super) fn end(&mut self) {
        self.text = Utf8::default();
        self.clear(0);
    }

    fn clear(&mut self, keep: usize) {
        self.memory = Memory::Assembling;
        self.store.clear(keep);
    }
}

/// Unmasks payload where it is. Returns whether it was seen to be ASCII meanwhile, if it is to `look`. A server's
/// payload is not masked, and to look for ASCII there would take a pass of its own.
#[inline]
fn unmask(bytes: &mut [u8], mask: Option<MaskingKey>, look: bool) -> bool {
    match mask {
        Some(key) if look => key.apply_to_ascii(bytes),
        Some(key) => {
            key.apply(bytes);
            false
        }
        None => false,
    }
}
