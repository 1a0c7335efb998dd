use core::{fmt, str};

use crate::{
    Client, Config, Connection, Randomness, Storage,
    connection::Extensions,
    handshake::{
        EXTENSIONS, Headers, PROTOCOL,
        headers::{HeaderFault, NO_CONNECTION, connection_upgrade},
        key::AcceptKey,
        lines::{self, StatusLine},
    },
};
#[cfg(feature = "deflate")]
use crate::{deflate, storage::OutOfMemory};

/// The server's response: 101, or anything else that a server may say.
///
/// When it is not 101, the beginning of its body is what is left in the input, and the rest comes from the transport.
pub struct Response<K, I, O> {
    /// The head, which parsed.
    head: I,
    random: K,
    request: O,
    accept_key: AcceptKey,
    config: Config,
}

// Not the headers: there may be cookies in them.
impl<K, I: Storage, O> fmt::Debug for Response<K, I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({:?})", StatusLine::read(self.head.bytes()))
    }
}

impl<K: Randomness, I: Storage, O: Storage> Response<K, I, O> {
    /// From a head that was found to be right.
    pub(crate) fn new(head: I, random: K, request: O, accept_key: AcceptKey, config: Config) -> Self {
        Self { head, random, request, accept_key, config }
    }

    /// The status: 101 when the server speaks WebSocket.
    pub fn status(&self) -> u16 {
        StatusLine::read(self.head.bytes()).status
    }

    /// The headers.
    pub fn headers(&self) -> Headers<'_> {
        lines::headers(self.head.bytes())
    }

    /// The subprotocol that the server has picked; `None` if it picked none.
    ///
    /// [`upgrade`](Self::upgrade) checks whether it was free to. It takes the response with it, so copy before what of it is wanted later.
    pub fn subprotocol(&self) -> Option<&str> {
        self.headers().get(PROTOCOL).and_then(|name| str::from_utf8(name).ok())
    }

    /// The connection, if the response is a valid acceptance (RFC 6455 §4.1).
    ///
    /// # Errors
    ///
    /// The first rule that it breaks, in this order: status, `Upgrade`, `Connection`, `Sec-WebSocket-Accept`,
    /// `Sec-WebSocket-Protocol`, `Sec-WebSocket-Extensions`.
    ///
    /// The version of HTTP is not among them: a few servers say `HTTP/1.0 101` and speak WebSocket all the same, and
    /// other clients accept that.
    pub fn upgrade(self) -> Result<Connection<Client<K>, I, O>, UpgradeError> {
        let extensions = self.agreed()?;
        let Self { mut head, mut request, random, config, .. } = self;
        head.clear(config.keep);
        request.clear(config.keep);
        Ok(Connection::new(Client::new(random), &config, extensions, head, request))
    }

    /// What [`upgrade`](Self::upgrade) will say, while the response can still be looked at: an error names a header, and
    /// [`headers`](Self::headers) have its value.
    ///
    /// # Errors
    ///
    /// Those of [`upgrade`](Self::upgrade).
    pub fn check(&self) -> Result<(), UpgradeError> {
        self.agreed().map(drop)
    }

    /// What was agreed on, if the response is a valid acceptance.
    fn agreed(&self) -> Result<Extensions, UpgradeError> {
        let status = self.status();
        if status != 101 {
            return Err(UpgradeError::Refused { status });
        }
        let headers = self.headers();
        if !headers.single("Upgrade").once()?.eq_ignore_ascii_case(b"websocket") {
            return Err(HeaderFault::Wrong("Upgrade").into());
        }
        headers.all("Connection").fold(NO_CONNECTION, connection_upgrade)?;
        if headers.single("Sec-WebSocket-Accept").once()? != self.accept_key {
            return Err(HeaderFault::Wrong("Sec-WebSocket-Accept").into());
        }
        if let Some(subprotocol) = headers.single(PROTOCOL).at_most_once()? {
            let request = lines::headers(self.request.bytes());
            if !request.tokens(PROTOCOL).any(|offered| offered == subprotocol) {
                return Err(HeaderFault::Unexpected(PROTOCOL).into());
            }
        }
        self.extensions(&headers)
    }

    /// What the server has accepted of what was offered.
    fn extensions(&self, headers: &Headers<'_>) -> Result<Extensions, UpgradeError> {
        #[cfg(feature = "deflate")]
        if let Some(wanted) = &self.config.deflate {
            let deflate = deflate::check_answer(wanted, headers)
                .transpose()
                .map_err(|deflate::NotOffered| HeaderFault::Unexpected(EXTENSIONS))?;
            return Extensions::new(deflate, &self.config).map_err(|OutOfMemory| UpgradeError::OutOfMemory);
        }
        // None was offered, so none can be accepted.
        match headers.tokens(EXTENSIONS).next() {
            Some(_) => Err(HeaderFault::Unexpected(EXTENSIONS).into()),
            None => Ok(Extensions::default()),
        }
    }
}

/// Why a response does not open a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The server said something other than 101.
    Refused {
        /// What it said.
        status: u16,
    },
    /// A header of the acceptance is missing, repeated, wrong, or not what was offered.
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
