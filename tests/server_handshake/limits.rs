//! The limits of a head: the rows S8 and S17, threats 5 and 7.

use crate::{
    common::heads::{ACCEPT, Http, new_server},
    harness::{answer::*, *},
};
use websocket_proto::{
    Config, Input,
    head::HeadError,
    head::HeaderFault::*,
    server::{Accept, Refusal},
};

#[test]
fn s8_size() {
    let too_large = |limit| Refusal::Head(HeadError::TooLarge { limit });
    let len = REQUEST.whole().len();
    let exact = Config::new().max_head(len);
    assert_accepted("S8 exact", exact, &REQUEST.whole(), ACCEPT);
    let over = Config::new().max_head(len - 1);
    assert_refused("S8 one over", over, &REQUEST.whole(), TOO_LARGE, too_large(len - 1));
    assert_refused("S8 nothing fits", Config::new().max_head(0), &REQUEST.whole(), TOO_LARGE, too_large(0));
    // An empty line in front is skipped, but counts.
    let line = [b"\r\n", &REQUEST.whole()[..]].concat();
    assert_accepted("S8 empty line", Config::new().max_head(len + 2), &line, ACCEPT);
    assert_refused("S8 empty line", Config::new().max_head(len + 1), &line, TOO_LARGE, too_large(len + 1));

    assert_accepted("S8 16 KiB", Config::new(), &REQUEST.padded_to(16384), ACCEPT);
    assert_refused("S8 over 16 KiB", Config::new(), &REQUEST.padded_to(16385), TOO_LARGE, too_large(16384));
}

#[test]
fn s8_count() {
    let too_many = |limit| Refusal::Head(HeadError::TooManyHeaders { limit });
    #[rustfmt::skip]
    let rows = [
        ("S8 exact",        REQUEST_HEADERS,     REQUEST_HEADERS, None),
        ("S8 one over",     REQUEST_HEADERS - 1, REQUEST_HEADERS, Some(REQUEST_HEADERS - 1)),
        ("S8 none allowed", 0,                   REQUEST_HEADERS, Some(0)),
        ("S8 twenty",       20,                  20,              None),
        ("S8 twenty-one",   20,                  21,              Some(20)),
        ("S8 128",          128,                 128,             None),
        ("S8 129",          128,                 129,             Some(128)),
        ("S8 200",          200,                 200,             None),
        ("S8 201",          200,                 201,             Some(200)),
        ("S8 no limit",     usize::MAX,          1000,            None),
    ];
    for (label, limit, count, refused) in rows {
        let (config, head) = (Config::new().max_headers(limit), REQUEST.with_headers(count));
        match refused {
            None => assert_accepted(label, config, &head, ACCEPT),
            Some(limit) => assert_refused(label, config, &head, TOO_LARGE, too_many(limit)),
        }
    }
    assert_accepted("S8 default", Config::new(), &REQUEST.with_headers(128), ACCEPT);
    assert_refused("S8 default", Config::new(), &REQUEST.with_headers(129), TOO_LARGE, too_many(128));
    assert_refused("S17 thousands", Config::new(), &REQUEST.with_headers(2000), TOO_LARGE, too_many(128));
}

/// A peer that sends no end: the received bytes are limited, and the request is refused at the first byte over the
/// limit.
#[test]
fn s8_floods() {
    #[rustfmt::skip]
    let rows: [(&str, &[u8], &[u8], HeadError); 5] = [
        ("S8 a line without end", b"GET /", b"a",      HeadError::TooLarge { limit: 16384 }),
        ("S8 a name without end", b"GET / HTTP/1.1\r\n", b"a", HeadError::TooLarge { limit: 16384 }),
        ("S8 a value without end", b"GET / HTTP/1.1\r\nA:", b" ", HeadError::TooLarge { limit: 16384 }),
        ("S8 empty lines",        b"",      b"\r\n",   HeadError::TooLarge { limit: 16384 }),
        ("S8 headers without end", b"GET / HTTP/1.1\r\n", b"a:\r\n", HeadError::TooManyHeaders { limit: 128 }),
    ];
    for (label, start, more, error) in rows {
        let mut handshake = new_server(Config::new());
        let stream = start.iter().chain(more.iter().cycle()).take(1 << 20);
        let taken = 1 + stream.copied().position(|byte| handshake.read(&mut Input::new(&mut [byte]))).expect(label);
        let expected = match error {
            HeadError::TooLarge { limit } => limit + 1,
            _ => start.len() + 129 * more.len(),
        };
        assert_eq!(taken, expected, "{label}");
        assert_eq!(handshake.into_request().err(), Some(Refusal::Head(error)), "{label}");
    }
}

/// Threat 5. The reason why this is linear can't be tested without a clock: `Head::read` searches only the bytes of the
/// current read for the end of the line, appends them to the store, and compares each whole line once. The parser runs
/// once, in `into_request`, after any number of reads. This test shows: a head of the largest size is accepted in reads
/// of one byte, and so is one sixty-four times as large that consists of a single line. (If each read started again at
/// the front, the second would take half a trillion steps.)
#[test]
fn threat_5_one_byte_per_read() {
    for (limit, config) in [(16 << 10, Config::new()), (1 << 20, Config::new().max_head(1 << 20))] {
        let mut handshake = new_server(config);
        let mut head = REQUEST.padded_to(limit);
        let (last, front) = head.split_last_mut().unwrap();
        for byte in front {
            assert!(!handshake.read(&mut Input::new(core::slice::from_mut(byte))));
        }
        assert!(handshake.read(&mut Input::new(core::slice::from_mut(last))));
        assert!(handshake.into_request().unwrap().upgrade().is_ok());
    }
}

#[test]
fn s17_extremes() {
    let kib_64 = 64 << 10;
    let (name, value) =
        (REQUEST.with(format!("{}: v", "n".repeat(kib_64))), REQUEST.with(["v: ", &"v".repeat(kib_64)].concat()));
    let too_large = Refusal::Head(HeadError::TooLarge { limit: 16384 });
    let large = Config::new().max_head(1 << 17);
    for (label, head) in [("S17 name of 64 KiB", name), ("S17 value of 64 KiB", value)] {
        assert_refused(label, Config::new(), &head, TOO_LARGE, too_large);
        assert_accepted(label, large, &head, ACCEPT);
    }
    // "Duplicate everything" (threat 7): a required header that is repeated is refused, in the documented order.
    let everything = REQUEST.with(REQUEST.0.split_once("\r\n").unwrap().1.trim_end());
    let repeated = Refusal::Header(Repeated("Host"));
    assert_refused("S17 everything twice", Config::new(), &everything, BAD, repeated);
    // "A 35-byte subprotocol" (threat 17).
    let subprotocol = "s".repeat(35);
    let upgrade = upgrade(&REQUEST.with(format!("Sec-WebSocket-Protocol: {subprotocol}")));
    let connection = upgrade.accept(&Accept::new().subprotocol(&*subprotocol)).unwrap();
    let response = Http::parse(connection.sender.pending());
    assert_eq!(response.get("Sec-WebSocket-Protocol"), Some(&*subprotocol));
}
