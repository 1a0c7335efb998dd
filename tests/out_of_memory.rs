//! An allocator that refuses each allocation of the library once, in each state, and then all later ones, too.
//!
//! Delivered data stays delivered, errors say that memory is out, and the peer gets no false reply. (`zlib-rs` panics
//! without memory, as the documentation of the module `deflate` says. Its requests are granted here: only they are
//! aligned to 64 bytes.)
#![cfg(feature = "deflate")]

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    ptr,
    sync::{Mutex, PoisonError},
};

use common::{Keys, Mode, Seen, Trace, frame, frames, keys};
use websocket_proto::{
    ChunkEvent, Client, Config, Connection, Event, Failure, Input, Message, ReadBuffer, Role, SendError, Server,
    Transport, UncleanEnd, Uri, client,
    deflate::{self, Pool, Prepared, WindowBits},
    frame::CloseCode,
    head::HeadError,
    server,
};

struct Refusing;

thread_local! {
    /// Whether the library runs, whose allocations count.
    static ARMED: Cell<bool> = const { Cell::new(false) };
    /// How many allocations are granted before one is refused.
    static GRANTED: Cell<usize> = const { Cell::new(usize::MAX) };
    /// Whether all later ones are refused, too.
    static FOR_GOOD: Cell<bool> = const { Cell::new(false) };
    static REFUSED: Cell<usize> = const { Cell::new(0) };
}

fn refuses(layout: Layout) -> bool {
    if !ARMED.get() || layout.align() == 64 {
        return false;
    }
    let granted = GRANTED.get();
    if granted > 0 {
        GRANTED.set(granted - 1);
        return false;
    }
    if !FOR_GOOD.get() {
        GRANTED.set(usize::MAX);
    }
    REFUSED.set(REFUSED.get() + 1);
    true
}

unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if refuses(layout) { ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if refuses(layout) { ptr::null_mut() } else { unsafe { System.realloc(pointer, layout, size) } }
    }
}

#[global_allocator]
static REFUSING: Refusing = Refusing;

/// Runs the library. Allocations of the test itself are granted.
fn armed<T>(work: impl FnOnce() -> T) -> T {
    ARMED.set(true);
    let done = work();
    ARMED.set(false);
    done
}

/// Plays a scene with its first allocation refused, then its second, and so on to the last. Then the same with all
/// later allocations refused, too. Returns the number of allocations.
fn each_refused(scene: impl Fn()) -> usize {
    // One scene at a time: otherwise a scene could use memory of the pool that another one returned, without an
    // allocation.
    static STAGE: Mutex<()> = Mutex::new(());
    let _alone = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut places = 0;
    for for_good in [false, true] {
        for granted in 0.. {
            assert!(granted < 500, "a scene has an end");
            common::free_spare();
            GRANTED.set(granted);
            FOR_GOOD.set(for_good);
            REFUSED.set(0);
            scene();
            GRANTED.set(usize::MAX);
            FOR_GOOD.set(false);
            if REFUSED.get() == 0 {
                places = granted;
                break;
            }
        }
    }
    places
}

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

static POOL: Pool = Pool::new(2);

fn config() -> Config {
    // Kept memory is requested again when it shrinks.
    Config::new()
        .keep(300)
        .deflate(deflate::Config::new().pool(&POOL).send_takeover(false).receive_takeover(false).threshold(0))
}

type Ends = (Connection<Server, Vec<u8>, Vec<u8>>, Connection<Client<Keys>, Vec<u8>, Vec<u8>>);

/// Both ends, if there was memory for them.
fn connect(config: Config, piece: usize) -> Option<Ends> {
    let request = client::Request::new(Uri::parse("ws://example.com/").unwrap());
    let client = armed(|| client::Handshake::new(config, &request, keys as Keys));
    let mut client = match client {
        Ok(client) => client,
        Err(error) => {
            assert_eq!(error, client::RequestError::OutOfMemory);
            return None;
        }
    };
    let mut wire = client.pending().to_vec();
    let mut server = armed(|| server::Handshake::new(config));
    armed(|| wire.chunks_mut(piece).any(|piece| server.read(&mut Input::new(piece))));
    let upgrade = match armed(|| server.into_request().and_then(server::Request::upgrade)) {
        Ok(upgrade) => upgrade,
        Err(refusal) => {
            assert_eq!(refusal, server::Refusal::Head(HeadError::OutOfMemory));
            assert_eq!(refusal.status(), 503);
            let mut response = Vec::new();
            if let Err(error) = armed(|| refusal.response().write(&mut response)) {
                assert_eq!((error, &response[..]), (server::ResponseError::OutOfMemory, &b""[..]));
            }
            return None;
        }
    };
    let server = match armed(|| upgrade.accept(&server::Accept::new())) {
        Ok(server) => server,
        Err(error) => {
            assert_eq!(error, server::AcceptError::OutOfMemory);
            return None;
        }
    };
    let mut wire = server.sender.pending().to_vec();
    armed(|| wire.chunks_mut(piece).any(|piece| client.read(&mut Input::new(piece))));
    let response = match armed(|| client.into_response()) {
        Ok(response) => response,
        Err(error) => {
            assert_eq!(error, HeadError::OutOfMemory);
            return None;
        }
    };
    match armed(|| response.upgrade()) {
        Ok(client) => Some((server, client)),
        Err(error) => {
            assert_eq!(error, client::UpgradeError::OutOfMemory);
            None
        }
    }
}

/// Both ends with nothing pending. The handshake's allocations are granted.
fn open(config: Config) -> Ends {
    let granted = GRANTED.replace(usize::MAX);
    let (mut server, client) = connect(config, usize::MAX).unwrap();
    server.sender.consume(usize::MAX);
    GRANTED.set(granted);
    (server, client)
}

#[test]
fn in_the_handshake() {
    for piece in [7, usize::MAX] {
        // The last one has the longest offer and the longest answer.
        let deflate = config().deflate(
            deflate::Config::new()
                .pool(&POOL)
                .send_takeover(false)
                .receive_takeover(false)
                .send_window(bits(14))
                .receive_window(bits(13))
                .receive_window_limit(bits(14)),
        );
        for config in [Config::new(), config(), deflate] {
            let places = each_refused(|| {
                if let Some((mut server, mut client)) = connect(config, piece) {
                    assert!(server.sender.is_open() && client.sender.is_open());
                    armed(|| server.sender.consume(usize::MAX));
                    armed(|| client.sender.consume(usize::MAX));
                }
            });
            assert!(places >= 4, "{places} places");
        }
    }
    // A request in parts.
    let headers = [
        ("Host", "a"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ];
    let places = each_refused(|| {
        match armed(|| server::Request::from_parts(config(), "GET", "/", headers).and_then(server::Request::upgrade)) {
            Err(refusal) => assert_eq!(refusal, server::Refusal::Head(HeadError::OutOfMemory)),
            Ok(upgrade) => {
                if let Err(error) = armed(|| upgrade.into_connection()) {
                    assert_eq!(error, server::AcceptError::OutOfMemory);
                }
            }
        }
    });
    assert!(places >= 3, "{places} places");
}

#[test]
fn at_a_redirect() {
    for (base, location) in
        [("ws://h", "b"), ("ws://h/a/b?c", "../.."), ("ws://h:9/a?c", ""), ("ws://h", "https://g/b?c")]
    {
        let uri = Uri::parse(base).unwrap();
        let places = each_refused(|| {
            if let Err(error) = armed(|| uri.redirect(location)) {
                assert_eq!(error, client::RedirectError::OutOfMemory);
            }
        });
        assert_eq!(places, 1, "{base} {location}: the address never grows");
    }
}

/// A client's bytes, and the events that a server must see.
fn conversation() -> (Vec<u8>, Vec<Seen>) {
    let (_, mut client) = connect(config(), usize::MAX).unwrap();
    let cyrillic = "ж".repeat(4000);
    let ascii = "a".repeat(5000);
    let binary: Vec<u8> = (0..30_000_u32).map(|index| (index * index / 7) as u8).collect();
    let tx = &mut client.sender;
    let mut seen = Vec::new();
    for compress in [false, true] {
        tx.compress(compress);
        for text in [&cyrillic, &ascii] {
            tx.send_text(text).unwrap();
            seen.push(Seen::Text(text.clone()));
        }
        tx.send_binary(&binary).unwrap();
        seen.push(Seen::Binary(binary.clone()));
        tx.send_text_fragment(&ascii, false).unwrap();
        tx.send_ping(b"between").unwrap();
        tx.send_text_fragment(&cyrillic, true).unwrap();
        seen.extend([Seen::Ping(b"between".into()), Seen::Text(ascii.clone() + &cyrillic)]);
        tx.send_binary_fragment(&binary, false).unwrap();
        tx.send_binary_fragment(&binary, true).unwrap();
        seen.push(Seen::Binary(binary.repeat(2)));
    }
    tx.close(CloseCode::NORMAL, "the end").unwrap();
    seen.push(Seen::Close { code: Some(1000), reason: "the end".into(), cut_short: false });
    (tx.pending().to_vec(), seen)
}

#[test]
fn while_messages_are_received() {
    let (wire, expected) = conversation();
    for (mode, size, least) in
        [(Mode::Whole, 999, 18), (Mode::Whole, 13, 18), (Mode::Chunks, 999, 3), (Mode::Buffered(2000), 1448, 12)]
    {
        let places = each_refused(|| {
            let (server, _) = open(config());
            POOL.clear();
            let trace = receive(server, &wire, size, mode);
            let good = trace.seen.len() - usize::from(matches!(trace.seen.last(), Some(Seen::Failed(_))));
            assert!(trace.seen[..good] == expected[..good], "what is delivered is what was sent");
            if good < expected.len() {
                assert_eq!(trace.seen[good..], [Seen::Failed(Failure::OutOfMemory)]);
                assert_eq!(trace.end, Err(UncleanEnd::Failed(Failure::OutOfMemory)));
            }
            // Each Pong is right or missing, and so is the final Close.
            for (first, payload) in &trace.replies {
                match (first, &payload[..]) {
                    (0x8A, b"between") => {}
                    (0x88, [0x03, 0xE8, reason @ ..]) => assert_eq!(reason, b"the end"),
                    (0x88, [0x03, 0xF3, reason @ ..]) => assert_eq!(reason, b"out of memory"),
                    other => panic!("{other:?}"),
                }
            }
        });
        assert!(places >= least, "{mode:?}: {places} places");
    }
}

/// Like [`common::feed`], with only the library's allocations counted.
fn receive(connection: Connection<Server, Vec<u8>, Vec<u8>>, wire: &[u8], size: usize, mode: Mode) -> Trace {
    let Connection { receiver: mut rx, sender: mut tx } = connection;
    tx.consume(usize::MAX);
    let mut trace = Trace { seen: vec![], partial: vec![], replies: vec![], end: Ok(()), failed_after: None };
    let mut sent = Vec::new();
    let mut memory = vec![0; if let Mode::Buffered(capacity) = mode { capacity } else { 0 }];
    let mut buffer = ReadBuffer::new(&mut memory[..]);
    let mut rest = wire;
    while !rest.is_empty() {
        // With long reads all memory is requested; with short ones the thread has some to spare.
        if size > 100 {
            common::free_spare();
        }
        let mut piece;
        let mut input = if let Mode::Buffered(_) = mode {
            let room = armed(|| buffer.room_for(&mut rx));
            let (front, behind) = rest.split_at(size.min(room.len()).min(rest.len()));
            room[..front.len()].copy_from_slice(front);
            rest = behind;
            buffer.received(front.len())
        } else {
            let (front, behind) = rest.split_at(size.min(rest.len()));
            rest = behind;
            piece = front.to_vec();
            Input::new(&mut piece)
        };
        loop {
            let seen = if mode == Mode::Chunks {
                match armed(|| rx.next_chunk(&mut input, &mut tx)) {
                    None => break,
                    Some(ChunkEvent::Text(chunk)) => {
                        trace.partial.extend_from_slice(chunk.data.as_bytes());
                        let whole = chunk.last.then(|| std::mem::take(&mut trace.partial));
                        whole.map(|whole| Seen::Text(String::from_utf8(whole).unwrap()))
                    }
                    Some(ChunkEvent::Binary(chunk)) => {
                        trace.partial.extend_from_slice(chunk.data);
                        chunk.last.then(|| Seen::Binary(std::mem::take(&mut trace.partial)))
                    }
                    Some(ChunkEvent::Ping(payload)) => Some(Seen::Ping(payload.into())),
                    Some(ChunkEvent::Close { code, reason, message_cut_short: cut_short }) => {
                        Some(Seen::Close { code: code.map(CloseCode::get), reason: reason.into(), cut_short })
                    }
                    Some(ChunkEvent::Failed(failure)) => Some(Seen::Failed(failure)),
                    Some(event) => panic!("{event:?}"),
                }
            } else {
                match armed(|| rx.next_message(&mut input, &mut tx)) {
                    None => break,
                    Some(Event::Text(text)) => Some(Seen::Text(text.into())),
                    Some(Event::Binary(data)) => Some(Seen::Binary(data.into())),
                    Some(Event::Ping(payload)) => Some(Seen::Ping(payload.into())),
                    Some(Event::Close { code, reason, message_cut_short: cut_short }) => {
                        Some(Seen::Close { code: code.map(CloseCode::get), reason: reason.into(), cut_short })
                    }
                    Some(Event::Failed(failure)) => Some(Seen::Failed(failure)),
                    Some(event) => panic!("{event:?}"),
                }
            };
            trace.seen.extend(seen);
        }
        sent.extend_from_slice(tx.pending());
        armed(|| tx.consume(usize::MAX));
    }
    trace.replies = frames(&sent);
    let ended = matches!(trace.seen.last(), Some(Seen::Close { .. } | Seen::Failed(_)));
    assert_eq!(tx.transport(), if ended { Transport::CloseNow } else { Transport::Open });
    trace.end = rx.end_of_input();
    trace
}

#[test]
fn while_messages_are_sent() {
    let text = "text that can be compressed, text that can be compressed";
    let long = "long ".repeat(1000);
    // A compressor with takeover must forget a message that was not sent for lack of memory.
    let remembering = Config::new().deflate(deflate::Config::new().pool(&POOL).threshold(0));
    for config in [Config::new().keep(300), config(), remembering] {
        let places = each_refused(|| {
            let (mut server, client) = open(config);
            POOL.clear();
            let (mut wire, mut expected) = (Vec::new(), Vec::new());
            let prepared = match armed(|| Prepared::try_new(&long)) {
                Ok(prepared) => Some(prepared),
                Err(error) => {
                    assert_eq!(error, SendError::OutOfMemory);
                    None
                }
            };
            let tx = &mut server.sender;
            for step in 0..30 {
                let (message, result) = match step % 6 {
                    0 => (text, armed(|| tx.send_text(text))),
                    1 => (&long[..], armed(|| tx.send(Message::from(&long)))),
                    2 => ("begun and ended", {
                        let begun = armed(|| tx.send_text_fragment("begun and ", false));
                        // The first part was accepted, or there is no message; the second part is repeated until it is
                        // accepted.
                        if begun.is_ok() {
                            while let Err(error) = armed(|| tx.send_text_fragment("ended", true)) {
                                assert_eq!(error, SendError::OutOfMemory);
                                GRANTED.set(usize::MAX);
                            }
                        }
                        begun
                    }),
                    3 => (text, armed(|| tx.vectored_frame(text).map(|frame| frame.sent(0)))),
                    4 => match &prepared {
                        Some(prepared) => (&long[..], armed(|| tx.send_prepared(prepared))),
                        None => continue,
                    },
                    _ => {
                        wire.extend_from_slice(tx.pending());
                        armed(|| tx.consume(usize::MAX));
                        common::free_spare();
                        continue;
                    }
                };
                match result {
                    Ok(()) => expected.push(Seen::Text(message.into())),
                    Err(error) => assert_eq!(error, SendError::OutOfMemory),
                }
                if !tx.is_open() {
                    // The rest of a partly written frame could not be stored: no part of it waits, and nothing more is
                    // sent.
                    assert_eq!((tx.transport(), tx.backlog()), (Transport::CloseNow, 0));
                    return;
                }
            }
            wire.extend_from_slice(tx.pending());
            GRANTED.set(usize::MAX);
            let seen = common::feed(client, &wire, [], Mode::Whole);
            assert!(seen.seen == expected);
        });
        assert!(places >= 8, "{places} places");
    }
}

/// A vectored write of which the socket takes a part. While the connection is open the stream is whole; afterwards
/// nothing waits.
#[test]
fn while_frames_are_written_in_part() {
    for (keep, taken) in [(0, 0), (0, 1), (300, 5), (300, 60), (0, 5000), (300, usize::MAX)] {
        let places = each_refused(|| {
            let (server, client) = open(Config::new().keep(keep));
            write_in_part(server, taken);
            write_in_part(client, taken);
        });
        assert!(places >= 2, "{places} places, {taken} bytes taken");
    }
}

fn write_in_part<R: Role>(mut connection: Connection<R, Vec<u8>, Vec<u8>>, taken: usize) {
    let tx = &mut connection.sender;
    let (mut wire, mut expected) = (Vec::new(), Vec::new());
    for step in 0..20_u8 {
        let message = vec![step; 50 + 97 * usize::from(step)];
        let result = match step % 4 {
            0 => armed(|| tx.send_binary(&message)),
            3 => {
                let half = tx.pending().len() / 2;
                wire.extend_from_slice(&tx.pending()[..half]);
                armed(|| tx.consume(half));
                continue;
            }
            _ => armed(|| tx.vectored_frame(&message[..])).map(|frame| {
                let parts = frame.parts().concat();
                wire.extend_from_slice(&parts[..taken.min(parts.len())]);
                armed(|| frame.sent(taken));
            }),
        };
        match result {
            Ok(()) => expected.push((0x82, message)),
            Err(error) => assert_eq!(error, SendError::OutOfMemory),
        }
        if !tx.is_open() {
            assert_eq!((tx.transport(), tx.backlog()), (Transport::CloseNow, 0));
            assert_eq!(tx.send_text("after"), Err(SendError::Closing));
            return;
        }
    }
    wire.extend_from_slice(tx.pending());
    assert!(frames(&wire) == expected, "{taken} bytes taken");
}

/// Two connections share a prepared message. Each sends it or reports that memory is out, and later messages can be
/// read.
#[test]
fn while_a_prepared_message_is_shared() {
    let [long, other]: [String; 2] =
        [2000..4000, 0..800].map(|numbers| numbers.map(|number| number.to_string()).collect());
    for threshold in [0, 64, usize::MAX] {
        let places = each_refused(|| {
            let config = Config::new().deflate(deflate::Config::new().pool(&POOL).threshold(threshold));
            let mut pairs = [(); 2].map(|()| open(config));
            let Ok(prepared) = armed(|| Prepared::try_new(&long)) else { return };
            let mut expected = [vec![], vec![]];
            for _ in 0..2 {
                for ((server, _), expected) in pairs.iter_mut().zip(&mut expected) {
                    let tx = &mut server.sender;
                    for (text, sent) in [
                        (&long[..], armed(|| tx.send_prepared(&prepared))),
                        (&other[..], armed(|| tx.send_text(&other))),
                    ] {
                        match sent {
                            Ok(()) => expected.push(Seen::Text(text.into())),
                            Err(error) => assert_eq!(error, SendError::OutOfMemory),
                        }
                    }
                }
            }
            GRANTED.set(usize::MAX);
            for ((server, client), expected) in pairs.into_iter().zip(expected) {
                assert!(common::feed(client, server.sender.pending(), [], Mode::Whole).seen == expected);
            }
        });
        assert!(places >= 3, "{places} places");
    }
}

/// Pings behind a backlog: a Pong has the payload of its Ping, or there is none. Earlier events stay delivered.
#[test]
fn while_pings_are_answered() {
    let places = each_refused(|| {
        let (mut server, _) = open(Config::new());
        let Connection { receiver, sender } = &mut server;
        let (mut pings, mut wire) = (Vec::new(), Vec::new());
        for number in 0..150_u32 {
            let payload = [&number.to_be_bytes()[..], &[7; 100]].concat();
            // Every third Ping is cut, and so is stored until it is whole.
            let mut bytes = frame(0x89, &payload, true);
            let (front, back) = bytes.split_at_mut(if number % 3 == 0 { 50 } else { 0 });
            for piece in [front, back] {
                let mut input = Input::new(piece);
                match armed(|| receiver.next_message(&mut input, sender)) {
                    None => {}
                    Some(Event::Ping(found)) => {
                        assert_eq!(found, payload);
                        pings.push(payload.clone());
                    }
                    Some(Event::Failed(Failure::OutOfMemory)) => return,
                    other => panic!("{other:?}"),
                }
            }
            if number % 60 == 59 {
                while !sender.is_empty() {
                    wire.extend_from_slice(sender.pending());
                    armed(|| sender.consume(sender.pending().len()));
                }
            }
        }
        while !sender.is_empty() {
            wire.extend_from_slice(sender.pending());
            armed(|| sender.consume(sender.pending().len()));
        }
        let mut rest = pings.iter();
        for (first, payload) in frames(&wire) {
            assert_eq!(first, 0x8A);
            assert!(rest.any(|ping| *ping == payload), "a Pong to no Ping, or out of order: {payload:02x?}");
        }
    });
    assert!(places >= 8, "{places} places");
}

/// A Ping of "hello" while memory was out was once answered later, with an empty Pong.
#[test]
fn an_earlier_pong_is_better_than_an_empty_one() {
    let (mut server, _) = open(Config::new());
    let Connection { receiver, sender } = &mut server;
    let mut ping = |sender: &mut _, payload: &[u8]| {
        let mut bytes = frame(0x89, payload, true);
        let mut input = Input::new(&mut bytes);
        assert_eq!(armed(|| receiver.next_message(&mut input, sender)), Some(Event::Ping(payload)));
    };
    for _ in 0..60 {
        ping(sender, &[1; 100]);
    }
    ping(sender, b"earlier");
    GRANTED.set(0);
    FOR_GOOD.set(true);
    ping(sender, b"hello");
    GRANTED.set(usize::MAX);
    FOR_GOOD.set(false);
    let mut wire = Vec::new();
    while !sender.is_empty() {
        wire.extend_from_slice(sender.pending());
        sender.consume(sender.pending().len());
    }
    assert_eq!(frames(&wire).pop(), Some((0x8A, b"earlier".to_vec())));
}

/// A Close without memory ends the connection silently, and the peer gets no wrong code.
#[test]
fn while_it_closes() {
    let places = each_refused(|| {
        let (mut server, _) = open(Config::new().keep(0));
        common::free_spare();
        let tx = &mut server.sender;
        let sent = armed(|| tx.send_text("before"));
        armed(|| tx.close(CloseCode::NORMAL, "bye")).unwrap();
        let sent = sent.map(|()| (0x81, b"before".to_vec()));
        if tx.transport() == Transport::CloseNow {
            assert_eq!((tx.pending(), tx.is_open()), (&b""[..], false));
            assert_eq!(tx.send_text("after"), Err(SendError::Closing));
        } else {
            let close = (0x88, b"\x03\xe8bye".to_vec());
            assert_eq!(frames(tx.pending()), Vec::from_iter(sent.ok().into_iter().chain([close])));
        }
    });
    assert!(places >= 1, "{places} places");
}

/// A client that can't answer a Close is not closed, so it doesn't wait for the server to end the stream.
#[test]
fn an_unanswered_close_is_not_an_orderly_end() {
    let (_, mut client) = connect(Config::new().keep(0), usize::MAX).unwrap();
    client.sender.consume(usize::MAX);
    common::free_spare();
    let Connection { receiver, sender } = &mut client;
    let mut close = frame(0x88, &1000_u16.to_be_bytes(), false);
    let mut input = Input::new(&mut close);
    GRANTED.set(0);
    FOR_GOOD.set(true);
    let event = armed(|| receiver.next_message(&mut input, sender));
    GRANTED.set(usize::MAX);
    FOR_GOOD.set(false);
    assert!(matches!(event, Some(Event::Close { code: Some(CloseCode::NORMAL), .. })), "{event:?}");
    assert_eq!((sender.pending(), sender.transport()), (&b""[..], Transport::CloseNow));
}
