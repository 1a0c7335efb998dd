use alloc::{string::String, vec::Vec};
use core::mem;

use super::{Growing, growth, spare};
use crate::{
    frame::MaskingKey,
    storage::{Bytes, MessageStore, StorageFull},
    text,
};

/// A store for a message. Its memory doubles when it is full, but does not grow beyond the bytes that are missing.
pub(crate) enum GrowingMessage {
    /// Binary, or text that has been ASCII so far.
    Bytes(Growing),
    /// Text that was checked in pieces. A `String` can be lent without another check.
    Text(String),
}

/// As [`Growing::grow`], for memory that stays text.
fn grow_text(text: &mut String, more: usize, missing: usize) -> Result<(), StorageFull> {
    let needed = text.len() + more;
    if let Some(mut larger) = spare::take(needed, needed.saturating_add(missing)) {
        larger.clear();
        // An empty `Vec` is valid text.
        let mut larger = String::from_utf8(larger).unwrap_or_default();
        debug_assert!(larger.capacity() >= needed, "spare memory is at least as large as it was asked to be");
        larger.push_str(text);
        spare::give(mem::replace(text, larger).into_bytes());
        return Ok(());
    }
    let growth = growth(text.len(), text.capacity(), more, missing);
    text.try_reserve_exact(growth).map_err(|_| StorageFull)
}

impl From<Vec<u8>> for GrowingMessage {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl GrowingMessage {
    /// The stored bytes in their memory.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Bytes(Growing { mut memory, filled }) => {
                memory.truncate(filled);
                memory
            }
            Self::Text(text) => text.into_bytes(),
        }
    }

    /// The stored text in its memory.
    pub(crate) fn into_text(self) -> String {
        if let Self::Text(text) = self {
            return text;
        }
        let text = String::from_utf8(self.into_bytes());
        debug_assert!(text.is_ok(), "text is checked before it is stored");
        text.unwrap_or_default()
    }
}

impl Bytes for GrowingMessage {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.bytes(),
            Self::Text(text) => text.as_bytes(),
        }
    }

    #[inline]
    fn capacity(&self) -> usize {
        isize::MAX as usize
    }

    fn clear(&mut self, keep: usize) {
        if let Self::Text(text) = self {
            *self = mem::take(text).into_bytes().into();
        }
        if let Self::Bytes(bytes) = self {
            bytes.clear(keep);
        }
    }
}

impl MessageStore for GrowingMessage {
    #[inline]
    fn text(&self) -> &str {
        match self {
            Self::Bytes(bytes) => {
                debug_assert!(text::whole(bytes.bytes()).is_ok(), "text is checked before it is stored");
                text::whole(bytes.bytes()).unwrap_or_default()
            }
            Self::Text(text) => text,
        }
    }

    fn append(&mut self, more: &[u8], mask: Option<MaskingKey>, missing: usize) -> Result<(), StorageFull> {
        let Self::Bytes(bytes) = self else {
            debug_assert!(false, "bytes are not added to text that is not ASCII");
            return Err(StorageFull);
        };
        match mask {
            Some(key) => bytes.append_unmasked(more, key, missing),
            None => bytes.append(more, missing),
        }
    }

    fn append_text(&mut self, more: &str, missing: usize) -> Result<(), StorageFull> {
        self.become_text()?;
        let Self::Text(text) = self else {
            debug_assert!(false, "the store has become one of text");
            return Err(StorageFull);
        };
        if more.len() > text.capacity() - text.len() {
            grow_text(text, more.len(), missing)?;
        }
        text.push_str(more);
        Ok(())
    }

    #[inline]
    fn takes_ascii(&self) -> bool {
        matches!(self, Self::Bytes(_))
    }

    fn become_text(&mut self) -> Result<(), StorageFull> {
        if let Self::Bytes(Growing { memory, filled }) = self {
            memory.truncate(mem::take(filled));
            // The memory stays the same. Its contents are checked a second time, but only once for each message.
            debug_assert!(text::whole(memory).is_ok(), "text is checked before it is stored");
            *self = Self::Text(String::from_utf8(mem::take(memory)).map_err(|_| StorageFull)?);
        }
        Ok(())
    }

    fn space_for_read(&mut self, least: usize, most: usize, missing: usize) -> Option<&mut [u8]> {
        let Self::Bytes(bytes) = self else { return None };
        let mut count = bytes.lendable(most);
        if count < least {
            // Memory grows only when all of it is used, so that it doubles, however small the reads are.
            if bytes.free_len() > 0 || bytes.filled < least {
                return None;
            }
            debug_assert!(missing > 0, "nothing is read into the store after the end of a message");
            bytes.grow(1, missing.saturating_sub(1)).ok()?;
            count = bytes.lendable(most);
        }
        bytes.write_to(count);
        bytes.free_space(count)
    }

    fn mark_filled(&mut self, count: usize) {
        debug_assert!(matches!(self, Self::Bytes(_)), "text that is not ASCII has no space to fill");
        if let Self::Bytes(bytes) = self {
            bytes.mark_filled(count);
        }
    }
}
