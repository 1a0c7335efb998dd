//! A message of one frame that is sent in pieces: what may follow its header, what waits until it is complete, and a
//! relay that passes frames on as they are received.

mod common;

use common::{
    Part::*,
    cuts::{every_cut, pieces},
    encode, frame, frames, open, open_in,
};
use websocket_proto::{
    Chunk, ChunkEvent, Config, Connection, FixedStorage, Input, Kind, Reply, Role, SendError, Sender, Storage,
    Transport, frame::CloseCode,
};

/// Runs a test with the connection of either role. `$masked` is whether its frames are masked.
macro_rules! in_both_roles {
    ($config:expr, |$connection:ident, $masked:ident| $body:block) => {{
        let (mut server, mut client) = open($config);
        {
            let ($connection, $masked) = (&mut server, false);
            $body
        }
        {
            let ($connection, $masked) = (&mut client, true);
            $body
        }
    }};
}

fn drain<R: Role, S: Storage>(tx: &mut Sender<R, S>) -> Vec<u8> {
    let mut sent = Vec::new();
    while !tx.is_empty() {
        sent.extend_from_slice(tx.pending());
        tx.consume(tx.pending().len());
    }
    sent
}

fn receive<R: Role, I: Storage, O: Storage>(connection: &mut Connection<R, I, O>, mut bytes: Vec<u8>) {
    let Connection { receiver: rx, sender: tx } = connection;
    let mut input = Input::new(&mut bytes);
    while rx.next_message(&mut input, tx).is_some() {}
}

#[test]
fn pieces_of_any_length_are_one_frame() {
    for len in [0, 1, 5, 125, 126, 65535, 65536] {
        let payload: Vec<u8> = (0..len).map(|index| index as u8).collect();
        for cuts in every_cut(len).filter(|cuts| len < 1000 || cuts.len() == 1) {
            in_both_roles!(Config::new(), |connection, _masked| {
                let tx = &mut connection.sender;
                tx.begin_frame(Kind::Binary, len as u64).unwrap();
                let mut sent = drain(tx);
                for piece in pieces(&payload, &cuts) {
                    tx.send_payload(piece).unwrap();
                    sent.extend(drain(tx));
                }
                assert_eq!(tx.payload_remaining(), 0);
                tx.send_text("next").unwrap();
                sent.extend(drain(tx));
                assert_eq!(frames(&sent), [(0x82, payload.clone()), (0x81, b"next".to_vec())], "{cuts:?}");
            });
        }
    }
}

#[test]
fn only_payload_of_the_right_kind_and_length_is_sent_inside_a_frame() {
    in_both_roles!(Config::new(), |connection, _masked| {
        let tx = &mut connection.sender;
        assert_eq!(tx.payload_remaining(), 0);
        assert_eq!(tx.send_payload(""), Ok(()));
        assert_eq!(tx.send_payload("x"), Err(SendError::BeyondFrame { len: 1, remaining: 0 }));

        tx.begin_frame(Kind::Text, 5).unwrap();
        tx.send_payload("ab").unwrap();
        assert_eq!(tx.payload_remaining(), 3);
        let before = tx.pending().to_vec();
        assert_eq!(tx.send_text("x"), Err(SendError::MessageOpen));
        assert_eq!(tx.send_text_fragment("x", false), Err(SendError::MessageOpen));
        assert_eq!(tx.vectored_frame("x").err(), Some(SendError::MessageOpen));
        assert_eq!(tx.begin_frame(Kind::Text, 1), Err(SendError::MessageOpen));
        assert_eq!(tx.send_ping(b""), Err(SendError::MessageOpen));
        assert_eq!(tx.send_pong(b""), Err(SendError::MessageOpen));
        assert_eq!(tx.close(CloseCode::NORMAL, ""), Err(SendError::MessageOpen));
        assert_eq!(tx.close_without_code(), Err(SendError::MessageOpen));
        assert_eq!(tx.send_payload(b"cde"), Err(SendError::MessageOpen), "binary in a text");
        assert_eq!(tx.send_payload("cdef"), Err(SendError::BeyondFrame { len: 4, remaining: 3 }));
        assert_eq!(tx.pending(), before);
        assert!(tx.is_open());

        tx.send_payload("").unwrap();
        tx.send_payload("cde").unwrap();
        tx.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(tx.begin_frame(Kind::Text, 1), Err(SendError::Closing));
        assert_eq!(tx.send_payload("x"), Err(SendError::Closing));
        assert_eq!(frames(&drain(tx)), [(0x81, b"abcde".to_vec()), (0x88, vec![3, 0xE8])]);
    });
}

#[test]
fn a_frame_cannot_begin_inside_a_fragmented_message() {
    in_both_roles!(Config::new(), |connection, _masked| {
        connection.sender.send_text_fragment("a", false).unwrap();
        assert_eq!(connection.sender.begin_frame(Kind::Text, 1), Err(SendError::MessageOpen));
        assert_eq!(connection.sender.send_payload("x"), Err(SendError::MessageOpen));
    });
}

#[test]
fn a_length_has_63_bits() {
    in_both_roles!(Config::new(), |connection, masked| {
        let most = u64::MAX >> 1;
        let tx = &mut connection.sender;
        // The error has the most that a machine of 32 bits can say.
        let [len, limit] = [most + 1, most].map(|len| usize::try_from(len).unwrap_or(usize::MAX));
        assert_eq!(tx.begin_frame(Kind::Binary, most + 1), Err(SendError::FrameTooLong { len, limit }));
        assert!(tx.is_empty());
        tx.begin_frame(Kind::Binary, most).unwrap();
        assert_eq!(tx.pending()[1..10], [127 | u8::from(masked) << 7, 0x7F, 255, 255, 255, 255, 255, 255, 255]);
        tx.send_payload(b"abc").unwrap();
        assert_eq!(tx.payload_remaining(), most - 3);
    });
}

#[test]
fn of_the_pongs_inside_a_frame_the_newest_follows_it() {
    in_both_roles!(Config::new(), |connection, masked| {
        connection.sender.begin_frame(Kind::Binary, 4).unwrap();
        receive(connection, encode(&[F(0x89, b"1"), F(0x89, b"2")], !masked));
        connection.sender.send_payload(b"ab").unwrap();
        receive(connection, encode(&[F(0x89, b"3")], !masked));
        let mut sent = drain(&mut connection.sender);
        connection.sender.send_payload(b"cd").unwrap();
        receive(connection, encode(&[F(0x89, b"4")], !masked));
        sent.extend(drain(&mut connection.sender));
        assert_eq!(frames(&sent), [(0x82, b"abcd".to_vec()), (0x8A, b"3".to_vec()), (0x8A, b"4".to_vec())]);
    });
}

/// The answer to a Close and the explanation of a failure follow the frame, and until then the transport stays.
#[test]
fn the_last_close_follows_the_frame() {
    for (last, expected) in [(F(0x88, &[3, 0xE9]), vec![3, 0xE9]), (F(0x83, b""), b"\x03\xEAreserved opcode".to_vec())]
    {
        in_both_roles!(Config::new(), |connection, masked| {
            connection.sender.begin_frame(Kind::Text, 2).unwrap();
            receive(connection, encode(&[F(0x89, b"no answer"), last], !masked));
            assert!(!connection.sender.is_open());
            let mut sent = drain(&mut connection.sender);
            assert_eq!(connection.sender.transport(), Transport::Closing);
            connection.sender.send_payload("a").unwrap();
            sent.extend(drain(&mut connection.sender));
            assert_eq!(connection.sender.transport(), Transport::Closing, "the frame is not complete");
            connection.sender.send_payload("b").unwrap();
            assert_eq!(connection.sender.transport(), Transport::Closing, "the Close is not written");
            sent.extend(drain(&mut connection.sender));
            assert_ne!(connection.sender.transport(), Transport::Closing);
            assert_eq!(frames(&sent), [(0x81, b"ab".to_vec()), (0x88, expected.clone())]);
            assert_eq!(connection.sender.send_payload("c"), Err(SendError::Closing));
        });
    }
}

/// Inside a frame the held Close is not dropped for a reply that is given again.
#[test]
fn a_reply_that_is_given_twice_sends_one_close() {
    in_both_roles!(Config::new(), |connection, masked| {
        let Connection { receiver: rx, sender: tx } = connection;
        tx.begin_frame(Kind::Text, 1).unwrap();
        let mut bytes = encode(&[F(0x88, &[3, 0xE9])], !masked);
        let mut twice = |reply: Reply<'_>| [reply; 2].into_iter().for_each(|reply| tx.reply(reply));
        assert!(rx.next_message(&mut Input::new(&mut bytes), &mut twice).is_some());
        assert_eq!((tx.transport(), tx.backlog()), (Transport::Closing, tx.pending().len()));
        tx.send_payload("a").unwrap();
        assert_eq!(frames(&drain(tx)), [(0x81, b"a".to_vec()), (0x88, vec![3, 0xE9])]);
    });
}

#[test]
fn a_lost_transport_ends_the_frame() {
    in_both_roles!(Config::new(), |connection, _masked| {
        connection.sender.begin_frame(Kind::Text, 2).unwrap();
        connection.sender.transport_lost();
        assert_eq!(connection.sender.payload_remaining(), 0);
        assert_eq!(connection.sender.send_payload("a"), Err(SendError::TransportLost));
        assert_eq!(connection.sender.transport(), Transport::CloseNow);
    });
}

/// In an array, a frame may be far longer than the array. A piece that does not fit yet can be sent later, and a Close
/// always fits.
#[test]
fn a_frame_may_be_longer_than_the_store() {
    const CAPACITY: usize = 300;
    let mut arrays = [[0; CAPACITY]; 4];
    let (mut server, mut client) =
        open_in(Config::new(), arrays.each_mut().map(|array| FixedStorage::new(&mut array[..])));
    let limit = CAPACITY - 127; // a Close of a server
    let payload: Vec<u8> = (0..10_000).map(|index| (index % 251) as u8).collect();
    let tx = &mut server.sender;
    tx.begin_frame(Kind::Binary, 10_000).unwrap();
    let too_long = SendError::FrameTooLong { len: limit + 1, limit };
    assert_eq!(tx.send_payload(&payload[..limit + 1]), Err(too_long));
    // A header of 4 bytes waits.
    assert_eq!(tx.send_payload(&payload[..limit - 3]), Err(SendError::Backlog { waiting: 4, limit }));
    tx.send_payload(&payload[..limit - 4]).unwrap();
    assert_eq!(tx.send_payload(b"x"), Err(SendError::Backlog { waiting: limit, limit }));
    receive(&mut server, frame(0x88, &[b"\x03\xE8"[..].to_vec(), vec![b'r'; 123]].concat(), true));

    let mut received = Vec::new();
    let mut rest = &payload[limit - 4..];
    let mut closed = false;
    while server.sender.transport() == Transport::Closing {
        let mut bytes = drain(&mut server.sender);
        let mut input = Input::new(&mut bytes);
        while let Some(event) = client.receiver.next_chunk(&mut input, &mut client.sender) {
            match event {
                ChunkEvent::Binary(Chunk { data, .. }) => received.extend_from_slice(data),
                ChunkEvent::Close { reason, .. } => closed = reason.len() == 123,
                event => panic!("{event:?}"),
            }
        }
        let (piece, after) = rest.split_at(rest.len().min(99));
        if !piece.is_empty() {
            server.sender.send_payload(piece).unwrap();
        }
        rest = after;
    }
    assert!(closed);
    assert!(received == payload);
}

/// The header of the frame is limited like any other.
#[test]
fn a_frame_does_not_begin_beyond_the_limit() {
    in_both_roles!(Config::new().high_water(20), |connection, masked| {
        let tx = &mut connection.sender;
        let waiting = if masked { 16 } else { 12 };
        tx.send_text("0123456789").unwrap();
        let header = if masked { 14 } else { 10 };
        let begun = tx.begin_frame(Kind::Binary, 70_000);
        assert_eq!(begun, Err(SendError::Backlog { waiting, limit: 20 }), "{header} bytes");
        assert_eq!((tx.pending().len(), tx.payload_remaining()), (waiting, 0));
        tx.consume(waiting);
        tx.begin_frame(Kind::Binary, 70_000).unwrap();
        assert_eq!(tx.pending().len(), header);
    });
}

/// Passes messages on.
fn relay<R: Role, S: Storage>(event: ChunkEvent<'_>, tx: &mut Sender<R, S>) -> Result<(), SendError> {
    match event {
        ChunkEvent::Text(chunk) => tx.send_chunk(chunk),
        ChunkEvent::Binary(chunk) => tx.send_chunk(chunk),
        event => panic!("{event:?}"),
    }
}

#[test]
fn a_relay_passes_on_frames_however_they_are_cut() {
    let long: Vec<u8> = (0..400).map(|index| index as u8).collect();
    let text = "a\u{E9}\u{20AC}\u{1F600}z";
    let sent = [(0x82, &long[..]), (0x81, text.as_bytes()), (0x81, b""), (0x82, b"x")];
    let wire = encode(&sent.map(|(first, payload)| F(first, payload)), true);
    for cuts in every_cut(wire.len()) {
        let (mut server, mut client) = open(Config::new());
        let mut passed_on = Vec::new();
        for piece in pieces(&wire, &cuts) {
            let mut bytes = piece.to_vec();
            let mut input = Input::new(&mut bytes);
            while let Some(event) = server.receiver.next_chunk(&mut input, &mut server.sender) {
                relay(event, &mut client.sender).unwrap();
                passed_on.extend(drain(&mut client.sender));
            }
        }
        let expected: Vec<_> = sent.iter().map(|(first, payload)| (*first, payload.to_vec())).collect();
        assert_eq!(frames(&passed_on), expected, "{cuts:?}");
    }
}

/// The message stays the same, and the frames of a fragmented one may become others.
#[test]
fn a_relay_passes_on_fragments() {
    let wire = encode(&[F(0x01, b"in "), F(0x00, b""), F(0x00, b"four "), F(0x80, b"parts"), F(0x82, b"x")], true);
    for cuts in every_cut(wire.len()) {
        let (mut server, mut client) = open(Config::new());
        for piece in pieces(&wire, &cuts) {
            let mut bytes = piece.to_vec();
            let mut input = Input::new(&mut bytes);
            while let Some(event) = server.receiver.next_chunk(&mut input, &mut server.sender) {
                relay(event, &mut client.sender).unwrap();
            }
        }
        let passed_on = frames(&drain(&mut client.sender));
        let (last, fragments) = passed_on.split_last().unwrap();
        assert_eq!(last, &(0x82, b"x".to_vec()));
        let text: Vec<u8> = fragments.iter().flat_map(|(_, payload)| payload.clone()).collect();
        assert_eq!(text, b"in four parts", "{cuts:?}");
        assert_eq!((fragments[0].0, fragments.last().unwrap().0), (0x01, 0x80), "{cuts:?}");
    }
}

/// A chunk that does not fit can be sent again: neither its frame nor a part of it was begun.
#[test]
fn a_chunk_is_sent_whole_or_not_at_all() {
    in_both_roles!(Config::new().high_water(30), |connection, masked| {
        let tx = &mut connection.sender;
        tx.send_text("0123456789").unwrap();
        let waiting = tx.backlog();
        let first = Chunk { data: "a chunk of 20 bytes.", first: true, last: false, remaining: Some(5) };
        assert_eq!(tx.send_chunk(first), Err(SendError::Backlog { waiting, limit: 30 }));
        assert_eq!((tx.backlog(), tx.payload_remaining()), (waiting, 0), "{masked}");
        drain(tx);
        tx.send_chunk(first).unwrap();
        tx.send_chunk(Chunk { data: "", first: false, last: false, remaining: Some(5) }).unwrap();
        let last = Chunk { data: "12345", first: false, last: true, remaining: Some(0) };
        let header = if masked { 6 } else { 2 };
        if masked {
            assert_eq!(tx.send_chunk(last), Err(SendError::Backlog { waiting: header + 20, limit: 30 }));
        }
        let mut sent = drain(tx);
        tx.send_chunk(last).unwrap();
        sent.extend(drain(tx));
        assert_eq!(frames(&sent), [(0x81, b"a chunk of 20 bytes.12345".to_vec())]);
    });
}

/// If nothing waits, a chunk may be longer than the limit, as a message may.
#[test]
fn a_chunk_over_the_limit_is_sent_if_nothing_waits() {
    in_both_roles!(Config::new().high_water(30), |connection, _masked| {
        let tx = &mut connection.sender;
        let data = [b'a'; 40];
        tx.send_chunk(Chunk { data: &data[..], first: true, last: false, remaining: Some(1) }).unwrap();
        let mut sent = drain(tx);
        tx.send_chunk(Chunk { data: &b"b"[..], first: false, last: true, remaining: Some(0) }).unwrap();
        sent.extend(drain(tx));
        assert_eq!(frames(&sent), [(0x82, [&data[..], b"b"].concat())]);
    });
}

/// If the source of a message is lost, the chunks of the next source do not continue the message. And if the
/// destination is a new one, the rest of a message does not become a message.
#[test]
fn chunks_of_two_messages_do_not_become_one() {
    for remaining in [Some(5), None] {
        in_both_roles!(Config::new(), |connection, _masked| {
            let tx = &mut connection.sender;
            tx.send_chunk(Chunk { data: "ab", first: true, last: false, remaining }).unwrap();
            let backlog = tx.backlog();
            for (last, remaining) in [(true, Some(0)), (false, Some(3)), (false, None)] {
                let first = Chunk { data: "cd", first: true, last, remaining };
                assert_eq!(tx.send_chunk(first), Err(SendError::MessageOpen), "{first:?}");
            }
            assert_eq!(tx.backlog(), backlog);
        });
        in_both_roles!(Config::new(), |connection, _masked| {
            let rest = Chunk { data: "cd", first: false, last: remaining.is_none(), remaining };
            let error = Err(SendError::BeyondFrame { len: 2, remaining: 0 });
            assert_eq!(connection.sender.send_chunk(rest), error);
            assert!(connection.sender.is_empty());
        });
    }
}

/// What is announced to follow a chunk does follow it. It is known as soon as the last frame has begun.
#[test]
fn what_follows_a_chunk_is_known_in_the_last_frame() {
    let text = "a\u{20AC}b\u{1F600}";
    let (front, back) = text.as_bytes().split_at(3); // inside a code point
    let streams = [
        (vec![F(0x81, text.as_bytes())], 0),
        (vec![F(0x01, front), F(0x89, b"ping"), F(0x80, back)], 1),
        (vec![F(0x02, front), F(0x00, b""), F(0x80, back)], 3),
        (vec![F(0x02, front), F(0x80, b"")], 3),
    ];
    for (parts, unknown) in streams {
        let wire = encode(&parts, true);
        for cuts in every_cut(wire.len()) {
            let (mut server, _) = open(Config::new());
            let mut chunks = Vec::new();
            for piece in pieces(&wire, &cuts) {
                let mut bytes = piece.to_vec();
                let mut input = Input::new(&mut bytes);
                while let Some(event) = server.receiver.next_chunk(&mut input, &mut |_: websocket_proto::Reply<'_>| {})
                {
                    match event {
                        ChunkEvent::Text(chunk) => chunks.push((chunk.data.len(), chunk.last, chunk.remaining)),
                        ChunkEvent::Binary(chunk) => chunks.push((chunk.data.len(), chunk.last, chunk.remaining)),
                        _ => {}
                    }
                }
            }
            let total: usize = chunks.iter().map(|(len, ..)| len).sum();
            let mut given = 0;
            for (len, last, remaining) in chunks {
                given += len;
                assert_eq!(
                    remaining,
                    (given > unknown).then_some((total - given) as u64).or(last.then_some(0)),
                    "{cuts:?}"
                );
            }
        }
    }
}

/// A compressed message has no length that is known before it is decompressed; its last chunk ends it all the same.
#[cfg(feature = "deflate")]
#[test]
fn what_follows_a_compressed_chunk_is_not_known() {
    let (mut server, mut client) = open(Config::new().deflate(websocket_proto::deflate::Config::new()));
    client.sender.send_text(&"compressed ".repeat(1000)).unwrap();
    let mut bytes = drain(&mut client.sender);
    assert_eq!(bytes[0], 0xC1);
    let mut input = Input::new(&mut bytes);
    let mut told = Vec::new();
    while let Some(event) = server.receiver.next_chunk(&mut input, &mut server.sender) {
        let ChunkEvent::Text(Chunk { last, remaining, .. }) = event else { panic!("{event:?}") };
        told.push((last, remaining));
    }
    let (end, before) = told.split_last().unwrap();
    assert_eq!(*end, (true, Some(0)));
    assert!(!before.is_empty() && before.iter().all(|told| *told == (false, None)));

    // A frame that is begun is not compressed.
    client.sender.begin_frame(Kind::Text, 2).unwrap();
    client.sender.send_payload("ab").unwrap();
    let mut bytes = drain(&mut client.sender);
    assert_eq!(bytes[0], 0x81);
    let mut input = Input::new(&mut bytes);
    assert_eq!(server.receiver.next_message(&mut input, &mut server.sender), Some(websocket_proto::Event::Text("ab")));
}
