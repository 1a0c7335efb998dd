use alloc::{string::String, vec::Vec};
use core::mem;

use super::{ControlStore, StorageFull, Store};
use crate::utf8;

impl Store for Vec<u8> {
    type Message = GrowingMessage;
    type Control = Self;

    #[inline]
    fn bytes(&self) -> &[u8] {
        self
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }

    #[inline]
    fn capacity(&self) -> usize {
        isize::MAX as usize
    }

    #[inline]
    fn spare(&self) -> usize {
        Self::capacity(self) - self.len()
    }

    #[inline]
    fn reserve(&mut self, more: usize) -> Result<(), StorageFull> {
        self.try_reserve(more).map_err(|_| StorageFull)
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull> {
        if bytes.len() > self.spare() {
            Store::reserve(self, bytes.len())?;
        }
        self.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn append_front<const N: usize>(&mut self, bytes: &[u8; N], len: usize) -> Result<(), StorageFull> {
        let end = self.len() + len;
        Store::append(self, bytes)?;
        self.truncate(end);
        Ok(())
    }

    #[inline]
    fn drop_front(&mut self, count: usize) {
        self.drain(..count.min(self.len()));
    }

    #[inline]
    fn clear(&mut self, keep: usize) {
        Self::clear(self);
        if Self::capacity(self) > keep {
            self.shrink_to(keep);
        }
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

/// A message whose memory grows, by no more than has come already, and no further than what is missing.
pub(crate) enum GrowingMessage {
    Bytes {
        bytes: Vec<u8>,
        /// How many of them are the message. Those behind were a message once, and are room for this one: safe code can lend a socket
        /// only memory that has been written to, and to do so once is enough.
        filled: usize,
    },
    /// What was checked piece by piece needn't be checked once more to be lent.
    Text(String),
}

impl GrowingMessage {
    /// Makes it bytes, whatever it was.
    fn forget_text(&mut self) {
        if let Self::Text(text) = self {
            *self = mem::take(text).into_bytes().into();
        }
    }
}

impl From<Vec<u8>> for GrowingMessage {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes { filled: bytes.len(), bytes }
    }
}

/// How much new memory is written to at a time: little enough to be in the cache still when it is read into.
const FRESH: usize = 128 << 10;

/// How much memory to ask for, to add `more` to `len` bytes now and as much as is `missing` later.
fn growth(len: usize, more: usize, missing: usize) -> usize {
    more.saturating_add(missing).min(len).max(more)
}

impl super::MessageStore for GrowingMessage {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes { bytes, filled } => bytes.get(..*filled).unwrap_or_default(),
            Self::Text(text) => text.as_bytes(),
        }
    }

    #[inline]
    fn text(&self) -> &str {
        match self {
            Self::Bytes { .. } => utf8::whole(self.bytes()).unwrap_or_default(),
            Self::Text(text) => text,
        }
    }

    #[inline]
    fn capacity(&self) -> usize {
        isize::MAX as usize
    }

    fn append(&mut self, more: &[u8], missing: usize) -> Result<(), StorageFull> {
        self.forget_text();
        let Self::Bytes { bytes, filled } = self else { return Err(StorageFull) };
        match bytes.get_mut(*filled..).and_then(|room| room.get_mut(..more.len())) {
            Some(room) => room.copy_from_slice(more),
            None => {
                bytes.truncate(*filled);
                if more.len() > bytes.spare() {
                    let growth = growth(*filled, more.len(), missing);
                    bytes.try_reserve_exact(growth).map_err(|_| StorageFull)?;
                }
                bytes.extend_from_slice(more);
            }
        }
        *filled += more.len();
        Ok(())
    }

    fn append_text(&mut self, more: &str, missing: usize) -> Result<(), StorageFull> {
        if let Self::Bytes { bytes, filled } = self {
            bytes.truncate(*filled);
            // The same memory: of no bytes there is nothing to check.
            *self = Self::Text(String::from_utf8(mem::take(bytes)).map_err(|_| StorageFull)?);
        }
        let Self::Text(text) = self else { return Err(StorageFull) };
        if more.len() > text.capacity() - text.len() {
            text.try_reserve_exact(growth(text.len(), more.len(), missing)).map_err(|_| StorageFull)?;
        }
        text.push_str(more);
        Ok(())
    }

    fn room(&mut self, most: usize) -> &mut [u8] {
        let Self::Bytes { bytes, filled } = self else { return &mut [] };
        let spare = bytes.len() - *filled;
        let fresh = most.min(*filled).min(FRESH);
        if fresh > spare {
            let enough =
                bytes.spare() >= fresh - spare || bytes.try_reserve_exact(growth(*filled, fresh, most) - spare).is_ok();
            if enough {
                bytes.resize(*filled + fresh, 0);
            }
        }
        let room = bytes.get_mut(*filled..).unwrap_or_default();
        let most = most.min(room.len());
        room.get_mut(..most).unwrap_or_default()
    }

    fn fill(&mut self, count: usize) -> &mut [u8] {
        let Self::Bytes { bytes, filled } = self else { return &mut [] };
        let room = bytes.get_mut(*filled..).unwrap_or_default();
        let count = count.min(room.len());
        *filled += count;
        room.get_mut(..count).unwrap_or_default()
    }

    fn clear(&mut self, keep: usize) {
        self.forget_text();
        let Self::Bytes { bytes, filled } = self else { return };
        *filled = 0;
        if bytes.capacity() > keep {
            bytes.truncate(keep);
            bytes.shrink_to(keep);
        }
    }
}
