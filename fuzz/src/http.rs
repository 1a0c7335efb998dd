//! Heads as another parser sees them, and a second implementation of the handshake's rules (RFC 6455 §4).

use std::net::Ipv6Addr;

use websocket_proto::head::HeadError;

pub type Headers = Vec<(String, Vec<u8>)>;

/// More than a fuzzer's limits allow.
const MAX_HEADERS: usize = 256;

#[derive(Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub version: u8,
    pub headers: Headers,
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub version: u8,
    pub headers: Headers,
}

/// A request's head and its length; `None` if it is incomplete or wrong.
pub fn request(bytes: &[u8]) -> Option<(Request, usize)> {
    let mut room = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut room);
    let httparse::Status::Complete(len) = request.parse(bytes).ok()? else { return None };
    let (method, target) = (request.method?.to_owned(), request.path?.to_owned());
    Some((Request { method, target, version: request.version?, headers: owned(request.headers) }, len))
}

/// A response's head and its length; `None` if it is incomplete or wrong.
pub fn response(bytes: &[u8]) -> Option<(Response, usize)> {
    let mut room = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut room);
    let httparse::Status::Complete(len) = response.parse(bytes).ok()? else { return None };
    let headers = owned(response.headers);
    Some((Response { status: response.code?, version: response.version?, headers }, len))
}

/// The same headers as the library sees them.
pub fn seen(headers: websocket_proto::head::Headers<'_>) -> Headers {
    headers.map(|header| (header.name.to_owned(), header.value.to_owned())).collect()
}

/// Asserts that a head which a limit refused is over that limit. `is_whole` tells whether some bytes contain a whole
/// head.
pub fn assert_beyond_limit(wire: &[u8], error: HeadError, is_whole: impl Fn(&[u8]) -> bool) {
    match error {
        HeadError::TooLarge { limit } => {
            assert!(wire.len() > limit && !is_whole(&wire[..limit]), "a head of at most {limit} bytes was too large");
        }
        HeadError::TooManyHeaders { limit } => {
            let lines = Vec::from_iter(wire.split_inclusive(|byte| *byte == b'\n'));
            let heads = lines.split(|line| *line == b"\r\n").map(<[_]>::len);
            assert!(heads.max() > Some(1 + limit), "at most {limit} headers were too many");
        }
        HeadError::StoreTooSmall { capacity } => panic!("no limit here is over the {capacity} bytes of the store"),
        _ => {}
    }
}

fn owned(headers: &[httparse::Header<'_>]) -> Headers {
    headers.iter().map(|header| (header.name.to_owned(), header.value.trim_ascii().to_owned())).collect()
}

/// Every value of a header.
pub fn values<'h>(headers: &'h Headers, name: &str) -> Vec<&'h [u8]> {
    let named = headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
    named.map(|(_, value)| &value[..]).collect()
}

/// The members of a list, in lower case.
fn members(headers: &Headers, name: &str) -> Vec<Vec<u8>> {
    let list = values(headers, name).join(&b',').to_ascii_lowercase();
    let members = list.split(|byte| *byte == b',').map(|member| member.trim_ascii().to_vec());
    members.filter(|member| !member.is_empty()).collect()
}

fn has_member(headers: &Headers, name: &str, member: &str) -> bool {
    members(headers, name).iter().any(|found| found == member.as_bytes())
}

/// Whether a server must accept this as an opening handshake (§4.2.1). The syntax of extensions is not checked.
pub fn is_handshake(request: &Request) -> bool {
    let headers = &request.headers;
    request.method == "GET"
        && request.version == 1
        && matches!(values(headers, "Host")[..], [host] if is_authority(host))
        && has_member(headers, "Upgrade", "websocket")
        && has_member(headers, "Connection", "upgrade")
        && values(headers, "Sec-WebSocket-Version") == [b"13"]
        && matches!(values(headers, "Sec-WebSocket-Key")[..], [key] if is_key(key))
        && values(headers, "Transfer-Encoding").is_empty()
        && matches!(values(headers, "Content-Length")[..], [] | [b"0"])
        && values(headers, "Origin").len() <= 1
        && members(headers, "Sec-WebSocket-Protocol").iter().flatten().all(|byte| is_token_byte(*byte))
}

/// Whether a client must accept this as the acceptance of its request (§4.1).
pub fn is_acceptance(response: &Response, accept_key: &[u8], subprotocols: &[&str]) -> bool {
    let headers = &response.headers;
    response.status == 101
        && matches!(values(headers, "Upgrade")[..], [upgrade] if upgrade.eq_ignore_ascii_case(b"websocket"))
        && has_member(headers, "Connection", "upgrade")
        && values(headers, "Sec-WebSocket-Accept") == [accept_key]
        && match values(headers, "Sec-WebSocket-Protocol")[..] {
            [] => true,
            [picked] => subprotocols.iter().any(|offered| offered.as_bytes() == picked),
            _ => false,
        }
        && members(headers, "Sec-WebSocket-Extensions").is_empty()
}

/// A member of `Sec-WebSocket-Extensions`.
#[derive(Debug)]
pub struct Extension {
    pub name: String,
    pub parameters: Vec<(String, Option<String>)>,
}

/// The members of such a list, which may be empty (RFC 6455 §9.1). Quoted or not, a value is a token, so it contains no
/// comma, semicolon or equals sign.
pub fn extensions(value: &[u8]) -> Option<Vec<Extension>> {
    let value = str::from_utf8(value).ok()?;
    let members = value.split(',').map(str::trim_ascii).filter(|member| !member.is_empty());
    let parameter = |part: &str| match part.split_once('=') {
        None => Some((token(part)?, None)),
        Some((name, value)) => {
            let quoted = value.trim_ascii().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let value = match quoted {
                Some(quoted) => token(&unquoted(quoted)?)?,
                None => token(value)?,
            };
            Some((token(name)?, Some(value)))
        }
    };
    let extension = |member: &str| {
        let (name, parameters) = member.split_once(';').map_or((member, None), |(name, rest)| (name, Some(rest)));
        let parameters = parameters.map_or(Some(Vec::new()), |rest| rest.split(';').map(parameter).collect())?;
        Some(Extension { name: token(name)?, parameters })
    };
    members.map(extension).collect()
}

fn token(text: &str) -> Option<String> {
    let token = text.trim_ascii();
    (!token.is_empty() && token.bytes().all(is_token_byte)).then(|| token.to_owned())
}

/// Without the backslashes. Whitespace inside quotes is a part of the value, so it is not trimmed.
fn unquoted(text: &str) -> Option<String> {
    let mut characters = text.chars();
    let mut value = String::new();
    while let Some(character) = characters.next() {
        value.push(if character == '\\' { characters.next()? } else { character });
    }
    (!value.contains(char::is_whitespace)).then_some(value)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A host with an optional port, or nothing (RFC 9110 §7.2).
fn is_authority(value: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(value) else { return false };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let port = rest.strip_prefix(':').or(rest.is_empty().then_some(""));
        return address.parse::<Ipv6Addr>().is_ok() && port.is_some_and(is_port);
    }
    let (host, port) = text.split_once(':').unwrap_or((text, ""));
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
    let mut parts = host.split('%');
    let is_host = parts.next().is_some_and(|part| part.bytes().all(is_host_byte))
        && parts.all(|part| {
            let is_escape = part.get(..2).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
            is_escape && part.bytes().all(is_host_byte)
        });
    text.is_empty() || (is_host && !host.is_empty() && is_port(port))
}

/// 16 bytes in base64: 22 characters, and padding.
fn is_key(value: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    matches!(value, [digits @ .., b'=', b'='] if digits.len() == 22 && digits.iter().all(is_base64))
}
