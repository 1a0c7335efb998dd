#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::{fmt, str};

use super::{Refusal, Upgrade};
use crate::{
    Config, Storage,
    handshake::{
        EXTENSIONS, PROTOCOL, VERSION, extensions,
        http1::{
            collect::{HeadError, MalformedHead},
            grammar::{has, is, is_token, members},
            headers::{HeaderFault, Headers, NO_CONNECTION, Single, connection_upgrade},
            parse::{self, HeaderLine, HeaderLines, RequestLine},
        },
        key::{self, AcceptKey, Key},
        parts::Parts,
        uri::{is_authority, parse_octet, split_before, split_scheme},
    },
};

/// A whole HTTP request: perhaps for a WebSocket, perhaps for a page.
///
/// The same port can serve both: ask [`is_upgrade`](Self::is_upgrade) first, and answer other requests with a
/// [`Response`](super::Response).
pub struct Request<I, O> {
    /// The head, which was checked.
    pub(crate) head: I,
    line: RequestLine,
    /// How to answer, if the headers are those of an opening handshake.
    verdict: Result<Opening, Refusal>,
    pub(crate) output: O,
    pub(crate) config: Config,
}

#[cfg(feature = "alloc")]
impl Request<Vec<u8>, Vec<u8>> {
    /// A request that an HTTP library has already parsed. It is checked like any other request of HTTP/1.1.
    ///
    /// The library also sends the response: see [`Upgrade::response_headers`], and [`Refusal::response`] for the parts
    /// of a refusal.
    ///
    /// ```
    /// use websocket_proto::{Config, server};
    ///
    /// // For `http`, `hyper` and `axum`: `request.headers()` is such a list.
    /// let headers = [
    ///     ("Host", "example.com"),
    ///     ("Connection", "Upgrade"),
    ///     ("Upgrade", "websocket"),
    ///     ("Sec-WebSocket-Version", "13"),
    ///     ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    /// ];
    /// let request = server::Request::from_parts(Config::new(), "GET", "/chat", headers)?;
    /// let upgrade = request.upgrade()?;
    ///
    /// let accept = server::Accept::new();
    /// for (name, value) in upgrade.response_headers(&accept)? {
    ///     println!("{name}: {value}");                 // into the library's 101 response
    /// }
    /// let connection = upgrade.into_connection()?;     // over the stream of the library's upgrade
    /// assert!(connection.sender.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for a request that is received in bytes: a name or value that HTTP does not allow is refused.
    pub fn from_parts<N: AsRef<str>, V: AsRef<[u8]>>(
        config: Config,
        method: &str,
        target: &str,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, Refusal> {
        Self::from_parts_with_storage(config, method, target, headers, Vec::new(), Vec::new())
    }
}

impl<I: Storage, O: Storage> Request<I, O> {
    #[inline]
    pub(crate) fn parse(head: I, output: O, config: Config) -> Result<Self, Refusal> {
        let (line, headers) = RequestLine::parse(head.bytes())?;
        let verdict = Found::new(headers)?.check().map(Opening::Http1);
        Self::with_target(head, line, verdict, output, config)
    }

    /// The same in the caller's stores: see [`Handshake::with_storage`](super::Handshake::with_storage).
    ///
    /// # Errors
    ///
    /// As for [`from_parts`](Request::from_parts).
    pub fn from_parts_with_storage<N: AsRef<str>, V: AsRef<[u8]>>(
        config: Config,
        method: &str,
        target: &str,
        headers: impl IntoIterator<Item = (N, V)>,
        mut input: I,
        mut output: O,
    ) -> Result<Self, Refusal> {
        let is_line = is_token(method.as_bytes()) && !target.is_empty();
        if !is_line || target.bytes().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control()) {
            return Err(HeadError::Malformed(MalformedHead::RequestLine).into());
        }
        output.clear(usize::MAX);
        // With the version, so that the limit is the same as for bytes.
        let first_line = [method.as_bytes(), b" ", target.as_bytes(), b" HTTP/1.1"];
        let mut parts = Parts::new(&mut input, &config, &first_line)?;
        for (name, value) in headers {
            parts.header(name.as_ref().as_bytes(), value.as_ref())?;
        }
        parts.end()?;
        let line = RequestLine::of_parts(method.len(), target.len());
        let verdict = Found::new(line.lines(input.bytes()))?.check().map(Opening::Http1);
        Self::with_target(input, line, verdict, output, config)
    }

    /// The request, if its target is one.
    #[inline]
    fn with_target(
        head: I,
        line: RequestLine,
        verdict: Result<Opening, Refusal>,
        output: O,
        config: Config,
    ) -> Result<Self, Refusal> {
        match line.method(head.bytes()) {
            method if is_target(method, line.target(head.bytes())) => {}
            // With another method (CONNECT) the target may have another form, so the method is what is wrong.
            b"GET" => return Err(Refusal::Target),
            method => return Err(wrong_method(method)),
        }
        Ok(Self { head, line, verdict, output, config })
    }

    pub(crate) fn new(
        head: I,
        line: RequestLine,
        verdict: Result<Opening, Refusal>,
        output: O,
        config: Config,
    ) -> Self {
        Self { head, line, verdict, output, config }
    }

    /// The method, such as `GET`.
    pub fn method(&self) -> &str {
        str::from_utf8(self.line.method(self.head.bytes())).unwrap_or_default()
    }

    /// The target as it is in the request, such as `/chat?room=1`, or an address if the client asked a proxy.
    pub fn target(&self) -> &str {
        str::from_utf8(self.line.target(self.head.bytes())).unwrap_or_default()
    }

    /// The target's path, without the query: a server finds the page by it.
    ///
    /// It is not decoded: `%2e%2e` remains `%2e%2e`.
    pub fn path(&self) -> &str {
        let (path, _) = split_before(self.resource(), |byte| byte == b'?');
        if path.is_empty() { "/" } else { path }
    }

    /// The text after the target's first question mark, if there is one.
    pub fn query(&self) -> Option<&str> {
        let (_, query) = split_before(self.resource(), |byte| byte == b'?');
        query.get(1..)
    }

    /// The headers.
    pub fn headers(&self) -> Headers<'_> {
        parse::headers(self.head.bytes())
    }

    /// Whether the client wants a WebSocket: an `Upgrade` header says so, or extended CONNECT.
    /// [`upgrade`](Self::upgrade) checks the rest.
    pub fn is_upgrade(&self) -> bool {
        if self.line.is_list() {
            return self.verdict != Err(Refusal::NotConnect);
        }
        self.headers().all("Upgrade").any(|value| has(value, b"websocket"))
    }

    /// The request as an opening handshake, if it is a valid one (RFC 6455 §4.2.1).
    ///
    /// # Errors
    ///
    /// The first rule that it breaks, in this order: method, HTTP version, `Host`, `Upgrade`, `Connection`,
    /// `Sec-WebSocket-Version`, `Sec-WebSocket-Key`, body, `Sec-WebSocket-Extensions`, `Sec-WebSocket-Protocol`,
    /// `Origin`. [`check`](Self::check) says the same, and leaves the request.
    #[inline]
    pub fn upgrade(self) -> Result<Upgrade<I, O>, Refusal> {
        let form = match self.opening()? {
            Opening::Http1(key) => Form::Http1(key::accept_key(&key)),
            Opening::Connect => Form::Connect,
        };
        Ok(Upgrade::new(self, form))
    }

    /// Returns the error that [`upgrade`](Self::upgrade) would return, but keeps the request. If a header is wrong, its
    /// value is still in [`headers`](Self::headers), for a log.
    ///
    /// ```
    /// # use websocket_proto::{Config, server};
    /// # let headers = [("Host", "h"), ("Upgrade", "websocket"), ("Connection", "close")];
    /// # let request = server::Request::from_parts(Config::new(), "GET", "/chat", headers)?;
    /// if let Err(server::Refusal::Header(fault)) = request.check() {
    ///     let value = request.headers().get(fault.name()).unwrap_or_default();
    ///     println!("{}: {fault}: {}", request.path(), value.escape_ascii());
    ///     # assert_eq!(value, b"close");
    /// }
    /// # Ok::<(), server::Refusal>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`upgrade`](Self::upgrade).
    pub fn check(&self) -> Result<(), Refusal> {
        self.opening().map(|_| ())
    }

    /// How to answer, if this is an opening handshake.
    fn opening(&self) -> Result<Opening, Refusal> {
        if self.line.is_list() {
            return self.verdict;
        }
        match self.line.method(self.head.bytes()) {
            b"GET" => {}
            method => return Err(wrong_method(method)),
        }
        if self.line.version != 1 {
            return Err(Refusal::Head(HeadError::Version));
        }
        self.verdict
    }

    /// The target without scheme and authority.
    fn resource(&self) -> &str {
        let target = self.target();
        split_absolute(target).map_or(target, |(_, resource)| resource)
    }
}

/// How a request asks for a WebSocket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// By `Upgrade`, with a key to prove that the server speaks WebSocket.
    Http1(Key),
    /// By extended CONNECT.
    Connect,
}

/// How a request is answered.
#[derive(Debug)]
pub(crate) enum Form {
    /// By a 101, with the answer to the key.
    Http1(AcceptKey),
    /// By a 200.
    Connect,
}

/// What a client offers, whatever the version of HTTP.
pub(crate) struct Offer<'h> {
    version: Single<'h>,
    /// All lines of extensions are lists of extensions. Together they are one list (RFC 9110 §5.3), which may be
    /// empty: some devices send that. RFC 6455 §9.1 demands at least one, but a refusal would gain nothing.
    extensions: bool,
    /// All lines of subprotocols are lists of tokens.
    protocols: bool,
    origin: Single<'h>,
}

impl<'h> Offer<'h> {
    const fn nothing() -> Self {
        let (version, origin) = (Single::new("Sec-WebSocket-Version"), Single::new("Origin"));
        Self { version, extensions: true, protocols: true, origin }
    }

    /// Of headers that were checked.
    pub(crate) fn of(headers: &Headers<'h>) -> Self {
        Self {
            version: headers.single("Sec-WebSocket-Version"),
            extensions: headers.all(EXTENSIONS).all(extensions::is_list),
            protocols: headers.all(PROTOCOL).flat_map(members).all(is_token),
            origin: headers.single("Origin"),
        }
    }

    pub(crate) fn check_version(&self) -> Result<(), Refusal> {
        let version = self.version.once()?;
        if version != VERSION.as_bytes() {
            return Err(Refusal::WebSocketVersion { found: parse_octet(version) });
        }
        Ok(())
    }

    /// Checks everything but the version.
    pub(crate) fn check(&self) -> Result<(), HeaderFault> {
        if !self.extensions {
            return Err(HeaderFault::Wrong(EXTENSIONS));
        }
        if !self.protocols {
            return Err(HeaderFault::Wrong(PROTOCOL));
        }
        self.origin.at_most_once().map(|_| ())
    }
}

/// The headers that the handshake needs, found in one pass over all headers.
struct Found<'h> {
    host: Single<'h>,
    /// `Upgrade: websocket`
    upgrade: bool,
    /// `Connection: Upgrade`
    connection: Result<(), HeaderFault>,
    key: Single<'h>,
    length: Single<'h>,
    /// There is a `Transfer-Encoding`.
    encoding: bool,
    offer: Offer<'h>,
}

impl<'h> Found<'h> {
    fn new(headers: HeaderLines<'h>) -> Result<Self, HeadError> {
        let mut found = Self {
            host: Single::new("Host"),
            upgrade: false,
            connection: NO_CONNECTION,
            key: Single::new("Sec-WebSocket-Key"),
            length: Single::new("Content-Length"),
            encoding: false,
            offer: Offer::nothing(),
        };
        for header in headers {
            let HeaderLine { name, value } = header?;
            // The length of a name tells most of these headers from all others.
            match name.len() {
                4 if is(name, b"host") => found.host.take(value),
                6 if is(name, b"origin") => found.offer.origin.take(value),
                7 if is(name, b"upgrade") => found.upgrade |= has(value, b"websocket"),
                10 if is(name, b"connection") => found.connection = connection_upgrade(found.connection, value),
                14 if is(name, b"content-length") => found.length.take(value),
                17 if is(name, b"sec-websocket-key") => found.key.take(value),
                17 if is(name, b"transfer-encoding") => found.encoding = true,
                21 if is(name, b"sec-websocket-version") => found.offer.version.take(value),
                22 if is(name, b"sec-websocket-protocol") => found.offer.protocols &= members(value).all(is_token),
                24 if is(name, b"sec-websocket-extensions") => found.offer.extensions &= extensions::is_list(value),
                _ => {}
            }
        }
        Ok(found)
    }

    /// The key, if the headers are those of an opening handshake.
    fn check(&self) -> Result<Key, Refusal> {
        // "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a Host
        // header field and to any request message that contains more than one Host header field line or a Host header
        // field with an invalid field value." (RFC 9112 §3.2)
        if !is_authority(self.host.once()?) {
            return Err(HeaderFault::Wrong("Host").into());
        }
        if !self.upgrade {
            return Err(Refusal::NotAnUpgrade);
        }
        self.connection?;
        self.offer.check_version()?;
        let key = key::parse(self.key.once()?).ok_or(HeaderFault::Wrong("Sec-WebSocket-Key"))?;
        // One side would take a body for frames, or frames for a body.
        if self.encoding || self.length.at_most_once()?.is_some_and(|length| length != b"0") {
            return Err(Refusal::Body);
        }
        self.offer.check()?;
        Ok(key)
    }
}

// Without the headers: there may be credentials in them.
impl<I, O> fmt::Debug for Request<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({:?})", self.line)
    }
}

fn wrong_method(method: &[u8]) -> Refusal {
    Refusal::Method { is_head: method == b"HEAD" }
}

/// The origin form (`/chat`) or the absolute form (`http://example.com/chat`) of a target, or the asterisk form for
/// OPTIONS (RFC 9112 §3.2). Characters that browsers don't escape are accepted.
pub(super) fn is_target(method: &[u8], target: &[u8]) -> bool {
    let known_form = match target {
        [b'/', ..] => true,
        b"*" => method == b"OPTIONS",
        _ => str::from_utf8(target)
            .ok()
            .and_then(split_absolute)
            .is_some_and(|(host, _)| !host.is_empty() && is_authority(host.as_bytes())),
    };
    known_form && target.iter().all(|byte| byte.is_ascii() && *byte != b'#')
}

/// The authority of a target in absolute form, and the text after it.
fn split_absolute(target: &str) -> Option<(&str, &str)> {
    let (_, rest) = split_scheme(target)
        .filter(|(scheme, _)| ["http", "https", "ws", "wss"].iter().any(|known| known.eq_ignore_ascii_case(scheme)))?;
    Some(split_before(rest, |byte| matches!(byte, b'/' | b'?')))
}
