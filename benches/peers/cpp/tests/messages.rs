//! Every peer receives exactly what was sent, in both roles.

use cpp_peers::{FNV, Kind, Peer, Role, Seen, fnv, peers};
use std::io::IoSlice;

const LENGTHS: [usize; 8] = [0, 1, 125, 126, 4_097, 65_535, 65_536, 1 << 20];
const READS: [usize; 5] = [7, 4_096, 65_536, 100_000, 524_288];

struct Message {
    text: bool,
    payload: Vec<u8>,
    fragments: usize,
}

fn payload(text: bool, length: usize) -> Vec<u8> {
    if text {
        let mut payload: Vec<u8> = "Grüße, 世界, 🦀! ".bytes().cycle().take(length).collect();
        // Only whole characters.
        let valid = std::str::from_utf8(&payload).map_or_else(|error| error.valid_up_to(), |_| length);
        payload[valid..].fill(b'.');
        payload
    } else {
        (0..length).map(|i| (i * 31 + i / 256) as u8).collect()
    }
}

fn frame(out: &mut Vec<u8>, fin: bool, opcode: u8, payload: &[u8], masked: bool) {
    out.push(if fin { 0x80 | opcode } else { opcode });
    let bit = if masked { 0x80 } else { 0 };
    match payload.len() {
        length @ 0..126 => out.push(bit | length as u8),
        length @ 126..65_536 => {
            out.push(bit | 126);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(bit | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    if masked {
        let key = (out.len() as u32).wrapping_mul(0x9e37_79b9).to_be_bytes();
        out.extend(key);
        out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        out.extend(payload);
    }
}

/// Encodes messages. Those in fragments have a ping between the fragments. Also returns the number of bytes of the
/// pongs.
fn encode(messages: &[Message], masked: bool) -> (Vec<u8>, u64) {
    let (mut out, mut pongs) = (Vec::new(), 0);
    for message in messages {
        let opcode = if message.text { 1 } else { 2 };
        let step = message.payload.len().div_ceil(message.fragments).max(1);
        let mut parts: Vec<_> = message.payload.chunks(step).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        for (i, part) in parts.iter().enumerate() {
            if i != 0 {
                frame(&mut out, true, 9, b"are you there?", masked);
                pongs += 2 + 14;
            }
            frame(&mut out, i + 1 == parts.len(), if i == 0 { opcode } else { 0 }, part, masked);
        }
    }
    (out, pongs)
}

/// The text and binary messages in the bytes that a peer wrote.
fn decode(mut bytes: &[u8], masked: bool) -> Vec<(bool, Vec<u8>)> {
    let (mut messages, mut under_way) = (Vec::new(), None);
    while !bytes.is_empty() {
        let (fin, opcode) = (bytes[0] & 0x80 != 0, bytes[0] & 15);
        assert_eq!(bytes[1] & 0x80 != 0, masked);
        let (length, head) = match bytes[1] & 0x7f {
            126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            127 => (u64::from_be_bytes(bytes[2..10].try_into().unwrap()) as usize, 10),
            short => (usize::from(short), 2),
        };
        let key: [u8; 4] = if masked { bytes[head..head + 4].try_into().unwrap() } else { [0; 4] };
        let start = if masked { head + 4 } else { head };
        let payload: Vec<u8> =
            bytes[start..start + length].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        bytes = &bytes[start + length..];
        match opcode {
            10 => assert_eq!(payload, b"are you there?"),
            0 => {
                let (_, whole): &mut (bool, Vec<u8>) = under_way.as_mut().unwrap();
                whole.extend(payload);
            }
            _ => under_way = Some((opcode == 1, payload)),
        }
        if fin && opcode < 3 {
            messages.push(under_way.take().unwrap());
        }
    }
    messages
}

fn all() -> Vec<Message> {
    let mut messages = Vec::new();
    for length in LENGTHS {
        for text in [false, true] {
            for fragments in [1, 3] {
                messages.push(Message { text, payload: payload(text, length), fragments });
            }
        }
    }
    messages
}

/// What should be seen of these messages, with the hash and without the pongs.
fn expect(messages: &[Message]) -> Seen {
    Seen {
        messages: messages.len() as u64,
        bytes: messages.iter().map(|message| message.payload.len() as u64).sum(),
        hash: messages.iter().fold(FNV, |hash, message| fnv(hash, message.text, &message.payload)),
        written: 0,
    }
}

fn each(mut test: impl FnMut(Kind, Role)) {
    for kind in peers().iter().copied().filter(|kind| kind.is_available()) {
        for role in [Role::Server, Role::Client] {
            test(kind, role);
        }
    }
}

#[test]
fn they_are_there() {
    for kind in peers() {
        println!("{kind}: {:?}, {:?}", kind.version(), kind.idle_bytes());
        assert_eq!(kind.is_available(), Peer::new(*kind, Role::Server).is_some());
        assert_eq!(kind.is_available(), kind.version().is_some());
    }
}

#[test]
fn receives() {
    let messages = all();
    each(|kind, role| {
        let masked = role == Role::Server;
        let (input, pongs) = encode(&messages, masked);
        let pings = pongs / 16;
        let expected = Seen { written: pongs + if masked { 0 } else { 4 * pings }, ..expect(&messages) };
        for read in READS {
            let mut peer = Peer::new(kind, role).unwrap();
            let mut offset = 0;
            for _ in 0..2 {
                let seen = peer.receive(&input, read, &mut offset, messages.len(), true);
                assert_eq!(seen, expected, "{kind}, {role:?}, {read}");
                assert!(!peer.has_failed());
                assert_eq!(offset, 0);
            }
        }
    });
}

#[test]
fn goes_on_where_a_batch_ended() {
    let messages = all();
    let messages = &messages[..12];
    each(|kind, role| {
        let (mut input, _) = encode(messages, role == Role::Server);
        // Belongs to the next batch.
        frame(&mut input, true, 9, b"are you there?", role == Role::Server);
        for (read, batch) in [(4_096, 5), (65_536, 5), (65_536, 31)] {
            let mut peer = Peer::new(kind, role).unwrap();
            let (mut offset, mut next) = (0, 0);
            for _ in 0..9 {
                let seen = peer.receive(&input, read, &mut offset, batch, true);
                let hash = (next..next + batch).fold(FNV, |hash, i| {
                    let message = &messages[i % messages.len()];
                    fnv(hash, message.text, &message.payload)
                });
                next += batch;
                assert_eq!((seen.messages, seen.hash), (batch as u64, hash), "{kind}, {role:?}, {read}, {batch}");
            }
        }
    });
}

#[test]
fn echoes() {
    let messages = all();
    each(|kind, role| {
        let masked = role == Role::Server;
        let (input, _) = encode(&messages, masked);
        for read in READS {
            let mut peer = Peer::new(kind, role).unwrap();
            peer.keep(true);
            let seen = peer.echo(&input, read, &mut 0, messages.len(), true);
            assert_eq!(Seen { written: 0, ..seen }, expect(&messages), "{kind}, {role:?}, {read}");
            assert_eq!(seen.written, peer.kept().len() as u64);
            let echoed = decode(peer.kept(), !masked);
            assert_eq!(echoed.len(), messages.len());
            for (message, (text, payload)) in messages.iter().zip(echoed) {
                assert!(message.text == text && message.payload == payload, "{kind}, {role:?}, {read}");
            }
        }
    });
}

#[test]
fn sends() {
    each(|kind, role| {
        let mut peer = Peer::new(kind, role).unwrap();
        for (i, length) in LENGTHS.into_iter().enumerate() {
            let (text, payload) = (i % 2 == 0, payload(i % 2 == 0, length));
            for per_flush in [1, 16] {
                peer.keep(true);
                let seen = peer.send(&[IoSlice::new(&payload); 40], text, per_flush);
                let expected =
                    Seen { messages: 40, bytes: 40 * length as u64, hash: 0, written: peer.kept().len() as u64 };
                assert_eq!(seen, expected, "{kind}, {role:?}, {length}");
                let sent = decode(peer.kept(), role == Role::Client);
                assert_eq!(sent.len(), 40);
                assert!(sent.iter().all(|sent| (sent.0, &sent.1) == (text, &payload)), "{kind}, {role:?}, {length}");
            }
        }
    });
}

#[test]
fn refuses_text_that_is_none() {
    each(|kind, role| {
        for (fragmented, text) in [(false, b"good\xed\xa0\x80".as_slice()), (false, b"\xc0\xaf"), (true, b"good\xff")] {
            let mut input = Vec::new();
            if fragmented {
                frame(&mut input, false, 1, b"a", role == Role::Server);
            }
            frame(&mut input, true, if fragmented { 0 } else { 1 }, text, role == Role::Server);
            let mut peer = Peer::new(kind, role).unwrap();
            let seen = peer.receive(&input, 4_096, &mut 0, 1, false);
            assert_eq!(seen.messages, 0, "{kind}, {role:?}");
            assert!(peer.has_failed(), "{kind}, {role:?}");
        }
    });
}

#[test]
fn shakes_hands() {
    let request = b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    for kind in peers() {
        let mut response = [0; 1_024];
        match kind.handshake(request, &mut response) {
            Some(length) => {
                let response = std::str::from_utf8(&response[..length]).unwrap();
                assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
                assert!(response.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{response}");
                assert_eq!(kind.handshake(b"GET / HTTP/1.1\r\n\r\n", &mut [0; 1_024]), None);
            }
            None => assert!(*kind != Kind::Beast || !kind.is_available()),
        }
    }
}
