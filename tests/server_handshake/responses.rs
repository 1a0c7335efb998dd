//! Headers that the caller adds to a response: the row S16, threat 10.

use crate::{
    common::{
        heads::{ACCEPT, Http, stale},
        store,
    },
    harness::*,
};
use core::error::Error;
use websocket_proto::{
    Config, FixedStorage,
    head::{HeadError, HeaderFault, InvalidHeader},
    server::{Accept, AcceptError, Refusal, Response, ResponseError},
};

/// Headers that no caller can add to a head, with the fault at index 1.
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
fn added_headers_are_sent() {
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

/// A status that the caller chooses, with and without a body: RFC 9110 §8.6, §15.3.5, §15.4.5.
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

#[test]
fn errors_lead_to_what_they_wrap() {
    fn source<E: Error + Copy + 'static>(error: &dyn Error) -> Option<E> {
        error.source()?.downcast_ref().copied()
    }
    let (header, fault) = (InvalidHeader::Name { index: 7 }, HeaderFault::Missing("Host"));
    assert_eq!(source(&AcceptError::Header(header)), Some(header));
    assert_eq!(source(&ResponseError::Header(header)), Some(header));
    assert_eq!(source(&Refusal::Header(fault)), Some(fault));
    assert_eq!(source(&Refusal::Head(HeadError::Tls)), Some(HeadError::Tls));
    for error in [&AcceptError::OutOfMemory as &dyn Error, &ResponseError::Status(101), &Refusal::Origin] {
        assert!(error.source().is_none(), "{error}");
    }
}
