//! Copies that cannot panic.

/// Copies all of `bytes` to the front of `space`; `None` if `space` is too short, and then nothing is copied.
// `copy_from_slice` is fastest, because the compiler sees that the two do not overlap. But it can panic as far as a
// linker can tell, unless it is inlined, and in a build for size it is not. Such builds are made for machines without
// `std`.
#[inline]
pub(crate) fn copy(bytes: &[u8], space: &mut [u8]) -> Option<()> {
    let space = space.get_mut(..bytes.len())?;
    if cfg!(feature = "std") {
        space.copy_from_slice(bytes);
    } else {
        space.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    }
    Some(())
}

/// Moves the bytes after the first `count` to the front.
#[inline]
pub(crate) fn move_down(bytes: &mut [u8], count: usize) {
    debug_assert!(count <= bytes.len(), "the bytes that are moved follow bytes that were there");
    bytes.copy_within(count.min(bytes.len()).., 0);
}
