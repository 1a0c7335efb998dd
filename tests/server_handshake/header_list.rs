//! Extended CONNECT: requests of HTTP/2 and HTTP/3, as lists of headers. The rows H1 to H4.

use crate::common::{frame, heads::receive, store};
use websocket_proto::{
    Config, Input,
    head::{HeadError, HeaderFault::*, InvalidHeader, MalformedHead},
    server::{Accept, AcceptError, Refusal, Request},
};

type List<'l> = Vec<(&'l str, &'l [u8])>;

fn list() -> List<'static> {
    vec![
        (":method", b"CONNECT"),
        (":protocol", b"websocket"),
        (":scheme", b"https"),
        (":path", b"/chat?room=1"),
        (":authority", b"example.com"),
        ("sec-websocket-version", b"13"),
        ("sec-websocket-protocol", b"chat, echo"),
        ("origin", b"https://example.com"),
    ]
}

/// The list with this header in place of the one with the same name, or at the end.
fn with<'l>(name: &'l str, value: &'l [u8]) -> List<'l> {
    let mut list = list();
    match list.iter_mut().find(|(found, _)| *found == name) {
        Some(header) => header.1 = value,
        None => list.push((name, value)),
    }
    list
}

fn without(name: &str) -> List<'static> {
    list().into_iter().filter(|(found, _)| *found != name).collect()
}

fn request(list: &[(&str, &[u8])]) -> Result<Request<crate::common::Store, crate::common::Store>, Refusal> {
    Request::from_header_list_with_storage(Config::new(), list.iter().copied(), store(), store())
}

fn refusal(list: &[(&str, &[u8])]) -> Option<Refusal> {
    request(list).and_then(Request::upgrade).err()
}

#[test]
fn h1_accepted() {
    let request = request(&list()).unwrap();
    assert!(request.is_upgrade());
    assert_eq!((request.method(), request.target()), ("CONNECT", "/chat?room=1"));
    assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
    assert_eq!(request.headers().get("Host"), Some(&b"example.com"[..]));
    let upgrade = request.upgrade().unwrap();
    assert_eq!(upgrade.status(), 200);
    upgrade.check_origin(&["https://example.com"]).unwrap();
    assert_eq!(upgrade.check_origin(&["https://example.org"]), Err(Refusal::Origin));
    let subprotocol = upgrade.select_subprotocol(&["echo"]);
    let accept = Accept::new().subprotocol(subprotocol).headers(&[("set-cookie", "a=b")]);
    let headers: Vec<_> = upgrade.response_headers(&accept).unwrap().collect();
    assert_eq!(headers, [("sec-websocket-protocol", "echo"), ("set-cookie", "a=b")]);

    let mut connection = upgrade.into_connection().unwrap();
    assert!(connection.sender.is_empty());
    let mut bytes = frame(0x81, b"hello", true);
    let events = receive(&mut connection.receiver, &mut connection.sender, [Input::new(&mut bytes)]);
    assert_eq!(events, ["text hello"]);
}

#[test]
fn h1_accepted_variants() {
    #[rustfmt::skip]
    let lists = [
        ("any case",              with(":protocol", b"WebSocket")),
        ("the same host",         with("host", b"EXAMPLE.com")),
        ("a port",                with(":authority", b"example.com:8443")),
        ("an IPv6 address",       with(":authority", b"[::1]:443")),
        ("no origin",             without("origin")),
        ("no subprotocol",        without("sec-websocket-protocol")),
        ("H4 a key is ignored",   with("sec-websocket-key", b"no key")),
        ("an accept is ignored",  with("sec-websocket-accept", b"no accept")),
        ("cookies",               with("cookie", b"a=b; c=d")),
        ("te",                    with("te", b"trailers")),
        ("http",                  with(":scheme", b"http")),
    ];
    for (label, list) in lists {
        assert_eq!(refusal(&list), None, "{label}");
        // Pseudo-headers may be in any order.
        let mut turned = list.clone();
        turned[..5].reverse();
        assert_eq!(refusal(&turned), None, "{label}, turned");
    }
}

#[test]
fn h2_h3_h4_refused() {
    let malformed = |part| Refusal::Head(HeadError::Malformed(part));
    let names = malformed(MalformedHead::HeaderName);
    #[rustfmt::skip]
    let lists = [
        ("H2 another protocol",      with(":protocol", b"connect-udp"),           Refusal::Protocol, 501),
        ("H2 an empty protocol",     with(":protocol", b""),                      Refusal::Protocol, 501),
        ("H2 GET",                   with(":method", b"GET"),                     Refusal::NotConnect, 405),
        ("H2 no protocol",           without(":protocol"),                        Refusal::NotConnect, 405),
        ("H2 a plain CONNECT",       vec![(":method", &b"CONNECT"[..]), (":authority", b"h:80")], Refusal::NotConnect, 405),
        ("no method",                without(":method"),                          malformed(MalformedHead::RequestLine), 400),
        ("no path",                  without(":path"),                            Refusal::NotConnect, 405),
        ("GET without a path",       vec![(":method", &b"GET"[..])],              malformed(MalformedHead::RequestLine), 400),
        ("H1 no scheme",             without(":scheme"),                          Missing(":scheme").into(), 400),
        ("H1 no authority",          without(":authority"),                       Missing(":authority").into(), 400),
        ("H1 an empty authority",    with(":authority", b""),                     Wrong(":authority").into(), 400),
        ("H1 user information",      with(":authority", b"u@h"),                  Wrong(":authority").into(), 400),
        ("H3 no version",            without("sec-websocket-version"),            Refusal::ConnectVersion { found: None }, 400),
        ("H3 version 8",             with("sec-websocket-version", b"8"),         Refusal::ConnectVersion { found: Some(8) }, 400),
        ("H3 no number",             with("sec-websocket-version", b"13, 8"),     Refusal::ConnectVersion { found: None }, 400),
        ("H4 connection",            with("connection", b"upgrade"),              Unexpected("Connection").into(), 400),
        ("H4 upgrade",               with("upgrade", b"websocket"),               Unexpected("Upgrade").into(), 400),
        ("H4 keep-alive",            with("keep-alive", b"5"),                    Unexpected("Keep-Alive").into(), 400),
        ("H4 transfer-encoding",     with("transfer-encoding", b"chunked"),       Unexpected("Transfer-Encoding").into(), 400),
        ("H4 another host",          with("host", b"example.org"),                Wrong("Host").into(), 400),
        ("a length",                 with("content-length", b"0"),                Refusal::Body, 400),
        ("a capital letter",         with("Origin", b"x"),                        names, 400),
        ("an unknown pseudo-header", with(":status", b"200"),                     names, 400),
        ("an empty name",            with("", b"x"),                              names, 400),
        ("a colon inside",           with("a:b", b"x"),                           names, 400),
        ("a pseudo-header twice",    [list(), vec![(":path", b"/")]].concat(),    names, 400),
        ("after a header",           [vec![("a", &b"b"[..])], list()].concat(), malformed(MalformedHead::RequestLine), 400),
        ("between headers",          [list(), vec![(":path", b"/")]].concat(),    names, 400),
        ("CR in a value",            with("a", b"b\r\nc: d"),                     malformed(MalformedHead::HeaderValue), 400),
        ("CR in the authority",      with(":authority", b"h\r\nc: d"),            malformed(MalformedHead::HeaderValue), 400),
        ("a space in the path",      with(":path", b"/a b"),                      malformed(MalformedHead::RequestLine), 400),
        ("NUL in the path",          with(":path", b"/\0"),                      malformed(MalformedHead::RequestLine), 400),
        ("space around a value",     with("a", b" b"),                            malformed(MalformedHead::HeaderValue), 400),
        ("space after the host",     with(":authority", b"h "),                   malformed(MalformedHead::HeaderValue), 400),
        ("an empty method",          with(":method", b""),                        malformed(MalformedHead::RequestLine), 400),
        ("a path that is none",      with(":path", b"chat"),                      Refusal::Target, 400),
        ("a fragment",               with(":path", b"/#"),                        Refusal::Target, 400),
        ("a bad list",               with("sec-websocket-protocol", b"a b"),      Wrong("Sec-WebSocket-Protocol").into(), 400),
        ("two origins",              [list(), vec![("origin", b"x")]].concat(),   Repeated("Origin").into(), 400),
    ];
    for (label, list, expected, status) in lists {
        assert_eq!(refusal(&list), Some(expected), "{label}");
        assert_eq!(expected.status(), status, "{label}");
        // HTTP/2 has no capital letters.
        let response = expected.response();
        let is_http1 = matches!(expected, Refusal::Head(_) | Refusal::Header(_));
        let is_small = response.header_list().iter().all(|(name, _)| *name == name.to_ascii_lowercase());
        assert!(is_http1 || is_small, "{label}");
    }
    let version = Refusal::ConnectVersion { found: None };
    assert_eq!(version.response().header_list(), [("sec-websocket-version", "13")]);
}

/// "If there are multiple Cookie header fields after decompression, these MUST be concatenated into a single octet
/// string using the two-octet delimiter of 0x3b, 0x20" (RFC 9113 §8.2.3). Browsers send each cookie as a header, one
/// after the other.
#[test]
fn h1_cookies_are_one_header() {
    let mut list = with("cookie", b"a=b");
    list.extend([("cookie", &b"session=1"[..]), ("cookie", b"c=d"), ("x", b"y"), ("cookie", b"e=f")]);
    let cookies = |request: &Request<_, _>| -> Vec<_> { request.headers().all("Cookie").map(<[u8]>::to_vec).collect() };
    let request = request(&list).unwrap();
    assert_eq!(cookies(&request), [&b"a=b; session=1; c=d"[..], b"e=f"]);
    assert_eq!(request.headers().get("X"), Some(&b"y"[..]));
    for value in [&b"g=h\r\nx: y"[..], b" g"] {
        let list = [list.clone(), vec![("cookie", value)]].concat();
        assert_eq!(refusal(&list), Some(HeadError::Malformed(MalformedHead::HeaderValue).into()));
    }
}

/// The same entry takes requests for pages.
#[test]
fn other_requests_are_for_pages() {
    for (method, path) in [("GET", "/"), ("POST", "/a?b"), ("OPTIONS", "*")] {
        let list = [(":method", method), (":scheme", "https"), (":path", path), (":authority", "h"), ("a", "b")];
        let request = Request::from_header_list_with_storage(Config::new(), list, store(), store()).unwrap();
        assert!(!request.is_upgrade());
        assert_eq!((request.method(), request.target()), (method, path));
        assert_eq!(request.headers().get("a"), Some(&b"b"[..]));
        assert_eq!(request.upgrade().err(), Some(Refusal::NotConnect));
    }
}

#[test]
fn nothing_of_http1_is_sent_to_http2() {
    let upgrade = || request(&list()).unwrap().upgrade().unwrap();
    assert_eq!(upgrade().accept(&Accept::new()).err(), Some(AcceptError::NotHttp1));
    let capital = upgrade().response_headers(&Accept::new().headers(&[("a", "b"), ("Set-Cookie", "a=b")])).err();
    assert_eq!(capital, Some(AcceptError::Header(InvalidHeader::Capital { index: 1 })));
    let reserved = upgrade().response_headers(&Accept::new().headers(&[("connection", "close")])).err();
    assert_eq!(reserved, Some(AcceptError::Header(InvalidHeader::Reserved { index: 0 })));
}

/// The limits of a head hold for a list, too.
#[test]
fn a_list_is_bounded() {
    let many: List<'_> = list().into_iter().chain((0..126).map(|_| ("a", &b"b"[..]))).collect();
    let too_many = Refusal::Head(HeadError::TooManyHeaders { limit: 128 });
    assert_eq!(refusal(&many), Some(too_many));
    assert_eq!(refusal(&many[..many.len() - 2]), None);
    let begin = [(":method", "GET"), (":path", "/")];
    let endless = begin.into_iter().chain(core::iter::repeat(("a", "b")));
    let refused = Request::from_header_list_with_storage(Config::new(), endless, store(), store()).err();
    assert_eq!(refused, Some(too_many));
    let endless = core::iter::repeat((":method", "GET"));
    let refused = Request::from_header_list_with_storage(Config::new(), endless, store(), store()).err();
    assert_eq!(refused, Some(Refusal::Head(HeadError::Malformed(MalformedHead::HeaderName))));
    let long = vec![b'x'; 20_000];
    assert_eq!(refusal(&with("a", &long)), Some(Refusal::Head(HeadError::TooLarge { limit: 16384 })));
    assert_eq!(
        refusal(&with(":path", &[b"/", &long[..]].concat())),
        Some(Refusal::Head(HeadError::TooLarge { limit: 16384 }))
    );
}

#[cfg(feature = "deflate")]
#[test]
fn compression_is_agreed_on() {
    let config = Config::new().deflate(websocket_proto::deflate::Config::new());
    let list = with("sec-websocket-extensions", b"permessage-deflate; client_max_window_bits");
    let request = Request::from_header_list_with_storage(config, list.iter().copied(), store(), store()).unwrap();
    let upgrade = request.upgrade().unwrap();
    assert!(upgrade.compression().is_some());
    let names: Vec<_> = upgrade.response_headers(&Accept::new()).unwrap().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["sec-websocket-extensions"]);
    assert!(upgrade.into_connection().unwrap().receiver.compression().is_some());
}
