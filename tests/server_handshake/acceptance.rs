//! Accepted requests, and what the caller can read of them: the rows S4 to S6, S11, S13 and S15.

use crate::{
    common::{
        heads::{ACCEPT, Http, KEY, KEYS, new_server},
        store,
    },
    harness::*,
};
use websocket_proto::{
    Config, Input,
    head::HeaderFault::*,
    server::{Accept, Refusal, Response},
};

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
fn s6_known_answers() {
    for (_, key, accept) in KEYS {
        assert_accepted(key, Config::new(), &REQUEST.set("Sec-WebSocket-Key", key), accept);
    }
    // The text is hashed, not the bytes. So bits behind the last byte (which clients may set) change the answer.
    let key = "dGhlIHNhbXBsZSBub25jZR==";
    let head = REQUEST.set("Sec-WebSocket-Key", key);
    assert_accepted(key, Config::new(), &head, "Zgw8jYXtqX5qJr7MJ1Q/MqzeSRI=");
}

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
        // RFC 9110 §5.3: all lines with one name are one list, and a list without elements counts as absent.
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

/// The parser compares the length of a name first. A header with another name of the same length is ignored, with any
/// value, repeated, before or after the others.
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

#[test]
fn targets_are_split_into_path_and_query() {
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
        assert!(handshake.read(&mut Input::new(&mut head)));
        let request = handshake.into_request().unwrap();
        assert!(request.is_upgrade());
        assert_eq!((request.target(), request.path(), request.query()), (target, path, query));
    }
}

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
        // Any offered one can be selected, or none.
        for picked in offered.iter().copied().map(Some).chain([None]) {
            let connection = upgrade(&head).accept(&Accept::new().subprotocol(picked)).unwrap();
            let response = Http::parse(connection.sender.pending());
            assert_eq!(response.get("Sec-WebSocket-Protocol"), picked, "{label}");
        }
    }
}

/// Bytes behind the head are not parsed before the request is accepted, even if no connection could receive them.
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
