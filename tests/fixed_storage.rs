//! Connections over arrays: messages and output that don't fit, and a transport of one byte at a time.
//!
//! `FixedStorage` must differ from a store that grows only in its size: `receiving.rs` has the rules for both.

mod common;

use common::{
    ClientEnd, Fixed, Keys, Mode, Opening, Part,
    Part::{F, H, Long},
    Seen, ServerEnd,
    cuts::{every_cut, pieces},
    encode, fixed, frame, frames, header, keys, open_in, text,
};
use websocket_proto::{
    ChunkEvent, Config, Connection, Event, Failure, Input, Role, SendError, Sender, Storage, Transport, UncleanEnd,
    Uri, client, frame::CloseCode, server,
};

/// F22: a length beyond 32 bits exceeds the size of any store.
#[test]
fn f22_lengths_beyond_32_bits() {
    let opening = Opening::new(Config::new().max_frame(u64::MAX).max_message(u64::MAX));
    let feed = |masked, bytes: &[u8], cuts| opening.feed([fixed(300), fixed(300)], masked, bytes, cuts, Mode::Whole);
    // Truncated to 32 bits, they would be 5, 0 and 2^32 - 1 bytes.
    for len in [(1 << 32) + 5, 1 << 32, (1_u64 << 63) - 1] {
        for masked in [true, false] {
            let length = [&[127][..], &len.to_be_bytes()].concat();
            let bytes = [encode(&[F(0x81, b"before"), H(0x82, &length)], masked), vec![9; 20]].concat();
            for cuts in every_cut(bytes.len()) {
                let trace = feed(masked, &bytes, cuts.clone());
                let failure = Failure::MessageTooLong { len, limit: 300 };
                assert_eq!(trace.seen, [text("before"), Seen::Failed(failure)], "{cuts:?}");
                assert_eq!(trace.replies[0].1[..2], 1009_u16.to_be_bytes());
            }
            // The sum of fragments is not truncated either.
            let second = [&[127][..], &((1_u64 << 32) - 1).to_be_bytes()].concat();
            let bytes = encode(&[F(0x02, b"123456"), H(0x80, &second)], masked);
            let trace = feed(masked, &bytes, vec![7]);
            assert_eq!(trace.seen, [Seen::Failed(Failure::MessageTooLong { len: (1 << 32) + 5, limit: 300 })]);
        }
    }
}

const CAPACITY: usize = 160;

/// The stores of a connection for messages of `CAPACITY` bytes.
fn small() -> [Fixed; 2] {
    [fixed(CAPACITY), fixed(600)]
}

/// A message that lies whole in the input is lent from it, however long it is: it needs no space in the store.
#[test]
fn whole_messages_are_lent_from_the_input() {
    for len in [0, 1, 125, 126, 32_767, 32_768, 32_769, 65535, 65536] {
        for (first, payload) in [(0x82, vec![7; len]), (0x81, vec![b'x'; len])] {
            let mut bytes = frame(first, &payload, true);
            let place = bytes.as_ptr_range();
            let (mut server, _) = open_in(Config::new(), [(); 4].map(|()| fixed(1 << 17)));
            let mut input = Input::new(&mut bytes);
            let event = server.receiver.next_message(&mut input, &mut server.sender).unwrap();
            let message = event.message().unwrap().as_bytes();
            assert_eq!(message, payload);
            assert!(message.is_empty() || place.contains(&message.as_ptr()), "{len} bytes were copied");
        }
    }
}

/// Earlier messages are delivered. Then the header that exceeds the store fails with 1009, whatever part of the message
/// was received.
#[test]
fn a_message_larger_than_the_store_fails_with_1009_and_nothing_before_it_is_lost() {
    let euros = "€".repeat(CAPACITY / 3) + "x";
    assert_eq!(euros.len(), CAPACITY);
    let opening = Opening::new(Config::new());
    let too_long: [(&str, &[Part<'_>], u8, usize); 5] = [
        ("binary", &[], 0x82, CAPACITY + 1),
        ("text", &[], 0x81, CAPACITY + 1),
        ("fragments", &[F(0x02, &[7; 100]), F(0x00, &[7; 60])], 0x80, 1),
        ("not the last fragment", &[F(0x02, &[7; 100]), F(0x00, &[7; 60])], 0x00, 1),
        ("text, cut in a code point", &[F(0x01, &euros.as_bytes()[..100]), F(0x89, b"in between")], 0x80, 61),
    ];
    for (label, fragments, first, more) in too_long {
        for masked in [true, false] {
            let before = [F(0x82, &[1; CAPACITY]), F(0x81, euros.as_bytes()), F(0x89, b"ping"), F(0x82, b"")];
            let mut bytes = encode(&[&before, fragments].concat(), masked);
            let length = if more < 126 { vec![more as u8] } else { vec![126, 0, more as u8] };
            bytes.extend(header(first, &length, masked));
            // The masking key is not needed to find this.
            let proved_at = bytes.len() - if masked { 4 } else { 0 };
            bytes.extend(frame(0x89, b"too late", masked));

            let limit = CAPACITY as u64;
            let failure = Failure::MessageTooLong { len: limit + 1, limit };
            let mut seen = vec![
                Seen::Binary(vec![1; CAPACITY]),
                Seen::Text(euros.clone()),
                Seen::Ping(b"ping".into()),
                Seen::Binary(vec![]),
            ];
            seen.extend(
                fragments.iter().filter(|part| matches!(part, F(0x89, _))).map(|_| Seen::Ping(b"in between".into())),
            );
            seen.push(Seen::Failed(failure));
            let pings = seen.iter().filter(|seen| matches!(seen, Seen::Ping(_))).count();
            for mode in Mode::ALL {
                if matches!(mode, Mode::Chunks | Mode::Mixed | Mode::MixedBuffered(_)) {
                    continue;
                }
                for cuts in every_cut(bytes.len()) {
                    let trace = opening.feed(small(), masked, &bytes, cuts.iter().copied(), mode);
                    assert_eq!(trace.seen, seen, "{label}: masked {masked}, {mode:?}, cut at {cuts:?}");
                    assert_eq!(trace.end, Err(UncleanEnd::Failed(failure)));
                    let reason = [&1009_u16.to_be_bytes(), &b"message too long"[..]].concat();
                    assert_eq!(trace.replies.last(), Some(&(0x88, reason)));
                    assert_eq!(trace.replies.len(), pings + 1);
                    if cuts.len() > 1 {
                        assert_eq!(trace.failed_after, Some(proved_at), "{label}: the earliest byte");
                    }
                }
            }
        }
    }
}

/// Chunks need no store. If the rest is read as a whole message, the store keeps what the chunks delivered.
#[test]
fn chunks_need_no_store() {
    let opening = Opening::new(Config::new());
    for masked in [true, false] {
        let text = "€".repeat(CAPACITY);
        let cut = CAPACITY + 1;
        let bytes = encode(&[F(0x01, &text.as_bytes()[..cut]), F(0x80, &text.as_bytes()[cut..])], masked);
        for cuts in every_cut(bytes.len()) {
            let trace = opening.feed(small(), masked, &bytes, cuts.iter().copied(), Mode::Chunks);
            assert_eq!((trace.seen, trace.replies), (vec![Seen::Text(text.clone())], vec![]), "{cuts:?}");
        }
        // The first read takes a chunk, all others whole messages: 160 more bytes fit, and 161 do not.
        for (total, fits) in [(CAPACITY + 9, true), (CAPACITY + 10, false)] {
            let bytes = frame(0x82, &vec![3; total], masked);
            let start = bytes.len() - total + 9;
            let outcome = if masked {
                chunk_then_whole(opening.server(small()), bytes, start)
            } else {
                chunk_then_whole(opening.client(small()), bytes, start)
            };
            let limit = CAPACITY as u64;
            let failed = Failure::MessageTooLong { len: limit + 1, limit };
            assert_eq!(outcome, (9, if fits { Ok(CAPACITY) } else { Err(failed) }));
        }
    }
}

/// The lengths of a first chunk that ends at `cut`, and of the rest, which arrives in two reads.
fn chunk_then_whole<R: Role>(
    connection: Connection<R, Fixed, Fixed>,
    mut bytes: Vec<u8>,
    cut: usize,
) -> (usize, Result<usize, Failure>) {
    let Connection { receiver: mut rx, sender: mut tx } = connection;
    let (begin, rest) = bytes.split_at_mut(cut);
    let mut input = Input::new(begin);
    let Some(ChunkEvent::Binary(chunk)) = rx.next_chunk(&mut input, &mut tx) else { panic!("a chunk") };
    let first = chunk.data.len();
    let (middle, rest) = rest.split_at_mut(50);
    for part in [middle, rest] {
        let mut input = Input::new(part);
        match rx.next_message(&mut input, &mut tx) {
            None => {}
            Some(Event::Binary(data)) => return (first, Ok(data.len())),
            Some(Event::Failed(failure)) => {
                assert_eq!(frames(tx.pending())[0].1[..2], 1009_u16.to_be_bytes());
                tx.consume(usize::MAX);
                assert_eq!(tx.transport(), Transport::CloseNow);
                return (first, Err(failure));
            }
            Some(event) => panic!("{event:?}"),
        }
    }
    panic!("no end of the message")
}

/// A store that is too small: 1009 at the header, whether one read brought the message or not.
#[test]
fn a_message_larger_than_the_store_is_refused_at_its_header() {
    let opening = Opening::new(Config::new());
    let stores = || [fixed(300), fixed(300)];
    for masked in [true, false] {
        for parts in [&[Long(0x82, 301)][..], &[Long(0x02, 200), Long(0x80, 101)]] {
            let bytes = [frame(0x82, &[7; 300], masked), encode(parts, masked)].concat();
            for cuts in [vec![], (1..bytes.len()).collect::<Vec<_>>()] {
                let trace = opening.feed(stores(), masked, &bytes, cuts, Mode::Whole);
                let failure = Failure::MessageTooLong { len: 301, limit: 300 };
                assert_eq!(trace.seen, [Seen::Binary(vec![7; 300]), Seen::Failed(failure)]);
                assert_eq!(trace.replies[0].1[..2], 1009_u16.to_be_bytes());
            }
        }
        // Chunks don't need the store.
        let bytes = frame(0x82, &[7; 1000], masked);
        let trace = opening.feed(stores(), masked, &bytes, [9], Mode::Chunks);
        assert_eq!(trace.seen, [Seen::Binary(vec![7; 1000])]);
        // Begun in chunks, then read as a whole message.
        let trace = opening.feed(stores(), masked, &bytes, [9, 500], Mode::Mixed);
        assert_eq!(trace.seen, [Seen::Failed(Failure::MessageTooLong { len: 1000, limit: 300 })]);
    }
}

/// The rest of a message that began in chunks must fit the store, in every cut.
#[test]
fn the_rest_of_a_streamed_message_must_fit_the_store() {
    let rest = |pieces: &[usize]| {
        let (server, _) = open_in(Config::new(), [(); 4].map(|()| fixed(400)));
        let mut connection = server;
        let bytes = frame(0x82, &[7; 1000], true);
        let (head, mut tail) = bytes.split_at(bytes.len() - 800);
        let mut head = head.to_vec();
        let chunk = connection.receiver.next_chunk(&mut Input::new(&mut head), &mut connection.sender);
        assert!(matches!(chunk, Some(ChunkEvent::Binary(chunk)) if chunk.data.len() == 200));
        let mut failures = vec![];
        for len in pieces {
            let (piece, behind) = tail.split_at(*len);
            tail = behind;
            let mut piece = piece.to_vec();
            let mut input = Input::new(&mut piece);
            while let Some(event) = connection.receiver.next_message(&mut input, &mut connection.sender) {
                match event {
                    Event::Failed(failure) => failures.push(failure),
                    event => panic!("{event:?}"),
                }
            }
        }
        failures
    };
    let failure = [Failure::MessageTooLong { len: 800, limit: 400 }];
    assert_eq!(rest(&[800]), failure);
    assert_eq!(rest(&[300, 500]), failure);
    assert_eq!(rest(&[799, 1]).len(), 1);
}

/// The echo of an earlier message is sent before the Close, and the transport closes after both.
#[test]
fn an_echo_is_sent_before_the_close_for_a_message_that_is_too_large() {
    let opening = Opening::new(Config::new());
    echo_then_close(opening.server(small()), true);
    echo_then_close(opening.client(small()), false);

    fn echo_then_close<R: Role>(connection: Connection<R, Fixed, Fixed>, masked: bool) {
        let Connection { receiver: mut rx, sender: mut tx } = connection;
        let mut bytes = [
            frame(0x82, &[5; CAPACITY], masked),
            frame(0x89, b"?", masked),
            frame(0x81, &[b'y'; CAPACITY + 1], masked),
        ]
        .concat();
        let mut failed = None;
        for byte in bytes.chunks_mut(1) {
            let mut input = Input::new(byte);
            while let Some(event) = rx.next_message(&mut input, &mut tx) {
                match event {
                    Event::Binary(data) => tx.send_binary(data).unwrap(),
                    Event::Ping(_) => {}
                    Event::Failed(failure) => failed = Some(failure),
                    event => panic!("{event:?}"),
                }
            }
        }
        assert_eq!(failed, Some(Failure::MessageTooLong { len: CAPACITY as u64 + 1, limit: CAPACITY as u64 }));
        assert_eq!(tx.send_binary(b"more"), Err(SendError::Closing));
        assert_eq!(tx.transport(), Transport::Closing);
        let sent = frames(tx.pending());
        assert_eq!(sent[..2], [(0x82, vec![5; CAPACITY]), (0x8A, b"?".to_vec())]);
        assert_eq!((sent[2].0, &sent[2].1[..2], sent.len()), (0x88, &1009_u16.to_be_bytes()[..], 3));
        tx.consume(tx.pending().len());
        assert_eq!(tx.transport(), Transport::CloseNow);
    }
}

/// The smallest output that the handshakes take: the server's response, or a client's Pong of 125 bytes, and a Close of
/// 125 bytes behind it.
const SMALLEST: [usize; 2] = [256, 262];

/// Runs a test on the connection of each role, whose output is this many bytes larger than the smallest. `$key` is the
/// length of a masking key: 0 or 4.
macro_rules! in_both_roles {
    ($more:expr, |$connection:ident, $capacity:ident, $key:ident| $body:block) => {{
        for more in $more {
            let [server_out, client_out] = SMALLEST.map(|smallest| smallest + more);
            let stores = [fixed(400), fixed(server_out), fixed(400), fixed(client_out)];
            let (server, client) = open_in(Config::new(), stores);
            {
                let (mut $connection, $capacity, $key) = (server, server_out, 0);
                $body
            }
            {
                let (mut $connection, $capacity, $key) = (client, client_out, 4);
                $body
            }
        }
    }};
}

/// The peer sends this frame, masked if this end needs no key.
fn peer_sends<R: Role>(connection: &mut Connection<R, Fixed, Fixed>, key: usize, first: u8, payload: &[u8]) {
    let mut bytes = frame(first, payload, key == 0);
    let mut input = Input::new(&mut bytes);
    assert!(connection.receiver.next_message(&mut input, &mut connection.sender).is_some());
}

/// All frames that are sent, consumed in steps.
fn drain<R: Role, S: Storage>(tx: &mut Sender<R, S>, step: usize) -> Vec<(u8, Vec<u8>)> {
    let mut wire = Vec::new();
    while !tx.pending().is_empty() {
        let count = step.min(tx.pending().len());
        wire.extend_from_slice(&tx.pending()[..count]);
        tx.consume(count);
    }
    frames(&wire)
}

/// The longest payload whose frame has at most `room` bytes, `key` of them a masking key.
fn longest(room: usize, key: usize) -> usize {
    let short = room - 2 - key;
    if short <= 125 { short } else { (room - 4 - key).max(125) }
}

#[test]
fn output_that_does_not_fit_is_refused_with_figures_and_changes_nothing() {
    in_both_roles!(0..30, |connection, capacity, key| {
        let tx = &mut connection.sender;
        let room = capacity - 127 - key;
        let most = longest(room, key);
        let frame_len = |payload: usize| payload + key + if payload < 126 { 2 } else { 4 };

        // Never: the frame exceeds even the empty store.
        let payload = vec![8; most + 1];
        let never = SendError::FrameTooLong { len: frame_len(payload.len()), limit: room };
        assert_eq!(tx.send_binary(&payload), Err(never));
        assert_eq!(tx.send_binary_fragment(&payload, false), Err(never));
        assert_eq!(tx.vectored_frame(&payload[..]).err(), Some(never));
        assert_eq!((tx.pending().len(), tx.backlog()), (0, 0));

        // A refused fragment begins no message, and the longest frame fits to the last byte, each time.
        let longest_frame = [(0x82, vec![8; most])];
        for step in [5, 1, 1000] {
            tx.send_binary(&payload[..most]).unwrap();
            assert_eq!(drain(tx, step), longest_frame);
        }
        let vectored = tx.vectored_frame(&payload[..most]).unwrap();
        let whole = vectored.parts().concat();
        vectored.sent(3);
        assert_eq!(tx.pending(), &whole[3..]);
        tx.consume(usize::MAX);

        // Not now: other bytes are pending.
        tx.send_binary(&payload[..room - 100 - 2 - key]).unwrap();
        tx.consume(3);
        let before = tx.pending().to_vec();
        let refused = Err(SendError::Backlog { waiting: room - 103, limit: room });
        assert_eq!(tx.send_text(&"x".repeat(125)), refused);
        assert_eq!(tx.send_binary(&[1; 125]), refused);
        assert_eq!(tx.send_binary_fragment(&[1; 125], true), refused);
        assert_eq!(tx.send_text_fragment(&"x".repeat(125), false), refused);
        assert_eq!(tx.vectored_frame(&[1; 125]).map(drop), refused);
        assert_eq!(tx.send_ping(&[1; 125]), refused);
        assert_eq!(tx.send_pong(&[1; 125]), refused);
        // By one byte.
        let fits = 103 - 2 - key;
        assert_eq!(tx.send_binary(&[1; 125][..fits + 1]), refused);
        assert_eq!((tx.pending(), tx.transport()), (&before[..], Transport::Open));

        tx.send_binary(&[1; 125][..fits]).unwrap();
        assert!(tx.pending().starts_with(&before));
        assert_eq!(tx.backlog(), room);
        tx.consume(before.len());
        assert_eq!(drain(tx, 7), [(0x82, vec![1; fits])]);
    });
}

/// When the space behind the pending bytes is too small, they move to the front whole, whatever is written between.
#[test]
fn every_byte_is_kept_while_the_output_wraps_around() {
    in_both_roles!(0..3, |connection, _capacity, _key| {
        let tx = &mut connection.sender;
        let (mut sent, mut wire) = (Vec::new(), Vec::new());
        for number in 0..500_usize {
            let payload = vec![number as u8; number % 43];
            let outcome = match number % 3 {
                0 => tx.vectored_frame(&payload[..]).map(|frame| frame.sent(0)),
                _ => tx.send_binary(&payload),
            };
            match outcome {
                Ok(()) => sent.push((0x82, payload)),
                Err(refused) => assert!(matches!(refused, SendError::Backlog { .. }), "{refused}"),
            }
            let taken = (number * 7 % 41).min(tx.pending().len());
            wire.extend_from_slice(&tx.pending()[..taken]);
            tx.consume(taken);
        }
        wire.extend_from_slice(tx.pending());
        assert!((200..500).contains(&sent.len()), "some were refused");
        assert_eq!(frames(&wire), sent);
    });
}

/// A refused fragment stays with the caller, and the message can continue with it.
#[test]
fn a_fragmented_message_goes_on_after_a_refusal() {
    in_both_roles!(0..3, |connection, capacity, key| {
        let tx = &mut connection.sender;
        let limit = capacity - 127 - key;
        let payload = vec![6; limit - 20];
        tx.send_binary_fragment(&payload, false).unwrap();
        let waiting = tx.pending().len();
        assert_eq!(tx.send_binary_fragment(&[7; 30], true), Err(SendError::Backlog { waiting, limit }));
        assert_eq!(tx.pending().len(), waiting);
        assert_eq!(drain(tx, 11), [(0x02, payload)]);
        assert_eq!(tx.send_binary(b"another"), Err(SendError::MessageOpen));
        tx.send_binary_fragment(&[7; 30], true).unwrap();
        tx.send_binary(b"another").unwrap();
        assert_eq!(drain(tx, 11), [(0x80, vec![7; 30]), (0x82, b"another".to_vec())]);
    });
}

/// With the smallest output, however full it is, the longest Pong and the longest Close follow.
#[test]
fn a_pong_and_a_close_are_always_possible() {
    let reason = "r".repeat(123);
    let close = (0x88, [&1000_u16.to_be_bytes(), reason.as_bytes()].concat());
    let pong = (0x8A, vec![9; 125]);
    for (filled, step) in (0..=125).flat_map(|filled| [1, 50, 1000].map(|step| (filled, step))) {
        in_both_roles!([0], |connection, capacity, key| {
            let data = (0x82, vec![4; filled]);
            connection.sender.send_binary(&data.1).unwrap();
            peer_sends(&mut connection, key, 0x89, b"old");
            peer_sends(&mut connection, key, 0x89, &pong.1);
            let tx = &mut connection.sender;
            let before = tx.pending().to_vec();
            tx.close(CloseCode::NORMAL, &reason).unwrap();
            assert!(tx.pending().starts_with(&before));
            assert!(tx.pending().len() <= capacity);
            assert_eq!(tx.transport(), Transport::Closing);
            // The Pong for the older Ping is sent if it fits, and the newest in any case: before or behind the Close.
            let old_fits = (2 + key + filled) + (2 + key + 3) <= capacity - 127 - key;
            let mut sent = drain(tx, step);
            let mut expected = vec![data, (0x8A, b"old".to_vec()), pong.clone(), close.clone()];
            if !old_fits {
                expected.remove(1);
            }
            if sent.last() == Some(&pong) {
                let end = sent.len() - 2;
                sent[end..].reverse();
            }
            assert_eq!(sent, expected);

            peer_sends(&mut connection, key, 0x88, &1000_u16.to_be_bytes());
            let tx = &connection.sender;
            let end = if key == 0 { Transport::CloseNow } else { Transport::AwaitEnd };
            assert_eq!((tx.backlog(), tx.transport()), (0, end));
        });
    }
}

/// The same, however many bytes were written, and however full the output is again.
#[test]
fn a_close_fits_wherever_the_output_begins() {
    let body = [&1000_u16.to_be_bytes(), "r".repeat(123).as_bytes()].concat();
    for taken in (0..500).step_by(7) {
        in_both_roles!([0, 60, 150, 400], |connection, capacity, key| {
            let tx = &mut connection.sender;
            let room = capacity - 127 - key;
            let first = vec![1; longest(room, key)];
            tx.send_binary(&first).unwrap();
            let mut wire = tx.pending()[..taken.min(tx.pending().len())].to_vec();
            tx.consume(wire.len());
            let mut expected = vec![(0x82, first)];
            if let left @ 6.. = room - tx.pending().len() {
                let again = vec![2; longest(left, key)];
                tx.send_binary(&again).unwrap();
                expected.push((0x82, again));
            }
            tx.close(CloseCode::NORMAL, &"r".repeat(123)).unwrap();
            expected.push((0x88, body.clone()));
            wire.extend_from_slice(tx.pending());
            assert_eq!(frames(&wire), expected, "{capacity}, {taken}");
        });
    }
}

/// An idle connection answers the longest Ping and the longest Close at once; in a client they fill the output to the
/// last byte.
#[test]
fn a_pong_and_a_close_fit_the_smallest_output() {
    let body = [&1000_u16.to_be_bytes(), "r".repeat(123).as_bytes()].concat();
    in_both_roles!([0], |connection, capacity, key| {
        peer_sends(&mut connection, key, 0x89, &[9; 125]);
        peer_sends(&mut connection, key, 0x88, &body);
        let tx = &mut connection.sender;
        assert_eq!(tx.pending().len(), 2 * (127 + key));
        assert!(tx.pending().len() <= capacity);
        assert_eq!(drain(tx, 9), [(0x8A, vec![9; 125]), (0x88, body.clone())]);
        assert_eq!(tx.transport(), if key == 0 { Transport::CloseNow } else { Transport::AwaitEnd });
    });
}

/// The same behind a response that is still pending, however long it is. A response that leaves no space for a Close is
/// refused.
#[test]
fn a_close_fits_behind_the_response() {
    let body = [&1000_u16.to_be_bytes(), "r".repeat(123).as_bytes()].concat();
    for added in [0, 1, 40, 300] {
        let padding = "x".repeat(added);
        let headers = [("X", &*padding)];
        let accept = server::Accept::new().headers(if added > 0 { &headers } else { &[] });
        let upgrade = |capacity| {
            let mut request = *b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            let mut handshake = server::Handshake::with_storage(Config::new(), fixed(400), fixed(capacity));
            assert!(handshake.read(&mut Input::new(&mut request)));
            handshake.into_request().unwrap().upgrade().unwrap()
        };
        let response = 129 + if added > 0 { "X: \r\n".len() + added } else { 0 };
        let (needed, capacity) = (response + 127, response + 126);
        let refused = upgrade(capacity).accept(&accept).err();
        assert_eq!(refused, Some(server::AcceptError::StoreTooSmall { needed, capacity }));

        let mut closing = upgrade(needed).accept(&accept).unwrap();
        closing.sender.close(CloseCode::NORMAL, &"r".repeat(123)).unwrap();
        let mut answering = upgrade(needed).accept(&accept).unwrap();
        peer_sends(&mut answering, 0, 0x88, &body);
        let mut failing = upgrade(needed).accept(&accept).unwrap();
        peer_sends(&mut failing, 0, 0x83, b"");
        for tx in [closing.sender, answering.sender, failing.sender] {
            assert!(tx.pending().starts_with(b"HTTP/1.1 101 "));
            assert_eq!((tx.pending()[response], tx.transport()), (0x88, Transport::Closing));
        }
    }
}

/// A Pong that did not fit is not sent behind the Close: nobody waits for it any more.
#[test]
fn no_pong_follows_a_close() {
    in_both_roles!(0..170, |connection, capacity, key| {
        connection.sender.send_binary(&[1; 125]).unwrap();
        peer_sends(&mut connection, key, 0x89, &[9; 125]);
        peer_sends(&mut connection, key, 0x88, &1000_u16.to_be_bytes());
        let mut sent = drain(&mut connection.sender, 1).into_iter();
        assert_eq!(sent.next(), Some((0x82, vec![1; 125])), "{capacity}");
        assert_eq!(sent.next_back(), Some((0x88, 1000_u16.to_be_bytes().to_vec())), "{capacity}");
        assert!(sent.all(|(first, _)| first == 0x8A), "{capacity}");
    });
}

/// A failure is explained to the peer behind the largest possible backlog.
#[test]
fn a_failure_is_explained_behind_a_full_output() {
    in_both_roles!(0..30, |connection, capacity, key| {
        let room = capacity - 127 - key;
        let data = vec![4; longest(room, key)];
        connection.sender.send_binary(&data).unwrap();
        peer_sends(&mut connection, key, 0x83, b"");
        let tx = &mut connection.sender;
        assert_eq!(tx.transport(), Transport::Closing);
        let reason = [&1002_u16.to_be_bytes(), &b"reserved opcode"[..]].concat();
        assert_eq!(drain(tx, 9), [(0x82, data), (0x88, reason)]);
        assert_eq!(tx.transport(), Transport::CloseNow);
    });
}

const LIMITS: Config = Config::new().max_frame(200).max_message(300).max_fragments(3);

/// Both ends, and the events that they saw.
struct Pair {
    server: ServerEnd<Fixed, Fixed>,
    client: ClientEnd<Fixed, Fixed>,
    /// The events at the server's application, which echoes messages.
    at_server: Vec<Seen>,
    at_client: Vec<Seen>,
}

impl Pair {
    /// Moves one byte each way. Returns whether one was moved.
    fn step(&mut self) -> bool {
        let mut moved = false;
        if let Some(byte) = take_byte(&mut self.client.sender) {
            moved = true;
            receive_byte(byte, &mut self.server, &mut self.at_server, true);
        }
        if let Some(byte) = take_byte(&mut self.server.sender) {
            moved = true;
            receive_byte(byte, &mut self.client, &mut self.at_client, false);
        }
        moved
    }

    fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.step() {
                return;
            }
        }
        panic!("they never finish");
    }
}

fn take_byte<R: Role, S: Storage>(tx: &mut Sender<R, S>) -> Option<u8> {
    let byte = *tx.pending().first()?;
    tx.consume(1);
    Some(byte)
}

fn receive_byte<R: Role>(byte: u8, end: &mut Connection<R, Fixed, Fixed>, seen: &mut Vec<Seen>, echoes: bool) {
    let mut byte = [byte];
    let mut input = Input::new(&mut byte);
    while let Some(event) = end.receiver.next_message(&mut input, &mut end.sender) {
        if let (true, Some(message)) = (echoes, event.message()) {
            end.sender.send(message).unwrap();
        }
        seen.push(match event {
            Event::Text(text) => Seen::Text(text.into()),
            Event::Binary(data) => Seen::Binary(data.into()),
            Event::Ping(payload) => Seen::Ping(payload.into()),
            Event::Pong(payload) => Seen::Pong(payload.into()),
            Event::Close { code, reason, message_cut_short } => {
                Seen::Close { code: code.map(CloseCode::get), reason: reason.into(), cut_short: message_cut_short }
            }
            Event::Failed(failure) => Seen::Failed(failure),
            event => panic!("{event:?}"),
        });
    }
    assert!(input.is_empty());
}

/// A pair whose handshake was also transferred byte by byte.
fn pair_byte_by_byte() -> Pair {
    let request = client::Request::new(Uri::parse("ws://example.com/chat?room=1").unwrap());
    let mut client = client::Handshake::with_storage(LIMITS, &request, keys as Keys, fixed(400), fixed(600)).unwrap();
    let mut server = server::Handshake::with_storage(LIMITS, fixed(400), fixed(600));
    let mut done = false;
    while let Some(&byte) = client.pending().first() {
        assert!(!done, "the request ends with its last byte");
        client.consume(1);
        done = server.read(&mut Input::new(&mut [byte]));
    }
    assert!(done);
    let mut server = server.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).unwrap();
    done = false;
    while let Some(byte) = take_byte(&mut server.sender) {
        assert!(!done, "the response ends with its last byte");
        done = client.read(&mut Input::new(&mut [byte]));
    }
    assert!(done);
    let client = client.into_response().unwrap().upgrade().unwrap();
    Pair { server, client, at_server: vec![], at_client: vec![] }
}

/// Sends one message after another while earlier ones are in transit, as far as they fit the output.
fn talk(pair: &mut Pair) -> [Vec<Seen>; 2] {
    let text = "Κόσμε 世界 🦀 ".repeat(6);
    let binary: Vec<u8> = (0..200).collect();
    pair.client.sender.send_text(&text).unwrap();
    pair.client.sender.send_ping(b"first").unwrap();
    pair.step();
    pair.client.sender.send_binary_fragment(&binary[..150], false).unwrap();
    pair.settle();
    pair.client.sender.send_ping(&[1; 125]).unwrap();
    pair.server.sender.send_ping(b"from the server").unwrap();
    pair.client.sender.send_binary_fragment(&binary[150..], true).unwrap();
    pair.client.sender.send_text("").unwrap();
    pair.settle();
    let at_server = vec![
        Seen::Text(text.clone()),
        Seen::Ping(b"first".into()),
        Seen::Ping(vec![1; 125]),
        Seen::Pong(b"from the server".into()),
        Seen::Binary(binary.clone()),
        Seen::Text("".into()),
    ];
    let at_client = vec![
        Seen::Text(text),
        Seen::Pong(b"first".into()),
        Seen::Ping(b"from the server".into()),
        Seen::Pong(vec![1; 125]),
        Seen::Binary(binary),
        Seen::Text("".into()),
    ];
    [at_server, at_client]
}

/// Sorts the events: the order of our Pong and the other end's answers depends on the sizes in transit.
fn sorted(seen: &[Seen]) -> Vec<String> {
    let mut seen: Vec<_> = seen.iter().map(|seen| format!("{seen:?}")).collect();
    seen.sort();
    seen
}

fn messages(seen: &[Seen]) -> Vec<&Seen> {
    seen.iter().filter(|seen| matches!(seen, Seen::Text(_) | Seen::Binary(_))).collect()
}

#[test]
fn a_transport_of_one_byte_at_a_time() {
    for server_closes in [true, false] {
        let mut pair = pair_byte_by_byte();
        let [at_server, at_client] = talk(&mut pair);
        assert_eq!(messages(&pair.at_server), messages(&at_server));
        assert_eq!(messages(&pair.at_client), messages(&at_client));
        assert_eq!((sorted(&pair.at_server), sorted(&pair.at_client)), (sorted(&at_server), sorted(&at_client)));

        if server_closes {
            pair.server.sender.close(CloseCode::GOING_AWAY, "bye").unwrap();
        } else {
            pair.client.sender.close(CloseCode::GOING_AWAY, "bye").unwrap();
        }
        pair.settle();
        let close = Seen::Close { code: Some(1001), reason: "bye".into(), cut_short: false };
        assert_eq!((pair.at_server.last(), pair.at_client.last()), (Some(&close), Some(&close)));
        assert_eq!(pair.server.sender.transport(), Transport::CloseNow);
        assert_eq!(pair.client.sender.transport(), Transport::AwaitEnd);
        assert_eq!(pair.server.receiver.end_of_input(), Ok(()));
        assert_eq!(pair.client.receiver.end_of_input(), Ok(()));
    }
}

/// The same, when one end sends more than the other can store: it learns why, behind all echoes.
#[test]
fn one_byte_at_a_time_until_a_message_is_too_large() {
    let mut pair = pair_byte_by_byte();
    let [mut at_server, mut at_client] = talk(&mut pair);
    pair.client.sender.send_text("the last one").unwrap();
    pair.client.sender.send_binary(&[0; 201]).unwrap();
    pair.settle();
    let failure = Failure::FrameTooLong { len: 201, limit: 200 };
    at_server.extend([Seen::Text("the last one".into()), Seen::Failed(failure)]);
    at_client.push(Seen::Text("the last one".into()));
    at_client.push(Seen::Close { code: Some(1009), reason: "frame too long".into(), cut_short: false });
    assert_eq!((sorted(&pair.at_server), sorted(&pair.at_client)), (sorted(&at_server), sorted(&at_client)));
    assert_eq!(pair.at_client.last(), at_client.last());
    assert_eq!(pair.server.sender.transport(), Transport::CloseNow);
    assert_eq!(pair.client.sender.transport(), Transport::AwaitEnd);
    assert_eq!(pair.server.receiver.end_of_input(), Err(UncleanEnd::Failed(failure)));
    assert_eq!(pair.client.receiver.end_of_input(), Ok(()));
}

/// A slow reader of an output that stays full decides how often bytes are moved, but not how many: pending bytes stay
/// in their place in memory, or are few, or follow at least as many written bytes. (Moving them each time took 7 µs for
/// each frame of 100 bytes with 1 MiB.)
#[test]
fn a_full_output_moves_few_bytes_however_slowly_it_is_read() {
    for capacity in [600, 4000, 5000, 100_000, 1 << 20] {
        for taken in [1, 7, 102, 131, 5000] {
            let config = Config::new().high_water(usize::MAX);
            let stores = [fixed(400), fixed(capacity), fixed(400), fixed(400)];
            let (mut server, _) = open_in(config, stores);
            let tx = &mut server.sender;
            let (mut number, mut sent, mut wire, mut moved, mut written) = (0_u32, Vec::new(), Vec::new(), 0, 0);
            // Until the output was filled and emptied a few times, or long enough to measure.
            while written < (3 * capacity).min(taken * 20_000) {
                let before = tx.pending().as_ptr();
                let payload = [&number.to_be_bytes()[..], &[7; 96]].concat();
                let waiting = tx.backlog();
                let outcome = if number % 5 == 0 {
                    tx.vectored_frame(&payload[..]).map(|frame| frame.sent(0))
                } else {
                    tx.send_binary(&payload)
                };
                match outcome {
                    Ok(()) => {
                        // The limit is exact to the last byte, wherever the output begins.
                        assert!(waiting + 102 <= capacity - 127);
                        number += 1;
                        sent.push((0x82, payload));
                        if tx.pending().as_ptr() != before {
                            moved += waiting;
                            assert!(
                                waiting <= 4096 || written >= waiting,
                                "{waiting} bytes of {capacity} moved at once"
                            );
                        }
                    }
                    Err(SendError::Backlog { waiting: found, limit }) => {
                        assert_eq!((found, limit), (waiting, capacity - 127));
                        assert!(waiting + 102 > limit);
                        let count = taken.min(tx.pending().len());
                        wire.extend_from_slice(&tx.pending()[..count]);
                        tx.consume(count);
                        written += count;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(
                capacity <= 5000 || moved <= written,
                "{capacity} in steps of {taken}: {moved} bytes moved for {written}"
            );
            while !tx.is_empty() {
                wire.extend_from_slice(tx.pending());
                tx.consume(usize::MAX);
            }
            assert!(frames(&wire) == sent, "{capacity} in steps of {taken}");
        }
    }
}

/// A Pong that waits separately goes before the next frame. If it wraps around in the output, the whole frame follows
/// it.
#[test]
fn a_vectored_frame_follows_a_pong_that_wraps_around() {
    let (mut server, _) = open_in(Config::new(), [fixed(400), fixed(5000), fixed(400), fixed(400)]);
    let mut wire = Vec::new();
    let write = |tx: &mut Sender<_, _>, wire: &mut Vec<u8>, count: usize| {
        wire.extend_from_slice(&tx.pending()[..count]);
        tx.consume(count);
    };
    server.sender.send_binary(&[7; 4846]).unwrap();
    write(&mut server.sender, &mut wire, 100);
    // 4848 bytes wait, up to the 4948th of 5000.
    server.sender.send_binary(&[8; 96]).unwrap();
    peer_sends(&mut server, 0, 0x89, &[9; 125]);
    write(&mut server.sender, &mut wire, 400);
    let vectored = server.sender.vectored_frame(b"x").unwrap();
    let parts = vectored.parts().concat();
    vectored.sent(parts.len());
    wire.extend_from_slice(&parts);
    while !server.sender.is_empty() {
        let count = server.sender.pending().len();
        write(&mut server.sender, &mut wire, count);
    }
    let expected = [(0x82, vec![7; 4846]), (0x82, vec![8; 96]), (0x8A, vec![9; 125]), (0x82, b"x".to_vec())];
    assert!(frames(&wire) == expected);
}

/// The parts of a vectored write are whole and in order, also when the output wraps around in its array.
#[test]
fn a_vectored_frame_follows_an_output_that_wraps_around() {
    let stores = [fixed(400), fixed(6000), fixed(400), fixed(400)];
    let (mut server, _) = open_in(Config::new(), stores);
    let tx = &mut server.sender;
    let (mut sent, mut wire, mut rounds) = (Vec::new(), Vec::new(), 0);
    for number in 0..1000_usize {
        let payload = vec![number as u8; 126 + number % 200];
        rounds += usize::from(tx.pending().len() < tx.backlog());
        let written = tx.vectored_frame(&payload[..]).map(|frame| {
            let mut parts = frame.parts().concat();
            parts.truncate(if number % 3 == 0 { number % 700 } else { 0 });
            frame.sent(parts.len());
            parts
        });
        match written {
            Ok(written) => {
                wire.extend(written);
                sent.push((0x82, payload));
            }
            Err(_) => {
                let count = tx.pending().len().min(400);
                wire.extend_from_slice(&tx.pending()[..count]);
                tx.consume(count);
            }
        }
    }
    while !tx.is_empty() {
        wire.extend_from_slice(tx.pending());
        tx.consume(usize::MAX);
    }
    assert!(rounds > 100, "{rounds} frames behind an output in two pieces");
    assert!(frames(&wire) == sent);
}

/// A code point that reads have cut takes all of its bytes in the store, not only those of the last read.
#[test]
fn a_cut_code_point_that_does_not_fit_is_a_message_that_is_too_long() {
    let text = ["abc", &"x".repeat(498), "🦀", &"y".repeat(20)].concat();
    for cut in 0..=4 {
        let (mut server, _) = open_in(Config::new(), [500, 2000, 500, 2000].map(fixed));
        let wire = frame(0x81, text.as_bytes(), true);
        let start = wire.len() - text.len();
        // Two bytes are free in the store when the code point begins, because the first chunk is not stored.
        let at = [start + 3, start + 501 + cut, start + 502 + cut];
        let mut pieces = pieces(&wire, &at).into_iter().map(<[u8]>::to_vec);
        let mut chunk = pieces.next().unwrap();
        let mut chunk = Input::new(&mut chunk);
        assert!(server.receiver.next_chunk(&mut chunk, &mut server.sender).is_some());
        assert!(server.receiver.next_chunk(&mut chunk, &mut server.sender).is_none());
        let outcome = pieces.find_map(|mut piece| {
            let event = server.receiver.next_message(&mut Input::new(&mut piece), &mut server.sender)?;
            Some(matches!(event, Event::Failed(Failure::MessageTooLong { len: 501.., limit: 500 })))
        });
        assert_eq!(outcome, Some(true), "{cut} bytes of it in the first read");
    }
}

/// A text that is too long before its wrong byte is too long, whatever a read brings of it.
#[test]
fn a_text_that_is_too_long_and_wrong_fails_at_what_comes_first() {
    let text = ["abc".as_bytes(), &[b'x'; 600], b"\xFF", &[b'y'; 100]].concat();
    for size in [1, 7, 1000] {
        let (mut server, _) = open_in(Config::new(), [500, 2000, 500, 2000].map(fixed));
        let mut wire = frame(0x81, &text, true);
        let mut body = wire.split_off(wire.len() - text.len() + 3);
        let mut input = Input::new(&mut wire);
        assert!(server.receiver.next_chunk(&mut input, &mut server.sender).is_some());
        assert!(server.receiver.next_chunk(&mut input, &mut server.sender).is_none());
        let failed = body.chunks_mut(size).find_map(|read| {
            let event = server.receiver.next_message(&mut Input::new(read), &mut server.sender)?;
            Some(matches!(event, Event::Failed(Failure::MessageTooLong { len: 501.., limit: 500 })))
        });
        assert_eq!(failed, Some(true), "reads of {size}");
    }
}
