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
//! Both sides are used the same way: `read` while there is input, until it says that the head is whole; then turn the
//! handshake into what was read. Bytes behind the head stay in the [`Input`](crate::Input) and are the connection's first.

pub mod client;
pub(crate) mod extensions;
mod grammar;
mod head;
mod headers;
mod key;
mod lines;
pub mod server;
mod uri;
mod write;

pub use uri::{Uri, UriError};

/// What both sides of the opening handshake have to do with HTTP: headers, and what can be wrong with them.
pub mod http {
    pub use super::{
        head::{HeadError, MalformedHead},
        headers::{Header, HeaderFault, Headers},
        write::InvalidHeader,
    };
}

use head::{HeadError, MalformedHead};
use headers::{HeaderFault, Headers};

/// The only version of the protocol (RFC 6455 §4.1): as it stands in `Sec-WebSocket-Version`.
const VERSION: &str = "13";

const PROTOCOL: &str = "Sec-WebSocket-Protocol";

pub(crate) const EXTENSIONS: &str = "Sec-WebSocket-Extensions";
