//! What memory is held, and when: counted by an allocator of this test's own.
#![cfg(feature = "alloc")]

mod common;
mod counting;

use common::{ClientEnd, ServerEnd, frame, header, open};
use counting::{Measured, NOTHING, measure};
use websocket_proto::{ChunkEvent, Config, Connection, EndOfInput, Event, Input, Receiver, Sender, Server, server};

/// Feeds bytes in pieces of this size; the number of messages seen.
fn feed(server: &mut ServerEnd, bytes: &mut [u8], size: usize) -> usize {
    let mut messages = 0;
    for piece in bytes.chunks_mut(size) {
        let mut input = Input::new(piece);
        while let Some(event) = server.receiver.next_message(&mut input, &mut server.sender) {
            messages += usize::from(matches!(event, Event::Text(_) | Event::Binary(_)));
        }
    }
    messages
}

#[test]
fn an_idle_connection_has_no_heap() {
    let mut ends = None;
    let Measured { left, .. } = measure(|| ends = Some(open(Config::new())));
    assert_eq!(left, 0, "out of the handshake");
    let (mut server, mut client) = ends.unwrap();
    let mut bytes = [frame(0x82, &[1; 5000], true), frame(0x81, b"text", true)].concat();
    let Measured { left, .. } = measure(|| assert_eq!(feed(&mut server, &mut bytes, 100), 2));
    assert_eq!(left, 0, "after messages in pieces");
    let Measured { left, .. } = measure(|| {
        server.sender.send_binary(&[0; 5000]).unwrap();
        client.sender.send_text("text").unwrap();
        server.sender.consume(usize::MAX);
        client.sender.consume(usize::MAX);
    });
    assert_eq!(left, 0, "after sending");
}

#[test]
fn a_warm_connection_allocates_nothing_for_a_message() {
    let (mut server, _) = open(Config::new().keep(16 << 10));
    let bytes = [frame(0x02, &[1; 3000], true), frame(0x80, &[2; 3000], true), frame(0x81, b"text", true)].concat();
    let mut round = |size| {
        let mut bytes = bytes.clone();
        measure(|| {
            assert_eq!(feed(&mut server, &mut bytes, size), 2);
            server.sender.send_binary(&[0; 5000]).unwrap();
            server.sender.consume(usize::MAX);
        })
    };
    round(100);
    for size in [1, 100, 5000, 100_000] {
        assert_eq!(round(size), NOTHING, "reads of {size}");
    }
    let Measured { left, .. } = measure(|| {
        server.receiver.release();
        server.sender.release();
    });
    assert!(left < 0, "released");
}

#[test]
fn messages_that_come_whole_are_never_copied() {
    let (mut server, _) = open(Config::new());
    let mut bytes = [frame(0x82, &[1; 60_000], true), frame(0x81, &[b'x'; 60_000], true)].concat();
    assert_eq!(measure(|| assert_eq!(feed(&mut server, &mut bytes, usize::MAX), 2)), NOTHING);
}

/// Threat 2: what a header announces costs nothing.
#[test]
fn announced_lengths_allocate_nothing() {
    let config = Config::new().max_frame(1 << 40).max_message(1 << 40);
    for announced in [
        header(0x82, &[127, 0, 0, 0, 0, 0x7F, 0, 0, 0], true),
        header(0x81, &[126, 0xFF, 0xFF], true),
        header(0x89, &[125], true),
    ] {
        let (mut server, _) = open(config);
        let mut bytes = announced;
        assert_eq!(measure(|| assert_eq!(feed(&mut server, &mut bytes, 1), 0)), NOTHING);
    }
    // And what has come of it costs what has come.
    let (mut server, _) = open(config);
    let mut bytes = [header(0x82, &[127, 0, 0, 0, 0, 0x7F, 0, 0, 0], true), vec![0; 10_000]].concat();
    let Measured { most, .. } = measure(|| assert_eq!(feed(&mut server, &mut bytes, 100), 0));
    assert!((10_000..=20_480).contains(&most), "{most} bytes for 10 000");
}

/// Threat 4: a million fragments, empty or of one byte, up to the limit and one over.
#[test]
fn fragments_cost_what_is_in_them() {
    let (mut server, _) = open(Config::new().max_fragments(1_000_000));
    let mut begin = frame(0x02, b"", true);
    let mut empty = frame(0x00, b"", true).repeat(1000);
    let Measured { most, .. } = measure(|| {
        feed(&mut server, &mut begin, 1);
        for _ in 0..999 {
            let mut empty = empty.clone();
            feed(&mut server, &mut empty, 1000);
        }
    });
    let clone = empty.len() as isize;
    assert!(most <= clone, "{most} bytes, {clone} of them the test's");
    assert_eq!(server.receiver.end_of_input(), Err(EndOfInput::InsideMessage));
    feed(&mut server, &mut empty, 1000);
    assert!(matches!(server.receiver.end_of_input(), Err(EndOfInput::Failed(_))));
}

/// A message many times larger than memory is allowed to be passes through in chunks.
#[test]
fn chunks_are_never_stored() {
    let (mut server, _) = open(Config::new().max_frame(1 << 40).max_message(1 << 40));
    let mut bytes = header(0x82, &[127, 0, 0, 0, 0, 0x10, 0, 0, 0], true); // 256 MiB
    let mut block = vec![0; 64 << 10];
    let mut received = 0;
    let Measured { allocations, .. } = measure(|| {
        let mut input = Input::new(&mut bytes);
        assert_eq!(server.receiver.next(&mut input, &mut server.sender), None);
        for _ in 0..4096 {
            let mut input = Input::new(&mut block);
            while let Some(ChunkEvent::Binary(chunk)) = server.receiver.next(&mut input, &mut server.sender) {
                received += chunk.data.len();
            }
        }
    });
    assert_eq!((allocations, received), (0, 256 << 20));
}

/// Threat 7: a head buys no more than its limit, whatever it is made of.
#[test]
fn heads_are_bounded() {
    let head = [b"GET / HTTP/1.1\r\n".to_vec(), b"X: y\r\n".repeat(100_000)].concat();
    let Measured { most, .. } = measure(|| {
        let mut handshake = server::Handshake::new(Config::new());
        for piece in head.chunks(7) {
            let mut piece = [piece, &[0; 7]].concat();
            if handshake.read(&mut Input::new(&mut piece[..7])) {
                break;
            }
        }
    });
    assert!(most < 64 << 10, "{most} bytes");
}

/// A refusal, a failure or a Close lets go of what was stored.
#[test]
fn a_failed_connection_holds_nothing() {
    for end in [frame(0x83, b"", true), frame(0x88, b"", true)] {
        let (mut server, _) = open(Config::new().keep(1 << 20));
        let mut bytes = [frame(0x02, &[1; 50_000], true), end].concat();
        measure(|| {
            feed(&mut server, &mut bytes, 1000);
        });
        server.sender.consume(usize::MAX);
        let held = -measure(|| drop(server)).left;
        assert!(held <= 256, "{held} bytes were held");
    }
}

/// Found by fuzzing: a Close whose code is wrong fails the connection before the rest of it has come.
#[test]
fn a_control_frame_that_fails_is_let_go_of() {
    let (mut server, _) = open(Config::new());
    let mut bytes = frame(0x88, &[0x01, 0x02, b'a', b'b'], true);
    let Measured { left, .. } = measure(|| {
        assert_eq!(feed(&mut server, &mut bytes, 1), 0);
        server.sender.consume(usize::MAX);
    });
    assert!(matches!(server.receiver.end_of_input(), Err(EndOfInput::Failed(_))));
    assert_eq!(left, 0);
}

/// State of an open connection without heap. The figures are of a 64-bit machine; with 32 bits it is less.
#[test]
fn a_connection_is_256_bytes() {
    let sizes = (size_of::<Receiver<Server, Vec<u8>>>(), size_of::<Sender<Server, Vec<u8>>>());
    assert!(size_of::<ServerEnd>() <= 256, "{sizes:?}");
    assert!(size_of::<ClientEnd>() <= size_of::<Connection<Server, Vec<u8>, Vec<u8>>>() + 16);
}
