//! The client's side of the opening handshake (RFC 6455 §4.1).
//!
//! ```
//! # use std::io::{self, Read, Write};
//! use websocket_proto::{Config, Input, SystemRandom, Uri, client};
//!
//! fn connect<S: Read + Write>(mut socket: S) -> Result<(), Box<dyn std::error::Error>> {
//!     let request = client::Request::new(Uri::parse("ws://example.com/chat")?).subprotocols(&["chat"]);
//!     let mut handshake = client::Handshake::new(Config::new(), &request, SystemRandom::new()?)?;
//!     socket.write_all(handshake.pending())?;
//!     socket.flush()?;
//!
//!     let mut buf = [0; 4096];
//!     let mut input = loop {
//!         let n = socket.read(&mut buf)?;
//!         let mut input = Input::new(&mut buf[..n]);
//!         if handshake.read(&mut input) || n == 0 { break input }       // `into_response` says what was missing
//!     };
//!     let response = handshake.into_response()?;
//!     if response.status() != 101 {
//!         // A redirect, a login, an error page: all of it is there, the body's first bytes in `input`.
//!         println!("{} {:?}", response.status(), response.headers().get("Location"));
//!     }
//!     let connection = response.upgrade()?;
//!     // What is left in `input` is the receiver's first input.
//!     # drop(connection);
//!     Ok(())
//! }
//! # assert!(connect(io::Cursor::new(Vec::new())).is_err());
//! ```
//!
//! Connect the socket to [`Uri::host`](crate::Uri::host) and [`Uri::port`](crate::Uri::port). Behind the handshake the loop
//! is the [server's](crate), and [`Sender::close`](crate::Sender::close) ends the connection.
//!
//! For `wss://` the socket must be a TLS stream: ask [`Uri::is_secure`](crate::Uri::is_secure), because nothing here can know.

mod request;
mod response;

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;

pub use request::{Request, RequestError};
pub use response::{Response, UpgradeError};

use super::{
    head::{Head, HeadError},
    key::{self, AcceptKey},
    lines::{StatusLine, StatusStart},
};
use crate::{Client, Config, Input, Randomness, Sender, Storage};

/// A handshake whose request is to be sent, and which waits for the server's response.
///
/// `K` is the source of the key and of the masking keys, `I` collects the response's head and becomes the receiver's
/// store, `O` holds the request and becomes the sender's.
pub struct Handshake<K, I, O> {
    random: K,
    head: Head<I, StatusStart>,
    /// The request, kept after it has been sent: the response has to fit it.
    request: O,
    sent: usize,
    accept_key: AcceptKey,
    config: Config,
}

impl<K, I, O> fmt::Debug for Handshake<K, I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handshake({} bytes sent, {:?})", self.sent, self.head)
    }
}

#[cfg(feature = "alloc")]
impl<K: Randomness> Handshake<K, Vec<u8>, Vec<u8>> {
    /// A handshake that allocates as it needs, up to the limits of `config`.
    ///
    /// # Errors
    ///
    /// When the request can't be sent as it is.
    pub fn new(config: Config, request: &Request<'_>, random: K) -> Result<Self, RequestError> {
        Self::with_storage(config, request, random, Vec::new(), Vec::new())
    }
}

impl<K: Randomness, I: Storage, O: Storage> Handshake<K, I, O> {
    /// A handshake in the caller's stores: what is in them is dropped.
    ///
    /// `input` must hold the response's head, usually below 500 bytes, and later the largest message that comes in
    /// pieces. `output` must hold the request, some 150 bytes and what is added to them, and later the largest frame that
    /// is sent and 131 bytes that are kept free for a Close; 262 at least.
    ///
    /// # Errors
    ///
    /// When the request can't be sent as it is, or does not fit.
    pub fn with_storage(
        config: Config,
        request: &Request<'_>,
        mut random: K,
        input: I,
        mut output: O,
    ) -> Result<Self, RequestError> {
        // "a nonce consisting of a randomly selected 16-byte value" (§4.1)
        let mut nonce = [0; 16];
        nonce.chunks_exact_mut(4).for_each(|part| part.copy_from_slice(&random.next_key()));
        let key = key::encode_key(nonce);
        output.clear(usize::MAX);
        let (needed, capacity) = (Sender::<Client<K>, O>::MIN_CAPACITY, output.capacity());
        if capacity < needed {
            return Err(RequestError::StoreTooSmall { needed, capacity });
        }
        request.write(&config, &key, &mut output)?;
        Ok(Self {
            random,
            head: Head::new(&config, input),
            request: output,
            sent: 0,
            accept_key: key::accept_key(&key),
            config,
        })
    }

    /// The bytes of the request that are still to be written.
    pub fn pending(&self) -> &[u8] {
        self.request.bytes().get(self.sent..).unwrap_or_default()
    }

    /// The socket has taken the first `count` bytes of [`pending`](Self::pending).
    pub fn consume(&mut self, count: usize) {
        self.sent += count.min(self.pending().len());
    }

    /// Takes the response's head from the input; `true` when no more of it is wanted, because it is complete or can't become valid.
    /// Interim responses (1xx) before it are skipped, where they are of HTTP/1.1: 1.0 has none.
    ///
    /// While it is not, the input has been used up. Afterwards what remains in it is the connection's, or the
    /// beginning of the response's body.
    #[must_use = "`true` ends the loop that reads the response"]
    pub fn read(&mut self, input: &mut Input<'_>) -> bool {
        while self.head.read(input) {
            // "A client MUST be able to parse one or more 1xx responses received prior to a final response" (RFC 9110 §15.2);
            // 101 is final here.
            match self.head.whole().map(StatusLine::read) {
                Some(StatusLine { status: 100 | 102..=199, version: 1 }) => self.head.restart(),
                _ => return true,
            }
        }
        false
    }

    /// The response that was read.
    ///
    /// # Errors
    ///
    /// When its head is incomplete, too large, or not HTTP.
    pub fn into_response(self) -> Result<Response<K, I, O>, HeadError> {
        let Self { random, head, request, accept_key, config, .. } = self;
        Ok(Response::new(head.into_store()?, random, request, accept_key, config))
    }
}
