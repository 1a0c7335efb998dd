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
pub(crate) mod extensions;
mod http1;
#[cfg(feature = "http")]
mod http_types;
mod key;
mod parts;
pub mod server;
mod uri;

pub(crate) use http1::write::NotWritten;
pub use uri::{Uri, UriError};

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
