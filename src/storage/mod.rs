//! Where bytes are kept that must outlive a read.

mod control_payload;
mod copy;
mod fixed;
mod ring;
#[cfg(feature = "alloc")]
mod vec;

pub(crate) use control_payload::{ControlPayload, ControlStore};
pub(crate) use copy::{copy, move_down};
pub use fixed::FixedStorage;
#[cfg(feature = "deflate")]
pub(crate) use vec::{spare, trim};

use crate::frame::MaskingKey;

/// Memory for a message of 1 KiB and its header: what a sender keeps by default.
pub(crate) const SMALL: usize = (1 << 10) + 16;

/// How large memory may be that was used before and holds this many bytes now. From 64 KiB it is a step to 1 MiB, so of
/// a message of this length hardly more is copied than what was received first.
pub(crate) const fn most_for(bytes: usize) -> usize {
    if bytes <= SMALL { SMALL } else { bytes.saturating_mul(20) }
}

/// Room for bytes that must outlive a read: a head, a message in parts, output that waits for the socket.
///
/// It can be sent to another thread, and so can everything that is built on it.
///
/// `Vec<u8>` (feature `alloc`) grows with what arrives, [`FixedStorage`] is an array of the caller's. A store that is
/// too small for something refuses it whole; nothing is cut.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't keep the bytes of a connection",
    note = "`Vec<u8>` can, with the feature `alloc`, and `FixedStorage` over an array or a slice of bytes"
)]
#[expect(private_bounds, reason = "sealed: what a store must do is this crate's to change")]
pub trait Storage: Store {}

// Else a compiler's help would name `Store`, which nobody outside can.
#[diagnostic::do_not_recommend]
impl<S: Store> Storage for S {}

/// Frees the memory that this thread has to spare for stores that grow.
pub(crate) fn free_spare() {
    #[cfg(feature = "alloc")]
    vec::spare::free();
}

/// A store had no room for something, and is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StorageFull;

/// The allocator had no memory for something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutOfMemory;

/// Bytes in a row.
pub(crate) trait Bytes {
    fn bytes(&self) -> &[u8];

    /// The most it can ever hold.
    fn capacity(&self) -> usize;

    /// Drops everything, and lets go of memory of more than `keep` bytes.
    fn clear(&mut self, keep: usize);
}

/// A store of the caller's, and what its memory becomes in an open connection.
pub(crate) trait Store: Bytes + Sized {
    type Message: MessageStore + From<Self> + Send + Sync;
    type Output: OutputStore + From<Self> + Send + Sync;
    type Control: ControlStore + Send + Sync;

    /// Makes room for `more` bytes, so that as much can be added.
    fn reserve(&mut self, more: usize) -> Result<(), StorageFull>;

    /// Adds all of `bytes`, or none.
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull>;
}

/// A message that is put together from pieces, all of them text or none.
pub(crate) trait MessageStore: Bytes {
    /// What is there, if all of it came as text.
    fn text(&self) -> &str;

    /// Adds all of `bytes`, unmasked if there is a key, or none: binary, or ASCII if it [takes](Self::takes_ascii) that. Behind them may
    /// come as many as are `missing`: to grow by more would be a waste.
    fn append(&mut self, bytes: &[u8], mask: Option<MaskingKey>, missing: usize) -> Result<(), StorageFull>;

    /// The same with bytes that are known to be text.
    fn append_text(&mut self, text: &str, missing: usize) -> Result<(), StorageFull>;

    /// Whether text may be added as bytes that are ASCII; else it is to be added as text.
    fn takes_ascii(&self) -> bool;

    /// More than ASCII follows what is there, which is text.
    fn become_text(&mut self) -> Result<(), StorageFull>;

    /// Where the next bytes will be, at most `most`; `None` if there is no room for `least` of them. A store that grows
    /// does so for this only when it is full and holds `least` bytes already.
    /// It has no room once it has [become](Self::become_text) one of text, which must be checked before it is stored.
    fn room(&mut self, least: usize, most: usize, missing: usize) -> Option<&mut [u8]>;

    /// This many bytes have been put into the room.
    fn fill(&mut self, count: usize);
}

/// A queue of output: frames are added at the back, bytes dropped from the front.
pub(crate) trait OutputStore {
    /// The bytes at the front that lie in one piece: none only when the queue is empty.
    fn front(&self) -> &[u8];

    /// How many bytes are in it.
    fn len(&self) -> usize;

    /// The most it can ever hold.
    fn capacity(&self) -> usize;

    /// Drops the first `count` bytes, at most the [front](Self::front). A queue that becomes empty lets go of
    /// memory of more than `keep` bytes.
    fn drop_front(&mut self, count: usize, keep: usize);

    /// Drops everything, and lets go of memory of more than `keep` bytes.
    fn clear(&mut self, keep: usize);

    /// Room for `count` bytes in one piece, if it was written to before.
    fn room(&mut self, count: usize) -> Option<&mut [u8]>;

    /// This many bytes have been put into the [room](Self::room).
    fn fill(&mut self, count: usize);

    /// Adds both, the payload masked if there is a key; or neither.
    fn append(&mut self, header: &[u8], payload: &[u8], mask: Option<MaskingKey>) -> Result<(), StorageFull>;
}
