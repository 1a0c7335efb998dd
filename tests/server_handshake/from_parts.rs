//! Requests that an HTTP library parsed.

use crate::{
    common::{
        frame,
        heads::{receive, stale},
        store,
    },
    harness::*,
};
use websocket_proto::{
    Config, FixedStorage, Input,
    head::{HeadError, MalformedHead::*},
    server::{AcceptError, Refusal, Request},
};

/// Parts are refused like bytes, and no part can pretend to be two.
#[test]
fn from_parts_is_not_fooled() {
    let base = || parts(REQUEST.0.as_bytes()).unwrap();

    #[rustfmt::skip]
    let methods = [
        "", " ", "GET ", " GET", "GET /chat HTTP/1.1\r\nX:", "GET\r\n", "\r\nGET", "G\0T", "G\nT", "GET\t", "G\u{e4}T", "GET /",
    ];
    for method in methods {
        let (_, target, headers) = base();
        let refusal = from_parts(Config::new(), (method, target, headers)).err();
        assert_eq!(refusal, Some(malformed(RequestLine)), "method {method:?}");
    }

    #[rustfmt::skip]
    let targets = [
        "", " ", "/ ", " /", "/a b", "/ HTTP/1.1\r\nX: y", "/\r\n", "/\r", "/\n", "/\0", "/\x7f", "/\t", "/\x0b", "/\x0c",
    ];
    for target in targets {
        let (method, _, headers) = base();
        let refusal = from_parts(Config::new(), (method, target, headers)).err();
        assert_eq!(refusal, Some(malformed(RequestLine)), "target {target:?}");
    }
    for target in ["chat", "?", "#", "/#", "h:80", "http://", "mailto:a@b"] {
        let (method, _, headers) = base();
        let refusal = from_parts(Config::new(), (method, target, headers)).err();
        assert_eq!(refusal, Some(Refusal::Target), "target {target:?}");
    }

    #[rustfmt::skip]
    let values: [(&str, &[u8]); 8] = [
        ("X-A", b"b\r\nHost: evil"), ("X-A", b"b\n"), ("X-A", b"\r"), ("X-A", b"\r\n\r\n"), ("X-A", b"b\r\n c"),
        ("X-A", b"\0"), ("X-A", b"\x1b"), ("X-A", b"\x7f"),
    ];
    #[rustfmt::skip]
    let names: [(&str, &[u8]); 8] = [
        ("", b"b"), ("X A", b"b"), ("X-A:", b"b"), (":path", b"/"), ("X-A\r\nB", b"c"), ("\r\n", b""), ("\n", b""),
        ("X-\u{e4}", b"b"),
    ];
    let values = values.map(|header| (header, HeaderValue));
    let names = names.map(|header| (header, HeaderName));
    for (bad, fault) in values.into_iter().chain(names) {
        for place in 0..=REQUEST_HEADERS {
            let (method, target, mut headers) = base();
            headers.insert(place, bad);
            let refusal = from_parts(Config::new(), (method, target, headers)).err();
            assert_eq!(refusal, Some(malformed(fault)), "header {bad:?}");
        }
    }
}

/// An endless list of headers is refused at the limit, not collected.
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

/// The caller's HTTP library sends the response. Then frames are received.
#[test]
fn from_parts_to_a_connection() {
    let (method, target, headers) = parts(REQUEST.0.as_bytes()).unwrap();
    // The content of the stores is dropped.
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

/// The output store for a request in parts is emptied, as for a request in bytes ("what is in them is dropped").
#[test]
fn from_parts_drops_stale_output() {
    let (method, target, headers) = parts(REQUEST.0.as_bytes()).unwrap();
    let (input, output) = (stale(), stale());
    let request = Request::from_parts_with_storage(Config::new(), method, target, headers, input, output).unwrap();
    let connection = request.upgrade().unwrap().into_connection().unwrap();
    assert_eq!(connection.sender.pending(), b"");
}
