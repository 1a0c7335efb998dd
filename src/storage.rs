#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;

/// Room for bytes that must outlive a read: a head, a message in parts, output that waits for the socket.
///
/// `Vec<u8>` (feature `alloc`) grows with what arrives, [`FixedStorage`] is an array of the caller's. A store that is
/// too small for something refuses it whole; nothing is cut.
#[expect(private_bounds, reason = "sealed: what a store must do is this crate's to change")]
pub trait Storage: sealed::Store {}

impl<S: sealed::Store> Storage for S {}

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

impl<B: AsRef<[u8]>> fmt::Debug for FixedStorage<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FixedStorage({} of {} bytes)", self.len, self.room.as_ref().len())
    }
}

/// A store had no room for something, and is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StorageFull;

pub(crate) mod sealed {
    use super::StorageFull;

    /// A queue of bytes: added at the back, dropped from the front.
    pub(crate) trait Store {
        fn bytes(&self) -> &[u8];

        fn bytes_mut(&mut self) -> &mut [u8];

        /// The most it can ever hold.
        fn capacity(&self) -> usize;

        /// Room for more without growing.
        fn spare(&self) -> usize;

        /// Makes room for `more` bytes, so that as much can be added.
        fn reserve(&mut self, more: usize) -> Result<(), StorageFull>;

        /// Adds all of `bytes`, or none.
        fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull>;

        /// Adds the first `len` of `bytes`, or none. A copy whose length the compiler knows is a move or two.
        fn append_front<const N: usize>(&mut self, bytes: &[u8; N], len: usize) -> Result<(), StorageFull>;

        /// Drops the first `count` bytes by moving the rest down, which costs as much as the rest is long.
        fn drop_front(&mut self, count: usize);

        /// Drops everything, and all memory but `keep` bytes.
        fn clear(&mut self, keep: usize);
    }
}

#[cfg(feature = "alloc")]
impl sealed::Store for Vec<u8> {
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
            sealed::Store::reserve(self, bytes.len())?;
        }
        self.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn append_front<const N: usize>(&mut self, bytes: &[u8; N], len: usize) -> Result<(), StorageFull> {
        let end = self.len() + len;
        sealed::Store::append(self, bytes)?;
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

impl<B: AsRef<[u8]> + AsMut<[u8]>> sealed::Store for FixedStorage<B> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.room.as_ref().get(..self.len).unwrap_or_default()
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.room.as_mut().get_mut(..self.len).unwrap_or_default()
    }

    #[inline]
    fn capacity(&self) -> usize {
        self.room.as_ref().len()
    }

    #[inline]
    fn spare(&self) -> usize {
        self.capacity().saturating_sub(self.len)
    }

    #[inline]
    fn reserve(&mut self, more: usize) -> Result<(), StorageFull> {
        if more > self.spare() { Err(StorageFull) } else { Ok(()) }
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull> {
        let room = self.room.as_mut().get_mut(self.len..).and_then(|spare| spare.get_mut(..bytes.len()));
        room.ok_or(StorageFull)?.copy_from_slice(bytes);
        self.len += bytes.len();
        Ok(())
    }

    #[inline]
    fn append_front<const N: usize>(&mut self, bytes: &[u8; N], len: usize) -> Result<(), StorageFull> {
        self.append(bytes.get(..len).unwrap_or_default())
    }

    #[inline]
    fn drop_front(&mut self, count: usize) {
        let count = count.min(self.len);
        self.bytes_mut().copy_within(count.., 0);
        self.len -= count;
    }

    #[inline]
    fn clear(&mut self, _keep: usize) {
        self.len = 0;
    }
}
