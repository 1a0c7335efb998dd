//! Any bytes as a request: the verdict does not depend on the cuts, every accepted request is a handshake, and every
//! refusal is an HTTP response.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use websocket_proto::{Config, FixedStorage, Input, Storage, server};
use websocket_proto_fuzz::http;

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    max_head: u8,
    max_headers: u8,
    cut: u8,
    wire: &'a [u8],
}

type Read<S> = (Result<server::Request<S, Vec<u8>>, server::Refusal>, usize);

fuzz_target!(|case: Case<'_>| {
    let limit = usize::from(case.max_head) * 4;
    let config = Config::new().max_head(limit).max_headers(case.max_headers.into());
    let whole = read(config, Vec::new(), case.wire, usize::MAX);
    for (cut, store) in [(1, limit), (usize::from(case.cut) + 1, usize::MAX)] {
        let store = FixedStorage::new(vec![0; store.min(1024)]);
        let cut = read(config, store, case.wire, cut);
        assert_eq!(describe(&whole), describe(&cut));
    }

    let (request, used) = whole;
    let refusal = match request {
        Ok(request) => {
            assert!(used <= limit && request.headers().count() <= case.max_headers.into());
            match check(request, &case.wire[..used]) {
                Ok(()) => return,
                Err(refusal) => refusal,
            }
        }
        Err(refusal) => refusal,
    };
    if let server::Refusal::Head(error) = refusal {
        http::assert_beyond_limit(case.wire, error, |wire| http::request(wire).is_some());
    }
    let mut answer = Vec::new();
    refusal.response().write(&mut answer).expect("a refusal can always be said");
    let (response, head) = http::response(&answer).expect("a refusal is HTTP");
    assert_eq!(response.status, refusal.status());
    assert!((400..600).contains(&response.status));
    let length = refusal.response().content().len().to_string();
    assert_eq!(http::values(&response.headers, "Content-Length"), [length.as_bytes()]);
    let content =
        if matches!(refusal, server::Refusal::Method { is_head: true }) { b"" } else { refusal.response().content() };
    assert_eq!(&answer[head..], content);
});

/// The request, and how many bytes of the wire were used.
fn read<S: Storage>(config: Config, store: S, wire: &[u8], cut: usize) -> Read<S> {
    let mut handshake = server::Handshake::with_storage(config, store, Vec::new());
    let mut used = 0;
    for piece in wire.chunks(cut) {
        let mut piece = piece.to_vec();
        let mut input = Input::new(&mut piece);
        let done = handshake.read(&mut input);
        let left = input.remaining().len();
        assert!(done || left == 0, "an unfinished head takes all there is");
        used += piece.len() - left;
        if done {
            break;
        }
    }
    (handshake.into_request(), used)
}

/// Everything that must be the same for every cut. A failed head leaves nothing that could be read.
fn describe<S: Storage>((request, used): &Read<S>) -> Result<(String, String, http::Headers, usize), server::Refusal> {
    match request {
        Ok(request) => {
            let (method, target) = (request.method().to_owned(), request.target().to_owned());
            Ok((method, target, http::seen(request.headers()), *used))
        }
        Err(refusal) => Err(*refusal),
    }
}

/// Compares the request with another parser and with the RFC.
fn check(request: server::Request<Vec<u8>, Vec<u8>>, wire: &[u8]) -> Result<(), server::Refusal> {
    let (expected, len) = http::request(wire).expect("a head that is accepted is HTTP");
    assert_eq!(len, wire.len(), "where the head ends");
    assert_eq!((request.method(), request.target()), (&expected.method[..], &expected.target[..]));
    assert_eq!(http::seen(request.headers()), expected.headers);
    assert!(
        request.path().starts_with(['/', '*']) && request.target().contains(request.path().trim_start_matches('/'))
    );
    assert!(request.query().is_none_or(|query| request.target().ends_with(query)));

    let is_handshake = http::is_handshake(&expected);
    let again = from_parts(&expected);
    let checked = request.check();
    let verdict = request.upgrade();
    assert_eq!(checked.err(), verdict.as_ref().err().copied(), "`check` says the same");
    if expected.version == 1 {
        // Only the order of headers, their case and the whitespace around them remain from the bytes.
        assert_eq!(again.as_ref().err(), verdict.as_ref().err(), "the same request, already parsed");
    }
    match verdict {
        Ok(upgrade) => {
            assert!(is_handshake, "accepted against a rule");
            accept(upgrade);
            Ok(())
        }
        Err(refusal) => {
            let is_extension =
                matches!(refusal, server::Refusal::Header(fault) if fault.name() == "Sec-WebSocket-Extensions");
            assert!(!is_handshake || is_extension, "refused with {refusal:?} against the rules");
            Err(refusal)
        }
    }
}

fn from_parts(request: &http::Request) -> Result<server::Upgrade<Vec<u8>, Vec<u8>>, server::Refusal> {
    let http::Request { method, target, headers, .. } = request;
    let headers = headers.iter().map(|(name, value)| (name, value));
    server::Request::from_parts(Config::new(), method, target, headers)?.upgrade()
}

/// Accepts with the client's first choices.
fn accept(upgrade: server::Upgrade<Vec<u8>, Vec<u8>>) {
    let offered: Vec<_> = upgrade.subprotocols().map(str::to_owned).collect();
    let offered: Vec<_> = offered.iter().map(String::as_str).collect();
    let picked = upgrade.select_subprotocol(&offered);
    assert_eq!(picked, offered.first().copied());
    let connection = upgrade.accept(&server::Accept::new().subprotocol(picked)).unwrap();
    let (response, len) = http::response(connection.sender.pending()).expect("an acceptance is HTTP");
    assert_eq!((response.status, len), (101, connection.sender.pending().len()));
    let said = http::values(&response.headers, "Sec-WebSocket-Protocol");
    assert_eq!(said, Vec::from_iter(picked.map(str::as_bytes)));
}
