#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;

#[cfg(feature = "alloc")]
use crate::storage::GrowingQueue;
use crate::{
    SHORTCUTS,
    frame::{EncodedHeader, Header, MaskingKey},
    storage::{OutputStore, StorageFull, copy},
};

/// The queue of frames that wait for the transport. The first one may be a part, because the transport took the rest.
///
/// Only whole frames are added, so the end is always a boundary between frames, and nothing can be added inside a frame
/// that is partly written. Pending bytes do not change until they are consumed, so a copy of them can be written.
pub(crate) struct Queue<S> {
    store: S,
    /// The memory, in bytes, that an empty queue keeps.
    keep: usize,
}

// Without the waiting bytes, which may be megabytes, and confidential.
impl<S: OutputStore> fmt::Debug for Queue<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue({} bytes)", self.len())
    }
}

impl<S: OutputStore> Queue<S> {
    /// Returns a queue of the bytes in `store`.
    pub(crate) fn new(store: S, keep: usize) -> Self {
        Self { store, keep }
    }

    /// The bytes to write next; empty only if nothing waits.
    #[inline]
    pub(crate) fn pending(&self) -> &[u8] {
        self.store.front()
    }

    /// The number of waiting bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether all waiting bytes are [pending](Self::pending).
    #[inline]
    pub(crate) fn is_contiguous(&self) -> bool {
        self.pending().len() == self.len()
    }

    /// The largest number of bytes that can ever wait.
    pub(crate) fn capacity(&self) -> usize {
        self.store.capacity()
    }

    /// Drops the first `count` pending bytes, which were written.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        self.store.drop_front(count, self.keep);
    }

    /// Drops all bytes.
    pub(crate) fn clear(&mut self) {
        self.store.clear(self.keep);
    }

    /// Frees the memory if nothing waits.
    pub(crate) fn free_kept(&mut self) {
        if self.len() == 0 {
            self.store.clear(0);
        }
    }

    /// Adds a frame, masked if its header has a key, or nothing.
    #[inline(always)]
    pub(crate) fn push(&mut self, header: &Header, payload: &[u8]) -> Result<(), StorageFull> {
        let encoded = header.encode();
        match self.push_into_free_space(&encoded, payload, header.mask) {
            Some(()) => Ok(()),
            None => self.push_and_grow(encoded.as_slice(), payload, header.mask),
        }
    }

    /// The fast path: adds a frame if the free space that was written to before is large enough.
    #[inline(always)]
    fn push_into_free_space(&mut self, header: &EncodedHeader, payload: &[u8], mask: Option<MaskingKey>) -> Option<()> {
        if !SHORTCUTS {
            return None;
        }
        let ([front, back], header_len) = header.padded();
        let len = header_len + payload.len();
        let space = self.store.free_space(len.max(front.len() + back.len()))?;
        // All 16 bytes are copied, because a copy whose length the compiler knows is a move. The payload then
        // overwrites the padding.
        let (half, rest) = space.split_first_chunk_mut()?;
        (*half, *rest.first_chunk_mut()?) = (front, back);
        let space = space.get_mut(header_len..)?;
        match mask {
            None => copy(payload, space)?,
            Some(key) => _ = key.apply_copied(payload, space.get_mut(..payload.len())?),
        }
        self.store.mark_filled(len);
        Some(())
    }

    /// The slow path: makes free space if there is too little. The header and payload may be the rest of a frame.
    #[inline(never)]
    pub(crate) fn push_and_grow(
        &mut self,
        header: &[u8],
        payload: &[u8],
        mask: Option<MaskingKey>,
    ) -> Result<(), StorageFull> {
        self.store.append(header, payload, mask)
    }
}

#[cfg(feature = "alloc")]
impl Queue<GrowingQueue> {
    /// Exchanges the waiting bytes for memory.
    pub(crate) fn take(&mut self, bytes: &mut Vec<u8>) {
        self.store.take(bytes, self.keep);
    }
}
