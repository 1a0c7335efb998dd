//! Where the bytes of a read go, to the read buffer or straight to the receiver's store, and how many are read.
#![cfg(feature = "alloc")]

mod common;
mod counting;

use common::{ServerEnd, frame, header, open, open_in};
use counting::{Measured, NOTHING, measure};
use websocket_proto::{
    Chunk, ChunkEvent, Config, Connection, Event, Failure, FixedStorage, Input, ReadBuffer, Storage, server,
};

/// Reads bytes in pieces of this size into the buffer, as far as they fit. Returns how many bytes of messages were
/// received.
fn feed_buffer(server: &mut ServerEnd, buffer: &mut ReadBuffer<&mut [u8]>, mut bytes: &[u8], size: usize) -> usize {
    let mut received = 0;
    while !bytes.is_empty() {
        let room = buffer.room_for(&mut server.receiver);
        let n = bytes.len().min(size).min(room.len());
        room[..n].copy_from_slice(&bytes[..n]);
        bytes = &bytes[n..];
        let mut input = buffer.received(n);
        while let Some(event) = server.receiver.next_message(&mut input, &mut server.sender) {
            received += event.message().map_or(0, |message| message.as_bytes().len());
        }
    }
    received
}

#[test]
fn a_whole_message_in_a_read_buffer_is_not_copied() {
    let (mut server, _) = open(Config::new());
    let mut room = vec![0; 2048];
    let mut buffer = ReadBuffer::new(&mut room[..]);
    let bytes = [frame(0x82, &[1; 1016], true), frame(0x81, "ж".repeat(508).as_bytes(), true)].concat();
    assert_eq!(measure(|| assert_eq!(feed_buffer(&mut server, &mut buffer, &bytes, 2048), 2032)), NOTHING);
    let Measured { allocations, .. } =
        measure(|| assert_eq!(feed_buffer(&mut server, &mut buffer, &bytes, 2000), 2032));
    assert!(allocations > 0, "a message that a read has cut is stored");
}

/// No bytes stay in the buffer, so connections may take turns in the middle of their messages.
#[test]
fn one_buffer_serves_any_number_of_connections() {
    let mut room = vec![0; 10_000];
    let mut buffer = ReadBuffer::new(&mut room[..]);
    let texts = [vec![b'a'; 100_000], "ж".repeat(50_000).into_bytes()];
    let messages = [(0x82, (0..100_000_u32).map(|at| (at ^ (at >> 8)) as u8).collect())];
    let messages: Vec<(u8, Vec<u8>)> = messages.into_iter().chain(texts.map(|text| (0x81, text))).collect();
    for size in [999, 9_999, 60_000] {
        let mut ends: Vec<_> =
            messages.iter().map(|(first, message)| (open(Config::new()).0, frame(*first, message, true), 0)).collect();
        let mut whole = 0;
        while whole < messages.len() {
            for ((server, bytes, sent), (_, message)) in ends.iter_mut().zip(&messages) {
                let room = buffer.room_for(&mut server.receiver);
                let n = size.min(room.len()).min(bytes.len() - *sent);
                room[..n].copy_from_slice(&bytes[*sent..][..n]);
                *sent += n;
                let mut input = buffer.received(n);
                while let Some(event) = server.receiver.next_message(&mut input, &mut server.sender) {
                    assert!(event.message().unwrap().as_bytes() == message);
                    whole += 1;
                }
            }
        }
    }
}

/// A read can't bring more bytes than the free space.
#[test]
fn a_read_over_the_free_space_fails() {
    let mut buffer = ReadBuffer::new([7; 10]);
    assert_eq!(buffer.room().len(), 10);
    assert_eq!(buffer.received(usize::MAX).remaining(), [7; 10]);
    assert_eq!(buffer.received(0).remaining(), []);
}

// Without `std` this is done for binary messages only: there, less code matters more.
#[cfg(feature = "std")]
#[test]
fn ascii_is_read_straight_to_the_store_and_other_text_is_not() {
    let (mut server, _) = open(Config::new().keep(200_000));
    let mut room = vec![0; 32_000];
    let mut buffer = ReadBuffer::new(&mut room[..]);
    let ascii = frame(0x81, &[b'a'; 200_000], true);
    assert_eq!(feed_buffer(&mut server, &mut buffer, &ascii, usize::MAX), 200_000);
    assert_eq!(measure(|| assert_eq!(feed_buffer(&mut server, &mut buffer, &ascii, 5000), 200_000)), NOTHING);
    assert_eq!(feed_buffer(&mut server, &mut buffer, &ascii[..32_000], usize::MAX), 0);
    assert_eq!(buffer.room_for(&mut server.receiver).len(), ascii.len() - 32_000);
    assert_eq!(feed_buffer(&mut server, &mut buffer, &ascii[32_000..], usize::MAX), 200_000);
    // Behind non-ASCII text, bytes are read to the buffer, up to its capacity.
    let mixed = frame(0x81, &[&[b'a'; 100_000], "ж".as_bytes(), &[b'a'; 99_998]].concat(), true);
    assert_eq!(feed_buffer(&mut server, &mut buffer, &mixed[..90_000], usize::MAX), 0);
    assert_eq!(buffer.room_for(&mut server.receiver).len(), mixed.len() - 90_000);
    assert_eq!(feed_buffer(&mut server, &mut buffer, &mixed[90_000..114_096], usize::MAX), 0);
    assert_eq!(feed_buffer(&mut server, &mut buffer, &mixed[114_096..118_192], usize::MAX), 0);
    assert_eq!(buffer.room_for(&mut server.receiver).len(), 32_000);
    assert_eq!(feed_buffer(&mut server, &mut buffer, &mixed[118_192..], usize::MAX), 200_000);
}

/// Bytes that were read to a receiver's store are not in the buffer. A handshake that reads from it waits for more.
#[test]
fn bytes_in_a_store_are_not_a_head() {
    let (mut server, _) = open(Config::new());
    let mut room = vec![0; 20_000];
    let mut buffer = ReadBuffer::new(&mut room[..]);
    let bytes = frame(0x82, &[1; 200_000], true);
    assert_eq!(feed_buffer(&mut server, &mut buffer, &bytes[..40_000], usize::MAX), 0);
    let count = buffer.room_for(&mut server.receiver).len();
    assert!(count > 20_000, "the room is the store's");
    let mut handshake = server::Handshake::new(Config::new());
    assert!(!handshake.read(&mut buffer.received(count)));
}

/// A caller that says it has read more than there was space for gets no more than the space.
#[test]
fn more_than_the_room_is_not_received() {
    let (mut server, _) = open(Config::new());
    let mut buffer = ReadBuffer::new(vec![0; 8 << 10]);
    let wire = frame(0x82, &[7; 500_000], true);
    let mut read = 0;
    let mut kinds = [false; 3];
    while wire.len() - read > 20_000 {
        let room = buffer.room_for(&mut server.receiver);
        let len = room.len();
        if read + len >= wire.len() {
            break;
        }
        room.copy_from_slice(&wire[read..read + len]);
        read += len;
        // The buffer, the store, and the few bytes after a read into the store.
        kinds[if len == 8 << 10 {
            0
        } else if len == 4 << 10 {
            2
        } else {
            1
        }] = true;
        let mut input = buffer.received(usize::MAX);
        assert_eq!(server.receiver.next_message(&mut input, &mut server.sender), None);
        assert_eq!(server.receiver.payload_remaining(), (wire.len() - read) as u64, "{len}");
    }
    assert!(kinds[0] && kinds[1], "to the buffer, and to the store");
}

/// A mistake of the caller is reported as one, and the peer is not blamed.
#[test]
fn a_read_for_another_receiver_or_an_earlier_state_fails() {
    let long = frame(0x82, &[1; 200_000], true);
    let mut room = vec![0; 20_000];
    let mut buffer = ReadBuffer::new(&mut room[..]);
    let mut begin = |begun: &[u8]| {
        let (mut server, _) = open(Config::new());
        assert_eq!(feed_buffer(&mut server, &mut buffer, begun, usize::MAX), 0);
        server
    };
    let (mut reader, before_long) = (begin(&long[..40_000]), 40_000..60_000);
    let others = [begin(&long[..40_000]), begin(&long[..3]), begin(&[])];
    let fails = |server: &mut ServerEnd, mut input: Input<'_>| {
        let event = server.receiver.next_message(&mut input, &mut server.sender);
        assert_eq!(event, Some(Event::Failed(Failure::ForeignInput)));
        assert_eq!(server.receiver.next_message(&mut input, &mut server.sender), None);
        assert!(server.sender.pending()[2..4] == *b"\x03\xF3", "1011: not the peer's fault");
    };
    for mut other in others {
        let space = buffer.room_for(&mut reader.receiver);
        assert!(space.len() > 20_000, "the store's");
        fails(&mut other, buffer.received(20_000));
    }
    buffer.room_for(&mut reader.receiver);
    let mut read = long[before_long].to_vec();
    assert_eq!(reader.receiver.next_message(&mut Input::new(&mut read), &mut reader.sender), None);
    fails(&mut reader, buffer.received(20_000));
}

/// The beginning of the next message must be copied if it is read to the buffer.
#[test]
fn behind_a_long_message_little_is_read_until_more_is_received() {
    let (mut server, _) = open(Config::new().keep(200_000));
    let mut room = vec![0; 50_000];
    let mut buffer = ReadBuffer::new(&mut room[..]);
    let few = 4 << 10;
    let long = frame(0x82, &[1; 200_000], true);
    assert_eq!(buffer.room_for(&mut server.receiver).len(), 50_000);
    assert_eq!(feed_buffer(&mut server, &mut buffer, &long, usize::MAX), 200_000);
    assert_eq!(buffer.room_for(&mut server.receiver).len(), few);
    // The next message needs no more memory, and is read to the store except for these bytes.
    assert_eq!(feed_buffer(&mut server, &mut buffer, &long[..few], usize::MAX), 0);
    assert_eq!(buffer.room_for(&mut server.receiver).len(), long.len() - few);
    assert_eq!(feed_buffer(&mut server, &mut buffer, &long[few..], usize::MAX), 200_000);
    let short = frame(0x82, &[2; 1000], true).repeat(4);
    assert_eq!(feed_buffer(&mut server, &mut buffer, &short, usize::MAX), 4000);
    assert_eq!(buffer.room_for(&mut server.receiver).len(), few);
    let short = frame(0x82, &[2; 1000], true).repeat(5);
    assert_eq!(feed_buffer(&mut server, &mut buffer, &short, usize::MAX), 5000);
    assert_eq!(buffer.room_for(&mut server.receiver).len(), 50_000);
}

#[test]
fn a_warm_connection_reads_large_messages_straight_to_the_store() {
    let (mut server, _) = open(Config::new().keep(200_000));
    let mut room = vec![0; 4096];
    let mut buffer = ReadBuffer::new(&mut room[..]);
    let bytes = frame(0x82, &[1; 200_000], true);
    assert_eq!(feed_buffer(&mut server, &mut buffer, &bytes, usize::MAX), 200_000);
    assert_eq!(measure(|| assert_eq!(feed_buffer(&mut server, &mut buffer, &bytes, 5000), 200_000)), NOTHING);
    // The beginning is read to the buffer. Then the store has free space for the rest.
    assert_eq!(feed_buffer(&mut server, &mut buffer, &bytes[..4096], usize::MAX), 0);
    assert_eq!(buffer.room_for(&mut server.receiver).len(), bytes.len() - 4096);
    // The last few bytes have no separate read: the bytes behind them can be read with them.
    assert_eq!(feed_buffer(&mut server, &mut buffer, &bytes[4096..bytes.len() - 8192], usize::MAX), 0);
    assert_eq!(buffer.room_for(&mut server.receiver).len(), 8192);
    assert_eq!(feed_buffer(&mut server, &mut buffer, &bytes[bytes.len() - 8192..][..1], 1), 0);
    assert_eq!(buffer.room_for(&mut server.receiver).len(), 4096);
    assert_eq!(feed_buffer(&mut server, &mut buffer, &bytes[bytes.len() - 8191..], usize::MAX), 200_000);
}

/// Threat 2: new memory offers no more free space than was received before.
#[test]
fn announced_lengths_make_no_free_space() {
    let (mut server, _) = open(Config::new().max_frame(1 << 40).max_message(1 << 40));
    let mut room = vec![0; 1000];
    let mut buffer = ReadBuffer::new(&mut room[..]);
    let begin = [header(0x82, &[127, 0, 0, 0, 0, 0x7F, 0, 0, 0], true), vec![0; 5000]].concat();
    let Measured { most, .. } = measure(|| {
        feed_buffer(&mut server, &mut buffer, &begin, 100);
        assert!((1000..=5000).contains(&buffer.room_for(&mut server.receiver).len()));
    });
    assert!((5000..=10_000).contains(&most), "{most} bytes for 5000");
}

/// New memory is filled before it is lent: only as many bytes at a time as are still in the cache when they are read
/// to.
#[test]
fn new_memory_is_lent_128_kib_at_a_time() {
    let (mut server, _) = open(Config::new());
    let mut buffer = ReadBuffer::new(vec![0; 20_000]);
    let mut bytes = frame(0x82, &[1; 1 << 20], true);
    let mut input = Input::new(&mut bytes[..300_000]);
    assert_eq!(server.receiver.next_message(&mut input, &mut server.sender), None);
    for _ in 0..2 {
        assert_eq!(buffer.room_for(&mut server.receiver).len(), 128 << 10);
    }
}

/// Threat 5: fragments that are cut where their memory ends double that memory each time.
#[test]
fn fragments_in_a_read_buffer_are_not_copied_repeatedly() {
    let (mut server, _) = open(Config::new());
    let mut room = vec![0; 16 << 10];
    let mut buffer = ReadBuffer::new(&mut room[..]);
    assert_eq!(feed_buffer(&mut server, &mut buffer, &frame(0x02, &[1; 340], true), usize::MAX), 0);
    let fragment = frame(0x00, &[2; 255], true);
    let Measured { allocations, most, .. } = measure(|| {
        for _ in 0..4000 {
            feed_buffer(&mut server, &mut buffer, &fragment[..36], usize::MAX);
            feed_buffer(&mut server, &mut buffer, &fragment[36..], usize::MAX);
        }
    });
    assert!(allocations <= 20, "{allocations} allocations");
    assert!(most <= 2 * 4000 * 255, "{most} bytes");
}

/// Calling `room` and `room_for` again without `received` changes nothing, whether the store or the buffer was offered.
#[test]
fn free_space_can_be_requested_repeatedly() {
    let text = "fifteen bytes: ж".repeat(12_000);
    let messages = [
        (0x82, (0..200_000_u32).map(|at| (at ^ (at >> 8)) as u8).collect()),
        (0x81, (0..200_000_u32).map(|at| (at % 90 + 32) as u8).collect()),
        (0x81, text.into_bytes()),
    ];
    for (first, message) in messages {
        let bytes: Vec<u8> = frame(first, &message, true).repeat(2);
        for size in [9_000, 10_001, 50_000] {
            let (mut server, _) = open(Config::new());
            let mut buffer = ReadBuffer::new(vec![0; 20_000]);
            let (mut come, mut received, mut turns) = (0, 0, [0, 1].iter().cycle());
            while come < bytes.len() {
                let asked = buffer.room_for(&mut server.receiver).as_ptr_range();
                assert_eq!(buffer.room_for(&mut server.receiver).as_ptr_range(), asked);
                let room = match turns.next() {
                    Some(0) => buffer.room(),
                    _ => {
                        buffer.room();
                        buffer.room_for(&mut server.receiver)
                    }
                };
                let n = size.min(room.len()).min(bytes.len() - come);
                room[..n].copy_from_slice(&bytes[come..come + n]);
                come += n;
                let mut input = buffer.received(n);
                while let Some(event) = server.receiver.next_message(&mut input, &mut server.sender) {
                    assert_eq!(event.message().unwrap().as_bytes(), message);
                    received += 1;
                }
            }
            assert_eq!(received, 2, "reads of {size}");
        }
    }
}

/// A read goes to the store only if the store offers at least as much as the buffer.
#[test]
fn a_store_that_offers_less_than_the_buffer_is_not_used() {
    let (mut server, _) = open(Config::new());
    let mut room = vec![0; 20_000];
    let mut buffer = ReadBuffer::new(&mut room[..]);
    // The header has 8 bytes. The store's memory is as large as the first part of the message, then twice as large.
    // When that is full, it grows by the rest of the message.
    let bytes = frame(0x82, &[1; 60_000], true);
    let rows = [
        (0, 20_000),
        (20_000, 20_000),
        (30_000, 20_000),
        (39_992, 20_016),
        (bytes.len() - 20_000, 20_000),
        // A store with less free space than the buffer is not used, and after a read to the store the buffer offers
        // little.
        (bytes.len() - 19_999, 4096),
    ];
    for (come, room) in rows {
        assert_eq!(buffer.room_for(&mut server.receiver).len(), room, "{come} bytes were received");
        let next = rows.iter().map(|(next, _)| *next).chain([bytes.len()]).find(|next| *next > come).unwrap();
        let expected = if next == bytes.len() { 60_000 } else { 0 };
        assert_eq!(feed_buffer(&mut server, &mut buffer, &bytes[come..next], usize::MAX), expected);
    }
}

/// An array has all its memory from the beginning: the rest of a frame is read straight into it.
#[test]
fn the_rest_of_a_frame_is_read_into_an_array() {
    let stores = [(); 4].map(|()| FixedStorage::new(vec![0; 64_000]));
    let (mut server, _) = open_in(Config::new(), stores);
    let mut room = vec![0; 20_000];
    let mut buffer = ReadBuffer::new(&mut room[..]);
    let message: Vec<u8> = (0..60_000_u32).map(|at| (at ^ (at >> 8)) as u8).collect();
    let bytes = frame(0x82, &message, true);
    let mut rest = &bytes[..];
    // The header is 8 bytes.
    for (room, len) in [(20_000, 20_000), (40_008, 10_000), (30_008, 30_008)] {
        let lent = buffer.room_for(&mut server.receiver);
        assert_eq!(lent.len(), room, "{} bytes are missing", rest.len());
        let (piece, behind) = rest.split_at(len);
        lent[..len].copy_from_slice(piece);
        rest = behind;
        let mut input = buffer.received(len);
        let event = server.receiver.next_message(&mut input, &mut server.sender);
        assert!(event == rest.is_empty().then_some(Event::Binary(&message)));
    }
}

/// Reads bytes in pieces that end at these places. Returns the messages, which must be text.
fn texts<S: Storage>(server: ServerEnd<S, S>, bytes: &[u8], ends: [usize; 3]) -> Vec<String> {
    let Connection { receiver: mut rx, sender: mut tx } = server;
    let mut buffer = ReadBuffer::new(vec![0; 20_000]);
    let (mut start, mut texts) = (0, vec![]);
    for end in ends {
        while start < end {
            let room = buffer.room_for(&mut rx);
            let n = room.len().min(end - start);
            room[..n].copy_from_slice(&bytes[start..][..n]);
            start += n;
            let mut input = buffer.received(n);
            while let Some(event) = rx.next_message(&mut input, &mut tx) {
                let Event::Text(text) = event else { panic!("{event:?}") };
                texts.push(text.to_owned());
            }
        }
    }
    texts
}

/// A code point that a read cut is completed before the store offers space again, even if the read brought nothing
/// else.
#[test]
fn a_code_point_that_is_cut_is_not_continued_in_the_store() {
    let text = ["a".repeat(12_000), "語".into(), "a".repeat(30_000)].concat();
    let bytes = frame(0x81, text.as_bytes(), true);
    let ascii = bytes.len() - 30_003;
    for known in [1, 2] {
        for before in [ascii - 1000, ascii] {
            let ends = [before, ascii + known, bytes.len()];
            assert!(texts(open(Config::new()).0, &bytes, ends) == [&*text], "to a Vec, read to {ends:?}");
            let (server, _) = open_in(Config::new(), [(); 4].map(|()| FixedStorage::new(vec![0; 64_000])));
            assert!(texts(server, &bytes, ends) == [&*text], "to an array, read to {ends:?}");
        }
    }
}

/// While a stored chunk is lent, the next read goes to the buffer, not behind that chunk.
#[test]
fn a_store_that_is_lent_is_not_read_to() {
    let message: Vec<u8> = (0..100_000_u32).map(|at| (at ^ (at >> 8)) as u8).collect();
    let bytes = frame(0x82, &message, true);
    for whole in [true, false] {
        let (mut server, _) = open(Config::new());
        let mut room = vec![0; 10_000];
        let mut buffer = ReadBuffer::new(&mut room[..]);
        assert_eq!(feed_buffer(&mut server, &mut buffer, &bytes[..50_000], usize::MAX), 0);
        assert!(buffer.room_for(&mut server.receiver).len() > 10_000, "it is read to the store");
        let mut data = match server.receiver.next_chunk(&mut Input::default(), &mut server.sender) {
            Some(ChunkEvent::Binary(Chunk { data, first: true, last: false, .. })) => data.to_vec(),
            event => panic!("{event:?}"),
        };
        assert_eq!(data.len(), 50_000 - 14);
        for (index, piece) in bytes[50_000..].chunks(4000).enumerate() {
            let room = buffer.room_for(&mut server.receiver);
            // `next_message` begins to store again.
            assert!(room.len() <= 10_000 || whole && index > 0, "{} bytes of room", room.len());
            room[..piece.len()].copy_from_slice(piece);
            let mut input = buffer.received(piece.len());
            if whole {
                let event = server.receiver.next_message(&mut input, &mut server.sender);
                data.extend(event.iter().flat_map(|event| event.message().unwrap().as_bytes()));
            } else {
                let event = server.receiver.next_chunk(&mut input, &mut server.sender);
                let Some(ChunkEvent::Binary(chunk)) = event else { panic!("{event:?}") };
                data.extend_from_slice(chunk.data);
            }
            assert!(input.is_empty());
        }
        assert_eq!(data, message);
    }
}
