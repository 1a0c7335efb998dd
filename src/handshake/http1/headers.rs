use core::{fmt, iter, str};

use super::super::{EXTENSIONS, PROTOCOL};
use super::grammar::{has, members, text_len};

/// The headers of a request or response, in their order; an iterator over them.
///
/// ```
/// # use websocket_proto::{Config, Input, server};
/// # let mut handshake = server::Handshake::new(Config::new());
/// # let mut bytes = *b"GET / HTTP/1.1\r\nHost: a\r\nCookie: b=c\r\nVia: d, e\r\nVia: f\r\n\r\n";
/// # assert!(handshake.read(&mut Input::new(&mut bytes)));
/// # let request = handshake.into_request()?;
/// let headers = request.headers();
/// assert_eq!(headers.get("cookie"), Some(&b"b=c"[..]));
/// assert_eq!(headers.tokens("via").count(), 3);
/// for header in headers {
///     println!("{header}");
/// }
/// # Ok::<(), server::Refusal>(())
/// ```
#[derive(Clone, Debug)]
pub struct Headers<'h> {
    lines: &'h [u8],
}

impl<'h> Headers<'h> {
    /// From lines that were checked.
    pub(crate) fn new(lines: &'h [u8]) -> Self {
        Self { lines }
    }

    /// Returns the value of the first header with this name, whose case does not matter. Headers that the iterator has
    /// already returned are not found.
    pub fn get(&self, name: &str) -> Option<&'h [u8]> {
        self.all(name).next()
    }

    /// The values of all headers with this name.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
        let mut rest = self.clone();
        iter::from_fn(move || rest.find_line(|line| line.get(name.len()) == Some(&b':') && starts_with(line, name)))
            .map(move |line| line.get(name.len() + 1..).unwrap_or_default().trim_ascii())
    }

    /// The members of all comma-separated lists of tokens with this name, without the whitespace around them. Empty
    /// members are skipped (RFC 9110 §5.6.1). Not for lists with quoted strings, which may contain commas.
    pub fn tokens<'n>(&self, name: &'n str) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
        self.all(name).flat_map(members)
    }

    /// The next line that fits. The iterator continues after it.
    fn find_line(&mut self, fits: impl Fn(&[u8]) -> bool) -> Option<&'h [u8]> {
        loop {
            let (line, rest) = self.lines.split_at_checked(text_len(self.lines) + 2)?;
            self.lines = rest;
            if fits(line) {
                // The empty line ends the head.
                return Some(line).filter(|line| line.len() > 2);
            }
        }
    }

    /// A header that may be there once.
    pub(crate) fn single(&self, name: &'static str) -> Single<'h> {
        let mut single = Single::new(name);
        self.all(name).for_each(|value| single.take(value));
        single
    }
}

/// What is known of `Connection: Upgrade` before a `Connection` header is found.
pub(crate) const NO_CONNECTION: Result<(), HeaderFault> = Err(HeaderFault::Missing("Connection"));

/// What is known when another one is found: `upgrade` may be one of many connection options, in one of many headers.
#[inline]
pub(crate) fn connection_upgrade(so_far: Result<(), HeaderFault>, value: &[u8]) -> Result<(), HeaderFault> {
    if so_far.is_ok() || has(value, b"upgrade") { Ok(()) } else { Err(HeaderFault::Wrong("Connection")) }
}

impl<'h> Iterator for Headers<'h> {
    type Item = Header<'h>;

    fn next(&mut self) -> Option<Header<'h>> {
        let line = self.find_line(|_| true)?;
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        Some(Header { name: str::from_utf8(name).ok()?, value: value.get(1..)?.trim_ascii() })
    }
}

fn starts_with(line: &[u8], name: &str) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
}

/// A header that may be there once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Single<'h> {
    name: &'static str,
    value: Option<&'h [u8]>,
    is_repeated: bool,
}

impl<'h> Single<'h> {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, value: None, is_repeated: false }
    }

    /// Adds a value that was found.
    #[inline]
    pub(crate) fn take(&mut self, value: &'h [u8]) {
        self.is_repeated = self.value.is_some();
        self.value = self.value.or(Some(value.trim_ascii()));
    }

    /// The value, if the header must be there.
    pub(crate) fn once(&self) -> Result<&'h [u8], HeaderFault> {
        self.at_most_once()?.ok_or(HeaderFault::Missing(self.name))
    }

    /// The value, if the header may be missing.
    pub(crate) fn at_most_once(&self) -> Result<Option<&'h [u8]>, HeaderFault> {
        if self.is_repeated { Err(HeaderFault::Repeated(self.name)) } else { Ok(self.value) }
    }
}

/// A header of a request or response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a name and a value")]
pub struct Header<'h> {
    /// The name, in the case in which it was received.
    pub name: &'h str,
    /// The value, without the whitespace around it: usually, but not always, ASCII.
    pub value: &'h [u8],
}

impl fmt::Display for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.value.escape_ascii())
    }
}

/// What is wrong with a header that the handshake needs. Every variant has the header's [name](Self::name).
///
/// The value is in the head: ask [`server::Request::check`](crate::server::Request::check) or
/// [`client::Response::check`](crate::client::Response::check) for the fault, then the
/// [headers](crate::server::Request::headers) for the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderFault {
    /// It is missing.
    Missing(&'static str),
    /// It is there more than once.
    Repeated(&'static str),
    /// Its value is not what it must be.
    Wrong(&'static str),
    /// The server has picked something that was not offered.
    Unexpected(&'static str),
}

impl HeaderFault {
    /// The header's name, as the RFC spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing(name) | Self::Repeated(name) | Self::Wrong(name) | Self::Unexpected(name) => name,
        }
    }
}

impl fmt::Display for HeaderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "no {name} header"),
            Self::Repeated(name) => write!(f, "more than one {name} header"),
            Self::Wrong(name) => write!(f, "wrong value in the {name} header (only {})", allowed(name)),
            Self::Unexpected(name) => write!(f, "something in the {name} header that was not offered"),
        }
    }
}

/// What the value of a header must be.
fn allowed(name: &str) -> &'static str {
    match name {
        "Connection" => "a list with upgrade",
        "Host" => "a host and perhaps a port",
        "Sec-WebSocket-Accept" => "the answer to the key that was sent",
        "Sec-WebSocket-Key" => "16 bytes in base64",
        "Upgrade" => "websocket",
        EXTENSIONS => "a list of extensions",
        PROTOCOL => "a list of tokens",
        _ => "a valid one",
    }
}

impl core::error::Error for HeaderFault {}
