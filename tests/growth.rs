//! The memory for a message doubles with the received bytes, and does not exceed the announced length, however the
//! bytes are read.
#![cfg(feature = "alloc")]

mod common;
mod counting;

use common::{ServerEnd, frame, open};
use counting::{Measured, measure};
use websocket_proto::{Config, Input, ReadBuffer};

/// How bytes are read.
#[derive(Clone, Copy, Debug)]
enum Reading {
    /// To a buffer of the test.
    Plain,
    /// To a `ReadBuffer`, with `room`.
    Room,
    /// To a `ReadBuffer` or the receiver's store, with `room_for`.
    RoomFor,
}

/// Reads in pieces of this size. Returns how many bytes of messages were received, and how many bytes of the lent space
/// were filled with zeros.
fn feed(server: &mut ServerEnd, bytes: &mut [u8], size: usize, reading: Reading, memory: &mut [u8]) -> (usize, usize) {
    let (mut received, mut zeroed) = (0, 0);
    // The addresses of the last lent space: bytes that are lent again were counted before.
    let mut known = 0..0;
    let mut buffer = ReadBuffer::new(memory);
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut input = match reading {
            Reading::Plain => {
                let piece;
                (piece, rest) = rest.split_at_mut(size.min(rest.len()));
                Input::new(piece)
            }
            Reading::Room | Reading::RoomFor => {
                let room = match reading {
                    Reading::Room => buffer.room(),
                    _ => buffer.room_for(&mut server.receiver),
                };
                let piece;
                (piece, rest) = rest.split_at_mut(size.min(rest.len()).min(room.len()));
                // No byte of a read is zero, and no byte that was lent before. So zeros were just filled in.
                let start = room.as_ptr() as usize;
                let again = if known.contains(&start) { room.len().min(known.end - start) } else { 0 };
                known = start..start + room.len();
                for byte in &mut room[again..] {
                    zeroed += usize::from(*byte == 0);
                    *byte = 0xFF;
                }
                room[..piece.len()].copy_from_slice(piece);
                buffer.received(piece.len())
            }
        };
        while let Some(event) = server.receiver.next_message(&mut input, &mut server.sender) {
            received += event.message().expect("a message").as_bytes().len();
        }
    }
    (received, zeroed)
}

#[test]
fn memory_doubles_up_to_the_announced_length() {
    let texts = [
        ("ASCII", "a"),
        ("Cyrillic", "ж"),
        ("Japanese", "語"),
        ("mostly ASCII", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaж"),
    ];
    let mut memory = vec![0xFF; 72 << 10];
    // Fewer bytes in reads of one byte, which take the most time.
    let cases = [(1000, &[1, 100, 1448, 16_384][..]), (100_000, &[1]), (400_000, &[100, 1448, 16_384])];
    for (len, sizes) in cases {
        let mut messages = vec![("binary", 0x82, vec![0xA5; len])];
        messages.extend(texts.map(|(label, text)| (label, 0x81, text.repeat(len / text.len()).into_bytes())));
        for (label, first, payload) in messages {
            let len = payload.len();
            for &size in sizes {
                for reading in [Reading::Plain, Reading::Room, Reading::RoomFor] {
                    // Two sizes of the buffer. A plain buffer does not depend on it, and the slowest reads hardly do.
                    let rooms = if size == 1 || matches!(reading, Reading::Plain) { 1 } else { 2 };
                    for room in [16 << 10, 72 << 10].into_iter().take(rooms) {
                        let (mut server, _) = open(Config::new());
                        let mut bytes = frame(first, &payload, true);
                        // The header alone never lies with all of the payload.
                        let mut found = (0, 0);
                        let Measured { allocations, asked, most, .. } =
                            measure(|| found = feed(&mut server, &mut bytes, size, reading, &mut memory[..room]));
                        let (received, zeroed) = found;
                        let case = format!("{label}, {len} bytes in reads of {size}, {reading:?} of {room}");
                        assert_eq!(received, len, "{case}");
                        assert!(most <= len as isize, "{case}: {most} bytes held");
                        assert!(allocations <= 1 + len.ilog2() as usize, "{case}: {allocations} allocations");
                        assert!(asked <= 3 * len, "{case}: {asked} bytes asked for");
                        assert!(zeroed <= 2 * len, "{case}: {zeroed} bytes zeroed");
                    }
                }
            }
        }
    }
}

/// The same if the message's length is not known. The memory is at most twice the received bytes.
#[test]
fn memory_doubles_while_fragments_are_received() {
    let mut memory = vec![0xFF; 72 << 10];
    let cases = [1_usize, 100, 5000, 150_000].into_iter().flat_map(|fragment| {
        // Fewer bytes in reads of one byte, which take the most time.
        [(fragment, 100_000, &[1][..]), (fragment, 300_000, &[1448, 16_384])]
    });
    for (fragment, total, sizes) in cases {
        for (first, text) in [(0x02, "\u{7f}"), (0x01, "a"), (0x01, "ж")] {
            let payload = text.repeat(fragment.div_ceil(text.len())).into_bytes();
            let count = usize::div_ceil(total, payload.len()).min(4000);
            let len = count * payload.len();
            let frames = |index| {
                frame(if index == 0 { first } else { 0 } | if index + 1 == count { 0x80 } else { 0 }, &payload, true)
            };
            for &size in sizes {
                for reading in [Reading::Plain, Reading::RoomFor] {
                    let (mut server, _) = open(Config::new());
                    let mut bytes: Vec<u8> = (0..count).flat_map(frames).collect();
                    let mut found = (0, 0);
                    let Measured { allocations, asked, most, .. } =
                        measure(|| found = feed(&mut server, &mut bytes, size, reading, &mut memory));
                    let case = format!("{text:?}, {count} fragments of {fragment} in reads of {size}, {reading:?}");
                    assert_eq!(found.0, len, "{case}");
                    assert!(most <= 2 * len as isize, "{case}: {most} bytes held");
                    assert!(allocations <= 1 + len.ilog2() as usize, "{case}: {allocations} allocations");
                    assert!(asked <= 4 * len, "{case}: {asked} bytes asked for");
                    assert!(found.1 <= 2 * len, "{case}: {} bytes zeroed", found.1);
                }
            }
        }
    }
}

/// The beginning of a code point that a read cut is not stored yet, but memory is requested for it, too.
#[test]
fn memory_for_a_code_point_that_is_cut_is_requested_once() {
    let (mut server, _) = open(Config::new());
    let mut bytes = frame(0x81, "ж".repeat(3000).as_bytes(), true);
    let header = bytes.len() - 6000;
    let Measured { allocations, most, .. } = measure(|| {
        let mut received = 0;
        let mut start = 0;
        for end in [4000, 5999, 6000] {
            let mut input = Input::new(&mut bytes[start..header + end]);
            start = header + end;
            while let Some(event) = server.receiver.next_message(&mut input, &mut server.sender) {
                received += event.message().expect("a message").as_bytes().len();
            }
        }
        assert_eq!(received, 6000);
    });
    assert_eq!((allocations, most), (2, 6000));
}
