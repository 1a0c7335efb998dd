//! Code that the fuzz targets share.
//!
//! | | |
//! |-|-|
//! | [`connect`] | two real ends, after a handshake in memory |
//! | [`Plan`] | how a peer's bytes are cut and read |
//! | [`Log`] | the events of a receiver |
//! | [`naive`] | the events that it should report, decided in the plainest way |
//! | [`receiver`] | the check of one receiver, for either role |
//! | [`http`] | heads as `httparse` sees them, and a second implementation of the handshake's rules |
//! | [`deflate`] | the configuration of compression, and its cost |
//! | [`inflate`] | decompression in the plainest way |
//! | [`heap`] | how much memory is in use |

pub mod deflate;
pub mod heap;
pub mod http;
#[path = "../../tests/plain_inflate/mod.rs"]
pub mod inflate;
mod log;
pub mod naive;
mod pair;
mod plan;
pub mod receiver;

pub use log::{End, Log, Seen};
pub use pair::{Keys, Pair, connect, connect_as};
pub use plan::Plan;

/// Pongs are queued up to this many bytes. Then only the newest is stored (`Sender::reply`).
pub const PONG_BACKLOG: usize = 4096;

/// The most bytes that replies may add to that: the newest Pong, and a Close.
pub const MAX_REPLIES: usize = 2 * (2 + 4 + websocket_proto::frame::MAX_CONTROL_PAYLOAD);

/// Asserts that a receiver used its whole input.
pub fn assert_used(input: &websocket_proto::Input<'_>) {
    assert!(input.is_empty(), "{} bytes were left in the input", input.remaining().len());
}
