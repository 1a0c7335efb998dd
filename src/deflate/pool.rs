use alloc::{vec, vec::Vec};
use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zlib_rs::{DeflateConfig, Inflate, Method, Strategy};

use super::{ROOM, WindowBits};

/// Compressors and decompressors that remember nothing, to be used by whichever connection needs one next.
///
/// Where the two sides have agreed to forget between messages ([no context takeover](super::Deflate::send_takeover)), a context
/// is held for the length of one message, so a few serve any number of connections. A connection that may remember keeps its
/// own, and takes from here only the 8 KiB that messages come out into, if it is not [to keep](crate::Config::keep) as much.
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
    deflates: Mutex<Vec<(Kind, zlib_rs::Deflate)>>,
    inflates: Mutex<Vec<((), Inflate)>>,
    /// What a message comes out into.
    rooms: Mutex<Vec<((), Vec<u8>)>>,
}

/// What a compressor was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) window: WindowBits,
    pub(crate) level: u8,
    pub(crate) memory_level: u8,
}

static SHARED: Pool = Pool::new(8);

impl Pool {
    /// An empty pool that keeps at most so many of each: compressors, decompressors, rooms of 8 KiB.
    pub const fn new(kept: usize) -> Self {
        Self { kept, deflates: Mutex::new(Vec::new()), inflates: Mutex::new(Vec::new()), rooms: Mutex::new(Vec::new()) }
    }

    /// The pool of all connections that were not given one: it keeps at most 8 of each.
    pub fn shared() -> &'static Self {
        &SHARED
    }

    /// How many compressors and decompressors are in it now.
    pub fn len(&self) -> (usize, usize) {
        (lock(&self.deflates).len(), lock(&self.inflates).len())
    }

    /// Frees what is in it.
    pub fn clear(&self) {
        *lock(&self.deflates) = Vec::new();
        *lock(&self.inflates) = Vec::new();
        *lock(&self.rooms) = Vec::new();
    }

    pub(crate) fn deflate(&self, kind: Kind) -> zlib_rs::Deflate {
        take(&self.deflates, kind).unwrap_or_else(|| {
            zlib_rs::Deflate::new_with_config(DeflateConfig {
                level: kind.level.into(),
                method: Method::Deflated,
                // Raw deflate has no 8. With 9 it looks back 250 bytes at most, which a window of 256 allows.
                window_bits: -i32::from(kind.window.get().max(9)),
                mem_level: kind.memory_level.into(),
                strategy: Strategy::Default,
            })
        })
    }

    /// One for every window: they differ in nothing but how far back a peer may refer, and none is smaller for it.
    pub(crate) fn inflate(&self) -> Inflate {
        take(&self.inflates, ()).unwrap_or_else(|| Inflate::new(false, WindowBits::MAX.get()))
    }

    /// As long as [`ROOM`]: to fill it with zeros for each message takes a tenth of the time that a message of 1 KiB takes.
    pub(crate) fn room(&self) -> Vec<u8> {
        take(&self.rooms, ()).unwrap_or_else(|| vec![0; ROOM])
    }

    pub(crate) fn give_room(&self, room: Vec<u8>) {
        give(&self.rooms, self.kept, (), room);
    }

    pub(crate) fn give_deflate(&self, kind: Kind, mut deflate: zlib_rs::Deflate) {
        deflate.reset();
        give(&self.deflates, self.kept, kind, deflate);
    }

    pub(crate) fn give_inflate(&self, mut inflate: Inflate) {
        inflate.reset(false);
        give(&self.inflates, self.kept, (), inflate);
    }
}

/// Whatever a thread did before it panicked, it left the list whole.
fn lock<T>(list: &Mutex<Vec<T>>) -> MutexGuard<'_, Vec<T>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take<K: PartialEq, C>(contexts: &Mutex<Vec<(K, C)>>, kind: K) -> Option<C> {
    let mut contexts = lock(contexts);
    // What was used last is in the nearest cache.
    let index = contexts.iter().rposition(|(made_for, _)| *made_for == kind)?;
    Some(contexts.remove(index).1)
}

fn give<K, C>(contexts: &Mutex<Vec<(K, C)>>, kept: usize, kind: K, context: C) {
    let mut contexts = lock(contexts);
    if contexts.len() == kept && kept > 0 {
        // The one that has not been asked for longest may be of a kind that nobody needs any more.
        contexts.remove(0);
    }
    if contexts.len() < kept {
        contexts.push((kind, context));
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (deflates, inflates) = self.len();
        write!(f, "Pool({deflates} compressors, {inflates} decompressors)")
    }
}
