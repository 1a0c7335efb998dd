//! The client's opening handshake, row by row: C1–C8 of the conformance table, and the attacks on a handshake; then both
//! ends against each other.
//!
//! A row is a response and what must come of it. Each is fed whole, byte by byte, cut in two everywhere, and with a frame
//! behind it.

mod common;

use common::{
    Store,
    cuts::{every_cut, how, in_lengths, pieces},
    frame,
    heads::{ACCEPT, Http, KEY, KEYS, NONCE, Template, new_server, receive, stale},
    store,
};
use proptest::prelude::*;
use websocket_proto::{
    Config, FixedStorage, Input, Randomness, Uri, UriError,
    client::{Handshake, Request, RequestError, UpgradeError},
    http::HeadError,
    http::HeaderFault::{self, *},
    http::InvalidHeader,
    server,
};

const RESPONSE: Template = Template(
    "HTTP/1.1 101 Switching Protocols\r\n\
     Upgrade: websocket\r\n\
     Connection: Upgrade\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
);

/// How many headers [`RESPONSE`] has.
const RESPONSE_HEADERS: usize = 3;

/// What the client of the tables offers.
const OFFERED: &[&str] = &["chat", "superchat"];

const INTERIM: &str = "HTTP/1.1 100 Continue\r\n\r\n";

fn new_client<K: Randomness>(
    config: Config,
    request: &Request<'_>,
    random: K,
) -> Result<Handshake<K, Store, Store>, RequestError> {
    #[cfg(feature = "alloc")]
    {
        Handshake::new(config, request, random)
    }
    #[cfg(not(feature = "alloc"))]
    {
        Handshake::with_storage(config, request, random, common::heads::head_store(), common::heads::head_store())
    }
}

fn request(uri: &str) -> Request<'_> {
    Request::new(Uri::parse(uri).unwrap())
}

fn behind() -> Vec<u8> {
    frame(0x81, b"behind the head", false)
}

/// A source of randomness that gives these sixteen bytes over and over.
fn fixed(nonce: [u8; 16]) -> impl FnMut() -> [u8; 4] {
    let mut at = 0;
    move || {
        let key = [nonce[at], nonce[at + 1], nonce[at + 2], nonce[at + 3]];
        at = (at + 4) % 16;
        key
    }
}

// ---- What comes of a stream

#[derive(Debug, PartialEq)]
enum Verdict {
    /// There was no response.
    NoHead(HeadError),
    Response {
        status: u16,
        headers: Vec<(String, Vec<u8>)>,
        subprotocol: Option<String>,
        failure: Option<UpgradeError>,
    },
}

#[derive(Debug, PartialEq)]
struct Outcome {
    verdict: Verdict,
    /// What the handshake has not touched. Nothing, when there was no response: where it was given up is not promised.
    behind: Vec<u8>,
    /// What the connection makes of that.
    events: Vec<String>,
}

impl Outcome {
    fn failure(&self) -> Option<UpgradeError> {
        match &self.verdict {
            Verdict::NoHead(error) => panic!("{error}"),
            Verdict::Response { failure, .. } => *failure,
        }
    }
}

/// Connects to a server that sends these chunks and then ends its stream.
fn connect(config: Config, request: &Request<'_>, nonce: [u8; 16], chunks: &[&[u8]]) -> Outcome {
    let mut chunks: Vec<_> = chunks.iter().map(|chunk| chunk.to_vec()).collect();
    let mut inputs = chunks.iter_mut().map(|chunk| Input::new(chunk));
    let mut handshake = new_client(config, request, fixed(nonce)).unwrap();
    handshake.consume(handshake.pending().len());
    let rest = inputs.by_ref().find_map(|mut input| {
        let whole = handshake.read(&mut input);
        assert!(whole || input.is_empty(), "an incomplete head leaves nothing");
        whole.then_some(input)
    });
    let inputs: Vec<_> = rest.into_iter().chain(inputs).collect();
    let behind = inputs.iter().flat_map(Input::remaining).copied().collect();
    let response = match handshake.into_response() {
        Ok(response) => response,
        Err(error) => return Outcome { verdict: Verdict::NoHead(error), behind: Vec::new(), events: Vec::new() },
    };
    let status = response.status();
    let headers = response.headers().map(|header| (header.name.to_owned(), header.value.to_vec())).collect();
    let subprotocol = response.subprotocol().map(str::to_owned);
    let (failure, events) = match response.upgrade() {
        Ok(mut connection) => {
            assert!(connection.sender.is_empty(), "nothing of the handshake is sent as a frame");
            (None, receive(&mut connection.receiver, &mut connection.sender, inputs))
        }
        Err(error) => (Some(error), Vec::new()),
    };
    Outcome { verdict: Verdict::Response { status, headers, subprotocol, failure }, behind, events }
}

/// Connects in every delivery of `head`, followed by `behind`; they all come to the same.
fn connect_all(label: &str, config: Config, head: &[u8], behind: &[u8]) -> Outcome {
    let stream = [head, behind].concat();
    let request = request("ws://server.example.com/chat").subprotocols(OFFERED);
    let whole = connect(config, &request, NONCE, &[&stream]);
    for cuts in every_cut(stream.len()) {
        assert_eq!(connect(config, &request, NONCE, &pieces(&stream, &cuts)), whole, "{label}, {}", how(&cuts));
    }
    whole
}

// ---- The checks of a row

fn assert_open(label: &str, config: Config, head: &[u8], subprotocol: Option<&str>) {
    for (behind, events) in [(behind(), vec!["text behind the head".to_owned()]), (Vec::new(), Vec::new())] {
        let outcome = connect_all(label, config, head, &behind);
        assert_eq!(outcome.failure(), None, "{label}");
        assert_eq!(outcome.behind, behind, "{label}");
        assert_eq!(outcome.events, events, "{label}");
        let Verdict::Response { status, subprotocol: found, .. } = outcome.verdict else { unreachable!() };
        assert_eq!((status, found.as_deref()), (101, subprotocol), "{label}");
    }
}

fn assert_failure(label: &str, head: &[u8], error: UpgradeError) {
    for behind in [behind(), Vec::new()] {
        let outcome = connect_all(label, Config::new(), head, &behind);
        assert_eq!(outcome.failure(), Some(error), "{label}");
        assert_eq!(outcome.behind, behind, "{label}");
    }
}

fn assert_no_head(label: &str, config: Config, stream: &[u8], error: HeadError) {
    let outcome = connect_all(label, config, stream, b"");
    assert_eq!(outcome.verdict, Verdict::NoHead(error), "{label}");
}

// ---- The request

#[test]
fn request_to_the_byte() {
    let handshake = new_client(Config::new(), &request("ws://server.example.com/chat"), fixed(NONCE)).unwrap();
    let expected = "GET /chat HTTP/1.1\r\n\
                    Host: server.example.com\r\n\
                    Upgrade: websocket\r\n\
                    Connection: Upgrade\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                    Sec-WebSocket-Version: 13\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(handshake.pending()), expected);

    let request = request("wss://[::1]:8443/?q=%20")
        .subprotocols(&["chat", "superchat", "v1.x"])
        .origin("https://example.com")
        .headers(&[("Authorization", "Basic dTpw"), ("Cookie", "a=b; c=\u{e4}"), ("cookie", "\td "), ("X-Empty", "")]);
    let handshake = new_client(Config::new(), &request, fixed([0xff; 16])).unwrap();
    let expected = "GET /?q=%20 HTTP/1.1\r\n\
                    Host: [::1]:8443\r\n\
                    Upgrade: websocket\r\n\
                    Connection: Upgrade\r\n\
                    Sec-WebSocket-Key: /////////////////////w==\r\n\
                    Sec-WebSocket-Version: 13\r\n\
                    Origin: https://example.com\r\n\
                    Sec-WebSocket-Protocol: chat, superchat, v1.x\r\n\
                    Authorization: Basic dTpw\r\n\
                    Cookie: a=b; c=\u{e4}\r\n\
                    cookie: \td \r\n\
                    X-Empty: \r\n\r\n";
    assert_eq!(String::from_utf8_lossy(handshake.pending()), expected);
}

#[test]
fn request_is_handed_over_piece_by_piece() {
    let mut handshake = new_client(Config::new(), &request("ws://h"), fixed(NONCE)).unwrap();
    let whole = handshake.pending().to_vec();
    for sent in 0..whole.len() {
        assert_eq!(handshake.pending(), &whole[sent..]);
        handshake.consume(1);
    }
    assert_eq!(handshake.pending(), b"");
    handshake.consume(usize::MAX);
    assert_eq!(handshake.pending(), b"");
}

#[test]
fn known_answers() {
    for (nonce, key, accept) in KEYS {
        let request = request("ws://h");
        let handshake = new_client(Config::new(), &request, fixed(nonce)).unwrap();
        assert_eq!(Http::parse(handshake.pending()).get("Sec-WebSocket-Key"), Some(key));
        for (_, _, answer) in KEYS {
            let outcome = connect(Config::new(), &request, nonce, &[&RESPONSE.set("Sec-WebSocket-Accept", answer)]);
            let wrong = UpgradeError::Header(Wrong("Sec-WebSocket-Accept"));
            assert_eq!(outcome.failure(), (answer != accept).then_some(wrong), "{key} answered by {answer}");
        }
    }
}

/// C8: what an address becomes on the wire, and where to connect.
#[test]
fn c8_addresses() {
    #[rustfmt::skip]
    let rows = [
        // address                          TLS    connect to             target            Host
        ("ws://h",                          false, ("h", 80),             "/",              "h"),
        ("wss://h",                         true,  ("h", 443),            "/",              "h"),
        ("wss://h:8443/p?q",                true,  ("h", 8443),           "/p?q",           "h:8443"),
        ("ws://[::1]:9/",                   false, ("::1", 9),            "/",              "[::1]:9"),
        ("ws://[2001:db8::1.2.3.4]",        false, ("2001:db8::1.2.3.4", 80), "/",          "[2001:db8::1.2.3.4]"),
        ("WSS://Example.COM/A",             true,  ("Example.COM", 443),  "/A",             "Example.COM"),
        ("ws://h:80/",                      false, ("h", 80),             "/",              "h"),
        ("wss://h:443/",                    true,  ("h", 443),            "/",              "h"),
        ("ws://h:443/",                     false, ("h", 443),            "/",              "h:443"),
        ("wss://h:80/",                     true,  ("h", 80),             "/",              "h:80"),
        ("ws://h:/p",                       false, ("h", 80),             "/p",             "h"),
        ("ws://h:00081",                    false, ("h", 81),             "/",              "h:81"),
        ("ws://h:65535",                    false, ("h", 65535),          "/",              "h:65535"),
        ("ws://192.0.2.7:1/a/b",            false, ("192.0.2.7", 1),      "/a/b",           "192.0.2.7:1"),
        ("ws://h?a=b",                      false, ("h", 80),             "/?a=b",          "h"),
        ("ws://h?ws://g/",                  false, ("h", 80),             "/?ws://g/",      "h"),
        ("ws://h/?",                        false, ("h", 80),             "/?",             "h"),
        ("ws://h//a//",                     false, ("h", 80),             "//a//",          "h"),
        ("ws://h/../a;b=c,d@e:f%2F%00",     false, ("h", 80),             "/../a;b=c,d@e:f%2F%00", "h"),
        ("ws://a-b.c_d.xn--nxasmq6b/",      false, ("a-b.c_d.xn--nxasmq6b", 80), "/",       "a-b.c_d.xn--nxasmq6b"),
    ];
    for (text, secure, (name, port), target, host) in rows {
        let uri = Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((uri.is_secure(), uri.host(), uri.port()), (secure, name, port), "{text}");
        let handshake = new_client(Config::new(), &Request::new(uri), fixed(NONCE)).unwrap();
        let request = Http::parse(handshake.pending());
        assert_eq!(request.first_line, format!("GET {target} HTTP/1.1"), "{text}");
        assert_eq!(request.get("Host"), Some(host), "{text}");
    }
}

/// C8, threat 10: what is no address never becomes a request.
#[test]
fn c8_not_addresses() {
    #[rustfmt::skip]
    let rows = [
        ("",                           UriError::Scheme),
        ("h",                          UriError::Scheme),
        ("//h/",                       UriError::Scheme),
        ("http://h/",                  UriError::Scheme),
        ("https://h/",                 UriError::Scheme),
        ("wsss://h/",                  UriError::Scheme),
        (" ws://h/",                   UriError::Scheme),
        ("ws:h",                       UriError::Scheme),
        ("ws://",                      UriError::Host),
        ("ws://:80",                   UriError::Host),
        ("ws:///p",                    UriError::Host),
        ("ws://?q",                    UriError::Host),
        ("ws://h h/",                  UriError::Host),
        ("ws://h\t/",                  UriError::Host),
        ("ws://h\r\nX: y/",            UriError::Host),
        ("ws://h\\p",                  UriError::Host),
        ("ws://h\u{e4}/",              UriError::Host),
        ("ws://h%/",                   UriError::Host),
        ("ws://[::1/",                 UriError::Host),
        ("ws://::1/",                  UriError::Host),
        ("ws://a::1/",                 UriError::Port),
        ("ws://[]/",                   UriError::Host),
        ("ws://[h]/",                  UriError::Host),
        ("ws://[1.2.3.4]/",            UriError::Host),
        ("ws://[::1]9/",               UriError::Host),
        ("ws://h]/",                   UriError::Host),
        ("ws://h:0",                   UriError::Port),
        ("ws://h:65536",               UriError::Port),
        ("ws://h:99999999999999999999", UriError::Port),
        ("ws://h:-1",                  UriError::Port),
        ("ws://h:+1",                  UriError::Port),
        ("ws://h:8 ",                  UriError::Port),
        ("ws://h:80\r\nX: y",          UriError::Port),
        ("ws://h:80:80",               UriError::Port),
        ("ws://user@h/",               UriError::UserInfo),
        ("ws://user:password@h/",      UriError::UserInfo),
        ("ws://@h/",                   UriError::UserInfo),
        ("ws://h/#",                   UriError::Fragment { index: 7 }),
        ("ws://h/p?q#fragment",        UriError::Fragment { index: 10 }),
        ("ws://h#@g/",                 UriError::Fragment { index: 6 }),
        ("ws://h/a b",                 UriError::Character { index: 8 }),
        ("ws://h/?a b",                UriError::Character { index: 9 }),
        ("ws://h/ ",                   UriError::Character { index: 7 }),
        ("ws://h/ HTTP/1.1\r\nX: y",   UriError::Character { index: 7 }),
        ("ws://h/\r\nX: y",            UriError::Character { index: 7 }),
        ("ws://h/\n",                  UriError::Character { index: 7 }),
        ("ws://h/?\r",                 UriError::Character { index: 8 }),
        ("ws://h/\0",                  UriError::Character { index: 7 }),
        ("ws://h/\x7f",                UriError::Character { index: 7 }),
        ("ws://h/\u{e4}",              UriError::Character { index: 7 }),
        ("ws://h/%",                   UriError::Character { index: 7 }),
        ("ws://h/%0",                  UriError::Character { index: 7 }),
        ("ws://h/%0g",                 UriError::Character { index: 7 }),
        ("ws://h/[",                   UriError::Character { index: 7 }),
        ("ws://h/\"<>",                UriError::Character { index: 7 }),
    ];
    for (text, error) in rows {
        assert_eq!(Uri::parse(text), Err(error), "{text:?}");
    }
}

// ---- Threat 10: injection

#[test]
fn requests_that_cannot_be_sent() {
    use RequestError::*;
    type Headers = &'static [(&'static str, &'static str)];
    let name = |index| Header(InvalidHeader::Name { index });
    let value = |index| Header(InvalidHeader::Value { index });
    let reserved = |index| Header(InvalidHeader::Reserved { index });

    #[rustfmt::skip]
    let subprotocols: [(&str, &[&str], RequestError); 12] = [
        ("empty",            &[""],                         Subprotocol { index: 0 }),
        ("CR LF",            &["chat", "chat\r\nX: y"],     Subprotocol { index: 1 }),
        ("LF at the end",    &["chat\n"],                   Subprotocol { index: 0 }),
        ("CR",               &["a", "b", "\rc"],            Subprotocol { index: 2 }),
        ("NUL",              &["a\0"],                      Subprotocol { index: 0 }),
        ("space",            &["a b"],                      Subprotocol { index: 0 }),
        ("a list",           &["a,b"],                      Subprotocol { index: 0 }),
        ("quoted",           &["\"a\""],                    Subprotocol { index: 0 }),
        ("delimiter",        &["a/b"],                      Subprotocol { index: 0 }),
        ("not ASCII",        &["\u{e4}"],                   Subprotocol { index: 0 }),
        ("twice",            &["a", "b", "a"],              Subprotocol { index: 2 }),
        ("twice at once",    &["a", "a"],                   Subprotocol { index: 1 }),
    ];
    #[rustfmt::skip]
    let origins = [
        ("CR LF in origin",  "https://h\r\nX: y"),
        ("LF in origin",     "https://h\n"),
        ("CR in origin",     "\rhttps://h"),
        ("NUL in origin",    "https://h\0"),
        ("DEL in origin",    "https://h\x7f"),
    ];
    #[rustfmt::skip]
    let headers: [(&str, Headers, RequestError); 29] = [
        ("CR LF in value",   &[("X", "y\r\nZ: a")],         value(0)),
        ("request in value", &[("X", "y\r\n\r\nGET / HTTP/1.1")], value(0)),
        ("LF in value",      &[("A", "b"), ("X", "y\nZ: a")], value(1)),
        ("CR in value",      &[("X", "y\rZ: a")],           value(0)),
        ("CR at the end",    &[("X", "y\r")],               value(0)),
        ("LF in front",      &[("X", "\ny")],               value(0)),
        ("NUL in value",     &[("X", "y\0")],               value(0)),
        ("escape in value",  &[("X", "\x1by")],             value(0)),
        ("DEL in value",     &[("X", "y\x7f")],             value(0)),
        ("CR LF in name",    &[("X: y\r\nZ", "a")],         name(0)),
        ("LF in name",       &[("A", "b"), ("C", "d"), ("X\n", "y")], name(2)),
        ("NUL in name",      &[("X\0", "y")],               name(0)),
        ("colon in name",    &[("X:", "y")],                name(0)),
        ("space in name",    &[("X ", "y")],                name(0)),
        ("space before name", &[(" X", "y")],               name(0)),
        ("no name",          &[("", "y")],                  name(0)),
        ("not ASCII in name", &[("\u{e4}", "y")],           name(0)),
        ("Host",             &[("hOST", "y")],              reserved(0)),
        ("Upgrade",          &[("Upgrade", "h2c")],         reserved(0)),
        ("Connection",       &[("A", "b"), ("connection", "close")], reserved(1)),
        ("Content-Length",   &[("Content-Length", "5")],    reserved(0)),
        ("Transfer-Encoding", &[("transfer-encoding", "chunked")], reserved(0)),
        ("Origin",           &[("ORIGIN", "null")],         reserved(0)),
        ("Sec-WebSocket-Key", &[("Sec-WebSocket-Key", KEY)], reserved(0)),
        ("sec-websocket-version", &[("sec-websocket-version", "13")], reserved(0)),
        ("Sec-WebSocket-Protocol", &[("Sec-WebSocket-Protocol", "chat")], reserved(0)),
        ("Sec-WebSocket-Extensions", &[("SEC-WEBSOCKET-EXTENSIONS", "foo")], reserved(0)),
        ("Sec-WebSocket-Accept", &[("Sec-WebSocket-Accept", ACCEPT)], reserved(0)),
        ("Sec-WebSocket-",   &[("Sec-WebSocket-", "y")],    reserved(0)),
    ];
    let uri = "ws://h/";
    let subprotocols = subprotocols.map(|(label, names, error)| (label, request(uri).subprotocols(names), error));
    let origins = origins.map(|(label, origin)| (label, request(uri).origin(origin), Origin));
    let headers = headers.map(|(label, headers, error)| (label, request(uri).headers(headers), error));
    for (label, request, error) in subprotocols.into_iter().chain(origins).chain(headers) {
        let mut out = [0xaa; 1024];
        let (input, output) = (store(), FixedStorage::new(&mut out[..]));
        let found = Handshake::with_storage(Config::new(), &request, fixed(NONCE), input, output).err();
        assert_eq!(found, Some(error), "{label}");
        assert_eq!(out, [0xaa; 1024], "{label}: something was written");
    }
}

// ---- C1, C5, C6: what is accepted

#[test]
#[rustfmt::skip]
fn c1_c5_accepted() {
    let after = |interim: &str| [interim.as_bytes(), &RESPONSE.whole()[..]].concat();
    let rows = [
        ("the example",        RESPONSE.whole()),
        ("C1 100",             after(INTERIM)),
        ("C1 103",             after("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n")),
        ("C1 100 and 103",     after("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")),
        ("C1 103 and 100",     after("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")),
        ("C1 100 ten times",   after(&INTERIM.repeat(10))),
        ("C1 102 and 199",     after("HTTP/1.1 102 \r\n\r\nHTTP/1.1 199\r\n\r\n")),
        ("C1 100 like a 101",  after("HTTP/1.1 100 101\r\nUpgrade: h2c\r\nSec-WebSocket-Accept: x\r\n\r\n")),
        ("C5 Connection list", RESPONSE.set("Connection", "keep-alive, Upgrade")),
        ("C5 empty members",   RESPONSE.set("Connection", ",\tUPGRADE ,,x")),
        ("C5 Connection lines", RESPONSE.swap("Connection", "Connection: keep-alive\r\nX: y\r\nconnection: upgrade")),
        ("C5 a length says nothing (RFC 9112 §6.3)", RESPONSE.with(b"Content-Length: 5\r\nTransfer-Encoding: chunked")),
        ("C5 no reason",       RESPONSE.line("HTTP/1.1 101 ")),
        ("C5 no space",        RESPONSE.line("HTTP/1.1 101")),
        ("C5 another reason",  RESPONSE.line("HTTP/1.1 101 Web Socket Protocol Handshake")),
        ("C5 a misleading reason", RESPONSE.line("HTTP/1.1 101 404 Not Found")),
        ("C5 tab in the reason", RESPONSE.line("HTTP/1.1 101 \tOK")),
        ("C5 not ASCII",       RESPONSE.line(b"HTTP/1.1 101 \xe4\xff")),
        ("C5 extra headers",   RESPONSE.with(b"Server: x\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nSet-Cookie: a\r\nSet-Cookie: \xff")),
        ("C5 header case",     RESPONSE.swap("Upgrade", "UPGRADE: websocket")),
        ("C5 no spaces",       RESPONSE.swap("Sec-WebSocket-Accept", format!("sec-websocket-accept:{ACCEPT}"))),
        ("C5 much space",      RESPONSE.set("Sec-WebSocket-Accept", format!(" \t{ACCEPT}\t  "))),
        ("C3 any case",        RESPONSE.set("Upgrade", "WebSocket")),
        ("C3 Connection, any case", RESPONSE.set("Connection", "uPGRADE")),
        ("C5 HTTP/1.0",        RESPONSE.line("HTTP/1.0 101 Switching Protocols")),
        ("C5 HTTP/1.0, no reason", RESPONSE.line("HTTP/1.0 101")),
        ("C4 no extension",    RESPONSE.with("Sec-WebSocket-Extensions:")),
        ("C4 commas",          RESPONSE.with("Sec-WebSocket-Extensions: ,\t ,")),
        ("C4 two lines, no extension", RESPONSE.with("Sec-WebSocket-Extensions:\r\nSec-WebSocket-Extensions: ,")),
        ("an empty line in front", after("\r\n")),
    ];
    for (label, head) in rows {
        assert_open(label, Config::new(), &head, None);
        #[cfg(feature = "deflate")]
        assert_open(label, Config::new().deflate(websocket_proto::deflate::Deflate::new()), &head, None);
    }
    for subprotocol in OFFERED {
        let head = RESPONSE.with(format!("Sec-WebSocket-Protocol: {subprotocol}"));
        assert_open("C4 offered", Config::new(), &head, Some(subprotocol));
    }
}

#[test]
fn c6_frames_behind_the_head() {
    #[rustfmt::skip]
    let rows: [(&str, &[u8], &[&str]); 4] = [
        ("C6 two frames",      b"\x81\x02hi\x82\x01\x07",   &["text hi", "Binary([7])"]),
        ("C6 part of a frame", b"\x81\x05he",               &[]),
        ("C6 another head",    INTERIM.as_bytes(),          &["failed"]),
        ("C6 not a frame",     b"\xff\xff\xff\xff",         &["failed"]),
    ];
    for (label, behind, events) in rows {
        let outcome = connect_all(label, Config::new(), &RESPONSE.whole(), behind);
        assert_eq!((outcome.failure(), &outcome.behind[..]), (None, behind), "{label}");
        assert_eq!(outcome.events, events, "{label}");
    }
    let mut handshake = new_client(Config::new(), &request("ws://h"), fixed(NONCE)).unwrap();
    let mut stream = [&RESPONSE.whole()[..], b"behind"].concat();
    let mut input = Input::new(&mut stream);
    assert!(handshake.read(&mut input));
    assert!(handshake.read(&mut input), "the head stays whole");
    assert_eq!(input.remaining(), b"behind");
}

// ---- C2: other answers

#[test]
fn c2_refused() {
    type Headers = &'static [(&'static str, &'static str)];
    #[rustfmt::skip]
    let rows: [(u16, &str, Headers, &str); 13] = [
        // "A server MUST NOT send a 1xx response to an HTTP/1.0 client" (RFC 9110 §15.2): whoever speaks 1.0 doesn't mean more to come.
        (100, "HTTP/1.0 100 Continue",            &[],                        "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        (200, "HTTP/1.1 200 OK",                  &[("Content-Length", "5")], "hello"),
        (204, "HTTP/1.1 204 No Content",          &[],                        ""),
        (301, "HTTP/1.1 301 Moved Permanently",   &[("Location", "wss://h/")], ""),
        (307, "HTTP/1.1 307",                     &[("Location", "/b"), ("Content-Length", "1")], "\n"),
        (400, "HTTP/1.1 400 Bad Request",         &[("Connection", "close")], "<html>\r\n\r\n</html>"),
        (401, "HTTP/1.1 401 Unauthorized",        &[("WWW-Authenticate", "Basic"), ("WWW-Authenticate", "Bearer")], "who?"),
        (403, "HTTP/1.0 403 Forbidden",           &[],                        "an old proxy"),
        (407, "HTTP/1.1 407 Proxy Authentication Required", &[("Proxy-Authenticate", "Basic")], ""),
        (426, "HTTP/1.1 426 Upgrade Required",    &[("Sec-WebSocket-Version", "8")], ""),
        (500, "HTTP/1.1 500 ",                    &[("Transfer-Encoding", "chunked")], "2\r\nab\r\n0\r\n\r\n"),
        (503, "HTTP/1.1 503 Service Unavailable", &[("Retry-After", "120")],  "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        (999, "HTTP/1.1 999 Request Denied",      &[],                        "\u{0}\u{1}"),
    ];
    for (expected, line, lines, body) in rows {
        let upgrade = RESPONSE.0.split_once("\r\n").unwrap().1.trim_end();
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, *value)).collect();
        // With the headers of an acceptance too: the status decides.
        for acceptance in ["", upgrade] {
            let given: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let acceptance = if acceptance.is_empty() { String::new() } else { format!("{acceptance}\r\n") };
            let head = format!("{line}\r\n{given}{acceptance}\r\n");
            for interim in ["", INTERIM] {
                let head = format!("{interim}{head}");
                let outcome = connect_all(line, Config::new(), head.as_bytes(), body.as_bytes());
                assert_eq!(outcome.failure(), Some(UpgradeError::Refused { status: expected }));
                assert_eq!(outcome.behind, body.as_bytes(), "{line}");
                let Verdict::Response { status, headers, .. } = outcome.verdict else { unreachable!() };
                assert_eq!(status, expected);
                let found = headers.iter().map(|(name, value)| (name.as_str(), core::str::from_utf8(value).unwrap()));
                assert_eq!(found.take(lines.len()).collect::<Vec<_>>(), lines, "{line}");
                let more = if acceptance.is_empty() { 0 } else { RESPONSE_HEADERS };
                assert_eq!(headers.len(), lines.len() + more, "{line}");
            }
        }
    }
}

// ---- C3, C4: what is no acceptance. (The accept value is no secret: nothing here has to take the same time, threat 18.)

#[test]
#[rustfmt::skip]
fn c3_c4_failures() {
    const PROTOCOL: &str = "Sec-WebSocket-Protocol";
    const EXTENSIONS: &str = "Sec-WebSocket-Extensions";
    const KEY_ANSWER: &str = "Sec-WebSocket-Accept";
    let long = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".repeat(300);
    let rows = [
        ("C3 no Upgrade",      RESPONSE.without("Upgrade"),                    Missing("Upgrade")),
        ("C3 empty Upgrade",   RESPONSE.set("Upgrade", ""),                    Wrong("Upgrade")),
        ("C3 other Upgrade",   RESPONSE.set("Upgrade", "h2c"),                 Wrong("Upgrade")),
        ("C3 longer Upgrade",  RESPONSE.set("Upgrade", "websocket2"),          Wrong("Upgrade")),
        ("C3 shorter Upgrade", RESPONSE.set("Upgrade", "websocke"),            Wrong("Upgrade")),
        ("C3 two Upgrades",    RESPONSE.with("Upgrade: websocket"),            Repeated("Upgrade")),
        ("C3 two Upgrades, one other", RESPONSE.with("upgrade: h2c"),          Repeated("Upgrade")),
        ("C3 no Connection",   RESPONSE.without("Connection"),                 Missing("Connection")),
        ("C3 empty Connection", RESPONSE.set("Connection", ""),                Wrong("Connection")),
        ("C3 other Connection", RESPONSE.set("Connection", "keep-alive"),      Wrong("Connection")),
        ("C3 longer Connection", RESPONSE.set("Connection", "upgraded"),       Wrong("Connection")),
        ("C3 words",           RESPONSE.set("Connection", "keep-alive upgrade"), Wrong("Connection")),
        ("C3 quoted",          RESPONSE.set("Connection", "\"upgrade\""),      Wrong("Connection")),
        ("C3 no accept",       RESPONSE.without(KEY_ANSWER),                   Missing(KEY_ANSWER)),
        ("C3 accept twice",    RESPONSE.with(format!("{KEY_ANSWER}: {ACCEPT}")), Repeated(KEY_ANSWER)),
        ("C3 right, then wrong", RESPONSE.with("sec-websocket-accept: x"),     Repeated(KEY_ANSWER)),
        ("C3 empty accept",    RESPONSE.set(KEY_ANSWER, ""),                   Wrong(KEY_ANSWER)),
        ("C3 accept is the key", RESPONSE.set(KEY_ANSWER, KEY),                Wrong(KEY_ANSWER)),
        ("C3 of another key",  RESPONSE.set(KEY_ANSWER, KEYS[1].2),            Wrong(KEY_ANSWER)),
        ("C3 another case",    RESPONSE.set(KEY_ANSWER, ACCEPT.to_lowercase()), Wrong(KEY_ANSWER)),
        ("C3 first byte",      RESPONSE.set(KEY_ANSWER, "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="), Wrong(KEY_ANSWER)),
        ("C3 last byte",       RESPONSE.set(KEY_ANSWER, "s3pPLMBiTxaQ9kYGzzhZRbK+xOp="), Wrong(KEY_ANSWER)),
        ("C3 no padding",      RESPONSE.set(KEY_ANSWER, &ACCEPT[..27]),        Wrong(KEY_ANSWER)),
        ("C3 one byte more",   RESPONSE.set(KEY_ANSWER, format!("{ACCEPT}=")), Wrong(KEY_ANSWER)),
        ("C3 quoted accept",   RESPONSE.set(KEY_ANSWER, format!("\"{ACCEPT}\"")), Wrong(KEY_ANSWER)),
        ("C3 a list",          RESPONSE.set(KEY_ANSWER, format!("{ACCEPT}, {ACCEPT}")), Wrong(KEY_ANSWER)),
        ("C3 over-long",       RESPONSE.set(KEY_ANSWER, long),                 Wrong(KEY_ANSWER)),
        ("C3 not ASCII",       RESPONSE.set(KEY_ANSWER, b"\xff\xfe"),          Wrong(KEY_ANSWER)),
        ("C4 not offered",     RESPONSE.with("Sec-WebSocket-Protocol: mqtt"),  Unexpected(PROTOCOL)),
        ("C4 another case",    RESPONSE.with("Sec-WebSocket-Protocol: Chat"),  Unexpected(PROTOCOL)),
        ("C4 shorter",         RESPONSE.with("Sec-WebSocket-Protocol: cha"),   Unexpected(PROTOCOL)),
        ("C4 both",            RESPONSE.with("Sec-WebSocket-Protocol: chat, superchat"), Unexpected(PROTOCOL)),
        ("C4 empty",           RESPONSE.with("Sec-WebSocket-Protocol:"),       Unexpected(PROTOCOL)),
        ("C4 a comma",         RESPONSE.with("Sec-WebSocket-Protocol: ,"),     Unexpected(PROTOCOL)),
        ("C4 empty and good",  RESPONSE.with("Sec-WebSocket-Protocol:\r\nSec-WebSocket-Protocol: chat"),
            Repeated(PROTOCOL)),
        ("C4 not ASCII",       RESPONSE.with(b"Sec-WebSocket-Protocol: ch\xe4t"), Unexpected(PROTOCOL)),
        ("C4 twice the same",  RESPONSE.with("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat"), Repeated(PROTOCOL)),
        ("C4 twice",           RESPONSE.with("Sec-WebSocket-Protocol: chat\r\nsec-websocket-protocol: superchat"), Repeated(PROTOCOL)),
        ("C4 extension",       RESPONSE.with("Sec-WebSocket-Extensions: permessage-deflate"), Unexpected(EXTENSIONS)),
        ("C4 some extension",  RESPONSE.with("sec-websocket-extensions: x; y=\"z\""), Unexpected(EXTENSIONS)),
        ("C4 behind an empty one", RESPONSE.with("Sec-WebSocket-Extensions: ,\r\nSec-WebSocket-Extensions: x"), Unexpected(EXTENSIONS)),
        ("C4 twice",           RESPONSE.with("Sec-WebSocket-Extensions: x\r\nSec-WebSocket-Extensions: x"), Unexpected(EXTENSIONS)),
        ("C3 nothing",         b"HTTP/1.1 101 \r\n\r\n".to_vec(),              Missing("Upgrade")),
    ];
    for (label, head, fault) in rows {
        assert_failure(label, &head, UpgradeError::Header(fault));
        // "A failure that names the header."
        let (HeaderFault::Missing(name) | Repeated(name) | Wrong(name) | Unexpected(name)) = fault else { panic!("{fault}") };
        assert!(UpgradeError::Header(fault).to_string().contains(name), "{label}: {fault}");
    }
}

/// A header whose name differs in one letter is ignored, whatever its value, repeated, before or after the others.
#[test]
fn names_of_the_same_length_are_other_headers() {
    let rows = [
        ("Upgrade", true),
        ("Connection", true),
        ("Sec-WebSocket-Accept", true),
        ("Sec-WebSocket-Protocol", false),
        ("Sec-WebSocket-Extensions", false),
    ];
    let request = request("ws://server.example.com/chat").subprotocols(OFFERED);
    let failure = |head: &[u8]| connect(Config::new(), &request, NONCE, &[head]).failure();
    for (name, is_needed) in rows {
        let (front, back) = (&name[1..], &name[..name.len() - 1]);
        for other in [format!("x{front}"), format!("{back}x"), format!("{back}-")] {
            for value in
                ["", "websocket", "upgrade", "close", ACCEPT, "a b", "chat", "mqtt", "permessage-deflate", "\"a\\"]
            {
                let lines = format!("{other}: {value}\r\n{other}: {value}");
                assert_eq!(failure(&RESPONSE.with(&lines)), None, "{lines}");
                let in_front = RESPONSE.swap("Upgrade", format!("{lines}\r\nUpgrade: websocket"));
                assert_eq!(failure(&in_front), None, "{lines}");
                if is_needed {
                    assert_eq!(
                        failure(&RESPONSE.swap(name, &lines)),
                        Some(UpgradeError::Header(Missing(name))),
                        "{lines}"
                    );
                }
            }
        }
    }
}

/// When none was offered, none can be picked.
#[test]
fn c4_subprotocol_though_none_offered() {
    let request = request("ws://h").headers(&[("X-Protocol", "chat"), ("X", "Sec-WebSocket-Protocol: chat")]);
    for name in ["chat", "", "Sec-WebSocket-Key", KEY] {
        let head = RESPONSE.with(format!("Sec-WebSocket-Protocol: {name}"));
        let outcome = connect(Config::new(), &request, NONCE, &[&head]);
        let unexpected = UpgradeError::Header(Unexpected("Sec-WebSocket-Protocol"));
        assert_eq!(outcome.failure(), Some(unexpected), "{name:?}");
    }
}

// ---- C7: no response

#[test]
fn c7_limits() {
    let whole = RESPONSE.whole();
    let exact = Config::new().max_head(whole.len());
    assert_open("C7 exact", exact, &whole, None);
    let limit = whole.len() - 1;
    assert_no_head("C7 one over", Config::new().max_head(limit), &whole, HeadError::TooLarge { limit });
    assert_no_head("C7 nothing fits", Config::new().max_head(0), &whole, HeadError::TooLarge { limit: 0 });
    assert_open("C7 16 KiB", Config::new(), &RESPONSE.padded_to(16384), None);
    let error = HeadError::TooLarge { limit: 16384 };
    assert_no_head("C7 over 16 KiB", Config::new(), &RESPONSE.padded_to(16385), error);

    // Interim responses count, and are counted together.
    let interim = [INTERIM.repeat(3).as_bytes(), &whole].concat();
    assert_open("C7 interim, exact", Config::new().max_head(interim.len()), &interim, None);
    let limit = interim.len() - 1;
    assert_no_head("C7 interim, over", Config::new().max_head(limit), &interim, HeadError::TooLarge { limit });

    #[rustfmt::skip]
    let rows = [
        (RESPONSE_HEADERS,     RESPONSE_HEADERS, None),
        (RESPONSE_HEADERS - 1, RESPONSE_HEADERS, Some(RESPONSE_HEADERS - 1)),
        (128,                  128,              None),
        (128,                  129,              Some(128)),
        (200,                  200,              None),
        (200,                  201,              Some(200)),
        (usize::MAX,           1000,             None),
        (64,                   2000,             Some(64)),
    ];
    for (limit, count, refused) in rows {
        let (config, head) = (Config::new().max_headers(limit), RESPONSE.with_headers(count));
        match refused {
            None => assert_open("C7 header count", config, &head, None),
            Some(limit) => assert_no_head("C7 header count", config, &head, HeadError::TooManyHeaders { limit }),
        }
    }
    assert_open("C7 default header count", Config::new(), &RESPONSE.with_headers(128), None);
    let error = HeadError::TooManyHeaders { limit: 128 };
    assert_no_head("C7 default header count", Config::new(), &RESPONSE.with_headers(129), error);
    // Each response has its own headers.
    let config = Config::new().max_headers(RESPONSE_HEADERS);
    let interim = [b"HTTP/1.1 103 \r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", &whole[..]].concat();
    assert_open("C7 headers of an interim response", config, &interim, None);
}

#[test]
fn c7_end_of_stream() {
    let stream = [INTERIM.as_bytes(), &RESPONSE.whole()].concat();
    let request = request("ws://h");
    for seen in 0..stream.len() {
        let outcome = connect(Config::new(), &request, NONCE, &[&stream[..seen]]);
        assert_eq!(outcome.verdict, Verdict::NoHead(HeadError::Incomplete { seen }));
    }
    let error = HeadError::Incomplete { seen: 77 };
    assert!(error.to_string().contains("77"), "{error}");
}

/// What can't be a response fails at the byte that proves it, or at the end of the line that the byte is in: a client
/// needn't wait for more.
#[test]
#[rustfmt::skip]
fn c7_fails_early() {
    use HeadError::{Malformed, Tls, Version};
    let (name, value, status) = (Malformed("header name"), Malformed("header value"), Malformed("status"));
    // Up to the bar it may still be a response; with the byte behind that it can't.
    let rows: [(&str, &[u8], HeadError); 33] = [
        ("TLS alert",          b"|\x15\x03\x03\x00\x02\x02\x46", Tls),
        ("TLS hello",          b"|\x16\x03\x01\x02\x00\x01", Tls),
        ("SMTP",               b"|220 mail ESMTP ready\r\n", Version),
        ("SSH",                b"|SSH-2.0-OpenSSH_9.6\r\n", Version),
        ("SOCKS5",             b"|\x05\xff", Version),
        ("IRC",                b"|:irc.example NOTICE * :*** hello\r\n", Version),
        ("a request",          b"|GET / HTTP/1.1\r\n", Version),
        ("HTTP/2 settings",    b"|\0\0\x12\x04\0\0\0\0\0", Version),
        ("a page",             b"|<html>", Version),
        ("HTTP/2.0",           b"HTTP/|2.0 101 Switching Protocols\r\n", Version),
        ("HTTP/2",             b"HTTP/|2 101\r\n", Version),
        ("HTTP/1.2",           b"HTTP/1.|2 101 Switching Protocols\r\n", Version),
        ("HTTP/1",             b"HTTP/1| 101 Switching Protocols\r\n", Version),
        ("HTTP/11",            b"HTTP/1|1 101\r\n", Version),
        ("HTTP/1.10",          b"HTTP/1.1|0 101\r\n", Version),
        ("http/1.1",           b"|http/1.1 101\r\n", Version),
        ("HTTPS/1.1",          b"HTTP|S/1.1 101\r\n", Version),
        ("no status",          b"HTTP/1.1|\r\n", Version),
        ("an empty status",    b"HTTP/1.1 |\r\n", status),
        ("two spaces",         b"HTTP/1.1 | 101\r\n", status),
        ("two digits",         b"HTTP/1.1 10|\r\n", status),
        ("four digits",        b"HTTP/1.1 101|0\r\n", status),
        ("a word",             b"HTTP/1.1 |OK\r\n", status),
        ("NUL in the reason",  b"HTTP/1.1 101 Switching|\0 Protocols\r\n", status),
        ("CR in the reason",   b"HTTP/1.1 101 Swit\r|ching\r\n", status),
        ("LF without CR",      b"HTTP/1.1 101|\nX: y\r\n", Malformed("line ending")),
        ("CR in front",        b"\r|HTTP/1.1 101\r\n", status),
        ("behind empty lines", b"\r\n\r\n|220 mail\r\n", Version),
        ("behind an interim response", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/|2.0 101\r\n", Version),
        ("no name",            b"HTTP/1.1 101 \r\n: x\r|\n", name),
        ("folded",             b"HTTP/1.1 101 \r\nX: y\r\n z\r|\n", name),
        ("no colon",           b"HTTP/1.1 101 \r\nX\r|\n", name),
        ("NUL in a value",     b"HTTP/1.1 101 \r\nX: \0\r|\n", value),
    ];
    for (label, row, error) in rows {
        let good = row.iter().position(|byte| *byte == b'|').unwrap();
        let stream = [&row[..good], &row[good + 1..]].concat();
        let mut handshake = new_client(Config::new(), &request("ws://h"), fixed(NONCE)).unwrap();
        assert!(!handshake.read(&mut Input::new(&mut stream[..good].to_vec())), "C7 {label}: too early");
        assert!(handshake.read(&mut Input::new(&mut [stream[good]])), "C7 {label}: too late");
        assert_eq!(handshake.into_response().err(), Some(error), "C7 {label}");
        // The same in every cut, and with the rest of the head behind it, so that it can be read in one piece.
        for rest in [&b""[..], b"\r\n", b"Upgrade: websocket\r\n\r\n"] {
            assert_no_head(label, Config::new(), &[&stream, rest].concat(), error);
        }
        // A limit that the fault is beyond, and one that it is not.
        for (limit, error) in [(good + 1, error), (good, HeadError::TooLarge { limit: good })] {
            assert_no_head(label, Config::new().max_head(limit), &stream, error);
        }
    }
}

#[test]
fn c7_not_http() {
    use HeadError::{Malformed, Version};
    #[rustfmt::skip]
    let rows = [
        ("no version",         RESPONSE.line("101 Switching Protocols"),         Version),
        ("HTTP/2",             RESPONSE.line("HTTP/2.0 101 Switching Protocols"), Version),
        ("HTTP/0.9",           RESPONSE.line("HTTP/0.9 101 Switching Protocols"), Version),
        ("another protocol",   b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec(),          Version),
        ("no status",          RESPONSE.line("HTTP/1.1"),                        Version),
        ("an empty status",    RESPONSE.line("HTTP/1.1 "),                       Malformed("status")),
        ("a word for a status", RESPONSE.line("HTTP/1.1 OK"),                    Malformed("status")),
        ("a long status",      RESPONSE.line("HTTP/1.1 1010 Switching"),         Malformed("status")),
        ("a signed status",    RESPONSE.line("HTTP/1.1 +101 Switching"),         Malformed("status")),
        ("two spaces",         RESPONSE.line("HTTP/1.1  101 Switching"),         Malformed("status")),
        ("NUL in the reason",  RESPONSE.line("HTTP/1.1 101 Swit\0ching"),        Malformed("status")),
        ("bare CR in the reason", RESPONSE.line("HTTP/1.1 101 Swit\rching"),     Malformed("status")),
        ("bare LF",            RESPONSE.line("HTTP/1.1 101\nX: y"),              Malformed("line ending")),
        ("bare LF in a value", RESPONSE.with("X: y\nZ: a"),                      Malformed("line ending")),
        ("space before the colon", RESPONSE.with("X : y"),                       Malformed("header name")),
        ("folded line",        RESPONSE.with("X: y\r\n z"),                      Malformed("header name")),
        ("no colon",           RESPONSE.with("X"),                               Malformed("header name")),
        ("no name",            RESPONSE.with(": y"),                             Malformed("header name")),
        ("bare CR in a value", RESPONSE.with("X: y\rZ: a"),                      Malformed("header value")),
        ("NUL in a value",     RESPONSE.with("X: \0"),                           Malformed("header value")),
        ("escape in a value",  RESPONSE.with("X: \x1b[2J"),                      Malformed("header value")),
    ];
    for (label, head, error) in rows {
        assert_no_head(label, Config::new(), &head, error);
        assert_no_head(label, Config::new(), &[INTERIM.as_bytes(), &head].concat(), error);
    }
}

/// C1, C7, threat 12: a server that never says its last word. What is taken is bounded, and given up at the byte that is too
/// much; interim responses are no way around it.
#[test]
fn c7_floods() {
    const TOO_LARGE: HeadError = HeadError::TooLarge { limit: 16384 };
    const TOO_MANY: HeadError = HeadError::TooManyHeaders { limit: 128 };
    #[rustfmt::skip]
    let rows = [
        ("interim responses",  "",                         INTERIM,                 TOO_LARGE),
        ("short interim responses", "",                    "HTTP/1.1 100\r\n\r\n",  TOO_LARGE),
        ("interim with headers", "",                       "HTTP/1.1 103 \r\nLink: </a>\r\n\r\n", TOO_LARGE),
        ("empty lines",        "",                         "\r\n",                  TOO_LARGE),
        ("empty lines between", INTERIM,                   "\r\n",                  TOO_LARGE),
        ("a line without end", "HTTP/1.1 101 ",            "a",                     TOO_LARGE),
        ("a name without end", "HTTP/1.1 101 \r\n",        "a",                     TOO_LARGE),
        ("a value without end", "HTTP/1.1 101 \r\na:",     "a",                     TOO_LARGE),
        ("headers without end", "HTTP/1.1 101 \r\n",       "a:\r\n",                TOO_MANY),
        ("... of an interim",  "HTTP/1.1 103 \r\n",        "a:\r\n",                TOO_MANY),
    ];
    for (label, start, more, error) in rows {
        let expected = match error {
            TOO_LARGE => 16385,
            _ => start.len() + 129 * more.len(),
        };
        let mut stream: Vec<_> = start.bytes().chain(more.bytes().cycle()).take(1 << 17).collect();

        let mut handshake = new_client(Config::new(), &request("ws://h"), fixed(NONCE)).unwrap();
        let taken = 1 + stream.iter().position(|byte| handshake.read(&mut Input::new(&mut [*byte]))).expect(label);
        assert_eq!(taken, expected, "{label}");
        assert_eq!(handshake.into_response().err(), Some(error), "{label}");

        let mut handshake = new_client(Config::new(), &request("ws://h"), fixed(NONCE)).unwrap();
        assert!(handshake.read(&mut Input::new(&mut stream)), "{label}, whole");
        assert_eq!(handshake.into_response().err(), Some(error), "{label}, whole");
    }
}

/// Threats 5 and 17: see the test of this name for the server; the head is collected by the same code.
#[test]
fn threat_5_one_byte_per_read() {
    for (limit, config) in [(16 << 10, Config::new()), (1 << 20, Config::new().max_head(1 << 20))] {
        let mut handshake = new_client(config, &request("ws://h"), fixed(NONCE)).unwrap();
        let mut head = RESPONSE.padded_to(limit);
        let (last, front) = head.split_last_mut().unwrap();
        for byte in front {
            assert!(!handshake.read(&mut Input::new(core::slice::from_mut(byte))));
        }
        assert!(handshake.read(&mut Input::new(core::slice::from_mut(last))));
        assert!(handshake.into_response().unwrap().upgrade().is_ok());
    }
}

#[test]
fn threat_7_extremes() {
    let name = RESPONSE.with(format!("{}: v", "n".repeat(64 << 10)));
    let value = RESPONSE.with(format!("n: {}", "v".repeat(64 << 10)));
    for head in [name, value] {
        assert_no_head("64 KiB", Config::new(), &head, HeadError::TooLarge { limit: 16384 });
        assert_open("64 KiB", Config::new().max_head(1 << 17), &head, None);
    }
    let everything = RESPONSE.with(RESPONSE.0.split_once("\r\n").unwrap().1.trim_end());
    assert_failure("everything twice", &everything, UpgradeError::Header(Repeated("Upgrade")));
}

// ---- Stores

#[test]
fn stores_that_are_too_small() {
    // The request, to the byte; larger than what the connection wants of a store anyway.
    let headers = [("Cookie", &*"x".repeat(500))];
    let request = request("ws://server.example.com/chat").headers(&headers);
    let needed = new_client(Config::new(), &request, fixed(NONCE)).unwrap().pending().len();
    for capacity in [needed, needed - 1, 0] {
        let mut out = vec![0xaa; capacity];
        let (input, output) = (store(), FixedStorage::new(&mut out[..]));
        match Handshake::with_storage(Config::new(), &request, fixed(NONCE), input, output) {
            Ok(handshake) => assert_eq!((handshake.pending().len(), capacity), (needed, needed)),
            Err(error) => {
                let RequestError::StoreTooSmall { needed: said, capacity: found } = error else { panic!("{error}") };
                assert_eq!(found, capacity);
                // What has no room at all may be told of another need first.
                assert!(said == needed || capacity == 0, "{error}");
                assert_eq!(out, vec![0xaa; capacity], "something was written");
            }
        }
    }

    // A connection needs space for the longest Pong and the longest Close, 131 bytes each.
    let short = self::request("ws://h");
    for (capacity, error) in [
        (0, Some(RequestError::StoreTooSmall { needed: 262, capacity: 0 })),
        (261, Some(RequestError::StoreTooSmall { needed: 262, capacity: 261 })),
        (262, None),
    ] {
        let mut out = vec![0xaa; capacity];
        let output = FixedStorage::new(&mut out[..]);
        let found = Handshake::with_storage(Config::new(), &short, fixed(NONCE), store(), output).err();
        assert_eq!(found, error);
        assert!(error.is_none() || out == vec![0xaa; capacity], "something was written");
    }

    // The response's head fits to the byte, however it comes.
    let head = RESPONSE.whole();
    for capacity in [head.len(), head.len() - 1, 10, 0] {
        for cuts in every_cut(head.len()) {
            let mut array = vec![0; capacity];
            let (input, output) = (FixedStorage::new(&mut array[..]), store());
            let mut handshake = Handshake::with_storage(Config::new(), &request, fixed(NONCE), input, output).unwrap();
            assert_eq!(handshake.pending().len(), needed);
            for chunk in pieces(&head, &cuts) {
                handshake.read(&mut Input::new(&mut chunk.to_vec()));
            }
            let opened = handshake.into_response().map(|response| response.upgrade().is_ok());
            let expected = if capacity < head.len() { Err(HeadError::TooLarge { limit: capacity }) } else { Ok(true) };
            assert_eq!(opened, expected, "store of {capacity}, {}", how(&cuts));
        }
    }
}

/// "What is in them is dropped."
#[test]
fn stores_that_are_not_empty() {
    let request = request("ws://h");
    let whole = new_client(Config::new(), &request, fixed(NONCE)).unwrap().pending().to_vec();
    let (input, output) = (stale(), stale());
    let mut handshake = Handshake::with_storage(Config::new(), &request, fixed(NONCE), input, output).unwrap();
    assert_eq!(handshake.pending(), whole);
    assert!(handshake.read(&mut Input::new(&mut RESPONSE.whole())));
    let connection = handshake.into_response().unwrap().upgrade().unwrap();
    assert!(connection.sender.is_empty());
}

/// The same handshake over arrays, down to the frame behind the head.
#[test]
fn without_an_allocator() {
    let (input, output) = (FixedStorage::new([0; 256]), FixedStorage::new([0; 512]));
    let mut handshake =
        Handshake::with_storage(Config::new(), &request("ws://h"), fixed(NONCE), input, output).unwrap();
    handshake.consume(handshake.pending().len());
    let mut stream = [RESPONSE.whole(), behind()].concat();
    let mut input = Input::new(&mut stream);
    assert!(handshake.read(&mut input));
    let mut connection = handshake.into_response().unwrap().upgrade().unwrap();
    let events = receive(&mut connection.receiver, &mut connection.sender, [input]);
    assert_eq!(events, ["text behind the head"]);
}

// ---- What the library did not do when this was written

/// C1 skips responses of 1xx; what only begins like one is no HTTP.
#[test]
fn c1_a_status_has_three_digits() {
    for line in ["HTTP/1.1 1", "HTTP/1.1 10", "HTTP/1.1 1xx Continue", "HTTP/1.1 1000 Continue", "HTTP/1.1 100Continue"]
    {
        let head = format!("{line}\r\n\r\n");
        let outcome = connect_all(line, Config::new(), head.as_bytes(), &RESPONSE.whole());
        assert_eq!(outcome.verdict, Verdict::NoHead(HeadError::Malformed("status")), "C1 {line}");
    }
}

/// C1: an interim response is as well-formed as any other, or two parsers see different responses behind it.
#[test]
fn c1_interim_responses_are_parsed() {
    #[rustfmt::skip]
    let rows = [
        ("C1 NUL in the reason", "HTTP/1.1 100 \0\r\n\r\n"),
        ("C1 space before the colon", "HTTP/1.1 100 Continue\r\nX : y\r\n\r\n"),
        ("C1 folded line",       "HTTP/1.1 100 Continue\r\nX: y\r\n z\r\n\r\n"),
        ("C1 bare CR",           "HTTP/1.1 100 Continue\r\nX: y\rHTTP/1.1 200 OK\r\n\r\n"),
        ("C1 no header",         "HTTP/1.1 100 Continue\r\nHTTP\r\n\r\n"),
    ];
    for (label, interim) in rows {
        let outcome = connect_all(label, Config::new(), interim.as_bytes(), &RESPONSE.whole());
        let malformed = matches!(outcome.verdict, Verdict::NoHead(HeadError::Malformed(_)));
        assert!(malformed, "{label}: {:?}", outcome.verdict);
    }
}

// ---- Properties

/// Pieces of which nearly responses are made.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    #[rustfmt::skip]
    let known = [
        "HTTP/1.1 ", "HTTP/1.0 ", "101", "100", "1", "200", " ", "\r\n", "\r\n", "\r\n", "\n", "\r", ":", ": ", "\0",
        ",", "HTTP/1.1 101 Switching Protocols\r\n", "HTTP/1.1 200 OK\r\n", INTERIM, "Upgrade: websocket\r\n",
        "Connection: upgrade\r\n", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        "Sec-WebSocket-Protocol: chat\r\n", "Sec-WebSocket-Extensions: x\r\n",
    ];
    let piece = prop_oneof![
        8 => prop::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => Just(RESPONSE.whole()),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// An interim response and [`RESPONSE`] with a few bytes changed, left out or put in.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4);
    (edits, any::<bool>()).prop_map(|(edits, interim)| {
        let mut head = [if interim { INTERIM.as_bytes() } else { b"" }, &RESPONSE.whole()].concat();
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

prop_compose! {
    /// Text, host and port to connect to, target, `Host`: of an address.
    fn address()(
        secure in any::<bool>(),
        host in prop_oneof!["[a-z0-9]([a-z0-9.-]{0,10}[a-z0-9])?", Just("[::1]".to_owned()), Just("[2001:db8::7]".to_owned())],
        port in prop::option::of(1..=u16::MAX),
        path in prop_oneof![Just(String::new()), "(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}){0,5}){1,4}"],
        query in prop::option::of("([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2}){0,8}"),
    ) -> (String, String, String, Option<String>, String) {
        let scheme = if secure { "wss" } else { "ws" };
        let port = port.filter(|port| *port != if secure { 443 } else { 80 });
        let host = format!("{host}{}", port.map_or(String::new(), |port| format!(":{port}")));
        let mark = query.as_ref().map_or(String::new(), |query| format!("?{query}"));
        let target = format!("{}{mark}", if path.is_empty() { "/" } else { &path });
        let path = if path.is_empty() { "/".to_owned() } else { path.clone() };
        let text = if mark.is_empty() && target == "/" { format!("{scheme}://{host}") } else { format!("{scheme}://{host}{target}") };
        (text, host, path, query, target)
    }
}

type Lines = Vec<(String, String)>;

/// Headers that anybody may add.
fn lines() -> impl Strategy<Value = Lines> {
    prop::collection::vec(("X-[A-Za-z0-9!#$%&'*+.^_`|~-]{0,8}", "([!-~\u{e4}\u{1f600}]([ -~\t]{0,8}[!-~])?)?"), 0..5)
}

fn lent(lines: &Lines) -> Vec<(&str, &str)> {
    lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// What is in `headers` that [`lines`] has put there.
fn added(headers: websocket_proto::http::Headers<'_>) -> Lines {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    headers
        .filter(|header| header.name.starts_with("X-"))
        .map(|header| (header.name.to_owned(), text(header.value)))
        .collect()
}

proptest! {
    /// Client and server understand each other, whatever is asked for and however the bytes are cut; and what each says
    /// right behind its head arrives.
    #[test]
    fn both_ends_agree(
        (text, host, path, query, target) in address(),
        subprotocols in prop::collection::btree_set("[a-z0-9.!~-]{1,6}", 0..4),
        picked in prop::option::of(any::<prop::sample::Index>()),
        origin in prop::option::of("https?://[a-z.]{1,9}"),
        (asked, answered) in (lines(), lines()),
        nonce in any::<[u8; 16]>(),
        interim in 0..3_usize,
        lengths in prop::collection::vec(1..60_usize, 1..6),
    ) {
        let subprotocols: Vec<_> = subprotocols.iter().map(String::as_str).rev().collect();
        let (client_adds, server_adds) = (lent(&asked), lent(&answered));
        let mut request = request(&text).subprotocols(&subprotocols).headers(&client_adds);
        if let Some(origin) = &origin {
            request = request.origin(origin);
        }
        let mut client = new_client(Config::new(), &request, fixed(nonce)).unwrap();

        let early = frame(0x81, b"to the server", true);
        let mut stream = [client.pending(), &early].concat();
        client.consume(stream.len());
        let mut server = new_server(Config::new());
        let mut pieces: Vec<_> = in_lengths(&stream, &lengths).into_iter().map(<[u8]>::to_vec).collect();
        let mut inputs = pieces.iter_mut().map(|piece| Input::new(piece));
        let rest = inputs.by_ref().find_map(|mut input| server.read(&mut input).then_some(input));
        let request = server.into_request().unwrap();
        prop_assert_eq!((request.method(), request.target()), ("GET", &*target));
        prop_assert_eq!((request.path(), request.query()), (&*path, query.as_deref()));
        let upgrade = request.upgrade().unwrap();
        prop_assert_eq!(upgrade.request().headers().get("Host"), Some(host.as_bytes()));
        prop_assert_eq!(upgrade.origin(), origin.as_deref().map(str::as_bytes));
        prop_assert_eq!(upgrade.subprotocols().collect::<Vec<_>>(), &subprotocols[..]);
        prop_assert_eq!(added(upgrade.request().headers()), asked.clone());

        let picked = picked.filter(|_| !subprotocols.is_empty()).map(|index| *index.get(&subprotocols));
        let accept = server::Accept::new().subprotocol(picked).headers(&server_adds);
        let mut at_server = upgrade.accept(&accept).unwrap();
        let events = receive(&mut at_server.receiver, &mut at_server.sender, rest.into_iter().chain(inputs));
        prop_assert_eq!(events, ["text to the server"]);

        at_server.sender.send_text("to the client").unwrap();
        stream = [INTERIM.repeat(interim).as_bytes(), at_server.sender.pending()].concat();
        let mut pieces: Vec<_> = in_lengths(&stream, &lengths).into_iter().map(<[u8]>::to_vec).collect();
        let mut inputs = pieces.iter_mut().map(|piece| Input::new(piece));
        let rest = inputs.by_ref().find_map(|mut input| client.read(&mut input).then_some(input));
        let response = client.into_response().unwrap();
        prop_assert_eq!((response.status(), response.subprotocol()), (101, picked));
        prop_assert_eq!(added(response.headers()), answered.clone());
        let mut at_client = response.upgrade().unwrap();
        let events = receive(&mut at_client.receiver, &mut at_client.sender, rest.into_iter().chain(inputs));
        prop_assert_eq!(events, ["text to the client"]);
    }

    /// Whatever comes, and however it is cut, comes to the same; and without a panic.
    #[test]
    fn any_bytes(
        stream in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), fragments(), mutated()],
        lengths in prop::collection::vec(1..40_usize, 1..6),
        max_head in prop_oneof![Just(16384_usize), 0..300_usize],
        max_headers in prop_oneof![Just(128_usize), 0..8_usize],
    ) {
        let config = Config::new().max_head(max_head).max_headers(max_headers);
        let request = request("ws://h/").subprotocols(OFFERED);
        let whole = connect(config, &request, NONCE, &[&stream]);
        prop_assert_eq!(&connect(config, &request, NONCE, &in_lengths(&stream, &lengths)), &whole);
        prop_assert_eq!(&connect(config, &request, NONCE, &in_lengths(&stream, &[1])), &whole);
        prop_assert!(stream.ends_with(&whole.behind));
        if let Verdict::Response { failure: None, .. } = whole.verdict {
            let head = &stream[..stream.len() - whole.behind.len()];
            prop_assert!(head.len() <= max_head && head.ends_with(b"\r\n\r\n"));
            prop_assert!(head.windows(ACCEPT.len()).any(|bytes| bytes == ACCEPT.as_bytes()));
        }
    }

    /// Any strings at all as headers, subprotocols and origin: an error and nothing written, or exactly those are sent.
    #[test]
    fn any_additions(
        headers in prop::collection::vec(
            (
                prop_oneof![6 => "[A-Za-z][A-Za-z0-9-]{0,8}", 1 => any::<String>()],
                prop_oneof![6 => "[ -~\u{e4}\t]{0,10}", 1 => any::<String>(), 1 => "[a\r\n\0 ]{0,3}"],
            ),
            0..4,
        ),
        subprotocols in prop::collection::vec(prop_oneof![4 => "[a-z]{1,4}", 1 => any::<String>()], 0..3),
        origin in prop::option::of(prop_oneof![4 => "https://[a-z]{1,4}", 1 => any::<String>()]),
    ) {
        let headers = lent(&headers);
        let subprotocols: Vec<_> = subprotocols.iter().map(String::as_str).collect();
        let mut request = request("ws://h/").headers(&headers).subprotocols(&subprotocols);
        if let Some(origin) = &origin {
            request = request.origin(origin);
        }
        let mut out = vec![0xaa; 2048];
        let (input, output) = (store(), FixedStorage::new(&mut out[..]));
        if let Ok(handshake) = Handshake::with_storage(Config::new(), &request, fixed(NONCE), input, output) {
            let sent = Http::parse(handshake.pending());
            prop_assert_eq!(sent.first_line, "GET / HTTP/1.1");
            prop_assert_eq!(sent.body, b"");
            let mut expected = vec![
                ("host", "h"), ("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-key", KEY),
                ("sec-websocket-version", "13"),
            ];
            expected.extend(origin.as_deref().map(|origin| ("origin", origin)));
            let list = subprotocols.join(", ");
            expected.extend((!subprotocols.is_empty()).then_some(("sec-websocket-protocol", &*list)));
            let names: Vec<_> = headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
            expected.extend(names.iter().zip(&headers).map(|(name, (_, value))| (&**name, *value)));
            let sent: Vec<_> = sent.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            prop_assert_eq!(sent, expected);
        } else {
            prop_assert_eq!(out, vec![0xaa; 2048]);
        }
    }

    /// Any string at all as an address: an error, or a request of the same six lines.
    #[test]
    fn any_address(text in prop_oneof![any::<String>(), "wss?://\\PC{0,12}", "wss?://[a-z:@/?#%\\[\\] \r\n\\\\]{0,12}"]) {
        if let Ok(uri) = Uri::parse(&text) {
            let handshake = new_client(Config::new(), &Request::new(uri), fixed(NONCE)).unwrap();
            let request = Http::parse(handshake.pending());
            prop_assert_eq!(request.headers.len(), 5);
            let words: Vec<_> = request.first_line.split(' ').collect();
            prop_assert_eq!((words.len(), words[0], words[2]), (3, "GET", "HTTP/1.1"));
            // What is sent is a part of what was given, but for a slash and a port of the scheme's own.
            prop_assert!(text.ends_with(words[1].trim_start_matches('/')));
            let mut server = new_server(Config::new());
            server.read(&mut Input::new(&mut handshake.pending().to_vec()));
            prop_assert!(server.into_request().and_then(server::Request::upgrade).is_ok(), "{text:?}");
        }
    }
}
