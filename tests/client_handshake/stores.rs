//! Stores that are too small, not empty, or arrays.

use crate::{
    common::{
        cuts::{every_cut, how, pieces},
        heads::{NONCE, receive, stale},
        store,
    },
    harness::*,
};
use websocket_proto::{
    Config, FixedStorage, Input,
    client::{Handshake, RequestError},
    head::HeadError,
};

#[test]
fn stores_that_are_too_small() {
    // The request, to the byte. It is larger than the connection's own needs.
    let headers = [("Cookie", &*"x".repeat(500))];
    let request = request("ws://server.example.com/chat").headers(&headers);
    let needed = new_client(Config::new(), &request, fixed(NONCE)).unwrap().pending().len();
    for capacity in [needed, needed - 1, 0] {
        let mut out = vec![0xaa; capacity];
        let (input, output) = (store(), FixedStorage::new(&mut out[..]));
        match Handshake::with_storage(Config::new(), &request, fixed(NONCE), input, output) {
            Ok(handshake) => assert_eq!((handshake.pending().len(), capacity), (needed, needed)),
            Err(error) => {
                let RequestError::StoreTooSmall { needed: said, capacity: found } = error else { panic!("{error}") };
                assert_eq!(found, capacity);
                // A store without any space may fail for another need first.
                assert!(said == needed || capacity == 0, "{error}");
                assert_eq!(out, vec![0xaa; capacity], "something was written");
            }
        }
    }

    // A connection needs space for the longest Pong and the longest Close, 131 bytes each.
    let short = self::request("ws://h");
    for (capacity, error) in [
        (0, Some(RequestError::StoreTooSmall { needed: 262, capacity: 0 })),
        (261, Some(RequestError::StoreTooSmall { needed: 262, capacity: 261 })),
        (262, None),
    ] {
        let mut out = vec![0xaa; capacity];
        let output = FixedStorage::new(&mut out[..]);
        let found = Handshake::with_storage(Config::new(), &short, fixed(NONCE), store(), output).err();
        assert_eq!(found, error);
        assert!(error.is_none() || out == vec![0xaa; capacity], "something was written");
    }

    // The response's head fits to the byte, in every cut.
    let head = RESPONSE.whole();
    for capacity in [head.len(), head.len() - 1, 10, 0] {
        for cuts in every_cut(head.len()) {
            let mut array = vec![0; capacity];
            let (input, output) = (FixedStorage::new(&mut array[..]), store());
            let mut handshake = Handshake::with_storage(Config::new(), &request, fixed(NONCE), input, output).unwrap();
            assert_eq!(handshake.pending().len(), needed);
            for chunk in pieces(&head, &cuts) {
                let _ = handshake.read(&mut Input::new(&mut chunk.to_vec()));
            }
            let opened = handshake.into_response().map(|response| response.upgrade().is_ok());
            let too_small = Err(HeadError::StoreTooSmall { capacity });
            let expected = if capacity < head.len() { too_small } else { Ok(true) };
            assert_eq!(opened, expected, "store of {capacity}, {}", how(&cuts));
        }
    }

    // Interim responses are dropped, so the store needs no space for them.
    let (input, output) = (FixedStorage::new(vec![0; head.len()]), store());
    let mut handshake = Handshake::with_storage(Config::new(), &request, fixed(NONCE), input, output).unwrap();
    assert!(handshake.read(&mut Input::new(&mut [INTERIM.repeat(10).as_bytes(), &head].concat())));
    assert!(handshake.into_response().unwrap().upgrade().is_ok());
}

/// "What is in them is dropped."
#[test]
fn stores_that_are_not_empty() {
    let request = request("ws://h");
    let whole = new_client(Config::new(), &request, fixed(NONCE)).unwrap().pending().to_vec();
    let (input, output) = (stale(), stale());
    let mut handshake = Handshake::with_storage(Config::new(), &request, fixed(NONCE), input, output).unwrap();
    assert_eq!(handshake.pending(), whole);
    assert!(handshake.read(&mut Input::new(&mut RESPONSE.whole())));
    let connection = handshake.into_response().unwrap().upgrade().unwrap();
    assert!(connection.sender.is_empty());
}

/// The same handshake over arrays, including the frame behind the head.
#[test]
fn without_an_allocator() {
    let (input, output) = (FixedStorage::new([0; 256]), FixedStorage::new([0; 512]));
    let mut handshake =
        Handshake::with_storage(Config::new(), &request("ws://h"), fixed(NONCE), input, output).unwrap();
    handshake.consume(handshake.pending().len());
    let mut stream = [RESPONSE.whole(), behind()].concat();
    let mut input = Input::new(&mut stream);
    assert!(handshake.read(&mut input));
    let mut connection = handshake.into_response().unwrap().upgrade().unwrap();
    let events = receive(&mut connection.receiver, &mut connection.sender, [input]);
    assert_eq!(events, ["text behind the head"]);
}
