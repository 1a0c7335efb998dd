//! An allocator that counts, for each thread apart: the test harness allocates in its own, and tests run beside each other.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    HELD.set(HELD.get() + change);
    MOST.set(MOST.get().max(HELD.get()));
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        count(size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What some work has done to the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    pub allocations: usize,
    /// How many bytes it held at most.
    pub most: isize,
    /// How many bytes are left of them; below 0 if it has freed what was there before.
    pub left: isize,
}

pub const NOTHING: Measured = Measured { allocations: 0, most: 0, left: 0 };

pub fn measure(work: impl FnOnce()) -> Measured {
    let (allocations, held) = (ALLOCATIONS.get(), HELD.get());
    MOST.set(held);
    work();
    Measured { allocations: ALLOCATIONS.get() - allocations, most: MOST.get() - held, left: HELD.get() - held }
}
