//! An allocator that counts, for each thread apart: the test harness allocates in its own, and tests run beside each other.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static ASKED: Cell<usize> = const { Cell::new(0) };
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

/// One more allocation, or one that grows or shrinks.
fn ask(size: usize, change: isize) {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    ASKED.set(ASKED.get() + size);
    count(change);
}

fn count(change: isize) {
    HELD.set(HELD.get() + change);
    MOST.set(MOST.get().max(HELD.get()));
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ask(layout.size(), layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ask(size, size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What some work has done to the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    pub allocations: usize,
    /// How many bytes were asked for in all of them.
    pub asked: usize,
    /// How many bytes it held at most.
    pub most: isize,
    /// How many bytes are left of them; below 0 if it has freed what was there before.
    pub left: isize,
}

#[allow(dead_code, reason = "each test file uses its part")]
pub const NOTHING: Measured = Measured { allocations: 0, asked: 0, most: 0, left: 0 };

pub fn measure(work: impl FnOnce()) -> Measured {
    let (allocations, asked, held) = (ALLOCATIONS.get(), ASKED.get(), HELD.get());
    MOST.set(held);
    work();
    Measured {
        allocations: ALLOCATIONS.get() - allocations,
        asked: ASKED.get() - asked,
        most: MOST.get() - held,
        left: HELD.get() - held,
    }
}
