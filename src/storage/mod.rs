//! Stores for bytes that outlive a read.

mod control_payload;
mod copy;
mod fixed;
mod ring;
#[cfg(feature = "alloc")]
mod vec;

pub(crate) use control_payload::{ControlPayload, ControlStore};
pub(crate) use copy::{copy, move_down};
pub use fixed::FixedStorage;
#[cfg(feature = "alloc")]
pub(crate) use vec::GrowingQueue;
#[cfg(feature = "deflate")]
pub(crate) use vec::{spare, trim};

use crate::frame::MaskingKey;

/// The memory, in bytes, that a sender keeps by default: enough for a message of 1 KiB with its header.
pub(crate) const SMALL: usize = (1 << 10) + 16;

/// The largest memory that may be reused for this many bytes: twenty times as many, or [`SMALL`].
///
/// From 64 KiB on this allows 1 MiB, so a message of 1 MiB copies little more than its first 64 KiB.
pub(crate) const fn most_for(bytes: usize) -> usize {
    if bytes <= SMALL { SMALL } else { bytes.saturating_mul(20) }
}

/// A store for bytes that outlive a read: a head, a message in assembly, or output that waits for the transport.
///
/// It can be sent to another thread, and so can everything that is built on it.
///
/// `Vec<u8>` (feature `alloc`) grows with the bytes that are received; [`FixedStorage`] is an array of the caller. If a
/// store is too small for something, it takes no part of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot store the bytes of a connection",
    note = "`Vec<u8>` can, with the feature `alloc`; so can `FixedStorage` over an array or a slice of bytes"
)]
#[expect(private_bounds, reason = "sealed: this crate may change what a store must do")]
pub trait Storage: Store {}

// Otherwise the compiler's help would suggest `Store`, which other crates cannot name.
#[diagnostic::do_not_recommend]
impl<S: Store> Storage for S {}

/// Frees the spare memory of this thread.
pub(crate) fn free_spare() {
    #[cfg(feature = "alloc")]
    vec::spare::free();
}

/// The free space of a store was too small. The store is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StorageFull;

/// The allocator refused a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutOfMemory;

/// Contiguous bytes.
pub(crate) trait Bytes {
    fn bytes(&self) -> &[u8];

    /// The largest number of bytes that it can ever hold.
    fn capacity(&self) -> usize;

    /// Drops all bytes, and releases memory of more than `keep` bytes.
    fn clear(&mut self, keep: usize);
}

/// A store of the caller, and the stores into which it is turned when a connection opens.
pub(crate) trait Store: Bytes + Sized {
    type Message: MessageStore + From<Self> + Send + Sync;
    type Output: OutputStore + From<Self> + Send + Sync;
    type Control: ControlStore + Send + Sync;

    /// Makes free space for `more` bytes, so that adding them cannot fail.
    fn reserve(&mut self, more: usize) -> Result<(), StorageFull>;

    /// Adds all of `bytes`, or nothing.
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull>;
}

/// A store in which one message is assembled: text or binary.
pub(crate) trait MessageStore: Bytes {
    /// The stored bytes as text. All of them must have been checked.
    fn text(&self) -> &str;

    /// Adds all of `bytes`, or nothing. They are binary, or ASCII if the store [takes](Self::takes_ascii) ASCII. If
    /// there is a key, they are unmasked. Up to `missing` bytes may follow, so growing by more would waste memory.
    fn append(&mut self, bytes: &[u8], mask: Option<MaskingKey>, missing: usize) -> Result<(), StorageFull>;

    /// As [`append`](Self::append), for valid text.
    fn append_text(&mut self, text: &str, missing: usize) -> Result<(), StorageFull>;

    /// Whether ASCII text may be added with [`append`](Self::append). If not, it must be added as text.
    fn takes_ascii(&self) -> bool;

    /// Prepares for text that is not ASCII. The stored bytes must be valid text.
    fn become_text(&mut self) -> Result<(), StorageFull>;

    /// The first `most` bytes of the free space, or fewer; `None` if there are fewer than `least`. A store that can
    /// grow does so only if it is full and holds `least` bytes already. After [`become_text`](Self::become_text) this
    /// is `None`, because such text must be checked before it is stored.
    fn space_for_read(&mut self, least: usize, most: usize, missing: usize) -> Option<&mut [u8]>;

    /// Adds the first `count` bytes of the [free space](Self::space_for_read), which were written.
    fn mark_filled(&mut self, count: usize);
}

/// A store for output: frames are added at the back, and bytes are dropped from the front.
pub(crate) trait OutputStore {
    /// The longest contiguous part at the front; empty only if the queue is empty.
    fn front(&self) -> &[u8];

    /// The number of bytes in the queue.
    fn len(&self) -> usize;

    /// The largest number of bytes that it can ever hold.
    fn capacity(&self) -> usize;

    /// Drops the first `count` bytes, at most the [front](Self::front). If this empties the queue, it releases memory
    /// of more than `keep` bytes.
    fn drop_front(&mut self, count: usize, keep: usize);

    /// Drops all bytes, and releases memory of more than `keep` bytes.
    fn clear(&mut self, keep: usize);

    /// The first `count` bytes of the free space; `None` if they are not contiguous, or were never written to.
    fn free_space(&mut self, count: usize) -> Option<&mut [u8]>;

    /// Adds the first `count` bytes of the [free space](Self::free_space), which were written.
    fn mark_filled(&mut self, count: usize);

    /// Adds the header and the payload, or nothing. If there is a key, the payload is masked.
    fn append(&mut self, header: &[u8], payload: &[u8], mask: Option<MaskingKey>) -> Result<(), StorageFull>;
}
