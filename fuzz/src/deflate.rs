//! Compression: the configuration of both ends, and its cost.

use arbitrary::Arbitrary;
use websocket_proto::deflate::{self, Level, Pool, WindowBits};

/// A pool for these targets. Each run begins and ends with [`Pool::clear`], so that no run finds contexts of an earlier
/// one.
pub static POOL: Pool = Pool::new(2);

/// The memory of an idle connection that agreed on compression; and the pool's lists.
pub const BOXES: usize = 1 << 10;

/// The most memory for decompression: a context, two windows of history (a `Vec` grows to twice its content), a piece
/// and its input.
pub const INFLATER: usize = (48 + 32 + 8 + 4) << 10;

/// The most memory for compression, without the output: with the largest window, and memory level 9.
pub const DEFLATER: usize = 484 << 10;

/// The configuration of one end.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Wanted {
    send_window: u8,
    receive_window: u8,
    receive_window_limit: u8,
    level: u8,
    memory_level: u8,
    threshold: u8,
    flags: u8,
}

impl Wanted {
    pub fn send_window(&self) -> WindowBits {
        window(self.send_window)
    }

    pub fn receive_window(&self) -> WindowBits {
        window(self.receive_window)
    }

    /// A limit below the requested window makes no sense.
    pub fn receive_window_limit(&self) -> WindowBits {
        window(self.receive_window_limit).max(self.receive_window())
    }

    pub fn send_takeover(&self) -> bool {
        self.flags & 1 == 0
    }

    pub fn receive_takeover(&self) -> bool {
        self.flags & 2 == 0
    }

    pub fn threshold(&self) -> usize {
        self.threshold.into()
    }

    pub fn deflate(&self) -> deflate::Config {
        deflate::Config::new()
            .send_window(self.send_window())
            .receive_window(self.receive_window())
            .receive_window_limit(self.receive_window_limit())
            .send_takeover(self.send_takeover())
            .receive_takeover(self.receive_takeover())
            .level(level(self.level))
            .memory_level(level(self.memory_level))
            .threshold(self.threshold())
            .pool(&POOL)
    }
}

fn level(number: u8) -> Level {
    Level::new(1 + number % 9).unwrap()
}

/// 0 is the largest window, which is also the default.
pub fn window(number: u8) -> WindowBits {
    WindowBits::new(15 - number % 8).unwrap()
}
