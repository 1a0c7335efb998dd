use alloc::vec::Vec;
use core::mem;

use super::Growing;
use crate::{
    frame::MaskingKey,
    storage::{Bytes, OutputStore, StorageFull, move_down},
};

/// A queue that grows.
pub(crate) struct GrowingQueue {
    bytes: Growing,
    /// The number of bytes at the front that were dropped. Moving the rest each time would take quadratic time.
    dropped: usize,
}

/// The most new memory, in bytes, that is written to after growing, so that the fast path serves the next frames.
const AHEAD: usize = 512;

/// The number of bytes that are written to, then masked into, at a time, so that they are still in the cache.
const BLOCK: usize = 8 << 10;

impl From<Vec<u8>> for GrowingQueue {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), dropped: 0 }
    }
}

impl GrowingQueue {
    /// Exchanges the queue's bytes for memory, of which more than `keep` bytes are freed.
    pub(crate) fn take(&mut self, memory: &mut Vec<u8>, keep: usize) {
        move_down(self.bytes.memory.get_mut(..self.bytes.filled).unwrap_or_default(), self.dropped);
        self.bytes.memory.truncate(self.len());
        mem::swap(&mut self.bytes.memory, memory);
        self.bytes.memory.clear();
        self.clear(keep);
    }

    fn reserve(&mut self, len: usize) -> Result<(), StorageFull> {
        if len <= self.bytes.free_len() {
            return Ok(());
        }
        // The bytes are moved only if at least as many were dropped, so each byte moves at most once on average.
        if self.dropped >= self.len() {
            move_down(self.bytes.memory.get_mut(..self.bytes.filled).unwrap_or_default(), self.dropped);
            (self.bytes.filled, self.dropped) = (self.len(), 0);
        }
        if len > self.bytes.free_len() {
            self.bytes.grow(len, usize::MAX)?;
            self.bytes.write_to(self.bytes.free_len().min(AHEAD));
        }
        Ok(())
    }
}

impl OutputStore for GrowingQueue {
    #[inline]
    fn front(&self) -> &[u8] {
        debug_assert!(self.dropped <= self.bytes.filled, "only bytes of the queue were dropped");
        self.bytes.bytes().get(self.dropped..).unwrap_or_default()
    }

    #[inline]
    fn len(&self) -> usize {
        self.bytes.filled - self.dropped
    }

    #[inline]
    fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    #[inline]
    fn drop_front(&mut self, count: usize, keep: usize) {
        if count < self.len() {
            self.dropped += count;
        } else {
            self.clear(keep);
        }
    }

    #[inline]
    fn clear(&mut self, keep: usize) {
        self.dropped = 0;
        self.bytes.clear(keep);
    }

    #[inline]
    fn free_space(&mut self, count: usize) -> Option<&mut [u8]> {
        self.bytes.free_space(count)
    }

    #[inline]
    fn mark_filled(&mut self, count: usize) {
        self.bytes.mark_filled(count);
    }

    fn append(&mut self, header: &[u8], payload: &[u8], mask: Option<MaskingKey>) -> Result<(), StorageFull> {
        self.reserve(header.len() + payload.len())?;
        self.bytes.append(header, 0)?;
        let Some(mut key) = mask else { return self.bytes.append(payload, 0) };
        for block in payload.chunks(BLOCK) {
            self.bytes.write_to(block.len());
            debug_assert!(self.bytes.free_space(block.len()).is_some(), "the free space was just written to");
            key = key.apply_copied(block, self.bytes.free_space(block.len()).unwrap_or_default());
            self.bytes.mark_filled(block.len());
        }
        Ok(())
    }
}
