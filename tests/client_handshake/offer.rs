//! Requests that an HTTP library sends: the rows H1, H5, H6 and H10 for extended CONNECT, and the same in HTTP/1.1.

use crate::{
    common::{
        Store,
        heads::{ACCEPT, KEY, NONCE},
        store,
    },
    harness::*,
};
use websocket_proto::{
    Config, Connection, Event, FixedStorage, Input, Uri,
    client::{Offer, Request, RequestError, UpgradeError},
    head::{HeadError, HeaderFault::*, InvalidHeader},
    server,
    time::Retry,
};

type List<'l> = &'l [(&'l str, &'l str)];
type StoreOffer = Offer<fn() -> [u8; 4], Store, Store>;

fn connect(config: Config, request: &Request<'_>) -> Result<StoreOffer, RequestError> {
    Offer::extended_connect_with_storage(config, request, crate::common::keys as fn() -> [u8; 4], store(), store())
}

fn chat() -> Request<'static> {
    request("wss://example.com:8443/chat?room=1").subprotocols(&["chat", "echo"])
}

#[test]
fn h1_the_list_to_the_byte() {
    let headers = [("cookie", "a=b: c"), ("x-empty", "")];
    let offer = connect(Config::new(), &chat().origin("https://example.com").headers(&headers)).unwrap();
    let list: Vec<_> = offer.headers().collect();
    #[rustfmt::skip]
    assert_eq!(list, [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/chat?room=1"),
        (":authority", "example.com:8443"),
        ("sec-websocket-version", "13"),
        ("origin", "https://example.com"),
        ("sec-websocket-protocol", "chat, echo"),
        ("cookie", "a=b: c"),
        ("x-empty", ""),
    ]);
    let plain = connect(Config::new(), &request("ws://[::1]")).unwrap();
    let list: Vec<_> = plain.headers().skip(2).collect();
    let expected = [(":scheme", "http"), (":path", "/"), (":authority", "[::1]"), ("sec-websocket-version", "13")];
    assert_eq!(list, expected);
}

#[test]
fn h1_requests_that_cannot_be_sent() {
    for (name, fault) in [
        ("Cookie", InvalidHeader::Capital { index: 1 }),
        ("connection", InvalidHeader::Reserved { index: 1 }),
        ("sec-websocket-key", InvalidHeader::Reserved { index: 1 }),
        ("a b", InvalidHeader::Name { index: 1 }),
        ("keep-alive", InvalidHeader::Reserved { index: 1 }),
        ("proxy-connection", InvalidHeader::Reserved { index: 1 }),
    ] {
        let headers = [("a", "b"), (name, "c")];
        let error = connect(Config::new(), &chat().headers(&headers)).err();
        assert_eq!(error, Some(RequestError::Header(fault)), "{name}");
    }
    let error = connect(Config::new(), &chat().headers(&[("a", "b ")])).err();
    assert_eq!(error, Some(RequestError::Header(InvalidHeader::Value { index: 0 })));
    assert_eq!(connect(Config::new(), &chat().origin("\tx")).err(), Some(RequestError::Origin));
    let small = || FixedStorage::new([0; 261]);
    let keys = crate::common::keys as fn() -> [u8; 4];
    let error = Offer::extended_connect_with_storage(Config::new(), &chat(), keys, small(), small()).err();
    assert_eq!(error, Some(RequestError::StoreTooSmall { needed: 262, capacity: 261 }));
}

/// It needs a line for each header, and one before and one behind them.
#[test]
fn h1_a_list_that_just_fits() {
    let long = "x".repeat(500);
    let headers = [("cookie", &*long)];
    let request = chat().headers(&headers);
    let lines = connect(Config::new(), &request).unwrap();
    let needed = lines.headers().fold(4, |len, (name, value)| len + name.len() + value.len() + 4);
    for capacity in [needed - 1, needed] {
        let output = FixedStorage::new(vec![0; capacity]);
        let keys = crate::common::keys as fn() -> [u8; 4];
        let input = FixedStorage::new(vec![0; capacity]);
        let error = Offer::extended_connect_with_storage(Config::new(), &request, keys, input, output).err();
        assert_eq!(error, (capacity < needed).then_some(RequestError::StoreTooSmall { needed, capacity }));
    }
}

#[test]
fn h5_accepted() {
    #[rustfmt::skip]
    let rows: [(&str, u16, List<'_>); 6] = [
        ("200",                   200, &[]),
        ("another 2xx",           204, &[]),
        ("a subprotocol",         200, &[("sec-websocket-protocol", "echo")]),
        ("a leaked accept",       200, &[("sec-websocket-accept", "no answer to anything")]),
        ("headers of HTTP/1.1",   200, &[("Upgrade", "no"), ("Connection", "close")]),
        ("others",                299, &[("server", "x"), ("set-cookie", "a"), ("set-cookie", "b")]),
    ];
    for (label, status, headers) in rows {
        let response = connect(Config::new(), &chat()).unwrap().response(status, headers.iter().copied()).unwrap();
        assert_eq!((response.status(), response.check()), (status, Ok(())), "{label}");
        assert_eq!(response.headers().count(), headers.len(), "{label}");
        assert!(response.upgrade().is_ok(), "{label}");
    }
}

#[test]
fn h6_refused() {
    let rows: [(u16, List<'_>, UpgradeError); 7] = [
        (101, &[], UpgradeError::Refused { status: 101 }),
        (199, &[], UpgradeError::Refused { status: 199 }),
        (302, &[("location", "/other")], UpgradeError::Refused { status: 302 }),
        (403, &[], UpgradeError::Refused { status: 403 }),
        (503, &[("retry-after", "9")], UpgradeError::Refused { status: 503 }),
        (200, &[("sec-websocket-protocol", "other")], UpgradeError::Header(Unexpected("Sec-WebSocket-Protocol"))),
        (200, &[("sec-websocket-extensions", "x")], UpgradeError::Header(Unexpected("Sec-WebSocket-Extensions"))),
    ];
    for (status, headers, error) in rows {
        let response = connect(Config::new(), &chat()).unwrap().response(status, headers.iter().copied()).unwrap();
        assert_eq!(response.location(), (status == 302).then_some("/other"));
        let after = Retry::After(core::time::Duration::from_secs(9));
        assert_eq!(response.retry(), if status == 503 { after } else { Retry::Never });
        assert_eq!(response.upgrade().err(), Some(error), "{status}");
    }
}

/// A response is bounded and checked like the bytes of one.
#[test]
fn responses_in_parts_are_checked() {
    let response = |headers: &[(&str, &str)]| {
        let offer = connect(Config::new(), &chat()).unwrap();
        offer.response(200, headers.iter().copied()).err()
    };
    let many = vec![("a", "b"); 129];
    assert_eq!(response(&many), Some(HeadError::TooManyHeaders { limit: 128 }));
    assert_eq!(response(&many[1..]), None);
    assert_eq!(response(&[("a", &"x".repeat(20_000))]), Some(HeadError::TooLarge { limit: 16384 }));
    for (name, value) in [("", "x"), ("a b", "x"), (":status", "200"), ("a", "b\r\nc: d")] {
        assert!(matches!(response(&[(name, value)]), Some(HeadError::Malformed(_))), "{name:?} {value:?}");
    }
    // A status of another length than three digits is none that accepts.
    for status in [0, 20, 2000, u16::MAX] {
        let response = connect(Config::new(), &chat()).unwrap().response(status, [("a", "b")]).unwrap();
        assert!(response.upgrade().is_err(), "{status}");
    }
}

#[test]
fn http1_in_parts() {
    let offer = || {
        let random = fixed(NONCE);
        Offer::http1_with_storage(Config::new(), &chat(), random, store(), store()).unwrap()
    };
    let names: Vec<_> = offer().headers().map(|(name, _)| name.to_owned()).collect();
    #[rustfmt::skip]
    let expected = [
        "Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol",
    ];
    assert_eq!(names, expected);
    assert_eq!(offer().headers().find(|(name, _)| *name == "Sec-WebSocket-Key"), Some(("Sec-WebSocket-Key", KEY)));
    let good = [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", ACCEPT)];
    assert!(offer().response(101, good).unwrap().upgrade().is_ok());
    for (index, name) in [(0, "Upgrade"), (1, "Connection"), (2, "Sec-WebSocket-Accept")] {
        let mut bad = good;
        bad[index].1 = "wrong";
        assert_eq!(offer().response(101, bad).unwrap().upgrade().err(), Some(UpgradeError::Header(Wrong(name))));
    }
    let refused = offer().response(200, good).unwrap().upgrade().err();
    assert_eq!(refused, Some(UpgradeError::Refused { status: 200 }));
}

/// Both ends by their parts alone, over either version, with compression if there is any.
#[test]
fn h10_both_ends_by_their_parts() {
    #[cfg(feature = "deflate")]
    let config = Config::new().deflate(websocket_proto::deflate::Config::new());
    #[cfg(not(feature = "deflate"))]
    let config = Config::new();
    let uri = Uri::parse("wss://example.com/chat?room=1").unwrap();
    let keys = crate::common::keys as fn() -> [u8; 4];
    for is_http1 in [false, true] {
        let offer = if is_http1 {
            Offer::http1_with_storage(config, &chat(), keys, store(), store()).unwrap()
        } else {
            connect(config, &chat()).unwrap()
        };
        let request = if is_http1 {
            let target = uri.resource().to_string();
            server::Request::from_parts_with_storage(config, "GET", &target, offer.headers(), store(), store())
        } else {
            server::Request::from_header_list_with_storage(config, offer.headers(), store(), store())
        };
        let upgrade = request.unwrap().upgrade().unwrap();
        let accept = server::Accept::new().subprotocol(upgrade.select_subprotocol(&["echo"]));
        let status = upgrade.status();
        assert_eq!(status, if is_http1 { 101 } else { 200 });
        let response = offer.response(status, upgrade.response_headers(&accept).unwrap()).unwrap();
        assert_eq!(response.subprotocol(), Some("echo"));
        let (mut server, mut client) = (upgrade.into_connection().unwrap(), response.upgrade().unwrap());
        #[cfg(feature = "deflate")]
        assert!(server.receiver.compression().is_some() && client.receiver.compression().is_some());

        client.sender.send_text("from the client").unwrap();
        assert_eq!(client.sender.pending()[1] & 0x80, 0x80, "a client masks");
        let mut bytes = client.sender.pending().to_vec();
        let Connection { receiver, sender } = &mut server;
        let mut input = Input::new(&mut bytes);
        let Some(Event::Text(text)) = receiver.next_message(&mut input, sender) else { panic!() };
        sender.send_text(text).unwrap();
        let mut bytes = sender.pending().to_vec();
        let mut input = Input::new(&mut bytes);
        let echo = client.receiver.next_message(&mut input, &mut client.sender);
        assert_eq!(echo, Some(Event::Text("from the client")));
    }
}
