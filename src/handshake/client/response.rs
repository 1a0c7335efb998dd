use core::{fmt, str};

use crate::{
    Client, Config, Connection, Outcome, Randomness, Storage,
    connection::Extensions,
    handshake::{
        EXTENSIONS, PROTOCOL,
        http1::{
            headers::{HeaderFault, Headers, NO_CONNECTION, connection_upgrade},
            parse::{self, StatusLine},
        },
        key::AcceptKey,
    },
    time::{Retry, RetryAfter},
};
#[cfg(feature = "deflate")]
use crate::{deflate, storage::OutOfMemory};

/// The server's response: 101, or any other.
///
/// If it is not 101, the rest of the input is the beginning of its body.
pub struct Response<K, I, O> {
    /// The head, which was checked.
    head: I,
    random: K,
    request: O,
    /// Extended CONNECT has none.
    accept_key: Option<AcceptKey>,
    config: Config,
}

// Without the headers: there may be cookies in them.
impl<K, I: Storage, O> fmt::Debug for Response<K, I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({:?})", StatusLine::read(self.head.bytes()))
    }
}

impl<K: Randomness, I: Storage, O: Storage> Response<K, I, O> {
    /// From a head that was checked.
    pub(crate) fn new(head: I, random: K, request: O, accept_key: Option<AcceptKey>, config: Config) -> Self {
        Self { head, random, request, accept_key, config }
    }

    /// The status: 101 if the server opens a WebSocket, or 200 over extended CONNECT.
    pub fn status(&self) -> u16 {
        StatusLine::read(self.head.bytes()).status
    }

    /// The headers.
    pub fn headers(&self) -> Headers<'_> {
        parse::headers(self.head.bytes())
    }

    /// The `Retry-After` header; `None` if there is none, or more than one.
    pub fn retry_after(&self) -> Option<RetryAfter<'_>> {
        let value = self.headers().single("Retry-After").at_most_once().ok()??;
        Some(RetryAfter::parse(str::from_utf8(value).ok()?))
    }

    /// Whether to ask again, if the server has refused: by its status, and not before the number of seconds in its
    /// `Retry-After`.
    pub fn retry(&self) -> Retry {
        match (Retry::after_status(self.status()), self.retry_after()) {
            (Retry::Never, _) => Retry::Never,
            (_, Some(RetryAfter::Delay(delay))) => Retry::After(delay),
            (retry, _) => retry,
        }
    }

    /// Where a redirect points to: the value of its only `Location` header (RFC 9110 §10.2.2).
    ///
    /// `None` if the status is not 301, 302, 303, 307 or 308, or if the header is missing, repeated or not UTF-8.
    ///
    /// It is often relative to the address of the request: [`Uri::redirect`](crate::Uri::redirect) (feature `alloc`)
    /// resolves it. This crate follows no redirect: "the server might redirect the client using a 3xx status code (but
    /// clients are not required to follow them)" (RFC 6455 §4.1).
    pub fn location(&self) -> Option<&str> {
        let location = self.headers().single("Location").once().ok()?;
        let is_redirect = matches!(self.status(), 301 | 302 | 303 | 307 | 308);
        str::from_utf8(location).ok().filter(|_| is_redirect)
    }

    /// How the attempt has ended, if the response does not open a connection: for a log, and for
    /// [`Backoff`](crate::time::Backoff). `None` if it opens one.
    ///
    /// The error of [`upgrade`](Self::upgrade) has the status alone, and so does an outcome that is made from it.
    pub fn outcome(&self) -> Option<Outcome> {
        self.check().err().map(|error| Outcome::from(error).with_retry(self.retry()))
    }

    /// The subprotocol that the server has picked; `None` if it has picked none.
    ///
    /// [`upgrade`](Self::upgrade) checks that it was offered. It consumes the response, so copy first what is needed
    /// later.
    pub fn subprotocol(&self) -> Option<&str> {
        self.headers().get(PROTOCOL).and_then(|name| str::from_utf8(name).ok())
    }

    /// The connection, if the response accepts it (RFC 6455 §4.1).
    ///
    /// # Errors
    ///
    /// The first rule that it breaks, in this order: status, `Upgrade`, `Connection`, `Sec-WebSocket-Accept`,
    /// `Sec-WebSocket-Protocol`, `Sec-WebSocket-Extensions`. [`check`](Self::check) says the same, and leaves the
    /// response.
    ///
    /// The version of HTTP is not checked: a few servers say `HTTP/1.0 101` and speak WebSocket, and other clients
    /// accept that.
    pub fn upgrade(self) -> Result<Connection<Client<K>, I, O>, UpgradeError> {
        let extensions = self.agreed()?;
        let Self { mut head, mut request, random, config, .. } = self;
        head.clear(config.keep);
        request.clear(config.keep);
        Ok(Connection::new(Client::new(random), &config, extensions, head, request))
    }

    /// Returns the error that [`upgrade`](Self::upgrade) would return, but keeps the response. If a header is wrong,
    /// its value is still in [`headers`](Self::headers).
    ///
    /// # Errors
    ///
    /// Those of [`upgrade`](Self::upgrade).
    pub fn check(&self) -> Result<(), UpgradeError> {
        self.agreed().map(drop)
    }

    /// What was agreed on, if the response accepts the connection.
    fn agreed(&self) -> Result<Extensions, UpgradeError> {
        let status = self.status();
        let headers = self.headers();
        let Some(accept_key) = &self.accept_key else {
            // "a 2XX series status code" (RFC 8441 §4). There is no key, and a server's answer to one says nothing.
            return if (200..300).contains(&status) {
                self.picked(&headers)
            } else {
                Err(UpgradeError::Refused { status })
            };
        };
        if status != 101 {
            return Err(UpgradeError::Refused { status });
        }
        if !headers.single("Upgrade").once()?.eq_ignore_ascii_case(b"websocket") {
            return Err(HeaderFault::Wrong("Upgrade").into());
        }
        headers.all("Connection").fold(NO_CONNECTION, connection_upgrade)?;
        if headers.single("Sec-WebSocket-Accept").once()? != accept_key {
            return Err(HeaderFault::Wrong("Sec-WebSocket-Accept").into());
        }
        self.picked(&headers)
    }

    /// What the server has picked, if it was offered.
    fn picked(&self, headers: &Headers<'_>) -> Result<Extensions, UpgradeError> {
        if let Some(subprotocol) = headers.single(PROTOCOL).at_most_once()? {
            let request = parse::headers(self.request.bytes());
            if !request.tokens(PROTOCOL).any(|offered| offered == subprotocol) {
                return Err(HeaderFault::Unexpected(PROTOCOL).into());
            }
        }
        self.extensions(headers)
    }

    /// Which of the offered extensions the server has accepted.
    fn extensions(&self, headers: &Headers<'_>) -> Result<Extensions, UpgradeError> {
        #[cfg(feature = "deflate")]
        if let Some(wanted) = &self.config.deflate {
            let deflate = deflate::check_answer(wanted, headers)
                .transpose()
                .map_err(|deflate::NotOffered| HeaderFault::Unexpected(EXTENSIONS))?;
            return Extensions::new(deflate, &self.config).map_err(|OutOfMemory| UpgradeError::OutOfMemory);
        }
        // None was offered, so the server can't accept one.
        match headers.tokens(EXTENSIONS).next() {
            Some(_) => Err(HeaderFault::Unexpected(EXTENSIONS).into()),
            None => Ok(Extensions::default()),
        }
    }
}

/// Why a response does not open a connection. [`Response`] has what was received, until it is consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The status is not 101, or not 200 to 299 over extended CONNECT.
    Refused {
        /// The status that was received. When to ask again, only the response knows: see [`Response::outcome`].
        status: u16,
    },
    /// A header is missing, repeated or wrong, or names something that was not offered.
    Header(HeaderFault),
    /// The server accepted, but the allocator had no memory for the connection.
    OutOfMemory,
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status } => write!(f, "the server refused with status {status}"),
            Self::Header(fault) => fault.fmt(f),
            Self::OutOfMemory => f.write_str("out of memory for the connection"),
        }
    }
}

impl core::error::Error for UpgradeError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        if let Self::Header(fault) = self { Some(fault) } else { None }
    }
}

impl From<HeaderFault> for UpgradeError {
    fn from(fault: HeaderFault) -> Self {
        Self::Header(fault)
    }
}
