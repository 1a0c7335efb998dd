use alloc::string::String;
use core::fmt;

use crate::{
    Uri, UriError,
    handshake::uri::{split_authority, split_before, split_resource, split_scheme},
};

/// The schemes that a `Location` may have, and whether they mean TLS. Servers that redirect every request, whatever it
/// asks for, write those of HTTP.
const SCHEMES: [(&str, bool); 4] = [("ws", false), ("http", false), ("wss", true), ("https", true)];

impl Uri<'_> {
    /// Where a redirect of a request for this address leads, by the `Location` of its
    /// [response](crate::client::Response::location).
    ///
    /// `location` may be relative (RFC 3986 §5.2). `http` and `https` mean `ws` and `wss`. A fragment is dropped:
    /// these addresses have none (RFC 6455 §3).
    ///
    /// ```
    /// use websocket_proto::{Uri, client::{RedirectError, Request}};
    ///
    /// let uri = Uri::parse("wss://example.com/chat?room=1")?;
    /// let redirect = uri.redirect("https://eu.example.com/chat?room=1")?;
    /// assert_eq!(redirect.address(), "wss://eu.example.com/chat?room=1");
    ///
    /// // The credentials are for `example.com` only.
    /// let credentials = [("Authorization", "Bearer 8f3a")];
    /// let headers = if redirect.is_same_origin() { &credentials[..] } else { &[] };
    /// let request = Request::new(Uri::parse(redirect.address())?).headers(headers);
    /// # assert!(headers.is_empty());
    ///
    /// assert!(uri.redirect("/rooms/1")?.is_same_origin());
    /// assert_eq!(uri.redirect("http://example.com/chat"), Err(RedirectError::Insecure));
    /// # drop(request);
    /// # Ok::<(), websocket_proto::Error>(())
    /// ```
    ///
    /// Follow only a few redirects, because they may form a circle. If this machine reaches servers that the peer must
    /// not reach through it, check the address that you connect to, and not the host: a name may lead to any address,
    /// and `127.1` or `2130706433` are names here, but addresses for many resolvers.
    ///
    /// # Errors
    ///
    /// The location is not the address of a WebSocket server, or is one without TLS while this address has TLS.
    pub fn redirect(&self, location: &str) -> Result<Redirect, RedirectError> {
        // "Fragment identifiers are meaningless in the context of WebSocket URIs" (RFC 6455 §3)
        let (reference, _fragment) = split_before(location, |byte| byte == b'#');
        let absolute = split_scheme(reference).and_then(|(scheme, rest)| {
            let (_, secure) = SCHEMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(scheme))?;
            Some((*secure, rest))
        });
        let (secure, server) = match absolute {
            Some((secure, rest)) => (secure, Some(rest)),
            None if has_scheme(reference) => return Err(RedirectError::Scheme),
            None => (self.is_secure(), reference.strip_prefix("//")),
        };
        // The address that the rest is relative to: of another server, only the server is known.
        let (base, resource) = match server {
            Some(rest) => {
                let (authority, resource) = split_authority(rest);
                (Uri::of_server(secure, authority)?, resource)
            }
            None => (*self, reference),
        };
        if self.is_secure() && !secure {
            return Err(RedirectError::Insecure);
        }
        let (path, query) = split_resource(reference, resource)?;
        let address = resolve(&base, path, query).ok_or(RedirectError::OutOfMemory)?;
        let origin = |uri: &Uri<'_>| (uri.is_secure(), uri.port());
        let is_same_origin = origin(self) == origin(&base) && self.host().eq_ignore_ascii_case(base.host());
        Ok(Redirect { address, is_same_origin })
    }
}

/// Whether a reference begins with a scheme: the first segment of a relative path has no colon (RFC 3986 §4.2).
fn has_scheme(reference: &str) -> bool {
    let (_, rest) = split_before(reference, |byte| matches!(byte, b':' | b'/' | b'?'));
    rest.starts_with(':')
}

/// The address of a path and a query that are relative to `base` (RFC 3986 §5.2.2), or `None` without memory for it.
fn resolve(base: &Uri<'_>, path: &str, query: &str) -> Option<String> {
    let scheme = if base.is_secure() { "wss://" } else { "ws://" };
    let [host, colon, port] = base.host_header_parts();
    let [_, base_path, base_query] = base.resource_parts();
    let longest = [scheme, host, colon, port, base_path, "/", path, base_query, query];
    let longest = longest.iter().map(|part| part.len()).fold(0, usize::saturating_add);
    let mut address = String::new();
    address.try_reserve_exact(longest).ok()?;
    [scheme, host, colon, port].iter().for_each(|part| address.push_str(part));
    match path.strip_prefix('/') {
        Some(path) => push_path(&mut address, "", path),
        None if path.is_empty() => address.push_str(base_path),
        None => push_path(&mut address, base_path.rsplit_once('/').unwrap_or_default().0, path),
    }
    address.push_str(if path.is_empty() && query.is_empty() { base_query } else { query });
    Some(address)
}

/// Adds a path that is relative to `folder`, without its dot segments (RFC 3986 §5.2.3, §5.2.4). `folder` is empty or
/// begins with a slash, and does not end with the one before `path`.
fn push_path(address: &mut String, folder: &str, path: &str) {
    let start = address.len();
    let mut segments = folder.split('/').skip(1).chain(path.split('/')).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if segment == ".." {
            let path = address.get(start..).unwrap_or_default();
            address.truncate(start + path.rfind('/').unwrap_or(0));
        }
        match segment {
            "." | ".." if is_last => address.push('/'),
            "." | ".." => {}
            name => {
                address.push('/');
                address.push_str(name);
            }
        }
    }
}

/// Where a redirect leads: what [`Uri::redirect`] returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    address: String,
    is_same_origin: bool,
}

impl Redirect {
    /// The address to connect to next, which [`Uri::parse`] accepts.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The [address](Self::address), for a loop that keeps it.
    pub fn into_address(self) -> String {
        self.address
    }

    /// Whether the address has the scheme, the host and the port of the address before (RFC 6454 §5).
    ///
    /// If not, it may be the server of somebody else: leave out what is for the server before, such as `Authorization`,
    /// `Cookie` (RFC 9110 §15.4), and a subprotocol that is a token. `false` is also the answer from `ws` to `wss`, and
    /// for hosts that differ in more than upper and lower case, such as two forms of one IPv6 address.
    pub const fn is_same_origin(&self) -> bool {
        self.is_same_origin
    }
}

/// Why a redirect must not be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectError {
    /// The location has another scheme than `ws`, `wss`, `http` and `https`, or no `//` after it.
    Scheme,
    /// It leads from `wss` to `ws`, where anybody on the way can read and change the messages.
    Insecure,
    /// It is wrong in another way. An index counts bytes from the beginning of the location.
    Address(UriError),
    /// The allocator had no memory for the address.
    OutOfMemory,
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("redirect to another scheme (only ws://, wss://, http:// and https://)"),
            Self::Insecure => f.write_str("redirect from wss:// to ws:// (only to wss:// and https://)"),
            Self::Address(error) => write!(f, "redirect to an {error}"),
            Self::OutOfMemory => f.write_str("out of memory for the address of a redirect"),
        }
    }
}

impl core::error::Error for RedirectError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        if let Self::Address(error) = self { Some(error) } else { None }
    }
}

impl From<UriError> for RedirectError {
    fn from(error: UriError) -> Self {
        Self::Address(error)
    }
}
