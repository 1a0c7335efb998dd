//! Any bytes as a response: the verdict does not depend on the cuts, and every accepted response is an acceptance.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use websocket_proto::{Config, FixedStorage, Input, Storage, Uri, client, head::HeadError};
use websocket_proto_fuzz::{Keys, http};

/// The answer to the nonce of RFC 6455 §1.3, which [`Keys`] returns first.
const ACCEPT_KEY: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const SUBPROTOCOLS: [&str; 2] = ["chat", "superchat"];

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    max_head: u8,
    max_headers: u8,
    cut: u8,
    wire: &'a [u8],
}

type Read<S> = (Result<client::Response<Keys, S, Vec<u8>>, HeadError>, usize);

fuzz_target!(|case: Case<'_>| {
    let limit = usize::from(case.max_head) * 4;
    let config = Config::new().max_head(limit).max_headers(case.max_headers.into());
    let whole = read(config, Vec::new(), case.wire, usize::MAX);
    for (cut, store) in [(1, limit), (usize::from(case.cut) + 1, usize::MAX)] {
        let store = FixedStorage::new(vec![0; store.min(1024)]);
        let cut = read(config, store, case.wire, cut);
        assert_eq!(describe(&whole), describe(&cut));
    }

    let (response, used) = whole;
    let response = match response {
        Ok(response) => response,
        Err(error) => return http::assert_beyond_limit(case.wire, error, |wire| final_response(wire).is_some()),
    };
    let (expected, len) = final_response(case.wire).expect("a head that is accepted is HTTP");
    assert_eq!(len, used, "where the head ends");
    assert!(len <= limit && expected.headers.len() <= case.max_headers.into());
    assert_eq!((response.status(), http::seen(response.headers())), (expected.status, expected.headers.clone()));

    let picked = response.subprotocol().map(str::to_owned);
    let is_acceptance = http::is_acceptance(&expected, ACCEPT_KEY, &SUBPROTOCOLS);
    let checked = response.check();
    let verdict = response.upgrade();
    assert_eq!(checked.err(), verdict.as_ref().err().copied(), "`check` says the same");
    match verdict {
        Ok(connection) => {
            assert!(is_acceptance, "accepted against a rule");
            assert!(picked.is_none_or(|picked| SUBPROTOCOLS.contains(&&picked[..])));
            assert!(connection.sender.is_empty() && connection.sender.is_open());
        }
        Err(error) => assert!(!is_acceptance, "refused with {error:?} against the rules"),
    }
});

/// The response, and how many bytes of the wire were used.
fn read<S: Storage>(config: Config, store: S, wire: &[u8], cut: usize) -> Read<S> {
    let request = client::Request::new(Uri::parse("ws://h").unwrap()).subprotocols(&SUBPROTOCOLS);
    let mut handshake = client::Handshake::with_storage(config, &request, Keys::default(), store, Vec::new()).unwrap();
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
    (handshake.into_response(), used)
}

/// Everything that must be the same for every cut. A failed head leaves nothing that could be read.
fn describe<S: Storage>((response, used): &Read<S>) -> Result<(u16, http::Headers, usize), HeadError> {
    match response {
        Ok(response) => Ok((response.status(), http::seen(response.headers()), *used)),
        Err(error) => Err(*error),
    }
}

/// The response after all interim ones, and where its head ends.
fn final_response(wire: &[u8]) -> Option<(http::Response, usize)> {
    let mut end = 0;
    loop {
        let (response, len) = http::response(&wire[end..])?;
        end += len;
        if response.version != 1 || !matches!(response.status, 100 | 102..=199) {
            return Some((response, end));
        }
    }
}
