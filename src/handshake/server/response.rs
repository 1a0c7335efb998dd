use core::fmt;

use crate::{
    Storage,
    handshake::http1::write::{self, InvalidHeader, NotWritten},
};

/// An HTTP response other than 101: a refusal with any status, headers and body, or a page on the same port.
///
/// [`write`](Self::write) adds `Content-Length` and `Connection: close`: close the transport when the response is
/// written.
///
/// ```
/// use websocket_proto::server::Response;
///
/// let mut out = Vec::new();
/// Response::new(401).headers(&[("WWW-Authenticate", "Bearer")]).body(b"who are you?").write(&mut out)?;
/// assert_eq!(
///     out,
///     b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 12\r\nConnection: close\r\n\r\n\
///       who are you?",
/// );
/// # Ok::<(), websocket_proto::server::ResponseError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "`write` sends it"]
pub struct Response<'a> {
    status: u16,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
    head_only: bool,
}

impl<'a> Response<'a> {
    /// A response without further headers or a body.
    pub const fn new(status: u16) -> Self {
        Self { status, headers: &[], body: &[], head_only: false }
    }

    /// Headers to add.
    pub const fn headers(mut self, headers: &'a [(&'a str, &'a str)]) -> Self {
        self.headers = headers;
        self
    }

    /// The body.
    pub const fn body(mut self, body: &'a [u8]) -> Self {
        self.body = body;
        self
    }

    /// For the answer to HEAD: all headers, with the length of the body, but no body.
    pub const fn head_only(mut self, head_only: bool) -> Self {
        self.head_only = head_only;
        self
    }

    /// The status that was given.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The headers that were given. [`write`](Self::write) adds two, an HTTP library its own.
    pub const fn header_list(&self) -> &'a [(&'a str, &'a str)] {
        self.headers
    }

    /// The body that was given.
    pub const fn content(&self) -> &'a [u8] {
        self.body
    }

    /// Adds the response to `out`.
    ///
    /// # Errors
    ///
    /// See [`ResponseError`]. Nothing is written then.
    pub fn write<S: Storage>(&self, out: &mut S) -> Result<(), ResponseError> {
        if !(200..=599).contains(&self.status) {
            return Err(ResponseError::Status(self.status));
        }
        write::check_headers(self.headers, &["Connection", "Content-Length", "Transfer-Encoding"])
            .map_err(ResponseError::Header)?;
        let (mut status, mut length) = ([0; 20], [0; 20]);
        let status = write::decimal(self.status.into(), &mut status);
        let length = write::decimal(self.body.len(), &mut length);
        // "A server that sends 426 MUST send an Upgrade header field", and name it in `Connection` (RFC 9110 §7.8).
        let upgrade = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Upgrade"));
        write::write(out, 0, |out| {
            for part in [b"HTTP/1.1 ", status, b" ", reason_phrase(self.status).as_bytes(), b"\r\n"] {
                out(part);
            }
            write::headers(out, self.headers);
            // These two have no content, so they have no length of it (RFC 9110 §8.6).
            let has_content = !matches!(self.status, 204 | 304);
            if has_content {
                write::header(out, "Content-Length", length);
            }
            write::header(out, "Connection", if upgrade { b"close, Upgrade" } else { b"close" });
            out(b"\r\n");
            if has_content && !self.head_only {
                out(self.body);
            }
        })
        .map_err(|error| match error {
            NotWritten::TooSmall { needed, capacity } => ResponseError::StoreTooSmall { needed, capacity },
            NotWritten::OutOfMemory => ResponseError::OutOfMemory,
        })
    }
}

fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        // "A client SHOULD ignore the reason-phrase" (RFC 9112 §4): the status is enough.
        _ => "",
    }
}

/// Why a response can't be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// The status is not that of a final response: 200 to 599. [`Upgrade::accept`](super::Upgrade::accept) sends 101.
    Status(u16),
    /// A header can't be sent.
    Header(InvalidHeader),
    /// The store is too small.
    StoreTooSmall {
        /// How many bytes it must hold: those of the response, and those that are in it already.
        needed: usize,
        /// How many bytes it can hold.
        capacity: usize,
    },
    /// The allocator had no memory for the response.
    OutOfMemory,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status} (only 200 to 599)"),
            Self::Header(error) => error.fmt(f),
            Self::StoreTooSmall { needed, capacity } => {
                write!(f, "store of {capacity} bytes (at least {needed})")
            }
            Self::OutOfMemory => f.write_str("out of memory for the response"),
        }
    }
}

impl core::error::Error for ResponseError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        if let Self::Header(error) = self { Some(error) } else { None }
    }
}
