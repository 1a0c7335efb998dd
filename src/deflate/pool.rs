use alloc::vec::Vec;
use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zlib_rs::{DeflateConfig, Inflate, Method, Strategy};

use super::{Level, MAX_PIECE, WindowBits};

/// Idle compressors and decompressors, which any connection can use next.
///
/// If the two ends have agreed to forget between messages ([no context takeover](super::Config::send_takeover)), a
/// connection holds a context for one message at a time, so a few contexts serve any number of connections. A
/// connection that may remember keeps its own context. It takes only the memory for output, 8 KiB, from the pool,
/// unless it may [keep](crate::Config::keep) that memory itself.
///
/// Many threads can share a pool. A lock is held only while something is taken or given back. Use one pool for each
/// thread to avoid contention.
///
/// ```
/// use websocket_proto::{Config, deflate::{self, Pool}};
///
/// // At most 4 of each kind are kept; more are made when they are needed, and freed afterwards.
/// static POOL: Pool = Pool::new(4);
///
/// let config = Config::new().deflate(deflate::Config::new().send_takeover(false).pool(&POOL));
/// # let _ = config;
/// ```
pub struct Pool {
    kept: usize,
    deflates: Idle<Shape, zlib_rs::Deflate>,
    inflates: Idle<(), Inflate>,
    /// Memory for decompressed output.
    outputs: Idle<(), Vec<u8>>,
}

/// The parameters of a compressor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) window: WindowBits,
    pub(crate) level: Level,
    pub(crate) memory_level: Level,
}

static SHARED: Pool = Pool::new(8);

impl Pool {
    /// Returns an empty pool that keeps at most `kept` of each: compressors, decompressors, and outputs of 8 KiB.
    pub const fn new(kept: usize) -> Self {
        Self { kept, deflates: Idle::new(), inflates: Idle::new(), outputs: Idle::new() }
    }

    /// Returns the pool of all connections without a pool of their own. It keeps at most 8 of each.
    pub fn shared() -> &'static Self {
        &SHARED
    }

    /// Returns the number of idle compressors and of idle decompressors.
    pub fn idle(&self) -> (usize, usize) {
        (self.deflates.list().len(), self.inflates.list().len())
    }

    /// Frees everything in the pool.
    pub fn clear(&self) {
        *self.deflates.list() = Vec::new();
        *self.inflates.list() = Vec::new();
        *self.outputs.list() = Vec::new();
    }

    pub(crate) fn deflate(&self, shape: Shape) -> zlib_rs::Deflate {
        self.deflates.take(shape).unwrap_or_else(|| {
            zlib_rs::Deflate::new_with_config(DeflateConfig {
                level: shape.level.get().into(),
                method: Method::Deflated,
                // Raw deflate does not support 8. With 9 it looks back at most 250 bytes, which a window of 256 allows.
                window_bits: -i32::from(shape.window.get().max(9)),
                mem_level: shape.memory_level.get().into(),
                strategy: Strategy::Default,
            })
        })
    }

    /// Returns a decompressor for every window, because a smaller window would not take less memory.
    pub(crate) fn inflate(&self) -> Inflate {
        self.inflates.take(()).unwrap_or_else(|| Inflate::new(false, WindowBits::MAX.get()))
    }

    /// Returns [`MAX_PIECE`] bytes for output; `None` if there is no memory.
    // They keep their length, because to fill them with zeros for each message takes a tenth of the time that a
    // message of 1 KiB takes.
    pub(crate) fn output(&self) -> Option<Vec<u8>> {
        self.outputs.take(()).or_else(|| {
            let mut output = Vec::new();
            output.try_reserve_exact(MAX_PIECE).ok()?;
            output.resize(MAX_PIECE, 0);
            Some(output)
        })
    }

    pub(crate) fn give_output(&self, output: Vec<u8>) {
        self.outputs.give(self.kept, (), output);
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

/// A list of idle values, each with its parameters.
struct Idle<K, T>(Mutex<Vec<(K, T)>>);

impl<K: PartialEq, T> Idle<K, T> {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    // If a thread panicked while it held the lock, the list is still valid.
    fn list(&self) -> MutexGuard<'_, Vec<(K, T)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, parameters: K) -> Option<T> {
        let mut list = self.list();
        // The value that was used last is in the nearest cache.
        let index = list.iter().rposition(|(its, _)| *its == parameters)?;
        Some(list.remove(index).1)
    }

    fn give(&self, kept: usize, parameters: K, value: T) {
        let mut list = self.list();
        if list.len() == kept && kept > 0 {
            // The value that was not used for the longest time may have parameters that no connection needs any more.
            list.remove(0);
        }
        if list.len() < kept && list.try_reserve(1).is_ok() {
            list.push((parameters, value));
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (deflates, inflates) = self.idle();
        write!(f, "Pool({deflates} compressors, {inflates} decompressors)")
    }
}
