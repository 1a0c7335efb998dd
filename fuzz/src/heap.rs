//! The heap, counted: memory must grow only with the received bytes, and be freed when nothing is in flight.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::RefCell,
    sync::atomic::{AtomicIsize, Ordering::Relaxed},
};

use websocket_proto::Config;

use crate::pair::{self, Pair};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: all calls go to the system's allocator; counting touches no memory of its callers.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Relaxed);
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Counts what the library allocates and frees inside [`run`](Self::run), without the allocations of the target.
#[derive(Debug, Default)]
pub struct Meter {
    pub bytes: isize,
}

impl Meter {
    /// Runs a call into the library.
    pub fn run<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let before = LIVE.load(Relaxed);
        let result = call();
        self.bytes += LIVE.load(Relaxed) - before;
        result
    }
}

/// Frees this thread's spare memory, whichever connection left it.
pub fn free_spare() {
    thread_local! {
        static ANY: RefCell<Pair<Vec<u8>>> = RefCell::new(pair::connect(Config::new().keep(0), Vec::new));
    }
    ANY.with_borrow_mut(|(client, _)| client.sender.release());
}
