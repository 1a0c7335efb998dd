//! How much memory is held, and when: counted by this test's allocator.
#![cfg(feature = "alloc")]

mod common;
mod counting;

use common::{ClientEnd, ServerEnd, frame, free_spare, header, open};
use counting::{Measured, NOTHING, measure};
use websocket_proto::{
    ChunkEvent, Config, Connection, Event, Input, OwnedEvent, OwnedMessage, Receiver, Reply, Role, Sender, Server,
    UncleanEnd, server,
};

/// Feeds bytes in pieces of this size. Returns the number of messages.
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

/// The memory that some work leaves, without the thread's spare memory.
fn left(work: impl FnOnce()) -> isize {
    free_spare();
    measure(|| {
        work();
        free_spare();
    })
    .left
}

/// An owned message that was assembled is the store's memory; one that was lent is copied, once.
#[test]
fn an_owned_message_is_moved_out_of_the_store() {
    for (first, text) in [(0x82, "b".repeat(100_000)), (0x81, "a".repeat(100_000)), (0x81, "ж".repeat(50_000))] {
        let (mut server, _) = open(Config::new());
        let wire = frame(first, text.as_bytes(), true);
        let cut = wire.len() - 1;
        assert_eq!(feed(&mut server, &mut wire[..cut].to_vec(), 7000), 0);
        let (mut last, mut event) = (wire[cut..].to_vec(), None);
        let moved = measure(|| {
            event = server.receiver.next_owned(&mut Input::new(&mut last), &mut server.sender);
        });
        assert_eq!(moved, NOTHING);
        let Some(OwnedEvent::Message(message)) = event else { panic!("a message") };
        assert_eq!(message.as_message().as_bytes(), text.as_bytes());
        assert_eq!(matches!(message, OwnedMessage::Text(_)), first == 0x81);

        // What follows is as if nothing had happened.
        assert_eq!(feed(&mut server, &mut wire.clone(), 7000), 1);
        let (mut whole, mut event) = (wire.clone(), None);
        let copied = measure(|| {
            event = server.receiver.next_owned(&mut Input::new(&mut whole), &mut server.sender);
        });
        assert_eq!(event, Some(OwnedEvent::Message(message)));
        assert_eq!((copied.allocations, copied.left), (1, 100_000));
    }
}

/// A message whose stored beginning is empty, or a part of a code point, and that is then asked for in chunks.
#[test]
fn a_change_to_chunks_leaves_no_memory_behind() {
    for [begin, end] in [[&b""[..], b""], [b"\xC3", b"\xA9"]] {
        let (mut server, _) = open(Config::new().keep(0));
        let mut wire = [(0x02, &[7; 500][..]), (0x80, &[7; 400]), (0x01, begin), (0x89, b""), (0x80, end)]
            .map(|(first, payload)| frame(first, payload, true))
            .concat();
        let held = left(|| {
            let (rx, mut input) = (&mut server.receiver, Input::new(&mut wire));
            let mut replies = |_: Reply<'_>| {};
            assert!(matches!(rx.next_message(&mut input, &mut replies), Some(Event::Binary(_))));
            assert!(matches!(rx.next_message(&mut input, &mut replies), Some(Event::Ping(_))));
            assert!(matches!(rx.next_chunk(&mut input, &mut replies), Some(ChunkEvent::Text(chunk)) if chunk.last));
            assert!(rx.next_chunk(&mut input, &mut replies).is_none());
        });
        assert_eq!(held, 0, "{begin:?}");
    }
}

/// With the defaults, each sender keeps memory for a message of 1 KiB. With `keep(0)` a connection keeps nothing.
#[test]
fn an_idle_connection_holds_a_kib_or_nothing() {
    for (config, most) in [(Config::new(), 1040), (Config::new().keep(0), 0)] {
        let mut ends = None;
        let held = left(|| ends = Some(open(config)));
        assert!(held <= 2 * most, "{held} bytes out of the handshake");
        let (mut server, mut client) = ends.unwrap();
        server.sender.release();
        client.sender.release();
        let mut bytes = [frame(0x82, &[1; 5000], true), frame(0x81, b"text", true)].concat();
        assert_eq!(left(|| assert_eq!(feed(&mut server, &mut bytes, 100), 2)), 0, "after messages in pieces");
        for len in [1, 125, 1024, 5000, 100_000] {
            let held = left(|| {
                server.sender.send_binary(&vec![0; len]).unwrap();
                server.sender.consume(usize::MAX);
            });
            assert!(held <= most, "{held} bytes after sending {len}");
            let held = left(|| {
                client.sender.send_binary(&vec![0; len]).unwrap();
                client.sender.consume(usize::MAX);
            });
            assert!(held <= most, "{held} bytes after a client has sent {len}");
            server.sender.release();
            client.sender.release();
        }
    }
}

/// The README's loop with the default configuration: after a warm-up it allocates nothing for messages of up to 1 MiB,
/// sent, echoed, in fragments or cut by reads. It needs threads, which have spare memory.
#[cfg(feature = "std")]
#[test]
fn a_loop_with_the_defaults_allocates_nothing() {
    for keep in [None, Some(0)] {
        let config = keep.map_or(Config::new(), |keep| Config::new().keep(keep));
        for len in [1, 125, 1000, 1024, 1025, 16 << 10, 64 << 10, 1 << 20] {
            for (opcode, payload) in [(2, vec![1; len]), (1, vec![b'a'; len]), (1, "ж".repeat(len.div_ceil(2)).into())]
            {
                for fragment in [usize::MAX, len.div_ceil(4)] {
                    free_spare();
                    let (mut server, mut client) = open(config);
                    let wire = fragments(opcode, &payload, fragment).repeat(3);
                    let mut room = wire.clone();
                    let mut round = || {
                        room.copy_from_slice(&wire);
                        measure(|| {
                            assert_eq!(echo(&mut server, &mut room, 16 << 10), 3);
                            client.sender.send_binary(&payload).unwrap();
                            client.sender.consume(usize::MAX);
                        })
                    };
                    // Until the memory of each kind has its final size.
                    for _ in 0..3 {
                        round();
                    }
                    assert_eq!([round(), round()], [NOTHING; 2], "{len} bytes in fragments of {fragment}, {keep:?}");
                }
            }
        }
    }
}

/// Memory for a message of 1 MiB in fragments never becomes too large to be lent again, however it is read.
#[cfg(feature = "std")]
#[test]
fn a_loop_that_only_receives_allocates_nothing() {
    for (opcode, payload) in [(2, vec![1; 1 << 20]), (1, "ж".repeat(1 << 19).into_bytes())] {
        let wire = fragments(opcode, &payload, 100_000);
        for size in [4096, 10_000, 20_000, 24_000, 32_768] {
            free_spare();
            let (mut server, _) = open(Config::new());
            let mut room = wire.clone();
            let mut round = || {
                room.copy_from_slice(&wire);
                measure(|| assert_eq!(feed(&mut server, &mut room, size), 1))
            };
            for _ in 0..3 {
                round();
            }
            assert_eq!(round(), NOTHING, "reads of {size}");
        }
    }
}

/// A message in frames of at most `fragment` bytes.
#[cfg(feature = "std")]
fn fragments(opcode: u8, payload: &[u8], fragment: usize) -> Vec<u8> {
    let count = payload.len().div_ceil(fragment);
    let frames = payload.chunks(fragment).enumerate().map(|(index, part)| {
        let fin = if index + 1 == count { 0x80 } else { 0 };
        frame(fin | if index == 0 { opcode } else { 0 }, part, true)
    });
    frames.collect::<Vec<_>>().concat()
}

/// The README's loop. Returns the number of echoed messages.
#[cfg(feature = "std")]
fn echo(server: &mut ServerEnd, bytes: &mut [u8], size: usize) -> usize {
    let Connection { receiver: rx, sender: tx } = server;
    let mut messages = 0;
    for piece in bytes.chunks_mut(size) {
        let mut input = Input::new(piece);
        while let Some(event) = rx.next_message(&mut input, tx) {
            match event {
                Event::Text(text) => tx.send_text(text).unwrap(),
                Event::Binary(data) => tx.send_binary(data).unwrap(),
                _ => unreachable!("{event:?}"),
            }
            messages += 1;
        }
        while !tx.is_empty() {
            tx.consume(tx.pending().len());
        }
    }
    messages
}

/// A receiver keeps memory for the messages of one input, but not beyond its end, nor after a release.
#[test]
fn memory_is_released_at_the_end_of_the_input() {
    let (mut server, _) = open(Config::new());
    let cut = [frame(0x02, &[1; 3000], true), frame(0x80, &[2; 3000], true)].concat();
    let whole = frame(0x81, b"text", true);
    for (bytes, messages) in [
        (cut.clone(), 1),
        (cut.repeat(3), 3),
        ([&cut[..], &whole, &whole].concat(), 3),
        ([&cut[..], &whole, &cut, &whole, &whole, &whole].concat(), 6),
    ] {
        let mut room = bytes.clone();
        assert_eq!(left(|| assert_eq!(feed(&mut server, &mut room, usize::MAX), messages)), 0, "{messages} messages");
        // If the loop stops early, `release` frees the memory.
        for stop in 1..=messages {
            let mut room = bytes.clone();
            let held = left(|| {
                let mut input = Input::new(&mut room);
                for _ in 0..stop {
                    assert!(server.receiver.next_message(&mut input, &mut server.sender).is_some());
                }
                server.receiver.release();
                while server.receiver.next_message(&mut input, &mut server.sender).is_some() {}
            });
            assert_eq!(held, 0, "{stop} of {messages} messages");
        }
    }
}

/// Memory that is too large for the thread's spare memory is used again for the next message of the same input.
#[test]
fn messages_of_one_input_share_their_memory() {
    let (mut server, _) = open(Config::new().max_message(4 << 20));
    let message = [frame(0x02, &[1; 1 << 20], true), frame(0x80, &[2; 1 << 20], true)].concat();
    let mut round = |count| {
        let mut bytes = message.repeat(count);
        measure(|| assert_eq!(feed(&mut server, &mut bytes, usize::MAX), count)).allocations
    };
    assert_eq!((round(1), round(3)), (2, 2));
}

/// Behind a message in fragments, the input ends inside the next item. The memory of the message is not kept for an
/// item that needs none yet, nor for the first bytes of another message.
#[test]
fn memory_of_a_message_is_not_kept_for_the_next_one() {
    let message = [frame(0x02, &[1; 250_000], true), frame(0x80, &[2; 250_000], true)].concat();
    let ping = frame(0x89, b"ping", true);
    let rows = [
        ("a header's first byte", vec![0x82], 0),
        ("a header", header(0x82, &[10], true), 0),
        ("an empty fragment", frame(0x02, b"", true), 0),
        ("the first byte of a code point", frame(0x01, &[0xD0], true), 0),
        ("a ping's header", ping[..6].to_vec(), 0),
        ("a byte", frame(0x02, b"a", true), 1040),
        ("a letter", frame(0x01, b"a", true), 1040),
        ("a letter of two bytes", frame(0x01, "ж".as_bytes(), true), 1040),
        ("a letter of two fragments", [frame(0x01, &[0xD0], true), frame(0x00, &[0xB6], true)].concat(), 1040),
        ("1000 bytes of a frame", frame(0x82, &[3; 100_000], true)[..14 + 1000].to_vec(), 1040),
        ("5000 bytes of a frame", frame(0x82, &[3; 200_000], true)[..14 + 5000].to_vec(), 100_000),
    ];
    for (name, behind, most) in rows {
        for asks_for_chunks in [false, true] {
            let (mut server, _) = open(Config::new().keep(0));
            let mut bytes = [&message, &behind[..]].concat();
            let held = left(|| {
                let Connection { receiver: rx, sender: tx } = &mut server;
                let mut input = Input::new(&mut bytes);
                assert!(rx.next_message(&mut input, tx).is_some());
                if asks_for_chunks {
                    while rx.next_chunk(&mut input, tx).is_some() {}
                } else {
                    assert!(rx.next_message(&mut input, tx).is_none());
                }
            });
            assert!(held <= if asks_for_chunks { 0 } else { most }, "{held} bytes are held for {name}");
        }
    }
}

/// Threat 2: a peer that sends little can't hold large memory of another connection.
#[cfg(feature = "std")]
#[test]
fn spare_memory_follows_the_received_bytes() {
    for len in [100, 1000, 1040, 1041, 5000, 50_000, 500_000] {
        // The memory that a message of 1 MiB leaves, in reads of every size.
        let (mut other, _) = open(Config::new());
        for size in [500, 5000, 50_000, 500_000] {
            assert_eq!(feed(&mut other, &mut frame(0x82, &vec![1; 1 << 20], true), size), 1);
        }
        let (mut server, _) = open(Config::new());
        let mut bytes = frame(0x82, &vec![1; 1 << 20], true);
        feed(&mut server, &mut bytes[..14 + len], 100);
        let Connection { receiver, sender } = server;
        drop(sender);
        let held = -measure(|| drop(receiver)).left;
        assert!((len as isize..=(20 * len as isize).max(1040)).contains(&held), "{held} bytes are held for {len}");
    }
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
fn messages_in_one_read_are_never_copied() {
    let (mut server, _) = open(Config::new());
    let mut bytes = [frame(0x82, &[1; 60_000], true), frame(0x81, &[b'x'; 60_000], true)].concat();
    assert_eq!(measure(|| assert_eq!(feed(&mut server, &mut bytes, usize::MAX), 2)), NOTHING);
}

/// The same if the header was received earlier.
#[test]
fn a_payload_in_one_read_is_not_copied() {
    let (mut server, _) = open(Config::new());
    for (opcode, payload) in [(0x82, vec![1; 60_000]), (0x81, vec![b'x'; 60_000]), (0x81, "ж".repeat(30_000).into())] {
        let mut bytes = frame(opcode, &payload, true);
        let (header, payload) = bytes.split_at_mut(8);
        let work = || {
            assert_eq!(feed(&mut server, header, usize::MAX), 0);
            assert_eq!(feed(&mut server, payload, usize::MAX), 1);
        };
        assert_eq!(measure(work), NOTHING, "{opcode:x}");
    }
}

/// Threat 2: the length in a header allocates nothing.
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
    // The received part allocates only its own length.
    let (mut server, _) = open(config);
    let mut bytes = [header(0x82, &[127, 0, 0, 0, 0, 0x7F, 0, 0, 0], true), vec![0; 10_000]].concat();
    let Measured { most, .. } = measure(|| assert_eq!(feed(&mut server, &mut bytes, 100), 0));
    assert!((10_000..=20_480).contains(&most), "{most} bytes for 10 000");
}

/// Threat 4: a million fragments, empty or of one byte, up to the limit and one over.
#[test]
fn fragments_cost_only_their_payload() {
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
    assert_eq!(server.receiver.end_of_input(), Err(UncleanEnd::InsideMessage));
    feed(&mut server, &mut empty, 1000);
    assert!(matches!(server.receiver.end_of_input(), Err(UncleanEnd::Failed(_))));
}

/// A message much larger than the memory limit is received in chunks.
#[test]
fn chunks_are_never_stored() {
    let (mut server, _) = open(Config::new().max_frame(1 << 40).max_message(1 << 40));
    let mut bytes = header(0x82, &[127, 0, 0, 0, 0, 0x10, 0, 0, 0], true); // 256 MiB
    let mut block = vec![0; 64 << 10];
    let mut received = 0;
    let Measured { allocations, .. } = measure(|| {
        let mut input = Input::new(&mut bytes);
        assert_eq!(server.receiver.next_chunk(&mut input, &mut server.sender), None);
        for _ in 0..4096 {
            let mut input = Input::new(&mut block);
            while let Some(ChunkEvent::Binary(chunk)) = server.receiver.next_chunk(&mut input, &mut server.sender) {
                received += chunk.data.len();
            }
        }
    });
    assert_eq!((allocations, received), (0, 256 << 20));
}

/// Threat 7: a head takes no more memory than its limit, whatever it contains.
#[test]
fn heads_take_limited_memory() {
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

/// A refusal, a failure or a Close frees stored bytes.
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

/// Found by fuzzing: a Close with a wrong code fails the connection before the rest of it is received.
#[test]
fn a_control_frame_that_fails_is_freed() {
    let (mut server, _) = open(Config::new());
    let mut bytes = frame(0x88, &[0x01, 0x02, b'a', b'b'], true);
    let Measured { left, .. } = measure(|| {
        assert_eq!(feed(&mut server, &mut bytes, 1), 0);
        server.sender.consume(usize::MAX);
    });
    assert!(matches!(server.receiver.end_of_input(), Err(UncleanEnd::Failed(_))));
    assert_eq!(left, 0);

    // At once, even if nobody asks for another event.
    let (mut server, _) = open(Config::new());
    let mut bytes = frame(0x88, &[0x01, 0x02, b'a', b'b'], true);
    let Measured { left, .. } = measure(|| {
        let mut inputs = bytes.chunks_mut(1).map(Input::new);
        assert!(inputs.any(|mut input| server.receiver.next_message(&mut input, &mut server.sender).is_some()));
        server.sender.consume(usize::MAX);
    });
    assert_eq!(left, 0);
}

/// Memory that is kept for the next message is freed with the transport: there is no next message.
#[test]
fn a_sender_without_a_transport_holds_nothing() {
    let (mut server, _) = open(Config::new().keep(16 << 10));
    server.sender.release();
    let held = left(|| {
        send_frame(&mut server.sender, 5000);
        server.sender.transport_lost();
    });
    assert_eq!(held, 0);
}

/// Sends a frame of `len` bytes with its header, from 134 to 65 539.
fn send_frame<R: Role>(tx: &mut Sender<R, Vec<u8>>, len: usize) {
    static PAYLOAD: [u8; 65_536] = [7; 65_536];
    let (before, header) = (tx.pending().len(), if size_of::<R>() == 0 { 4 } else { 8 });
    tx.send_binary(&PAYLOAD[..len - header]).unwrap();
    assert_eq!(tx.pending().len() - before, len);
}

/// The last count may be exactly the rest, or more. Memory that is not kept becomes spare memory of the thread.
#[test]
fn consuming_the_last_byte_releases_the_memory() {
    fn check<R: Role>(tx: &mut Sender<R, Vec<u8>>) {
        let counts: [&[usize]; 7] =
            [&[5000], &[5001], &[usize::MAX], &[4999, 1], &[1, 4999], &[4999, 2], &[2500, 0, 2500]];
        for counts in counts {
            assert_eq!(left(|| send_frame(tx, 5000)), 5000);
            let (last, before) = counts.split_last().unwrap();
            for count in before {
                assert_eq!(measure(|| tx.consume(*count)), NOTHING, "{counts:?}");
            }
            assert_eq!(tx.pending().len(), 5000 - before.iter().sum::<usize>(), "{counts:?}");
            tx.consume(*last);
            assert!(tx.is_empty());
            assert_eq!(left(|| send_frame(tx, 5000)), 5000, "{counts:?}");
            tx.consume(usize::MAX);
        }
    }
    let (mut server, mut client) = open(Config::new().keep(0));
    check(&mut server.sender);
    check(&mut client.sender);
}

/// `Config::keep` is exact: memory of that size is kept for the next message, and one byte more is not.
#[test]
fn each_half_keeps_exactly_the_configured_memory() {
    const KEEP: usize = 5000;
    /// Sends or receives a message that needs `needed` bytes of memory, twice.
    fn check(needed: usize, mut send: impl FnMut()) {
        let is_kept = needed <= KEEP;
        assert_eq!(left(&mut send), if is_kept { needed as isize } else { 0 }, "kept of {needed}");
        let again = measure(&mut send);
        assert_eq!(again.allocations == 0, is_kept, "{needed}: {again:?}");
    }
    let config = Config::new().keep(KEEP);
    // The memory of the handshake is kept, too.
    let open = || {
        let (mut server, mut client) = open(config);
        server.receiver.release();
        server.sender.release();
        client.sender.release();
        (server, client)
    };
    for needed in [1000, KEEP - 1, KEEP, KEEP + 1, 3 * KEEP] {
        let (mut server, mut client) = open();
        let payload = vec![7; needed];
        check(needed, || {
            server.sender.send_binary(&payload[4..]).unwrap();
            server.sender.consume(usize::MAX);
        });
        check(needed, || {
            client.sender.send_binary(&payload[8..]).unwrap();
            client.sender.consume(usize::MAX);
        });
        let (ascii, other) = (vec![b'a'; needed], ["ж", &"a".repeat(needed - 2)].concat());
        for (opcode, message) in [(2, &payload[..]), (1, &ascii), (1, other.as_bytes())] {
            let (mut server, _) = open();
            let (front, back) = message.split_at(needed.div_ceil(2));
            let wire = [frame(opcode, front, true), frame(0x80, back, true)].concat();
            let mut bytes = wire.clone();
            check(needed, || {
                bytes.copy_from_slice(&wire);
                assert_eq!(feed(&mut server, &mut bytes, usize::MAX), 1);
            });
        }
    }
}

/// `release` frees all unused memory of its half, and nothing that is in use.
#[test]
fn release_frees_only_unused_memory() {
    fn check<R: Role>(tx: &mut Sender<R, Vec<u8>>) {
        send_frame(tx, 5000);
        for taken in [0, 2500, 2499] {
            tx.consume(taken);
            let before = tx.pending().to_vec();
            assert_eq!(measure(|| tx.release()), NOTHING);
            assert_eq!(tx.pending(), before);
        }
        assert_eq!(measure(|| tx.consume(1)), NOTHING, "the memory is kept");
        assert_eq!(measure(|| tx.release()).left, -5000);
        assert_eq!(measure(|| tx.release()), NOTHING, "nothing is left to free");
        send_frame(tx, 200);
        assert_eq!(tx.pending().len(), 200);
    }
    let (mut server, mut client) = open(Config::new().keep(16 << 10));
    check(&mut server.sender);
    check(&mut client.sender);

    let Connection { receiver: mut rx, sender: mut tx } = server;
    let fragments = [frame(0x02, &[1; 3000], true), frame(0x80, &[2; 3000], true)];
    let message = [[1; 3000], [2; 3000]].concat();
    for is_cleared in [true, false] {
        let [mut first, mut last] = fragments.clone();
        assert_eq!(rx.next_message(&mut Input::new(&mut first), &mut tx), None);
        assert_eq!(measure(|| rx.release()), NOTHING, "inside a message");
        let mut input = Input::new(&mut last);
        assert_eq!(rx.next_message(&mut input, &mut tx), Some(Event::Binary(&message)));
        // In the second round the last call lent the message.
        if is_cleared {
            assert_eq!(
                measure(|| assert_eq!(rx.next_message(&mut input, &mut tx), None)),
                NOTHING,
                "the memory is kept"
            );
        }
        assert_eq!(measure(|| rx.release()).left, -6000);
        assert_eq!(measure(|| rx.release()), NOTHING, "nothing is left to free");
    }
}

/// Threat 5: a peer reads as fast as we send, but the output is never empty. Fewer bytes are moved than sent, and the
/// memory is at most four times the backlog.
#[test]
fn an_output_that_is_never_empty_costs_linear_work() {
    fn check<R: Role>(tx: &mut Sender<R, Vec<u8>>, waiting: usize, len: usize) {
        let rounds = 20 * waiting / len;
        let mut moved = 0;
        let Measured { most, .. } = measure(|| {
            // The first frame fills the memory to the last byte.
            send_frame(tx, waiting);
            for _ in 0..rounds {
                tx.consume(len);
                let start = tx.pending().as_ptr();
                let Measured { allocations, .. } = measure(|| send_frame(tx, len));
                if allocations > 0 || tx.pending().as_ptr() != start {
                    moved += waiting;
                }
            }
        });
        assert!(moved <= rounds * len + 2 * waiting, "{moved} bytes moved for {}, {len} at a time", rounds * len);
        assert!(most as usize <= 4 * waiting, "{most} bytes for {waiting}, {len} at a time");
        tx.consume(usize::MAX);
    }
    let (mut server, mut client) = open(Config::new());
    for (waiting, len) in [(20_000, 140), (20_000, 999), (20_000, 5000), (20_000, 9999), (60_000, 200)] {
        check(&mut server.sender, waiting, len);
        check(&mut client.sender, waiting, len);
    }
}

/// The size of an open connection, without heap. The figures are for a 64-bit machine; with 32 bits it is smaller.
#[test]
fn a_connection_is_256_bytes() {
    let sizes = (size_of::<Receiver<Server, Vec<u8>>>(), size_of::<Sender<Server, Vec<u8>>>());
    assert!(size_of::<ServerEnd>() <= 256, "{sizes:?}");
    assert!(size_of::<ClientEnd>() <= size_of::<Connection<Server, Vec<u8>, Vec<u8>>>() + 16);
}

/// A connection may outlive its thread's spare memory: as a thread-local value that is used while the thread ends.
#[cfg(feature = "std")]
#[test]
fn connections_work_while_their_thread_ends() {
    use std::{cell::RefCell, sync::mpsc, thread};

    /// Receives and sends a long message when it is dropped.
    struct AtTheEnd(ServerEnd, mpsc::Sender<(usize, usize)>);

    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            let Self(server, done) = self;
            let mut bytes = frame(0x81, &[b'a'; 100_000], true);
            let received = feed(server, &mut bytes, 1000);
            server.receiver.release();
            server.sender.send_binary(&bytes).unwrap();
            let sent = server.sender.pending().len();
            server.sender.consume(usize::MAX);
            server.sender.release();
            done.send((received, sent)).unwrap();
        }
    }

    thread_local! {
        static FIRST: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
        static LAST: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
    }

    let (done, ends) = mpsc::channel();
    let connections = [(); 2].map(|()| AtTheEnd(open(Config::new()).0, done.clone()));
    thread::spawn(|| {
        let [first, last] = connections;
        FIRST.set(Some(first));
        // Gives the thread spare memory, between the two connections: the order of their drops is not defined.
        drop(AtTheEnd(open(Config::new()).0, done));
        LAST.set(Some(last));
    })
    .join()
    .unwrap();
    let sent = 100_000 + 14;
    assert_eq!(ends.iter().collect::<Vec<_>>(), [(1, sent + 10); 3]);
}
