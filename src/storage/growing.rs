use alloc::{string::String, vec::Vec};
use core::mem;

use super::{Bytes, ControlStore, OutputStore, StorageFull, Store};
use crate::{bytes::move_down, frame::MaskingKey, utf8};

impl Bytes for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn capacity(&self) -> usize {
        isize::MAX as usize
    }

    fn clear(&mut self, keep: usize) {
        Self::clear(self);
        if Self::capacity(self) > keep {
            self.shrink_to(keep);
        }
    }
}

impl Store for Vec<u8> {
    type Message = GrowingMessage;
    type Output = Growing;
    type Control = Self;

    fn reserve(&mut self, more: usize) -> Result<(), StorageFull> {
        self.try_reserve(more).map_err(|_| StorageFull)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull> {
        Store::reserve(self, bytes.len())?;
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// Most connections never need it.
impl ControlStore for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull> {
        Store::append(self, bytes)
    }

    fn clear(&mut self) {
        *self = Self::new();
    }
}

/// A `Vec` that remembers how much of its memory has been written to before: safe code can lend a socket only such, and copy into it
/// without a detour; and to do so once is enough.
pub(crate) struct Growing {
    memory: Vec<u8>,
    /// How much of the memory, from its front, is what is kept here.
    filled: usize,
}

/// How much new memory is written to at a time: little enough to be in the cache still when it is used.
const FRESH: usize = 128 << 10;

/// How much new memory is written to where a frame or a few are to be sent.
const SMALL: usize = 512;

/// How much is written to where it is used at once.
const BLOCK: usize = 8 << 10;

/// The least memory to ask for, if that many bytes are missing: a message that is received in tiny reads asks less often.
const LEAST: usize = 64;

/// How much memory to ask for behind `len` bytes, to add `more` now and what is `missing` later: so much that there is twice as much in
/// all, but no more than will be used.
fn growth(len: usize, capacity: usize, more: usize, missing: usize) -> usize {
    let twice = capacity.saturating_mul(2).max(LEAST) - len;
    more.saturating_add(missing).min(twice).max(more)
}

impl From<Vec<u8>> for Growing {
    fn from(memory: Vec<u8>) -> Self {
        Self { filled: memory.len(), memory }
    }
}

impl Growing {
    /// Makes room for `more` bytes.
    #[cold]
    fn grow(&mut self, more: usize, missing: usize) -> Result<(), StorageFull> {
        let growth = growth(self.filled, self.memory.capacity(), more, missing);
        self.memory.truncate(self.filled);
        self.memory.try_reserve_exact(growth).map_err(|_| StorageFull)
    }

    /// Adds all of `bytes`, or none.
    #[inline]
    fn append(&mut self, bytes: &[u8], missing: usize) -> Result<(), StorageFull> {
        let end = self.filled + bytes.len();
        match self.memory.get_mut(self.filled..end) {
            Some(room) => room.copy_from_slice(bytes),
            None => {
                if end > self.memory.capacity() {
                    self.grow(bytes.len(), missing)?;
                }
                self.memory.truncate(self.filled);
                self.memory.extend_from_slice(bytes);
            }
        }
        self.filled = end;
        Ok(())
    }

    /// The same with bytes that are masked: where memory has been written to before, they are unmasked on the way.
    #[inline]
    fn append_unmasked(&mut self, bytes: &[u8], key: MaskingKey, missing: usize) -> Result<(), StorageFull> {
        let (start, end) = (self.filled, self.filled + bytes.len());
        match self.memory.get_mut(start..end) {
            Some(room) => {
                key.apply_copied(bytes, room);
                self.filled = end;
            }
            None => {
                self.append(bytes, missing)?;
                key.apply(self.memory.get_mut(start..end).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// How many of the next bytes can be lent for a read: all that were written to before, or new ones in memory that is there already, but of
    /// those no more than are filled.
    fn lendable(&self, most: usize) -> usize {
        let written = self.memory.len() - self.filled;
        most.min(self.spare()).min(written.max(FRESH.min(self.filled)))
    }

    /// Sees to it that the next `count` bytes of memory have been written to, for which there is memory.
    fn write_to(&mut self, count: usize) {
        let end = self.filled + count;
        debug_assert!(end <= self.memory.capacity(), "only memory that is there is written to");
        if self.memory.len() < end {
            self.memory.resize(end, 0);
        }
    }

    #[cold]
    fn shrink(&mut self, keep: usize) {
        self.memory.truncate(keep);
        self.memory.shrink_to(keep);
    }
}

impl Bytes for Growing {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.memory.get(..self.filled).unwrap_or_default()
    }

    #[inline]
    fn capacity(&self) -> usize {
        isize::MAX as usize
    }

    #[inline]
    fn clear(&mut self, keep: usize) {
        self.filled = 0;
        if self.memory.capacity() > keep {
            self.shrink(keep);
        }
    }
}

impl OutputStore for Growing {
    #[inline]
    fn spare(&self) -> usize {
        self.memory.capacity() - self.filled
    }

    fn reserve(&mut self, more: usize) -> Result<(), StorageFull> {
        if more > self.spare() {
            self.grow(more, usize::MAX)?;
            // The frames behind this one then find room to go straight into.
            self.write_to(self.spare().min(SMALL));
        }
        Ok(())
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull> {
        Self::append(self, bytes, usize::MAX)
    }

    fn append_masked(&mut self, bytes: &[u8], mut key: MaskingKey) -> Result<(), StorageFull> {
        OutputStore::reserve(self, bytes.len())?;
        for block in bytes.chunks(BLOCK) {
            self.write_to(block.len());
            let end = self.filled + block.len();
            key = key.apply_copied(block, self.memory.get_mut(self.filled..end).unwrap_or_default());
            self.filled = end;
        }
        Ok(())
    }

    #[inline]
    fn room(&mut self, count: usize) -> Option<&mut [u8]> {
        self.memory.get_mut(self.filled..)?.get_mut(..count)
    }

    #[inline]
    fn fill(&mut self, count: usize) {
        self.filled = self.memory.len().min(self.filled + count);
    }

    fn drop_front(&mut self, count: usize) {
        move_down(self.memory.get_mut(..self.filled).unwrap_or_default(), count);
        self.filled -= count.min(self.filled);
    }
}

/// A message whose memory grows, by no more than has come already, and no further than what is missing.
pub(crate) enum GrowingMessage {
    /// Or text that is ASCII so far.
    Bytes(Growing),
    /// What was checked piece by piece needn't be checked once more to be lent.
    Text(String),
}

impl From<Vec<u8>> for GrowingMessage {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl Bytes for GrowingMessage {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.bytes(),
            Self::Text(text) => text.as_bytes(),
        }
    }

    #[inline]
    fn capacity(&self) -> usize {
        isize::MAX as usize
    }

    fn clear(&mut self, keep: usize) {
        if let Self::Text(text) = self {
            *self = mem::take(text).into_bytes().into();
        }
        if let Self::Bytes(bytes) = self {
            bytes.clear(keep);
        }
    }
}

impl super::MessageStore for GrowingMessage {
    #[inline]
    fn text(&self) -> &str {
        match self {
            Self::Bytes(bytes) => utf8::whole(bytes.bytes()).unwrap_or_default(),
            Self::Text(text) => text,
        }
    }

    fn append(&mut self, more: &[u8], mask: Option<MaskingKey>, missing: usize) -> Result<(), StorageFull> {
        let Self::Bytes(bytes) = self else { return Err(StorageFull) };
        match mask {
            Some(key) => bytes.append_unmasked(more, key, missing),
            None => bytes.append(more, missing),
        }
    }

    fn append_text(&mut self, more: &str, missing: usize) -> Result<(), StorageFull> {
        self.become_text()?;
        let Self::Text(text) = self else { return Err(StorageFull) };
        if more.len() > text.capacity() - text.len() {
            let growth = growth(text.len(), text.capacity(), more.len(), missing);
            text.try_reserve_exact(growth).map_err(|_| StorageFull)?;
        }
        text.push_str(more);
        Ok(())
    }

    #[inline]
    fn takes_ascii(&self) -> bool {
        matches!(self, Self::Bytes(_))
    }

    fn become_text(&mut self) -> Result<(), StorageFull> {
        if let Self::Bytes(Growing { memory, filled }) = self {
            memory.truncate(mem::take(filled));
            // The same memory; what is in it is checked once more, once.
            *self = Self::Text(String::from_utf8(mem::take(memory)).map_err(|_| StorageFull)?);
        }
        Ok(())
    }

    fn room(&mut self, least: usize, most: usize, missing: usize) -> Option<&mut [u8]> {
        let Self::Bytes(bytes) = self else { return None };
        let mut count = bytes.lendable(most);
        if count < least {
            // Memory grows when all of it is used, and not before: so it doubles, however little each read brings.
            if bytes.spare() > 0 || bytes.filled < least {
                return None;
            }
            bytes.grow(1, missing.saturating_sub(1)).ok()?;
            count = bytes.lendable(most);
        }
        bytes.write_to(count);
        bytes.memory.get_mut(bytes.filled..)?.get_mut(..count)
    }

    fn fill(&mut self, count: usize) {
        if let Self::Bytes(bytes) = self {
            bytes.fill(count);
        }
    }
}
