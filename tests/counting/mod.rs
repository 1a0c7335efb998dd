//! An allocator that counts for each thread: the test harness has its own thread, and tests run at the same time.

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

/// Counts one more allocation, or one that grows or shrinks.
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

/// The effect of some work on memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    pub allocations: usize,
    /// How many bytes were requested in all of them.
    pub asked: usize,
    /// The most bytes that were in use at once.
    pub most: isize,
    /// How many bytes are still in use; below 0 if the work freed earlier memory.
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
