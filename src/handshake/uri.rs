use core::fmt;

/// The parts of a `ws:` or `wss:` address (RFC 6455 §3).
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
    /// The port's digits, without leading zeros; empty for the scheme's default port.
    port_digits: &'a str,
    path: &'a str,
    /// With its question mark.
    query: &'a str,
}

impl<'a> Uri<'a> {
    /// Parses `text`.
    ///
    /// # Errors
    ///
    /// See [`UriError`]: these addresses have no user information and no fragment, and characters that RFC 3986 does
    /// not allow must be percent-encoded.
    pub fn parse(text: &'a str) -> Result<Self, UriError> {
        let (secure, rest) = match (strip_scheme(text, "ws://"), strip_scheme(text, "wss://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(UriError::Scheme),
        };
        if let Some(index) = text.bytes().position(|byte| byte == b'#') {
            return Err(UriError::Fragment { index });
        }
        let (authority, resource) = split_authority(rest);
        let server = Self::of_server(secure, authority)?;
        let (path, query) = split_resource(text, resource)?;
        Ok(Self { path, query, ..server })
    }

    /// The address of a server, with neither a path nor a query.
    pub(crate) fn of_server(secure: bool, authority: &'a str) -> Result<Self, UriError> {
        if authority.bytes().any(|byte| byte == b'@') {
            return Err(UriError::UserInfo);
        }
        let default_port = if secure { 443 } else { 80 };
        let host_len = host_len(authority.as_bytes())?;
        let (host, port) = authority.split_at_checked(host_len).ok_or(UriError::Host)?;
        let (port, port_digits) = match port.get(1..) {
            None | Some("") => (default_port, ""),
            Some(digits) => {
                let port = parse_number(digits.as_bytes()).filter(|port| *port > 0).ok_or(UriError::Port)?;
                let (_, digits) = split_before(digits, |digit| digit != b'0');
                (port, if port == default_port { "" } else { digits })
            }
        };
        Ok(Self { secure, host, port, port_digits, path: "", query: "" })
    }

    /// Whether the transport is TLS: `wss`.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host to connect to: a name, an IPv4 address, or an IPv6 address without its brackets.
    pub fn host(&self) -> &'a str {
        match self.host.as_bytes() {
            [b'[', address @ .., b']'] => self.host.get(1..=address.len()).unwrap_or_default(),
            _ => self.host,
        }
    }

    /// The port to connect to: 80 for `ws` and 443 for `wss`, unless the address has another.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The path, which may be empty.
    pub const fn path(&self) -> &'a str {
        self.path
    }

    /// The text after the question mark, if there is one.
    pub fn query(&self) -> Option<&'a str> {
        self.query.get(1..)
    }

    /// The request's target: `/` if the path is empty, and the query.
    pub fn resource(&self) -> impl fmt::Display + use<'a> {
        Joined(self.resource_parts())
    }

    /// The value of the `Host` header: the host, and the port if it is not the scheme's default.
    pub fn host_header(&self) -> impl fmt::Display + use<'a> {
        Joined(self.host_header_parts())
    }

    /// The host as in the address: an IPv6 address has its brackets.
    pub(crate) fn bracketed_host(&self) -> &'a str {
        self.host
    }

    pub(crate) fn kind_of_host(&self) -> HostKind {
        match self.host.as_bytes() {
            [b'[', address @ .., b']'] => HostKind::V6(ipv6_octets(address)),
            address if is_ipv4(address) => HostKind::V4(ipv4_octets(address)),
            _ => HostKind::Name,
        }
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

/// What a host is. An address is in the order of the network.
pub(crate) enum HostKind {
    Name,
    V4([u8; 4]),
    V6([u8; 16]),
}

struct Joined<'a>([&'a str; 3]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| f.write_str(part))
    }
}

/// The text after the scheme, if the scheme is this one, in upper or lower case.
pub(crate) fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// The authority at the beginning of `rest`, and the path and query behind it.
pub(crate) fn split_authority(rest: &str) -> (&str, &str) {
    split_before(rest, |byte| matches!(byte, b'/' | b'?'))
}

/// The path, and the query with its question mark, of the resource at the end of `text`.
pub(crate) fn split_resource<'a>(text: &str, resource: &'a str) -> Result<(&'a str, &'a str), UriError> {
    check_escapes(resource.as_bytes(), |byte| is_pchar(byte) || matches!(byte, b'/' | b'?'))
        .map_err(|index| UriError::Character { index: text.len() - resource.len() + index })?;
    Ok(split_before(resource, |byte| byte == b'?'))
}

/// The text before the first byte that is an end, and the text from there on. An end must be ASCII.
pub(crate) fn split_before(text: &str, is_end: fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(is_end);
    end.and_then(|end| text.split_at_checked(end)).unwrap_or((text, ""))
}

/// Whether `text` is a host and perhaps a port, as in a `Host` header; it may be empty.
pub(crate) fn is_authority(text: &[u8]) -> bool {
    let port = |host_len: usize| text.get(host_len + 1..).unwrap_or_default();
    text.is_empty() || host_len(text).is_ok_and(|host_len| port(host_len).iter().all(u8::is_ascii_digit))
}

/// The length of the host, with its brackets. After it is nothing, or a colon and what should be a port.
fn host_len(authority: &[u8]) -> Result<usize, UriError> {
    let find = |symbol| authority.iter().position(|byte| *byte == symbol);
    let len = match authority {
        [b'[', ..] => find(b']').ok_or(UriError::Host)? + 1,
        _ => find(b':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at_checked(len).ok_or(UriError::Host)?;
    let is_host = match host {
        [b'[', address @ .., b']'] => is_ipv6(address),
        name => check_escapes(name, |byte| is_unreserved(byte) || is_sub_delim(byte)).is_ok() && !name.is_empty(),
    };
    if is_host && matches!(rest, [] | [b':', ..]) { Ok(len) } else { Err(UriError::Host) }
}

/// An address in any of the forms of RFC 3986 §3.2.2.
fn is_ipv6(text: &[u8]) -> bool {
    let Some(omission) = text.windows(2).position(|pair| pair == b"::") else {
        return count_groups(text, true) == Some(8);
    };
    let (before, behind) = (text.get(..omission).unwrap_or_default(), text.get(omission + 2..).unwrap_or_default());
    // `::` stands for at least one group.
    count_groups(before, false).zip(count_groups(behind, true)).is_some_and(|(before, behind)| before + behind < 8)
}

/// The number of groups of 16 bits, with colons between them. An IPv4 address at the end counts as two, if it is
/// allowed.
fn count_groups(text: &[u8], may_end_in_ipv4: bool) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let mut parts = text.split(|byte| *byte == b':').peekable();
    let mut count = 0;
    while let Some(part) = parts.next() {
        count += match part {
            _ if may_end_in_ipv4 && parts.peek().is_none() && is_ipv4(part) => 2,
            [_] | [_, _] | [_, _, _] | [_, _, _, _] if part.iter().all(u8::is_ascii_hexdigit) => 1,
            _ => return None,
        };
    }
    Some(count)
}

/// The bytes of an IPv6 address that was checked. (The standard library's parser has code that can panic.)
fn ipv6_octets(text: &[u8]) -> [u8; 16] {
    let mut octets = [0; 16];
    let (before, behind) = match text.windows(2).position(|pair| pair == b"::") {
        Some(omission) => (text.get(..omission), text.get(omission + 2..)),
        None => (Some(text), None),
    };
    let [before, behind] = [before, behind].map(|groups| groups.unwrap_or_default());
    let start = octets.len().saturating_sub(group_octets(behind).count());
    octets.iter_mut().zip(group_octets(before)).for_each(|(place, octet)| *place = octet);
    octets.iter_mut().skip(start).zip(group_octets(behind)).for_each(|(place, octet)| *place = octet);
    octets
}

/// The bytes of groups of 16 bits, with an IPv4 address at the end or without.
fn group_octets(groups: &[u8]) -> impl Iterator<Item = u8> {
    groups.split(|byte| *byte == b':').filter(|part| !part.is_empty()).flat_map(|part| {
        if part.contains(&b'.') {
            return ipv4_octets(part).into_iter().take(4);
        }
        let [high, low] = part.iter().fold(0_u16, |group, digit| group << 4 | hex_digit(*digit)).to_be_bytes();
        [high, low, 0, 0].into_iter().take(2)
    })
}

/// The value of a digit, which was checked.
fn hex_digit(digit: u8) -> u16 {
    let value = if digit.is_ascii_digit() { digit & 0xF } else { (digit & 0xF) + 9 };
    value.into()
}

/// The bytes of an IPv4 address that was checked.
fn ipv4_octets(text: &[u8]) -> [u8; 4] {
    let mut octets = [0; 4];
    let numbers = text.split(|byte| *byte == b'.').filter_map(parse_octet);
    octets.iter_mut().zip(numbers).for_each(|(place, number)| *place = number);
    octets
}

/// Four numbers up to 255 in their shortest form, with dots between them.
fn is_ipv4(text: &[u8]) -> bool {
    let mut parts = text.split(|byte| *byte == b'.');
    parts.by_ref().take(4).filter_map(parse_octet).count() == 4 && parts.next().is_none()
}

/// A number up to 255 in its shortest form.
pub(crate) fn parse_octet(digits: &[u8]) -> Option<u8> {
    match digits {
        [] | [b'0', _, ..] => None,
        digits => parse_number(digits)?.try_into().ok(),
    }
}

/// A number that has only digits; 0 without any.
fn parse_number(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0_u16, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

/// Checks that all bytes are `allowed`, or belong to a complete percent-escape (RFC 3986 §2.1). The error is the index
/// of the first one that is not.
fn check_escapes(text: &[u8], allowed: impl Fn(u8) -> bool) -> Result<(), usize> {
    let mut rest = text;
    loop {
        let plain = rest.iter().position(|byte| *byte == b'%' || !allowed(*byte)).unwrap_or(rest.len());
        rest = match rest.get(plain..).unwrap_or_default() {
            [] => return Ok(()),
            [b'%', a, b, rest @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => rest,
            wrong => return Err(text.len() - wrong.len()),
        };
    }
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

/// Why a text is not the address of a WebSocket server. `index` counts bytes from the beginning of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UriError {
    /// It does not begin with `ws://` or `wss://`.
    Scheme,
    /// There is no host, or it is neither a name nor an address.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// It has a user name. Send credentials in a header instead.
    UserInfo,
    /// It has a fragment, which RFC 6455 §3 forbids. A `#` that belongs to the path is written `%23`.
    Fragment {
        /// The place of the `#`.
        index: usize,
    },
    /// The path or the query has a character that must be percent-encoded, or a `%` without two hexadecimal digits.
    Character {
        /// The place of the character.
        index: usize,
    },
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("address that does not begin with ws:// or wss://"),
            Self::Host => f.write_str("address without a host (only a name, or an IPv4 or IPv6 address)"),
            Self::Port => f.write_str("address with an invalid port (only 1 to 65535)"),
            Self::UserInfo => f.write_str("address with a user name (send credentials in a header)"),
            Self::Fragment { index } => write!(f, "address with a fragment, at byte {index} (none is allowed)"),
            Self::Character { index } => {
                write!(f, "address with a character that must be percent-encoded, at byte {index}")
            }
        }
    }
}

impl core::error::Error for UriError {}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use alloc::string::String;
    use core::net::Ipv6Addr;

    use super::{Uri, UriError, ipv6_octets, is_ipv6};

    #[test]
    fn ipv6_addresses_are_those_of_the_standard_library() {
        let parts = [
            "",
            ":",
            "::",
            "1",
            "0a:",
            "ffff:",
            "12345",
            "1:2:3:4:5:",
            ":6:7",
            "1.2.3.4",
            "255.0.0.256",
            "1.02.3.4",
            "1.2.3",
            "g",
        ];
        let mut addresses = 0;
        for number in 0..parts.len().pow(5) {
            let text: String = (0..5).map(|place| parts[number / parts.len().pow(place) % parts.len()]).collect();
            let parsed = text.parse::<Ipv6Addr>();
            assert_eq!(is_ipv6(text.as_bytes()), parsed.is_ok(), "{text}");
            if let Ok(address) = parsed {
                assert_eq!(ipv6_octets(text.as_bytes()), address.octets(), "{text}");
                addresses += 1;
            }
        }
        assert!(addresses > 1000, "{addresses}");
    }

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
