//! Spare memory: memory that one connection of a thread no longer needs, and the next one takes, so that neither
//! allocates.
//!
//! One read buffer serves all connections of a thread, because nothing stays in it between reads. Spare memory does the
//! same for bytes that stay: a message in assembly, and output that waits. Both need memory for a short time, and few
//! connections need it at the same time.
//!
//! Memory that is taken is at most twenty times as large as the bytes that need it now, or 1 KiB. So a peer that sends
//! a little of a message, or reads nothing, cannot hold the megabyte that another peer's message needed.

use alloc::vec::Vec;

#[cfg(feature = "std")]
pub(crate) use threads::{free, give, largest, take};
#[cfg(not(feature = "std"))]
pub(crate) use without::{free, give, largest, take};

#[cfg(feature = "std")]
mod threads {
    use core::{cell::RefCell, mem};
    use std::thread_local;

    use super::Vec;
    use crate::storage::{SMALL, most_for};

    /// The largest spare memory in bytes: enough for a message of the default limit, with its header.
    const LARGEST: usize = SMALL << 10;

    const SIZES: usize = size_of(LARGEST) + 1;

    /// Two pieces of each size: one for a message, one for its answer. A size ends at eight times the end of the one
    /// before.
    type Spare = [[Vec<u8>; 2]; SIZES];

    thread_local! {
        /// A `Vec` without capacity is no spare memory.
        static SPARE: RefCell<Spare> = const { RefCell::new([const { [const { Vec::new() }; 2] }; SIZES]) };
    }

    /// `None` if the thread is ending, or if `work` returns `None`.
    fn with<T>(work: impl FnOnce(&mut Spare) -> Option<T>) -> Option<T> {
        SPARE.try_with(|spare| work(&mut *spare.try_borrow_mut().ok()?)).ok()?
    }

    /// The index of the size that this many bytes belong to.
    const fn size_of(bytes: usize) -> usize {
        let times = bytes.saturating_sub(1) / SMALL;
        (usize::BITS - times.leading_zeros()).div_ceil(3) as usize
    }

    /// The end of the size that this many bytes belong to; `usize::MAX` beyond the largest size.
    pub(crate) const fn largest(bytes: usize) -> usize {
        let size = size_of(bytes);
        if size < SIZES { SMALL << (3 * size) } else { usize::MAX }
    }

    /// Takes spare memory of at least `bytes` bytes, if there is some. Memory for the bytes that will be `wanted` is
    /// preferred, up to the [largest that may be reused](most_for). The length of the `Vec` is the part that was
    /// written to.
    pub(crate) fn take(bytes: usize, wanted: usize) -> Option<Vec<u8>> {
        let most = most_for(bytes).min(LARGEST);
        let sizes = size_of(bytes)..=size_of(wanted.clamp(bytes, most.max(bytes)));
        with(|spare| {
            let mut fitting = spare.get_mut(sizes)?.iter_mut().rev().flatten();
            fitting.find(|memory| (bytes..=most).contains(&memory.capacity())).map(mem::take)
        })
    }

    /// Gives memory that is no longer needed. The two largest of each size are kept, the others are freed.
    pub(crate) fn give(mut memory: Vec<u8>) {
        if memory.capacity() > LARGEST {
            return;
        }
        with(|spare| {
            for other in spare.get_mut(size_of(memory.capacity()))? {
                if other.capacity() < memory.capacity() {
                    mem::swap(other, &mut memory);
                }
            }
            Some(())
        });
    }

    /// Frees all spare memory of this thread.
    pub(crate) fn free() {
        with(|spare| {
            *spare = Spare::default();
            Some(())
        });
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn memory_that_is_taken_is_large_enough_and_at_most_twenty_times_as_large() {
            for size in [1, SMALL, SMALL + 1, 8 * SMALL, 8 * SMALL + 1, LARGEST - 1, LARGEST] {
                give(Vec::with_capacity(size));
                for bytes in [1, SMALL, SMALL + 1, size / 9, size / 8, size - 1, size, size + 1, 2 * size] {
                    let Some(memory) = take(bytes, usize::MAX) else { continue };
                    assert!(memory.capacity() >= bytes && memory.capacity() <= (20 * bytes).max(SMALL));
                    give(memory);
                }
                assert!(take(size, 0).is_some_and(|memory| memory.capacity() == size), "{size}");
                assert!(take(size, 0).is_none(), "{size} bytes were taken");
                free();
            }
        }

        /// A message that continues will need more memory soon; a message whose length is known will not.
        #[test]
        fn the_largest_memory_of_use_is_taken() {
            for (bytes, wanted, taken) in [
                (2000, 0, 3000),
                (2000, 5000, 3000),
                (2000, 30_000, 30_000),
                (2000, usize::MAX, 30_000),
                (1000, usize::MAX, SMALL),
                (30_001, usize::MAX, 400_000),
                (1, 1, SMALL),
            ] {
                for capacity in [SMALL, 3000, 30_000, 400_000] {
                    give(Vec::with_capacity(capacity));
                }
                let found = take(bytes, wanted).map(|memory| memory.capacity());
                assert_eq!(found, Some(taken), "{bytes} bytes, {wanted} wanted");
                free();
            }
            // Memory that belongs to an allowed size, but is larger than allowed.
            give(Vec::with_capacity(60_000));
            assert_eq!(take(2999, usize::MAX), None);
            assert!(take(3000, usize::MAX).is_some());
        }

        #[test]
        fn the_largest_two_of_a_size_stay_and_none_beyond_the_largest_size() {
            for size in [2000, 4000, 3000, 2500] {
                give(Vec::with_capacity(size));
            }
            assert_eq!([(); 3].map(|()| take(1500, 0).map_or(0, |memory| memory.capacity())), [4000, 3000, 0]);
            give(Vec::with_capacity(LARGEST + 1));
            assert_eq!((take(LARGEST, 0), take(LARGEST + 1, 0)), (None, None));
            give(Vec::with_capacity(100));
            free();
            assert_eq!(take(1, usize::MAX), None);
        }
    }
}

/// Without `std` no memory is spare, because there is no `thread_local!`.
#[cfg(not(feature = "std"))]
mod without {
    use super::Vec;

    pub(crate) fn take(_bytes: usize, _wanted: usize) -> Option<Vec<u8>> {
        None
    }

    pub(crate) fn give(_memory: Vec<u8>) {}

    pub(crate) fn largest(_bytes: usize) -> usize {
        usize::MAX
    }

    pub(crate) fn free() {}
}
