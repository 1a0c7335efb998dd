//! The opening handshake (RFC 6455 §4): how an HTTP/1.1 connection becomes a [`Connection`](crate::Connection).
//!
//! ```text
//!   client::Handshake ──▶ GET /chat HTTP/1.1 …  ──▶ server::Handshake
//!          │                                               │ read, into_request
//!          │                                               ▼
//!          │                                         server::Request ──▶ not an upgrade: serve a page
//!          │                                               │ upgrade ──▶ Refusal
//!          │                                               ▼
//!          │                                         server::Upgrade
//!          │ read, into_response                           │ accept
//!          ▼                                               ▼
//!   client::Response  ◀── HTTP/1.1 101 …        ◀──   Connection
//!          │ upgrade ──▶ refused: status, headers, body
//!          ▼
//!     Connection
//! ```
//!
//! Both sides are used in the same way: call `read` with each input until it returns `true`, then turn the handshake
//! into the request or response. Bytes after the head stay in the [`Input`](crate::Input): they are the first of the
//! connection.

pub mod client;
mod credentials;
pub(crate) mod extensions;
mod http1;
#[cfg(feature = "http")]
mod http_types;
mod key;
mod parts;
pub mod proxy;
pub mod server;
mod uri;

pub use credentials::{Credentials, CredentialsError};

pub(crate) use http1::write::NotWritten;
pub use uri::{Uri, UriError};

use crate::{Input, Storage};
use http1::{
    collect::Head,
    parse::{StatusLine, StatusStart},
};

/// What a client must have behind it before the next protocol begins: the handshake with a
/// [server](client::Handshake), or with a proxy ([`Connect`](proxy::Connect), [`Socks5`](proxy::Socks5)).
///
/// All are run by the same loop: see [`proxy`].
pub trait Exchange {
    /// The bytes that must still be written. There may be new ones after each [`read`](Self::read).
    fn pending(&self) -> &[u8];

    /// Says that the transport took the first `count` bytes of [`pending`](Self::pending).
    fn consume(&mut self, count: usize);

    /// Uses the bytes of the answer. Returns `true` if it needs no more: the answer is complete, or cannot become
    /// valid.
    ///
    /// After `false` the input is used up. After `true` the rest of it belongs to what follows.
    #[must_use = "`true` ends the loop"]
    fn read(&mut self, input: &mut Input<'_>) -> bool;
}

/// Reads the head of a response, and skips interim ones (1xx) before it. HTTP/1.0 has none, so one of HTTP/1.0 is the
/// final response.
fn read_response<S: Storage>(head: &mut Head<S, StatusStart>, input: &mut Input<'_>) -> bool {
    while head.read(input) {
        // "A client MUST be able to parse one or more 1xx responses received prior to a final response" (RFC 9110
        // §15.2); 101 is final here.
        match head.whole().map(StatusLine::read) {
            Some(StatusLine { status: 100 | 102..=199, version: 1 }) => head.restart(),
            _ => return true,
        }
    }
    false
}

/// The head of an HTTP/1.1 request or response: its headers, and what can be wrong with it.
pub mod head {
    pub use super::http1::{
        collect::{HeadError, MalformedHead},
        headers::{Header, HeaderFault, Headers},
        write::InvalidHeader,
    };
}

/// The only version of the protocol (RFC 6455 §4.1), as in `Sec-WebSocket-Version`.
const VERSION: &str = "13";

const PROTOCOL: &str = "Sec-WebSocket-Protocol";

pub(crate) const EXTENSIONS: &str = "Sec-WebSocket-Extensions";
