//! `Vec<u8>` as a store.

mod message;
mod queue;
pub(crate) mod spare;

use alloc::vec::Vec;
use core::mem;

use super::{Bytes, ControlStore, StorageFull, Store};
use crate::frame::MaskingKey;

use {message::GrowingMessage, queue::GrowingQueue};

/// Empties a `Vec`. Memory of more than `keep` bytes is the thread's to spare.
pub(crate) fn trim(memory: &mut Vec<u8>, keep: usize) {
    memory.clear();
    if memory.capacity() > keep {
        spare::give(mem::take(memory));
    }
}

impl Bytes for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn capacity(&self) -> usize {
        isize::MAX as usize
    }

    fn clear(&mut self, keep: usize) {
        trim(self, keep);
    }
}

impl Store for Vec<u8> {
    type Message = GrowingMessage;
    type Output = GrowingQueue;
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

/// A `Vec` that remembers how much of its memory was written to before. Only such memory can safe code lend to a socket, or
/// copy into directly; and to write to it once is enough.
pub(crate) struct Growing {
    memory: Vec<u8>,
    /// How much of the memory, from its front, is what is kept here.
    filled: usize,
}

/// How much new memory is written to at a time: little enough to be still in the cache when it is used.
const FRESH: usize = 128 << 10;

/// The least memory to ask for, if that is not more than what is missing, so that a message in tiny reads asks less
/// often.
const LEAST: usize = 64;

/// How much memory to ask for behind `len` bytes, to add `more` now and what is `missing` later. It doubles what there
/// is, but exceeds neither what will be used nor the size of [spare] memory that is needed now, so that there is memory
/// of each size.
fn growth(len: usize, capacity: usize, more: usize, missing: usize) -> usize {
    let twice = capacity.saturating_mul(2).max(LEAST).min(spare::largest(len.saturating_add(more)));
    more.saturating_add(missing).min(twice.saturating_sub(len)).max(more)
}

impl From<Vec<u8>> for Growing {
    fn from(memory: Vec<u8>) -> Self {
        Self { filled: memory.len(), memory }
    }
}

impl Growing {
    /// Makes room for `more` bytes: in memory that the thread has to spare, or else in more of its own.
    #[inline(never)]
    fn grow(&mut self, more: usize, missing: usize) -> Result<(), StorageFull> {
        let needed = self.filled.saturating_add(more);
        if let Some(mut larger) = spare::take(needed, needed.saturating_add(missing)) {
            match larger.get_mut(..self.filled) {
                Some(room) => room.copy_from_slice(self.bytes()),
                None => {
                    larger.clear();
                    larger.extend_from_slice(self.bytes());
                }
            }
            spare::give(mem::replace(&mut self.memory, larger));
            return Ok(());
        }
        let growth = growth(self.filled, self.memory.capacity(), more, missing);
        self.memory.truncate(self.filled);
        self.memory.try_reserve_exact(growth).map_err(|_| StorageFull)
    }

    /// The same, if there is less.
    #[inline]
    fn reserve(&mut self, more: usize, missing: usize) -> Result<(), StorageFull> {
        if more > self.spare() { self.grow(more, missing) } else { Ok(()) }
    }

    /// Adds all of `bytes`, or none.
    #[inline]
    fn append(&mut self, bytes: &[u8], missing: usize) -> Result<(), StorageFull> {
        self.reserve(bytes.len(), missing)?;
        match self.room(bytes.len()) {
            Some(room) => room.copy_from_slice(bytes),
            None => {
                self.memory.truncate(self.filled);
                self.memory.extend_from_slice(bytes);
            }
        }
        self.filled += bytes.len();
        Ok(())
    }

    /// The same with bytes that are masked: where memory has been written to before, they are unmasked on the way.
    #[inline]
    fn append_unmasked(&mut self, bytes: &[u8], key: MaskingKey, missing: usize) -> Result<(), StorageFull> {
        self.reserve(bytes.len(), missing)?;
        match self.room(bytes.len()) {
            Some(room) => {
                key.apply_copied(bytes, room);
                self.filled += bytes.len();
            }
            None => {
                let start = self.filled;
                self.append(bytes, missing)?;
                key.apply(self.memory.get_mut(start..).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// How many of the next bytes can be lent for a read: all that were written to before, or new ones in memory that
    /// is there already, but then no more than are filled.
    fn lendable(&self, most: usize) -> usize {
        let written = self.memory.len() - self.filled;
        most.min(self.spare()).min(written.max(FRESH.min(self.filled)))
    }

    /// Writes to the next `count` bytes, if that has not been done before. There is memory for them.
    fn write_to(&mut self, count: usize) {
        let end = self.filled + count;
        debug_assert!(end <= self.memory.capacity(), "only memory that is there is written to");
        if self.memory.len() < end {
            self.memory.resize(end, 0);
        }
    }

    /// How much can be added without growing.
    #[inline]
    fn spare(&self) -> usize {
        self.memory.capacity() - self.filled
    }

    /// The next `count` bytes, if they were written to before.
    #[inline]
    fn room(&mut self, count: usize) -> Option<&mut [u8]> {
        self.memory.get_mut(self.filled..)?.get_mut(..count)
    }

    /// This many bytes have been put into the [room](Self::room).
    #[inline]
    fn fill(&mut self, count: usize) {
        self.filled = self.memory.len().min(self.filled + count);
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
            spare::give(mem::take(&mut self.memory));
        }
    }
}
