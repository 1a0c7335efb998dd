use core::{fmt, net::Ipv6Addr};

/// A `ws:` or `wss:` address (RFC 6455 §3), taken apart.
///
/// ```
/// use websocket_proto::Uri;
///
/// let uri = Uri::parse("wss://example.com:8443/chat?room=1")?;
/// assert!(uri.is_secure());
/// assert_eq!((uri.host(), uri.port()), ("example.com", 8443)); // where to connect
/// assert_eq!(uri.resource().to_string(), "/chat?room=1");      // what to ask for
/// assert_eq!(uri.host_header().to_string(), "example.com:8443");
///
/// let uri = Uri::parse("ws://[::1]")?;
/// assert_eq!((uri.host(), uri.port()), ("::1", 80));
/// assert_eq!(uri.resource().to_string(), "/");
/// assert_eq!(uri.host_header().to_string(), "[::1]");
/// # Ok::<(), websocket_proto::UriError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Uri<'a> {
    secure: bool,
    /// With the brackets of an IPv6 address.
    host: &'a str,
    port: u16,
    /// The port's digits; none when it is the scheme's own.
    port_digits: &'a str,
    path: &'a str,
    /// With its question mark.
    query: &'a str,
}

impl<'a> Uri<'a> {
    /// Takes `text` apart.
    ///
    /// # Errors
    ///
    /// See [`UriError`]: user information and fragments have no place in these addresses, and what RFC 3986 would have
    /// escaped must be.
    pub fn parse(text: &'a str) -> Result<Self, UriError> {
        let (scheme, rest) = text.split_once("://").ok_or(UriError::Scheme)?;
        let (secure, default_port) = match scheme {
            _ if scheme.eq_ignore_ascii_case("ws") => (false, 80),
            _ if scheme.eq_ignore_ascii_case("wss") => (true, 443),
            _ => return Err(UriError::Scheme),
        };
        if let Some(fragment) = text.find('#') {
            return Err(UriError::Fragment { index: fragment });
        }
        let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = resource.split_at(resource.find('?').unwrap_or(resource.len()));
        if authority.contains('@') {
            return Err(UriError::UserInfo);
        }
        let (host, port) = split_authority(authority)?;
        let (port, port_digits) = match port {
            "" => (default_port, ""),
            digits if !digits.bytes().all(|byte| byte.is_ascii_digit()) => return Err(UriError::Port),
            digits => {
                let port = digits.parse().map_err(|_| UriError::Port)?;
                let digits = if port == default_port { "" } else { digits.trim_start_matches('0') };
                (port, digits)
            }
        };
        if port == 0 {
            return Err(UriError::Port);
        }
        check_escapes(text, resource, |byte| is_pchar(byte) || matches!(byte, b'/' | b'?'))?;
        Ok(Self { secure, host, port, port_digits, path, query })
    }

    /// Whether the transport is TLS: `wss`.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host to connect to: a name, an IPv4 address, or an IPv6 address without its brackets.
    pub fn host(&self) -> &'a str {
        self.host.trim_matches(['[', ']'])
    }

    /// The port to connect to: 80 for `ws` and 443 for `wss` unless the address says otherwise.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The path, possibly empty.
    pub const fn path(&self) -> &'a str {
        self.path
    }

    /// What follows the question mark, if there is one.
    pub fn query(&self) -> Option<&'a str> {
        self.query.strip_prefix('?')
    }

    /// The request's target: `/` if the path is empty, and the query.
    pub fn resource(&self) -> impl fmt::Display + use<'a> {
        Joined(self.resource_parts())
    }

    /// The value of the `Host` header: the port is in it unless it is the scheme's own.
    pub fn host_header(&self) -> impl fmt::Display + use<'a> {
        Joined(self.host_header_parts())
    }

    pub(crate) fn resource_parts(&self) -> [&'a str; 3] {
        [if self.path.is_empty() { "/" } else { "" }, self.path, self.query]
    }

    pub(crate) fn host_header_parts(&self) -> [&'a str; 3] {
        [self.host, if self.port_digits.is_empty() { "" } else { ":" }, self.port_digits]
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.host_header(), self.resource())
    }
}

struct Joined<'a>([&'a str; 3]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| f.write_str(part))
    }
}

/// Whether `text` is a host and perhaps a port, as in a `Host` header; it may be empty.
pub(crate) fn is_authority(text: &str) -> bool {
    text.is_empty() || split_authority(text).is_ok_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The host, with brackets if it has them, and the port's digits, if any.
fn split_authority(authority: &str) -> Result<(&str, &str), UriError> {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']').ok_or(UriError::Host)?;
        address.parse::<Ipv6Addr>().map_err(|_| UriError::Host)?;
        let port = match rest.strip_prefix(':') {
            Some(port) => port,
            None if rest.is_empty() => "",
            None => return Err(UriError::Host),
        };
        let host = authority.get(..address.len() + 2).ok_or(UriError::Host)?;
        return Ok((host, port));
    }
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    if host.is_empty() {
        return Err(UriError::Host);
    }
    check_escapes(host, host, |byte| is_unreserved(byte) || is_sub_delim(byte)).map_err(|_| UriError::Host)?;
    Ok((host, port))
}

/// Checks that `part` of `text` has only bytes that are `allowed`, and whole percent-escapes (RFC 3986 §2.1).
fn check_escapes(text: &str, part: &str, allowed: impl Fn(u8) -> bool) -> Result<(), UriError> {
    let start = text.len() - part.len();
    let bytes = part.as_bytes();
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        index += match byte {
            b'%' if bytes.get(index + 1..index + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => 3,
            byte if *byte != b'%' && allowed(*byte) => 1,
            _ => return Err(UriError::Character { index: start + index }),
        };
    }
    Ok(())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_sub_delim(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

fn is_pchar(byte: u8) -> bool {
    is_unreserved(byte) || is_sub_delim(byte) || matches!(byte, b':' | b'@')
}

/// Why a text is not the address of a WebSocket server. `index` counts bytes from the text's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UriError {
    /// It doesn't begin with `ws://` or `wss://`.
    Scheme,
    /// The host is missing, or no name and no address.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// There is a user name in it: send credentials in a header.
    UserInfo,
    /// There is a fragment in it, which RFC 6455 §3 forbids; a `#` that belongs to the path is written `%23`.
    Fragment {
        /// Where.
        index: usize,
    },
    /// There is a character in it that must be percent-encoded, or a `%` without two digits.
    Character {
        /// Where.
        index: usize,
    },
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("address does not begin with ws:// or wss://"),
            Self::Host => f.write_str("address without a valid host"),
            Self::Port => f.write_str("address with a port that is not from 1 to 65535"),
            Self::UserInfo => f.write_str("address with a user name (send credentials in a header)"),
            Self::Fragment { index } => write!(f, "address with a fragment, at byte {index}"),
            Self::Character { index } => write!(f, "address with a character to be percent-encoded, at byte {index}"),
        }
    }
}

impl core::error::Error for UriError {}

#[cfg(test)]
mod tests {
    use super::{Uri, UriError};

    #[test]
    fn addresses() {
        #[rustfmt::skip]
        let table = [
            ("ws://h",                          "h", 80, "/", "h"),
            ("WS://h/",                         "h", 80, "/", "h"),
            ("ws://h:80/a",                     "h", 80, "/a", "h"),
            ("ws://h:443",                      "h", 443, "/", "h:443"),
            ("ws://h:",                         "h", 80, "/", "h"),
            ("ws://h:08080",                    "h", 8080, "/", "h:8080"),
            ("wss://h:443/",                    "h", 443, "/", "h"),
            ("wss://h:8443/p?q",                "h", 8443, "/p?q", "h:8443"),
            ("ws://h?q",                        "h", 80, "/?q", "h"),
            ("ws://h?a/b?c",                    "h", 80, "/?a/b?c", "h"),
            ("ws://h/?",                        "h", 80, "/?", "h"),
            ("ws://[::1]:9/",                   "::1", 9, "/", "[::1]:9"),
            ("ws://[2001:db8::7]/",             "2001:db8::7", 80, "/", "[2001:db8::7]"),
            ("ws://192.0.2.1:65535",            "192.0.2.1", 65535, "/", "192.0.2.1:65535"),
            ("ws://h/%20:@!$&'()*+,;=-._~/%2f", "h", 80, "/%20:@!$&'()*+,;=-._~/%2f", "h"),
            ("ws://a%20b/",                     "a%20b", 80, "/", "a%20b"),
        ];
        for (text, host, port, resource, host_header) in table {
            let uri = Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((uri.host(), uri.port()), (host, port), "{text}");
            assert_eq!(std::format!("{}", uri.resource()), resource, "{text}");
            assert_eq!(std::format!("{}", uri.host_header()), host_header, "{text}");
            assert_eq!(uri.is_secure(), text.starts_with("wss"), "{text}");
            let shown = std::format!("{uri}");
            assert_eq!(Uri::parse(&shown).map(|again| again.host_header_parts()), Ok(uri.host_header_parts()));
        }
    }

    #[test]
    fn not_addresses() {
        #[rustfmt::skip]
        let table = [
            ("",                     UriError::Scheme),
            ("h",                    UriError::Scheme),
            ("http://h/",            UriError::Scheme),
            ("ws:/h",                UriError::Scheme),
            ("wsx://h",              UriError::Scheme),
            ("ws://",                UriError::Host),
            ("ws:///p",              UriError::Host),
            ("ws://:80/",            UriError::Host),
            ("ws://a b/",            UriError::Host),
            ("ws://ä/",              UriError::Host),
            ("ws://a%2/",            UriError::Host),
            ("ws://[::1",            UriError::Host),
            ("ws://[::1]x/",         UriError::Host),
            ("ws://[::g]/",          UriError::Host),
            ("ws://[fe80::1%25e]/",  UriError::Host),
            ("ws://::1/",            UriError::Host),
            ("ws://h:65536",         UriError::Port),
            ("ws://h:0",             UriError::Port),
            ("ws://h:+80",           UriError::Port),
            ("ws://h:8o",            UriError::Port),
            ("ws://u@h/",            UriError::UserInfo),
            ("ws://u:p@h/",          UriError::UserInfo),
            ("ws://h/p#f",           UriError::Fragment { index: 8 }),
            ("ws://h#",              UriError::Fragment { index: 6 }),
            ("ws://h/a b",           UriError::Character { index: 8 }),
            ("ws://h/?ä",            UriError::Character { index: 8 }),
            ("ws://h/%",             UriError::Character { index: 7 }),
            ("ws://h/%4",            UriError::Character { index: 7 }),
            ("ws://h/%g0",           UriError::Character { index: 7 }),
            ("ws://h/\r\nX: y",      UriError::Character { index: 7 }),
        ];
        for (text, error) in table {
            assert_eq!(Uri::parse(text), Err(error), "{text}");
        }
    }
}
