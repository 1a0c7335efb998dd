use alloc::vec::Vec;

use super::Growing;
use crate::{
    frame::MaskingKey,
    storage::{Bytes, OutputStore, StorageFull, move_down},
};

/// A queue that grows.
pub(crate) struct GrowingQueue {
    bytes: Growing,
    /// How many of the bytes were dropped. Moving the rest down each time would be quadratic.
    head: usize,
}

/// How much new memory is written to with a frame, so that there is room for the frames behind it.
const AHEAD: usize = 512;

/// How much memory is written to before it is masked into.
const BLOCK: usize = 8 << 10;

impl From<Vec<u8>> for GrowingQueue {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), head: 0 }
    }
}

impl GrowingQueue {
    fn reserve(&mut self, len: usize) -> Result<(), StorageFull> {
        if len <= self.bytes.spare() {
            return Ok(());
        }
        // The rest is moved down only when at least as many bytes were dropped, so a byte moves once on average.
        if self.head >= self.len() {
            move_down(self.bytes.memory.get_mut(..self.bytes.filled).unwrap_or_default(), self.head);
            (self.bytes.filled, self.head) = (self.len(), 0);
        }
        if len > self.bytes.spare() {
            self.bytes.grow(len, usize::MAX)?;
            self.bytes.write_to(self.bytes.spare().min(AHEAD));
        }
        Ok(())
    }
}

impl OutputStore for GrowingQueue {
    #[inline]
    fn front(&self) -> &[u8] {
        self.bytes.bytes().get(self.head..).unwrap_or_default()
    }

    #[inline]
    fn len(&self) -> usize {
        self.bytes.filled - self.head
    }

    #[inline]
    fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    #[inline]
    fn drop_front(&mut self, count: usize, keep: usize) {
        if count < self.len() {
            self.head += count;
        } else {
            self.clear(keep);
        }
    }

    #[inline]
    fn clear(&mut self, keep: usize) {
        self.head = 0;
        self.bytes.clear(keep);
    }

    #[inline]
    fn room(&mut self, count: usize) -> Option<&mut [u8]> {
        self.bytes.room(count)
    }

    #[inline]
    fn fill(&mut self, count: usize) {
        self.bytes.fill(count);
    }

    fn append(&mut self, header: &[u8], payload: &[u8], mask: Option<MaskingKey>) -> Result<(), StorageFull> {
        self.reserve(header.len() + payload.len())?;
        self.bytes.append(header, 0)?;
        let Some(mut key) = mask else { return self.bytes.append(payload, 0) };
        for block in payload.chunks(BLOCK) {
            self.bytes.write_to(block.len());
            key = key.apply_copied(block, self.bytes.room(block.len()).unwrap_or_default());
            self.bytes.fill(block.len());
        }
        Ok(())
    }
}
