//! A handshake between two real ends, with any values that an application may add to it: either it is refused, or both
//! ends and a third parser see the same.
//!
//! The input is fields between bytes 0xFF, which UTF-8 never contains. Each field begins with a letter for its kind,
//! and the name of a header ends at 0xFE. This mutates better than lengths would, and a seed can be read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use websocket_proto::{Config, FixedStorage, Input, Uri, UriError, client, server};
use websocket_proto_fuzz::{Keys, http};

/// The bytes behind both heads belong to the connection; no handshake may use them.
const BEHIND: &[u8] = b"\x81\x00\r\n\r\n";

type Header<'a> = (&'a str, &'a str);

#[derive(Debug, Default)]
struct Case<'a> {
    uri: &'a str,
    subprotocols: Vec<&'a str>,
    origin: Option<&'a str>,
    headers: Vec<Header<'a>>,
    supported: Vec<&'a str>,
    accept_headers: Vec<Header<'a>>,
    body: &'a str,
}

impl<'a> Case<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut case = Self::default();
        for field in bytes.split(|byte| *byte == 0xFF) {
            let [tag, field @ ..] = field else { continue };
            let mut parts = field.splitn(2, |byte| *byte == 0xFE).map(str::from_utf8);
            let (name, value) = (parts.next()?.ok()?, parts.next().unwrap_or(Ok("")).ok()?);
            match tag {
                b'u' => case.uri = name,
                b's' => case.subprotocols.push(name),
                b'o' => case.origin = Some(name),
                b'h' => case.headers.push((name, value)),
                b'p' => case.supported.push(name),
                b'a' => case.accept_headers.push((name, value)),
                b'b' => case.body = name,
                _ => return None,
            }
        }
        // More headers are refused by limits, which other targets test.
        (case.headers.len().max(case.accept_headers.len()) <= 32).then_some(case)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some(case) = Case::parse(bytes) else { return };
    already_parsed(&case);
    other_response(&case);
    let parsed = Uri::parse_with_credentials(case.uri);
    match Uri::parse(case.uri) {
        Ok(uri) => assert_eq!(parsed, Ok((uri, None))),
        Err(UriError::UserInfo) => {}
        Err(error) => assert_eq!(parsed, Err(error)),
    }
    if let Ok((uri, _)) = parsed {
        shown(uri);
        shake_hands(&case, uri);
        by_lists(&case, uri);
    }
});

fn shake_hands(case: &Case<'_>, uri: Uri<'_>) {
    let mut request = client::Request::new(uri).subprotocols(&case.subprotocols).headers(&case.headers);
    if let Some(origin) = case.origin {
        request = request.origin(origin);
    }
    let mut room = [0; 8192];
    let store = FixedStorage::new(&mut room[..]);
    let Ok(mut client) = client::Handshake::with_storage(Config::new(), &request, Keys::default(), Vec::new(), store)
    else {
        assert_eq!(room, [0; 8192], "refused, and yet written");
        let is_plain = case.subprotocols.is_empty() && case.origin.is_none() && are_plain(&case.headers);
        assert!(!is_plain, "refused without a reason");
        return;
    };

    let mut wire = client.pending().to_vec();
    let (third, len) = http::request(&wire).expect("a request is HTTP");
    assert_eq!(len, wire.len());
    assert_eq!((&third.method[..], third.target, third.version), ("GET", uri.resource().to_string(), 1));
    let host = uri.host_header().to_string();
    let subprotocols = case.subprotocols.join(", ");
    let mut expected = vec![
        ("Host", &host[..]),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        KEY,
        ("Sec-WebSocket-Version", "13"),
    ];
    expected.extend(case.origin.map(|origin| ("Origin", origin)));
    expected.extend((!subprotocols.is_empty()).then_some(("Sec-WebSocket-Protocol", &subprotocols[..])));
    assert_eq!(third.headers, on_the_wire(&expected, &case.headers));

    let mut room = [0; 8192];
    let mut server = server::Handshake::with_storage(Config::new(), Vec::new(), FixedStorage::new(&mut room[..]));
    wire.extend(BEHIND);
    let mut input = Input::new(&mut wire);
    assert!(server.read(&mut input));
    assert_eq!(input.remaining(), BEHIND);
    let request = server.into_request().expect("what a client may send, a server takes");
    assert_eq!(http::seen(request.headers()), third.headers);
    assert_eq!(request.path(), if uri.path().is_empty() { "/" } else { uri.path() });
    assert_eq!(request.query(), uri.query());

    let upgrade = request.upgrade().expect("what a client may send, a server takes");
    assert!(upgrade.subprotocols().eq(case.subprotocols.iter().copied()));
    assert_eq!(upgrade.origin(), case.origin.map(|origin| origin.trim_ascii().as_bytes()));
    let picked = upgrade.select_subprotocol(&case.supported);
    assert_eq!(picked, case.subprotocols.iter().copied().find(|offered| case.supported.contains(offered)));

    let accept = server::Accept::new().subprotocol(picked).headers(&case.accept_headers);
    let Ok(connection) = upgrade.accept(&accept) else {
        assert_eq!(room, [0; 8192], "refused, and yet written");
        assert!(!are_plain(&case.accept_headers), "refused without a reason");
        return;
    };
    let mut wire = connection.sender.pending().to_vec();
    let (third, len) = http::response(&wire).expect("a response is HTTP");
    assert_eq!((len, third.status), (wire.len(), 101));
    let mut expected = vec![("Upgrade", "websocket"), ("Connection", "Upgrade"), ACCEPT];
    expected.extend(picked.map(|picked| ("Sec-WebSocket-Protocol", picked)));
    assert_eq!(third.headers, on_the_wire(&expected, &case.accept_headers));

    wire.extend(BEHIND);
    let mut input = Input::new(&mut wire);
    assert!(client.read(&mut input));
    assert_eq!(input.remaining(), BEHIND);
    let response = client.into_response().expect("what a server may send, a client takes");
    assert_eq!(http::seen(response.headers()), third.headers);
    assert_eq!(response.subprotocol(), picked);
    response.upgrade().expect("what a server may send, a client takes");
}

/// The same over extended CONNECT, by the lists of headers alone.
fn by_lists(case: &Case<'_>, uri: Uri<'_>) {
    let mut request = client::Request::new(uri).subprotocols(&case.subprotocols).headers(&case.headers);
    if let Some(origin) = case.origin {
        request = request.origin(origin);
    }
    let Ok(offer) = client::Offer::extended_connect(Config::new(), &request, Keys::default()) else { return };
    let list: Vec<_> = offer.headers().collect();
    assert_eq!(list[..2], [(":method", "CONNECT"), (":protocol", "websocket")]);
    assert!(list.iter().all(|(name, _)| !name.bytes().any(|byte| byte.is_ascii_uppercase())));
    assert!(list.ends_with(&case.headers));

    let request =
        server::Request::from_header_list(Config::new(), list).expect("what a client may send, a server takes");
    assert_eq!(request.target(), uri.resource().to_string());
    assert_eq!(request.headers().get("host"), Some(uri.host_header().to_string().as_bytes()));
    let upgrade = request.upgrade().expect("what a client may send, a server takes");
    assert!(upgrade.subprotocols().eq(case.subprotocols.iter().copied()));
    let picked = upgrade.select_subprotocol(&case.supported);
    let accept = server::Accept::new().subprotocol(picked).headers(&case.accept_headers);
    let Ok(headers) = upgrade.response_headers(&accept) else { return };
    let headers: Vec<_> = headers.collect();
    assert!(headers.iter().all(|(name, _)| !name.bytes().any(|byte| byte.is_ascii_uppercase())));
    let response = offer.response(upgrade.status(), headers).expect("what a server may send, a client takes");
    assert_eq!(response.subprotocol(), picked);
    response.upgrade().expect("what a server may send, a client takes");
}

/// RFC 6455 §1.3: the nonce that [`Keys`] begin with, the client's key, and the server's answer.
const KEY: Header<'_> = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
const ACCEPT: Header<'_> = ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");

/// A request that another library parsed, or claims to have parsed.
fn already_parsed(case: &Case<'_>) {
    let (config, headers) = (Config::new(), case.headers.iter().copied());
    if let Ok(request) = server::Request::from_parts(config, case.body, case.uri, headers) {
        assert_eq!((request.method(), request.target()), (case.body, case.uri));
        assert_eq!(http::seen(request.headers()), on_the_wire(&[], &case.headers));
    }
}

/// A response other than 101.
fn other_response(case: &Case<'_>) {
    let mut wire = Vec::new();
    let response = server::Response::new(403).headers(&case.accept_headers).body(case.body.as_bytes());
    if response.write(&mut wire).is_err() {
        assert_eq!(wire, b"", "refused, and yet written");
        assert!(!are_plain(&case.accept_headers), "refused without a reason");
        return;
    }
    let (third, len) = http::response(&wire).expect("a response is HTTP");
    assert_eq!(third.status, 403);
    assert_eq!(&wire[len..], case.body.as_bytes());
    let is_upgrade = case.accept_headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Upgrade"));
    let length = case.body.len().to_string();
    let added = [("Content-Length", &length[..]), ("Connection", if is_upgrade { "close, Upgrade" } else { "close" })];
    assert_eq!(third.headers, on_the_wire(&case.accept_headers, &added));
}

/// An address that is displayed and parsed again is the same.
fn shown(uri: Uri<'_>) {
    let text = uri.to_string();
    let again = Uri::parse(&text).expect("an address that was parsed");
    assert_eq!((again.host(), again.port(), again.is_secure()), (uri.host(), uri.port(), uri.is_secure()));
    assert_eq!(again.resource().to_string(), uri.resource().to_string());
    assert_eq!(again.to_string(), text);
}

/// Headers as they arrive: without whitespace around their values.
fn on_the_wire(headers: &[Header<'_>], more: &[Header<'_>]) -> http::Headers {
    let all = headers.iter().chain(more);
    all.map(|(name, value)| ((*name).to_owned(), value.as_bytes().trim_ascii().to_vec())).collect()
}

/// Headers that are certainly valid.
fn are_plain(headers: &[Header<'_>]) -> bool {
    let is_plain = |(name, value): &Header<'_>| {
        let name = name.strip_prefix("X-").unwrap_or_default();
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
    };
    headers.iter().all(is_plain)
}
