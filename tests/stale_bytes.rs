//! Threat 8: a reply contains bytes of the frame that it answers, and never bytes of an earlier frame. In both roles,
//! over a `Vec` and an array.

mod common;

use common::{frame, frames, open_in, store};
use websocket_proto::{Config, Connection, Event, FixedStorage, Input, Reply, Role, Sender, Storage, frame::CloseCode};

/// The payload of the earlier frame.
const SECRET: [u8; 125] = [b'#'; 125];

/// Consumes and returns all frames that are sent.
fn drain<R: Role, S: Storage>(tx: &mut Sender<R, S>) -> Vec<Frame> {
    let mut wire = Vec::new();
    while !tx.is_empty() {
        wire.extend_from_slice(tx.pending());
        tx.consume(tx.pending().len());
    }
    frames(&wire)
}

/// Receives two frames, each cut in two, and returns the replies. They go to the sender as borrowed or owned replies,
/// and are consumed after each frame or at the end.
fn replies<R: Role, S: Storage>(
    connection: Connection<R, S, S>,
    frames: [(&[u8], usize); 2],
    is_owned: bool,
    is_drained: bool,
) -> Vec<Frame> {
    let Connection { receiver: mut rx, sender: mut tx } = connection;
    let mut sent = Vec::new();
    for (bytes, cut) in frames {
        let mut bytes = bytes.to_vec();
        let (front, back) = bytes.split_at_mut(cut);
        for mut input in [Input::new(front), Input::new(back)] {
            let mut reply = |reply: Reply<'_>| if is_owned { tx.reply(&reply.to_owned()) } else { tx.reply(reply) };
            while rx.next_message(&mut input, &mut reply).is_some() {}
        }
        if is_drained {
            sent.extend(drain(&mut tx));
        }
    }
    sent.extend(drain(&mut tx));
    sent
}

fn close(reason: &str) -> Vec<u8> {
    [&1000_u16.to_be_bytes(), reason.as_bytes()].concat()
}

/// The first byte and the payload of a frame.
type Frame = (u8, Vec<u8>);

/// Short frames, each with its reply.
fn short_frames() -> Vec<(Frame, Frame)> {
    let failure = |code: u16, reason: &str| (0x88, [&code.to_be_bytes(), reason.as_bytes()].concat());
    let mut rows = Vec::new();
    for payload in ["", "a", "ab", "four", "a little longer"] {
        rows.push(((0x89, payload.into()), (0x8A, payload.into())));
    }
    for payload in [vec![], close(""), close("x"), close("bye ж")] {
        rows.push(((0x88, payload.clone()), (0x88, payload)));
    }
    rows.push(((0x83, vec![]), failure(1002, "reserved opcode")));
    rows.push(((0x81, vec![0xFF]), failure(1007, "text is not UTF-8")));
    rows
}

/// Receives each short frame after a long one, in both roles and in many cuts.
fn check<S: Storage>(stores: impl Fn() -> [S; 4]) {
    // A Ping, which is answered, and a Pong, which is not.
    let long_frames = [(0x89, Some((0x8A, SECRET.to_vec()))), (0x8A, None)];
    for ((first, payload), reply) in short_frames() {
        for (long_first, long_reply) in &long_frames {
            for masked in [true, false] {
                let long = frame(*long_first, &SECRET, masked);
                let short = frame(first, &payload, masked);
                let expected: Vec<_> = long_reply.iter().cloned().chain([reply.clone()]).collect();
                let cuts =
                    [0, 1, 60, long.len() - 1].into_iter().flat_map(|cut| (0..=short.len()).map(move |at| (cut, at)));
                for (long_cut, short_cut) in cuts {
                    for (is_owned, is_drained) in [(false, false), (false, true), (true, false), (true, true)] {
                        let (server, client) = open_in(Config::new(), stores());
                        let frames = [(&*long, long_cut), (&*short, short_cut)];
                        let sent = if masked {
                            replies(server, frames, is_owned, is_drained)
                        } else {
                            replies(client, frames, is_owned, is_drained)
                        };
                        assert_eq!(sent, expected, "{first:#x} {payload:?}, cut at {short_cut}, {masked}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_reply_has_no_bytes_of_an_earlier_frame() {
    check(|| [(); 4].map(|()| store()));
    // The smallest output that a client accepts.
    check(|| [(); 4].map(|()| FixedStorage::new([0x23; 262])));
}

/// While the peer doesn't read, the newest Pong is stored separately.
fn newest_pong<R: Role, S: Storage>(connection: Connection<R, S, S>, masked: bool, closes: bool) {
    let Connection { receiver: mut rx, sender: mut tx } = connection;
    for payload in [&SECRET[..], &SECRET, b"short", b"", b"so"] {
        // More than fit any store.
        for _ in 0..40 {
            let mut ping = frame(0x89, &SECRET, masked);
            assert_eq!(rx.next_message(&mut Input::new(&mut ping), &mut tx), Some(Event::Ping(&SECRET)));
        }
        let before = tx.pending().len();
        let mut ping = frame(0x89, payload, masked);
        assert!(rx.next_message(&mut Input::new(&mut ping), &mut tx).is_some());
        assert_eq!(tx.pending().len(), before, "it is stored separately");
        if closes && payload == b"so" {
            tx.close(CloseCode::NORMAL, "x").unwrap();
        }
        let mut sent = drain(&mut tx);
        let close = sent.iter().position(|(first, _)| *first == 0x88).map(|at| sent.remove(at));
        assert_eq!(close, (closes && payload == b"so").then(|| (0x88, self::close("x"))));
        assert_eq!(sent.pop(), Some((0x8A, payload.to_vec())));
        assert!(sent.iter().all(|(first, payload)| (*first, &payload[..]) == (0x8A, &SECRET[..])));
    }
}

#[test]
fn a_pong_that_is_stored_has_no_bytes_of_an_earlier_one() {
    for closes in [false, true] {
        let (server, client) = open_in(Config::new(), [(); 4].map(|()| store()));
        newest_pong(server, true, closes);
        newest_pong(client, false, closes);
        let (server, client) = open_in(Config::new(), [(); 4].map(|()| FixedStorage::new([0x23; 300])));
        newest_pong(server, true, closes);
        newest_pong(client, false, closes);
    }
}

/// Sends short frames from memory that held a long one.
#[test]
fn a_short_frame_has_no_bytes_of_a_longer_one() {
    fn check<R: Role, S: Storage>(mut tx: Sender<R, S>) {
        let secret = [b'#'; 125];
        for payload in [&b""[..], b"a", b"four", b"a little longer"] {
            tx.send_binary(&secret).unwrap();
            tx.consume(usize::MAX);
            let text = std::str::from_utf8(payload).unwrap();
            tx.send_ping(payload).unwrap();
            tx.send_text(text).unwrap();
            tx.send_pong(payload).unwrap();
            assert_eq!(frames(tx.pending()), [0x89, 0x81, 0x8A].map(|first| (first, payload.to_vec())));
            tx.consume(usize::MAX);
        }
        tx.send_binary(&secret).unwrap();
        tx.consume(usize::MAX);
        tx.close(CloseCode::GOING_AWAY, "").unwrap();
        assert_eq!(frames(tx.pending()), [(0x88, 1001_u16.to_be_bytes().to_vec())]);
    }
    // The memory is kept, and used again.
    let (server, client) = open_in(Config::new().keep(1000), [(); 4].map(|()| store()));
    check(server.sender);
    check(client.sender);
    let (server, client) = open_in(Config::new(), [(); 4].map(|()| FixedStorage::new([0x23; 262])));
    check(server.sender);
    check(client.sender);
}
