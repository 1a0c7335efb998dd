//! Responses that are accepted or refused: the rows C1 to C6, and `Location`.

use std::time::Duration;

use crate::{
    common::heads::{ACCEPT, KEY, KEYS, NONCE},
    harness::*,
};
use websocket_proto::{
    Config, Input,
    client::UpgradeError,
    head::HeaderFault::*,
    head::{HeadError, MalformedHead},
    time::Retry,
};

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
        assert_open(label, Config::new().deflate(websocket_proto::deflate::Config::new()), &head, None);
    }
    for subprotocol in OFFERED {
        let head = RESPONSE.with(format!("Sec-WebSocket-Protocol: {subprotocol}"));
        assert_open("C4 offered", Config::new(), &head, Some(subprotocol));
    }
}

/// C1 skips responses of 1xx; other status lines that begin like one are not HTTP.
#[test]
fn c1_a_status_has_three_digits() {
    for line in ["HTTP/1.1 1", "HTTP/1.1 10", "HTTP/1.1 1xx Continue", "HTTP/1.1 1000 Continue", "HTTP/1.1 100Continue"]
    {
        let head = format!("{line}\r\n\r\n");
        let outcome = connect_all(line, Config::new(), head.as_bytes(), &RESPONSE.whole());
        assert_eq!(outcome.verdict, Verdict::NoHead(HeadError::Malformed(MalformedHead::StatusLine)), "C1 {line}");
    }
}

/// C1: an interim response must be well-formed, too. Otherwise two parsers could see different responses behind it.
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

#[test]
fn c2_refused() {
    type Headers = &'static [(&'static str, &'static str)];
    #[rustfmt::skip]
    let rows: [(u16, &str, Headers, &str); 13] = [
        // "A server MUST NOT send a 1xx response to an HTTP/1.0 client" (RFC 9110 §15.2): a server of HTTP/1.0 sends no
        // further response.
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
        // Also with the headers of an acceptance: the status decides.
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

#[test]
fn c9_location() {
    let location = |head: &[u8]| {
        let mut handshake = new_client(Config::new(), &request("ws://h"), fixed(NONCE)).unwrap();
        assert!(handshake.read(&mut Input::new(&mut head.to_vec())));
        handshake.into_response().unwrap().location().map(str::to_owned)
    };
    for status in (200..=999).chain([101]) {
        let found = location(format!("HTTP/1.1 {status} X\r\nLocation: /b\r\n\r\n").as_bytes());
        let is_redirect = [301, 302, 303, 307, 308].contains(&status);
        assert_eq!(found.as_deref(), is_redirect.then_some("/b"), "{status}");
    }
    #[rustfmt::skip]
    let rows: [(&str, &[u8], Option<&str>); 9] = [
        ("C9 none",            b"Server: x",                                  None),
        ("C9 twice",           b"Location: /a\r\nlocation: /b",               None),
        ("C9 twice the same",  b"Location: /a\r\nLocation: /a",               None),
        ("C9 empty and good",  b"Location:\r\nLocation: /a",                  None),
        ("C9 not UTF-8",       b"Location: /\xe4",                            None),
        ("C9 UTF-8",           "Location: /\u{e4}".as_bytes(),                Some("/\u{e4}")),
        ("C9 empty",           b"Location:",                                  Some("")),
        ("C9 spaces, any case", b"LOCATION: \twss://h/a b \t",                Some("wss://h/a b")),
        ("C9 others",          b"Content-Location: /a\r\nLocation: /b\r\nLocations: /c", Some("/b")),
    ];
    for (label, lines, expected) in rows {
        let head = [b"HTTP/1.1 302 Found\r\n", lines, b"\r\n\r\n"].concat();
        assert_eq!(location(&head).as_deref(), expected, "{label}");
    }
}

/// `Retry-After` counts only for a status that may change.
#[test]
fn c10_retry_after() {
    let ask = |head: &[u8]| {
        let mut handshake = new_client(Config::new(), &request("ws://h"), fixed(NONCE)).unwrap();
        assert!(handshake.read(&mut Input::new(&mut head.to_vec())));
        let response = handshake.into_response().unwrap();
        assert_eq!(response.outcome().unwrap().retry(), response.retry());
        (response.retry(), response.retry_after().map(|value| format!("{value:?}")))
    };
    let after = |seconds| Retry::After(Duration::from_secs(seconds));
    #[rustfmt::skip]
    let rows: [(u16, &[u8], Retry, Option<&str>); 14] = [
        (503, b"Server: x",                          Retry::Soon,     None),
        (503, b"Retry-After: 120",                   after(120),      Some("Delay(120s)")),
        (503, b"retry-after:\t0 ",                   after(0),        Some("Delay(0ns)")),
        (408, b"Retry-After: 1",                     after(1),        Some("Delay(1s)")),
        (429, b"Retry-After: 007",                   after(7),        Some("Delay(7s)")),
        (503, b"Retry-After: 18446744073709551615",  after(u32::MAX.into()), Some("Delay(4294967295s)")),
        (503, b"Retry-After: 99999999999999999999",  after(u32::MAX.into()), Some("Delay(4294967295s)")),
        (503, b"Retry-After: Fri, 31 Dec 1999 23:59:59 GMT", Retry::Soon, Some("Date(\"Fri, 31 Dec 1999 23:59:59 GMT\")")),
        (503, b"Retry-After: -1",                    Retry::Soon,     Some("Date(\"-1\")")),
        (503, b"Retry-After:",                       Retry::Soon,     Some("Date(\"\")")),
        (503, b"Retry-After: 1\r\nRetry-After: 2",   Retry::Soon,     None),
        (503, b"Retry-After: \xff",                  Retry::Soon,     None),
        (404, b"Retry-After: 120",                   Retry::Never,    Some("Delay(120s)")),
        (301, b"Retry-After: 120",                   Retry::Never,    Some("Delay(120s)")),
    ];
    for (status, line, retry, value) in rows {
        let head = [format!("HTTP/1.1 {status} X\r\n").as_bytes(), line, b"\r\n\r\n"].concat();
        assert_eq!(ask(&head), (retry, value.map(str::to_owned)), "{status} {}", line.escape_ascii());
    }
}

// The accept value is not secret: constant time is not necessary (threat 18).

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
        let text = UpgradeError::Header(fault).to_string();
        assert!(text.contains(fault.name()), "{label}: {text}");
        assert_eq!(text.contains("(only "), matches!(fault, Wrong(_)), "{label}: {text}");
    }
}

/// A header whose name differs in one letter is ignored, with any value, repeated, before or after the others.
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

/// If none was offered, none can be selected.
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
