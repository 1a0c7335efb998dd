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
//!         if handshake.read(&mut input) || n == 0 { break input }       // `into_response` says what is missing
//!     };
//!     let response = handshake.into_response()?;
//!     if response.status() != 101 {
//!         // A redirect, a login, an error page: the first bytes of the body are in `input`.
//!         println!("{} {:?}", response.status(), response.location());
//!     }
//!     let connection = response.upgrade()?;
//!     // The rest of `input` is the receiver's first input.
//!     # drop(connection);
//!     Ok(())
//! }
//! # assert!(connect(io::Cursor::new(Vec::new())).is_err());
//! ```
//!
//! Connect the socket to [`Uri::host`](crate::Uri::host) and [`Uri::port`](crate::Uri::port). After the handshake the
//! loop is that of a [server](crate), and [`Sender::close`](crate::Sender::close) ends the connection.
//!
//! For `wss://` the socket must be a TLS stream: ask [`Uri::is_secure`](crate::Uri::is_secure). This crate cannot check
//! it.

mod offer;
#[cfg(feature = "alloc")]
mod redirect;
mod request;
mod response;

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;

pub use offer::Offer;
#[cfg(feature = "alloc")]
pub use redirect::{Redirect, RedirectError};
pub use request::{Request, RequestError};
pub use response::{Response, UpgradeError};

use super::{
    http1::{
        collect::{Head, HeadError},
        parse::StatusStart,
    },
    key::{self, AcceptKey},
    read_response,
};
use crate::{Client, Config, Exchange, Input, Randomness, Sender, Storage};

/// A handshake that has a request to send, and waits for the server's response.
///
/// `K` is the source of the key and of the masking keys, `I` collects the response's head and becomes the receiver's
/// store, `O` holds the request and becomes the sender's.
pub struct Handshake<K, I, O> {
    random: K,
    head: Head<I, StatusStart>,
    /// The request. It is needed after it was sent: the response must pick what it offered.
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
    /// A handshake that allocates what it needs, up to the limits of `config`.
    ///
    /// # Errors
    ///
    /// The request can't be sent as it is.
    pub fn new(config: Config, request: &Request<'_>, random: K) -> Result<Self, RequestError> {
        Self::with_storage(config, request, random, Vec::new(), Vec::new())
    }
}

impl<K: Randomness, I: Storage, O: Storage> Handshake<K, I, O> {
    /// A handshake in stores of the caller's. What is in them is dropped.
    ///
    /// `input` must hold the head of the response, usually less than 500 bytes, and later the largest message that is
    /// received in pieces. `output` must hold the request, about 150 bytes and what the caller adds, and later the
    /// largest frame that is sent and 131 bytes that are kept free for a Close: at least 262 bytes.
    ///
    /// # Errors
    ///
    /// The request can't be sent as it is, or does not fit.
    pub fn with_storage(
        config: Config,
        request: &Request<'_>,
        mut random: K,
        input: I,
        mut output: O,
    ) -> Result<Self, RequestError> {
        let key = key::encode_key(offer::nonce(&mut random));
        output.clear(usize::MAX);
        Sender::<Client<K>, O>::check_store(&output)?;
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

    /// The bytes of the request that must still be written.
    pub fn pending(&self) -> &[u8] {
        self.request.bytes().get(self.sent..).unwrap_or_default()
    }

    /// Says that the transport took the first `count` bytes of [`pending`](Self::pending).
    pub fn consume(&mut self, count: usize) {
        self.sent += count.min(self.pending().len());
    }

    /// Uses the bytes of the response's head. Returns `true` if it needs no more bytes: the head is complete, or cannot
    /// become valid.
    ///
    /// Interim responses (1xx) before it are skipped. HTTP/1.0 has none, so one of HTTP/1.0 is the final response.
    ///
    /// After `false` the input is used up. After `true` the rest of it belongs to the connection, or to the body of the
    /// response.
    #[must_use = "`true` ends the loop that reads the response"]
    pub fn read(&mut self, input: &mut Input<'_>) -> bool {
        read_response(&mut self.head, input)
    }

    /// The response that was read.
    ///
    /// # Errors
    ///
    /// Its head is incomplete, too large, or not HTTP.
    pub fn into_response(self) -> Result<Response<K, I, O>, HeadError> {
        let Self { random, head, request, accept_key, config, .. } = self;
        Ok(Response::new(head.into_store()?, random, request, Some(accept_key), config))
    }
}

impl<K: Randomness, I: Storage, O: Storage> Exchange for Handshake<K, I, O> {
    fn pending(&self) -> &[u8] {
        self.pending()
    }

    fn consume(&mut self, count: usize) {
        self.consume(count);
    }

    fn read(&mut self, input: &mut Input<'_>) -> bool {
        self.read(input)
    }
}
