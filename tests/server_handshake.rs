//! The server's opening handshake, row by row: S1–S17 of the conformance table, and the attacks on a handshake.
//!
//! A row is a request and what must come of it. Each is fed whole, byte by byte, cut in two everywhere, with a frame behind
//! it, and, where it can be said in parts, through [`Request::from_parts`].

mod common;

use common::{
    Store,
    cuts::{every_cut, how, in_lengths, pieces},
    frame,
    heads::{ACCEPT, Http, KEY, KEYS, Template, new_server, receive, stale},
    store,
};
use proptest::prelude::*;
use websocket_proto::{
    Config, FixedStorage, Input,
    http::HeadError,
    http::HeaderFault::*,
    http::InvalidHeader,
    server::{Accept, AcceptError, Handshake, Refusal, Request, Response, ResponseError, Upgrade},
};

const REQUEST: Template = Template(
    "GET /chat HTTP/1.1\r\n\
     Host: server.example.com\r\n\
     Upgrade: websocket\r\n\
     Connection: Upgrade\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
     Sec-WebSocket-Version: 13\r\n\r\n",
);

/// How many headers [`REQUEST`] has.
const REQUEST_HEADERS: usize = 5;

/// The 101 response to [`REQUEST`] when nothing is added.
const RESPONSE_LEN: usize = 129;

type StoreUpgrade = Upgrade<Store, Store>;

fn behind() -> Vec<u8> {
    frame(0x81, b"behind the head", true)
}

// ---- What comes of a stream

#[derive(Debug, PartialEq)]
struct Outcome {
    refusal: Option<Refusal>,
    response: Vec<u8>,
    /// What the handshake has not touched; `None` when it refused the head, perhaps before its end: where it stopped is
    /// not promised.
    behind: Option<Vec<u8>>,
    /// What the connection makes of that.
    events: Vec<String>,
}

/// Serves a client that sends these chunks and then ends its stream.
fn serve(config: Config, chunks: &[&[u8]]) -> Outcome {
    let mut chunks: Vec<_> = chunks.iter().map(|chunk| chunk.to_vec()).collect();
    let mut inputs = chunks.iter_mut().map(|chunk| Input::new(chunk));
    let mut handshake = new_server(config);
    let rest = inputs.by_ref().find_map(|mut input| {
        let whole = handshake.read(&mut input);
        assert!(whole || input.is_empty(), "an incomplete head leaves nothing");
        whole.then_some(input)
    });
    let inputs: Vec<_> = rest.into_iter().chain(inputs).collect();
    let request = handshake.into_request();
    let gave_up = matches!(request, Err(Refusal::Head(_)));
    let behind = (!gave_up).then(|| inputs.iter().flat_map(Input::remaining).copied().collect());
    match request.and_then(Request::upgrade) {
        Ok(upgrade) => {
            let mut connection = upgrade.accept(&Accept::new()).unwrap();
            let response = connection.sender.pending().to_vec();
            connection.sender.consume(response.len());
            let events = receive(&mut connection.receiver, &mut connection.sender, inputs);
            Outcome { refusal: None, response, behind, events }
        }
        Err(refusal) => {
            let mut response = store();
            refusal.response().write(&mut response).unwrap();
            Outcome { refusal: Some(refusal), response: response.as_slice().to_vec(), behind, events: Vec::new() }
        }
    }
}

/// Serves `head`, followed by `behind`, in every delivery; they all come to the same.
fn serve_all(label: &str, config: Config, head: &[u8], behind: &[u8]) -> Outcome {
    let stream = [head, behind].concat();
    let whole = serve(config, &[&stream]);
    for cuts in every_cut(stream.len()) {
        assert_eq!(serve(config, &pieces(&stream, &cuts)), whole, "{label}, {}", how(&cuts));
    }
    whole
}

fn handshake(config: Config, head: &[u8]) -> Result<StoreUpgrade, Refusal> {
    let mut handshake = new_server(config);
    handshake.read(&mut Input::new(&mut head.to_vec()));
    handshake.into_request()?.upgrade()
}

fn upgrade(head: &[u8]) -> StoreUpgrade {
    handshake(Config::new(), head).unwrap()
}

// ---- The same in parts

type Parts<'h> = (&'h str, &'h str, Vec<(&'h str, &'h [u8])>);

/// Method, target and headers, as an HTTP library would hand them over, if it would.
fn parts(head: &[u8]) -> Option<Parts<'_>> {
    let mut rest = head;
    let mut lines = core::iter::from_fn(|| {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let line = &rest[..end];
        rest = &rest[end + 2..];
        Some(line)
    });
    let mut line = core::str::from_utf8(lines.next()?).ok()?.split(' ');
    let (method, target, version) = (line.next()?, line.next()?, line.next()?);
    if version != "HTTP/1.1" || line.next().is_some() {
        return None;
    }
    let header = |line: &'_ [u8]| -> Option<(&str, &[u8])> {
        let colon = line.iter().position(|byte| *byte == b':')?;
        // A way around borrowing from the closure's argument: the line stands in the head.
        let start = line.as_ptr() as usize - head.as_ptr() as usize;
        let line = &head[start..start + line.len()];
        Some((core::str::from_utf8(&line[..colon]).ok()?, trim(&line[colon + 1..])))
    };
    let headers = lines.take_while(|line| !line.is_empty()).map(header).collect::<Option<_>>()?;
    Some((method, target, headers))
}

/// Without optional whitespace (RFC 9110 §5.6.3): spaces and tabs, no line ends.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// A request in parts.
fn request_of<N: AsRef<str>, V: AsRef<[u8]>>(
    config: Config,
    method: &str,
    target: &str,
    headers: impl IntoIterator<Item = (N, V)>,
) -> Result<Request<Store, Store>, Refusal> {
    #[cfg(feature = "alloc")]
    {
        Request::from_parts(config, method, target, headers)
    }
    #[cfg(not(feature = "alloc"))]
    {
        Request::from_parts_with_storage(config, method, target, headers, store(), store())
    }
}

fn from_parts(config: Config, (method, target, headers): Parts<'_>) -> Result<StoreUpgrade, Refusal> {
    request_of(config, method, target, headers)?.upgrade()
}

/// Which part of a malformed head is named can differ: a library's parts have no lines.
fn same_refusal(bytes: Refusal, parts: Refusal) -> bool {
    let malformed = |refusal| matches!(refusal, Refusal::Head(HeadError::Malformed(_)));
    bytes == parts || (malformed(bytes) && malformed(parts))
}

// ---- The checks of a row

/// The headers are these and no others, in any order.
fn assert_headers(response: &Http, expected: &[(&str, &str)], label: &str) {
    let mut expected: Vec<_> =
        expected.iter().map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned())).collect();
    let mut found = response.headers.clone();
    expected.sort();
    found.sort();
    assert_eq!(found, expected, "{label}");
}

fn assert_accepted(label: &str, config: Config, head: &[u8], accept: &str) {
    let headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)];
    for (behind, events) in [(behind(), vec!["text behind the head".to_owned()]), (Vec::new(), Vec::new())] {
        let outcome = serve_all(label, config, head, &behind);
        assert_eq!(outcome.refusal, None, "{label}");
        assert_eq!(outcome.behind.as_ref(), Some(&behind), "{label}");
        assert_eq!(outcome.events, events, "{label}");
        let response = Http::parse(&outcome.response);
        assert_eq!(response.first_line, "HTTP/1.1 101 Switching Protocols", "{label}");
        assert_headers(&response, &headers, label);
        assert_eq!(response.body, b"", "{label}");
    }
    if head.starts_with(b"\r\n") {
        return; // an empty line is in no part
    }
    let upgrade = from_parts(config, parts(head).expect(label)).expect(label);
    let nothing = Accept::new();
    let found: Vec<_> = upgrade.response_headers(&nothing).unwrap().collect();
    assert_eq!(found, headers, "{label}");
}

/// What must stand in an answer: the status line, and the headers that belong to this status.
type Answer = (&'static str, &'static [(&'static str, &'static str)]);

#[rustfmt::skip]
mod answer {
    use super::Answer;

    pub(crate) const BAD: Answer         = ("HTTP/1.1 400 Bad Request", &[]);
    pub(crate) const FORBIDDEN: Answer   = ("HTTP/1.1 403 Forbidden", &[]);
    pub(crate) const METHOD: Answer      = ("HTTP/1.1 405 Method Not Allowed", &[("Allow", "GET")]);
    pub(crate) const NO_UPGRADE: Answer  = ("HTTP/1.1 426 Upgrade Required", &[("Upgrade", "websocket")]);
    pub(crate) const WS_VERSION: Answer  =
        ("HTTP/1.1 426 Upgrade Required", &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]);
    pub(crate) const TOO_LARGE: Answer   = ("HTTP/1.1 431 Request Header Fields Too Large", &[]);
    pub(crate) const VERSION: Answer     = ("HTTP/1.1 505 HTTP Version Not Supported", &[]);
}
use answer::*;

/// The answer has its status, its headers and no others, and as much body as it says.
fn assert_answer(label: &str, response: &[u8], (status_line, required): Answer) {
    let response = Http::parse(response);
    assert_eq!(response.first_line, status_line, "{label}");
    // RFC 9110 §7.8: whoever sends Upgrade names it in Connection. §10.1.1 of 9112: a closing server says so.
    let upgrade = required.iter().any(|(name, _)| *name == "Upgrade");
    let length = response.body.len().to_string();
    let mut headers = required.to_vec();
    headers.push(("Connection", if upgrade { "close, Upgrade" } else { "close" }));
    headers.push(("Content-Length", &length));
    assert_headers(&response, &headers, label);
}

fn assert_refused(label: &str, config: Config, head: &[u8], answer: Answer, refusal: Refusal) {
    for behind in [&behind()[..], b"GET /smuggled HTTP/1.1\r\n\r\n", b""] {
        let outcome = serve_all(label, config, head, behind);
        assert_eq!(outcome.refusal, Some(refusal), "{label}");
        assert!(outcome.behind.is_none_or(|untouched| untouched == behind), "{label}");
        assert_answer(label, &outcome.response, answer);
        assert!(answer.0.contains(&format!(" {} ", refusal.status())), "{label}");
    }
    if let Some(parts) = parts(head) {
        let in_parts = from_parts(config, parts).err().unwrap_or_else(|| panic!("{label}: accepted in parts"));
        assert!(same_refusal(refusal, in_parts), "{label}: {refusal:?} in bytes, {in_parts:?} in parts");
    }
}

fn assert_refused_rows(rows: impl IntoIterator<Item = (&'static str, Vec<u8>, Answer, Refusal)>) {
    for (label, head, answer, refusal) in rows {
        assert_refused(label, Config::new(), &head, answer, refusal);
    }
}

const fn malformed(part: &'static str) -> Refusal {
    Refusal::Head(HeadError::Malformed(part))
}

/// A method other than GET and HEAD.
const OTHER: Refusal = Refusal::Method { is_head: false };

// ---- S1 to S7, S9, S10, S14: what is refused

#[test]
#[rustfmt::skip]
fn s1_method() {
    assert_refused_rows([
        ("S1 POST",            REQUEST.line("POST /chat HTTP/1.1"),    METHOD, OTHER),
        ("S1 OPTIONS *",       REQUEST.line("OPTIONS * HTTP/1.1"),     METHOD, OTHER),
        ("S1 methods have a case", REQUEST.line("get /chat HTTP/1.1"), METHOD, OTHER),
        ("S1 longer",          REQUEST.line("GETS /chat HTTP/1.1"),    METHOD, OTHER),
        ("S1 shorter",         REQUEST.line("GE /chat HTTP/1.1"),      METHOD, OTHER),
        ("S1 any token",       REQUEST.line("!#$%&'*+-.^_`|~ / HTTP/1.1"), METHOD, OTHER),
        ("S1 nothing else",    b"POST / HTTP/1.1\r\n\r\n".to_vec(),    METHOD, OTHER),
    ]);
}

/// "The server MUST NOT send content in the response" to HEAD (RFC 9110 §9.3.2), only the headers that belong to the
/// content.
#[test]
fn s1_head() {
    let refusal = Refusal::Method { is_head: true };
    let mut with_content = store();
    OTHER.response().write(&mut with_content).unwrap();
    let content = Http::parse(with_content.as_slice()).body;
    for head in [
        REQUEST.line("HEAD /chat HTTP/1.1"),
        REQUEST.line("HEAD chat HTTP/1.1"),
        REQUEST.line("HEAD /chat HTTP/1.0"),
        REQUEST.line("HEAD /chat HTTP/1.1").replace("Host:", "Hosts:"),
        REQUEST.line("HEAD /chat HTTP/1.1").append("Content-Length: 5"),
    ] {
        let outcome = serve_all("S1 HEAD", Config::new(), &head, b"");
        assert_eq!(outcome.refusal, Some(refusal));
        let mut answer = Http::parse(&outcome.response);
        assert_eq!(answer.body, b"");
        answer.body = content.clone();
        assert_eq!(answer, Http::parse(with_content.as_slice()));
    }
    // A head that can't be read may be one of HEAD.
    for head in [
        REQUEST.line("HEAD /chat HTTP/2.0"),
        REQUEST.line("HEAD  HTTP/1.1"),
        REQUEST.line("HEAD / HTTP/1.1").append("X : y"),
        REQUEST.line("HEAD / HTTP/1.1").append(&"X: y\r\n".repeat(200)),
        REQUEST.line(format!("HEAD /{} HTTP/1.1", "x".repeat(17_000))),
    ] {
        let outcome = serve_all("S1 HEAD", Config::new(), &head, b"");
        assert!(matches!(outcome.refusal, Some(Refusal::Head(_))), "{:?}", outcome.refusal);
        assert_eq!(Http::parse(&outcome.response).body, b"");
    }
}

#[test]
#[rustfmt::skip]
fn s2_version() {
    let version = Refusal::Head(HeadError::Version);
    assert_refused_rows([
        ("S2 1.0",             REQUEST.line("GET /chat HTTP/1.0"),     VERSION, version),
        ("S2 1.0 and no Host", b"GET / HTTP/1.0\r\n\r\n".to_vec(),     VERSION, version),
        ("S2 0.9",             REQUEST.line("GET /chat HTTP/0.9"),     VERSION, version),
        ("S2 2.0",             REQUEST.line("GET /chat HTTP/2.0"),     VERSION, version),
        ("S2 3.0",             REQUEST.line("GET /chat HTTP/3.0"),     VERSION, version),
    ]);
    // RFC 9113 §3.4: the preface, and the settings frame behind it.
    let preface = b"PRI * HTTP/2.0\r\n\r\n";
    let rest = b"SM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    let outcome = serve_all("S2 preface", Config::new(), preface, rest);
    assert_eq!(outcome.refusal, Some(version));
    assert_answer("S2 preface", &outcome.response, VERSION);
}

#[test]
#[rustfmt::skip]
fn s3_host() {
    assert_refused_rows([
        ("S3 none",            REQUEST.without("Host"),                BAD, Refusal::Header(Missing("Host"))),
        ("S3 the same twice",  REQUEST.with("Host: server.example.com"), BAD, Refusal::Header(Repeated("Host"))),
        ("S3 two",             REQUEST.with("hOST: other.example.com"), BAD, Refusal::Header(Repeated("Host"))),
        ("S3 only in the target", REQUEST.without("Host").splice_line("GET http://h/ HTTP/1.1"),
                                                                       BAD, Refusal::Header(Missing("Host"))),
        ("S3 a name like it",  REQUEST.set("Host", "h").replace("Host:", "Hosts:"), BAD, Refusal::Header(Missing("Host"))),
    ]);
}

#[test]
#[rustfmt::skip]
fn s4_upgrade() {
    assert_refused_rows([
        ("S4 none",            REQUEST.without("Upgrade"),             NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 empty",           REQUEST.set("Upgrade", ""),             NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 other",           REQUEST.set("Upgrade", "h2c"),          NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 longer",          REQUEST.set("Upgrade", "websockets"),   NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 shorter",         REQUEST.set("Upgrade", "websocke"),     NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 two words",       REQUEST.set("Upgrade", "web socket"),   NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 a version",       REQUEST.set("Upgrade", "websocket/13"), NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 quoted",          REQUEST.set("Upgrade", "\"websocket\""), NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 semicolons",      REQUEST.set("Upgrade", "h2c; websocket"), NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 in the wrong header", REQUEST.swap("Upgrade", "Connection: websocket"), NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 a page",          b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), NO_UPGRADE, Refusal::NotAnUpgrade),
    ]);
}

#[test]
#[rustfmt::skip]
fn s5_connection() {
    let missing = Refusal::Header(Missing("Connection"));
    let wrong = Refusal::Header(Wrong("Connection"));
    assert_refused_rows([
        ("S5 none",            REQUEST.without("Connection"),          BAD, missing),
        ("S5 empty",           REQUEST.set("Connection", ""),          BAD, wrong),
        ("S5 other",           REQUEST.set("Connection", "keep-alive"), BAD, wrong),
        ("S5 longer",          REQUEST.set("Connection", "keep-alive, upgraded"), BAD, wrong),
        ("S5 only as a word",  REQUEST.set("Connection", "no upgrade"), BAD, wrong),
        ("S5 quoted",          REQUEST.set("Connection", "\"upgrade\""), BAD, wrong),
        ("S5 the wrong token", REQUEST.set("Connection", "websocket"), BAD, wrong),
        ("S5 two without",     REQUEST.swap("Connection", "Connection: close\r\nConnection: te"), BAD, wrong),
    ]);
}

/// "non-empty strings with characters in the range U+0021 to U+007E not including separator characters" (RFC 6455 §4.1): what is
/// offered can be picked.
#[test]
#[rustfmt::skip]
fn s13_names_that_are_none() {
    let wrong = Refusal::Header(Wrong("Sec-WebSocket-Protocol"));
    assert_refused_rows([
        ("S13 two words",      REQUEST.with("Sec-WebSocket-Protocol: chat room"), BAD, wrong),
        ("S13 quoted",         REQUEST.with("Sec-WebSocket-Protocol: chat, \"chat\""), BAD, wrong),
        ("S13 not ASCII",      REQUEST.with("Sec-WebSocket-Protocol: ch\u{e4}t"), BAD, wrong),
        ("S13 a separator",    REQUEST.with("Sec-WebSocket-Protocol: @"), BAD, wrong),
    ]);
}

#[test]
#[rustfmt::skip]
fn s6_key() {
    const NAME: &str = "Sec-WebSocket-Key";
    let wrong = Refusal::Header(Wrong(NAME));
    assert_refused_rows([
        ("S6 none",            REQUEST.without(NAME),                  BAD, Refusal::Header(Missing(NAME))),
        ("S6 the same twice",  REQUEST.with(format!("{NAME}: {KEY}")), BAD, Refusal::Header(Repeated(NAME))),
        ("S6 two",             REQUEST.with("sec-websocket-key: x3JJHMbDL1EzLkh9GBhXDw=="), BAD, Refusal::Header(Repeated(NAME))),
        ("S6 two in a list",   REQUEST.set(NAME, format!("{KEY}, {KEY}")), BAD, wrong),
        ("S6 empty",           REQUEST.set(NAME, ""),                  BAD, wrong),
        ("S6 not base64",      REQUEST.set(NAME, "the sample nonce!!!!!!=="), BAD, wrong),
        ("S6 one wrong byte",  REQUEST.set(NAME, "dGhlIHNhbXBsZSBub25j!Q=="), BAD, wrong),
        ("S6 the URL alphabet", REQUEST.set(NAME, "-_-_-_-_-_-_-_-_-_-_-w=="), BAD, wrong),
        ("S6 not ASCII",       REQUEST.set(NAME, b"dGhlIHNhbXBsZSBub25j\xc3\x81=="), BAD, wrong),
        ("S6 space inside",    REQUEST.set(NAME, "dGhlIHNhbXBs ZSBub25jZQ=="), BAD, wrong),
        ("S6 no padding",      REQUEST.set(NAME, "dGhlIHNhbXBsZSBub25jZQ"), BAD, wrong),
        ("S6 half padding",    REQUEST.set(NAME, "dGhlIHNhbXBsZSBub25jZQ="), BAD, wrong),
        ("S6 padding in front", REQUEST.set(NAME, "==dGhlIHNhbXBsZSBub25jZQ"), BAD, wrong),
        ("S6 only padding",    REQUEST.set(NAME, "========================"), BAD, wrong),
        ("S6 15 bytes",        REQUEST.set(NAME, "dGhlIHNhbXBsZSBub25j"), BAD, wrong),
        ("S6 17 bytes",        REQUEST.set(NAME, "dGhlIHNhbXBsZSBub25jZSE="), BAD, wrong),
        ("S6 18 bytes",        REQUEST.set(NAME, "dGhlIHNhbXBsZSBub25jZSEh"), BAD, wrong),
        ("S6 32 bytes",        REQUEST.set(NAME, "dGhlIHNhbXBsZSBub25jZXRoZSBzYW1wbGUgbm9uY2U="), BAD, wrong),
        ("S17 40 bytes",       REQUEST.set(NAME, "A".repeat(40)),      BAD, wrong),
        ("S17 8000 bytes",     REQUEST.set(NAME, "A".repeat(8000)),    BAD, wrong),
    ]);
}

#[test]
#[rustfmt::skip]
fn s7_version() {
    const NAME: &str = "Sec-WebSocket-Version";
    assert_refused_rows([
        ("S7 none",            REQUEST.without(NAME),                  BAD, Refusal::Header(Missing(NAME))),
        ("S7 the same twice",  REQUEST.with("Sec-WebSocket-Version: 13"), BAD, Refusal::Header(Repeated(NAME))),
        ("S7 two",             REQUEST.with("Sec-WebSocket-Version: 8"), BAD, Refusal::Header(Repeated(NAME))),
        ("S7 empty",           REQUEST.set(NAME, ""),                  WS_VERSION, Refusal::WebSocketVersion),
        ("S7 0",               REQUEST.set(NAME, "0"),                 WS_VERSION, Refusal::WebSocketVersion),
        ("S7 8",               REQUEST.set(NAME, "8"),                 WS_VERSION, Refusal::WebSocketVersion),
        ("S7 12",              REQUEST.set(NAME, "12"),                WS_VERSION, Refusal::WebSocketVersion),
        ("S7 14",              REQUEST.set(NAME, "14"),                WS_VERSION, Refusal::WebSocketVersion),
        ("S7 1",               REQUEST.set(NAME, "1"),                 WS_VERSION, Refusal::WebSocketVersion),
        ("S7 130",             REQUEST.set(NAME, "130"),               WS_VERSION, Refusal::WebSocketVersion),
        ("S7 a leading zero",  REQUEST.set(NAME, "013"),               WS_VERSION, Refusal::WebSocketVersion),
        ("S7 a sign",          REQUEST.set(NAME, "+13"),               WS_VERSION, Refusal::WebSocketVersion),
        ("S7 a list",          REQUEST.set(NAME, "13, 8"),             WS_VERSION, Refusal::WebSocketVersion),
        ("S7 quoted",          REQUEST.set(NAME, "\"13\""),            WS_VERSION, Refusal::WebSocketVersion),
    ]);
}

/// Where two parsers could see two different requests, none is seen.
#[test]
#[rustfmt::skip]
fn s9_syntax() {
    let (name, value) = (malformed("header name"), malformed("header value"));
    let (first, ending) = (malformed("first line"), malformed("line ending"));
    assert_refused_rows([
        ("S9 space before the colon", REQUEST.with("X-A : b"),         BAD, name),
        ("S9 tab before the colon", REQUEST.with("X-A\t: b"),          BAD, name),
        ("S9 ... in Host",     REQUEST.swap("Host", "Host : h"),       BAD, name),
        ("S9 ... in Transfer-Encoding", REQUEST.with("Transfer-Encoding : chunked"), BAD, name),
        ("S9 space before the name", REQUEST.swap("Host", " Host: h"), BAD, name),
        ("S9 folded",          REQUEST.with("X-A: b\r\n c"),           BAD, name),
        ("S9 folded by a tab", REQUEST.with("X-A: b\r\n\tc: d"),       BAD, name),
        ("S9 folded at the end", REQUEST.with("X-A: b\r\n "),          BAD, name),
        ("S9 no colon",        REQUEST.with("X-A"),                    BAD, name),
        ("S9 no name",         REQUEST.with(": b"),                    BAD, name),
        ("S9 a space in the name", REQUEST.with("X A: b"),             BAD, name),
        ("S9 a delimiter in the name", REQUEST.with("X(A): b"),        BAD, name),
        ("S9 not ASCII in the name", REQUEST.with("X-Ä: b"),           BAD, name),
        ("S9 NUL in the name", REQUEST.with("X\0A: b"),                BAD, name),
        ("S9 bare CR in the name", REQUEST.with("X\rA: b"),            BAD, name),
        ("S9 bare CR in a value", REQUEST.with("X-A: b\rX-C: d"),      BAD, value),
        ("S9 bare CR at the end", REQUEST.with("X-A: b\r"),            BAD, value),
        ("S9 NUL in a value",  REQUEST.with("X-A: b\0c"),              BAD, value),
        ("S9 escape in a value", REQUEST.with("X-A: \x1b[2J"),         BAD, value),
        ("S9 DEL in a value",  REQUEST.with("X-A: \x7f"),              BAD, value),
        ("S9 bare LF",         REQUEST.with("X-A: b\nX-C: d"),         BAD, ending),
        ("S9 bare LF in the first line", REQUEST.line("GET / HTTP/1.1\nX-A: b"), BAD, ending),
        ("S9 bare LF everywhere", REQUEST.whole().replace("\r\n", "\n"), BAD, ending),
        ("S9 bare LF in front", [b"\n", &REQUEST.whole()[..]].concat(), BAD, ending),
        ("S9 bare CR in front", [b"\r", &REQUEST.whole()[..]].concat(), BAD, first),
        ("S9 bad method",      REQUEST.line("G@T /chat HTTP/1.1"),     BAD, first),
        ("S9 bracketed method", REQUEST.line("(GET) /chat HTTP/1.1"),  BAD, first),
        ("S9 NUL in the method", REQUEST.line("G\0T /chat HTTP/1.1"),  BAD, first),
        ("S9 no method",       REQUEST.line(" /chat HTTP/1.1"),        BAD, first),
        ("S9 tab behind the method", REQUEST.line("GET\t/chat HTTP/1.1"), BAD, first),
        ("S9 two spaces",      REQUEST.line("GET  /chat HTTP/1.1"),    BAD, first),
        ("S9 no target",       REQUEST.line("GET HTTP/1.1"),           BAD, first),
        ("S9 an empty target", REQUEST.line("GET  HTTP/1.1"),          BAD, first),
        ("S9 NUL in the target", REQUEST.line("GET /\0 HTTP/1.1"),     BAD, first),
        ("S9 tab in the target", REQUEST.line("GET /\t HTTP/1.1"),     BAD, first),
        ("S9 bare CR in the target", REQUEST.line("GET /\r HTTP/1.1"), BAD, first),
        ("S9 DEL in the target", REQUEST.line("GET /\x7f HTTP/1.1"),   BAD, first),
        ("S9 not UTF-8 in the target", REQUEST.line(b"GET /\xff HTTP/1.1"), BAD, first),
        ("S9 not ASCII in the target", REQUEST.line("GET /\u{e9} HTTP/1.1"), BAD, Refusal::Target),
        ("S9 a fragment",      REQUEST.line("GET /chat#x HTTP/1.1"),   BAD, Refusal::Target),
        ("S9 no slash",        REQUEST.line("GET chat HTTP/1.1"),      BAD, Refusal::Target),
        ("S9 an authority",    REQUEST.line("GET server.example.com:80 HTTP/1.1"), BAD, Refusal::Target),
        ("S9 another scheme",  REQUEST.line("GET ftp://h/chat HTTP/1.1"), BAD, Refusal::Target),
        ("S9 no authority",    REQUEST.line("GET http:///chat HTTP/1.1"), BAD, Refusal::Target),
        ("S9 only a scheme",   REQUEST.line("GET http:// HTTP/1.1"),   BAD, Refusal::Target),
        ("S9 a half scheme",   REQUEST.line("GET http:/chat HTTP/1.1"), BAD, Refusal::Target),
        ("S17 ?",              REQUEST.line("GET ? HTTP/1.1"),         BAD, Refusal::Target),
        ("S17 %",              REQUEST.line("GET % HTTP/1.1"),         BAD, Refusal::Target),
        ("S17 @",              REQUEST.line("GET @ HTTP/1.1"),         BAD, Refusal::Target),
        ("S17 [",              REQUEST.line("GET [ HTTP/1.1"),         BAD, Refusal::Target),
        ("S17 :::",            REQUEST.line("GET ::: HTTP/1.1"),       BAD, Refusal::Target),
        ("S17 ://",            REQUEST.line("GET :// HTTP/1.1"),       BAD, Refusal::Target),
        ("S17 ?://",           REQUEST.line("GET ?://h/ HTTP/1.1"),    BAD, Refusal::Target),
        ("S9 space at the end of the line", REQUEST.line("GET /chat HTTP/1.1 "), BAD, first),
        ("S9 a word too many", REQUEST.line("GET /chat HTTP/1.1 x"),   BAD, first),
    ]);
}

#[test]
#[rustfmt::skip]
fn s10_body() {
    let repeated = Refusal::Header(Repeated("Content-Length"));
    assert_refused_rows([
        ("S10 1",              REQUEST.with("Content-Length: 1"),      BAD, Refusal::Body),
        ("S10 any case",       REQUEST.with("CONTENT-LENGTH: 21"),     BAD, Refusal::Body),
        ("S10 much",           REQUEST.with("Content-Length: 18446744073709551616"), BAD, Refusal::Body),
        ("S10 negative",       REQUEST.with("Content-Length: -1"),     BAD, Refusal::Body),
        ("S10 no number",      REQUEST.with("Content-Length: x"),      BAD, Refusal::Body),
        ("S10 empty",          REQUEST.with("Content-Length:"),        BAD, Refusal::Body),
        ("S10 two in a list",  REQUEST.with("Content-Length: 0, 5"),   BAD, Refusal::Body),
        ("S10 two",            REQUEST.with("Content-Length: 0\r\nContent-Length: 5"), BAD, repeated),
        ("S10 chunked",        REQUEST.with("Transfer-Encoding: chunked"), BAD, Refusal::Body),
        ("S10 identity",       REQUEST.with("Transfer-Encoding: identity"), BAD, Refusal::Body),
        ("S10 obscured",       REQUEST.with("transfer-encoding:\tx, chunked "), BAD, Refusal::Body),
        ("S10 empty encoding", REQUEST.with("Transfer-Encoding:"),     BAD, Refusal::Body),
        ("S10 both",           REQUEST.with("Content-Length: 0\r\nTransfer-Encoding: chunked"), BAD, Refusal::Body),
    ]);
}

#[test]
#[rustfmt::skip]
fn s14_extension_syntax() {
    const NAME: &str = "Sec-WebSocket-Extensions";
    let rows = [
        "foo bar", "foo;", "foo; =bar", "foo; bar=", "foo; bar=,", "foo/bar", "foo; bar==baz", "=", "foo,;bar", "\"foo\"",
        "foo; bar=\"", "foo; bar=\"\"", r#"foo; bar="a b""#, r#"foo; bar="a\""#, r#"foo; bar="a"b"#, "f\u{f6}o",
        // A comma in quotes begins no second offer; a token has none, so it is no value either (threat 6).
        r#"foo; bar="a,permessage-deflate""#, r#"foo; bar="a, permessage-deflate; b""#, r#"foo; bar="\,""#,
        // An escaped quote does not end the value, and an escaped backslash escapes nothing.
        r#"foo; bar="a\", permessage-deflate"#, r#"foo; bar="a\"", permessage-deflate"#,
        r#"foo; bar="a\\", permessage-deflate"#, r#"foo; bar="\\a", permessage-deflate"#, r#"foo; bar="\"#,
        // Good, then bad.
        "foo, bar;", "foo\r\nSec-WebSocket-Extensions: bar=baz", "foo;\r\nSec-WebSocket-Extensions: bar",
    ];
    for row in rows {
        let label = format!("S14 {row}");
        assert_refused(&label, Config::new(), &REQUEST.with(format!("{NAME}: {row}")), BAD, Refusal::Header(Wrong(NAME)));
    }
}

/// The parser looks at the length of a name first. A header with another name of the same length is ignored, whatever
/// its value, repeated, before or after the others.
#[test]
fn names_of_the_same_length_are_other_headers() {
    let missing = |name| Refusal::Header(Missing(name));
    let rows = [
        ("Host", Some(missing("Host"))),
        ("Origin", None),
        ("Upgrade", Some(Refusal::NotAnUpgrade)),
        ("Connection", Some(missing("Connection"))),
        ("Content-Length", None),
        ("Sec-WebSocket-Key", Some(missing("Sec-WebSocket-Key"))),
        ("Transfer-Encoding", None),
        ("Sec-WebSocket-Version", Some(missing("Sec-WebSocket-Version"))),
        ("Sec-WebSocket-Protocol", None),
        ("Sec-WebSocket-Extensions", None),
    ];
    for (name, without_it) in rows {
        let (front, back) = (&name[1..], &name[..name.len() - 1]);
        for other in [format!("x{front}"), format!("{back}x"), format!("{back}-")] {
            for value in
                ["", "1", "13", "websocket", "upgrade", "close", KEY, "h", "a b", "chat", "permessage-deflate", "\"a\\"]
            {
                let lines = format!("{other}: {value}\r\n{other}: {value}");
                for head in [REQUEST.with(&lines), REQUEST.swap("Host", format!("{lines}\r\nHost: h"))] {
                    let upgrade =
                        handshake(Config::new(), &head).unwrap_or_else(|refusal| panic!("{lines}: {refusal}"));
                    assert_eq!((upgrade.origin(), upgrade.subprotocols().count()), (None, 0), "{lines}");
                    from_parts(Config::new(), parts(&head).unwrap()).unwrap();
                }
                if let Some(refusal) = without_it {
                    let head = REQUEST.swap(name, &lines);
                    assert_eq!(handshake(Config::new(), &head).err(), Some(refusal), "{lines}");
                    assert_eq!(from_parts(Config::new(), parts(&head).unwrap()).err(), Some(refusal), "{lines}");
                }
            }
        }
    }
}

// ---- S5, S6, S10, S11, S14, S15: what is accepted

#[test]
#[rustfmt::skip]
fn accepted() {
    let rows = [
        ("the example",        REQUEST.whole()),
        ("S5 any case",        REQUEST.set("Connection", "uPgRaDe")),
        ("S5 a list",          REQUEST.set("Connection", "keep-alive, Upgrade")),
        ("S5 a list, close",   REQUEST.set("Connection", "close,upgrade\t,  te")),
        ("S5 empty members",   REQUEST.set("Connection", ",, ,upgrade,")),
        ("S5 several lines",   REQUEST.swap("Connection", "Connection: keep-alive\r\nConnection: Upgrade")),
        ("S5 far apart",       REQUEST.set("Connection", "upgrade").append("connection: close, te")),
        ("S5 lists and lines", REQUEST.swap("Connection", "Connection: a, b\r\nX: y\r\nCONNECTION:\r\nconnection: c,UPGRADE,d")),
        ("S10 no body",        REQUEST.with("Content-Length: 0")),
        ("S11 no space",       REQUEST.swap("Host", "Host:echo.example")),
        ("S11 no spaces",      REQUEST.whole().replace(": ", ":")),
        ("S11 much space",     REQUEST.whole().replace(": ", ": \t  ").replace("\r\nC", " \t \r\nC")),
        ("S11 WebSocket",      REQUEST.set("Upgrade", "WebSocket")),
        ("S11 a list",         REQUEST.set("Upgrade", "websocket, h2c")),
        ("S11 last of a list", REQUEST.set("Upgrade", "h2c/1 ,WEBSOCKET")),
        ("S11 two lines",      REQUEST.swap("Upgrade", "Upgrade: h2c\r\nUpgrade: websocket")),
        ("S11 absolute",       REQUEST.line("GET http://server.example.com/chat HTTP/1.1")),
        ("S11 absolute, no path", REQUEST.line("GET ws://server.example.com HTTP/1.1")),
        ("S11 absolute, query", REQUEST.line("GET WSS://server.example.com?a=b://c HTTP/1.1")),
        ("S11 absolute, port", REQUEST.line("GET https://[::1]:8443/ HTTP/1.1")),
        ("names have no case", REQUEST.whole().replace("Sec-WebSocket", "sEC-wEBsOCKET").replace("Host", "hOST")),
        ("header by header",   REQUEST.whole().replace("Upgrade: websocket\r\n", "").append("upgrade: websocket")),
        ("an empty value",     REQUEST.with("Cookie:\r\nX-A: \t ")),
        ("not ASCII in a value", REQUEST.with(b"X-A: \xff\x80\xc3\xa4")),
        ("a colon in a value", REQUEST.with("X-A: b: c:")),
        ("a bracket in a query", REQUEST.line("GET /?a[]=%5B%zz&://@ HTTP/1.1")),
        ("two slashes",        REQUEST.line("GET //host/path HTTP/1.1")),
        ("an empty line in front", [b"\r\n", &REQUEST.whole()[..]].concat()),
        ("S14 unknown",        REQUEST.with("Sec-WebSocket-Extensions: x-unheard-of")),
        ("S14 quoted",         REQUEST.with(r#"Sec-WebSocket-Extensions: foo; bar="baz"; q="\b\a\z", x-y"#)),
        ("S14 empty members",  REQUEST.with("Sec-WebSocket-Extensions: ,, foo ,, bar;a ,")),
        ("S14 several lines",  REQUEST.with("Sec-WebSocket-Extensions: a; b\r\nSec-WebSocket-Extensions: c; d=e")),
        ("S14 bad parameters", REQUEST.with("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99; x; x")),
        ("S14 deflate of today", REQUEST.with("Sec-WebSocket-Extensions: x-webkit-deflate-frame")),
        // RFC 9110 §5.3: all lines of a name are one list, and a list without an element is as if it were not there.
        ("S14 no value",       REQUEST.with("Sec-WebSocket-Extensions:")),
        ("S14 a comma",        REQUEST.with("Sec-WebSocket-Extensions: ,")),
        ("S14 commas and space", REQUEST.with("Sec-WebSocket-Extensions:  ,\t, ,")),
        ("S14 two without value", REQUEST.with("Sec-WebSocket-Extensions:\r\nSec-WebSocket-Extensions: ")),
        ("S14 without value, then one", REQUEST.with("Sec-WebSocket-Extensions:\r\nSec-WebSocket-Extensions: x-foo")),
        ("S14 one, then without value", REQUEST.with("Sec-WebSocket-Extensions: x-foo\r\nSec-WebSocket-Extensions: ,")),
        ("S13 no value",       REQUEST.with("Sec-WebSocket-Protocol:")),
        ("S13 commas",         REQUEST.with("Sec-WebSocket-Protocol: , ,")),
        ("S13 without value, then one", REQUEST.with("Sec-WebSocket-Protocol:\r\nSec-WebSocket-Protocol: chat")),
        ("S13 one, then without value", REQUEST.with("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: ,")),
        ("S5 without value, then one", REQUEST.swap("Connection", "Connection:\r\nConnection: Upgrade")),
        ("S4 without value, then one", REQUEST.swap("Upgrade", "Upgrade: ,\r\nUpgrade: websocket")),
        ("S12 no policy",      REQUEST.with("Origin: https://evil.example")),
        ("duplicate what may be", REQUEST.with("Upgrade: websocket\r\nConnection: Upgrade\r\nCookie: a\r\nCookie: a")),
    ];
    for (label, head) in rows {
        assert_accepted(label, Config::new(), &head, ACCEPT);
    }
}

#[test]
fn s6_known_answers() {
    for (_, key, accept) in KEYS {
        assert_accepted(key, Config::new(), &REQUEST.set("Sec-WebSocket-Key", key), accept);
    }
    // The text is what is hashed, so bits behind the last byte (which no client is forbidden to set) change the answer.
    let key = "dGhlIHNhbXBsZSBub25jZR==";
    let head = REQUEST.set("Sec-WebSocket-Key", key);
    assert_accepted(key, Config::new(), &head, "Zgw8jYXtqX5qJr7MJ1Q/MqzeSRI=");
}

/// Names, values and targets of every byte, at every place in a vector register.
#[test]
fn s9_every_byte() {
    fn refused(head: &[u8]) -> bool {
        let byte_by_byte: Vec<_> = head.chunks(1).collect();
        let outcome = serve(Config::new(), &[head]);
        assert_eq!(outcome, serve(Config::new(), &byte_by_byte));
        assert!(outcome.refusal.is_none_or(|refusal| refusal.status() == 400), "{outcome:?}");
        outcome.refusal.is_some()
    }
    for pad in [0, 1, 7, 8, 15, 16, 31, 32, 33] {
        let pad = vec![b'p'; pad];
        for byte in 0..=u8::MAX {
            let value = REQUEST.with([b"X: ", &pad[..], &[byte], b"q"].concat());
            // RFC 9110 §5.5: VCHAR, obs-text, space, tab.
            assert_eq!(refused(&value), !matches!(byte, b'\t' | 0x20..=0x7e | 0x80..), "value {byte:#x}");

            let name = REQUEST.with([b"X", &pad[..], &[byte], b"q: v"].concat());
            // RFC 9110 §5.6.2; a colon makes a shorter name.
            let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:".contains(&byte);
            assert_eq!(refused(&name), !token, "name {byte:#x}");

            // A space ends the target, and is a row of its own below.
            if byte != b' ' {
                let target = REQUEST.line([b"GET /", &pad[..], &[byte], b"q HTTP/1.1"].concat());
                let visible = matches!(byte, 0x21..=0x7e) && byte != b'#';
                assert_eq!(refused(&target), !visible, "target {byte:#x}");
            }
        }
    }
}

// ---- S4: a port that serves pages too

#[test]
fn s4_is_the_callers_to_serve() {
    let mut head = b"GET /a/b?c=d?e HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a:2\r\n\r\n".to_vec();
    let mut handshake = new_server(Config::new());
    assert!(handshake.read(&mut Input::new(&mut head)));
    let request = handshake.into_request().unwrap();
    assert!(!request.is_upgrade());
    assert_eq!((request.method(), request.target()), ("GET", "/a/b?c=d?e"));
    assert_eq!((request.path(), request.query()), ("/a/b", Some("c=d?e")));
    let headers: Vec<_> = request.headers().map(|header| (header.name, header.value)).collect();
    assert_eq!(headers, [("Host", &b"h"[..]), ("X-A", b"1"), ("x-a", b"2")]);

    let mut page = store();
    Response::new(200).headers(&[("Content-Type", "text/plain")]).body(b"hello").write(&mut page).unwrap();
    let page = Http::parse(page.as_slice());
    assert_eq!((page.first_line.as_str(), &page.body[..]), ("HTTP/1.1 200 OK", &b"hello"[..]));
    assert_headers(&page, &[("Content-Type", "text/plain"), ("Content-Length", "5"), ("Connection", "close")], "page");
}

#[test]
fn targets_are_taken_apart() {
    #[rustfmt::skip]
    let rows = [
        // target                    path        query
        ("/",                        "/",        None),
        ("/?",                       "/",        Some("")),
        ("/a%2e/../b;c?d",           "/a%2e/../b;c", Some("d")),
        ("//host/path",              "//host/path", None),
        ("/x://y/z",                 "/x://y/z", None),
        ("/?x://y/z",                "/",        Some("x://y/z")),
        ("http://h",                 "/",        None),
        ("http://h?q",               "/",        Some("q")),
        ("http://h/?",               "/",        Some("")),
        ("HTTPS://h:1/a/b?c?d",      "/a/b",     Some("c?d")),
        ("ws://h/a",                 "/a",       None),
        ("wss://[::1]:9//a://b",     "//a://b",  None),
    ];
    for (target, path, query) in rows {
        let mut head = REQUEST.line(format!("GET {target} HTTP/1.1"));
        let mut handshake = new_server(Config::new());
        handshake.read(&mut Input::new(&mut head));
        let request = handshake.into_request().unwrap();
        assert!(request.is_upgrade());
        assert_eq!((request.target(), request.path(), request.query()), (target, path, query));
    }
}

// ---- S8, S17, threats 5 and 7: size

#[test]
fn s8_size() {
    let too_large = |limit| Refusal::Head(HeadError::TooLarge { limit });
    let len = REQUEST.whole().len();
    let exact = Config::new().max_head(len);
    assert_accepted("S8 exact", exact, &REQUEST.whole(), ACCEPT);
    let over = Config::new().max_head(len - 1);
    assert_refused("S8 one over", over, &REQUEST.whole(), TOO_LARGE, too_large(len - 1));
    assert_refused("S8 nothing fits", Config::new().max_head(0), &REQUEST.whole(), TOO_LARGE, too_large(0));
    // An empty line in front is skipped, not forgotten.
    let line = [b"\r\n", &REQUEST.whole()[..]].concat();
    assert_accepted("S8 empty line", Config::new().max_head(len + 2), &line, ACCEPT);
    assert_refused("S8 empty line", Config::new().max_head(len + 1), &line, TOO_LARGE, too_large(len + 1));

    assert_accepted("S8 16 KiB", Config::new(), &REQUEST.padded_to(16384), ACCEPT);
    assert_refused("S8 over 16 KiB", Config::new(), &REQUEST.padded_to(16385), TOO_LARGE, too_large(16384));
}

#[test]
fn s8_count() {
    let too_many = |limit| Refusal::Head(HeadError::TooManyHeaders { limit });
    #[rustfmt::skip]
    let rows = [
        ("S8 exact",        REQUEST_HEADERS,     REQUEST_HEADERS, None),
        ("S8 one over",     REQUEST_HEADERS - 1, REQUEST_HEADERS, Some(REQUEST_HEADERS - 1)),
        ("S8 none allowed", 0,                   REQUEST_HEADERS, Some(0)),
        ("S8 twenty",       20,                  20,              None),
        ("S8 twenty-one",   20,                  21,              Some(20)),
        ("S8 128",          128,                 128,             None),
        ("S8 129",          128,                 129,             Some(128)),
        ("S8 200",          200,                 200,             None),
        ("S8 201",          200,                 201,             Some(200)),
        ("S8 no limit",     usize::MAX,          1000,            None),
    ];
    for (label, limit, count, refused) in rows {
        let (config, head) = (Config::new().max_headers(limit), REQUEST.with_headers(count));
        match refused {
            None => assert_accepted(label, config, &head, ACCEPT),
            Some(limit) => assert_refused(label, config, &head, TOO_LARGE, too_many(limit)),
        }
    }
    assert_accepted("S8 default", Config::new(), &REQUEST.with_headers(128), ACCEPT);
    assert_refused("S8 default", Config::new(), &REQUEST.with_headers(129), TOO_LARGE, too_many(128));
    assert_refused("S17 thousands", Config::new(), &REQUEST.with_headers(2000), TOO_LARGE, too_many(128));
}

/// What can't be a request fails at the byte that proves it, or at the end of the line that the byte is in: a server
/// needn't wait for more.
#[test]
#[rustfmt::skip]
fn s9_fails_early() {
    let (name, value) = (malformed("header name"), malformed("header value"));
    let (first, version, ending) = (malformed("first line"), malformed("version"), malformed("line ending"));
    let (tls, other) = (Refusal::Head(HeadError::Tls), Refusal::Head(HeadError::Version));
    // Up to the bar it may still be a request; with the byte behind that it can't.
    let rows: [(&str, &[u8], Refusal); 43] = [
        ("TLS",                b"|\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", tls),
        ("TLS, cut",           b"|\x16", tls),
        ("SOCKS5",             b"|\x05\x01\x00", first),
        ("SOCKS4",             b"|\x04\x01\x00P", first),
        ("SSH",                b"SSH-2.0-OpenSSH_9.6|\r\n", first),
        ("SMTP",               b"220 mail |ESMTP ready\r\n", version),
        ("SMTP client",        b"EHLO mail\r|\n", first),
        ("a response",         b"HTTP|/1.1 200 OK\r\n\r\n", first),
        ("HTTP/2",             b"PRI * HTTP/|2.0\r\n\r\nSM\r\n\r\n", other),
        ("HTTP/2.0",           b"GET / HTTP/|2.0\r\n", other),
        ("HTTP/3",             b"GET / HTTP/|3\r\n", other),
        ("HTTP/1.2",           b"GET / HTTP/1.|2\r\n", other),
        ("HTTP/0.9 in words",  b"GET / HTTP/|0.9\r\n", other),
        ("HTTP/0.9",           b"GET /\r|\n", other),
        ("HTTP/1",             b"GET / HTTP/1|\r\n", version),
        ("no first digit",     b"GET / HTTP/|x.1\r\n", version),
        ("no second digit",    b"GET / HTTP/1.|x\r\n", version),
        ("HTTP/11",            b"GET / HTTP/1|1\r\n", version),
        ("HTTP/1.10",          b"GET / HTTP/1.1|0\r\n", first),
        ("http/1.1",           b"GET / |http/1.1\r\n", version),
        ("no version",         b"GET / |\r\n", version),
        ("two spaces",         b"GET / | HTTP/1.1\r\n", version),
        ("two spaces before",  b"GET | / HTTP/1.1\r\n", first),
        ("a space in front",   b"| GET / HTTP/1.1\r\n", first),
        ("a tab",              b"GET|\t/ HTTP/1.1\r\n", first),
        ("a tab behind",       b"GET /|\tHTTP/1.1\r\n", first),
        ("more behind",        b"GET / HTTP/1.1| \r\n", first),
        ("NUL",                b"|\0", first),
        ("NUL in the method",  b"GE|\0 / HTTP/1.1\r\n", first),
        ("NUL in the target",  b"GET /|\0 HTTP/1.1\r\n", first),
        ("CR in the target",   b"GET /\r|x HTTP/1.1\r\n", first),
        ("not UTF-8",          b"GET /\xff HTTP/1.1\r|\n", first),
        ("LF",                 b"|\n", ending),
        ("LF without CR",      b"GET / HTTP/1.1|\nHost: h\r\n", ending),
        ("CR in front",        b"\r|GET / HTTP/1.1\r\n", first),
        ("behind empty lines", b"\r\n\r\n|\x16\x03\x01", tls),
        ("no name",            b"GET / HTTP/1.1\r\n: x\r|\nHost: h\r\n", name),
        ("space before a colon", b"GET / HTTP/1.1\r\nHost : h\r|\n", name),
        ("folded",             b"GET / HTTP/1.1\r\nHost: h\r\n x\r|\n", name),
        ("NUL in a value",     b"GET / HTTP/1.1\r\nHost: h\0\r|\n", value),
        ("CR in a value",      b"GET / HTTP/1.1\r\nHost: \rh\r|\n", value),
        ("LF in a header",     b"GET / HTTP/1.1\r\nHost: h|\n", ending),
        ("no colon",           b"GET / HTTP/1.0\r\nHost\r|\n", name),
    ];
    for (label, row, refusal) in rows {
        let good = row.iter().position(|byte| *byte == b'|').unwrap();
        let stream = [&row[..good], &row[good + 1..]].concat();
        let mut handshake = new_server(Config::new());
        assert!(!handshake.read(&mut Input::new(&mut stream[..good].to_vec())), "S9 {label}: too early");
        assert!(handshake.read(&mut Input::new(&mut [stream[good]])), "S9 {label}: too late");
        assert_eq!(handshake.into_request().err(), Some(refusal), "S9 {label}");
        // The same in every cut, and with the rest of the head behind it, so that it can be read in one piece.
        for rest in [&b""[..], b"\r\n", b"Host: h\r\n\r\n"] {
            let outcome = serve_all(label, Config::new(), &[&stream, rest].concat(), b"");
            assert_eq!(outcome.refusal, Some(refusal), "S9 {label}");
        }
        // A limit that the fault is beyond, and one that it is not.
        for (limit, refusal) in [(good + 1, refusal), (good, Refusal::Head(HeadError::TooLarge { limit: good }))] {
            let config = Config::new().max_head(limit);
            assert_eq!(serve_all(label, config, &stream, b"").refusal, Some(refusal), "S9 {label}, at most {limit}");
        }
    }
}

/// A peer that sends no end: what is taken is bounded, and refused at the byte that is too much.
#[test]
fn s8_floods() {
    #[rustfmt::skip]
    let rows: [(&str, &[u8], &[u8], HeadError); 5] = [
        ("S8 a line without end", b"GET /", b"a",      HeadError::TooLarge { limit: 16384 }),
        ("S8 a name without end", b"GET / HTTP/1.1\r\n", b"a", HeadError::TooLarge { limit: 16384 }),
        ("S8 a value without end", b"GET / HTTP/1.1\r\nA:", b" ", HeadError::TooLarge { limit: 16384 }),
        ("S8 empty lines",        b"",      b"\r\n",   HeadError::TooLarge { limit: 16384 }),
        ("S8 headers without end", b"GET / HTTP/1.1\r\n", b"a:\r\n", HeadError::TooManyHeaders { limit: 128 }),
    ];
    for (label, start, more, error) in rows {
        let mut handshake = new_server(Config::new());
        let stream = start.iter().chain(more.iter().cycle()).take(1 << 20);
        let taken = 1 + stream.copied().position(|byte| handshake.read(&mut Input::new(&mut [byte]))).expect(label);
        let expected = match error {
            HeadError::TooLarge { limit } => limit + 1,
            _ => start.len() + 129 * more.len(),
        };
        assert_eq!(taken, expected, "{label}");
        assert_eq!(handshake.into_request().err(), Some(Refusal::Head(error)), "{label}");
    }
}

/// Threat 5. What makes this linear cannot be seen from outside without a clock, so it is said here: `Head::read` searches
/// only the bytes of the read at hand for the line's end, appends them to the store, and compares whole lines once each; the
/// parser runs once, in `into_request`, however many reads there were. What can be seen: a head of the largest size in one-byte
/// reads is accepted, and so is one sixty-four times as large that consists of a single line. (When each read begins again at
/// the front, the second takes half a trillion steps.)
#[test]
fn threat_5_one_byte_per_read() {
    for (limit, config) in [(16 << 10, Config::new()), (1 << 20, Config::new().max_head(1 << 20))] {
        let mut handshake = new_server(config);
        let mut head = REQUEST.padded_to(limit);
        let (last, front) = head.split_last_mut().unwrap();
        for byte in front {
            assert!(!handshake.read(&mut Input::new(core::slice::from_mut(byte))));
        }
        assert!(handshake.read(&mut Input::new(core::slice::from_mut(last))));
        assert!(handshake.into_request().unwrap().upgrade().is_ok());
    }
}

#[test]
fn s17_extremes() {
    let kib_64 = 64 << 10;
    let (name, value) =
        (REQUEST.with(format!("{}: v", "n".repeat(kib_64))), REQUEST.with(["v: ", &"v".repeat(kib_64)].concat()));
    let too_large = Refusal::Head(HeadError::TooLarge { limit: 16384 });
    let large = Config::new().max_head(1 << 17);
    for (label, head) in [("S17 name of 64 KiB", name), ("S17 value of 64 KiB", value)] {
        assert_refused(label, Config::new(), &head, TOO_LARGE, too_large);
        assert_accepted(label, large, &head, ACCEPT);
    }
    // "Duplicate everything" (threat 7): what must be there once is refused, in the documented order.
    let everything = REQUEST.with(REQUEST.0.split_once("\r\n").unwrap().1.trim_end());
    let repeated = Refusal::Header(Repeated("Host"));
    assert_refused("S17 everything twice", Config::new(), &everything, BAD, repeated);
    // "A 35-byte subprotocol" (threat 17).
    let subprotocol = "s".repeat(35);
    let upgrade = upgrade(&REQUEST.with(format!("Sec-WebSocket-Protocol: {subprotocol}")));
    let connection = upgrade.accept(&Accept::new().subprotocol(&*subprotocol)).unwrap();
    let response = Http::parse(connection.sender.pending());
    assert_eq!(response.get("Sec-WebSocket-Protocol"), Some(&*subprotocol));
}

#[test]
fn stream_that_ends_in_the_head() {
    let head = REQUEST.whole();
    for seen in 0..head.len() {
        let refusal = Refusal::Head(HeadError::Incomplete { seen });
        let outcome = serve(Config::new(), &[&head[..seen]]);
        assert_eq!(outcome.refusal, Some(refusal));
        assert_answer("incomplete", &outcome.response, BAD);
    }
}

// ---- S12, threat 14: origins

#[test]
fn s12_origin() {
    const SITES: &[&str] = &["https://example.com", "http://localhost:8080"];
    #[rustfmt::skip]
    let rows: [(&str, &str, &[&str], bool); 17] = [
        // label                origin                             allowed        goes on
        ("S12 first",           "Origin: https://example.com",     SITES,         true),
        ("S12 second",          "Origin: http://localhost:8080",   SITES,         true),
        ("S12 any case",        "oRIGIN: HTTPS://EXAMPLE.com",     SITES,         true),
        ("S12 no browser",      "X-A: b",                          SITES,         true),
        ("S12 no browser, none allowed", "X-A: b",                 &[],           true),
        ("S12 null, wanted",    "Origin: null",                    &["null"],     true),
        ("S12 none allowed",    "Origin: https://example.com",     &[],           false),
        ("S12 another",         "Origin: https://evil.example",    SITES,         false),
        ("S12 another scheme",  "Origin: http://example.com",      SITES,         false),
        ("S12 another port",    "Origin: https://example.com:444", SITES,         false),
        ("S12 prefix of it",    "Origin: https://example.co",      SITES,         false),
        ("S12 begins like it",  "Origin: https://example.com.evil.example", SITES, false),
        ("S12 ends like it",    "Origin: https://evil-example.com", SITES,        false),
        ("S12 a subdomain",     "Origin: https://a.example.com",   SITES,         false),
        ("S12 a list",          "Origin: https://example.com, https://evil.example", SITES, false),
        ("S12 null",            "Origin: null",                    SITES,         false),
        ("S12 empty",           "Origin:",                         SITES,         false),
    ];
    for (label, line, allowed, goes_on) in rows {
        let head = REQUEST.with(line);
        for upgrade in [upgrade(&head), from_parts(Config::new(), parts(&head).unwrap()).unwrap()] {
            let origin = line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("origin"));
            assert_eq!(
                upgrade.origin().unwrap_or_default(),
                origin.map_or("", |(_, origin)| origin).as_bytes(),
                "{label}"
            );
            match upgrade.check_origin(allowed) {
                Ok(()) => {
                    assert!(goes_on, "{label}");
                    assert!(upgrade.accept(&Accept::new()).is_ok(), "{label}");
                }
                Err(refusal) => {
                    assert!(!goes_on, "{label}");
                    assert_eq!(refusal, Refusal::Origin, "{label}");
                    let mut response = store();
                    refusal.response().write(&mut response).unwrap();
                    assert_answer(label, response.as_slice(), FORBIDDEN);
                }
            }
        }
    }
    // A policy that looks at the first of two could be told anything.
    let two = REQUEST.with("Origin: https://example.com\r\nOrigin: https://evil.example");
    assert_refused("S12 two", Config::new(), &two, BAD, Refusal::Header(Repeated("Origin")));
}

// ---- S13: subprotocols

#[test]
fn s13_subprotocols() {
    type Names = &'static [&'static str];
    #[rustfmt::skip]
    let rows: [(&str, Names, Names, Names, Option<&str>); 12] = [
        // label             lines                        offered                supported          picked
        ("S13 none",         &[],                         &[],                   &["a"],            None),
        ("S13 one",          &["a"],                      &["a"],                &["a"],            Some("a")),
        ("S13 a list",       &["a, b,c ,\td"],            &["a", "b", "c", "d"], &["c", "b"],       Some("b")),
        ("S13 lines",        &["a", "b"],                 &["a", "b"],           &["b", "a"],       Some("a")),
        ("S13 lines and lists", &["a, b", "c", "d,e"],    &["a", "b", "c", "d", "e"], &["e", "d"],  Some("d")),
        ("S13 empty members", &[",a,,", "", " , b"],      &["a", "b"],           &["b"],            Some("b")),
        ("S13 twice",        &["b, a", "b"],              &["b", "a", "b"],      &["a", "b"],       Some("b")),
        ("S13 not supported", &["a, b"],                  &["a", "b"],           &["c"],            None),
        ("S13 nothing supported", &["a, b"],              &["a", "b"],           &[],               None),
        ("S13 they have a case", &["Chat"],               &["Chat"],             &["chat"],         None),
        ("S13 whole names",  &["chat2, cha"],             &["chat2", "cha"],     &["chat"],         None),
        ("S13 odd tokens",   &["a.b!c~, v2.x-y"],         &["a.b!c~", "v2.x-y"], &["v2.x-y"],       Some("v2.x-y")),
    ];
    for (label, lines, offered, supported, picked) in rows {
        let lines: Vec<_> = lines.iter().map(|line| format!("Sec-WebSocket-Protocol: {line}")).collect();
        let head = if lines.is_empty() { REQUEST.whole() } else { REQUEST.with(lines.join("\r\nX-Between: y\r\n")) };
        for upgrade in [upgrade(&head), from_parts(Config::new(), parts(&head).unwrap()).unwrap()] {
            assert_eq!(upgrade.subprotocols().collect::<Vec<_>>(), offered, "{label}");
            assert_eq!(upgrade.select_subprotocol(supported), picked, "{label}");
            let connection = upgrade.accept(&Accept::new().subprotocol(picked)).unwrap();
            let response = Http::parse(connection.sender.pending());
            assert_eq!(response.get("Sec-WebSocket-Protocol"), picked, "{label}");
        }
        // Any that was offered can be picked, and none.
        for picked in offered.iter().copied().map(Some).chain([None]) {
            let connection = upgrade(&head).accept(&Accept::new().subprotocol(picked)).unwrap();
            let response = Http::parse(connection.sender.pending());
            assert_eq!(response.get("Sec-WebSocket-Protocol"), picked, "{label}");
        }
    }
}

// ---- S15, threat 13: what is behind the head

/// Nothing behind the head is looked at before the request is accepted, even what no connection could receive.
#[test]
fn s15_nothing_is_parsed_before_accept() {
    #[rustfmt::skip]
    let rows: [(&str, &[u8], &[&str]); 4] = [
        ("S15 not a frame",    b"\xff\xff\xff\xff",                         &["failed"]),
        ("S15 a request",      b"GET /smuggled HTTP/1.1\r\n\r\n",           &["failed"]),
        ("S15 part of a frame", b"\x81\x85\0\0\0\0he",                      &[]),
        ("S15 two frames",     b"\x81\x82\0\0\0\0hi\x82\x81\0\0\0\0\x07",   &["text hi", "Binary([7])"]),
    ];
    for (label, behind, events) in rows {
        let outcome = serve_all(label, Config::new(), &REQUEST.whole(), behind);
        assert_eq!((outcome.refusal, outcome.behind.as_deref()), (None, Some(behind)), "{label}");
        assert_eq!(outcome.events, events, "{label}");
        assert!(outcome.response.starts_with(b"HTTP/1.1 101 "), "{label}");
    }
}

#[test]
fn s15_read_after_the_head_takes_nothing() {
    let mut handshake = new_server(Config::new());
    let mut stream = [&REQUEST.whole()[..], b"behind"].concat();
    let mut input = Input::new(&mut stream);
    assert!(handshake.read(&mut input));
    assert!(handshake.read(&mut input));
    assert_eq!(input.remaining(), b"behind");
}

// ---- S16, threat 10: injection

/// What no caller can add to a head, with the fault at place 1.
#[rustfmt::skip]
const INJECTIONS: [(&str, (&str, &str), InvalidHeader); 22] = [
    ("S16 CR LF in a value", ("X-A", "b\r\nSet-Cookie: c"),  InvalidHeader::Value { index: 1 }),
    ("S16 an empty line",    ("X-A", "b\r\n\r\n<script>"),   InvalidHeader::Value { index: 1 }),
    ("S16 LF in a value",    ("X-A", "b\nSet-Cookie: c"),    InvalidHeader::Value { index: 1 }),
    ("S16 CR in a value",    ("X-A", "b\rSet-Cookie: c"),    InvalidHeader::Value { index: 1 }),
    ("S16 LF in front",      ("X-A", "\nb"),                 InvalidHeader::Value { index: 1 }),
    ("S16 CR at the end",    ("X-A", "b\r"),                 InvalidHeader::Value { index: 1 }),
    ("S16 LF at the end",    ("X-A", "b\n"),                 InvalidHeader::Value { index: 1 }),
    ("S16 a folded line",    ("X-A", "b\r\n c"),             InvalidHeader::Value { index: 1 }),
    ("S16 NUL in a value",   ("X-A", "b\0c"),                InvalidHeader::Value { index: 1 }),
    ("S16 escape in a value", ("X-A", "\x1b]0;"),            InvalidHeader::Value { index: 1 }),
    ("S16 DEL in a value",   ("X-A", "b\x7f"),               InvalidHeader::Value { index: 1 }),
    ("S16 CR LF in a name",  ("X-A: b\r\nX-C", "d"),         InvalidHeader::Name { index: 1 }),
    ("S16 LF in a name",     ("X-A\n", "b"),                 InvalidHeader::Name { index: 1 }),
    ("S16 NUL in a name",    ("X\0A", "b"),                  InvalidHeader::Name { index: 1 }),
    ("S16 colon in a name",  ("X-A:", "b"),                  InvalidHeader::Name { index: 1 }),
    ("S16 space in a name",  ("X-A ", "b"),                  InvalidHeader::Name { index: 1 }),
    ("S16 space before a name", (" X-A", "b"),               InvalidHeader::Name { index: 1 }),
    ("S16 not ASCII",        ("X-\u{e4}", "b"),              InvalidHeader::Name { index: 1 }),
    ("S16 no name",          ("", "b"),                      InvalidHeader::Name { index: 1 }),
    ("S16 the length",       ("content-LENGTH", "5"),        InvalidHeader::Reserved { index: 1 }),
    ("S16 the encoding",     ("Transfer-Encoding", "chunked"), InvalidHeader::Reserved { index: 1 }),
    ("S16 the connection",   ("CONNECTION", "keep-alive"),   InvalidHeader::Reserved { index: 1 }),
];

/// An upgrade whose response goes into `out`, an array of the caller's that can be looked at afterwards.
fn upgrade_into<'o>(head: &[u8], out: &'o mut [u8]) -> Upgrade<Store, FixedStorage<&'o mut [u8]>> {
    let mut handshake = Handshake::with_storage(Config::new(), store(), FixedStorage::new(out));
    handshake.read(&mut Input::new(&mut head.to_vec()));
    handshake.into_request().unwrap().upgrade().unwrap()
}

fn assert_not_accepted(label: &str, head: &[u8], accept: &Accept<'_>, error: AcceptError) {
    let mut out = [0xaa; 1024];
    assert_eq!(upgrade_into(head, &mut out).accept(accept).err(), Some(error), "{label}");
    assert_eq!(out, [0xaa; 1024], "{label}: something was written");
    assert_eq!(upgrade(head).response_headers(accept).err(), Some(error), "{label}");
}

#[test]
fn s16_accept() {
    let reserved =
        ["Upgrade", "upgrade", "Host", "Origin", "Sec-WebSocket-Accept", "sec-websocket-protocol", "SEC-WEBSOCKET-X"];
    let reserved = reserved.map(|name| (name, (name, "x"), InvalidHeader::Reserved { index: 1 }));
    for (label, bad, error) in INJECTIONS.into_iter().chain(reserved) {
        let headers = [("X-Good", "good"), bad, ("X-Good", "good")];
        let accept = Accept::new().headers(&headers);
        assert_not_accepted(label, &REQUEST.whole(), &accept, AcceptError::Header(error));
    }
    #[rustfmt::skip]
    let rows = [
        // what is offered         what is picked
        ("chat",                   "superchat"),
        ("chat",                   ""),
        ("chat",                   "Chat"),
        ("chat, superchat",        "chat, superchat"),
        ("chat",                   "chat\r\nSet-Cookie: a"),
        ("chat",                   "chat\r\n"),
        ("chat",                   "chat\0"),
        ("chat",                   " chat"),
        ("",                       ""),
    ];
    for (offered, picked) in rows {
        let head = REQUEST.with(format!("Sec-WebSocket-Protocol: {offered}"));
        let label = format!("S16 {picked:?} of {offered:?}");
        assert_not_accepted(&label, &head, &Accept::new().subprotocol(picked), AcceptError::SubprotocolNotOffered);
    }
    assert_not_accepted(
        "S16 nothing offered",
        &REQUEST.whole(),
        &Accept::new().subprotocol("chat"),
        AcceptError::SubprotocolNotOffered,
    );
}

#[test]
fn s16_reject() {
    for (label, bad, error) in INJECTIONS {
        let headers = [("X-Good", "good"), bad, ("X-Good", "good")];
        let mut out = stale();
        let response = Response::new(403).headers(&headers).body(b"body");
        assert_eq!(response.write(&mut out), Err(ResponseError::Header(error)), "{label}");
        assert_eq!(out.as_slice(), stale().as_slice(), "{label}");
    }
    for status in [0, 1, 99, 100, 101, 199, 600, 999, 1000, u16::MAX] {
        let mut out = stale();
        assert_eq!(Response::new(status).write(&mut out), Err(ResponseError::Status(status)));
        assert_eq!(out.as_slice(), stale().as_slice());
    }
}

#[test]
fn what_the_caller_adds_is_sent() {
    let headers =
        [("Set-Cookie", "a=b; Path=/"), ("set-cookie", "c=\td\u{e4}"), ("X-Empty", ""), ("!#$%&'*+-.^_`|~9", ":")];
    let written = headers.map(|(name, value)| format!("{name}: {value}\r\n")).concat();

    let head = REQUEST.with("Sec-WebSocket-Protocol: chat");
    let accept = Accept::new().subprotocol("chat").headers(&headers);
    let connection = upgrade(&head).accept(&accept).unwrap();
    let expected = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\nSec-WebSocket-Protocol: chat\r\n{written}\r\n",
    );
    assert_eq!(String::from_utf8_lossy(connection.sender.pending()), expected);

    let in_parts = from_parts(Config::new(), parts(&head).unwrap()).unwrap();
    let upgrade: Vec<_> = in_parts.response_headers(&accept).unwrap().collect();
    assert_eq!(upgrade[3], ("Sec-WebSocket-Protocol", "chat"));
    assert_eq!(upgrade[4..], headers);

    let mut out = stale();
    Response::new(401).headers(&headers).body(b"\0\r\n\r\n").write(&mut out).unwrap();
    let answer = Http::parse(out.as_slice().strip_prefix(stale().as_slice()).unwrap());
    assert_eq!((answer.first_line.as_str(), &answer.body[..]), ("HTTP/1.1 401 Unauthorized", &b"\0\r\n\r\n"[..]));
    let own = [("Content-Length", "5"), ("Connection", "close")];
    assert_headers(&answer, &[&headers[..], &own].concat(), "401");
}

/// A status of the caller's own, with and without a body: RFC 9110 §8.6, §15.3.5, §15.4.5.
#[test]
fn reject_with_any_status() {
    type Bytes = &'static [u8];
    #[rustfmt::skip]
    let rows: [(u16, Bytes, &str, Option<&str>, Bytes); 7] = [
        (200, b"x",    "HTTP/1.1 200 OK",           Some("1"),  b"x"),
        (204, b"x",    "HTTP/1.1 204 No Content",   None,       b""),
        (299, b"",     "HTTP/1.1 299 ",             Some("0"),  b""),
        (302, b"",     "HTTP/1.1 302 Found",        Some("0"),  b""),
        (304, b"x",    "HTTP/1.1 304 Not Modified", None,       b""),
        (418, b"0123456789", "HTTP/1.1 418 ",       Some("10"), b"0123456789"),
        (599, b"",     "HTTP/1.1 599 ",             Some("0"),  b""),
    ];
    for (status, body, status_line, length, sent) in rows {
        let mut out = store();
        Response::new(status).body(body).write(&mut out).unwrap();
        let response = Http::parse(out.as_slice());
        assert_eq!((response.first_line.as_str(), &response.body[..]), (status_line, sent));
        assert_eq!(response.get("Content-Length"), length, "{status}");
        assert_eq!(response.get("Connection"), Some("close"), "{status}");
    }
}

/// RFC 9110 §15, RFC 6585 §4 and §5. Other statuses have no reason.
#[test]
#[rustfmt::skip]
fn every_reason_is_that_of_the_rfcs() {
    let reasons = [
        (200, "OK"), (204, "No Content"),
        (301, "Moved Permanently"), (302, "Found"), (303, "See Other"), (304, "Not Modified"),
        (307, "Temporary Redirect"), (308, "Permanent Redirect"),
        (400, "Bad Request"), (401, "Unauthorized"), (403, "Forbidden"), (404, "Not Found"),
        (405, "Method Not Allowed"), (408, "Request Timeout"), (413, "Content Too Large"), (421, "Misdirected Request"),
        (426, "Upgrade Required"),
        (429, "Too Many Requests"), (431, "Request Header Fields Too Large"),
        (500, "Internal Server Error"), (501, "Not Implemented"), (502, "Bad Gateway"), (503, "Service Unavailable"),
        (504, "Gateway Timeout"), (505, "HTTP Version Not Supported"),
    ];
    for status in 200..=599 {
        let reason = reasons.iter().find(|(of, _)| *of == status).map_or("", |(_, reason)| reason);
        let mut out = [0; 128];
        let mut out = FixedStorage::new(&mut out[..]);
        Response::new(status).write(&mut out).unwrap();
        assert_eq!(Http::parse(out.as_slice()).first_line, format!("HTTP/1.1 {status} {reason}"));
    }
}

// ---- Stores that are too small

#[test]
fn stores_that_are_too_small() {
    let head = REQUEST.whole();

    // The head, to the byte, however it comes.
    for room in [head.len(), head.len() - 1, 10, 0] {
        for cuts in every_cut(head.len()) {
            let mut array = vec![0; room];
            let mut handshake =
                Handshake::with_storage(Config::new(), FixedStorage::new(&mut array[..]), FixedStorage::new([0; 256]));
            for chunk in pieces(&head, &cuts) {
                handshake.read(&mut Input::new(&mut chunk.to_vec()));
            }
            let refusal = handshake.into_request().err();
            let expected = (room < head.len()).then_some(Refusal::Head(HeadError::TooLarge { limit: room }));
            assert_eq!(refusal, expected, "store of {room}, {}", how(&cuts));
        }
        let (method, target, headers) = parts(&head).unwrap();
        let mut array = vec![0; room];
        let (input, output) = (FixedStorage::new(&mut array[..]), FixedStorage::new([0; 256]));
        let refusal = Request::from_parts_with_storage(Config::new(), method, target, headers, input, output).err();
        let expected = (room < head.len()).then_some(Refusal::Head(HeadError::TooLarge { limit: room }));
        assert_eq!(refusal, expected, "store of {room}, in parts");
    }

    // The response and the longest Close behind it, to the byte.
    let headers = [("Set-Cookie", &*"x".repeat(500))];
    let response = RESPONSE_LEN + "Set-Cookie: \r\n".len() + 500;
    let needed = response + 127;
    for capacity in [needed, needed - 1, 0] {
        let mut out = vec![0xaa; capacity];
        match upgrade_into(&head, &mut out).accept(&Accept::new().headers(&headers)) {
            Ok(connection) => assert_eq!((connection.sender.pending().len(), capacity), (response, needed)),
            Err(error) => {
                assert_eq!(error, AcceptError::StoreTooSmall { needed, capacity });
                assert_eq!(out, vec![0xaa; capacity], "something was written");
            }
        }
    }

    // A refusal, to the byte.
    let mut whole = store();
    OTHER.response().write(&mut whole).unwrap();
    let whole = whole.as_slice();
    let mut exact = vec![0; whole.len()];
    OTHER.response().write(&mut FixedStorage::new(&mut exact[..])).unwrap();
    assert_eq!(exact, whole);
    let mut small = vec![0xaa; whole.len() - 1];
    let error = ResponseError::StoreTooSmall { needed: whole.len(), capacity: small.len() };
    assert_eq!(OTHER.response().write(&mut FixedStorage::new(&mut small[..])), Err(error));
    assert_eq!(small, vec![0xaa; whole.len() - 1], "something was written");

    // Behind what is there already it is written whole as well, or not at all.
    let mut two = vec![0xaa; 2 * whole.len() - 1];
    let mut out = FixedStorage::new(&mut two[..]);
    OTHER.response().write(&mut out).unwrap();
    let error = ResponseError::StoreTooSmall { needed: 2 * whole.len(), capacity: 2 * whole.len() - 1 };
    assert_eq!(OTHER.response().write(&mut out), Err(error));
    assert_eq!(out.as_slice(), whole);
    assert_eq!(two[whole.len()..], vec![0xaa; whole.len() - 1], "something was written");
}

/// "What is in them is dropped."
#[test]
fn stores_that_are_not_empty() {
    let (input, output) = (stale(), stale());
    let mut handshake = Handshake::with_storage(Config::new(), input, output);
    assert!(handshake.read(&mut Input::new(&mut REQUEST.whole())));
    let request = handshake.into_request().unwrap();
    assert_eq!(request.target(), "/chat");
    let connection = request.upgrade().unwrap().accept(&Accept::new()).unwrap();
    assert_eq!(connection.sender.pending().len(), RESPONSE_LEN);
    assert!(connection.sender.pending().starts_with(b"HTTP/1.1 101 "));
}

/// The same handshake over arrays, down to the frame behind the head.
#[test]
fn without_an_allocator() {
    let mut stream = [REQUEST.whole(), behind()].concat();
    let mut handshake =
        Handshake::with_storage(Config::new(), FixedStorage::new([0; 256]), FixedStorage::new([0; 512]));
    let mut input = Input::new(&mut stream);
    assert!(handshake.read(&mut input));
    let mut connection = handshake.into_request().unwrap().upgrade().unwrap().accept(&Accept::new()).unwrap();
    assert_eq!(connection.sender.pending().len(), RESPONSE_LEN);
    let events = receive(&mut connection.receiver, &mut connection.sender, [input]);
    assert_eq!(events, ["text behind the head"]);
}

// ---- Requests that somebody else has parsed

/// What is in the parts is refused as it would be in bytes, and no part can pretend to be two.
#[test]
fn from_parts_is_not_fooled() {
    let base = || parts(REQUEST.0.as_bytes()).unwrap();
    let malformed = |refusal| matches!(refusal, Refusal::Head(HeadError::Malformed(_)));

    #[rustfmt::skip]
    let methods = [
        "", " ", "GET ", " GET", "GET /chat HTTP/1.1\r\nX:", "GET\r\n", "\r\nGET", "G\0T", "G\nT", "GET\t", "G\u{e4}T", "GET /",
    ];
    for method in methods {
        let (_, target, headers) = base();
        let refusal = from_parts(Config::new(), (method, target, headers)).err();
        assert!(refusal.is_some_and(malformed), "method {method:?}: {refusal:?}");
    }

    #[rustfmt::skip]
    let targets = [
        "", " ", "/ ", " /", "/a b", "/ HTTP/1.1\r\nX: y", "/\r\n", "/\r", "/\n", "/\0", "/\x7f", "/\t", "/\x0b", "/\x0c",
    ];
    for target in targets {
        let (method, _, headers) = base();
        let refusal = from_parts(Config::new(), (method, target, headers)).err();
        assert!(refusal.is_some_and(malformed), "target {target:?}: {refusal:?}");
    }
    for target in ["chat", "?", "#", "/#", "h:80", "http://", "mailto:a@b"] {
        let (method, _, headers) = base();
        let refusal = from_parts(Config::new(), (method, target, headers)).err();
        assert_eq!(refusal, Some(Refusal::Target), "target {target:?}");
    }

    #[rustfmt::skip]
    let headers: [(&str, &[u8]); 16] = [
        ("X-A", b"b\r\nHost: evil"), ("X-A", b"b\n"), ("X-A", b"\r"), ("X-A", b"\r\n\r\n"), ("X-A", b"b\r\n c"), ("X-A", b"\0"),
        ("X-A", b"\x1b"), ("X-A", b"\x7f"), ("", b"b"), ("X A", b"b"), ("X-A:", b"b"), (":path", b"/"), ("X-A\r\nB", b"c"),
        ("\r\n", b""), ("\n", b""), ("X-\u{e4}", b"b"),
    ];
    for bad in headers {
        for place in 0..=REQUEST_HEADERS {
            let (method, target, mut headers) = base();
            headers.insert(place, bad);
            let refusal = from_parts(Config::new(), (method, target, headers)).err();
            assert!(refusal.is_some_and(malformed), "header {bad:?}: {refusal:?}");
        }
    }
}

/// A header list without end is given up at the limit, not collected.
#[test]
fn from_parts_is_bounded() {
    let (config, mut taken) = (Config::new(), 0);
    let endless = core::iter::repeat_with(|| {
        taken += 1;
        ("X", "y")
    });
    let refusal = request_of(config, "GET", "/", endless.take(1 << 20)).err();
    assert_eq!(refusal, Some(Refusal::Head(HeadError::TooManyHeaders { limit: 128 })));
    assert!(taken <= 129, "{taken}");
}

/// The caller's HTTP library sends the response; what comes then is frames.
#[test]
fn from_parts_to_a_connection() {
    let (method, target, headers) = parts(REQUEST.0.as_bytes()).unwrap();
    // What is in the stores is dropped.
    let (input, output) = (stale(), store());
    let request = Request::from_parts_with_storage(Config::new(), method, target, headers, input, output).unwrap();
    assert!(request.is_upgrade());
    assert_eq!((request.method(), request.target(), request.path()), ("GET", "/chat", "/chat"));
    let mut connection = request.upgrade().unwrap().into_connection().unwrap();
    assert!(connection.sender.is_empty());
    let events = receive(&mut connection.receiver, &mut connection.sender, [Input::new(&mut behind())]);
    assert_eq!(events, ["text behind the head"]);
    connection.sender.send_text("hello").unwrap();
    assert_eq!(connection.sender.pending(), frame(0x81, b"hello", false));
}

/// A connection needs space for the longest Pong and the longest Close, 127 bytes each.
#[test]
fn from_parts_to_the_smallest_output() {
    for capacity in [0, 253, 254] {
        let (method, target, headers) = parts(REQUEST.0.as_bytes()).unwrap();
        let output = FixedStorage::new(vec![0; capacity]);
        let request =
            Request::from_parts_with_storage(Config::new(), method, target, headers, store(), output).unwrap();
        match request.upgrade().unwrap().into_connection() {
            Err(error) => {
                assert_eq!((error, capacity < 254), (AcceptError::StoreTooSmall { needed: 254, capacity }, true))
            }
            Ok(mut connection) => {
                let control = |first| [&[first, 0x80 | 125, 0, 0, 0, 0, 0x03, 0xE8][..], &[b'r'; 123]].concat();
                for first in [0x89, 0x88] {
                    receive(&mut connection.receiver, &mut connection.sender, [Input::new(&mut control(first))]);
                }
                assert_eq!((connection.sender.pending().len(), capacity), (2 * 127, 254));
            }
        }
    }
}

// ---- Rows that the library did not meet when they were written

/// S1: the method of a proxy's request, in the only form that its target has (RFC 9112 §3.2.3).
#[test]
fn s1_connect() {
    let head = REQUEST.line("CONNECT server.example.com:443 HTTP/1.1");
    assert_refused("S1 CONNECT", Config::new(), &head, METHOD, OTHER);
}

/// S9: what is not a version number is a bad request line, not an old or new HTTP.
#[test]
#[rustfmt::skip]
fn s9_not_a_version() {
    for line in ["GET /a b HTTP/1.1", "GET /chat  HTTP/1.1", "GET /chat FOO", "GET /chat http/1.1", "GET /chat HTTP/1", "GET /chat HTTPS/1.1"] {
        let outcome = serve_all(line, Config::new(), &REQUEST.line(line), &behind());
        assert!(matches!(outcome.refusal, Some(Refusal::Head(HeadError::Malformed(_)))), "S9 {line}: {:?}", outcome.refusal);
        assert_answer(line, &outcome.response, BAD);
    }
}

/// S9: the asterisk is for OPTIONS alone (RFC 9112 §3.2.4), and RFC 6455 §4.1 wants a path or an address.
#[test]
fn s9_asterisk() {
    assert_refused("S9 *", Config::new(), &REQUEST.line("GET * HTTP/1.1"), BAD, Refusal::Target);
}

/// The output store of a request in parts is as empty as one that came in bytes ("what is in them is dropped").
#[test]
fn from_parts_drops_what_is_in_the_output() {
    let (method, target, headers) = parts(REQUEST.0.as_bytes()).unwrap();
    let (input, output) = (stale(), stale());
    let request = Request::from_parts_with_storage(Config::new(), method, target, headers, input, output).unwrap();
    let connection = request.upgrade().unwrap().into_connection().unwrap();
    assert_eq!(connection.sender.pending(), b"");
}

/// "A server MUST respond with a 400 [...] to any request message that contains [...] a Host header field with an invalid
/// field value" (RFC 9112 §3.2). The table does not say so.
#[test]
fn s3_host_that_is_none() {
    for host in ["a b", "a@b", "a, b", "a/b", "[", "h:x", "<script>"] {
        let outcome = serve(Config::new(), &[&REQUEST.set("Host", host)]);
        assert_eq!(outcome.refusal.map(Refusal::status), Some(400), "Host: {host}");
    }
}

/// HTTP/0.9 has no version in its request line. S2 says 505 for what is older than 1.0, S9 says 400 for a bad line.
#[test]
fn s2_http_0_9() {
    assert_answer("S2 0.9", &serve(Config::new(), &[b"GET /chat\r\n\r\n"]).response, VERSION);
}

// ---- Properties

/// Pieces of which nearly requests are made.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    #[rustfmt::skip]
    let known = [
        "GET ", "POST ", "/chat", " HTTP/1.1", " HTTP/1.0", "\r\n", "\r\n", "\r\n", "\n", "\r", ":", ": ", " ", "\0",
        ",", "\"", "GET / HTTP/1.1\r\n", "Host: h\r\n", "Upgrade: websocket\r\n", "Connection: upgrade\r\n",
        "Content-Length: 1\r\n", "Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Sec-WebSocket-Extensions: ", "Origin: ", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    let piece = prop_oneof![
        8 => prop::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => Just(REQUEST.whole()),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// [`REQUEST`] with a few bytes changed, left out or put in.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4);
    edits.prop_map(|edits| {
        let mut head = REQUEST.whole();
        for (place, byte, what) in edits {
            let place = place.index(head.len());
            match what {
                0 => head[place] = byte,
                1 => drop(head.remove(place)),
                _ => head.insert(place, byte),
            }
        }
        [head, behind()].concat()
    })
}

proptest! {
    /// Whatever comes, and however it is cut, comes to the same; and without a panic.
    #[test]
    fn any_bytes(
        stream in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), fragments(), mutated()],
        lengths in prop::collection::vec(1..40_usize, 1..6),
        max_head in prop_oneof![Just(16384_usize), 0..300_usize],
        max_headers in prop_oneof![Just(128_usize), 0..8_usize],
    ) {
        let config = Config::new().max_head(max_head).max_headers(max_headers);
        let whole = serve(config, &[&stream]);
        prop_assert_eq!(&serve(config, &in_lengths(&stream, &lengths)), &whole);
        prop_assert_eq!(&serve(config, &in_lengths(&stream, &[1])), &whole);
        // Only what ended as a head can have been accepted, and what was not taken is the stream's end, as it was.
        let behind = whole.behind.unwrap_or_default();
        prop_assert!(stream.ends_with(&behind));
        if whole.refusal.is_none() {
            let head = &stream[..stream.len() - behind.len()];
            prop_assert!(head.len() <= max_head && head.ends_with(b"\r\n\r\n"));
            prop_assert!(whole.response.starts_with(b"HTTP/1.1 101 "));
        }
    }

    /// In parts and in bytes it is the same request.
    #[test]
    fn any_parts(
        method in prop_oneof![4 => Just("GET".to_owned()), 1 => ".{0,4}", 1 => any::<String>()],
        target in prop_oneof![4 => Just("/".to_owned()), 1 => "/[ -~]{0,6}", 1 => any::<String>()],
        extra in prop::collection::vec(("[!-~]{0,4}|\\PC{0,3}|X", prop_oneof!["[ -~]{0,6}", ".{0,3}", any::<String>()]), 0..3),
    ) {
        let mut lines = format!("{method} {target} HTTP/1.1\r\n");
        let (_, _, mut headers) = parts(REQUEST.0.as_bytes()).unwrap();
        headers.extend(extra.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
        for (name, value) in &headers {
            lines.push_str(&format!("{name}: {}\r\n", core::str::from_utf8(value).unwrap()));
        }
        lines.push_str("\r\n");
        let in_parts = from_parts(Config::new(), (&method, &target, headers.clone()));
        if let Ok(upgrade) = &in_parts {
            // Every header is one header, and what it was.
            let seen: Vec<_> = upgrade.request().headers().map(|header| (header.name, header.value)).collect();
            let given: Vec<_> = headers.iter().map(|(name, value)| (*name, trim(value))).collect();
            prop_assert_eq!(seen, given);
            prop_assert!(handshake(Config::new(), lines.as_bytes()).is_ok());
        }
        // Bytes may be accepted where parts are not: a line that became two. Never the other way around.
        if handshake(Config::new(), lines.as_bytes()).is_err() {
            prop_assert!(in_parts.is_err());
        }
    }

    /// Any strings at all as headers and subprotocol: an error and nothing written, or exactly those arrive.
    #[test]
    fn any_added_headers(
        headers in prop::collection::vec(
            (
                prop_oneof![6 => "[A-Za-z][A-Za-z0-9-]{0,8}", 1 => any::<String>()],
                prop_oneof![6 => "[ -~\u{e4}\t]{0,10}", 1 => any::<String>(), 1 => "[a\r\n\0 ]{0,3}"],
            ),
            0..4,
        ),
        subprotocol in prop::option::of(prop_oneof![4 => Just("chat".to_owned()), 1 => any::<String>()]),
        status in 195..605_u16,
        body in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let head = REQUEST.with("Sec-WebSocket-Protocol: chat");
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let lower: Vec<_> = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned())).collect();

        let mut out = vec![0xaa; 1024];
        let accept = Accept::new().headers(&headers).subprotocol(subprotocol.as_deref());
        if let Ok(connection) = upgrade_into(&head, &mut out).accept(&accept) {
            let response = Http::parse(connection.sender.pending());
            prop_assert_eq!(response.get("Sec-WebSocket-Protocol"), subprotocol.as_deref());
            prop_assert_eq!(response.body, b"");
            prop_assert_eq!(&response.headers[3 + usize::from(subprotocol.is_some())..], &lower);
        } else {
            prop_assert_eq!(out, vec![0xaa; 1024]);
        }

        let mut out = stale();
        if Response::new(status).headers(&headers).body(&body).write(&mut out).is_ok() {
            let response = Http::parse(out.as_slice().strip_prefix(stale().as_slice()).unwrap());
            let status = status.to_string();
            prop_assert_eq!(response.first_line.split(' ').nth(1), Some(status.as_str()));
            prop_assert_eq!(&response.headers[..lower.len()], &lower);
            prop_assert!(response.headers[lower.len()..].iter().all(|(name, _)| name.starts_with("con")));
        } else {
            let before = stale();
            prop_assert_eq!(out.as_slice(), before.as_slice());
        }
    }
}

// ---- Editing heads

/// What a [`Template`] cannot do in one step.
trait Edit {
    fn replace(self, from: &str, to: &str) -> Self;
    fn append(self, line: &str) -> Self;
    fn splice_line(self, line: &str) -> Self;
}

impl Edit for Vec<u8> {
    /// Every `from`, of which there is one at least, by `to`.
    fn replace(self, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self).unwrap();
        assert!(text.contains(from), "no {from:?} to replace");
        text.replace(from, to).into_bytes()
    }

    /// A further header.
    fn append(self, line: &str) -> Self {
        let text = String::from_utf8(self).unwrap();
        format!("{}{line}\r\n\r\n", text.strip_suffix("\r\n").unwrap()).into_bytes()
    }

    /// Another first line.
    fn splice_line(self, line: &str) -> Self {
        let text = String::from_utf8(self).unwrap();
        format!("{line}\r\n{}", text.split_once("\r\n").unwrap().1).into_bytes()
    }
}
