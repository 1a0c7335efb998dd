//! The request: what is sent, and what cannot be sent. The row C8, threat 10.

use crate::{
    common::{
        heads::{ACCEPT, Http, KEY, KEYS, NONCE},
        store,
    },
    harness::*,
};
use websocket_proto::{
    Config, Credentials, CredentialsError, FixedStorage, Uri, UriError,
    client::{Handshake, Offer, Request, RequestError, UpgradeError},
    head::HeaderFault::*,
    head::InvalidHeader,
};

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

/// C8: an address on the wire, and where to connect.
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
        ("ws://a!$&'()*+,;=~:1",            false, ("a!$&'()*+,;=~", 1),  "/",              "a!$&'()*+,;=~:1"),
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

/// C8, threat 10: a string that is not an address never becomes a request.
#[test]
fn c8_not_addresses() {
    let character = |index, found| UriError::Character { index, found };
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
        ("ws://h/#",                   character(7, b'#')),
        ("ws://h/p?q#fragment",        character(10, b'#')),
        ("ws://h#@g/",                 character(6, b'#')),
        ("ws://h/a b",                 character(8, b' ')),
        ("ws://h/?a b",                character(9, b' ')),
        ("ws://h/ ",                   character(7, b' ')),
        ("ws://h/ HTTP/1.1\r\nX: y",   character(7, b' ')),
        ("ws://h/\r\nX: y",            character(7, b'\r')),
        ("ws://h/\n",                  character(7, b'\n')),
        ("ws://h/?\r",                 character(8, b'\r')),
        ("ws://h/\0",                  character(7, 0)),
        ("ws://h/\x7f",                character(7, 0x7F)),
        ("ws://h/\u{e4}",              character(7, 0xC3)),
        ("ws://h/%",                   character(7, b'%')),
        ("ws://h/%0",                  character(7, b'%')),
        ("ws://h/%0g",                 character(7, b'%')),
        ("ws://h/[",                   character(7, b'[')),
        ("ws://h/\"<>",                character(7, b'"')),
    ];
    for (text, error) in rows {
        assert_eq!(Uri::parse(text), Err(error), "{text:?}");
    }
}

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
        ("twice",            &["a", "b", "a"],              RepeatedSubprotocol { index: 2 }),
        ("twice at once",    &["a", "a"],                   RepeatedSubprotocol { index: 1 }),
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

#[test]
fn c8_credentials_are_for_the_server() {
    let (uri, credentials) = Uri::parse_with_credentials("ws://ann:%73ecret@h/chat").unwrap();
    let request = Request::new(uri).headers(&[("X", "y")]);
    let sent = |request: &Request<'_>| {
        let handshake = new_client(Config::new(), request, fixed(NONCE)).unwrap();
        // To the byte, because bytes may be shown as numbers.
        let shown = format!("{handshake:?} {request:?}");
        assert_eq!(shown, "Handshake(0 bytes sent, Head(0 bytes, Collecting)) Request(ws://h/chat)");
        String::from_utf8(handshake.pending().to_vec()).unwrap()
    };
    let without = sent(&request);
    assert!(without.starts_with("GET /chat HTTP/1.1\r\nHost: h\r\n") && !without.contains("Authorization"));
    let with = sent(&request.credentials(credentials));
    assert_eq!(with.replace("Authorization: Basic YW5uOnNlY3JldA==\r\n", ""), without);
    assert_eq!(sent(&request.credentials(credentials).credentials(None)), without);

    // Also in a list of HTTP/2, in which no name has a capital letter.
    let request = Request::new(uri).credentials(Credentials::new("ann", "secret")).headers(&[("x", "y")]);
    let offer = Offer::extended_connect_with_storage(Config::new(), &request, fixed(NONCE), store(), store()).unwrap();
    assert_eq!(format!("{offer:?}"), "Offer(extended CONNECT)");
    let values: Vec<_> = offer.headers().filter(|(name, _)| *name == "authorization").collect();
    assert_eq!(values, [("authorization", "Basic YW5uOnNlY3JldA==")]);
}

#[test]
fn c8_credentials_that_cannot_be_sent() {
    let cannot = RequestError::Credentials;
    for (text, error) in [
        ("ws://a%3Ab:c@h", cannot(CredentialsError::User)),
        ("ws://a%0D%0Ab@h", cannot(CredentialsError::User)),
        ("ws://a:%00@h", cannot(CredentialsError::Password)),
        ("ws://a:%7f@h", cannot(CredentialsError::Password)),
    ] {
        let (uri, credentials) = Uri::parse_with_credentials(text).unwrap();
        let request = Request::new(uri).credentials(credentials);
        assert_eq!(new_client(Config::new(), &request, fixed(NONCE)).err(), Some(error), "{text}");
        assert_eq!(source(&error), Some(error.to_string()));
    }
    // The header is there once.
    let twice = request("ws://h").headers(&[("X", "y"), ("AUTHORIZATION", "Bearer x")]);
    assert!(new_client(Config::new(), &twice, fixed(NONCE)).is_ok());
    let error = new_client(Config::new(), &twice.credentials(Credentials::new("a", "b")), fixed(NONCE)).err();
    assert_eq!(error, Some(RequestError::Header(InvalidHeader::Reserved { index: 1 })));
}

fn source(error: &dyn core::error::Error) -> Option<String> {
    error.source().map(ToString::to_string)
}

#[test]
fn errors_lead_to_what_they_wrap() {
    let (header, fault) = (InvalidHeader::Name { index: 7 }, Missing("Upgrade"));
    assert_eq!(source(&RequestError::Header(header)), Some(header.to_string()));
    assert_eq!(source(&UpgradeError::Header(fault)), Some(fault.to_string()));
    assert_eq!(source(&RequestError::Origin), None);
    assert_eq!(source(&UpgradeError::Refused { status: 403 }), None);
}
