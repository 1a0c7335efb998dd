//! Counts of what passes, however it is cut.

mod common;

use common::{
    Part::*,
    cuts::{every_cut, pieces},
    encode, open,
};
use websocket_proto::{Config, Count, Input, ReadBuffer, Traffic};

fn counts(bytes: u64, payload: u64, [frames, messages, pings, pongs]: [u64; 4]) -> String {
    let mut count = Count::default();
    (count.bytes, count.payload, count.frames, count.messages) = (bytes, payload, frames, messages);
    (count.pings, count.pongs) = (pings, pongs);
    format!("{count:?}")
}

#[test]
fn every_frame_is_counted_wherever_reads_cut_it() {
    let parts = [
        F(0x81, b"text"),
        F(0x01, b"be"),
        F(0x89, b"ping"),
        F(0x00, b""),
        F(0x80, b"gin"),
        F(0x8A, b""),
        Long(0x82, 300),
        F(0x82, b""),
        F(0x88, b"\x03\xE8"),
    ];
    for masked in [true, false] {
        let wire = encode(&parts, masked);
        for cuts in every_cut(wire.len()) {
            let mut traffic = Traffic::new();
            for piece in pieces(&wire, &cuts) {
                let mut bytes = piece.to_vec();
                traffic.add_received(&Input::new(&mut bytes));
                traffic.add_sent(piece);
            }
            let expected = counts(wire.len() as u64, 309, [9, 4, 1, 1]);
            assert_eq!(format!("{:?}", traffic.received()), expected, "{cuts:?}");
            assert_eq!(format!("{:?}", traffic.sent()), expected, "{cuts:?}");
        }
    }
}

#[test]
fn a_message_counts_when_it_is_complete() {
    let mut traffic = Traffic::new();
    traffic.add_sent(b"\x82\x02a");
    assert_eq!((traffic.sent().frames, traffic.sent().messages), (1, 0));
    traffic.add_sent(b"");
    traffic.add_sent(b"b");
    assert_eq!((traffic.sent().frames, traffic.sent().messages), (1, 1));
}

/// Of a vectored write the transport may take any part; the rest is added when it is written.
#[test]
fn a_vectored_frame_is_counted_as_it_is_taken() {
    for taken in 0..20 {
        let (mut server, _) = open(Config::new());
        let mut traffic = Traffic::new();
        server.sender.send_text("first").unwrap();
        let frame = server.sender.vectored_frame(b"second").unwrap();
        traffic.add_sent_frame(&frame, taken);
        assert_eq!(traffic.sent().bytes, taken.min(15) as u64);
        frame.sent(taken);
        traffic.add_sent(server.sender.pending());
        assert_eq!(format!("{:?}", traffic.sent()), counts(15, 11, [2, 2, 0, 0]), "{taken}");
    }
}

/// After something that is no header, only bytes are counted.
#[test]
fn what_is_not_a_frame_is_counted_in_bytes() {
    let mut traffic = Traffic::new();
    traffic.add_sent(b"\x82\x00\x83\x00\x82\x00\x82\x00");
    traffic.add_sent(b"\x82\x00");
    assert_eq!(format!("{:?}", traffic.sent()), counts(10, 0, [1, 1, 0, 0]));
}

/// A read that goes directly to the receiver's store is counted, too.
#[test]
fn reads_into_the_store_are_counted() {
    let (mut server, mut client) = open(Config::new());
    client.sender.send_binary(&vec![7; 150_000]).unwrap();
    client.sender.send_ping(b"x").unwrap();
    let wire = client.sender.pending().to_vec();
    let (mut traffic, mut buffer, mut direct) = (Traffic::new(), ReadBuffer::new(vec![0; 10_000]), 0);
    let mut rest = &wire[..];
    while !rest.is_empty() {
        let room = buffer.room_for(&mut server.receiver);
        let count = room.len().min(rest.len());
        let (front, after) = rest.split_at(count);
        room[..count].copy_from_slice(front);
        rest = after;
        let mut input = buffer.received(count);
        direct += usize::from(input.remaining().is_empty());
        traffic.add_received(&input);
        while server.receiver.next_message(&mut input, &mut server.sender).is_some() {}
    }
    assert!(direct > 0, "some reads go to the store");
    assert_eq!(format!("{:?}", traffic.received()), counts(wire.len() as u64, 150_000, [2, 1, 1, 0]));
    assert_eq!(
        traffic.to_string(),
        "received 1 message and 1 Ping in 2 frames (150021 bytes, payload 150000); \
         sent 0 messages in 0 frames (0 bytes, payload 0)"
    );
}
