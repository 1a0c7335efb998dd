//! How much memory compression holds, and when: counted by this test's allocator.
//!
//! Prints the table for the documentation: `cargo test --test deflate_memory -- --nocapture between_messages`
#![cfg(feature = "deflate")]

mod common;
mod counting;

use std::fmt::Write;

use common::{ClientEnd, ServerEnd, frame, free_spare, open, open_between};
use counting::{Measured, NOTHING, measure};
use flate2::{Compress, Compression, FlushCompress};
use websocket_proto::{
    ChunkEvent, Config, Connection, Event, Failure, Input, Role, Sender,
    deflate::{self, Level, Pool, WindowBits},
};

/// Keeps nothing: memory that a connection releases is freed.
static NO_POOL: Pool = Pool::new(0);

/// The most heap of a half that remembers nothing: the agreement, and its progress.
const STATE: isize = 300;

/// The most memory of a compressor. Its hash table always has 128 KiB; zlib's has that size at memory level 9.
fn compressor(window: u8, memory_level: u8) -> isize {
    (4 << window) + (128 << 10) + (7 << (memory_level + 6)) + (4 << 10)
}

/// The most memory that is kept of a decompressor: for smaller windows, only the content of the window.
fn decompressor(window: u8) -> isize {
    if window == 15 { 48 << 10 } else { 1 << window }
}

/// One row of the table.
struct Case {
    label: &'static str,
    /// Window and memory level of a sender that remembers.
    sender: Option<(u8, u8)>,
    /// Window of a receiver that remembers.
    receiver: Option<u8>,
}

impl Case {
    fn deflate(&self) -> deflate::Config {
        let (send_window, memory_level) = self.sender.unwrap_or((15, 8));
        deflate::Config::new()
            .send_window(bits(send_window))
            .memory_level(Level::new(memory_level).unwrap())
            .receive_window(bits(self.receiver.unwrap_or(15)))
            .send_takeover(self.sender.is_some())
            .receive_takeover(self.receiver.is_some())
    }

    /// "deflate memory usage (bytes) = (1 << (windowBits+2)) + (1 << (memLevel+9)); inflate memory usage (bytes) = (1 <<
    /// windowBits) + about 7 kilobytes" (zlib's zconf.h and zlib.h)
    fn in_zlib(&self) -> (isize, isize) {
        let sender = self.sender.map_or(0, |(window, memory_level)| (1 << (window + 2)) + (1 << (memory_level + 9)));
        (sender, self.receiver.map_or(0, |window| (1 << window) + (7 << 10)))
    }
}

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

/// Delivers the sent bytes to the other end. Returns the number of messages.
fn pass<R: Role, P: Role>(from: &mut Sender<R, Vec<u8>>, to: &mut Connection<P, Vec<u8>, Vec<u8>>) -> usize {
    let mut wire = from.pending().to_vec();
    from.consume(usize::MAX);
    let mut input = Input::new(&mut wire);
    let mut messages = 0;
    while let Some(event) = to.receiver.next_message(&mut input, &mut to.sender) {
        assert!(matches!(event, Event::Text(_)), "{event:?}");
        messages += 1;
    }
    messages
}

fn text(words: usize) -> String {
    r#"{"text":"the same and over again"}"#.repeat(words)
}

/// Short and long messages in both directions, until every window is full.
fn converse(server: &mut ServerEnd, client: &mut ClientEnd) {
    for round in 1..20 {
        server.sender.send_text(&text(round * round * 3)).unwrap();
        client.sender.send_text(&text(round * round * 3)).unwrap();
        assert_eq!((pass(&mut server.sender, client), pass(&mut client.sender, server)), (1, 1));
    }
}

/// The memory of the halves of a connection after some messages.
fn held(config: Config) -> (isize, isize) {
    // The client leaves all choices to the server.
    let client = Config::new().deflate(deflate::Config::new());
    let (mut server, mut client) = open_between([config, client], [(); 4].map(|()| Vec::new()));
    converse(&mut server, &mut client);
    let Connection { sender, receiver } = server;
    (-measure(|| drop(sender)).left, -measure(|| drop(receiver)).left)
}

#[test]
fn an_agreement_is_a_few_hundred_bytes() {
    let mut ends = None;
    let Measured { left, .. } = measure(|| {
        ends = Some(open(Config::new().keep(0).deflate(deflate::Config::new())));
        free_spare();
    });
    assert!(left <= 4 * STATE, "{left} bytes for both halves of both ends");
}

/// The figures in the documentation, and their parts.
#[test]
#[rustfmt::skip]
fn memory_between_messages() {
    let cases = [
        Case { label: "default",                                 sender: Some((15, 8)), receiver: Some(15) },
        Case { label: "neither remembers",                       sender: None,          receiver: None },
        Case { label: "only we remember",                        sender: Some((15, 8)), receiver: None },
        Case { label: "only the peer remembers",                 sender: None,          receiver: Some(15) },
        Case { label: "windows of 14",                           sender: Some((14, 8)), receiver: Some(14) },
        Case { label: "windows of 12",                           sender: Some((12, 8)), receiver: Some(12) },
        Case { label: "windows of 9",                            sender: Some((9, 8)),  receiver: Some(9) },
        Case { label: "windows of 9, memory level 1",            sender: Some((9, 1)),  receiver: Some(9) },
        Case { label: "memory level 9",                          sender: Some((15, 9)), receiver: Some(15) },
        Case { label: "memory level 5",                          sender: Some((15, 5)), receiver: Some(15) },
        Case { label: "memory level 1",                          sender: Some((15, 1)), receiver: Some(15) },
    ];
    let plain = held(Config::new().keep(0));
    assert_eq!(plain, (0, 0));
    let mut table = String::from("| configuration | sender | receiver | zlib's formula |\n|-|-:|-:|-:|\n");
    writeln!(table, "| no compression | {} | {} | |", plain.0, plain.1).unwrap();
    let mut senders = Vec::new();
    for case in &cases {
        let (sender, receiver) = held(Config::new().keep(0).deflate(case.deflate().pool(&NO_POOL)));
        let (sender_in_zlib, receiver_in_zlib) = case.in_zlib();
        writeln!(table, "| {} | {sender} | {receiver} | {sender_in_zlib} + {receiver_in_zlib} |", case.label).unwrap();
        let sender_bound = STATE + case.sender.map_or(0, |(window, memory_level)| compressor(window, memory_level));
        let receiver_bound = STATE + case.receiver.map_or(0, decompressor);
        assert!(sender <= sender_bound, "{}: a sender has {sender} of {sender_bound} bytes", case.label);
        assert!(receiver <= receiver_bound, "{}: a receiver has {receiver} of {receiver_bound} bytes", case.label);
        senders.push(sender);
    }
    println!("\n{table}");
    // Smaller settings take less memory.
    let [default, _, _, _, windows_of_14, windows_of_12, windows_of_9, smallest, level_9, level_5, level_1] = senders[..]
    else {
        panic!()
    };
    assert!(default > windows_of_14 && windows_of_14 > windows_of_12 && windows_of_12 > windows_of_9);
    assert!(level_9 > default && default > level_5 && level_5 > level_1 && level_1.min(windows_of_9) > smallest);
}

/// A message in flight has a context, and a thousand idle connections share the pool's contexts.
#[test]
fn connections_that_forget_hold_nothing() {
    static POOL: Pool = Pool::new(4);
    let config =
        Config::new().keep(0).deflate(deflate::Config::new().send_takeover(false).receive_takeover(false).pool(&POOL));
    let mut ends: Vec<_> = (0..100).map(|_| open(config)).collect();
    let Measured { most, left, .. } = measure(|| {
        for (server, client) in &mut ends {
            for _ in 0..3 {
                server.sender.send_text(&text(100)).unwrap();
                client.sender.send_text(&text(100)).unwrap();
                assert_eq!((pass(&mut server.sender, client), pass(&mut client.sender, server)), (1, 1));
            }
        }
    });
    assert_eq!(POOL.idle(), (1, 1));
    let contexts = compressor(15, 8) + decompressor(15);
    assert!(most <= contexts + (64 << 10), "{most} bytes while messages came and went");
    let room = 8 << 10;
    assert!(left <= contexts + room + (4 << 10), "{left} bytes are left, and two contexts have {contexts}");

    // Messages that are open at the same time need as many contexts. Only some of these are kept.
    let Measured { most, left, .. } = measure(|| {
        for last in [false, true] {
            for (server, client) in &mut ends[..20] {
                server.sender.send_text_fragment(&text(10), last).unwrap();
                assert_eq!(pass(&mut server.sender, client), usize::from(last));
            }
            assert_eq!(POOL.idle(), if last { (4, 4) } else { (0, 0) });
        }
    });
    assert!(most >= 19 * contexts / 2);
    assert!(left <= 3 * (contexts + room) + (4 << 10), "{left} bytes");
    let Measured { left, .. } = measure(|| POOL.clear());
    assert!(-left >= 2 * contexts && POOL.idle() == (0, 0));
}

/// If enough memory is kept, the memory of one message serves the next.
#[test]
fn a_warm_connection_allocates_nothing_for_a_message() {
    static POOL: Pool = Pool::new(2);
    let deflate = deflate::Config::new().pool(&POOL);
    for deflate in [deflate, deflate.send_takeover(false).receive_takeover(false)] {
        let (mut server, mut client) = open(Config::new().keep(64 << 10).deflate(deflate));
        let text = text(500);
        let mut wire = Vec::with_capacity(text.len());
        let mut round = || {
            measure(|| {
                server.sender.send_text(&text).unwrap();
                wire.clear();
                wire.extend_from_slice(server.sender.pending());
                server.sender.consume(usize::MAX);
                let mut input = Input::new(&mut wire);
                let event = client.receiver.next_message(&mut input, &mut client.sender);
                assert_eq!(event, Some(Event::Text(&text)));
                assert_eq!(client.receiver.next_message(&mut input, &mut client.sender), None);
            })
        };
        let first = round();
        assert!(first.most > 0 && first.left > 0);
        // The second message refers to the first and is shorter: its end is decompressed in one piece with the rest.
        round();
        assert_eq!([round(), round()], [NOTHING; 2]);
    }
}

/// In any configuration, a short message is decompressed into a buffer of the pool.
#[test]
fn a_short_received_message_needs_no_memory_of_its_own() {
    static POOL: Pool = Pool::new(2);
    for takeover in [true, false] {
        let deflate = deflate::Config::new().send_takeover(takeover).receive_takeover(takeover).pool(&POOL);
        let (mut server, mut client) = open(Config::new().deflate(deflate));
        let text = text(200);
        let mut round = || {
            server.sender.send_text(&text).unwrap();
            let mut wire = server.sender.pending().to_vec();
            server.sender.consume(usize::MAX);
            measure(|| {
                let mut input = Input::new(&mut wire);
                let event = client.receiver.next_message(&mut input, &mut client.sender);
                assert_eq!(event, Some(Event::Text(&text)));
                assert_eq!(client.receiver.next_message(&mut input, &mut client.sender), None);
            })
        };
        assert!(round().most > 0);
        assert_eq!([round(), round()], [NOTHING; 2]);
    }
}

/// A connection that failed or was dropped returned its contexts.
#[test]
fn connections_that_end_hold_nothing() {
    static POOL: Pool = Pool::new(8);
    let ends = [frame(0xC2, &[0xFF], true), frame(0x83, b"", true), frame(0x88, b"", true)];
    // With a window below 15 the receiver keeps a copy of the window, not a context.
    for (end, window) in ends.iter().flat_map(|end| [9, 14, 15].map(|window| (end.clone(), window))) {
        let deflate = deflate::Config::new().send_window(bits(window)).receive_window(bits(window)).pool(&POOL);
        let config = Config::new().deflate(deflate);
        let (mut server, mut client) = open(config);
        converse(&mut server, &mut client);
        // In the middle of a message.
        client.sender.send_text_fragment(&text(1000), false).unwrap();
        pass(&mut client.sender, &mut server);
        let mut end = end;
        let mut input = Input::new(&mut end);
        POOL.clear();
        while server.receiver.next_message(&mut input, &mut server.sender).is_some() {}
        assert_eq!(POOL.idle(), (0, 1));
        let Connection { sender, receiver } = server;
        let Measured { left: freed, .. } = measure(|| drop(receiver));
        assert!(-freed <= STATE, "{freed} bytes were left of a window of {window}");
        drop(sender);
        assert_eq!(POOL.idle(), (1, 1));
    }
    POOL.clear();
}

/// `Pool::clear` frees the compressors, the decompressors, the buffers, and the lists of all three.
#[test]
fn a_pool_that_is_cleared_holds_nothing() {
    static POOL: Pool = Pool::new(8);
    let deflate = deflate::Config::new().send_takeover(false).receive_takeover(false).pool(&POOL);
    let Measured { left, .. } = measure(|| {
        let (mut server, mut client) = open(Config::new().deflate(deflate));
        converse(&mut server, &mut client);
        free_spare();
    });
    assert_eq!(POOL.idle(), (1, 1));
    let Measured { left: freed, .. } = measure(|| POOL.clear());
    assert_eq!((freed, POOL.idle()), (-left, (0, 0)));
}

/// The buffer for compressed bytes and the output may each keep `Config::keep` bytes.
#[test]
fn a_sender_keeps_exactly_the_configured_memory() {
    let text = text(500);
    let held = |keep| {
        // Without takeover and pool the context is freed after each message.
        let deflate = deflate::Config::new().send_takeover(false).pool(&NO_POOL);
        let (mut server, _) = open(Config::new().keep(keep).deflate(deflate));
        server.sender.release();
        let Measured { left: waiting, .. } = measure(|| {
            server.sender.send_text(&text).unwrap();
            free_spare();
        });
        let len = server.sender.pending().len();
        let Measured { left: freed, .. } = measure(|| {
            server.sender.consume(usize::MAX);
            free_spare();
        });
        (len, waiting, waiting + freed)
    };
    let (len, both, kept) = held(1 << 20);
    assert_eq!(kept, both);
    let packed = usize::try_from(both).unwrap() - len;
    assert!(packed >= len - 4, "{both} bytes for a frame of {len}");
    for keep in [0, 1, len - 1, len, len + 1, packed - 1, packed, packed + 1] {
        let (_, waiting, left) = held(keep);
        let kept = |bytes| if bytes <= keep { bytes } else { 0 };
        assert_eq!(waiting as usize, len + kept(packed), "while it waits, with {keep} to keep");
        assert_eq!(left as usize, kept(len) + kept(packed), "behind it, with {keep} to keep");
    }
}

/// The buffers for decompressed bytes and for input that is not decompressed yet count together.
#[test]
fn a_receiver_keeps_exactly_the_configured_memory() {
    const ROOM: usize = 8 << 10;
    let held = |keep, words| {
        let deflate = deflate::Config::new().send_takeover(false).receive_takeover(false).pool(&NO_POOL);
        let (mut server, mut client) = open(Config::new().keep(keep).deflate(deflate));
        server.receiver.release();
        client.sender.send_text(&text(words)).unwrap();
        let mut wire = client.sender.pending().to_vec();
        free_spare();
        let Measured { left, .. } = measure(|| {
            let mut input = Input::new(&mut wire);
            while let Some(event) = server.receiver.next_chunk(&mut input, &mut server.sender) {
                assert!(matches!(event, ChunkEvent::Text(_)), "{event:?}");
            }
            free_spare();
        });
        let Measured { left: freed, .. } = measure(|| server.receiver.release());
        assert_eq!(freed, -left, "all of it is released");
        left as usize
    };
    for (words, has_input) in [(10, false), (1000, true)] {
        let both = held(1 << 20, words);
        assert_eq!((both >= ROOM, both > ROOM), (true, has_input));
        for (keep, kept) in [(0, 0), (ROOM - 1, 0), (both - 1, 0), (both, both), (both + 1, both)] {
            assert_eq!(held(keep, words), kept, "of {both}, with {keep} to keep");
        }
    }
}

/// `release` frees all unused memory of its half, and nothing that is in use.
#[test]
fn release_frees_only_unused_memory() {
    let config = Config::new().keep(64 << 10).deflate(deflate::Config::new().pool(&NO_POOL));
    let (mut server, mut client) = open(config);
    server.sender.release();
    client.receiver.release();
    let text = text(500);
    server.sender.send_text(&text).unwrap();
    let before = server.sender.pending().to_vec();
    let Measured { left, .. } = measure(|| server.sender.release());
    assert!(-left >= before.len() as isize - 4, "the compressed copy is unused once the frame is pending: {left}");
    assert_eq!(server.sender.pending(), before);
    assert_eq!(pass(&mut server.sender, &mut client), 1);
    assert_eq!(measure(|| server.sender.release()).left, -(before.len() as isize));
    assert_eq!(measure(|| server.sender.release()), NOTHING, "nothing is left to free");

    let Measured { left, .. } = measure(|| client.receiver.release());
    assert!(-left >= (8 << 10) + text.len() as isize, "the buffer for decompressed bytes, and the text: {left}");
    assert_eq!(measure(|| client.receiver.release()), NOTHING, "nothing is left to free");

    // Inside a message `release` changes nothing.
    let mut said = String::new();
    for (part, last) in [(&*text, false), ("", false), (&text, false), ("!", true)] {
        server.sender.send_text_fragment(part, last).unwrap();
        said += part;
        let mut wire = server.sender.pending().to_vec();
        server.sender.consume(usize::MAX);
        server.sender.release();
        let mut input = Input::new(&mut wire);
        let event = client.receiver.next_message(&mut input, &mut client.sender);
        assert_eq!(event, last.then_some(Event::Text(&said)));
        client.receiver.release();
    }
}

/// This many MiB of zeros, compressed to about a thousandth.
fn zeros(mebibytes: usize) -> Vec<u8> {
    let mut zlib = Compress::new(Compression::new(9), false);
    let mut mebibyte = Vec::with_capacity(4 << 10);
    zlib.compress_vec(&vec![0; 1 << 20], &mut mebibyte, FlushCompress::Full).unwrap();
    assert!(mebibyte.len() < 1100 && mebibyte.ends_with(&[0x00, 0x00, 0xFF, 0xFF]));
    // After a full flush nothing refers to earlier bytes, so the bytes can be repeated. An empty block ends the
    // message.
    [mebibyte.repeat(mebibytes), vec![0x00]].concat()
}

/// The memory for reading any compressed message: a context, a piece of 8 KiB, a little of the input.
const READING: isize = (48 + 8 + 4) << 10;

/// A message much larger than the memory limit is received in chunks.
#[test]
fn chunks_are_never_stored() {
    let config = Config::new().max_frame(1 << 40).max_message(1 << 40).deflate(deflate::Config::new().pool(&NO_POOL));
    let (mut server, _) = open(config);
    let mut wire = frame(0xC2, &zeros(256), true);
    let mut received = 0;
    let Measured { most, .. } = measure(|| {
        let mut input = Input::new(&mut wire);
        while let Some(ChunkEvent::Binary(chunk)) = server.receiver.next_chunk(&mut input, &mut server.sender) {
            received += chunk.data.len();
        }
    });
    assert_eq!(received, 256 << 20);
    assert!(most <= READING, "{most} bytes");
}

/// Threat 3: a bomb costs at most the limit, however it is packed.
#[test]
fn a_bomb_costs_at_most_the_limit() {
    const LIMIT: usize = 1 << 20;
    let bomb = zeros(50);
    let fragments = |size: usize| {
        let count = bomb.len().div_ceil(size);
        let fragments = bomb.chunks(size).enumerate().map(|(index, part)| {
            frame(if index == 0 { 0x42 } else { 0x00 } | if index + 1 == count { 0x80 } else { 0x00 }, part, true)
        });
        fragments.collect::<Vec<_>>().concat()
    };
    // Each message is within the limit, then one refers to them and is over it.
    let within = frame(0xC2, &zeros(1), true);
    let wires =
        [frame(0xC2, &bomb, true), fragments(1000), fragments(20), [within.repeat(20), fragments(700)].concat()];
    for wire in wires {
        for takeover in [true, false] {
            for read in [usize::MAX, 100] {
                for whole in [true, false] {
                    let deflate = deflate::Config::new().receive_takeover(takeover).pool(&NO_POOL);
                    let (mut server, _) = open(Config::new().max_message(LIMIT as u64).deflate(deflate));
                    let mut wire = wire.clone();
                    let mut failure = None;
                    free_spare();
                    let Measured { most, left, .. } = measure(|| {
                        for piece in wire.chunks_mut(read) {
                            let mut input = Input::new(piece);
                            failure = failure.or(last_failure(&mut server, &mut input, whole));
                        }
                        free_spare();
                    });
                    let Some(Failure::MessageTooLong { len, limit }) = failure else { panic!("{failure:?}") };
                    assert!(limit == LIMIT as u64 && len <= limit + (8 << 10), "noticed at {len}");
                    // A `Vec` that grows may have space for twice its content.
                    let bound = READING + if whole { 2 * LIMIT as isize } else { 0 };
                    assert!(most <= bound, "{most} of {bound} bytes");
                    // The Close that reports this is pending.
                    assert!(left <= STATE, "{left} bytes are left");
                }
            }
        }
    }
}

/// Reads everything. Returns the failure.
fn last_failure(server: &mut ServerEnd, input: &mut Input<'_>, whole: bool) -> Option<Failure> {
    let (rx, tx) = (&mut server.receiver, &mut server.sender);
    let mut failure = None;
    if whole {
        while let Some(event) = rx.next_message(input, tx) {
            match event {
                Event::Failed(reason) => failure = Some(reason),
                event => assert!(matches!(event, Event::Binary(data) if data.len() == 1 << 20)),
            }
        }
    } else {
        while let Some(event) = rx.next_chunk(input, tx) {
            if let ChunkEvent::Failed(reason) = event {
                failure = Some(reason);
            }
        }
    }
    failure
}

/// The memory for a compressed message is spare memory of the thread, like that for its output.
#[test]
fn a_warm_sender_that_keeps_nothing_allocates_nothing() {
    static POOL: Pool = Pool::new(4);
    let deflate = deflate::Config::new().send_takeover(false).pool(&POOL);
    for config in [Config::new(), Config::new().keep(0)] {
        for len in [200, 5000, 100_000] {
            let (mut server, _) = open(config.deflate(deflate));
            free_spare();
            let text = "some text ".repeat(len / 10);
            let mut round = || {
                measure(|| {
                    server.sender.send_text(&text).unwrap();
                    server.sender.consume(usize::MAX);
                })
            };
            for _ in 0..2 {
                round();
            }
            assert_eq!(round(), NOTHING, "{len} bytes");
        }
    }
}
