//! Where bytes are kept that must outlive a read.

mod control;
mod fixed;
#[cfg(feature = "alloc")]
mod growing;

pub(crate) use control::{ControlPayload, ControlStore};
pub use fixed::FixedStorage;

use crate::frame::MaskingKey;

/// Room for bytes that must outlive a read: a head, a message in parts, output that waits for the socket.
///
/// `Vec<u8>` (feature `alloc`) grows with what arrives, [`FixedStorage`] is an array of the caller's. A store that is
/// too small for something refuses it whole; nothing is cut.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't keep the bytes of a connection",
    note = "`Vec<u8>` can, with the feature `alloc`, and `FixedStorage` over an array or a slice of bytes"
)]
#[expect(private_bounds, reason = "sealed: what a store must do is this crate's to change")]
pub trait Storage: Store {}

impl<S: Store> Storage for S {}

/// A store had no room for something, and is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StorageFull;

/// Copies all of `bytes` to the front of `room`, or none if that is too short.
// `copy_from_slice` is the fastest, because the compiler sees at once that the two don't overlap. But it is a way to panic, and stays one where
// it is not inlined, as in a build for size. Such builds are of machines without std.
#[inline]
pub(crate) fn copy(bytes: &[u8], room: &mut [u8]) -> Result<(), StorageFull> {
    let room = room.get_mut(..bytes.len()).ok_or(StorageFull)?;
    if cfg!(feature = "std") {
        room.copy_from_slice(bytes);
    } else {
        room.iter_mut().zip(bytes).for_each(|(room, byte)| *room = *byte);
    }
    Ok(())
}

/// Moves what is behind the first `count` bytes, if there is something, to the front.
#[inline]
pub(crate) fn move_down(bytes: &mut [u8], count: usize) {
    bytes.copy_within(count.min(bytes.len()).., 0);
}

/// Bytes one behind the other; and what the same memory is made for an open connection.
pub(crate) trait Store: Sized {
    type Message: MessageStore + From<Self>;
    type Output: OutputStore + From<Self>;
    type Control: ControlStore;

    fn bytes(&self) -> &[u8];

    /// The most it can ever hold.
    fn capacity(&self) -> usize;

    /// Makes room for `more` bytes, so that as much can be added.
    fn reserve(&mut self, more: usize) -> Result<(), StorageFull>;

    /// Adds all of `bytes`, or none.
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull>;

    /// Drops everything, and all memory but `keep` bytes.
    fn clear(&mut self, keep: usize);
}

/// A message that is put together from pieces, all of them text or none.
pub(crate) trait MessageStore {
    fn bytes(&self) -> &[u8];

    /// What is there, if all of it came as text.
    fn text(&self) -> &str;

    /// The most it can ever hold.
    fn capacity(&self) -> usize;

    /// Adds all of `bytes`, unmasked if there is a key, or none: binary, or ASCII if it [takes](Self::takes_ascii) that. Behind them may
    /// come as many as are `missing`: to grow by more would be a waste.
    fn append(&mut self, bytes: &[u8], mask: Option<MaskingKey>, missing: usize) -> Result<(), StorageFull>;

    /// The same with bytes that are known to be text; of which there may be none, to say that more than ASCII will follow.
    fn append_text(&mut self, text: &str, missing: usize) -> Result<(), StorageFull>;

    /// Whether text may be added as bytes that are ASCII; else it is to be added as text.
    fn takes_ascii(&self) -> bool;

    /// Where the next `most` bytes will be, or some of them: no more than are there already, unless there is memory for more. So many may
    /// be `missing` in all. None in a store that has [become](Self::append_text) one of text, as one that grows does: what comes there must be
    /// checked before.
    fn room(&mut self, most: usize, missing: usize) -> &mut [u8];

    /// So many bytes have been put into the room.
    fn fill(&mut self, count: usize);

    /// Drops everything, and all memory but `keep` bytes.
    fn clear(&mut self, keep: usize);
}

/// A queue of output: added at the back, dropped from the front.
pub(crate) trait OutputStore {
    fn bytes(&self) -> &[u8];

    /// The most it can ever hold.
    fn capacity(&self) -> usize;

    /// Room for more without growing.
    fn spare(&self) -> usize;

    /// Makes room for `more` bytes, so that as much can be added.
    fn reserve(&mut self, more: usize) -> Result<(), StorageFull>;

    /// Adds all of `bytes`, or none.
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull>;

    /// Adds all of `bytes`, masked, or none.
    fn append_masked(&mut self, bytes: &[u8], key: MaskingKey) -> Result<(), StorageFull>;

    /// Room for `count` bytes, if it was written to before.
    fn room(&mut self, count: usize) -> Option<&mut [u8]>;

    /// So many bytes have been put into the room.
    fn fill(&mut self, count: usize);

    /// Drops the first `count` bytes by moving the rest down, which costs as much as the rest is long.
    fn drop_front(&mut self, count: usize);

    /// Drops everything, and all memory but `keep` bytes.
    fn clear(&mut self, keep: usize);
}
