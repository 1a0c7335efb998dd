use core::fmt;

use crate::{
    SHORTCUTS,
    frame::{EncodedHeader, Header, MaskingKey},
    storage::{OutputStore, StorageFull, copy},
};

/// Whole frames that wait for the socket; of the first one perhaps only the rest.
///
/// Because only whole frames are added, its end is always a frame boundary: nothing can be put inside a half-written
/// frame. And what is pending only grows, at its end, until it is consumed: a copy of it can be on its way meanwhile.
pub(crate) struct Outbox<S> {
    queue: S,
    /// How much memory may stay when it is empty.
    keep: usize,
}

// Not what waits: it may be megabytes, and somebody's secrets.
impl<S: OutputStore> fmt::Debug for Outbox<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbox({} bytes)", self.len())
    }
}

impl<S: OutputStore> Outbox<S> {
    /// What is in `queue` is pending.
    pub(crate) fn new(queue: S, keep: usize) -> Self {
        Self { queue, keep }
    }

    /// What to write next; empty only when nothing waits.
    #[inline]
    pub(crate) fn pending(&self) -> &[u8] {
        self.queue.front()
    }

    /// How many bytes wait.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether all that waits is [pending](Self::pending), in one piece.
    #[inline]
    pub(crate) fn is_in_one_piece(&self) -> bool {
        self.pending().len() == self.len()
    }

    /// The most that it can ever hold.
    pub(crate) fn capacity(&self) -> usize {
        self.queue.capacity()
    }

    /// Drops the first `count` bytes of what is pending: they were written.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        self.queue.drop_front(count, self.keep);
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.queue.clear(self.keep);
    }

    /// Keeps no memory if nothing waits.
    pub(crate) fn let_go(&mut self) {
        if self.len() == 0 {
            self.queue.clear(0);
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
        if !SHORTCUTS {
            return None;
        }
        let ([front, back], header_len) = header.padded();
        let len = header_len + payload.len();
        let room = self.queue.room(len.max(front.len() + back.len()))?;
        // A copy whose length the compiler knows is a move; the payload goes over what is too much of it.
        let (half, rest) = room.split_first_chunk_mut()?;
        (*half, *rest.first_chunk_mut()?) = (front, back);
        let room = room.get_mut(header_len..)?;
        match mask {
            None => copy(payload, room)?,
            Some(key) => _ = key.apply_copied(payload, room.get_mut(..payload.len())?),
        }
        self.queue.fill(len);
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
        self.queue.append(header, payload, mask)
    }
}
