//! An open connection: two halves that the caller may separate, and the replies from one to the other.
//!
//! ```text
//!   bytes of a read                 bytes to write
//!         │                               ▲
//!         │ Input                         │ pending
//!         ▼                               │
//!     Receiver ────── replies ───────▶ Sender
//!         │   Pong, Close, failure        ▲
//!         │ Event                         │ send_text,
//!         ▼                               │ ping, close …
//!               your application
//! ```

mod closing;
mod config;
mod outcome;
mod reply;
mod role;
mod traffic;

pub use closing::{Closes, Transport};
pub(crate) use closing::{Closing, Owed};
pub use config::Config;
pub use outcome::{Ended, Outcome};
pub(crate) use reply::ReplyKind;
pub use reply::{OwnedReply, Replies, Reply};
pub use role::{Client, Randomness, Role, Server};
#[cfg(feature = "std")]
pub use role::{RandomnessError, SystemRandom};
pub use traffic::{Count, Traffic};

use crate::{Receiver, Sender, Storage, client::RequestError, server::AcceptError};
#[cfg(feature = "deflate")]
use crate::{
    boxed::Boxed,
    deflate::{Agreement, Deflater, Inflater},
    storage::OutOfMemory,
};

/// The extensions that the handshake has agreed on.
#[derive(Default)]
pub(crate) struct Extensions {
    #[cfg(feature = "deflate")]
    deflate: Option<(Boxed<Inflater>, Boxed<Deflater>)>,
}

#[cfg(feature = "deflate")]
impl Extensions {
    /// Allocates the state of compression, if it was agreed on. This is done before the rest of a connection is built,
    /// because it can fail.
    pub(crate) fn new(agreement: Option<Agreement>, config: &Config) -> Result<Self, OutOfMemory> {
        let Some((agreement, wanted)) = agreement.zip(config.deflate) else { return Ok(Self::default()) };
        let inflater = Boxed::new(Inflater::new(agreement, &wanted))?;
        let deflater = Boxed::new(Deflater::new(agreement, &wanted, config.keep))?;
        Ok(Self { deflate: Some((inflater, deflater)) })
    }
}

/// An open WebSocket connection, the result of a handshake.
///
/// The halves share nothing: keep them together in one loop, or separate them and give each to its own task. `R` is the
/// [role](Role), `I` is the store in which messages are assembled, and `O` is the store for output that waits for the
/// transport.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "callers separate the halves")]
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

impl<I: Storage, O: Storage> Connection<Server, I, O> {
    /// Returns a server's connection that no handshake has opened: for a tunnel whose ends have agreed in another way,
    /// and for tests.
    ///
    /// Over a network use [`server::Handshake`](crate::server::Handshake), or
    /// [`server::Request::from_parts`](crate::server::Request::from_parts): a page in a browser can make any other
    /// server receive what looks like frames (RFC 6455 §1.3, §10.1).
    ///
    /// ```
    /// use websocket_proto::{Config, Connection};
    ///
    /// let mut connection = Connection::server_without_handshake(Config::new(), Vec::new(), Vec::new())?;
    /// connection.sender.send_text("hello")?;
    /// assert_eq!(connection.sender.pending(), b"\x81\x05hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The output store is too small to answer the peer.
    pub fn server_without_handshake(config: Config, input: I, mut output: O) -> Result<Self, AcceptError> {
        output.clear(usize::MAX);
        Sender::<Server, O>::check_store(&output)?;
        Ok(Self::empty(Server, &config, input, output))
    }
}

impl<K: Randomness, I: Storage, O: Storage> Connection<Client<K>, I, O> {
    /// Returns a client's connection that no handshake has opened: see
    /// [`server_without_handshake`](Connection::server_without_handshake).
    ///
    /// # Errors
    ///
    /// The output store is too small to answer the peer.
    pub fn client_without_handshake(config: Config, random: K, input: I, mut output: O) -> Result<Self, RequestError> {
        output.clear(usize::MAX);
        Sender::<Client<K>, O>::check_store(&output)?;
        Ok(Self::empty(Client::new(random), &config, input, output))
    }
}

impl<R: Role, I: Storage, O: Storage> Connection<R, I, O> {
    /// Without extensions, and with nothing in the stores.
    fn empty(role: R, config: &Config, mut message: I, output: O) -> Self {
        message.clear(usize::MAX);
        Self::new(role, config, Extensions::default(), message, output)
    }

    /// Returns the two halves. The bytes in `output` are sent first.
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
