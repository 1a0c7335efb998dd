use core::fmt;

use super::{Agreement, Pool};

/// The settings of one end for compression: what it wants, and what it allows the peer.
///
/// | setting | default | meaning |
/// |-|-|-|
/// | [`level`](Self::level) | 6 | 1 is fastest, 9 smallest |
/// | [`memory_level`](Self::memory_level) | 8 | 1 to 9: the memory for the compressor's tables |
/// | [`threshold`](Self::threshold) | 64 bytes | shorter messages are not compressed; 0 compresses every message |
/// | [`send_window`](Self::send_window) | 15 | the largest window for messages that are sent |
/// | [`receive_window`](Self::receive_window) | 15 | the largest window that the peer is asked to use |
/// | [`receive_window_limit`](Self::receive_window_limit) | 15 | no compression with a peer whose window is larger |
/// | [`send_takeover`](Self::send_takeover) | yes | compress better, by referring to earlier messages |
/// | [`receive_takeover`](Self::receive_takeover) | yes | allow the peer to do so |
///
/// These settings decide how much memory a connection holds: see [memory](super#memory).
#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub(crate) level: Level,
    pub(crate) memory_level: Level,
    pub(crate) threshold: usize,
    /// `None` is the shared pool, because a constant cannot refer to a static that changes.
    pool: Option<&'static Pool>,
    pub(super) send_window: WindowBits,
    pub(super) receive_window: WindowBits,
    pub(super) receive_window_limit: WindowBits,
    pub(super) send_takeover: bool,
    pub(super) receive_takeover: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// Returns the defaults.
    pub const fn new() -> Self {
        Self {
            level: Level(6),
            memory_level: Level(8),
            threshold: 64,
            pool: None,
            send_window: WindowBits::MAX,
            receive_window: WindowBits::MAX,
            receive_window_limit: WindowBits::MAX,
            send_takeover: true,
            receive_takeover: true,
        }
    }

    /// Sets the compression level: [`Level::MIN`] is the fastest, [`Level::MAX`] makes the shortest messages.
    pub const fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Sets the memory for the compressor's tables: about 2^(level + 9) bytes.
    pub const fn memory_level(mut self, level: Level) -> Self {
        self.memory_level = level;
        self
    }

    /// Sets the length, in bytes, of the shortest message that is compressed.
    ///
    /// A longer message in one frame is sent uncompressed, too, if compression does not make it shorter. For a message
    /// in fragments the length of the first fragment counts.
    ///
    /// 0 compresses every message, even an empty one and one that gets longer. This is for peers that mishandle an
    /// uncompressed message on a connection with compression, although RFC 7692 §6 allows it: libwebsockets 4.1
    /// delivers such a message again and again.
    pub const fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Whether every message must be compressed, even if that makes it longer.
    pub(crate) const fn compresses_all(&self) -> bool {
        self.threshold == 0
    }

    /// Sets the largest window for messages that are sent. The peer may ask for a smaller one.
    pub const fn send_window(mut self, bits: WindowBits) -> Self {
        self.send_window = bits;
        self
    }

    /// Sets the largest window that the peer is asked to use.
    ///
    /// A server can ask only those clients whose offer has the parameter `client_max_window_bits` (RFC 7692 §7.1.2.2).
    pub const fn receive_window(mut self, bits: WindowBits) -> Self {
        self.receive_window = bits;
        self
    }

    /// Sets the largest window of a peer with which compression is agreed on. With a larger one nothing is compressed.
    ///
    /// This matters for a peer that cannot be asked to use the [`receive_window`](Self::receive_window), or does not
    /// use it.
    pub const fn receive_window_limit(mut self, bits: WindowBits) -> Self {
        self.receive_window_limit = bits;
        self
    }

    /// Sets whether messages that are sent may refer to earlier ones.
    ///
    /// This compresses better. Each connection then holds a compressor, with its window and tables.
    pub const fn send_takeover(mut self, allowed: bool) -> Self {
        self.send_takeover = allowed;
        self
    }

    /// Sets whether messages of the peer may refer to earlier ones.
    ///
    /// This compresses better. Each connection then holds a window.
    pub const fn receive_takeover(mut self, allowed: bool) -> Self {
        self.receive_takeover = allowed;
        self
    }

    /// Sets the pool that keeps idle compressors and decompressors for the next connection that needs one.
    ///
    /// By default all connections share [one pool](Pool::shared).
    pub const fn pool(mut self, pool: &'static Pool) -> Self {
        self.pool = Some(pool);
        self
    }

    pub(crate) fn pool_in_use(&self) -> &'static Pool {
        self.pool.unwrap_or(Pool::shared())
    }

    /// Returns the agreement with a peer that has no wishes.
    pub(super) fn agreement(&self) -> Agreement {
        Agreement {
            send_window: self.send_window,
            receive_window: self.receive_window,
            send_takeover: self.send_takeover,
            receive_takeover: self.receive_takeover,
        }
    }
}

/// A number from 1 to 9: a compression level, or a memory level.
///
/// ```
/// use websocket_proto::deflate::{self, Level};
///
/// const FAST: deflate::Config = deflate::Config::new().level(Level::MIN);
/// const SMALL: deflate::Config = deflate::Config::new().level(Level::MAX);
/// assert_eq!(Level::new(10), None);
/// # let _ = (FAST, SMALL);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// 1: the least work, or memory.
    pub const MIN: Self = Self(1);
    /// 9: the most work, or memory.
    pub const MAX: Self = Self(9);

    /// Returns the level with this number, from 1 to 9; `None` for all other numbers.
    pub const fn new(level: u8) -> Option<Self> {
        match level {
            1..=9 => Some(Self(level)),
            _ => None,
        }
    }

    /// Returns the number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// The size of a window, as an exponent: a compressed message can refer to the last 2^8 to 2^15 bytes
/// (RFC 7692 §7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 8: a window of 256 bytes.
    pub const MIN: Self = Self(8);
    /// 15: a window of 32 KiB.
    pub const MAX: Self = Self(15);

    /// Returns the window of 2^`bits` bytes, from 8 to 15; `None` for all other numbers.
    pub const fn new(bits: u8) -> Option<Self> {
        match bits {
            8..=15 => Some(Self(bits)),
            _ => None,
        }
    }

    /// Returns the number.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (RFC 7692 §7.1.2)
    pub(super) fn parse(mut digits: impl Iterator<Item = u8>) -> Option<Self> {
        let number = match (digits.next(), digits.next(), digits.next()) {
            (Some(digit @ b'8'..=b'9'), None, _) => digit - b'0',
            (Some(b'1'), Some(digit @ b'0'..=b'5'), None) => 10 + digit - b'0',
            _ => return None,
        };
        Self::new(number)
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
