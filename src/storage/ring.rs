use super::{OutputStore, StorageFull, move_down};
use crate::frame::MaskingKey;

/// A queue in an array.
///
/// The queue is contiguous as long as that is cheap. If a frame does not fit before the end of the array, the queue is
/// moved to the beginning of the array, provided that it is short, or no longer than the part that was dropped.
/// Otherwise it continues at the beginning. So a peer that takes few bytes at a time cannot cause many bytes to be
/// moved.
pub(crate) struct Ring<B> {
    array: B,
    /// The index of the first byte.
    start: usize,
    len: usize,
}

/// The length of the longest queue that is short: moving it takes little longer than copying a frame.
const CHEAP: usize = if cfg!(fuzzing) { 300 } else { 4 << 10 };

impl<B: AsRef<[u8]> + AsMut<[u8]>> Ring<B> {
    /// Returns a queue of the first `len` bytes of the array.
    pub(crate) const fn new(array: B, len: usize) -> Self {
        Self { array, start: 0, len }
    }

    /// The contiguous free space after the last byte.
    fn contiguous_space(&mut self) -> &mut [u8] {
        let (end, capacity) = (self.start + self.len, self.capacity());
        let free = if end < capacity { end..capacity } else { end - capacity..self.start };
        debug_assert!(free.start <= free.end && free.end <= capacity, "the queue lies in the array");
        self.array.as_mut().get_mut(free).unwrap_or_default()
    }

    /// Makes contiguous free space for `count` bytes, if that is cheap.
    fn make_contiguous(&mut self, count: usize) {
        let end = self.start + self.len;
        let (fits, wraps) = (count <= self.capacity().saturating_sub(end), end > self.capacity());
        if !fits && !wraps && self.len <= self.start.max(CHEAP) {
            move_down(self.array.as_mut().get_mut(..end).unwrap_or_default(), self.start);
            self.start = 0;
        }
    }

    /// Adds masked bytes. The free space must be large enough.
    fn put(&mut self, mut bytes: &[u8], mut key: MaskingKey) {
        // At most two iterations: up to the end of the array, then from its beginning.
        while !bytes.is_empty() {
            let space = self.contiguous_space();
            let (piece, rest) = bytes.split_at_checked(space.len()).unwrap_or((bytes, &[]));
            debug_assert!(!piece.is_empty(), "the free space is large enough for all bytes");
            key = key.apply_copied(piece, space.get_mut(..piece.len()).unwrap_or_default());
            self.len += piece.len();
            bytes = rest;
        }
    }
}

/// A key that changes nothing, so that one loop adds masked and unmasked bytes.
const UNMASKED: MaskingKey = MaskingKey([0; 4]);

impl<B: AsRef<[u8]> + AsMut<[u8]>> OutputStore for Ring<B> {
    fn front(&self) -> &[u8] {
        let end = self.capacity().min(self.start + self.len);
        debug_assert!(self.start <= end, "the queue lies in the array");
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

    fn free_space(&mut self, count: usize) -> Option<&mut [u8]> {
        // Only `append` decides whether the queue continues at the beginning of the array.
        let ends_with_array = self.start + self.len == self.capacity();
        if ends_with_array { None } else { self.contiguous_space().get_mut(..count) }
    }

    fn mark_filled(&mut self, count: usize) {
        debug_assert!(count <= self.contiguous_space().len(), "only free space is filled");
        self.len = self.capacity().min(self.len + count);
    }

    fn append(&mut self, header: &[u8], payload: &[u8], mask: Option<MaskingKey>) -> Result<(), StorageFull> {
        debug_assert!(self.len <= self.capacity(), "the queue lies in the array");
        if header.len() + payload.len() > self.capacity().saturating_sub(self.len) {
            return Err(StorageFull);
        }
        self.make_contiguous(header.len() + payload.len());
        self.put(header, UNMASKED);
        self.put(payload, mask.unwrap_or(UNMASKED));
        Ok(())
    }
}
