use super::{OutputStore, StorageFull, move_down};
use crate::frame::MaskingKey;

/// A queue in an array.
///
/// It lies in one piece as long as that is cheap. When a frame doesn't fit before the array's end, the queue is moved
/// to the array's beginning, if it is short, or no longer than what was dropped before. Otherwise it continues at the
/// beginning: a peer that takes few bytes at a time can't cause many to be moved.
pub(crate) struct Ring<B> {
    array: B,
    /// Where the first byte is.
    start: usize,
    len: usize,
}

/// A queue of this many bytes is short: to move it takes hardly longer than to copy a frame.
const CHEAP: usize = if cfg!(fuzzing) { 300 } else { 4 << 10 };

impl<B: AsRef<[u8]> + AsMut<[u8]>> Ring<B> {
    /// The first `len` bytes of the array are the queue.
    pub(crate) const fn new(array: B, len: usize) -> Self {
        Self { array, start: 0, len }
    }

    /// Where the next bytes go, as many as there is room for in one piece.
    fn back(&mut self) -> &mut [u8] {
        let (end, capacity) = (self.start + self.len, self.capacity());
        let free = if end < capacity { end..capacity } else { end - capacity..self.start };
        self.array.as_mut().get_mut(free).unwrap_or_default()
    }

    /// Makes the next `count` bytes follow in one piece, if that is cheap.
    fn straighten(&mut self, count: usize) {
        let end = self.start + self.len;
        let (fits, is_round) = (count <= self.capacity().saturating_sub(end), end > self.capacity());
        if !fits && !is_round && self.len <= self.start.max(CHEAP) {
            move_down(self.array.as_mut().get_mut(..end).unwrap_or_default(), self.start);
            self.start = 0;
        }
    }

    /// Adds bytes for which there is room, masked.
    fn put(&mut self, mut bytes: &[u8], mut key: MaskingKey) {
        // In one turn, or in two: up to the array's end, then at its beginning.
        while !bytes.is_empty() {
            let back = self.back();
            let (piece, rest) = bytes.split_at_checked(back.len()).unwrap_or((bytes, &[]));
            debug_assert!(!piece.is_empty(), "there is room for all of it");
            key = key.apply_copied(piece, back.get_mut(..piece.len()).unwrap_or_default());
            self.len += piece.len();
            bytes = rest;
        }
    }
}

/// A mask that changes nothing, so that one loop serves both.
const UNMASKED: MaskingKey = MaskingKey([0; 4]);

impl<B: AsRef<[u8]> + AsMut<[u8]>> OutputStore for Ring<B> {
    fn front(&self) -> &[u8] {
        let end = self.capacity().min(self.start + self.len);
        self.array.as_ref().get(self.start..end).unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.len
    }

    fn capacity(&self) -> usize {
        self.array.as_ref().len()
    }

    fn drop_front(&mut self, count: usize, _keep: usize) {
        let count = count.min(self.front().len());
        (self.start, self.len) = (self.start + count, self.len - count);
        if self.len == 0 || self.start == self.capacity() {
            self.start = 0;
        }
    }

    fn clear(&mut self, _keep: usize) {
        (self.start, self.len) = (0, 0);
    }

    fn room(&mut self, count: usize) -> Option<&mut [u8]> {
        // Only `append` decides whether to continue at the beginning.
        let ends_there = self.start + self.len == self.capacity();
        if ends_there { None } else { self.back().get_mut(..count) }
    }

    fn fill(&mut self, count: usize) {
        self.len = self.capacity().min(self.len + count);
    }

    fn append(&mut self, header: &[u8], payload: &[u8], mask: Option<MaskingKey>) -> Result<(), StorageFull> {
        if header.len() + payload.len() > self.capacity().saturating_sub(self.len) {
            return Err(StorageFull);
        }
        self.straighten(header.len() + payload.len());
        self.put(header, UNMASKED);
        self.put(payload, mask.unwrap_or(UNMASKED));
        Ok(())
    }
}
