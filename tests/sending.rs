//! The sender: what it sends, what it refuses, and what happens if the peer does not read.

mod common;

use common::{Keys, Store, frame, frames, open, open_in};
use websocket_proto::{
    Client, Config, Connection, Event, FixedStorage, Input, Message, OwnedReply, Reply, Role, SendError, Sender,
    Server, Storage, Transport, frame::CloseCode,
};

/// Runs a test with the sender of either role. `$masked` is whether its frames are masked.
macro_rules! in_both_roles {
    ($config:expr, |$tx:ident, $masked:ident| $body:block) => {{
        let (server, client) = open($config);
        {
            let (mut $tx, $masked) = (server.sender, false);
            $body
        }
        {
            let (mut $tx, $masked) = (client.sender, true);
            $body
        }
    }};
}

fn drain<R: Role, S: Storage>(tx: &mut Sender<R, S>) -> Vec<(u8, Vec<u8>)> {
    let sent = frames(tx.pending());
    tx.consume(tx.pending().len());
    sent
}

#[test]
fn frames_match_the_examples_of_the_rfc() {
    let (mut server, mut client) = open(Config::new());
    server.sender.send_text("Hello").unwrap();
    client.sender.send_text("Hello").unwrap();
    // RFC 6455 §5.7, except for the key.
    assert_eq!(server.sender.pending(), b"\x81\x05Hello");
    let key = common::keys();
    let masked: Vec<u8> = b"Hello".iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    assert_eq!(client.sender.pending(), [&b"\x81\x85"[..], &key, &masked].concat());
}

#[test]
fn lengths_have_their_shortest_form() {
    for (len, header) in [
        (0, &[0x82, 0][..]),
        (125, &[0x82, 125]),
        (126, &[0x82, 126, 0, 126]),
        (65535, &[0x82, 126, 0xFF, 0xFF]),
        (65536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let (mut server, mut client) = open(Config::new());
        let data = vec![0xA5; len];
        server.sender.send_binary(&data).unwrap();
        assert_eq!(server.sender.pending(), [header, &data].concat());
        client.sender.send_binary(&data).unwrap();
        assert_eq!(client.sender.pending()[1], header[1] | 0x80);
        assert_eq!(frames(client.sender.pending()), [(0x82, data)]);
    }
}

#[test]
fn fragments_are_one_message_and_control_frames_pass_between() {
    in_both_roles!(Config::new(), |tx, _masked| {
        tx.send_text_fragment("a", false).unwrap();
        tx.send_ping(b"p").unwrap();
        tx.send_text_fragment("", false).unwrap();
        // No other message may begin.
        assert_eq!(tx.send_text("x"), Err(SendError::MessageOpen));
        assert_eq!(tx.send_binary_fragment(b"x", true), Err(SendError::MessageOpen));
        assert_eq!(tx.vectored_frame("x").err(), Some(SendError::MessageOpen));
        tx.send_text_fragment("c", true).unwrap();
        tx.send_binary_fragment(b"whole", true).unwrap();
        let expected = [(0x01, "a"), (0x89, "p"), (0x00, ""), (0x80, "c"), (0x82, "whole")];
        assert_eq!(drain(&mut tx), expected.map(|(first, payload)| (first, payload.as_bytes().to_vec())));
    });
}

#[test]
fn a_refused_message_changes_nothing() {
    in_both_roles!(Config::new(), |tx, _masked| {
        tx.send_text("before").unwrap();
        let before = tx.pending().to_vec();
        assert_eq!(tx.send_ping(&[0; 126]), Err(SendError::ControlTooLong { len: 126 }));
        assert_eq!(tx.send_pong(&[0; 126]), Err(SendError::ControlTooLong { len: 126 }));
        let reason = "r".repeat(124);
        assert_eq!(tx.close(CloseCode::NORMAL, &reason), Err(SendError::ReasonTooLong { len: 124 }));
        assert_eq!(tx.pending(), before);
        assert!(tx.is_open());

        tx.send_ping(&[1; 125]).unwrap();
        tx.close(CloseCode::NORMAL, &reason[1..]).unwrap();
        let before = tx.pending().to_vec();
        assert_eq!(tx.close(CloseCode::NORMAL, ""), Err(SendError::Closing));
        assert_eq!(tx.close_without_code(), Err(SendError::Closing));
        assert_eq!(tx.send_text("late"), Err(SendError::Closing));
        assert_eq!(tx.send_binary_fragment(b"late", false), Err(SendError::Closing));
        assert_eq!(tx.vectored_frame("late").err(), Some(SendError::Closing));
        assert_eq!(tx.send_ping(b""), Err(SendError::Closing));
        assert_eq!(tx.send_pong(b""), Err(SendError::Closing));
        assert_eq!(tx.pending(), before);
        let sent = drain(&mut tx);
        assert_eq!(sent[1].1, [1; 125]);
        assert_eq!(sent[2], (0x88, [&1000_u16.to_be_bytes()[..], "r".repeat(123).as_bytes()].concat()));
    });
}

#[test]
fn a_fragment_after_close_is_refused() {
    in_both_roles!(Config::new(), |tx, _masked| {
        tx.send_text_fragment("begun", false).unwrap();
        tx.close_without_code().unwrap();
        assert_eq!(tx.send_text_fragment("late", true), Err(SendError::Closing));
        assert_eq!(drain(&mut tx), [(0x01, b"begun".to_vec()), (0x88, vec![])]);
    });
}

#[test]
fn a_message_over_the_high_water_mark_is_refused() {
    in_both_roles!(Config::new().high_water(1000), |tx, masked| {
        let header = if masked { 8 } else { 4 };
        // A message of any size is accepted if nothing is pending.
        tx.send_binary(&[1; 5000]).unwrap();
        assert_eq!(tx.backlog(), 5000 + header);
        let refused = tx.send_binary(&[]).unwrap_err();
        assert_eq!(refused, SendError::Backlog { waiting: 5000 + header, limit: 1000 });
        assert_eq!(tx.send_text_fragment("x", false), Err(refused));
        assert_eq!(tx.vectored_frame("x").err(), Some(refused));
        assert!(matches!(tx.send_ping(b"x"), Err(SendError::Backlog { .. })));
        assert_eq!(tx.pending().len(), 5000 + header);
        // A refused first fragment begins no message.
        tx.consume(5000);
        tx.send_binary(&[2; 100]).unwrap();
        // Exactly up to the mark, and not one byte more.
        let room = 1000 - tx.backlog();
        let payload = vec![3; room - header];
        assert!(matches!(tx.send_binary(&[&payload[..], &[3]].concat()), Err(SendError::Backlog { .. })));
        tx.send_binary(&payload).unwrap();
        assert_eq!(tx.backlog(), 1000);
        assert!(matches!(tx.send_text(""), Err(SendError::Backlog { .. })));
        // A Close is accepted with any backlog; its frame has a header, a code and a reason.
        let closing = header - 2 + 2 + 8;
        tx.close(CloseCode::TRY_AGAIN_LATER, "too slow").unwrap();
        assert_eq!(tx.transport(), Transport::Closing);
        let mut wire = Vec::new();
        while !tx.is_empty() {
            wire.extend_from_slice(&tx.pending()[..1]);
            tx.consume(1);
        }
        assert_eq!(wire.len(), 1000 + closing);
    });
}

/// Threat 11: 5 000 Pings to an end whose output is not read.
#[test]
fn a_flood_of_pings_takes_limited_memory() {
    let (server, _) = open(Config::new());
    let Connection { receiver: mut rx, sender: mut tx } = server;
    let mut most = 0;
    for number in 0..5000_u32 {
        let mut ping = frame(0x89, &[&number.to_be_bytes()[..], &[0; 121]].concat(), true);
        let mut input = Input::new(&mut ping);
        assert!(matches!(rx.next_message(&mut input, &mut tx), Some(Event::Ping(_))));
        most = most.max(tx.backlog());
    }
    assert!(most <= 4096 + 127, "{most} bytes for pongs");
    let mut pongs = Vec::new();
    while !tx.is_empty() {
        pongs.extend(drain(&mut tx));
    }
    let numbers: Vec<u32> =
        pongs.iter().map(|(_, payload)| u32::from_be_bytes(payload[..4].try_into().unwrap())).collect();
    // In order while there was space, then the newest.
    let room = 4096 / 127;
    assert_eq!(numbers[..room as usize], (0..room).collect::<Vec<_>>());
    assert_eq!(numbers[room as usize..], [4999]);
}

/// The Pongs that are queued one by one, and their bytes.
fn flood<R: Role, S: Storage>(tx: &mut Sender<R, S>) -> usize {
    let before = tx.pending().len();
    for _ in 0..40 {
        ping(tx, &[9; 125]);
    }
    tx.pending().len() - before
}

#[test]
fn the_newest_pong_goes_before_the_next_message() {
    in_both_roles!(Config::new(), |tx, masked| {
        let header = if masked { 6 } else { 2 };
        let queued = flood(&mut tx);
        assert!((3900..=4096).contains(&queued), "{queued} bytes of pongs");
        ping(&mut tx, b"old");
        ping(&mut tx, b"new");
        assert_eq!(tx.backlog(), queued + header + 3);
        // Messages can't delay it forever.
        tx.send_text("next").unwrap();
        let sent = drain(&mut tx);
        assert_eq!(sent[sent.len() - 2..], [(0x8A, b"new".to_vec()), (0x81, b"next".to_vec())]);
        assert!(tx.is_empty());

        // Without messages it follows as soon as there is space, behind the earlier backlog.
        let queued = flood(&mut tx);
        ping(&mut tx, b"by itself");
        assert_eq!(tx.pending().len(), queued);
        tx.consume(header + 125);
        assert_eq!(tx.pending().len(), queued - header - 125 + header + 9);
        let last = &tx.pending()[tx.pending().len() - header - 9..];
        assert_eq!(frames(last), [(0x8A, b"by itself".to_vec())]);
    });
}

/// Pending bytes may be in a write while replies are added: they only grow, at their end.
#[test]
fn pending_bytes_stay_unchanged_until_they_are_consumed() {
    in_both_roles!(Config::new(), |tx, _masked| {
        let mut before = Vec::new();
        for number in 0..100_u8 {
            ping(&mut tx, &[number; 100]);
            if number % 7 == 0 {
                tx.send_text("between").unwrap();
            }
            assert!(tx.pending().starts_with(&before));
            before = tx.pending().to_vec();
        }
        tx.close(CloseCode::NORMAL, "").unwrap();
        assert!(tx.pending().starts_with(&before));
    });
}

/// The reply that a receiver owes for these bytes of a client.
fn owed(mut bytes: Vec<u8>) -> OwnedReply {
    let mut receiver = open(Config::new()).0.receiver;
    let mut owed = None;
    let _ = receiver.next_message(&mut Input::new(&mut bytes), &mut |reply: Reply<'_>| owed = Some(reply.to_owned()));
    owed.expect("a reply")
}

fn ping<R: Role, S: Storage>(tx: &mut Sender<R, S>, payload: &[u8]) {
    tx.reply(&owed(frame(0x89, payload, true)));
}

fn peer_closes<R: Role, S: Storage>(tx: &mut Sender<R, S>, body: &[u8]) {
    tx.reply(&owed(frame(0x88, body, true)));
}

fn peer_fails<R: Role, S: Storage>(tx: &mut Sender<R, S>) {
    tx.reply(&owed(vec![0xFF]));
}

/// Tells which replies may be dropped for a newer one, if they are sent by another way.
#[test]
fn a_reply_says_whether_it_is_a_pong() {
    for (bytes, is_pong) in [(frame(0x89, b"?", true), true), (frame(0x88, b"", true), false), (vec![0xFF], false)] {
        let owned = owed(bytes);
        assert_eq!((owned.is_pong(), Reply::from(&owned).is_pong()), (is_pong, is_pong));
    }
}

/// "unless it already received a Close frame" (§5.5.2): our own Close is no reason to leave a Ping unanswered.
#[test]
fn pings_are_answered_until_the_peer_has_closed() {
    in_both_roles!(Config::new(), |tx, client| {
        flood(&mut tx);
        ping(&mut tx, b"before");
        tx.close(CloseCode::NORMAL, "").unwrap();
        ping(&mut tx, b"after");
        let mut sent = drain(&mut tx);
        sent.extend(drain(&mut tx));
        let close = (0x88, 1000_u16.to_be_bytes().to_vec());
        assert_eq!(sent[sent.len() - 3..], [(0x8A, b"before".to_vec()), close, (0x8A, b"after".to_vec())]);
        assert!(tx.is_empty());
        peer_closes(&mut tx, &1000_u16.to_be_bytes());
        ping(&mut tx, b"too late");
        assert!(tx.is_empty());
        assert_eq!(tx.transport(), if client { Transport::AwaitEnd } else { Transport::CloseNow });
    });
}

#[test]
fn every_way_to_close_and_its_transport() {
    // We close, the peer answers.
    in_both_roles!(Config::new(), |tx, client| {
        assert_eq!(tx.transport(), Transport::Open);
        tx.close(CloseCode::NORMAL, "bye").unwrap();
        assert_eq!(tx.transport(), Transport::Closing);
        drain(&mut tx);
        assert_eq!(tx.transport(), Transport::Closing);
        peer_closes(&mut tx, &1000_u16.to_be_bytes());
        assert!(tx.is_empty(), "it was an answer");
        assert_eq!(tx.transport(), if client { Transport::AwaitEnd } else { Transport::CloseNow });
    });
    // The peer closes, we answer.
    in_both_roles!(Config::new(), |tx, client| {
        peer_closes(&mut tx, &4000_u16.to_be_bytes());
        assert_eq!(tx.transport(), Transport::Closing);
        assert_eq!(tx.close(CloseCode::NORMAL, ""), Err(SendError::Closing));
        assert_eq!(drain(&mut tx), [(0x88, 4000_u16.to_be_bytes().to_vec())]);
        assert_eq!(tx.transport(), if client { Transport::AwaitEnd } else { Transport::CloseNow });
    });
    // The peer closes behind a long backlog: nothing is lost, and the Close is last.
    in_both_roles!(Config::new(), |tx, client| {
        tx.send_binary(&[0; 9_000]).unwrap();
        peer_closes(&mut tx, &[]);
        assert_eq!(tx.transport(), Transport::Closing);
        tx.consume(8_000);
        assert_eq!(tx.transport(), Transport::Closing);
        assert_eq!(frames(&tx.pending()[tx.pending().len() - if client { 6 } else { 2 }..]), [(0x88, vec![])]);
        tx.consume(usize::MAX);
        assert_eq!(tx.transport(), if client { Transport::AwaitEnd } else { Transport::CloseNow });
    });
    // The peer breaks the protocol: close at once, in both roles.
    in_both_roles!(Config::new(), |tx, _client| {
        peer_fails(&mut tx);
        assert_eq!(tx.transport(), Transport::Closing);
        assert!(!tx.is_open());
        assert_eq!(drain(&mut tx)[0].1[..2], 1002_u16.to_be_bytes());
        assert_eq!(tx.transport(), Transport::CloseNow);
    });
    // Threat 16: the peer breaks the protocol while we are closing. One Close is enough.
    in_both_roles!(Config::new(), |tx, _client| {
        tx.close_without_code().unwrap();
        peer_fails(&mut tx);
        assert_eq!(drain(&mut tx), [(0x88, vec![])]);
        assert_eq!(tx.transport(), Transport::CloseNow);
    });
    // Threat 16: two Closes, and a failure behind them.
    in_both_roles!(Config::new(), |tx, client| {
        peer_closes(&mut tx, &[]);
        peer_closes(&mut tx, &1000_u16.to_be_bytes());
        peer_fails(&mut tx);
        assert_eq!(drain(&mut tx), [(0x88, vec![])]);
        assert_eq!(tx.transport(), if client { Transport::AwaitEnd } else { Transport::CloseNow });
    });
}

/// Threat 15: whatever part of a vectored write the socket takes, and whatever is sent behind it, frames stay whole.
#[test]
fn a_vectored_frame_is_never_torn() {
    for payload in [&b""[..], b"x", &[7; 126], &[8; 70_000]] {
        let mut sizes: Vec<usize> = (0..40).collect();
        sizes.extend([payload.len().saturating_sub(1), payload.len(), payload.len() + 1, 100, 1000, usize::MAX]);
        for taken in sizes {
            in_both_roles!(Config::new(), |tx, _masked| {
                tx.send_text("waiting").unwrap();
                let mut wire = Vec::new();
                let frame = tx.vectored_frame(payload).unwrap();
                let whole = frame.parts().concat();
                let taken = taken.min(whole.len());
                wire.extend_from_slice(&whole[..taken]);
                frame.sent(taken);
                ping(&mut tx, b"between");
                tx.send_text("behind").unwrap();
                wire.extend_from_slice(tx.pending());
                tx.consume(usize::MAX);
                wire.extend_from_slice(tx.pending());
                let frames = frames(&wire);
                assert_eq!(frames[0], (0x81, b"waiting".to_vec()));
                assert_eq!(frames[1], (0x82, payload.to_vec()));
                assert_eq!(frames[2], (0x8A, b"between".to_vec()));
                assert_eq!(frames[3], (0x81, b"behind".to_vec()));
                assert_eq!(frames.len(), 4);
            });
        }
    }
}

#[test]
fn a_vectored_frame_of_a_server_copies_nothing_and_a_dropped_one_is_not_lost() {
    let (mut server, mut client) = open(Config::new());
    let message = vec![9; 1000];
    let frame = server.sender.vectored_frame(&message[..]).unwrap();
    assert_eq!(frame.parts()[2].as_ptr(), message.as_ptr());
    #[cfg(feature = "std")]
    assert_eq!(frame.slices().iter().map(|slice| slice.len()).collect::<Vec<_>>(), [0, 4, 1000]);
    frame.sent(1004);
    assert!(server.sender.is_empty());
    // A write that failed with WouldBlock is left with `?`.
    drop(server.sender.vectored_frame("dropped").unwrap());
    drop(client.sender.vectored_frame("dropped").unwrap());
    assert_eq!(drain(&mut server.sender), [(0x81, b"dropped".to_vec())]);
    assert_eq!(drain(&mut client.sender), [(0x81, b"dropped".to_vec())]);
}

#[test]
fn every_partial_write_gives_the_same_bytes() {
    let expected = {
        let (mut server, _) = open(Config::new());
        script(&mut server.sender);
        server.sender.pending().to_vec()
    };
    for step in 1..60 {
        let (mut server, _) = open(Config::new());
        script(&mut server.sender);
        let mut wire = Vec::new();
        while !server.sender.is_empty() {
            let taken = step.min(server.sender.pending().len());
            wire.extend_from_slice(&server.sender.pending()[..taken]);
            server.sender.consume(taken);
        }
        assert_eq!(wire, expected);
    }

    fn script<R: Role, S: Storage>(tx: &mut Sender<R, S>) {
        tx.send_text("one").unwrap();
        tx.send(Message::Binary(&[2; 200])).unwrap();
        tx.send_pong(b"three").unwrap();
        tx.close(CloseCode::GOING_AWAY, "four").unwrap();
    }
}

#[test]
fn a_fixed_store_reports_its_limit_and_always_has_space_for_a_close() {
    // 127 bytes are kept free for a Close.
    let (mut server, _) = open_in(Config::new(), [(); 4].map(|()| FixedStorage::new([0; 327])));
    let tx = &mut server.sender;
    assert_eq!(tx.send_binary(&[0; 197]), Err(SendError::FrameTooLong { len: 201, limit: 200 }));
    tx.send_binary(&[1; 196]).unwrap();
    let full = SendError::Backlog { waiting: 200, limit: 200 };
    assert_eq!(tx.send_binary(&[]), Err(full));
    assert_eq!(tx.send_ping(&[]), Err(full));
    // A vectored frame is refused if its rest would not fit, before any part of it is written.
    assert_eq!(tx.vectored_frame(&[3; 10][..]).err(), Some(full));
    // The newest Pong waits separately, and follows when it fits beside a Close.
    ping(tx, b"old");
    ping(tx, &[5; 125]);
    assert_eq!((tx.pending().len(), tx.backlog()), (200, 327));
    tx.consume(126);
    assert_eq!(tx.pending().len(), 74);
    tx.consume(1);
    assert_eq!(frames(&tx.pending()[73..]), [(0x8A, vec![5; 125])]);
    tx.close(CloseCode::NORMAL, &"r".repeat(123)).unwrap();
    assert_eq!(tx.pending().len(), 327);
    assert_eq!(frames(&tx.pending()[73..])[1].1.len(), 125);
}

#[test]
fn a_store_that_could_not_answer_the_peer_is_refused_by_the_handshake() {
    use websocket_proto::{Uri, client, server};
    let request = client::Request::new(Uri::parse("ws://h/").unwrap());
    let client = |size| {
        let output = FixedStorage::new(vec![0; size]);
        client::Handshake::with_storage(Config::new(), &request, common::keys, common::store(), output).map(|_| ())
    };
    assert_eq!(client(261), Err(client::RequestError::StoreTooSmall { needed: 262, capacity: 261 }));
    assert_eq!(client(262), Ok(()));
    let server = |size| {
        let mut head =
            *b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let output = FixedStorage::new(vec![0; size]);
        let mut handshake = server::Handshake::with_storage(Config::new(), common::store(), output);
        assert!(handshake.read(&mut Input::new(&mut head)));
        handshake.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).map(|_| ())
    };
    assert_eq!(server(255), Err(server::AcceptError::StoreTooSmall { needed: 256, capacity: 255 }));
    assert_eq!(server(256), Ok(()));
}

/// Every reply is pending at once. So a loop that writes the pending bytes and then blocks in `read` leaves nothing
/// unsent, whatever the backlog was.
#[test]
fn a_reply_behind_any_backlog_is_pending_at_once() {
    for len in [0, 1, 4000, 4080, 4090, 4091, 4096, 5000, 100_000] {
        for (control, answer) in [(0x88, 0x88), (0x89, 0x8A)] {
            let (server, _) = open(Config::new());
            let Connection { receiver: mut rx, sender: mut tx } = server;
            let mut bytes = [frame(0x82, &vec![1; len], true), frame(control, b"", true)].concat();
            let mut input = Input::new(&mut bytes);
            while let Some(event) = rx.next_message(&mut input, &mut tx) {
                if let Event::Binary(data) = event {
                    tx.send_binary(data).unwrap();
                }
            }
            assert_eq!(frames(tx.pending()), [(0x82, vec![1; len]), (answer, vec![])], "behind {len} bytes");
            tx.consume(tx.pending().len());
            assert!(tx.is_empty());
        }
    }
}

#[test]
fn any_order_of_writes_and_sends_through_a_small_store_keeps_every_byte() {
    let (mut server, _) = open_in(Config::new(), [(); 4].map(|()| FixedStorage::new([0; 277])));
    let (mut sent, mut wire) = (Vec::new(), Vec::new());
    for number in 0..2000_usize {
        let payload = vec![number as u8; number % 37];
        if server.sender.send_binary(&payload).is_ok() {
            sent.push((0x82, payload));
        }
        let taken = (number * 7 % 41).min(server.sender.pending().len());
        wire.extend_from_slice(&server.sender.pending()[..taken]);
        server.sender.consume(taken);
    }
    wire.extend_from_slice(server.sender.pending());
    assert!(sent.len() > 500);
    assert_eq!(frames(&wire), sent);
}

/// An echo of Pings and messages by turns, to a peer that doesn't read: each message takes the newest Pong with it, so
/// the Pongs exceed 4 KiB.
#[test]
fn every_ping_before_a_message_gets_its_pong() {
    let (mut server, _) = open(Config::new());
    let mut pings = 0;
    for _ in 0..1000 {
        let mut bytes = [frame(0x89, &[b'p'; 125], true), frame(0x82, b"x", true)].concat();
        let mut input = Input::new(&mut bytes);
        while let Some(event) = server.receiver.next_message(&mut input, &mut server.sender) {
            match event {
                Event::Binary(data) => server.sender.send_binary(data).unwrap(),
                Event::Ping(_) => pings += 1,
                event => panic!("{event:?}"),
            }
        }
    }
    let sent = frames(server.sender.pending());
    assert_eq!((pings, sent.len()), (1000, 2000), "each ping has its pong, before the message behind it");
    server.sender.consume(usize::MAX);
    assert!(server.sender.is_empty());
}

/// A read found the end of the stream: nobody waits for sent bytes any more, in any state.
#[test]
fn without_a_transport_nothing_is_pending_and_sends_fail() {
    type Step = fn(&mut Sender<Server, Store>);
    let steps: [(&str, Step); 9] = [
        ("open", |_| {}),
        ("a backlog", |tx| tx.send_binary(&[1; 1000]).unwrap()),
        ("a backlog, of which a part is written", |tx| {
            tx.send_binary(&[1; 1000]).unwrap();
            tx.consume(500);
        }),
        ("a fragmented message", |tx| tx.send_text_fragment("begun", false).unwrap()),
        ("a flood of pings", |tx| (0..200).for_each(|_| ping(tx, &[9; 100]))),
        ("we have closed", |tx| tx.close(CloseCode::NORMAL, "bye").unwrap()),
        ("the peer has closed", |tx| peer_closes(tx, b"")),
        ("the peer has broken the protocol", |tx| peer_fails(tx)),
        ("it is known already", Sender::transport_lost),
    ];
    for (label, step) in steps {
        let (mut server, _) = open(Config::new().keep(1 << 20));
        let tx = &mut server.sender;
        step(tx);
        tx.transport_lost();
        assert_eq!((tx.pending(), tx.backlog(), tx.is_empty()), (&b""[..], 0, true), "{label}");
        assert_eq!((tx.is_open(), tx.transport()), (false, Transport::CloseNow), "{label}");
        for refused in [
            tx.send_text("text"),
            tx.send_binary(b"bytes"),
            tx.send_text_fragment("text", true),
            tx.send_binary_fragment(b"bytes", false),
            tx.vectored_frame("text").map(drop),
            tx.send_ping(b""),
            tx.send_pong(b""),
        ] {
            assert_eq!(refused, Err(SendError::TransportLost), "{label}");
        }
        assert_eq!(tx.close(CloseCode::NORMAL, ""), Err(SendError::TransportLost), "{label}");
        assert_eq!(tx.close_without_code(), Err(SendError::TransportLost), "{label}");
        // Later replies of the receiver are dropped.
        ping(tx, b"late");
        peer_closes(tx, b"");
        peer_fails(tx);
        assert_eq!((tx.backlog(), tx.transport()), (0, Transport::CloseNow), "{label}");
        tx.consume(usize::MAX);
        assert_eq!((tx.backlog(), tx.transport()), (0, Transport::CloseNow), "{label}");
        assert_eq!(tx.send_text("text"), Err(SendError::TransportLost), "{label}");
    }
    // After a late Close a client doesn't wait for the end of the stream, which was read already.
    let (_, mut client) = open(Config::new());
    client.sender.transport_lost();
    peer_closes(&mut client.sender, b"");
    assert_eq!(client.sender.transport(), Transport::CloseNow);
}

/// A client no longer waits for the server to end the stream, and a compressed message that began is forgotten.
#[test]
fn without_a_transport_a_client_waits_for_nothing() {
    type Step = fn(&mut Sender<Client<Keys>, Store>);
    let steps: [(&str, Step, Transport); 3] = [
        ("a fragmented message", |tx| tx.send_binary_fragment(&[1; 100], false).unwrap(), Transport::Open),
        ("our Close is on its way", |tx| tx.close_without_code().unwrap(), Transport::Closing),
        (
            "both have closed",
            |tx| {
                peer_closes(tx, b"");
                tx.consume(usize::MAX);
            },
            Transport::AwaitEnd,
        ),
    ];
    for (label, step, before) in steps {
        #[cfg(feature = "deflate")]
        let config = Config::new().deflate(websocket_proto::deflate::Config::new().threshold(0));
        #[cfg(not(feature = "deflate"))]
        let config = Config::new();
        let (_, mut client) = open(config);
        let tx = &mut client.sender;
        step(tx);
        assert_eq!(tx.transport(), before, "{label}");
        tx.transport_lost();
        assert_eq!((tx.is_open(), tx.backlog(), tx.transport()), (false, 0, Transport::CloseNow), "{label}");
        assert_eq!(tx.send_binary_fragment(b"", true), Err(SendError::TransportLost), "{label}");
    }
}

/// For interfaces that own a buffer while they write. The bytes are the pending ones, whatever was consumed before and
/// whatever is queued meanwhile.
#[cfg(feature = "alloc")]
#[test]
fn pending_bytes_are_taken_by_exchange() {
    in_both_roles!(Config::new(), |tx, _masked| {
        for (sent, consumed) in [(1, 0), (1, 5), (100, 0), (100, 3000), (0, 0)] {
            for _ in 0..sent {
                tx.send_binary(&[7; 100]).unwrap();
            }
            tx.consume(consumed);
            let (expected, mut bytes) = (tx.pending().to_vec(), vec![9; 50_000]);
            tx.take_pending(&mut bytes);
            assert_eq!((bytes, tx.backlog()), (expected, 0));
            tx.send_text("next").unwrap();
            assert_eq!(tx.pending().len(), tx.backlog());
            assert_eq!(tx.pending()[0], 0x81);
            tx.consume(usize::MAX);
        }
        // A Pong that waited for the others follows.
        for _ in 0..100 {
            ping(&mut tx, &[1; 125]);
        }
        let (mut bytes, mut pongs) = (Vec::new(), 0);
        while !tx.is_empty() {
            tx.take_pending(&mut bytes);
            pongs += frames(&bytes).len();
        }
        assert!((30..100).contains(&pongs), "{pongs} Pongs, at most 4 KiB and the newest");
    });
}
