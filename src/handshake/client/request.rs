use core::fmt;

use crate::{
    Config, Credentials, CredentialsError, Storage, Uri,
    handshake::{
        EXTENSIONS, VERSION,
        http1::{
            grammar::{is_header_value, is_token},
            write::{self, InvalidHeader, NotWritten},
        },
        key::Key,
    },
};
#[cfg(feature = "deflate")]
use crate::{deflate, storage::OutOfMemory};

const AUTHORIZATION: &str = "Authorization";

/// Checks credentials, and writes their header. Only [`Request::credentials`] refers to it, so a client that never
/// calls that has no code for credentials.
type WriteCredentials =
    fn(&Request<'_>, &Credentials<'_>, name: &str, out: &mut dyn FnMut(&[u8])) -> Result<(), RequestError>;

/// What a client asks for.
#[derive(Clone, Copy)]
#[must_use = "give it to a `Handshake`"]
pub struct Request<'a> {
    uri: Uri<'a>,
    subprotocols: &'a [&'a str],
    origin: Option<&'a str>,
    credentials: Option<(Credentials<'a>, WriteCredentials)>,
    headers: &'a [(&'a str, &'a str)],
}

// Without the headers, in which there may be credentials.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({})", self.uri)
    }
}

impl<'a> Request<'a> {
    /// A request for a WebSocket at this address, with no more than it needs.
    pub const fn new(uri: Uri<'a>) -> Self {
        Self { uri, subprotocols: &[], origin: None, credentials: None, headers: &[] }
    }

    /// The subprotocols that the client speaks, the preferred one first. The server picks one of them, or none.
    pub const fn subprotocols(mut self, subprotocols: &'a [&'a str]) -> Self {
        self.subprotocols = subprotocols;
        self
    }

    /// The origin of the page that opens the connection, as a browser sends it.
    pub const fn origin(mut self, origin: &'a str) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Credentials for the server: `Authorization: Basic` (RFC 7617). Those in an address are read by
    /// [`Uri::parse_with_credentials`].
    ///
    /// With `ws://` everybody on the way can read them.
    pub fn credentials(mut self, credentials: impl Into<Option<Credentials<'a>>>) -> Self {
        const WRITE: WriteCredentials = |request, credentials, name, out| {
            write::check_headers(request.headers, &[AUTHORIZATION]).map_err(RequestError::Header)?;
            credentials.write_header(name, out).map_err(RequestError::Credentials)
        };
        self.credentials = credentials.into().map(|credentials| (credentials, WRITE));
        self
    }

    /// Further headers, such as `Authorization` or `Cookie`.
    pub const fn headers(mut self, headers: &'a [(&'a str, &'a str)]) -> Self {
        self.headers = headers;
        self
    }

    /// Writes the head of HTTP/1.1.
    pub(crate) fn write<S: Storage>(&self, config: &Config, key: &Key, out: &mut S) -> Result<(), RequestError> {
        self.check()?;
        let extensions = extensions(config)?;
        write::write(out, 0, |out| {
            out(b"GET ");
            self.uri.resource_parts().iter().for_each(|part| out(part.as_bytes()));
            out(b" HTTP/1.1\r\nHost: ");
            self.uri.host_header_parts().iter().for_each(|part| out(part.as_bytes()));
            out(b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
            write::header(out, "Sec-WebSocket-Key", key);
            self.write_offer::<false>(out, extensions.as_ref());
        })?;
        Ok(())
    }

    /// Writes the list of extended CONNECT, a line for each header.
    pub(crate) fn write_list<S: Storage>(&self, config: &Config, out: &mut S) -> Result<(), RequestError> {
        self.check()?;
        write::check_list_headers(self.headers).map_err(RequestError::Header)?;
        if self.origin.is_some_and(write::has_space_around) {
            return Err(RequestError::Origin);
        }
        let extensions = extensions(config)?;
        write::write(out, 0, |out| {
            // For `Offer::headers` and `Response::agreed`, the first line is none of the headers.
            out(b"\r\n:method: CONNECT\r\n:protocol: websocket\r\n:scheme: ");
            out(if self.uri.is_secure() { b"https" } else { b"http" });
            out(b"\r\n:path: ");
            self.uri.resource_parts().iter().for_each(|part| out(part.as_bytes()));
            out(b"\r\n:authority: ");
            self.uri.host_header_parts().iter().for_each(|part| out(part.as_bytes()));
            out(b"\r\n");
            self.write_offer::<true>(out, extensions.as_ref());
        })?;
        Ok(())
    }

    /// Writes what is offered whatever the version of HTTP, and the empty line. In a list, names have no capital
    /// letters.
    #[inline]
    fn write_offer<const LIST: bool>(&self, out: &mut dyn FnMut(&[u8]), extensions: Option<&impl AsRef<str>>) {
        let [version, origin, authorization, protocol] = const {
            if LIST {
                ["sec-websocket-version", "origin", "authorization", "sec-websocket-protocol"]
            } else {
                ["Sec-WebSocket-Version", "Origin", AUTHORIZATION, "Sec-WebSocket-Protocol"]
            }
        };
        write::header(out, version, VERSION.as_bytes());
        if let Some(value) = self.origin {
            write::header(out, origin, value.as_bytes());
        }
        if let Some((credentials, write)) = &self.credentials {
            // They were checked.
            let _ = write(self, credentials, authorization, out);
        }
        for (index, subprotocol) in self.subprotocols.iter().enumerate() {
            if index == 0 {
                out(protocol.as_bytes());
                out(b": ");
            } else {
                out(b", ");
            }
            out(subprotocol.as_bytes());
        }
        if !self.subprotocols.is_empty() {
            out(b"\r\n");
        }
        if let Some(extensions) = extensions {
            write::header(
                out,
                if LIST { "sec-websocket-extensions" } else { EXTENSIONS },
                extensions.as_ref().as_bytes(),
            );
        }
        write::headers(out, self.headers);
        out(b"\r\n");
    }

    fn check(&self) -> Result<(), RequestError> {
        for (index, subprotocol) in self.subprotocols.iter().enumerate() {
            // "The elements that comprise this value MUST be non-empty strings with characters in the range U+0021 to
            // U+007E not including separator characters [...] and MUST all be unique strings." (§4.1)
            if !is_token(subprotocol.as_bytes()) {
                return Err(RequestError::Subprotocol { index });
            }
            if self.subprotocols.iter().take(index).any(|before| before == subprotocol) {
                return Err(RequestError::RepeatedSubprotocol { index });
            }
        }
        if self.origin.is_some_and(|origin| !is_header_value(origin.as_bytes())) {
            return Err(RequestError::Origin);
        }
        if let Some((credentials, write)) = &self.credentials {
            write(self, credentials, "", &mut |_| ())?;
        }
        write::check_handshake_headers(self.headers).map_err(RequestError::Header)
    }
}

/// The extensions that are offered.
#[cfg(feature = "deflate")]
fn extensions(config: &Config) -> Result<Option<alloc::string::String>, OutOfMemory> {
    config.deflate.as_ref().map(deflate::offer).transpose()
}

#[cfg(not(feature = "deflate"))]
fn extensions(_: &Config) -> Result<Option<&'static str>, RequestError> {
    Ok(None)
}

/// Why a request can't be sent. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// A subprotocol is not a token: it is empty, or has a character that no subprotocol has.
    Subprotocol {
        /// Its place in the list, from 0.
        index: usize,
    },
    /// A subprotocol is in the list twice.
    RepeatedSubprotocol {
        /// The second place, from 0.
        index: usize,
    },
    /// The origin has a control character other than the tab (RFC 9110 §5.5), or space around it in a list of HTTP/2.
    Origin,
    /// The credentials can't be sent.
    Credentials(CredentialsError),
    /// A header can't be sent.
    Header(InvalidHeader),
    /// The output store is too small.
    StoreTooSmall {
        /// How many bytes it must hold: those of the request, and at least 262.
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
            Self::Subprotocol { index } => write!(f, "invalid subprotocol {index} (only a token)"),
            Self::RepeatedSubprotocol { index } => {
                write!(f, "subprotocol {index} is the same as one before it (each at most once)")
            }
            Self::Origin => f.write_str("invalid origin (no control character but the tab)"),
            Self::Credentials(error) => error.fmt(f),
            Self::Header(error) => error.fmt(f),
            Self::StoreTooSmall { needed, capacity } => {
                write!(f, "output store of {capacity} bytes (at least {needed})")
            }
            Self::OutOfMemory => f.write_str("out of memory for the request"),
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

#[cfg(feature = "deflate")]
impl From<OutOfMemory> for RequestError {
    fn from(OutOfMemory: OutOfMemory) -> Self {
        Self::OutOfMemory
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
