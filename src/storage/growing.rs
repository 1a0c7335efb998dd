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

/// A `String` while it is text: what was checked piece by piece needn't be checked once more to be lent.
pub(crate) enum GrowingMessage {
    Bytes(Vec<u8>),
    Text(String),
}

impl From<Vec<u8>> for GrowingMessage {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl super::MessageStore for GrowingMessage {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        }
    }

    #[inline]
    fn text(&self) -> &str {
        match self {
            Self::Bytes(bytes) => utf8::whole(bytes).unwrap_or_default(),
            Self::Text(text) => text,
        }
    }

    #[inline]
    fn capacity(&self) -> usize {
        isize::MAX as usize
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull> {
        if let Self::Text(text) = self {
            *self = Self::Bytes(mem::take(text).into_bytes());
        }
        match self {
            Self::Bytes(store) => Store::append(store, bytes),
            Self::Text(_) => Err(StorageFull),
        }
    }

    fn append_text(&mut self, text: &str) -> Result<(), StorageFull> {
        if let Self::Bytes(bytes) = self {
            // The same memory: of no bytes there is nothing to check.
            *self = Self::Text(String::from_utf8(mem::take(bytes)).map_err(|_| StorageFull)?);
        }
        match self {
            Self::Text(store) => {
                store.try_reserve(text.len()).map_err(|_| StorageFull)?;
                store.push_str(text);
                Ok(())
            }
            Self::Bytes(_) => Err(StorageFull),
        }
    }

    fn clear(&mut self, keep: usize) {
        match self {
            Self::Bytes(bytes) => Store::clear(bytes, keep),
            Self::Text(text) => {
                text.clear();
                if text.capacity() > keep {
                    text.shrink_to(keep);
                }
            }
        }
    }
}
