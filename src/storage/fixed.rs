use core::fmt;

use super::{Bytes, ControlPayload, MessageStore, StorageFull, Store, copy, ring::Ring};
use crate::{frame::MaskingKey, text};

/// A store over an array or a slice of the caller, for machines without an allocator.
///
/// ```
/// use websocket_proto::FixedStorage;
///
/// let owned = FixedStorage::new([0; 512]);
///
/// let mut array = [0; 512];
/// let lent = FixedStorage::new(&mut array[..]);
/// # let _ = (owned, lent);
/// ```
///
#[doc = include_str!("../../docs/without-an-allocator.md")]
#[derive(Clone)]
pub struct FixedStorage<B> {
    memory: B,
    len: usize,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> FixedStorage<B> {
    /// Returns an empty store that can hold as many bytes as `memory` is long.
    pub const fn new(memory: B) -> Self {
        Self { memory, len: 0 }
    }
}

impl<B: AsRef<[u8]>> FixedStorage<B> {
    /// Returns the stored bytes, such as a [response](crate::server::Response::write) that was written to this store.
    ///
    /// ```
    /// use websocket_proto::{FixedStorage, server::Response};
    ///
    /// let mut out = FixedStorage::new([0; 128]);
    /// Response::new(404).write(&mut out)?;
    /// assert!(out.as_slice().starts_with(b"HTTP/1.1 404 Not Found\r\n"));
    /// # Ok::<(), websocket_proto::server::ResponseError>(())
    /// ```
    pub fn as_slice(&self) -> &[u8] {
        debug_assert!(self.len <= self.memory.as_ref().len(), "a store holds at most as many bytes as its memory has");
        self.memory.as_ref().get(..self.len).unwrap_or_default()
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for FixedStorage<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FixedStorage({} of {} bytes)", self.len, self.memory.as_ref().len())
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> FixedStorage<B> {
    fn free_space(&mut self) -> &mut [u8] {
        debug_assert!(self.len <= self.memory.as_ref().len(), "a store holds at most as many bytes as its memory has");
        self.memory.as_mut().get_mut(self.len..).unwrap_or_default()
    }

    /// Adds `count` bytes, which the caller must write.
    fn take_space(&mut self, count: usize) -> Result<&mut [u8], StorageFull> {
        let free = self.memory.as_mut().get_mut(self.len..).unwrap_or_default();
        let space = free.get_mut(..count).ok_or(StorageFull)?;
        self.len += count;
        Ok(space)
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Bytes for FixedStorage<B> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.as_slice()
    }

    #[inline]
    fn capacity(&self) -> usize {
        self.memory.as_ref().len()
    }

    #[inline]
    fn clear(&mut self, _keep: usize) {
        self.len = 0;
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]> + Send + Sync> Store for FixedStorage<B> {
    type Message = Self;
    type Output = Ring<B>;
    type Control = ControlPayload;

    #[inline]
    fn reserve(&mut self, more: usize) -> Result<(), StorageFull> {
        if more > self.free_space().len() { Err(StorageFull) } else { Ok(()) }
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull> {
        copy(bytes, self.free_space()).ok_or(StorageFull)?;
        self.len += bytes.len();
        Ok(())
    }
}

// Safe code cannot record that an array holds valid text, so a text is checked a second time when it is lent.
impl<B: AsRef<[u8]> + AsMut<[u8]> + Send + Sync> MessageStore for FixedStorage<B> {
    fn text(&self) -> &str {
        debug_assert!(text::whole(self.bytes()).is_ok(), "text is checked before it is stored");
        text::whole(self.bytes()).unwrap_or_default()
    }

    fn append(&mut self, bytes: &[u8], mask: Option<MaskingKey>, _missing: usize) -> Result<(), StorageFull> {
        match mask {
            Some(key) => {
                key.apply_copied(bytes, self.take_space(bytes.len())?);
                Ok(())
            }
            None => Store::append(self, bytes),
        }
    }

    fn append_text(&mut self, text: &str, _missing: usize) -> Result<(), StorageFull> {
        Store::append(self, text.as_bytes())
    }

    fn takes_ascii(&self) -> bool {
        true
    }

    fn become_text(&mut self) -> Result<(), StorageFull> {
        Ok(())
    }

    fn space_for_read(&mut self, least: usize, most: usize, _missing: usize) -> Option<&mut [u8]> {
        let free = self.free_space();
        let most = most.min(free.len());
        if least > most { None } else { free.get_mut(..most) }
    }

    fn mark_filled(&mut self, count: usize) {
        debug_assert!(count <= self.free_space().len(), "only free space is filled");
        self.len = self.capacity().min(self.len + count);
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> From<FixedStorage<B>> for Ring<B> {
    fn from(FixedStorage { memory, len }: FixedStorage<B>) -> Self {
        Self::new(memory, len)
    }
}
