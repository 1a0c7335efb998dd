//! Compression: what the ends want of it, and what it may cost.

use arbitrary::Arbitrary;
use websocket_proto::deflate::{self, Level, Pool, WindowBits};

/// So that no run of a target finds what an earlier one has left: each begins and ends with [`Pool::clear`].
pub static POOL: Pool = Pool::new(2);

/// What a connection allocates when it has agreed on compression, and nothing more while it is idle; and the pool's lists.
pub const BOXES: usize = 1 << 10;

/// The most memory that is needed to decompress: a context, two windows of history (a `Vec` grows to twice what is in it), a
/// piece and its input.
pub const INFLATER: usize = (48 + 32 + 8 + 4) << 10;

/// The most that is needed to compress, but for what comes out: with the largest window, and memory level 9.
pub const DEFLATER: usize = 484 << 10;

/// What one end wants.
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

    /// To allow less than what is asked for makes no sense.
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

/// 0 is the largest, as it is where nobody has a wish.
pub fn window(number: u8) -> WindowBits {
    WindowBits::new(15 - number % 8).unwrap()
}
