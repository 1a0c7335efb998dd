//! The server's side of the opening handshake (RFC 6455 §4.2).
//!
//! ```
//! # use std::io::{self, Read, Write};
//! use websocket_proto::{Config, Connection, Input, Server, server};
//!
//! fn serve<S: Read + Write>(mut socket: S) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut buf = [0; 4096];
//!     let mut handshake = server::Handshake::new(Config::new());
//!     let mut input = loop {
//!         let n = socket.read(&mut buf)?;
//!         let mut input = Input::new(&mut buf[..n]);
//!         if handshake.read(&mut input) || n == 0 { break input }       // `into_request` says what is missing
//!     };
//!     let upgrade = match handshake.into_request().and_then(server::Request::upgrade) {
//!         Ok(upgrade) => upgrade,
//!         Err(refusal) => {
//!             let mut response = Vec::new();
//!             refusal.response().write(&mut response)?;     // 400, 405, 426 …
//!             socket.write_all(&response)?;
//!             socket.flush()?;
//!             return Err(refusal.into());
//!         }
//!     };
//!     let connection = upgrade.accept(&server::Accept::new())?;
//!     // The 101 response is the sender's first output; the rest of `input` is the receiver's first input.
//!     # let _: Connection<Server, Vec<u8>, Vec<u8>> = connection;
//!     Ok(())
//! }
//! # assert!(serve(io::Cursor::new(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec())).is_err());
//! ```
//!
//! Any page can open a WebSocket to any server, with the user's cookies. The browser only says in `Origin` which page
//! it was. So a server that trusts cookies must check the origin: [`Upgrade::check_origin`] (RFC 6455 §10.2).

mod accept;
mod connect;
mod refusal;
mod request;
mod response;

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;

pub use accept::{Accept, AcceptError, Upgrade};
pub use refusal::Refusal;
pub use request::Request;
pub use response::{Response, ResponseError};

use super::http1::{collect::Head, parse::RequestStart};
use crate::{Config, Input, Storage};

/// A handshake that waits for the client's request.
///
/// `I` collects the request's head and becomes the receiver's store, `O` holds the response and becomes the sender's.
pub struct Handshake<I, O> {
    head: Head<I, RequestStart>,
    output: O,
    config: Config,
}

impl<I, O> fmt::Debug for Handshake<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handshake({:?})", self.head)
    }
}

#[cfg(feature = "alloc")]
impl Handshake<Vec<u8>, Vec<u8>> {
    /// A handshake that allocates what it needs, up to the limits of `config`.
    #[inline]
    pub fn new(config: Config) -> Self {
        Self::with_storage(config, Vec::new(), Vec::new())
    }
}

impl<I: Storage, O: Storage> Handshake<I, O> {
    /// A handshake in stores of the caller's. What is in them is dropped.
    ///
    /// `input` must hold the head of the request, 500 to 1000 bytes from a browser without cookies, and later the
    /// largest message that is received in pieces. `output` must hold the response, 129 bytes if the caller adds
    /// nothing, and later the largest frame that is sent; and 127 bytes more that are kept free for a Close: at least
    /// 256 bytes.
    ///
    /// ```
    /// use websocket_proto::{Config, FixedStorage, server};
    ///
    /// let handshake = server::Handshake::with_storage(
    ///     Config::new(),
    ///     FixedStorage::new([0; 1024]),
    ///     FixedStorage::new([0; 512]),
    /// );
    /// # let _ = handshake;
    /// ```
    #[inline]
    pub fn with_storage(config: Config, input: I, mut output: O) -> Self {
        output.clear(usize::MAX);
        Self { head: Head::new(&config, input), output, config }
    }

    /// Uses the bytes of the request's head. Returns `true` if it needs no more bytes: the head is complete, or cannot
    /// become valid.
    ///
    /// After `false` the input is used up, so read again. After `true` the rest of it is the receiver's first input.
    #[must_use = "`true` ends the loop that reads the request"]
    pub fn read(&mut self, input: &mut Input<'_>) -> bool {
        self.head.read(input)
    }

    /// The request that was read.
    ///
    /// # Errors
    ///
    /// Its head is incomplete, too large, or not HTTP, or its target is invalid.
    #[inline]
    pub fn into_request(self) -> Result<Request<I, O>, Refusal> {
        Request::parse(self.head.into_store()?, self.output, self.config)
    }
}
