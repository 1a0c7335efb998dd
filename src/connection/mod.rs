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
mod reply;
mod role;

pub use closing::Transport;
pub(crate) use closing::{Closing, Owed};
pub use config::Config;
pub(crate) use reply::ReplyKind;
pub use reply::{OwnedReply, Replies, Reply};
pub use role::{Client, Randomness, Role, Server};
#[cfg(feature = "std")]
pub use role::{NoRandomness, SystemRandom};

use crate::{Receiver, Sender, Storage};
#[cfg(feature = "deflate")]
use crate::{
    boxed::Boxed,
    deflate::{Agreement, Deflater, Inflater},
    storage::OutOfMemory,
};

/// What the handshake has agreed on beside the protocol itself.
#[derive(Default)]
pub(crate) struct Extensions {
    #[cfg(feature = "deflate")]
    deflate: Option<(Boxed<Inflater>, Boxed<Deflater>)>,
}

#[cfg(feature = "deflate")]
impl Extensions {
    /// The state of compression, if it was agreed on. Made before the rest of a connection, because memory may be out.
    pub(crate) fn new(agreement: Option<Agreement>, config: &Config) -> Result<Self, OutOfMemory> {
        let Some((agreement, wanted)) = agreement.zip(config.deflate) else { return Ok(Self::default()) };
        let inflater = Boxed::new(Inflater::new(agreement, &wanted))?;
        let deflater = Boxed::new(Deflater::new(agreement, &wanted, config.keep))?;
        Ok(Self { deflate: Some((inflater, deflater)) })
    }
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

/// A server's connection over memory that grows.
///
/// ```
/// use websocket_proto::{ServerConnection, SendError};
///
/// fn greet(connection: &mut ServerConnection) -> Result<(), SendError> {
///     connection.sender.send_text("hello")
/// }
/// ```
#[cfg(feature = "alloc")]
pub type ServerConnection = Connection<crate::Server, alloc::vec::Vec<u8>, alloc::vec::Vec<u8>>;

/// A client's connection over memory that grows, with masking keys from the system's generator.
#[cfg(feature = "std")]
pub type ClientConnection = Connection<Client<SystemRandom>, alloc::vec::Vec<u8>, alloc::vec::Vec<u8>>;

impl<R: Role, I: Storage, O: Storage> Connection<R, I, O> {
    /// The two halves; `output` may hold what has to be sent first.
    #[inline]
    #[cfg(feature = "deflate")]
    pub(crate) fn new(role: R, config: &Config, extensions: Extensions, message: I, output: O) -> Self {
        let (inflater, deflater) = extensions.deflate.unzip();
        Self { receiver: Receiver::new(config, inflater, message), sender: Sender::new(role, config, output, deflater) }
    }

    #[cfg(not(feature = "deflate"))]
    pub(crate) fn new(role: R, config: &Config, _: Extensions, message: I, output: O) -> Self {
        Self { receiver: Receiver::new(config, message), sender: Sender::new(role, config, output) }
    }
}
