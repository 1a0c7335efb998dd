use core::fmt;

use super::{Bytes, ControlPayload, MessageStore, StorageFull, Store, copy, ring::Ring};
use crate::{frame::MaskingKey, text};

/// A store over an array or a slice of the caller's, for machines without an allocator.
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
    room: B,
    len: usize,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> FixedStorage<B> {
    /// An empty store that holds as many bytes as `room` is long.
    pub const fn new(room: B) -> Self {
        Self { room, len: 0 }
    }
}

impl<B: AsRef<[u8]>> FixedStorage<B> {
    /// The bytes that are in it: of a store that was only lent, such as one that a [response](crate::server::Response::write) was
    /// written to.
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
        self.room.as_ref().get(..self.len).unwrap_or_default()
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for FixedStorage<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FixedStorage({} of {} bytes)", self.len, self.room.as_ref().len())
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> FixedStorage<B> {
    fn spare_mut(&mut self) -> &mut [u8] {
        self.room.as_mut().get_mut(self.len..).unwrap_or_default()
    }

    /// Room for `count` bytes, which count as added.
    fn take_room(&mut self, count: usize) -> Result<&mut [u8], StorageFull> {
        let spare = self.room.as_mut().get_mut(self.len..).unwrap_or_default();
        let room = spare.get_mut(..count).ok_or(StorageFull)?;
        self.len += count;
        Ok(room)
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Bytes for FixedStorage<B> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.as_slice()
    }

    #[inline]
    fn capacity(&self) -> usize {
        self.room.as_ref().len()
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
        if more > self.spare_mut().len() { Err(StorageFull) } else { Ok(()) }
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull> {
        copy(bytes, self.spare_mut()).ok_or(StorageFull)?;
        self.len += bytes.len();
        Ok(())
    }
}

// Safe code can't note that what an array holds was found to be text: it is looked at once more, when the message is whole.
impl<B: AsRef<[u8]> + AsMut<[u8]> + Send + Sync> MessageStore for FixedStorage<B> {
    fn text(&self) -> &str {
        text::whole(self.bytes()).unwrap_or_default()
    }

    fn append(&mut self, bytes: &[u8], mask: Option<MaskingKey>, _missing: usize) -> Result<(), StorageFull> {
        match mask {
            Some(key) => {
                key.apply_copied(bytes, self.take_room(bytes.len())?);
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

    fn room(&mut self, least: usize, most: usize, _missing: usize) -> Option<&mut [u8]> {
        let spare = self.spare_mut();
        let most = most.min(spare.len());
        if least > most { None } else { spare.get_mut(..most) }
    }

    fn fill(&mut self, count: usize) {
        self.len = self.capacity().min(self.len + count);
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> From<FixedStorage<B>> for Ring<B> {
    fn from(FixedStorage { room, len }: FixedStorage<B>) -> Self {
        Self::new(room, len)
    }
}
