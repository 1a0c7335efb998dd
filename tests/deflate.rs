//! permessage-deflate: the rows D1 to D12 of the conformance table.
#![cfg(feature = "deflate")]

mod common;

use common::{
    ClientEnd, Keys, Mode, Opening, Part, Part::F, Seen, ServerEnd, Trace, cuts::every_cut, encode, feed, frame,
    frames, keys, stores, text,
};
use proptest::prelude::*;
use websocket_proto::{
    Config, Event, Failure, FixedStorage, Input, Role, SendError, Sender, Storage, UncleanEnd, Uri, client,
    deflate::{self, Agreement, Level, Pool, Prepared, WindowBits},
    head::HeaderFault,
    server,
};

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

fn open(server: Config, client: Config) -> (ServerEnd, ClientEnd) {
    common::open_between([server, client], [(); 4].map(|()| Vec::new()))
}

fn both(deflate: deflate::Config) -> (ServerEnd, ClientEnd) {
    let config = Config::new().deflate(deflate);
    open(config, config)
}

/// A server's answer to these extension headers.
fn answer_to(deflate: deflate::Config, offers: &[&str]) -> (Option<String>, Option<Agreement>) {
    let mut headers = vec![
        ("Host", "example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    headers.extend(offers.iter().map(|offer| ("Sec-WebSocket-Extensions", *offer)));
    let config = Config::new().deflate(deflate);
    let upgrade = server::Request::from_parts(config, "GET", "/", headers).unwrap().upgrade().unwrap();
    let accept = server::Accept::new();
    let answer = upgrade
        .response_headers(&accept)
        .unwrap()
        .find(|(name, _)| *name == "Sec-WebSocket-Extensions")
        .map(|(_, value)| value.to_owned());
    let agreement = upgrade.compression().copied();
    let connection = upgrade.into_connection().unwrap();
    assert_eq!(connection.receiver.compression(), agreement.as_ref());
    assert_eq!(connection.sender.compression(), agreement.as_ref());
    (answer, agreement)
}

#[test]
#[rustfmt::skip]
fn d1_d2_d3_answers_of_a_server() {
    const PLAIN: &str = "permessage-deflate";
    let table: &[(&[&str], Option<&str>)] = &[
        (&[],                                                              None),
        (&[PLAIN],                                                         Some(PLAIN)),
        (&["permessage-deflate; client_max_window_bits"],                  Some(PLAIN)),
        (&["permessage-deflate; client_max_window_bits=15"],               Some(PLAIN)),
        (&["permessage-deflate; client_max_window_bits=9"],                Some("permessage-deflate; client_max_window_bits=9")),
        (&["permessage-deflate; client_max_window_bits=8"],                Some("permessage-deflate; client_max_window_bits=8")),
        (&["permessage-deflate; server_max_window_bits=15"],               Some("permessage-deflate; server_max_window_bits=15")),
        (&["permessage-deflate; server_max_window_bits=10"],               Some("permessage-deflate; server_max_window_bits=10")),
        (&["permessage-deflate; server_max_window_bits=8"],                Some("permessage-deflate; server_max_window_bits=8")),
        (&["permessage-deflate; server_max_window_bits=\"10\""],           Some("permessage-deflate; server_max_window_bits=10")),
        (&["permessage-deflate; server_no_context_takeover"],              Some("permessage-deflate; server_no_context_takeover")),
        (&["permessage-deflate; client_no_context_takeover"],              Some("permessage-deflate; client_no_context_takeover")),
        (&["permessage-deflate;client_no_context_takeover;server_no_context_takeover;server_max_window_bits=12;client_max_window_bits=11"],
            Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; client_max_window_bits=11")),
        // D2: an invalid offer is declined, and no other.
        (&["permessage-deflate; server_max_window_bits"],                  None),
        (&["permessage-deflate; server_max_window_bits=7"],                None),
        (&["permessage-deflate; server_max_window_bits=16"],               None),
        (&["permessage-deflate; server_max_window_bits=08"],               None),
        (&["permessage-deflate; server_max_window_bits=15x"],              None),
        (&["permessage-deflate; server_max_window_bits=-9"],               None),
        (&["permessage-deflate; client_max_window_bits=100"],              None),
        (&["permessage-deflate; client_max_window_bits=010"],              None),
        (&["permessage-deflate; server_no_context_takeover=true"],         None),
        (&["permessage-deflate; server_no_context_takeover; server_no_context_takeover"], None),
        (&["permessage-deflate; client_max_window_bits; client_max_window_bits=9"], None),
        (&["permessage-deflate; unknown"],                                 None),
        (&["permessage-deflate; mode=\"a\\b\""],                           None),
        (&["x-webkit-deflate-frame"],                                      None),
        (&["PERMESSAGE-DEFLATE"],                                          None),
        // D3: the first acceptable offer, over lists and lines.
        (&["foo, permessage-deflate; server_max_window_bits=9, permessage-deflate"], Some("permessage-deflate; server_max_window_bits=9")),
        (&["permessage-deflate; server_max_window_bits=99, permessage-deflate; client_no_context_takeover"], Some("permessage-deflate; client_no_context_takeover")),
        (&["foo; bar=baz", "permessage-deflate; unknown", "permessage-deflate"], Some(PLAIN)),
    ];
    for (offers, expected) in table {
        assert_eq!(answer_to(deflate::Config::new(), offers).0.as_deref(), *expected, "{offers:?}");
    }
}

#[test]
#[rustfmt::skip]
fn a_server_answers_with_its_own_limits() {
    let small = deflate::Config::new().send_window(bits(10)).receive_window(bits(9)).send_takeover(false).receive_takeover(false);
    let answer = |deflate, offer: &str| answer_to(deflate, &[offer]).0;
    assert_eq!(answer(small, "permessage-deflate; client_max_window_bits").as_deref(),
        Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9"));
    assert_eq!(answer(small, "permessage-deflate; client_max_window_bits=8; server_max_window_bits=12").as_deref(),
        Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=8"));
    // A client that does not announce the parameter can't be asked for a smaller window.
    let (answered, agreement) = answer_to(small, &["permessage-deflate"]);
    assert_eq!(answered.as_deref(), Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10"));
    assert_eq!(agreement.unwrap().receive_window, WindowBits::MAX);
    // The configuration may require it.
    assert_eq!(answer(small.receive_window_limit(bits(12)), "permessage-deflate"), None);
    assert!(answer(small.receive_window_limit(bits(12)), "permessage-deflate; client_max_window_bits=15").is_some());
}

#[test]
#[rustfmt::skip]
fn d4_answers_that_a_client_accepts() {
    const AGREED: Result<bool, ()> = Ok(true);
    const PLAIN: Result<bool, ()> = Ok(false);
    const REFUSED: Result<bool, ()> = Err(());
    let unexpected = client::UpgradeError::Header(HeaderFault::Unexpected("Sec-WebSocket-Extensions"));
    let small = deflate::Config::new().send_window(bits(10)).receive_window(bits(12)).receive_takeover(false);
    let table: &[(deflate::Config, &str, Result<bool, ()>)] = &[
        (deflate::Config::new(), "permessage-deflate",                                            AGREED),
        (deflate::Config::new(), "permessage-deflate; server_no_context_takeover",                AGREED),
        (deflate::Config::new(), "permessage-deflate; client_no_context_takeover",                AGREED),
        (deflate::Config::new(), "permessage-deflate; client_max_window_bits=8",                  AGREED),
        (deflate::Config::new(), "permessage-deflate; server_max_window_bits=8",                  AGREED),
        (deflate::Config::new(), "permessage-deflate; client_max_window_bits=15; server_max_window_bits=15", AGREED),
        (deflate::Config::new(), "permessage-deflate; server_max_window_bits=\"9\"",              AGREED),
        (deflate::Config::new(), "permessage-deflate; client_max_window_bits",                    REFUSED),
        (deflate::Config::new(), "permessage-deflate; server_max_window_bits",                    REFUSED),
        (deflate::Config::new(), "permessage-deflate; server_max_window_bits=7",                  REFUSED),
        (deflate::Config::new(), "permessage-deflate; server_max_window_bits=16",                 REFUSED),
        (deflate::Config::new(), "permessage-deflate; unknown",                                   REFUSED),
        (deflate::Config::new(), "permessage-deflate; server_no_context_takeover; server_no_context_takeover", REFUSED),
        (deflate::Config::new(), "permessage-deflate, permessage-deflate",                        REFUSED),
        (deflate::Config::new(), "permessage-deflate, foo",                                       REFUSED),
        (deflate::Config::new(), "",                                                              PLAIN),
        (deflate::Config::new(), " , ,",                                                          PLAIN),
        (deflate::Config::new(), ", permessage-deflate,",                                         AGREED),
        (deflate::Config::new(), "foo",                                                           REFUSED),
        (deflate::Config::new(), "permessage-deflate; cl\u{e9}ent",                                REFUSED),
        // Offered: server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=10, then a fallback
        // with 15.
        (small, "permessage-deflate; server_no_context_takeover; server_max_window_bits=12", AGREED),
        (small, "permessage-deflate; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits=9", AGREED),
        (small, "permessage-deflate; server_no_context_takeover",                         AGREED),
        (small, "permessage-deflate; server_no_context_takeover; client_max_window_bits=11", REFUSED),
        (small, "permessage-deflate; server_max_window_bits=12",                          REFUSED),
        (small.receive_window_limit(bits(12)), "permessage-deflate; server_no_context_takeover; server_max_window_bits=13", REFUSED),
        (small.receive_window_limit(bits(12)), "permessage-deflate; server_no_context_takeover", REFUSED),
    ];
    for (deflate, answer, expected) in table {
        let request = client::Request::new(Uri::parse("ws://h/").unwrap());
        let key: Keys = || *b"\0\0\0\0";
        let mut handshake = client::Handshake::new(Config::new().deflate(*deflate), &request, key).unwrap();
        let mut response = format!("HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\nSec-WebSocket-Extensions: {answer}\r\n\r\n").into_bytes();
        assert!(handshake.read(&mut Input::new(&mut response)));
        let outcome = handshake.into_response().unwrap().upgrade().map(|connection| connection.sender.compression().is_some());
        assert_eq!(outcome, expected.map_err(|()| unexpected), "{answer}");
    }
}

#[test]
fn offers_of_a_client() {
    let offer = |deflate| {
        let request = client::Request::new(Uri::parse("ws://h/").unwrap());
        let handshake = client::Handshake::new(Config::new().deflate(deflate), &request, keys as Keys).unwrap();
        let head = String::from_utf8(handshake.pending().to_vec()).unwrap();
        let line = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: ")).unwrap();
        line.to_owned()
    };
    assert_eq!(offer(deflate::Config::new()), "permessage-deflate; client_max_window_bits");
    let small = deflate::Config::new()
        .send_window(bits(10))
        .receive_window(bits(8))
        .send_takeover(false)
        .receive_takeover(false);
    let takeover = "server_no_context_takeover; client_no_context_takeover";
    assert_eq!(
        offer(small.receive_window_limit(bits(8))),
        format!("permessage-deflate; {takeover}; server_max_window_bits=8; client_max_window_bits=10")
    );
    assert_eq!(
        offer(small),
        format!(
            "permessage-deflate; {takeover}; server_max_window_bits=8; client_max_window_bits=10, \
             permessage-deflate; {takeover}; client_max_window_bits=10"
        )
    );
}

/// Every pair of configurations leads to two views of the same agreement.
#[test]
fn both_ends_agree() {
    let some = [8, 9, 12, 15].map(bits);
    for send in some {
        for receive in some {
            for takeover in 0..16 {
                let flag = |bit: u8| takeover & bit != 0;
                let server = deflate::Config::new()
                    .send_window(send)
                    .receive_window(receive)
                    .send_takeover(flag(1))
                    .receive_takeover(flag(2));
                let client =
                    deflate::Config::new().send_window(receive).send_takeover(flag(4)).receive_takeover(flag(8));
                let (server, client) = open(Config::new().deflate(server), Config::new().deflate(client));
                let (server, client) = (*server.sender.compression().unwrap(), *client.sender.compression().unwrap());
                assert_eq!((server.send_window, server.receive_window), (client.receive_window, client.send_window));
                assert_eq!(server.send_window, send);
                assert!(server.receive_window <= receive);
                assert_eq!(server.send_takeover, flag(1) && flag(8));
                assert_eq!(server.receive_takeover, flag(2) && flag(4));
                assert_eq!(
                    (server.send_takeover, server.receive_takeover),
                    (client.receive_takeover, client.send_takeover)
                );
            }
        }
    }
}

/// Bytes that can't be compressed.
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        (state >> 56) as u8
    })
}

/// Feeds bytes to a server and a client, in every mode and cut, and checks what happens.
fn everywhere(deflate: deflate::Config, parts: &[Part<'_>], check: impl Fn(&Trace)) {
    let opening = Opening::new(Config::new().deflate(deflate));
    for masked in [true, false] {
        let bytes = encode(parts, masked);
        for mode in Mode::ALL {
            for cuts in every_cut(bytes.len()) {
                check(&opening.feed(stores(), masked, &bytes, cuts, mode));
            }
        }
    }
}

/// D12, D6: the examples of RFC 7692 §7.2.3, and other valid messages.
#[test]
#[rustfmt::skip]
fn d6_d12_valid_messages() {
    const HELLO: &[u8] = &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    /// The same message, as a reference to the window.
    const AGAIN: &[u8] = &[0xF2, 0x00, 0x11, 0x00, 0x00];
    /// The same as a stream of its own: a final block, and no byte behind it.
    const ONE_SHOT: &[u8] = &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let table: &[(&str, &[Part<'_>], &[Seen])] = &[
        ("§7.2.3.1 one block",            &[F(0xC1, HELLO)], &[text("Hello")]),
        ("§7.2.3.1 in fragments",         &[F(0x41, &HELLO[..3]), F(0x80, &HELLO[3..])], &[text("Hello")]),
        ("§7.2.3.2 the window is kept",   &[F(0xC1, HELLO), F(0xC1, AGAIN)], &[text("Hello"), text("Hello")]),
        ("§7.2.3.3 no compression",       &[F(0xC1, &[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00])], &[text("Hello")]),
        ("§7.2.3.4 BFINAL",               &[F(0xC1, &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00]), F(0xC1, HELLO)], &[text("Hello"), text("Hello")]),
        ("§7.2.3.5 two blocks",           &[F(0xC1, &[0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00])], &[text("Hello")]),
        ("§7.2.3.6 an empty message",     &[F(0xC1, &[0x00]), F(0xC1, HELLO)], &[text(""), text("Hello")]),
        ("two streams in one message",    &[F(0xC1, &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00])], &[text("HelloHello")]),
        ("D6 a final block at the end",   &[F(0xC1, ONE_SHOT), F(0xC1, HELLO)], &[text("Hello"), text("Hello")]),
        ("D6 each message is a stream",   &[F(0xC1, ONE_SHOT), F(0xC1, ONE_SHOT), F(0xC1, ONE_SHOT)],
            &[text("Hello"), text("Hello"), text("Hello")]),
        ("D6 in fragments",
            &[F(0x41, &ONE_SHOT[..3]), F(0x00, &ONE_SHOT[3..6]), F(0x80, &ONE_SHOT[6..]), F(0xC1, HELLO)],
            &[text("Hello"), text("Hello")]),
        ("D6 an empty fragment behind",   &[F(0x41, ONE_SHOT), F(0x80, &[]), F(0xC1, HELLO)],
            &[text("Hello"), text("Hello")]),
        ("D6 the octet in a fragment",    &[F(0x41, ONE_SHOT), F(0x80, &[0x00]), F(0xC1, HELLO)],
            &[text("Hello"), text("Hello")]),
        ("D6 two streams, final blocks",  &[F(0x41, ONE_SHOT), F(0x80, ONE_SHOT), F(0xC1, HELLO)],
            &[text("HelloHello"), text("Hello")]),
        ("D6 a final block, then a flush", &[F(0x41, ONE_SHOT), F(0x80, HELLO), F(0xC1, AGAIN)],
            &[text("HelloHello"), text("Hello")]),
        ("D6 a stored final block",
            &[F(0xC1, &[0x01, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F]), F(0xC1, HELLO)],
            &[text("Hello"), text("Hello")]),
        ("D6 a stored final block of one byte", &[F(0xC1, &[0x01, 0x01, 0x00, 0xFE, 0xFF, b'x']), F(0xC1, HELLO)],
            &[text("x"), text("Hello")]),
        ("D6 an empty stream",            &[F(0xC1, &[0x03, 0x00]), F(0xC2, &[0x03, 0x00]), F(0xC1, HELLO)],
            &[text(""), Seen::Binary(b"".into()), text("Hello")]),
        ("D6 an empty stored stream",     &[F(0xC1, &[0x01, 0x00, 0x00, 0xFF, 0xFF]), F(0xC1, HELLO)],
            &[text(""), text("Hello")]),
        ("D6 flushes that say nothing, and an empty stream",
            &[F(0xC1, &[0x02, 0x0C, 0x00]), F(0xC1, &[0x02, 0x08, 0x30, 0x00]), F(0xC1, HELLO)],
            &[text(""), text(""), text("Hello")]),
        ("D6 no payload",                 &[F(0xC1, b""), F(0xC2, b""), F(0xC1, HELLO)],
            &[text(""), Seen::Binary(b"".into()), text("Hello")]),
        ("D6 no payload, in fragments",   &[F(0x41, b""), F(0x00, b""), F(0x80, b""), F(0xC1, HELLO)],
            &[text(""), text("Hello")]),
        ("D6 no payload, the window is kept", &[F(0xC1, HELLO), F(0xC1, b""), F(0xC1, AGAIN)],
            &[text("Hello"), text(""), text("Hello")]),
        ("D6 no payload behind a final block", &[F(0xC1, ONE_SHOT), F(0xC1, b""), F(0xC1, HELLO)],
            &[text("Hello"), text(""), text("Hello")]),
        ("D6 control frames between",     &[F(0x41, ONE_SHOT), F(0x8A, b"p"), F(0x80, &[]), F(0x8A, b"")],
            &[Seen::Pong(b"p".into()), text("Hello"), Seen::Pong(b"".into())]),
        ("empty fragments",               &[F(0x41, &[]), F(0x00, HELLO), F(0x80, &[])], &[text("Hello")]),
        ("D7 uncompressed between",
            &[F(0xC1, HELLO), F(0x81, b"plain"), F(0x01, b"pl"), F(0x80, b"ain"), F(0xC1, AGAIN)],
            &[text("Hello"), text("plain"), text("plain"), text("Hello")]),
        ("D8 control frames between",     &[F(0x41, &HELLO[..3]), F(0x8A, b"p"), F(0x00, &HELLO[3..5]), F(0x8A, b""), F(0x80, &HELLO[5..])],
            &[Seen::Pong(b"p".into()), Seen::Pong(b"".into()), text("Hello")]),
        ("binary",                        &[F(0xC2, HELLO)], &[Seen::Binary(b"Hello".into())]),
    ];
    for (label, parts, seen) in table {
        // With 15 bits the decompressor is kept, with 9 only the end of its output.
        for window in [15, 9] {
            let deflate = deflate::Config::new().receive_window(bits(window)).send_window(bits(window));
            everywhere(deflate, parts, |trace| {
                assert_eq!(trace.seen, *seen, "{label}, a window of {window}");
                assert_eq!(trace.end, Err(UncleanEnd::WithoutClose));
            });
        }
        // A message that refers to an earlier one needs a window that is kept.
        if !parts.iter().any(|part| matches!(part, F(_, AGAIN))) {
            everywhere(deflate::Config::new().receive_takeover(false).send_takeover(false), parts, |trace| {
                assert_eq!(trace.seen, *seen, "{label}, no context takeover");
            });
        }
    }
}

#[test]
#[rustfmt::skip]
fn f2_d10_d11_invalid_messages() {
    const HELLO: &[u8] = &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let table: &[(&str, &[Part<'_>], Failure)] = &[
        ("F2 RSV1 on a continuation",     &[F(0x41, HELLO), F(0xC0, b"")], Failure::ReservedBits(0x40)),
        ("F2 RSV1 on a ping",             &[F(0xC9, b"")], Failure::ReservedBits(0x40)),
        ("F2 RSV1 on a close",            &[F(0xC8, b"")], Failure::ReservedBits(0x40)),
        ("F1 RSV2 beside it",             &[F(0xE1, HELLO)], Failure::ReservedBits(0x20)),
        ("D6 a block that is not final, and no flush",
            &[F(0xC1, &[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F])],
            Failure::Inflate),
        ("D6 a final block, cut",         &[F(0xC1, &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07])], Failure::Inflate),
        ("D6 a stored final block, cut",  &[F(0xC1, &[0x01, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C])],
            Failure::Inflate),
        ("D6 a reserved block behind a final one", &[F(0xC1, &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x06])],
            Failure::Inflate),
        ("D6 half a block behind a final one", &[F(0xC1, &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0xF2])],
            Failure::Inflate),
        ("D6 the same in a fragment",     &[F(0x41, &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]), F(0x80, &[0xF2, 0x48])],
            Failure::Inflate),
        ("D6 what the sender has to remove", &[F(0xC1, &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00, 0x00])],
            Failure::Inflate),
        ("D10 garbage",                   &[F(0xC1, &[0xFF; 20])], Failure::Inflate),
        ("D10 a reserved block type",     &[F(0xC1, &[0x06, 0x00])], Failure::Inflate),
        ("D10 no progress",               &[F(0xC2, &[0x03, 0x80])], Failure::Inflate),
        ("D10 cut in a stored block",     &[F(0xC2, &[0x00, 0x09, 0x00, 0xF6, 0xFF, 0x48])], Failure::Inflate),
        ("D10 cut in a length",           &[F(0xC2, &[0x00, 0x05])], Failure::Inflate),
        ("D10 refers too far back",       &[F(0xC1, &[0xF2, 0x00, 0x11, 0x00, 0x00])], Failure::Inflate),
        ("D11 not UTF-8",                 &[F(0xC1, &[0x00, 0x02, 0x00, 0xFD, 0xFF, 0xC3, 0x28, 0x00])], Failure::InvalidUtf8),
        ("D11 cut inside a code point",   &[F(0xC1, &[0x00, 0x01, 0x00, 0xFE, 0xFF, 0xC3, 0x00])], Failure::InvalidUtf8),
    ];
    for (label, parts, failure) in table {
        everywhere(deflate::Config::new(), parts, |trace| {
            assert_eq!(trace.seen, [Seen::Failed(*failure)], "{label}");
            let code = if matches!(failure, Failure::ReservedBits(_)) { 1002_u16 } else { 1007 };
            assert_eq!(trace.replies[0].1[..2], code.to_be_bytes(), "{label}");
        });
    }
    // Behind a final block nothing is remembered, whatever the window.
    for window in [9, 15] {
        let forgotten: &[Part<'_>] =
            &[F(0xC1, &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00]), F(0xC1, &[0xF2, 0x00, 0x11, 0x00, 0x00])];
        everywhere(deflate::Config::new().receive_window(bits(window)).send_window(bits(window)), forgotten, |trace| {
            assert_eq!(trace.seen, [text("Hello"), Seen::Failed(Failure::Inflate)], "a window of {window}");
        });
    }
    // Without an agreement: F1.
    let (server, _) = common::open(Config::new());
    assert_eq!(feed(server, &frame(0xC1, HELLO, true), [], Mode::Whole).seen, [Seen::Failed(Failure::ReservedBits(0x40))]);
}

/// D11: nothing is delivered after a wrong byte, even if more of the message was decompressed, or is garbage.
#[test]
fn d11_nothing_follows_a_wrong_byte() {
    let broken = |front: usize, back: usize| [&[b'a'; 9000][..front], b"\xFF", &[b'b'; 40_000][..back]].concat();
    for (front, back, garbage) in [(100, 20_000, 0), (0, 1, 0), (9000, 0, 0), (9000, 40_000, 0), (100, 20_000, 3)] {
        let mut packed = zlib(&broken(front, back), 6);
        packed.extend_from_slice(&[0x06, 0x00, 0x00][..garbage]);
        for parts in [&[F(0xC1, &packed)][..], &[F(0x41, &packed), F(0x80, b"")]] {
            everywhere(deflate::Config::new(), parts, |trace| {
                assert_eq!(trace.seen, [Seen::Failed(Failure::InvalidUtf8)], "{front} + {back} + {garbage}");
                assert!(trace.partial.iter().all(|byte| *byte == b'a'), "{front} + {back} + {garbage}");
            });
        }
    }
}

/// A message at the limit is received, whatever its compressed length: the default limit for frames allows for the
/// bytes that deflate adds to incompressible data.
#[test]
fn a_message_at_the_limit_may_be_longer_when_compressed() {
    const MAX: usize = 1 << 20;
    let noise: Vec<u8> = (0_u64..MAX as u64)
        .map(|index| (index.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(index | 1) >> 40) as u8)
        .collect();
    let mut rows: Vec<_> =
        [0, 1, 6, 9].map(|level| (format!("level {level}"), noise.clone(), zlib(&noise, level))).into();
    // Nine bits for each byte, as with fixed codes: 0xFF is 1 1111 1111 (RFC 1951 §3.2.6). The end of the block is
    // seven zeros, and the empty block behind it begins with three.
    let end = 3 + 9 * MAX;
    let mut fixed = vec![0xFF; (end + 7 + 3).div_ceil(8)];
    fixed[0] = 0xFA;
    (end..fixed.len() * 8).for_each(|bit| fixed[bit / 8] &= !(1 << (bit % 8)));
    rows.push(("fixed codes".into(), vec![0xFF; MAX], fixed));

    let config = Config::new().deflate(deflate::Config::new());
    for (label, message, payload) in rows {
        assert!(payload.len() > MAX, "{label}: {}", payload.len());
        for masked in [true, false] {
            for mode in [Mode::Whole, Mode::Chunks, Mode::Buffered(100_000)] {
                let bytes = frame(0xC2, &payload, masked);
                let cuts = (1..bytes.len()).step_by(16_384);
                let trace = Opening::new(config).feed(stores(), masked, &bytes, cuts, mode);
                assert!(
                    trace.seen == [Seen::Binary(message.clone())],
                    "{label}, {mode:?}: {:.200}",
                    format!("{:?}", trace.seen)
                );
            }
        }
    }
    // The limits: for messages, with and without compression; for frames, by default and as configured.
    let limit = (MAX + MAX / 8 + MAX / 64 + 64) as u64;
    let length = |len: u64| [&[127][..], &len.to_be_bytes()].concat();
    let rows = [
        (config, 0xC2, limit, None),
        (config, 0xC2, limit + 1, Some(Failure::FrameTooLong { len: limit + 1, limit })),
        (config, 0x82, MAX as u64, None),
        (config, 0x82, MAX as u64 + 1, Some(Failure::MessageTooLong { len: MAX as u64 + 1, limit: MAX as u64 })),
        (config.max_frame(70_000), 0xC2, 70_000, None),
        (config.max_frame(70_000), 0xC2, 70_001, Some(Failure::FrameTooLong { len: 70_001, limit: 70_000 })),
        (config.max_message(u64::MAX), 0xC2, (1 << 63) - 1, None),
        (Config::new().max_message(1 << 40), 0x82, 1 << 40, None),
    ];
    for (config, first, len, failure) in rows {
        // In chunks, which no store limits: a 32-bit store could not hold the longest.
        let trace = feed(open(config, config).0, &common::header(first, &length(len), true), [], Mode::Chunks);
        assert_eq!(trace.seen, Vec::from_iter(failure.map(Seen::Failed)), "{first:#x} with {len} bytes");
    }
}

fn effort(level: u8) -> Level {
    Level::new(level).unwrap()
}

/// A message compressed by C's zlib.
fn zlib(message: &[u8], level: u32) -> Vec<u8> {
    let mut packed = Vec::with_capacity(message.len() + (64 << 10));
    let mut zlib = flate2::Compress::new(flate2::Compression::new(level), false);
    zlib.compress_vec(message, &mut packed, flate2::FlushCompress::Sync).unwrap();
    packed.truncate(packed.len() - [0x00, 0x00, 0xFF, 0xFF].len());
    packed
}

/// The frames of a sender, and the end that sent them.
fn sent(end: &mut ServerEnd) -> Vec<(u8, Vec<u8>)> {
    let sent = frames(end.sender.pending());
    end.sender.consume(usize::MAX);
    sent
}

/// With a threshold of 1, a message that does not get shorter is sent uncompressed. With 0 it is compressed as well, to
/// the bytes of RFC 7692 §7.2.3.1 and §7.2.3.6.
#[test]
fn d12_sent_messages_are_as_short_as_the_rfcs() {
    let (mut server, _) = both(deflate::Config::new().threshold(1));
    server.sender.send_text("Hello").unwrap();
    assert_eq!(sent(&mut server), [(0x81, b"Hello".to_vec())], "seven bytes are more than five");
    server.sender.send_text("HelloHelloHelloHello").unwrap();
    server.sender.send_text("HelloHelloHelloHello").unwrap();
    let pair = sent(&mut server);
    assert_eq!((pair[0].0, pair[1].0), (0xC1, 0xC1));
    assert!(pair[1].1.len() < pair[0].1.len(), "the second refers to the first: {pair:?}");
    server.sender.send_text("").unwrap();
    assert_eq!(sent(&mut server), [(0x81, vec![])]);

    let (mut server, _) = both(deflate::Config::new().threshold(0));
    server.sender.send_text("").unwrap();
    server.sender.send_text("Hello").unwrap();
    server.sender.send_text("").unwrap();
    let hello = vec![0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    assert_eq!(sent(&mut server), [(0xC1, vec![0x00]), (0xC1, hello), (0xC1, vec![0x00])]);
    server.sender.compress(false);
    server.sender.send_text("Hello").unwrap();
    assert_eq!(sent(&mut server), [(0x81, b"Hello".to_vec())]);
}

/// The ways to send a message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Whole,
    Vectored,
    /// Each fragment but the last takes this percentage of the rest.
    Fragments(&'static [usize]),
    Prepared,
}

fn send<R: Role, S: Storage>(sender: &mut Sender<R, S>, way: Way, mut message: &[u8]) -> Result<(), SendError> {
    match way {
        Way::Whole => sender.send_binary(message),
        Way::Vectored => sender.vectored_frame(message).map(drop),
        Way::Prepared => sender.send_prepared(&Prepared::new(message)),
        Way::Fragments(shares) => {
            for share in shares {
                let (fragment, rest) = message.split_at(message.len() * share / 100);
                sender.send_binary_fragment(fragment, false)?;
                message = rest;
            }
            sender.send_binary_fragment(message, true)
        }
    }
}

/// A message is sent compressed only if that saves at least one byte.
#[test]
fn d7_a_message_that_stays_as_long_is_sent_uncompressed() {
    let mut equal = 0;
    for letters in 0..40 {
        let message: Vec<u8> = noise(1).take(20).chain(std::iter::repeat_n(b'a', letters)).collect();
        let [compressed, sent, prepared] =
            [(0, Way::Whole), (1, Way::Whole), (1, Way::Prepared)].map(|(threshold, way)| {
                let (mut server, _) = both(deflate::Config::new().threshold(threshold));
                send(&mut server.sender, way, &message).unwrap();
                frames(server.sender.pending()).remove(0)
            });
        let expected = if compressed.1.len() < message.len() { compressed.clone() } else { (0x82, message.clone()) };
        assert_eq!((&sent, &prepared), (&expected, &expected), "{letters} letters");
        equal += usize::from(compressed.1.len() == message.len());
    }
    assert!(equal > 0, "some are as long");
}

/// Every message, sent in any way, is marked as compressed and arrives. The next one can still refer to it.
#[test]
#[rustfmt::skip]
fn d7_a_threshold_of_0_compresses_every_message() {
    let remembered: Vec<u8> = noise(3).take(100).collect();
    let messages: &[(&str, Vec<u8>)] = &[
        ("empty",          vec![]),
        ("one byte",       vec![b'x']),
        ("short",          b"Hello".to_vec()),
        ("incompressible", noise(1).take(1000).collect()),
        ("long",           noise(2).take(70_000).collect()),
        ("compressible",   vec![b'a'; 1000]),
    ];
    let ways = [
        Way::Whole, Way::Vectored, Way::Prepared,
        Way::Fragments(&[]), Way::Fragments(&[50]), Way::Fragments(&[0, 50, 100]), Way::Fragments(&[0, 0]),
    ];
    // The window, whether messages are remembered, and whether prepared ones are: never in their shared form.
    let kinds = [(15, true, false), (9, true, true), (15, false, false), (9, false, false)];
    for (label, message) in messages {
        for (window, takeover, remembers_prepared) in kinds {
            let deflate = deflate::Config::new().threshold(0).send_window(bits(window)).receive_window(bits(window))
                .send_takeover(takeover).receive_takeover(takeover);
            let opening = Opening::new(Config::new().deflate(deflate));
            for way in ways {
                for from_client in [true, false] {
                    let label =
                        format!("{label}, {way:?}, window {window}, takeover {takeover}, from a client: {from_client}");
                    let (mut server, mut client) = both(deflate);
                    let sequence = [&remembered, message, &remembered];
                    for (message, way) in sequence.iter().zip([Way::Whole, way, Way::Whole]) {
                        let sent = match from_client {
                            true => send(&mut client.sender, way, message),
                            false => send(&mut server.sender, way, message),
                        };
                        sent.unwrap();
                    }
                    let wire = if from_client { client.sender.pending() } else { server.sender.pending() }.to_vec();
                    let frames = frames(&wire);
                    for (first, _) in &frames {
                        assert_eq!(first & 0x40 != 0, first & 0x0F != 0, "{label}: first byte {first:#04x}");
                    }
                    let trace = opening.feed(stores(), from_client, &wire, [], Mode::Whole);
                    assert!(trace.seen == sequence.map(|message| Seen::Binary(message.clone())), "{label}");
                    let (before, after) = (frames[0].1.len(), frames.last().unwrap().1.len());
                    let in_window = remembered.len() + message.len() < 1 << (window - 1);
                    if takeover && in_window && (way != Way::Prepared || remembers_prepared) {
                        assert!(after < before / 2, "{label}: {before} bytes, then {after}");
                    } else if !takeover {
                        assert_eq!(after, before, "{label}");
                    }
                }
            }
        }
    }
}

/// Connections that compress every message share a compressed form even if it is longer than the message. Others send
/// the message uncompressed.
#[test]
fn prepared_messages_that_grow_are_shared_too() {
    let message: Vec<u8> = noise(1).take(1000).collect();
    let [all, some] = [0, 1].map(|threshold| deflate::Config::new().threshold(threshold));
    // The shared form refers to no earlier message; a connection's own form does.
    let [shared, own, plain] = [(0xC2, 1001..1100), (0xC2, 0..100), (0x82, 1000..1001)];
    let table = [
        ([all, all, some], [&shared, &shared, &plain], true),
        // The first connection found that the shared form is not worth keeping.
        ([some, all, all], [&plain, &own, &own], false),
    ];
    for (connections, expected, is_kept) in table {
        let news = Prepared::new(&message[..]);
        for (deflate, (first, len)) in connections.into_iter().zip(expected) {
            let (mut server, client) = both(deflate);
            // The message gets shorter, so the connection remembers it.
            let before = message.repeat(2);
            server.sender.send_binary(&before).unwrap();
            server.sender.send_prepared(&news).unwrap();
            let wire = server.sender.pending().to_vec();
            let (sent_first, payload) = &frames(&wire)[1];
            assert!(sent_first == first && len.contains(&payload.len()), "{sent_first:#04x}, {} bytes", payload.len());
            let both = [before, message.clone()].map(Seen::Binary);
            assert!(feed(client, &wire, [], Mode::Whole).seen == both);
        }
        assert_eq!(news.compressed_len().is_some(), is_kept);
    }
}

/// A message that must be compressed needs space for its longest compressed form. One that may be sent uncompressed
/// needs only its own length. A message that does not fit is refused whole.
#[test]
#[rustfmt::skip]
fn d7_a_message_that_may_grow_needs_space_for_that() {
    const STORE: usize = 1000;
    const LIMIT: usize = STORE - 127; // beside the longest Close
    let too_long = |len| Err(SendError::FrameTooLong { len, limit: LIMIT });
    let backlog = Err(SendError::Backlog { waiting: 102, limit: 500 });
    // An eighth, a 64th and 64 bytes more; and a header of four bytes.
    let table = [
        (0, 0,   706, Ok(())),
        (0, 0,   707, too_long(874)),
        (1, 0,   869, Ok(())),
        (1, 0,   870, too_long(874)),
        (0, 100, 290, Ok(())),
        (0, 100, 291, backlog),
        (1, 100, 394, Ok(())),
        (1, 100, 395, backlog),
    ];
    for (threshold, waiting, len, expected) in table {
        let message = vec![b'a'; len];
        for way in [Way::Whole, Way::Vectored] {
            let config = Config::new().high_water(500).deflate(deflate::Config::new().threshold(threshold));
            let stores = [(); 4].map(|()| FixedStorage::new(vec![0; STORE]));
            let (mut server, _) = common::open_in(config, stores);
            if waiting > 0 {
                server.sender.compress(false);
                server.sender.send_binary(&vec![0; waiting]).unwrap();
                server.sender.compress(true);
            }
            let before = server.sender.pending().to_vec();
            assert_eq!(send(&mut server.sender, way, &message), expected, "threshold {threshold}, {len} bytes");
            if expected.is_err() {
                assert_eq!(server.sender.pending(), before);
            }
        }
    }
}

#[test]
fn d7_which_messages_are_compressed() {
    let (mut server, mut client) = both(deflate::Config::new().threshold(100));
    let text = "compressible ".repeat(20);
    server.sender.send_text(&text[..99]).unwrap();
    server.sender.send_text(&text[..100]).unwrap();
    server.sender.compress(false);
    server.sender.send_text(&text).unwrap();
    server.sender.compress(true);
    server.sender.send_text(&text).unwrap();
    // A message that does not get shorter is sent uncompressed, and the next message still fits the receiver's window.
    let noise: Vec<u8> = noise(1).take(1000).collect();
    server.sender.send_binary(&noise).unwrap();
    server.sender.send_text(&text).unwrap();
    drop(server.sender.vectored_frame(&text).unwrap());
    let wire = server.sender.pending().to_vec();
    let firsts: Vec<u8> = frames(&wire).iter().map(|(first, _)| *first).collect();
    assert_eq!(firsts, [0x81, 0xC1, 0x81, 0xC1, 0x82, 0xC1, 0xC1]);
    let mut wire = wire;
    let mut input = Input::new(&mut wire);
    let mut texts = 0;
    while let Some(event) = client.receiver.next_message(&mut input, &mut client.sender) {
        match event {
            Event::Text(received) => {
                assert!(text.starts_with(received));
                texts += 1;
            }
            Event::Binary(received) => assert_eq!(received, noise),
            event => panic!("{event:?}"),
        }
    }
    assert_eq!(texts, 6);
}

/// D9: the output is limited during decompression.
#[test]
fn d9_bombs() {
    let bomb = |len: usize| {
        let config = Config::new().max_message(1 << 30).high_water(1 << 30).deflate(deflate::Config::new());
        let (mut server, _) = open(config, config);
        server.sender.send_binary(&vec![0; len]).unwrap();
        sent(&mut server).remove(0).1
    };
    for (len, limit) in [(1_000_000, 999_999), (1_000_000, 1_000_000), (50_000_000, 100_000)] {
        let payload = bomb(len);
        assert!(payload.len() < len / 900);
        for masked in [true, false] {
            for mode in [Mode::Whole, Mode::Chunks] {
                let config = Config::new().max_message(limit).deflate(deflate::Config::new());
                let bytes = frame(0xC2, &payload, masked);
                let trace = Opening::new(config).feed(stores(), masked, &bytes, [], mode);
                if len as u64 <= limit {
                    assert_eq!(trace.seen, [Seen::Binary(vec![0; len])]);
                } else {
                    let [Seen::Failed(Failure::MessageTooLong { len, limit: at })] = trace.seen[..] else { panic!() };
                    assert_eq!(at, limit);
                    assert!(len <= limit + 8192);
                    assert!(trace.partial.len() as u64 <= limit);
                    assert_eq!(trace.replies[0].1[..2], 1009_u16.to_be_bytes());
                }
            }
        }
    }
}

/// D9: `next_chunk` returns exactly the bytes up to the limit before it fails. Lengths and limits are close to each
/// other, and to 8 KiB, the size of the buffer for decompressed bytes.
#[test]
fn d9_chunks_up_to_the_limit() {
    const ROOM: usize = 8 << 10;
    let binary = |len: usize| (0..len).map(|at| (at % 50 * (at / 900 + 1)) as u8).collect::<Vec<_>>();
    let text = |len: usize| "ё".repeat(len / 2).into_bytes();
    for len in [100, ROOM - 2, ROOM, ROOM + 2, 2 * ROOM, 3 * ROOM + 100] {
        for (first, message) in [(0xC2, binary(len)), (0xC1, text(len))] {
            let (_, mut client) = both(deflate::Config::new().threshold(0));
            match std::str::from_utf8(&message) {
                Ok(text) if first == 0xC1 => client.sender.send_text(text).unwrap(),
                _ => client.sender.send_binary(&message).unwrap(),
            }
            let (sent_as, payload) = frames(client.sender.pending()).remove(0);
            assert_eq!(sent_as, first, "it is compressed");
            let half = payload.len() / 2;
            let in_one = frame(first, &payload, true);
            let in_two = [frame(first & 0x7F, &payload[..half], true), frame(0x80, &payload[half..], true)].concat();
            for limit in [0, 1, len / 2, len - 1, len, len + 1, ROOM - 1, ROOM, ROOM + 1, 2 * ROOM - 1, 2 * ROOM] {
                let good = if first == 0xC1 { limit / 2 * 2 } else { limit };
                for (wire, byte_by_byte) in [(&in_one, false), (&in_one, true), (&in_two, false), (&in_two, true)] {
                    for mode in [Mode::Chunks, Mode::Whole] {
                        let config =
                            Config::new().max_message(limit as u64).max_frame(1 << 20).deflate(deflate::Config::new());
                        let cuts = if byte_by_byte { 1..wire.len() } else { 0..0 };
                        let trace = feed(open(config, config).0, wire, cuts, mode);
                        let label = format!("{first:#x}: {len} bytes, at most {limit}, {byte_by_byte}, {mode:?}");
                        if len <= limit {
                            let [Seen::Text(_) | Seen::Binary(_)] = trace.seen[..] else { panic!("{label}") };
                            continue;
                        }
                        let too_long = Failure::MessageTooLong { len: limit as u64 + 1, limit: limit as u64 };
                        assert_eq!(trace.seen, [Seen::Failed(too_long)], "{label}");
                        assert_eq!(trace.replies[0].1[..2], 1009_u16.to_be_bytes(), "{label}");
                        let expected = if mode == Mode::Chunks { &message[..good] } else { &[] };
                        assert!(trace.partial == expected, "{label}: {} bytes came", trace.partial.len());
                    }
                }
            }
        }
    }
}

/// Threat 12: input on which a decompressor could loop or wait forever. In every cut it fails at the first byte that
/// proves the fault, or is a valid empty message.
#[test]
fn threat_12_input_that_makes_no_progress() {
    // The payload, and how many of its bytes prove the fault.
    #[rustfmt::skip]
    let wrong: &[(&str, &[u8], usize)] = &[
        ("a stream that ends, with bits left over",  &[0x03, 0x80], 2),
        ("... twice",                                &[0x03, 0x80, 0x03, 0x80], 4),
        ("... behind one without",                   &[0x03, 0x00, 0x03, 0x04], 4),
        ("half a block's header",                    &[0x02], 1),
        ("half of the codes' lengths",               &[0x04, 0x00], 2),
        ("a stored block without half its length",   &[0x00, 0x00, 0x00], 3),
        ("a length that is not its complement",      &[0x00, 0x00, 0x00, 0xFF, 0x00, 0x00], 5),
        ("a reserved type of block",                 &[0x06, 0x00], 1),
        ("a distance before the beginning",          &[0x02, 0x01, 0x00], 2),
    ];
    for (label, payload, at) in wrong {
        let splits = (0..=payload.len()).map(|at| vec![F(0x42, &payload[..at]), F(0x80, &payload[at..])]);
        for parts in splits.chain([vec![F(0xC2, payload)]]) {
            everywhere(deflate::Config::new(), &parts, |trace| {
                assert_eq!(trace.seen, [Seen::Failed(Failure::Inflate)], "{label}");
            });
        }
        let wire = frame(0xC2, payload, true);
        let header = wire.len() - payload.len();
        for mode in Mode::ALL {
            let trace = feed(both(deflate::Config::new()).0, &wire, 1..wire.len(), mode);
            assert_eq!(trace.failed_after, Some(header + at), "{label}, {mode:?}");
        }
    }
    let one_shots = [0x03, 0x00].repeat(1500);
    let streams = [&one_shots[..], &[0x00]].concat();
    let blocks = [&[0x00, 0x00, 0x00, 0xFF, 0xFF].repeat(700)[..], &[0x00]].concat();
    for payload in [one_shots, streams, blocks] {
        let wire = frame(0xC2, &payload, true);
        for (mode, cuts) in Mode::ALL.into_iter().flat_map(|mode| [0..0, 1000..1001].map(|cuts| (mode, cuts))) {
            assert_eq!(
                feed(both(deflate::Config::new()).0, &wire, cuts, mode).seen,
                [Seen::Binary(vec![])],
                "{mode:?}"
            );
        }
    }
    for payload in (0..=0xFF_u8).flat_map(|first| [0x00, 0x03, 0x10, 0x80, 0xFF].map(|second| [first, second])) {
        let wire = frame(0xC2, &payload, true);
        let [whole, cut, chunks] = [(Mode::Whole, 0..0), (Mode::Whole, 1..wire.len()), (Mode::Chunks, 1..wire.len())]
            .map(|(mode, cuts)| feed(both(deflate::Config::new()).0, &wire, cuts, mode).seen);
        assert!(whole == cut && whole == chunks && whole.len() == 1, "{payload:02x?}: {whole:?}, {cut:?}, {chunks:?}");
    }
}

/// A short message that lies whole in the input is decompressed at once. The lengths are close to the longest input and
/// output of one step. Each message is sent twice, so that the second refers to the first.
#[test]
fn messages_are_decompressed_at_once_or_in_pieces() {
    let mut noise = noise(1);
    let long = (8185..8200).map(|len| Seen::Text(["ё", &"piece by piece ".repeat(600)[..len - 2]].concat()));
    // Incompressible data gets a few bytes longer.
    let messages: Vec<Seen> =
        (2030..2060).map(|len| Seen::Binary(noise.by_ref().take(len).collect())).chain(long).collect();
    for takeover in [true, false] {
        let deflate = deflate::Config::new().send_takeover(takeover).receive_takeover(takeover);
        let mut lengths = Vec::new();
        for message in &messages {
            let (_, mut client) = both(deflate);
            for _ in 0..2 {
                match message {
                    Seen::Text(text) => client.sender.send_text(text).unwrap(),
                    Seen::Binary(bytes) => client.sender.send_binary(bytes).unwrap(),
                    _ => unreachable!(),
                }
            }
            let wire = client.sender.pending().to_vec();
            lengths.push(frames(&wire)[0].1.len());
            let twice = [message.clone(), message.clone()];
            for mode in Mode::ALL {
                assert_eq!(feed(both(deflate).0, &wire, [], mode).seen, twice, "{mode:?}");
                assert_eq!(feed(both(deflate).0, &wire, [wire.len() / 3], mode).seen, twice, "{mode:?}");
            }
        }
        assert!((2047..2050).all(|len| lengths.contains(&len)), "{lengths:?}");
    }
}

/// Bytes behind a compressed message in the same read: the whole message is delivered first.
#[test]
fn events_behind_a_compressed_message_stay_in_order() {
    const LIMIT: u64 = 20_000;
    let config = Config::new().max_message(LIMIT).deflate(deflate::Config::new());
    let text = |len: usize| "piece by piece ".repeat(2000)[..len].to_owned();
    let compressed = |len: usize| {
        let (_, mut client) = both(deflate::Config::new());
        client.sender.send_text(&text(len)).unwrap();
        client.sender.pending().to_vec()
    };
    let too_long = Failure::MessageTooLong { len: LIMIT + 1, limit: LIMIT };
    let mut firsts: Vec<(Vec<u8>, Seen)> =
        [0, 100, 8191, 8192, 8193, 20_000].map(|len| (compressed(len), Seen::Text(text(len)))).into();
    firsts.push((compressed(20_001), Seen::Failed(too_long)));
    firsts.push((frame(0xC1, &[0xFF; 20], true), Seen::Failed(Failure::Inflate)));
    let behind = [
        (frame(0x89, b"ping", true), Some(Seen::Ping(b"ping".to_vec()))),
        (frame(0x82, &[7; 1000], true), Some(Seen::Binary(vec![7; 1000]))),
        // The rest may never arrive.
        (frame(0x82, &[7; 1000], true)[..500].to_vec(), None),
        (frame(0x81, &[b'a'; 1000], true)[..500].to_vec(), None),
        (frame(0xC2, &[0x00; 1000], true)[..1].to_vec(), None),
    ];
    for (first, seen) in &firsts {
        for (behind, seen_behind) in &behind {
            let expected: Vec<Seen> = match seen {
                Seen::Failed(_) => vec![seen.clone()],
                _ => [seen.clone()].into_iter().chain(seen_behind.clone()).collect(),
            };
            let wire = [&first[..], behind].concat();
            for mode in Mode::ALL {
                for cuts in [vec![], vec![first.len()], vec![first.len() / 2]] {
                    let trace = feed(open(config, config).0, &wire, cuts, mode);
                    assert_eq!(trace.seen, expected, "{mode:?}");
                }
            }
        }
    }
}

#[test]
fn prepared_messages_are_compressed_once_and_understood_by_all() {
    let news = Prepared::new("news ".repeat(100).as_str());
    let plain = Config::new();
    let configs = [
        plain,
        plain.deflate(deflate::Config::new()),
        plain.deflate(deflate::Config::new().send_takeover(false)),
        plain.deflate(deflate::Config::new().send_window(bits(9))),
        plain.deflate(deflate::Config::new().threshold(10_000)),
    ];
    for (index, config) in configs.into_iter().enumerate() {
        let (mut server, mut client) = open(config, Config::new().deflate(deflate::Config::new()));
        let expected = "news ".repeat(100);
        server.sender.send_text(&expected).unwrap();
        server.sender.send_prepared(&news).unwrap();
        server.sender.send_text(&expected).unwrap();
        server.sender.send_prepared(&news).unwrap();
        let firsts: Vec<u8> = frames(server.sender.pending()).iter().map(|(first, _)| *first).collect();
        assert_eq!(firsts, [if matches!(index, 0 | 4) { 0x81 } else { 0xC1 }; 4], "{index}");
        let mut wire = server.sender.pending().to_vec();
        let mut input = Input::new(&mut wire);
        for _ in 0..4 {
            let event = client.receiver.next_message(&mut input, &mut client.sender);
            assert_eq!(event, Some(Event::Text(&expected)), "{index}");
        }
        // A client must mask it.
        client.sender.send_prepared(&news).unwrap();
        let mut wire = client.sender.pending().to_vec();
        let event = server.receiver.next_message(&mut Input::new(&mut wire), &mut server.sender);
        assert_eq!(event, Some(Event::Text(&expected)), "{index}");
    }
    assert!(news.compressed_len().is_some_and(|len| len < 50));
}

#[test]
fn contexts_that_forget_are_shared() {
    static POOL: Pool = Pool::new(2);
    let deflate = deflate::Config::new().send_takeover(false).receive_takeover(false).pool(&POOL);
    let mut ends: Vec<_> = (0..10).map(|_| both(deflate)).collect();
    let text = "the same for all of them ".repeat(10);
    for (server, client) in &mut ends {
        server.sender.send_text(&text).unwrap();
        let mut wire = server.sender.pending().to_vec();
        let event = client.receiver.next_message(&mut Input::new(&mut wire), &mut client.sender);
        assert_eq!(event, Some(Event::Text(&text)));
        assert_eq!(POOL.idle(), (1, 1));
    }
    POOL.clear();
    assert_eq!(POOL.idle(), (0, 0));
}

fn window() -> impl Strategy<Value = WindowBits> {
    (8..=15_u8).prop_map(bits)
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(vec![]),
        prop::collection::vec(any::<u8>(), 0..2000),
        (prop::collection::vec(0..4_u8, 0..200), 1..100_usize).prop_map(|(part, times)| part.repeat(times)),
        (0..40_000_usize).prop_map(|len| (0..len).map(|n| (n / 7 % 251) as u8).collect()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// With any agreement, every message arrives unchanged: in one frame or in fragments, in any cut and mode.
    #[test]
    fn messages_survive(
        server_window in window(),
        client_window in window(),
        takeover: [bool; 2],
        level in 1..=9_u8,
        memory_level in 1..=9_u8,
        threshold in 0..=1_usize,
        messages in prop::collection::vec((payload(), prop::collection::vec(any::<prop::sample::Index>(), 0..4), any::<bool>(), any::<bool>()), 1..6),
        read in 1..5000_usize,
    ) {
        let deflate = deflate::Config::new().send_window(server_window).receive_window(client_window)
            .send_takeover(takeover[0]).receive_takeover(takeover[1])
            .level(effort(level)).memory_level(effort(memory_level)).threshold(threshold);
        let config = Config::new().deflate(deflate);
        let at_client = deflate::Config::new().threshold(threshold).level(effort(level));
        let (server, client) = open(config, Config::new().deflate(at_client));
        let (mut server, mut client) = (server, client);
        let mut expected = Vec::new();
        for (payload, cuts, is_text, is_followed) in &messages {
            let text = String::from_utf8_lossy(payload).into_owned();
            let bytes = if *is_text { text.as_bytes() } else { payload };
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            if *is_text {
                ends.retain(|end| text.is_char_boundary(*end));
            }
            ends.sort_unstable();
            let mut start = 0;
            for end in ends {
                if *is_text {
                    server.sender.send_text_fragment(&text[start..end], false).unwrap();
                    client.sender.send_text_fragment(&text[start..end], false).unwrap();
                } else {
                    server.sender.send_binary_fragment(&bytes[start..end], false).unwrap();
                    client.sender.send_binary_fragment(&bytes[start..end], false).unwrap();
                }
                start = end;
            }
            match (start, is_text) {
                (0, true) => { server.sender.send_text(&text).ok().or_else(|| server.sender.send_text_fragment(&text, true).ok()).unwrap();
                    client.sender.send_text(&text).ok().or_else(|| client.sender.send_text_fragment(&text, true).ok()).unwrap(); }
                (0, false) => { server.sender.send_binary(bytes).ok().or_else(|| server.sender.send_binary_fragment(bytes, true).ok()).unwrap();
                    client.sender.send_binary(bytes).ok().or_else(|| client.sender.send_binary_fragment(bytes, true).ok()).unwrap(); }
                (_, true) => { server.sender.send_text_fragment(&text[start..], true).unwrap(); client.sender.send_text_fragment(&text[start..], true).unwrap(); }
                (_, false) => { server.sender.send_binary_fragment(&bytes[start..], true).unwrap(); client.sender.send_binary_fragment(&bytes[start..], true).unwrap(); }
            }
            expected.push(if *is_text { Seen::Text(text) } else { Seen::Binary(payload.clone()) });
            if *is_followed {
                server.sender.send_ping(b"behind").unwrap();
                client.sender.send_ping(b"behind").unwrap();
                expected.push(Seen::Ping(b"behind".to_vec()));
            }
        }
        let (from_server, from_client) = (server.sender.pending().to_vec(), client.sender.pending().to_vec());
        for (first, _) in frames(&from_server).iter().chain(&frames(&from_client)) {
            prop_assert!(threshold > 0 || ![0x01, 0x02].contains(&(first & 0x4F)), "an uncompressed message");
        }
        for mode in Mode::ALL {
            let (server, client) = open(config, Config::new().deflate(deflate::Config::new()));
            let cuts = |len: usize| (read..len).step_by(read).collect::<Vec<_>>();
            let trace = feed(client, &from_server, cuts(from_server.len()), mode);
            prop_assert_eq!(&trace.seen, &expected);
            let trace = feed(server, &from_client, cuts(from_client.len()), mode);
            prop_assert_eq!(&trace.seen, &expected);
        }
    }
}
