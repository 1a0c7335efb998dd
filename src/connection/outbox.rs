use core::fmt;

use crate::{
    STRAIGHT_PATHS,
    bytes::copy,
    frame::{EncodedHeader, Header, MaskingKey},
    storage::{OutputStore, StorageFull},
};

/// Whole frames that wait for the socket, and how far into the first of them the socket has got.
///
/// Because only whole frames are added, its end is always a frame boundary: nothing can be put inside a half-written
/// frame. And what is pending only grows, at its end, until it is consumed: a copy of it can be on its way meanwhile.
pub(crate) struct Outbox<S> {
    store: S,
    /// How much of the store has been written. Moving the rest down on every write would be quadratic.
    head: usize,
    /// How much memory may stay when it is empty.
    keep: usize,
}

// Not what waits: it may be megabytes, and somebody's secrets.
impl<S> fmt::Debug for Outbox<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbox({} bytes written)", self.head)
    }
}

impl<S: OutputStore> Outbox<S> {
    /// What is in `store` is pending.
    pub(crate) fn new(store: S, keep: usize) -> Self {
        Self { store, head: 0, keep }
    }

    #[inline]
    pub(crate) fn pending(&self) -> &[u8] {
        self.store.bytes().get(self.head..).unwrap_or_default()
    }

    /// The most that it can ever hold.
    pub(crate) fn capacity(&self) -> usize {
        self.store.capacity()
    }

    /// Forgets what has been written.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        if count < self.pending().len() {
            self.head += count;
        } else {
            self.head = 0;
            self.store.clear(self.keep);
        }
    }

    /// Lets go of memory that holds nothing.
    pub(crate) fn release(&mut self) {
        if self.pending().is_empty() {
            self.store.clear(0);
        }
    }

    /// Adds a frame, masked if its header has a key; or nothing.
    #[inline(always)]
    pub(crate) fn push(&mut self, header: &Header, payload: &[u8]) -> Result<(), StorageFull> {
        let encoded = header.encode();
        match self.push_into_room(&encoded, payload, header.mask) {
            Some(()) => Ok(()),
            None => self.push_anew(encoded.as_slice(), payload, header.mask),
        }
    }

    /// The straight path: into room that was written to before, if there is enough of it.
    #[inline(always)]
    fn push_into_room(&mut self, header: &EncodedHeader, payload: &[u8], mask: Option<MaskingKey>) -> Option<()> {
        if !STRAIGHT_PATHS {
            return None;
        }
        let ([front, back], header_len) = header.padded();
        let len = header_len + payload.len();
        let room = self.store.room(len.max(front.len() + back.len()))?;
        // A copy whose length the compiler knows is a move; the payload goes over what is too much of it.
        let (half, rest) = room.split_first_chunk_mut()?;
        (*half, *rest.first_chunk_mut()?) = (front, back);
        let room = room.get_mut(header_len..)?;
        match mask {
            None => copy(payload, room)?,
            Some(key) => _ = key.apply_copied(payload, room.get_mut(..payload.len())?),
        }
        self.store.fill(len);
        Some(())
    }

    /// The same into room that is made for it, also of what the socket did not take of a frame.
    #[inline(never)]
    pub(crate) fn push_anew(
        &mut self,
        header: &[u8],
        payload: &[u8],
        mask: Option<MaskingKey>,
    ) -> Result<(), StorageFull> {
        self.make_room(header.len() + payload.len())?;
        self.store.append(header)?;
        match mask {
            None => self.store.append(payload),
            Some(key) => self.store.append_masked(payload, key),
        }
    }

    fn make_room(&mut self, len: usize) -> Result<(), StorageFull> {
        if len <= self.store.spare() {
            return Ok(());
        }
        let pending = self.pending().len();
        if len > self.store.capacity().saturating_sub(pending) {
            return Err(StorageFull);
        }
        // The rest is moved down only when as much has been written before, so a byte moves once on average;
        // a store that can't grow has no choice.
        let full = len > self.store.capacity().saturating_sub(self.head + pending);
        if self.head >= pending || full {
            self.store.drop_front(self.head);
            self.head = 0;
        }
        self.store.reserve(len)
    }
}
