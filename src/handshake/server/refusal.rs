use core::fmt;

use super::Response;
use crate::{
    handshake::VERSION,
    head::{HeadError, HeaderFault},
};

/// Why a request is not a valid opening handshake. Each refusal has a [`response`](Self::response).
///
/// A refusal is small and has no text of the client's. The text is in the [`Request`](super::Request):
/// [`check`](super::Request::check) returns the refusal and leaves the request, with its
/// [method](super::Request::method) and its [headers](super::Request::headers). There is no request if
/// [`into_request`](super::Handshake::into_request) returns the refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The bytes are not the head of an HTTP/1.1 request: 431 if it is too large or has too many headers, 505 for
    /// another version, 503 if there was no memory for it, otherwise 400.
    Head(HeadError),
    /// The target is neither a path nor an address, or has a fragment, or is not ASCII: 400.
    Target,
    /// The [method](super::Request::method) is not GET: 405.
    Method {
        /// Whether it is HEAD. The response to it has no content (RFC 9110 §9.3.2).
        is_head: bool,
    },
    /// There is no `Upgrade: websocket`: 426, or the page that the caller serves there.
    NotAnUpgrade,
    /// A header that the handshake needs is missing, repeated or wrong: 400.
    Header(HeaderFault),
    /// `Sec-WebSocket-Version` is not 13: 426, with the version that is supported.
    WebSocketVersion {
        /// The version; `None` if the value is not a number from 0 to 255 without leading zeros (RFC 6455 §4.3).
        found: Option<u8>,
    },
    /// A list of headers that is not extended CONNECT: a page is asked for, or a tunnel. 405, or the page that the
    /// caller serves there.
    NotConnect,
    /// Extended CONNECT asks for another `:protocol` than `websocket`: 501 (RFC 9220 §3).
    Protocol,
    /// In extended CONNECT, `sec-websocket-version` is missing or not 13: 400, with the version that is supported. 426
    /// belongs to HTTP/1.1.
    ConnectVersion {
        /// As in [`WebSocketVersion`](Self::WebSocketVersion).
        found: Option<u8>,
    },
    /// There is a body: a `Content-Length` other than 0, or a `Transfer-Encoding`: 400.
    Body,
    /// The [origin](super::Upgrade::origin) is not allowed: 403.
    Origin,
}

impl Refusal {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Head(
                HeadError::TooLarge { .. } | HeadError::StoreTooSmall { .. } | HeadError::TooManyHeaders { .. },
            ) => 431,
            Self::Head(HeadError::Version) => 505,
            Self::Head(HeadError::OutOfMemory) => 503,
            Self::Head(_) | Self::Target | Self::Header(_) | Self::ConnectVersion { .. } | Self::Body => 400,
            Self::Method { .. } | Self::NotConnect => 405,
            Self::Protocol => 501,
            Self::NotAnUpgrade | Self::WebSocketVersion { .. } => 426,
            Self::Origin => 403,
        }
    }

    /// The whole response: the status, the headers that belong to it, and a line of text. A response to HEAD has no
    /// text. Neither has a response to a head that can't be parsed, because its method may be HEAD.
    pub const fn response(self) -> Response<'static> {
        let (headers, body): (&[_], &str) = match self {
            Self::Head(_) => (&[], ""),
            Self::Target => (&[], "The request's target is not a path.\n"),
            Self::Method { .. } => (&[("Allow", "GET")], "A WebSocket is asked for with GET.\n"),
            Self::NotAnUpgrade => (&[("Upgrade", "websocket")], "This is a WebSocket server.\n"),
            Self::Header(fault) => match fault {
                HeaderFault::Missing(_) => (&[], "A header of the WebSocket handshake is missing.\n"),
                HeaderFault::Repeated(_) => (&[], "A header of the WebSocket handshake is repeated.\n"),
                HeaderFault::Wrong(_) | HeaderFault::Unexpected(_) => {
                    (&[], "A header of the WebSocket handshake is wrong.\n")
                }
            },
            Self::WebSocketVersion { .. } => (
                &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", VERSION)],
                "This server speaks version 13 of the WebSocket protocol.\n",
            ),
            Self::NotConnect => (&[("allow", "CONNECT")], "A WebSocket is asked for with extended CONNECT.\n"),
            Self::Protocol => (&[], "This server speaks WebSocket.\n"),
            Self::ConnectVersion { .. } => {
                (&[("sec-websocket-version", VERSION)], "This server speaks version 13 of the WebSocket protocol.\n")
            }
            Self::Body => (&[], "A WebSocket handshake has no body.\n"),
            Self::Origin => (&[], "This page may not connect here.\n"),
        };
        let head_only = matches!(self, Self::Method { is_head: true });
        Response::new(self.status()).headers(headers).body(body.as_bytes()).head_only(head_only)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(error) => error.fmt(f),
            Self::Target => f.write_str("invalid request target (only a path or an address)"),
            Self::Method { is_head: true } => f.write_str("method HEAD (only GET)"),
            Self::Method { is_head: false } => f.write_str("wrong method (only GET)"),
            Self::NotAnUpgrade => f.write_str("no Upgrade: websocket header"),
            Self::Header(fault) => fault.fmt(f),
            Self::NotConnect => f.write_str("no extended CONNECT (only that opens a WebSocket)"),
            Self::Protocol => f.write_str("another :protocol (only websocket)"),
            Self::WebSocketVersion { found: Some(found) } | Self::ConnectVersion { found: Some(found) } => {
                write!(f, "Sec-WebSocket-Version {found} (only {VERSION})")
            }
            Self::WebSocketVersion { found: None } | Self::ConnectVersion { found: None } => {
                write!(f, "invalid Sec-WebSocket-Version (only {VERSION})")
            }
            Self::Body => f.write_str("request with a body (none is allowed)"),
            Self::Origin => f.write_str("origin that is not allowed"),
        }
    }
}

impl core::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Head(error) => Some(error),
            Self::Header(fault) => Some(fault),
            _ => None,
        }
    }
}

impl From<HeaderFault> for Refusal {
    fn from(fault: HeaderFault) -> Self {
        Self::Header(fault)
    }
}

impl From<HeadError> for Refusal {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}
