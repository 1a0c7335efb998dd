//! permessage-deflate (RFC 7692): messages compressed one by one, with the window that both sides remember, or without.
//!
//! Switch it on in the [`Config`](crate::Config) of a handshake; what the two sides agree on configures the connection, and can be
//! read from its [receiver](crate::Receiver::compression) and [sender](crate::Sender::compression). Nothing else changes:
//! messages come and go as before.
//!
//! ```
//! use websocket_proto::{Config, deflate::Deflate};
//!
//! let config = Config::new().deflate(Deflate::new());
//!
//! // For many connections: nothing remembered between messages, so that idle ones hold no memory for it.
//! let config = Config::new().deflate(Deflate::new().send_takeover(false).receive_takeover(false));
//! # let _ = config;
//! ```
//!
//! # Memory
//!
//! Bytes of heap that the two halves of a connection hold between messages, measured
//! (`cargo test --test deflate_memory -- --nocapture between_messages`), beside what zlib's formula says for its own contexts:
//!
//! | configuration | sender | receiver | zlib's formula |
//! |-|-:|-:|-:|
//! | no compression | 0 | 0 | |
//! | default | 380 224 | 47 800 | 262 144 + 39 936 |
//! | neither remembers | 192 | 248 | 0 + 0 |
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
//! That is with [`Config::keep(0)`](crate::Config::keep); by default a sender has up to 1 KiB more. Before the first
//! compressed message there are the 192 and the 248 bytes, and nothing more. `zlib-rs` has a table of 128 KiB in every compressor, so small windows
//! save less on the sending side than elsewhere. A receiver with a window below 15 keeps the window, and takes a decompressor from the
//! [`Pool`] for the length of a message. With ten thousand idle connections, let neither side remember. What a message comes out into, 8 KiB, is
//! the pool's between messages, too.
//!
//! # What is read
//!
//! A block may say that it is the last (RFC 7692 §7.2.3.4), and others may follow it, in the same message or the next:
//! they are another stream, which refers to nothing before it. Behind a last block the RFC wants an empty one, a byte
//! of zeros. Compressors that make a separate stream of each message omit that byte, and an empty payload has no block
//! at all: both are whole messages here. A message that ends inside a block is not; nor is one with bytes behind its
//! last block that are no stream.
//!
//! # When memory is out
//!
//! `zlib-rs` panics when there is no memory for a compressor (380 KB with the defaults) or a decompressor (48 KB). Both
//! come from the [`Pool`], for the first compressed message of a connection, or for each message where nothing is
//! remembered. All other memory is requested by this crate, and its lack is an error, except in [`Prepared::new`],
//! which aborts.

mod deflater;
mod inflater;
mod negotiation;
mod pool;
mod prepared;
mod settings;

pub use negotiation::Agreement;
pub use pool::Pool;
pub use prepared::Prepared;
pub use settings::{Deflate, Level, WindowBits};

pub(crate) use deflater::Deflater;
pub(crate) use inflater::Inflater;
pub(crate) use negotiation::{Accepted, NotOffered, accept, check_answer, offer};

/// "Per-Message Compressed": set on the first frame of a compressed message (RFC 7692 §6).
pub(crate) const RSV1: u8 = 0x40;

/// What the sender removes from the end of a message and the receiver adds (RFC 7692 §7.2.1): the end of an empty stored
/// block, which is how a flush ends.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// The most bytes that `len` bytes can have when they are compressed. The fastest level uses fixed codes, of up to nine
/// bits for eight, whatever the bytes are; the other levels store what would get longer, with 5 bytes for each block. A
/// flush follows.
pub(crate) const fn bound(len: u64) -> u64 {
    len.saturating_add(len / 8).saturating_add(len / 64).saturating_add(64)
}

/// The most that comes out of a compressed message at once, in bytes.
const ROOM: usize = if cfg!(fuzzing) { 64 } else { 8 << 10 };
