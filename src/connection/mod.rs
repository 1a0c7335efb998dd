//! An open connection: two halves that the caller may hold apart, and what passes between them.
//!
//! ```text
//!   bytes from the socket                                    bytes for the socket
//!          │ Input                                                  ▲ pending
//!          ▼                                                        │
//!     ┌──────────┐        replies: pong, close, failure        ┌────┴─────┐
//!     │ Receiver │ ──────────────────────────────────────────▶ │  Sender  │
//!     └────┬─────┘                                             └──────────┘
//!          │ Event                                                  ▲ send_text, ping, close …
//!          ▼                                                        │
//!                            your application
//! ```

mod closing;
mod config;
mod event;
mod failure;
mod frames;
#[cfg(not(feature = "deflate"))]
mod no_inflater;
mod outbox;
mod part;
mod payloads;
mod receiver;
mod reply;
mod role;
mod send_error;
mod sender;
mod vectored;

pub use closing::Transport;
pub use config::Config;
pub use event::{Chunk, ChunkEvent, Event, Kind, Message};
pub use failure::{EndOfInput, Failure};
pub use receiver::Receiver;
pub use reply::{OwnedReply, Replies, Reply};
pub use role::{Client, Randomness, Role, Server};
#[cfg(feature = "std")]
pub use role::{NoRandomness, SystemRandom};
pub use send_error::{SendCloseError, SendError};
pub use sender::Sender;
pub use vectored::VectoredFrame;

use crate::{Storage, storage::OutOfMemory};

/// What the handshake has agreed on beside the protocol itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extensions {
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<crate::deflate::Agreement>,
}

/// An open WebSocket connection, as it comes out of a handshake.
///
/// The halves share nothing: keep them together in one loop, or take them apart and give each to a task of its own.
/// `R` is the [role](Role), `I` stores messages that arrive in pieces, `O` output that waits for the socket.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "made to be taken apart")]
pub struct Connection<R, I: Storage, O: Storage> {
    /// Turns bytes from the peer into events.
    pub receiver: Receiver<R, I>,
    /// Turns messages into bytes for the peer.
    pub sender: Sender<R, O>,
}

impl<R: Role, I: Storage, O: Storage> Connection<R, I, O> {
    /// The two halves; `output` may hold what has to be sent first.
    #[inline]
    pub(crate) fn new(
        role: R,
        config: &Config,
        extensions: Extensions,
        message: I,
        output: O,
    ) -> Result<Self, OutOfMemory> {
        Ok(Self {
            receiver: Receiver::new(config, extensions, message)?,
            sender: Sender::new(role, config, extensions, output)?,
        })
    }
}
