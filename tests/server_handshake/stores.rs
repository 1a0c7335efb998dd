//! Stores that are too small, not empty, or arrays.

use crate::{
    common::{
        cuts::{every_cut, how, pieces},
        heads::{receive, stale},
        store,
    },
    harness::*,
};
use websocket_proto::{
    Config, FixedStorage, Input,
    head::HeadError,
    server::{Accept, AcceptError, Handshake, Refusal, Request, ResponseError},
};

#[test]
fn stores_that_are_too_small() {
    let head = REQUEST.whole();

    // The head, to the byte, in every cut.
    for room in [head.len(), head.len() - 1, 10, 0] {
        for cuts in every_cut(head.len()) {
            let mut array = vec![0; room];
            let mut handshake =
                Handshake::with_storage(Config::new(), FixedStorage::new(&mut array[..]), FixedStorage::new([0; 256]));
            for chunk in pieces(&head, &cuts) {
                let _ = handshake.read(&mut Input::new(&mut chunk.to_vec()));
            }
            let refusal = handshake.into_request().err();
            let expected = (room < head.len()).then_some(Refusal::Head(HeadError::StoreTooSmall { capacity: room }));
            assert_eq!(refusal, expected, "store of {room}, {}", how(&cuts));
        }
        let (method, target, headers) = parts(&head).unwrap();
        let mut array = vec![0; room];
        let (input, output) = (FixedStorage::new(&mut array[..]), FixedStorage::new([0; 256]));
        let refusal = Request::from_parts_with_storage(Config::new(), method, target, headers, input, output).err();
        let expected = (room < head.len()).then_some(Refusal::Head(HeadError::StoreTooSmall { capacity: room }));
        assert_eq!(refusal, expected, "store of {room}, in parts");
    }

    // If store and limit are both too small, the smaller one is reported; if they are equal, the limit.
    for (capacity, limit) in [(100, 101), (100, 100), (100, 99)] {
        let config = Config::new().max_head(limit);
        let error = if limit > 100 { HeadError::StoreTooSmall { capacity } } else { HeadError::TooLarge { limit } };
        for cuts in every_cut(head.len()) {
            let (input, output) = (FixedStorage::new(vec![0; capacity]), store());
            let mut handshake = Handshake::with_storage(config, input, output);
            let done = pieces(&head, &cuts).iter().any(|chunk| handshake.read(&mut Input::new(&mut chunk.to_vec())));
            assert!(done, "at most {limit}, {}", how(&cuts));
            let refusal = handshake.into_request().unwrap_err();
            assert_eq!((refusal, refusal.status()), (Refusal::Head(error), 431), "at most {limit}, {}", how(&cuts));
        }
        let (method, target, headers) = parts(&head).unwrap();
        let (input, output) = (FixedStorage::new(vec![0; capacity]), store());
        let refusal = Request::from_parts_with_storage(config, method, target, headers, input, output).err();
        assert_eq!(refusal, Some(Refusal::Head(error)), "at most {limit}, in parts");
    }

    // Empty lines before the request are not stored.
    let input = FixedStorage::new(vec![0; head.len()]);
    let mut handshake = Handshake::with_storage(Config::new(), input, store());
    assert!(handshake.read(&mut Input::new(&mut [b"\r\n\r\n", &head[..]].concat())));
    assert!(handshake.into_request().is_ok());

    // The response and the longest Close behind it, to the byte.
    let headers = [("Set-Cookie", &*"x".repeat(500))];
    let response = RESPONSE_LEN + "Set-Cookie: \r\n".len() + 500;
    let needed = response + 127;
    for capacity in [needed, needed - 1, 0] {
        let mut out = vec![0xaa; capacity];
        match upgrade_into(&head, &mut out).accept(&Accept::new().headers(&headers)) {
            Ok(connection) => assert_eq!((connection.sender.pending().len(), capacity), (response, needed)),
            Err(error) => {
                assert_eq!(error, AcceptError::StoreTooSmall { needed, capacity });
                assert_eq!(out, vec![0xaa; capacity], "something was written");
            }
        }
    }

    // A refusal, to the byte.
    let mut whole = store();
    OTHER.response().write(&mut whole).unwrap();
    let whole = whole.as_slice();
    let mut exact = vec![0; whole.len()];
    OTHER.response().write(&mut FixedStorage::new(&mut exact[..])).unwrap();
    assert_eq!(exact, whole);
    let mut small = vec![0xaa; whole.len() - 1];
    let error = ResponseError::StoreTooSmall { needed: whole.len(), capacity: small.len() };
    assert_eq!(OTHER.response().write(&mut FixedStorage::new(&mut small[..])), Err(error));
    assert_eq!(small, vec![0xaa; whole.len() - 1], "something was written");

    // Behind earlier bytes it is written whole as well, or not at all.
    let mut two = vec![0xaa; 2 * whole.len() - 1];
    let mut out = FixedStorage::new(&mut two[..]);
    OTHER.response().write(&mut out).unwrap();
    let error = ResponseError::StoreTooSmall { needed: 2 * whole.len(), capacity: 2 * whole.len() - 1 };
    assert_eq!(OTHER.response().write(&mut out), Err(error));
    assert_eq!(out.as_slice(), whole);
    assert_eq!(two[whole.len()..], vec![0xaa; whole.len() - 1], "something was written");
}

/// "What is in them is dropped."
#[test]
fn stores_that_are_not_empty() {
    let (input, output) = (stale(), stale());
    let mut handshake = Handshake::with_storage(Config::new(), input, output);
    assert!(handshake.read(&mut Input::new(&mut REQUEST.whole())));
    let request = handshake.into_request().unwrap();
    assert_eq!(request.target(), "/chat");
    let connection = request.upgrade().unwrap().accept(&Accept::new()).unwrap();
    assert_eq!(connection.sender.pending().len(), RESPONSE_LEN);
    assert!(connection.sender.pending().starts_with(b"HTTP/1.1 101 "));
}

/// The same handshake over arrays, including the frame behind the head.
#[test]
fn without_an_allocator() {
    let mut stream = [REQUEST.whole(), behind()].concat();
    let mut handshake =
        Handshake::with_storage(Config::new(), FixedStorage::new([0; 256]), FixedStorage::new([0; 512]));
    let mut input = Input::new(&mut stream);
    assert!(handshake.read(&mut input));
    let mut connection = handshake.into_request().unwrap().upgrade().unwrap().accept(&Accept::new()).unwrap();
    assert_eq!(connection.sender.pending().len(), RESPONSE_LEN);
    let events = receive(&mut connection.receiver, &mut connection.sender, [input]);
    assert_eq!(events, ["text behind the head"]);
}
