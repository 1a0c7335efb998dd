//! Compression of messages: permessage-deflate (RFC 7692).
//!
//! Turn it on in the [`Config`](crate::Config) of a handshake. The handshake then negotiates an [`Agreement`] with the
//! peer, which can be read from the [receiver](crate::Receiver::compression) and the
//! [sender](crate::Sender::compression) of the connection. Messages are sent and received as without compression.
//!
//! ```
//! use websocket_proto::{Config, deflate};
//!
//! let config = Config::new().deflate(deflate::Config::new());
//!
//! // For many connections: nothing is remembered between messages, so idle connections need no memory for compression.
//! let config = Config::new().deflate(deflate::Config::new().send_takeover(false).receive_takeover(false));
//! # let _ = config;
//! ```
//!
//! # Memory
//!
//! This table has the bytes on the heap that each half of a connection holds between messages, and the result of zlib's
//! formula for its own contexts. The bytes were measured with
//! `cargo test --test deflate_memory -- --nocapture between_messages`.
//!
//! | configuration | sender | receiver | zlib's formula |
//! |-|-:|-:|-:|
//! | no compression | 0 | 0 | |
//! | default | 380 224 | 47 800 | 262 144 + 39 936 |
//! | neither end remembers | 192 | 248 | 0 + 0 |
//! | only we remember | 380 224 | 248 | 262 144 + 0 |
//! | only the peer remembers | 192 | 47 800 | 0 + 39 936 |
//! | windows of 14 | 314 688 | 16 632 | 196 608 + 23 552 |
//! | windows of 12 | 265 536 | 4 344 | 147 456 + 11 264 |
//! | windows of 9 | 251 200 | 760 | 133 120 + 7 680 |
//! | windows of 9, memory level 1 | 137 408 | 760 | 3 072 + 7 680 |
//! | memory level 9 | 494 912 | 47 800 | 393 216 + 39 936 |
//! | memory level 5 | 279 872 | 47 800 | 147 456 + 39 936 |
//! | memory level 1 | 266 432 | 47 800 | 132 096 + 39 936 |
//!
//! The measured connections have [`Config::keep(0)`](crate::Config::keep); by default a sender has up to 1 KiB more.
//! Before the first compressed message each sender has 192 bytes, and each receiver 248.
//!
//! Every compressor of `zlib-rs` has a table of 128 KiB, so small windows save less memory than in zlib. A receiver
//! whose window is below 15 keeps only the window between messages, and takes a decompressor from the [`Pool`] for each
//! message. The 8 KiB for decompressed output also belong to the pool between messages. For ten thousand idle
//! connections, let neither end remember.
//!
//! # What is accepted
//!
//! A block may be marked as final (RFC 7692 §7.2.3.4). The blocks after it, in the same message or the next, are
//! another stream, which refers to nothing before it. After a final block the RFC demands an empty block, which is a
//! byte of zeros. Some compressors, which make a separate stream of each message, omit that byte; and an empty payload
//! has no block at all. Both are accepted as whole messages. A message fails if it ends inside a block, or if the bytes
//! after its final block are not a stream.
//!
//! # When memory is out
//!
//! `zlib-rs` panics if there is no memory for a compressor (380 KB with the defaults) or a decompressor (48 KB). Both
//! are taken from the [`Pool`], which allocates them if it has none: for the first compressed message of a connection,
//! or for each message if nothing is remembered. All other memory is allocated by this crate. If there is none, an
//! error or a failure is returned, except in [`Prepared::new`], which aborts.

mod config;
mod deflater;
mod inflater;
mod negotiation;
mod pool;
mod prepared;

pub use config::{Config, Level, WindowBits};
pub use negotiation::Agreement;
pub use pool::Pool;
pub use prepared::Prepared;

pub(crate) use deflater::Deflater;
pub(crate) use inflater::Inflater;
pub(crate) use negotiation::{Accepted, NotOffered, accept, check_answer, offer};

/// The RSV1 bit, "Per-Message Compressed", which is set in the first frame of a compressed message (RFC 7692 §6).
pub(crate) const RSV1: u8 = 0x40;

/// The bytes that the sender removes from the end of a message, and the receiver adds (RFC 7692 §7.2.1, §7.2.2). A
/// flush ends with them: they are the end of an empty stored block.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// Returns the largest length that `len` bytes can have when they are compressed.
///
/// The fastest level may use fixed codes, which have up to nine bits for a byte. The other levels store bytes that
/// would get longer, with 5 bytes for each block. A flush follows.
pub(crate) const fn bound(len: u64) -> u64 {
    len.saturating_add(len / 8).saturating_add(len / 64).saturating_add(64)
}

/// The length of the longest piece of a decompressed message, in bytes.
const MAX_PIECE: usize = if cfg!(fuzzing) { 64 } else { 8 << 10 };
