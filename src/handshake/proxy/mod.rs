//! The way to a server through a proxy: HTTP `CONNECT` (RFC 9110 §9.3.6) and SOCKS5 (RFC 1928).
//!
//! A client connects to the proxy, and asks for a tunnel to the server. From then on the proxy passes bytes in both
//! directions, and what follows is as without it: the handshake of TLS for `wss://`, and that of the WebSocket. Every
//! part is an [`Exchange`], so one function runs all of them:
//!
//! ```
//! use std::{error::Error, io::{self, BufReader, Read, Write}};
//! use websocket_proto::{ClientConnection, Config, Credentials, Exchange, Input, SystemRandom, Uri, client, proxy};
//!
//! fn run<S: Read + Write>(exchange: &mut impl Exchange, stream: &mut BufReader<S>) -> io::Result<()> {
//!     loop {
//!         stream.get_mut().write_all(exchange.pending())?;
//!         exchange.consume(exchange.pending().len());
//!         stream.get_mut().flush()?;
//!         let mut byte = [0];             // one at a time: what follows stays in the buffer
//!         if stream.read(&mut byte)? == 0 || exchange.read(&mut Input::new(&mut byte)) { return Ok(()) }
//!     }
//! }
//!
//! /// `stream` is connected to the proxy.
//! fn connect<S: Read + Write>(stream: &mut BufReader<S>, address: &str) -> Result<ClientConnection, Box<dyn Error>> {
//!     let uri = Uri::parse(address)?;
//!     let request = proxy::Request::new(uri).credentials(Credentials::new("ann", "secret"));
//!     let mut tunnel = proxy::Connect::new(Config::new(), &request)?;     // or proxy::Socks5::new(&request)?
//!     run(&mut tunnel, stream)?;
//!     tunnel.into_tunnel()?;                                              // Err: 407, or another refusal
//!     // For wss:// the handshake of TLS comes here.
//!     let mut handshake = client::Handshake::new(Config::new(), &client::Request::new(uri), SystemRandom::new()?)?;
//!     run(&mut handshake, stream)?;
//!     Ok(handshake.into_response()?.upgrade()?)
//! }
//! # struct Script(io::Cursor<&'static [u8]>, Vec<u8>);
//! # impl Read for Script { fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> { self.0.read(buf) } }
//! # impl Write for Script {
//! #     fn write(&mut self, buf: &[u8]) -> io::Result<usize> { self.1.write(buf) }
//! #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
//! # }
//! # let script = Script(io::Cursor::new(b"HTTP/1.1 407 No\r\n\r\n"), Vec::new());
//! # assert!(connect(&mut BufReader::new(script), "ws://example.com/").unwrap_err().to_string().contains("407"));
//! # let script = Script(io::Cursor::new(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 404 No\r\n\r\n"), Vec::new());
//! # assert!(connect(&mut BufReader::new(script), "ws://example.com/").unwrap_err().to_string().contains("404"));
//! ```
//!
//! The proxy looks up the server's name, which need not have an address here. Credentials for the proxy are sent to the
//! proxy alone, and those for the server, which are headers of its request, to the server alone. With `ws://` the proxy
//! can read both.
//!
//! [`Exchange`]: super::Exchange

mod connect;
mod socks5;

use core::fmt;

pub use connect::{Connect, Response};
pub use socks5::{Reply, Socks5};

use super::{
    credentials::{Credentials, CredentialsError},
    http1::{collect::HeadError, write::InvalidHeader},
};
use crate::{Uri, handshake::NotWritten};

/// What a client asks a proxy for: a tunnel to the host and the port of an address.
///
/// The rest of the address is not sent to the proxy.
#[derive(Clone, Copy)]
#[must_use = "give it to `Connect` or `Socks5`"]
pub struct Request<'a> {
    uri: Uri<'a>,
    credentials: Option<Credentials<'a>>,
    headers: &'a [(&'a str, &'a str)],
}

// Without the headers, in which there may be credentials; and no more of the address than the proxy is told.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({}:{})", self.uri.bracketed_host(), self.uri.port())
    }
}

impl<'a> Request<'a> {
    /// A request without credentials.
    pub const fn new(uri: Uri<'a>) -> Self {
        Self { uri, credentials: None, headers: &[] }
    }

    /// Credentials for the proxy: `Proxy-Authorization: Basic` (RFC 7617), or those of SOCKS5 (RFC 1929), which are
    /// sent only if the proxy wants them.
    ///
    /// The proxy is sent them unencrypted, unless the stream to the proxy is TLS.
    pub fn credentials(mut self, credentials: impl Into<Option<Credentials<'a>>>) -> Self {
        self.credentials = credentials.into();
        self
    }

    /// Further headers for the proxy, such as `User-Agent`. SOCKS5 has none.
    pub const fn headers(mut self, headers: &'a [(&'a str, &'a str)]) -> Self {
        self.headers = headers;
        self
    }
}

/// Why a proxy can't be asked. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The credentials can't be sent.
    Credentials(CredentialsError),
    /// A header can't be sent.
    Header(InvalidHeader),
    /// The host's name has more than 255 bytes, for which SOCKS5 has no place (RFC 1928 §5).
    Host,
    /// The store is too small.
    StoreTooSmall {
        /// How many bytes it must hold.
        needed: usize,
        /// How many bytes it can hold.
        capacity: usize,
    },
    /// The allocator had no memory for the request.
    OutOfMemory,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(error) => error.fmt(f),
            Self::Header(error) => error.fmt(f),
            Self::Host => f.write_str("name of a host that is too long for SOCKS5 (at most 255 bytes)"),
            Self::StoreTooSmall { needed, capacity } => write!(f, "store of {capacity} bytes (at least {needed})"),
            Self::OutOfMemory => f.write_str("out of memory for the request to a proxy"),
        }
    }
}

impl core::error::Error for RequestError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Credentials(error) => Some(error),
            Self::Header(error) => Some(error),
            _ => None,
        }
    }
}

impl From<CredentialsError> for RequestError {
    fn from(error: CredentialsError) -> Self {
        Self::Credentials(error)
    }
}

impl From<NotWritten> for RequestError {
    fn from(error: NotWritten) -> Self {
        match error {
            NotWritten::TooSmall { needed, capacity } => Self::StoreTooSmall { needed, capacity },
            NotWritten::OutOfMemory => Self::OutOfMemory,
        }
    }
}

/// Why a proxy did not open a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TunnelError {
    /// The status of an HTTP proxy's response is not 2xx. 407: it wants credentials, or others.
    Refused {
        /// The status that was received.
        status: u16,
    },
    /// The bytes are not the head of an HTTP response, or the head is over a limit.
    Head(HeadError),
    /// The stream ended inside an answer of SOCKS5.
    Incomplete,
    /// An answer of a SOCKS5 proxy begins with another version. `H` (72) is probably HTTP, and 4 is SOCKS4.
    Version {
        /// The byte in its place.
        found: u8,
    },
    /// The SOCKS5 proxy accepts none of the methods of authentication (RFC 1928 §3). If none of them was a user name
    /// and a password, it probably wants these.
    NoMethod,
    /// The SOCKS5 proxy chose a method that was not offered.
    Method {
        /// Its number.
        found: u8,
    },
    /// The SOCKS5 proxy does not accept the user name and the password (RFC 1929 §2).
    Credentials,
    /// The SOCKS5 proxy has not connected to the server (RFC 1928 §6).
    Reply(Reply),
    /// The reply of the SOCKS5 proxy has an address of an unknown type.
    AddressType {
        /// The type.
        found: u8,
    },
}

impl TunnelError {
    /// Whether the next attempt may succeed. A status is judged as that of a server.
    pub(crate) fn may_pass(self) -> bool {
        match self {
            Self::Incomplete => true,
            Self::Reply(reply) => reply.may_pass(),
            _ => false,
        }
    }
}

impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status } => write!(f, "the proxy refused with status {status}"),
            Self::Head(error) => write!(f, "answer of the proxy: {error}"),
            Self::Incomplete => f.write_str("the stream ended inside an answer of the SOCKS5 proxy"),
            Self::Version { found } => write!(f, "answer of version {found} from the SOCKS5 proxy (only 5)"),
            Self::NoMethod => f.write_str("the SOCKS5 proxy wants another authentication"),
            Self::Method { found } => write!(f, "authentication {found} from the SOCKS5 proxy, which was not offered"),
            Self::Credentials => f.write_str("the SOCKS5 proxy does not accept the user name and the password"),
            Self::Reply(reply) => write!(f, "the SOCKS5 proxy has not connected: {reply}"),
            Self::AddressType { found } => write!(f, "address of type {found} from the SOCKS5 proxy (only 1, 3 or 4)"),
        }
    }
}

impl core::error::Error for TunnelError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Head(error) => Some(error),
            Self::Reply(reply) => Some(reply),
            _ => None,
        }
    }
}

impl From<HeadError> for TunnelError {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}
