use core::fmt;

use super::credentials::Credentials;

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
    /// Parses `text`. If it may have a user name and a password, take
    /// [`parse_with_credentials`](Self::parse_with_credentials).
    ///
    /// # Errors
    ///
    /// See [`UriError`]: these addresses have no user information and no fragment, and characters that RFC 3986 does
    /// not allow must be percent-encoded.
    pub fn parse(text: &'a str) -> Result<Self, UriError> {
        let (secure, authority, resource) = split(text)?;
        Self::of_parts(text, secure, authority, resource)
    }

    /// Parses `text`, which may have user information: `ws://USER:PASSWORD@HOST/` (RFC 3986 §3.2.1).
    ///
    /// The credentials are returned beside the address, which does not have them. So no proxy is sent them, and no log
    /// shows them. The server is sent them if [its request](crate::client::Request::credentials) has them. Without a
    /// colon the password is empty.
    ///
    /// ```
    /// use websocket_proto::{Credentials, Uri, client::Request};
    ///
    /// let (uri, credentials) = Uri::parse_with_credentials("wss://ann:se%40cret@example.com/chat")?;
    /// assert_eq!(uri.to_string(), "wss://example.com/chat");
    /// assert_eq!(credentials, Some(Credentials::new("ann", "se@cret")));
    /// let request = Request::new(uri).credentials(credentials); // Authorization: Basic YW5uOnNlQGNyZXQ=
    /// # drop(request);
    /// # Ok::<(), websocket_proto::UriError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse), but for the user information.
    pub fn parse_with_credentials(text: &'a str) -> Result<(Self, Option<Credentials<'a>>), UriError> {
        let (secure, authority, resource) = split(text)?;
        // `rsplit_once` has a panic that the compiler keeps.
        let at = authority.bytes().rposition(|byte| byte == b'@');
        let parts = at.and_then(|at| Some((authority.get(..at)?, authority.get(at + 1..)?)));
        let (user_info, server) = parts.unwrap_or(("", authority));
        check_escapes(user_info.as_bytes(), text.len() - resource.len() - authority.len(), b":")?;
        let uri = Self::of_parts(text, secure, server, resource)?;
        Ok((uri, (!user_info.is_empty()).then(|| Credentials::of_user_info(user_info))))
    }

    /// The address whose resource is at the end of `text`.
    fn of_parts(text: &str, secure: bool, authority: &'a str, resource: &'a str) -> Result<Self, UriError> {
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

/// Whether the address has TLS, its authority, and what is behind that.
fn split(text: &str) -> Result<(bool, &str, &str), UriError> {
    let (scheme, rest) = split_scheme(text).ok_or(UriError::Scheme)?;
    let secure = scheme.eq_ignore_ascii_case("wss");
    if !secure && !scheme.eq_ignore_ascii_case("ws") {
        return Err(UriError::Scheme);
    }
    let (authority, resource) = split_authority(rest);
    Ok((secure, authority, resource))
}

/// The scheme, and the text behind it and `://`.
pub(crate) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = split_before(text, |byte| byte == b':');
    Some((scheme, rest.strip_prefix("://")?))
}

/// The authority at the beginning of `rest`, and the path and query behind it.
pub(crate) fn split_authority(rest: &str) -> (&str, &str) {
    split_before(rest, |byte| matches!(byte, b'/' | b'?' | b'#'))
}

/// The path, and the query with its question mark, of the resource at the end of `text`.
pub(crate) fn split_resource<'a>(text: &str, resource: &'a str) -> Result<(&'a str, &'a str), UriError> {
    check_escapes(resource.as_bytes(), text.len() - resource.len(), b":@/?")?;
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
        name => check_escapes(name, 0, b"").is_ok() && !name.is_empty(),
    };
    if is_host && matches!(rest, [] | [b':', ..]) { Ok(len) } else { Err(UriError::Host) }
}

/// An address in any of the forms of RFC 3986 §3.2.2: eight groups of 16 bits, or fewer and `::`, which stands for at
/// least one. An IPv4 address at the end counts as two.
fn is_ipv6(text: &[u8]) -> bool {
    let behind_omission = text.strip_prefix(b"::");
    let (mut groups, mut is_complete, mut rest) = (0, behind_omission.is_none(), behind_omission.unwrap_or(text));
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b':').unwrap_or(rest.len());
        let Some((group, behind)) = rest.split_at_checked(end) else { return false };
        groups += match group {
            [_] | [_, _] | [_, _, _] | [_, _, _, _] if group.iter().all(u8::is_ascii_hexdigit) => 1,
            _ if behind.is_empty() && is_ipv4(group) => 2,
            _ => return false,
        };
        rest = match behind {
            [b':', b':', behind @ ..] if is_complete => {
                is_complete = false;
                behind
            }
            [b':'] => return false,
            [b':', behind @ ..] => behind,
            behind => behind,
        };
    }
    if is_complete { groups == 8 } else { groups < 8 }
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
pub(super) fn hex_digit(digit: u8) -> u16 {
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
    text.split(|byte| *byte == b'.').try_fold(0, |count, part| parse_octet(part).map(|_| count + 1)) == Some(4)
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

/// Checks that all bytes are those of a name or `others`, or belong to a complete percent-escape (RFC 3986 §2.1).
/// `start` is the place of the text in the address.
fn check_escapes(text: &[u8], start: usize, others: &[u8]) -> Result<(), UriError> {
    let is_plain = |byte: &u8| is_in_name(*byte) || others.iter().any(|other| other == byte);
    let mut rest = text;
    loop {
        let plain = rest.iter().position(|byte| !is_plain(byte)).unwrap_or(rest.len());
        rest = match rest.get(plain..).unwrap_or_default() {
            [] => return Ok(()),
            [b'%', a, b, rest @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => rest,
            wrong @ [found, ..] => {
                return Err(UriError::Character { index: start + text.len() - wrong.len(), found: *found });
            }
        };
    }
}

/// unreserved / sub-delims (RFC 3986 §2)
fn is_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
        )
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
    /// It has user information, which only [`Uri::parse_with_credentials`] accepts. In an address from somebody else
    /// "it is likely being used to obscure the authority for the sake of phishing attacks" (RFC 9110 §4.2.4).
    UserInfo,
    /// The user information, the path or the query has a character that must be percent-encoded, or a `%` without two
    /// hexadecimal digits. A `#` begins a fragment, which these addresses must not have, or it "MUST be escaped as %23"
    /// (RFC 6455 §3).
    Character {
        /// The place of the character.
        index: usize,
        /// Its first byte in UTF-8.
        found: u8,
    },
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("address that does not begin with ws:// or wss://"),
            Self::Host => f.write_str("address without a valid host (only a name, or an IPv4 or IPv6 address)"),
            Self::Port => f.write_str("address with an invalid port (only 1 to 65535)"),
            Self::UserInfo => f.write_str("address with user information (none is allowed here)"),
            Self::Character { index, found: found @ b' '..=b'~' } => {
                let found = char::from(*found);
                write!(f, "address with '{found}' at byte {index} (write %{:02X})", u32::from(found))
            }
            Self::Character { index, .. } => {
                write!(f, "address with a character at byte {index} that must be percent-encoded")
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

    use super::{Credentials, Uri, UriError, ipv6_octets, is_ipv6};

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
            ("ws://@h/",             UriError::UserInfo),
            ("ws://u:p/w@h/",        UriError::Port),
            ("ws://u#@h/",           UriError::Character { index: 6, found: b'#' }),
            ("ws://h/p#f",           UriError::Character { index: 8, found: b'#' }),
            ("ws://h#",              UriError::Character { index: 6, found: b'#' }),
            ("ws://h/a b",           UriError::Character { index: 8, found: b' ' }),
            ("ws://h/?ä",            UriError::Character { index: 8, found: 0xC3 }),
            ("ws://h/%",             UriError::Character { index: 7, found: b'%' }),
            ("ws://h/%4",            UriError::Character { index: 7, found: b'%' }),
            ("ws://h/%g0",           UriError::Character { index: 7, found: b'%' }),
            ("ws://h/\r\nX: y",      UriError::Character { index: 7, found: b'\r' }),
        ];
        for (text, error) in table {
            assert_eq!(Uri::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn credentials() {
        #[rustfmt::skip]
        let table = [
            ("ws://h/@p",                     None,                "ws://h/@p"),
            ("ws://@h/",                      None,                "ws://h/"),
            ("ws://:@h/",                     Some(("", "")),      "ws://h/"),
            ("ws://u@h",                      Some(("u", "")),     "ws://h/"),
            ("ws://u:@h",                     Some(("u", "")),     "ws://h/"),
            ("ws://:p@h",                     Some(("", "p")),     "ws://h/"),
            ("WSS://u:p:q@[::1]:9/p?q",       Some(("u", "p:q")),  "wss://[::1]:9/p?q"),
            ("ws://a%40b:%3A%2f%25%20@h?@",   Some(("a@b", ":/% ")), "ws://h/?@"),
            ("ws://%c3%A4:%F0%9f%a6%80@h",    Some(("ä", "🦀")),   "ws://h/"),
            ("ws://a-._~!$&'()*+,;=b:%2525@h", Some(("a-._~!$&'()*+,;=b", "%25")), "ws://h/"),
        ];
        for (text, expected, address) in table {
            let (uri, credentials) =
                Uri::parse_with_credentials(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(credentials, expected.map(|(user, password)| Credentials::new(user, password)), "{text}");
            assert_eq!(std::format!("{uri}"), address, "{text}");
        }
        // Bytes that are no text are sent as they are.
        let (_, credentials) = Uri::parse_with_credentials("ws://%ff:%00@h").unwrap();
        let bytes = credentials.map(|credentials| (credentials.user().next(), credentials.password().next()));
        assert_eq!(bytes, Some((Some(0xFF), Some(0))));
    }

    #[test]
    fn not_credentials() {
        #[rustfmt::skip]
        let table = [
            ("ws://u@",        UriError::Host),
            ("ws://u@:80/",    UriError::Host),
            ("ws://u@h:x/",    UriError::Port),
            ("ws://u:p/w@h/",  UriError::Port),
            ("http://u@h/",    UriError::Scheme),
            ("ws://u@h/ ",     UriError::Character { index: 9, found: b' ' }),
            ("ws://a@b@h/",    UriError::Character { index: 6, found: b'@' }),
            ("wss://a b:c@h/", UriError::Character { index: 7, found: b' ' }),
            ("ws://a:b[@h/",   UriError::Character { index: 8, found: b'[' }),
            ("ws://a%:b@h/",   UriError::Character { index: 6, found: b'%' }),
            ("ws://a:%f@h/",   UriError::Character { index: 7, found: b'%' }),
            ("ws://a:%0g@h/",  UriError::Character { index: 7, found: b'%' }),
            ("ws://a:\r\n@h/", UriError::Character { index: 7, found: b'\r' }),
            ("ws://a:ä@h/",    UriError::Character { index: 7, found: 0xC3 }),
        ];
        for (text, error) in table {
            assert_eq!(Uri::parse_with_credentials(text).map(|(uri, _)| uri), Err(error), "{text}");
        }
    }

    #[test]
    fn errors_say_what_to_write() {
        for (text, expected) in [
            ("ws://h/a b", "address with ' ' at byte 8 (write %20)"),
            ("ws://h/#f", "address with '#' at byte 7 (write %23)"),
            ("ws://h/100%", "address with '%' at byte 10 (write %25)"),
            ("ws://h/ä", "address with a character at byte 7 that must be percent-encoded"),
            ("ws://h/\n", "address with a character at byte 7 that must be percent-encoded"),
        ] {
            assert_eq!(Uri::parse(text).map_err(|error| std::format!("{error}")), Err(expected.into()), "{text}");
        }
    }
}
