use core::fmt;

use super::{Agreement, Pool};

/// What one side wants of compression, and what it allows the other.
///
/// | | default | |
/// |-|-|-|
/// | [`level`](Self::level) | 6 | 1 is fastest, 9 smallest |
/// | [`memory_level`](Self::memory_level) | 8 | 1 to 9: of the compressor's tables |
/// | [`threshold`](Self::threshold) | 64 bytes | shorter messages go uncompressed; 0 compresses every message |
/// | [`send_window`](Self::send_window) | 15 | of the messages that we send |
/// | [`receive_window`](Self::receive_window) | 15 | of those that we receive: asked for, where it can be |
/// | [`receive_window_limit`](Self::receive_window_limit) | 15 | larger ones are declined |
/// | [`send_takeover`](Self::send_takeover) | yes | remember what was sent, for a better ratio |
/// | [`receive_takeover`](Self::receive_takeover) | yes | let the peer do so |
///
/// What a connection holds in memory follows from these: see [`Agreement`].
#[derive(Clone, Copy, Debug)]
pub struct Deflate {
    pub(crate) level: Level,
    pub(crate) memory_level: Level,
    pub(crate) threshold: usize,
    /// `None` for the shared one: a constant can't refer to what changes.
    pool: Option<&'static Pool>,
    pub(super) send_window: WindowBits,
    pub(super) receive_window: WindowBits,
    pub(super) receive_window_limit: WindowBits,
    pub(super) send_takeover: bool,
    pub(super) receive_takeover: bool,
}

impl Default for Deflate {
    fn default() -> Self {
        Self::new()
    }
}

impl Deflate {
    /// The defaults.
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

    /// The compression level: [`Level::MIN`] is the fastest, [`Level::MAX`] makes the smallest messages.
    pub const fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// How much memory the compressor's tables may use: about 2^(level + 9) bytes.
    pub const fn memory_level(mut self, level: Level) -> Self {
        self.memory_level = level;
        self
    }

    /// Messages of fewer bytes are sent uncompressed. So is a longer one in one frame, if compression does not make it
    /// shorter. Of a message in fragments, the length of the first fragment counts.
    ///
    /// 0 compresses every message, also an empty one and one that gets longer. That is for peers that mishandle an
    /// uncompressed message on a compressed connection, although RFC 7692 §6 allows it: libwebsockets 4.1 delivers it
    /// over and over.
    pub const fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Whether every message must be compressed, even if that makes it longer.
    pub(crate) const fn compresses_all(&self) -> bool {
        self.threshold == 0
    }

    /// The largest window to compress with; the peer may ask for less.
    pub const fn send_window(mut self, bits: WindowBits) -> Self {
        self.send_window = bits;
        self
    }

    /// The largest window that the peer is asked to compress with. A server can ask this only of clients whose offer names
    /// `client_max_window_bits`.
    pub const fn receive_window(mut self, bits: WindowBits) -> Self {
        self.receive_window = bits;
        self
    }

    /// The largest window that the peer may compress with when it does not do what [`receive_window`](Self::receive_window)
    /// asks: else there is no compression.
    pub const fn receive_window_limit(mut self, bits: WindowBits) -> Self {
        self.receive_window_limit = bits;
        self
    }

    /// Whether to compress with what earlier messages had in common: better, and a window and tables for every connection.
    pub const fn send_takeover(mut self, allowed: bool) -> Self {
        self.send_takeover = allowed;
        self
    }

    /// Whether the peer may: better, and a window for every connection.
    pub const fn receive_takeover(mut self, allowed: bool) -> Self {
        self.receive_takeover = allowed;
        self
    }

    /// Where contexts that remember nothing are kept between messages, to be used by the next connection that needs one. By
    /// default all share [one](Pool::shared).
    pub const fn pool(mut self, pool: &'static Pool) -> Self {
        self.pool = Some(pool);
        self
    }

    pub(crate) fn pool_in_use(&self) -> &'static Pool {
        self.pool.unwrap_or(Pool::shared())
    }

    /// What there is when the peer has no wishes.
    pub(super) fn agreement(&self) -> Agreement {
        Agreement {
            send_window: self.send_window,
            receive_window: self.receive_window,
            send_takeover: self.send_takeover,
            receive_takeover: self.receive_takeover,
        }
    }
}

/// 1 to 9: how hard to compress, or how much memory to do it with.
///
/// ```
/// use websocket_proto::deflate::{Deflate, Level};
///
/// const FAST: Deflate = Deflate::new().level(Level::MIN);
/// const SMALL: Deflate = Deflate::new().level(Level::MAX);
/// assert_eq!(Level::new(10), None);
/// # let _ = (FAST, SMALL);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// The least work, or memory.
    pub const MIN: Self = Self(1);
    /// The most.
    pub const MAX: Self = Self(9);

    /// From 1 to 9; `None` for every other number.
    pub const fn new(level: u8) -> Option<Self> {
        match level {
            1..=9 => Some(Self(level)),
            _ => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// The size of a window, 2^8 to 2^15 bytes: how far back a compressed message can refer (RFC 7692 §7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 256 bytes.
    pub const MIN: Self = Self(8);
    /// 32 KiB.
    pub const MAX: Self = Self(15);

    /// From 8 to 15; `None` for every other number.
    pub const fn new(bits: u8) -> Option<Self> {
        match bits {
            8..=15 => Some(Self(bits)),
            _ => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (§7.1.2)
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
