//! What the fuzz targets share.
//!
//! | | |
//! |-|-|
//! | [`connect`] | two real endpoints, out of a handshake in memory |
//! | [`Plan`] | how a peer's bytes are cut and read |
//! | [`Log`] | what a receiver made of them |
//! | [`naive`] | what it should have made of them, decided in the plainest way |
//! | [`receiver`] | the check of one receiver, for either role |
//! | [`http`] | heads as `httparse` sees them, and the handshake's rules once more |
//! | [`deflate`] | what the ends want of compression, and what it may cost |
//! | [`inflate`] | what compressed data says, decided in the plainest way |
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

/// Pongs queue up to so many bytes of them; beyond that only the newest is kept (`Sender::reply`).
pub const PONG_BACKLOG: usize = 4096;

/// The most that replies may add to that: the newest Pong, and a Close.
pub const MAX_REPLIES: usize = 2 * (2 + 4 + websocket_proto::frame::MAX_CONTROL_PAYLOAD);

/// Asserts that a receiver has used all it was given.
pub fn assert_used(input: &websocket_proto::Input<'_>) {
    assert!(input.is_empty(), "{} bytes were left in the input", input.remaining().len());
}
