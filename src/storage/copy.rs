//! Copies that can't panic.

/// Copies all of `bytes` to the front of `room`, or none if that is too short.
// `copy_from_slice` is the fastest, because the compiler sees at once that the two don't overlap. But it is a way to panic, and stays one where
// it is not inlined, as in a build for size. Such builds are of machines without std.
#[inline]
pub(crate) fn copy(bytes: &[u8], room: &mut [u8]) -> Option<()> {
    let room = room.get_mut(..bytes.len())?;
    if cfg!(feature = "std") {
        room.copy_from_slice(bytes);
    } else {
        room.iter_mut().zip(bytes).for_each(|(room, byte)| *room = *byte);
    }
    Some(())
}

/// Moves what is behind the first `count` bytes, if there is something, to the front.
#[inline]
pub(crate) fn move_down(bytes: &mut [u8], count: usize) {
    bytes.copy_within(count.min(bytes.len()).., 0);
}
