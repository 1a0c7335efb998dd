//! The path of a text message from the wire to the event: `run` counts its functions.
#![cfg(feature = "alloc")]

use std::hint::black_box;

use websocket_proto::{
    Config, Connection, Event, Input, Receiver, Sender, Server,
    frame::{FirstByte, Header, MaskingKey, Opcode},
    server,
};

const TEXT: &str = "A text of eighty-seven bytes in two masked fragments, that arrive in three reads of it.";

fn fragment(opcode: Opcode, fin: bool, payload: &str) -> Vec<u8> {
    let key = MaskingKey([0x37, 0xfa, 0x21, 0x3d]);
    let header =
        Header { first: FirstByte { fin, rsv: 0, opcode }, mask: Some(key), payload_len: payload.len() as u64 };
    let mut frame = header.encode().as_slice().to_vec();
    frame.extend(payload.bytes());
    key.apply(&mut frame[header.encoded_len()..]);
    frame
}

/// Returns how many reads completed the message.
#[inline(never)]
fn three_reads(reads: [&mut [u8]; 3], rx: &mut Receiver<Server, Vec<u8>>, tx: &mut Sender<Server, Vec<u8>>) -> usize {
    let mut messages = 0;
    for read in reads {
        let mut input = Input::new(read);
        while let Some(event) = rx.next_message(&mut input, tx) {
            messages += usize::from(matches!(black_box(event), Event::Text(text) if text == TEXT));
        }
    }
    messages
}

#[test]
fn one_text_in_two_fragments_and_three_reads() {
    let mut request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec();
    let mut handshake = server::Handshake::new(Config::new());
    assert!(handshake.read(&mut Input::new(&mut request)));
    let connection = handshake.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).unwrap();
    let Connection { receiver: mut rx, sender: mut tx } = connection;

    let (front, end) = TEXT.split_at(40);
    let first = fragment(Opcode::Text, false, front);
    let second = fragment(Opcode::Continuation, true, end);
    let mut wire = [first.clone(), second].concat();
    // In the middle of the first payload, and behind the first byte of the second header.
    let (one, rest) = wire.split_at_mut(26);
    let (two, three) = rest.split_at_mut(first.len() + 1 - 26);
    assert_eq!(three_reads([one, two, three], &mut rx, &mut tx), 1);
}
