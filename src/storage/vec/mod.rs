//! `Vec<u8>` as a store.

mod message;
mod queue;
pub(crate) mod spare;

use alloc::vec::Vec;
use core::mem;

use super::{Bytes, ControlPayload, ControlStore, OutOfMemory, StorageFull, Store};
use crate::{boxed::Boxed, frame::MaskingKey};

use message::GrowingMessage;
pub(crate) use queue::GrowingQueue;

/// Empties a `Vec`. Memory of more than `keep` bytes becomes spare memory.
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
    type Control = Option<Boxed<ControlPayload>>;

    fn reserve(&mut self, more: usize) -> Result<(), StorageFull> {
        self.try_reserve(more).map_err(|_| StorageFull)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull> {
        Store::reserve(self, bytes.len())?;
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// Allocated when it is used, which most connections never do.
impl ControlStore for Option<Boxed<ControlPayload>> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.as_deref().map_or(&[], ControlStore::bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull> {
        if self.is_none() && !bytes.is_empty() {
            *self = Some(Boxed::new(ControlPayload::default()).map_err(|OutOfMemory| StorageFull)?);
        }
        self.as_deref_mut().map_or(Ok(()), |payload| payload.append(bytes))
    }

    fn clear(&mut self) {
        *self = None;
    }
}

/// A `Vec` that remembers which part of its memory was written to before.
///
/// Safe code can lend memory for a read, or mask into it, only if the memory was written to. It needs to be written to
/// only once.
pub(crate) struct Growing {
    /// Its length is the part that was written to.
    memory: Vec<u8>,
    /// The number of stored bytes, which are at the front of the memory.
    filled: usize,
}

/// The most new memory, in bytes, that is written to at a time: little enough to be in the cache when it is used.
const FRESH: usize = 128 << 10;

/// The least memory to request, in bytes, unless fewer bytes are missing, so that tiny reads request memory less often.
const LEAST: usize = 64;

/// The number of bytes to request after `len` bytes, to add `more` now and `missing` later. This doubles the memory,
/// but exceeds neither the bytes that will be used nor the size of [spare] memory that is needed now, so that spare
/// memory of each size will exist.
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
    /// Makes free space for `more` bytes: in spare memory, or by growing its own.
    #[inline(never)]
    fn grow(&mut self, more: usize, missing: usize) -> Result<(), StorageFull> {
        let needed = self.filled.saturating_add(more);
        if let Some(mut larger) = spare::take(needed, needed.saturating_add(missing)) {
            match larger.get_mut(..self.filled) {
                Some(space) => space.copy_from_slice(self.bytes()),
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

    /// Makes sure that there is free space for `more` bytes.
    #[inline]
    fn reserve(&mut self, more: usize, missing: usize) -> Result<(), StorageFull> {
        if more > self.free_len() { self.grow(more, missing) } else { Ok(()) }
    }

    /// Adds all of `bytes`, or nothing.
    #[inline]
    fn append(&mut self, bytes: &[u8], missing: usize) -> Result<(), StorageFull> {
        self.reserve(bytes.len(), missing)?;
        match self.free_space(bytes.len()) {
            Some(space) => space.copy_from_slice(bytes),
            None => {
                self.memory.truncate(self.filled);
                self.memory.extend_from_slice(bytes);
            }
        }
        self.filled += bytes.len();
        Ok(())
    }

    /// Adds all of `bytes` unmasked, or nothing. If the free space was written to before, the copy unmasks them.
    #[inline]
    fn append_unmasked(&mut self, bytes: &[u8], key: MaskingKey, missing: usize) -> Result<(), StorageFull> {
        self.reserve(bytes.len(), missing)?;
        match self.free_space(bytes.len()) {
            Some(space) => {
                key.apply_copied(bytes, space);
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

    /// The number of free bytes to lend for a read: all that were written to before, or new ones, but then at most as
    /// many as are filled. Memory does not grow for this.
    fn lendable(&self, most: usize) -> usize {
        let written = self.memory.len() - self.filled;
        most.min(self.free_len()).min(written.max(FRESH.min(self.filled)))
    }

    /// Writes to the first `count` free bytes, unless they were written to before. Memory does not grow for this.
    fn write_to(&mut self, count: usize) {
        let end = self.filled + count;
        debug_assert!(end <= self.memory.capacity(), "only free space is written to");
        if self.memory.len() < end {
            self.memory.resize(end, 0);
        }
    }

    /// The number of bytes that can be added without growing.
    #[inline]
    fn free_len(&self) -> usize {
        self.memory.capacity() - self.filled
    }

    /// The first `count` free bytes; `None` if they were not written to before.
    #[inline]
    fn free_space(&mut self, count: usize) -> Option<&mut [u8]> {
        self.memory.get_mut(self.filled..)?.get_mut(..count)
    }

    /// Adds the first `count` bytes of the [free space](Self::free_space), which were written.
    #[inline]
    fn mark_filled(&mut self, count: usize) {
        debug_assert!(count <= self.memory.len() - self.filled, "only space that was written to is filled");
        self.filled = self.memory.len().min(self.filled + count);
    }
}

impl Bytes for Growing {
    #[inline]
    fn bytes(&self) -> &[u8] {
        debug_assert!(self.filled <= self.memory.len(), "all filled memory was written to");
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
