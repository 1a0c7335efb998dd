//! How much of the stack was ever used: cortex-m-rt paints it before `main`, and use overwrites the paint.

use core::ptr;

use cortex_m_rt::STACK_PAINT_VALUE;

unsafe extern "C" {
    static _stack_start: u32;
    static _stack_end: u32;
}

/// The most bytes that were in use at once, if they were written to.
pub fn deepest() -> usize {
    let (top, mut place) = (&raw const _stack_start, &raw const _stack_end);
    // SAFETY: all words between the two are RAM, and belong to no object but the stack.
    while place < top && unsafe { ptr::read_volatile(place) } == STACK_PAINT_VALUE {
        place = place.wrapping_add(1);
    }
    top as usize - place as usize
}
