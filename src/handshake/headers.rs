use core::{fmt, iter, str};

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
    /// From lines that a parser has found to be headers.
    pub(crate) fn new(lines: &'h [u8]) -> Self {
        Self { lines }
    }

    /// The value of the first header of this name, of those that the iteration has left; its case does not matter.
    pub fn get(&self, name: &str) -> Option<&'h [u8]> {
        self.all(name).next()
    }

    /// The values of all headers of this name.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
        let mut rest = self.clone();
        iter::from_fn(move || rest.find_line(|line| line.get(name.len()) == Some(&b':') && starts_with(line, name)))
            .map(move |line| line.get(name.len() + 1..).unwrap_or_default().trim_ascii())
    }

    /// The members of all comma-separated lists of tokens under this name, without the space around them; empty ones are
    /// passed over (RFC 9110 §5.6.1). Not for lists with quoted strings, which may have commas in them.
    pub fn tokens<'n>(&self, name: &'n str) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
        self.all(name).flat_map(members)
    }

    /// Goes on behind the next line that fits.
    fn find_line(&mut self, fits: impl Fn(&[u8]) -> bool) -> Option<&'h [u8]> {
        loop {
            let (line, rest) = self.lines.split_at_checked(text_len(self.lines) + 2)?;
            self.lines = rest;
            if fits(line) {
                // The empty line is the head's end.
                return Some(line).filter(|line| line.len() > 2);
            }
        }
    }

    /// A header that should be there at most once.
    pub(crate) fn single(&self, name: &'static str) -> Single<'h> {
        let mut single = Single::new(name);
        self.all(name).for_each(|value| single.take(value));
        single
    }
}

/// What is known of `Connection: Upgrade` before any such header is found.
pub(crate) const NO_CONNECTION: Result<(), HeaderFault> = Err(HeaderFault::Missing("Connection"));

/// And when another one is found: it may be one of many connection options, in one of many headers.
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

/// A header that should be there at most once.
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

    /// Takes note of it.
    #[inline]
    pub(crate) fn take(&mut self, value: &'h [u8]) {
        self.is_repeated = self.value.is_some();
        self.value = self.value.or(Some(value.trim_ascii()));
    }

    /// The value of a header that must be there.
    pub(crate) fn once(&self) -> Result<&'h [u8], HeaderFault> {
        self.at_most_once()?.ok_or(HeaderFault::Missing(self.name))
    }

    /// The value of a header that may be there.
    pub(crate) fn at_most_once(&self) -> Result<Option<&'h [u8]>, HeaderFault> {
        if self.is_repeated { Err(HeaderFault::Repeated(self.name)) } else { Ok(self.value) }
    }
}

/// A header of a request or response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a name and a value")]
pub struct Header<'h> {
    /// The name, in the case in which it came.
    pub name: &'h str,
    /// The value, without the space around it; mostly, but not necessarily, ASCII.
    pub value: &'h [u8],
}

impl fmt::Display for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.value.escape_ascii())
    }
}

/// What is wrong with a header that the handshake needs; every variant names the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderFault {
    /// It is not there.
    Missing(&'static str),
    /// It is there more than once.
    Repeated(&'static str),
    /// Its value is not the right one.
    Wrong(&'static str),
    /// It should not be there.
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
            Self::Wrong(name) => write!(f, "wrong value in the {name} header"),
            Self::Unexpected(name) => write!(f, "unexpected {name} header"),
        }
    }
}

impl core::error::Error for HeaderFault {}
