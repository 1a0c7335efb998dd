use alloc::{string::String, vec::Vec};
use core::mem;

use super::{Growing, growth, spare};
use crate::{
    frame::MaskingKey,
    storage::{Bytes, MessageStore, StorageFull},
    text,
};

/// A message whose memory doubles when it is full, but never grows beyond what is still missing.
pub(crate) enum GrowingMessage {
    /// Or text that is ASCII so far.
    Bytes(Growing),
    /// Text that was checked in pieces. As a `String` it can be lent without another check.
    Text(String),
}

/// As [`Growing::grow`] does it, for memory that stays text.
fn grow_text(text: &mut String, more: usize, missing: usize) -> Result<(), StorageFull> {
    let needed = text.len() + more;
    if let Some(mut larger) = spare::take(needed, needed.saturating_add(missing)) {
        larger.clear();
        // It is empty, and so it is text.
        let mut larger = String::from_utf8(larger).unwrap_or_default();
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
            Self::Bytes(bytes) => text::whole(bytes.bytes()).unwrap_or_default(),
            Self::Text(text) => text,
        }
    }

    fn append(&mut self, more: &[u8], mask: Option<MaskingKey>, missing: usize) -> Result<(), StorageFull> {
        let Self::Bytes(bytes) = self else { return Err(StorageFull) };
        match mask {
            Some(key) => bytes.append_unmasked(more, key, missing),
            None => bytes.append(more, missing),
        }
    }

    fn append_text(&mut self, more: &str, missing: usize) -> Result<(), StorageFull> {
        self.become_text()?;
        let Self::Text(text) = self else { return Err(StorageFull) };
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
            // The same memory; what is in it is checked once more, once.
            *self = Self::Text(String::from_utf8(mem::take(memory)).map_err(|_| StorageFull)?);
        }
        Ok(())
    }

    fn room(&mut self, least: usize, most: usize, missing: usize) -> Option<&mut [u8]> {
        let Self::Bytes(bytes) = self else { return None };
        let mut count = bytes.lendable(most);
        if count < least {
            // Memory grows only when all of it is used. So it doubles, however small the reads are.
            if bytes.spare() > 0 || bytes.filled < least {
                return None;
            }
            bytes.grow(1, missing.saturating_sub(1)).ok()?;
            count = bytes.lendable(most);
        }
        bytes.write_to(count);
        bytes.room(count)
    }

    fn fill(&mut self, count: usize) {
        if let Self::Bytes(bytes) = self {
            bytes.fill(count);
        }
    }
}
