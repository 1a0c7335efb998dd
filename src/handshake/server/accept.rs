use core::{fmt, str};

use super::{Refusal, Request, request::Form};
#[cfg(feature = "deflate")]
use crate::deflate;
use crate::{
    Config, Connection, Sender, Server, Storage,
    connection::Extensions,
    handshake::{
        EXTENSIONS, PROTOCOL,
        http1::write::{self, InvalidHeader, NotWritten},
    },
    storage::OutOfMemory,
};

/// A valid request for a WebSocket, which waits to be accepted.
#[derive(Debug)]
pub struct Upgrade<I, O> {
    request: Request<I, O>,
    answer: Answer,
}

/// The parts of the response that do not depend on the caller.
#[derive(Debug)]
struct Answer {
    form: Form,
    #[cfg(feature = "deflate")]
    deflate: Option<deflate::Accepted>,
}

impl<I: Storage, O: Storage> Upgrade<I, O> {
    #[inline]
    pub(crate) fn new(request: Request<I, O>, form: Form) -> Self {
        let answer = Answer {
            form,
            #[cfg(feature = "deflate")]
            deflate: request.config.deflate.and_then(|wanted| deflate::accept(&wanted, &request.headers())),
        };
        Self { request, answer }
    }

    /// What will be agreed on for compressed messages if the request is accepted; `None` without compression.
    #[cfg(feature = "deflate")]
    pub fn compression(&self) -> Option<&deflate::Agreement> {
        self.answer.deflate.as_ref().map(|accepted| &accepted.agreement)
    }

    /// The request: its path, its headers.
    pub fn request(&self) -> &Request<I, O> {
        &self.request
    }

    /// The origin of the page that opens the connection. Browsers send it.
    pub fn origin(&self) -> Option<&[u8]> {
        self.request.headers().get("Origin")
    }

    /// Checks that the [`origin`](Self::origin) is one of these, or is missing. A program that is not a browser usually
    /// sends no origin.
    ///
    /// ```
    /// # use websocket_proto::server::{Refusal, Upgrade};
    /// # fn check(upgrade: Upgrade<Vec<u8>, Vec<u8>>) -> Result<(), Refusal> {
    /// upgrade.check_origin(&["https://example.com", "https://www.example.com"])?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Refusal::Origin`] (403) for every other [`origin`](Self::origin). The whole origin is compared, and
    /// upper and lower case are the same.
    pub fn check_origin(&self, allowed: &[impl AsRef<str>]) -> Result<(), Refusal> {
        let is_allowed =
            |origin| allowed.iter().any(|allowed| allowed.as_ref().as_bytes().eq_ignore_ascii_case(origin));
        if self.origin().is_none_or(is_allowed) { Ok(()) } else { Err(Refusal::Origin) }
    }

    /// The subprotocols that the client offers, the preferred one first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.request.headers().tokens(PROTOCOL).filter_map(|token| str::from_utf8(token).ok())
    }

    /// The first subprotocol in the client's order that is in `supported`; `None` if there is none.
    ///
    /// It is borrowed from `supported`, so it outlives the request.
    ///
    /// ```
    /// # use websocket_proto::{Connection, Server, server::{Accept, AcceptError, Upgrade}};
    /// # type Vecs = Connection<Server, Vec<u8>, Vec<u8>>;
    /// # fn check(upgrade: Upgrade<Vec<u8>, Vec<u8>>) -> Result<Vecs, AcceptError> {
    /// let subprotocol = upgrade.select_subprotocol(&["chat.v2", "chat.v1"]);
    /// let connection = upgrade.accept(&Accept::new().subprotocol(subprotocol))?;
    /// # Ok(connection) }
    /// ```
    pub fn select_subprotocol<'s>(&self, supported: &[&'s str]) -> Option<&'s str> {
        self.subprotocols().find_map(|offered| supported.iter().copied().find(|name| *name == offered))
    }

    /// Accepts the request. The 101 response is the sender's first [pending](crate::Sender::pending) output, so no
    /// frame can be sent before it.
    ///
    /// # Errors
    ///
    /// `accept` can't be sent as it is, or does not fit. Nothing is written then.
    #[inline]
    pub fn accept(mut self, accept: &Accept<'_>) -> Result<Connection<Server, I, O>, AcceptError> {
        self.check(accept)?;
        let Self { request, answer } = &mut self;
        let Form::Http1(accept_key) = &answer.form else { return Err(AcceptError::NotHttp1) };
        let extensions = answer.extensions(&request.config)?;
        // After the response there must be space for a Close.
        write::write(&mut request.output, Sender::<Server, O>::MAX_CONTROL_FRAME, |out| {
            out(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Accept: ");
            out(accept_key);
            out(b"\r\n");
            for (name, value) in answer.agreed().chain(accept.added()) {
                write::header(out, name, value.as_bytes());
            }
            out(b"\r\n");
        })?;
        Ok(self.connect(extensions))
    }

    /// The status of the response that accepts: 101, or 200 if the request is a
    /// [list of headers](super::Request::from_header_list).
    pub fn status(&self) -> u16 {
        if self.answer.is_connect() { 200 } else { 101 }
    }

    /// The headers of the response that accepts, if an HTTP library writes it (see
    /// [`Request::from_parts`](super::Request::from_parts) and
    /// [`from_header_list`](super::Request::from_header_list)).
    ///
    /// # Errors
    ///
    /// `accept` can't be sent as it is.
    pub fn response_headers<'a>(
        &'a self,
        accept: &'a Accept<'a>,
    ) -> Result<impl Iterator<Item = (&'a str, &'a str)>, AcceptError> {
        self.check(accept)?;
        let headers = self.answer.headers().into_iter().flatten();
        let added = accept.added().map(|(name, value)| (self.answer.name(name), value));
        Ok(headers.chain(self.answer.agreed()).chain(added))
    }

    /// The connection, if an HTTP library writes the 101 response.
    ///
    /// # Errors
    ///
    /// The output store is too small to answer the peer, or there is no memory for the connection.
    pub fn into_connection(self) -> Result<Connection<Server, I, O>, AcceptError> {
        Sender::<Server, O>::check_store(&self.request.output)?;
        let extensions = self.answer.extensions(&self.request.config)?;
        Ok(self.connect(extensions))
    }

    #[inline]
    fn connect(self, extensions: Extensions) -> Connection<Server, I, O> {
        let Request { mut head, output, config, .. } = self.request;
        head.clear(config.keep);
        Connection::new(Server, &config, extensions, head, output)
    }

    fn check(&self, accept: &Accept<'_>) -> Result<(), AcceptError> {
        // "The value chosen MUST be derived from the client's handshake" (§4.2.2)
        if let Some(subprotocol) = accept.subprotocol
            && !self.subprotocols().any(|offered| offered == subprotocol)
        {
            return Err(AcceptError::SubprotocolNotOffered);
        }
        write::check_handshake_headers(accept.headers).map_err(AcceptError::Header)?;
        if self.answer.is_connect() {
            write::check_list_headers(accept.headers).map_err(AcceptError::Header)?;
        }
        Ok(())
    }
}

impl Answer {
    fn is_connect(&self) -> bool {
        matches!(self.form, Form::Connect)
    }

    /// The headers that every 101 response has, and no other.
    fn headers(&self) -> Option<[(&str, &str); 3]> {
        let Form::Http1(accept_key) = &self.form else { return None };
        let accept_key = str::from_utf8(accept_key).unwrap_or_default();
        Some([("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept_key)])
    }

    /// In HTTP/2, names have no capital letters.
    fn name<'n>(&self, name: &'n str) -> &'n str {
        match name {
            PROTOCOL if self.is_connect() => "sec-websocket-protocol",
            EXTENSIONS if self.is_connect() => "sec-websocket-extensions",
            name => name,
        }
    }

    /// The header that says which extensions the library has agreed on.
    fn agreed(&self) -> impl Iterator<Item = (&str, &str)> {
        #[cfg(feature = "deflate")]
        let extensions = self.deflate.as_ref().map(|accepted| (self.name(EXTENSIONS), accepted.answer.as_str()));
        #[cfg(not(feature = "deflate"))]
        let extensions = None;
        extensions.into_iter()
    }

    #[cfg(feature = "deflate")]
    fn extensions(&self, config: &Config) -> Result<Extensions, OutOfMemory> {
        Extensions::new(self.deflate.as_ref().map(|accepted| accepted.agreement), config)
    }

    #[cfg(not(feature = "deflate"))]
    fn extensions(&self, _: &Config) -> Result<Extensions, OutOfMemory> {
        Ok(Extensions::default())
    }
}

/// What a server adds to its 101 response.
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "give it to `Upgrade::accept`"]
pub struct Accept<'a> {
    subprotocol: Option<&'a str>,
    headers: &'a [(&'a str, &'a str)],
}

impl<'a> Accept<'a> {
    /// No subprotocol, and no further headers.
    pub const fn new() -> Self {
        Self { subprotocol: None, headers: &[] }
    }

    /// The subprotocol that is picked: one that the client has offered, or none.
    pub fn subprotocol(mut self, subprotocol: impl Into<Option<&'a str>>) -> Self {
        self.subprotocol = subprotocol.into();
        self
    }

    /// Further headers, such as `Set-Cookie`.
    pub const fn headers(mut self, headers: &'a [(&'a str, &'a str)]) -> Self {
        self.headers = headers;
        self
    }
}

impl<'a> Accept<'a> {
    fn added(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let subprotocol = self.subprotocol.map(|name| (PROTOCOL, name));
        subprotocol.into_iter().chain(self.headers.iter().copied())
    }
}

/// Why a request can't be accepted: the caller's mistake, not the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptError {
    /// The client has not offered the subprotocol of the [`Accept`]. [`Upgrade::subprotocols`] are those that it has
    /// offered, and [`Upgrade::select_subprotocol`] returns no other.
    SubprotocolNotOffered,
    /// A header can't be sent.
    Header(InvalidHeader),
    /// The request is a [list of headers](super::Request::from_header_list): the HTTP library writes the response, and
    /// [`Upgrade::into_connection`] is the connection.
    NotHttp1,
    /// The output store is too small.
    StoreTooSmall {
        /// How many bytes it must hold: those of the response and of a Close.
        needed: usize,
        /// How many bytes it can hold.
        capacity: usize,
    },
    /// The allocator had no memory for the response, or for the connection.
    OutOfMemory,
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubprotocolNotOffered => {
                f.write_str("subprotocol that the client has not offered (only those of the request)")
            }
            Self::Header(error) => error.fmt(f),
            Self::NotHttp1 => f.write_str("a response in bytes to a list of headers (only its parts)"),
            Self::StoreTooSmall { needed, capacity } => {
                write!(f, "output store of {capacity} bytes (at least {needed})")
            }
            Self::OutOfMemory => f.write_str("out of memory for the connection"),
        }
    }
}

impl core::error::Error for AcceptError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        if let Self::Header(error) = self { Some(error) } else { None }
    }
}

impl From<NotWritten> for AcceptError {
    fn from(error: NotWritten) -> Self {
        match error {
            NotWritten::TooSmall { needed, capacity } => Self::StoreTooSmall { needed, capacity },
            NotWritten::OutOfMemory => Self::OutOfMemory,
        }
    }
}

impl From<OutOfMemory> for AcceptError {
    fn from(OutOfMemory: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}
