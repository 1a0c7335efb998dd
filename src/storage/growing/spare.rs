//! Memory that a thread has to spare: what one connection is done with, the next one takes, so that neither allocates.
//!
//! One read buffer serves all connections of a thread, because nothing stays in it. This is the same for what does stay:
//! a message that is assembled, and output that waits. Both are in use for a moment, by few connections at a time.
//!
//! Spare memory is sorted by size, and each size is up to eight times as large as the one before. So memory that is taken
//! is at most eight times as large as what is needed now: a peer that sends a little of a message, or reads nothing, can't
//! hold on to the megabyte that another one's message has left behind.

use alloc::vec::Vec;

/// The most memory of the smallest size. A sender keeps as much for its output by default.
pub(super) const SMALLEST: usize = (1 << 10) + 16;

#[cfg(feature = "std")]
pub(crate) use threads::{free, give, largest, take};
#[cfg(not(feature = "std"))]
pub(crate) use without::{free, give, largest, take};

#[cfg(feature = "std")]
mod threads {
    use core::{cell::Cell, mem};
    use std::thread_local;

    use super::{SMALLEST, Vec};

    /// The most memory of the largest size: a message of the default limit, with its header.
    const LARGEST: usize = SMALLEST << 10;

    const SIZES: usize = size_of(LARGEST) + 1;

    /// Two of each size: one for a message, one for the answer to it.
    type Spare = [[Cell<Vec<u8>>; 2]; SIZES];

    thread_local! {
        /// What is without capacity is none.
        static SPARE: Spare = const { [const { [const { Cell::new(Vec::new()) }; 2] }; SIZES] };
    }

    /// Which size this many bytes of memory have.
    const fn size_of(bytes: usize) -> usize {
        let times = bytes.saturating_sub(1) / SMALLEST;
        (usize::BITS - times.leading_zeros()).div_ceil(3) as usize
    }

    /// The most memory of the same size as this much; any beyond the largest size.
    pub(crate) const fn largest(bytes: usize) -> usize {
        let size = size_of(bytes);
        if size < SIZES { SMALLEST << (3 * size) } else { usize::MAX }
    }

    fn with<T>(bytes: usize, work: impl FnOnce(&[Cell<Vec<u8>>; 2]) -> T) -> Option<T> {
        // A thread that ends has none.
        SPARE.try_with(|spare| spare.get(size_of(bytes)).map(work)).ok()?
    }

    /// Takes memory for at least `bytes`, if there is some. Its length says how much of it was written to.
    pub(crate) fn take(bytes: usize) -> Option<Vec<u8>> {
        with(bytes, |both| {
            for spare in both {
                let memory = spare.take();
                if memory.capacity() >= bytes {
                    return Some(memory);
                }
                spare.set(memory);
            }
            None
        })?
    }

    /// Gives memory that is not needed any more. Of one size the largest are kept.
    pub(crate) fn give(mut memory: Vec<u8>) {
        if memory.capacity() > LARGEST {
            return;
        }
        with(memory.capacity(), |both| {
            for spare in both {
                let other = spare.take();
                if other.capacity() < memory.capacity() {
                    spare.set(mem::replace(&mut memory, other));
                } else {
                    spare.set(other);
                }
            }
        });
    }

    /// Frees all of this thread's.
    pub(crate) fn free() {
        let _ = SPARE.try_with(|spare| spare.iter().flatten().for_each(|spare| drop(spare.take())));
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn memory_that_is_taken_is_large_enough_and_at_most_eight_times_as_large() {
            for size in [1, SMALLEST, SMALLEST + 1, 8 * SMALLEST, 8 * SMALLEST + 1, LARGEST - 1, LARGEST] {
                give(Vec::with_capacity(size));
                for bytes in [1, SMALLEST, SMALLEST + 1, size / 9, size / 8, size - 1, size, size + 1, 2 * size] {
                    let Some(memory) = take(bytes) else { continue };
                    assert!(memory.capacity() >= bytes && memory.capacity() <= (8 * bytes).max(SMALLEST));
                    give(memory);
                }
                assert!(take(size).is_some_and(|memory| memory.capacity() == size), "{size}");
                assert!(take(size).is_none(), "{size} bytes were taken");
                free();
            }
        }

        #[test]
        fn the_largest_two_of_a_size_stay_and_none_beyond_the_largest_size() {
            for size in [2000, 4000, 3000, 2500] {
                give(Vec::with_capacity(size));
            }
            assert_eq!([(); 3].map(|()| take(1500).map_or(0, |memory| memory.capacity())), [4000, 3000, 0]);
            give(Vec::with_capacity(LARGEST + 1));
            assert_eq!((take(LARGEST), take(LARGEST + 1)), (None, None));
            give(Vec::with_capacity(100));
            free();
            assert_eq!(take(1), None);
        }
    }
}

/// Without `std` there are no threads to ask.
#[cfg(not(feature = "std"))]
mod without {
    use super::Vec;

    pub(crate) fn take(_bytes: usize) -> Option<Vec<u8>> {
        None
    }

    pub(crate) fn give(_memory: Vec<u8>) {}

    pub(crate) fn largest(_bytes: usize) -> usize {
        usize::MAX
    }

    pub(crate) fn free() {}
}
