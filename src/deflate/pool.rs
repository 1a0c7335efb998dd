use alloc::vec::Vec;
use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zlib_rs::{DeflateConfig, Inflate, Method, Strategy};

use super::{Level, ROOM, WindowBits};

/// Compressors and decompressors that remember nothing, to be used by whichever connection needs one next.
///
/// Where the two sides have agreed to forget between messages ([no context takeover](super::Deflate::send_takeover)), a context
/// is held for the length of one message, so a few serve any number of connections. A connection that may remember keeps its
/// own, and borrows only the 8 KiB that messages come out into, unless it may [keep](crate::Config::keep) as much itself.
///
/// A pool may be used by many threads, one at a time for the few instructions that it takes to lend something. With a pool for each, none waits.
///
/// ```
/// use websocket_proto::{Config, deflate::{Deflate, Pool}};
///
/// // At most 4 of each kind are kept; more are made when they are needed, and freed afterwards.
/// static POOL: Pool = Pool::new(4);
///
/// let config = Config::new().deflate(Deflate::new().send_takeover(false).pool(&POOL));
/// # let _ = config;
/// ```
pub struct Pool {
    kept: usize,
    deflates: Idle<Shape, zlib_rs::Deflate>,
    inflates: Idle<(), Inflate>,
    /// What a message comes out into.
    rooms: Idle<(), Vec<u8>>,
}

/// What a compressor was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) window: WindowBits,
    pub(crate) level: Level,
    pub(crate) memory_level: Level,
}

static SHARED: Pool = Pool::new(8);

impl Pool {
    /// An empty pool that keeps at most so many of each: compressors, decompressors, rooms of 8 KiB.
    pub const fn new(kept: usize) -> Self {
        Self { kept, deflates: Idle::new(), inflates: Idle::new(), rooms: Idle::new() }
    }

    /// The pool of all connections that were not given one: it keeps at most 8 of each.
    pub fn shared() -> &'static Self {
        &SHARED
    }

    /// How many compressors and decompressors are in it now, unused.
    pub fn idle(&self) -> (usize, usize) {
        (self.deflates.list().len(), self.inflates.list().len())
    }

    /// Frees what is in it.
    pub fn clear(&self) {
        *self.deflates.list() = Vec::new();
        *self.inflates.list() = Vec::new();
        *self.rooms.list() = Vec::new();
    }

    pub(crate) fn deflate(&self, shape: Shape) -> zlib_rs::Deflate {
        self.deflates.take(shape).unwrap_or_else(|| {
            zlib_rs::Deflate::new_with_config(DeflateConfig {
                level: shape.level.get().into(),
                method: Method::Deflated,
                // Raw deflate has no 8. With 9 it looks back 250 bytes at most, which a window of 256 allows.
                window_bits: -i32::from(shape.window.get().max(9)),
                mem_level: shape.memory_level.get().into(),
                strategy: Strategy::Default,
            })
        })
    }

    /// One for every window: they differ in nothing but how far back a peer may refer, and none is smaller for it.
    pub(crate) fn inflate(&self) -> Inflate {
        self.inflates.take(()).unwrap_or_else(|| Inflate::new(false, WindowBits::MAX.get()))
    }

    /// As long as [`ROOM`]: to fill it with zeros for each message takes a tenth of the time that a message of 1 KiB takes.
    /// `None` when there is no memory for it.
    pub(crate) fn room(&self) -> Option<Vec<u8>> {
        self.rooms.take(()).or_else(|| {
            let mut room = Vec::new();
            room.try_reserve_exact(ROOM).ok()?;
            room.resize(ROOM, 0);
            Some(room)
        })
    }

    pub(crate) fn give_room(&self, room: Vec<u8>) {
        self.rooms.give(self.kept, (), room);
    }

    pub(crate) fn give_deflate(&self, shape: Shape, mut deflate: zlib_rs::Deflate) {
        deflate.reset();
        self.deflates.give(self.kept, shape, deflate);
    }

    pub(crate) fn give_inflate(&self, mut inflate: Inflate) {
        inflate.reset(false);
        self.inflates.give(self.kept, (), inflate);
    }
}

/// What nobody uses now, and what each was made for.
struct Idle<K, T>(Mutex<Vec<(K, T)>>);

impl<K: PartialEq, T> Idle<K, T> {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Whatever a thread did before it panicked, it left the list whole.
    fn list(&self) -> MutexGuard<'_, Vec<(K, T)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, wanted: K) -> Option<T> {
        let mut list = self.list();
        // What was used last is in the nearest cache.
        let index = list.iter().rposition(|(made_for, _)| *made_for == wanted)?;
        Some(list.remove(index).1)
    }

    fn give(&self, kept: usize, made_for: K, it: T) {
        let mut list = self.list();
        if list.len() == kept && kept > 0 {
            // The one that has not been asked for longest may be of a shape that nobody needs any more.
            list.remove(0);
        }
        if list.len() < kept && list.try_reserve(1).is_ok() {
            list.push((made_for, it));
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (deflates, inflates) = self.idle();
        write!(f, "Pool({deflates} compressors, {inflates} decompressors)")
    }
}
