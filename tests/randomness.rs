//! Masking keys and nonces (RFC 6455 §4.1, §5.3, §10.3; threat 9): a client calls its source once for each frame, and
//! the keys from the system's source look random.

mod common;

use std::cell::Cell;

use common::{Store, frame, frames, store};
use websocket_proto::{Client, Config, Connection, Input, Randomness, Uri, client, frame::CloseCode, server};

type ClientEnd<K> = Connection<Client<K>, Store, Store>;

/// A client after a real handshake, and the `Sec-WebSocket-Key` that it sent.
fn connect<K: Randomness>(config: Config, random: K) -> (ClientEnd<K>, String) {
    let request = client::Request::new(Uri::parse("ws://example.com/").unwrap());
    let mut client = client::Handshake::with_storage(config, &request, random, store(), store()).unwrap();
    let mut server = server::Handshake::with_storage(config, store(), store());
    let mut head = client.pending().to_vec();
    client.consume(head.len());
    assert!(server.read(&mut Input::new(&mut head)));
    let request = server.into_request().unwrap();
    let key = String::from_utf8(request.headers().get("Sec-WebSocket-Key").unwrap().to_vec()).unwrap();
    let server = request.upgrade().unwrap().accept(&server::Accept::new()).unwrap();
    assert!(client.read(&mut Input::new(&mut server.sender.pending().to_vec())));
    (client.into_response().unwrap().upgrade().unwrap(), key)
}

/// The masking key of each frame.
fn keys(mut wire: &[u8]) -> Vec<[u8; 4]> {
    let mut keys = Vec::new();
    while !wire.is_empty() {
        let (len, header) = match wire[1] {
            0xFE => (u16::from_be_bytes([wire[2], wire[3]]).into(), 4),
            0xFF => (u64::from_be_bytes(wire[2..10].try_into().unwrap()) as usize, 10),
            len => (usize::from(len - 0x80), 2),
        };
        keys.push(wire[header..header + 4].try_into().unwrap());
        wire = &wire[header + 4 + len..];
    }
    keys
}

/// The first four answers of the source are the nonce, and each further one is the key of the next frame.
#[test]
fn each_frame_asks_for_one_key() {
    // The first four answers are the example of §1.3, all others differ.
    let asked = Cell::new(0_u32);
    let answer = |number: u32| match b"the sample nonce".as_chunks().0.get(number as usize) {
        Some(part) => *part,
        None => (0xA5C3_0000 | number).to_be_bytes(),
    };
    let source = || answer(asked.replace(asked.get() + 1));
    let (client, key) = connect(Config::new(), source);
    assert_eq!((&*key, asked.get()), ("dGhlIHNhbXBsZSBub25jZQ==", 4));

    let Connection { receiver: mut rx, sender: mut tx } = client;
    let mut wire = Vec::new();
    let mut peer_sends = |tx: &mut _, frame: Vec<u8>| {
        let mut bytes = frame;
        assert!(rx.next_message(&mut Input::new(&mut bytes), tx).is_some());
    };
    for len in [0, 1, 125, 126, 1000, 65_535, 65_536] {
        tx.send_binary(&vec![1; len]).unwrap();
        tx.send_binary_fragment(&vec![2; len], false).unwrap();
        tx.send_ping(b"between").unwrap();
        tx.send_binary_fragment(&vec![3; len], true).unwrap();
        wire.extend_from_slice(tx.pending());
        tx.consume(usize::MAX);
    }
    tx.send_pong(b"").unwrap();
    tx.send_text("before").unwrap();
    let vectored = tx.vectored_frame("vectored").unwrap();
    wire.extend(vectored.parts().concat());
    let taken = vectored.parts().concat().len();
    vectored.sent(taken);
    drop(tx.vectored_frame("dropped").unwrap());
    wire.extend_from_slice(tx.pending());
    tx.consume(usize::MAX);
    // More Pongs than fit the queue: the newest is stored separately.
    for _ in 0..50 {
        peer_sends(&mut tx, frame(0x89, &[7; 125], false));
    }
    while !tx.is_empty() {
        wire.extend_from_slice(tx.pending());
        tx.consume(tx.pending().len());
    }
    tx.close(CloseCode::NORMAL, "bye").unwrap();
    peer_sends(&mut tx, frame(0x89, b"after the Close", false));
    wire.extend_from_slice(tx.pending());
    tx.consume(usize::MAX);

    let sent = frames(&wire).len();
    assert!(sent > 65, "{sent}");
    let expected: Vec<_> = (4..4 + sent as u32).map(answer).collect();
    assert_eq!(keys(&wire), expected);
    assert_eq!(asked.get(), 4 + sent as u32);

    // The answer to a Close, and a failure.
    for bytes in [frame(0x88, b"", false), frame(0x83, b"", false)] {
        asked.set(0);
        let (mut client, _) = connect(Config::new(), source);
        let mut bytes = bytes;
        assert!(client.receiver.next_message(&mut Input::new(&mut bytes), &mut client.sender).is_some());
        assert_eq!((keys(client.sender.pending()), asked.get()), (vec![answer(4)], 5));
    }
}

/// The same for compressed frames.
#[test]
#[cfg(feature = "deflate")]
fn each_compressed_frame_asks_for_one_key() {
    use websocket_proto::deflate::{self, Prepared};

    let asked = Cell::new(0_u32);
    let source = || asked.replace(asked.get() + 1).to_be_bytes();
    let (mut client, _) = connect(Config::new().deflate(deflate::Config::new()), source);
    let tx = &mut client.sender;
    let text = "once more, ".repeat(100);
    tx.send_text(&text).unwrap();
    tx.send_text_fragment(&text, false).unwrap();
    tx.send_text_fragment(&text, true).unwrap();
    // Compression makes this message longer, so it is sent uncompressed.
    tx.send_binary(&(0..=255).collect::<Vec<u8>>()).unwrap();
    tx.send_prepared(&Prepared::new(&*text)).unwrap();
    drop(tx.vectored_frame(&*text).unwrap());
    assert_eq!(keys(tx.pending()), [4, 5, 6, 7, 8, 9].map(u32::to_be_bytes));
    assert_eq!(asked.get(), 10);
}

/// Statistics of 4096 frames or handshakes. By chance they fail less than once in 10⁹ runs.
#[cfg(feature = "std")]
mod system {
    use std::collections::HashMap;

    use websocket_proto::SystemRandom;

    use super::*;

    const COUNT: usize = 4096;

    /// The number of bits set among [`COUNT`] random ones has a standard deviation of 32: this is 7.5 times as much.
    const MOST_OFF: usize = 240;

    /// The masking keys of one connection, and its `Sec-WebSocket-Key`.
    fn sample() -> (Vec<[u8; 4]>, String) {
        let (mut client, nonce) = connect(Config::new(), SystemRandom::new().unwrap());
        for _ in 0..COUNT {
            client.sender.send_binary(b"").unwrap();
        }
        let keys = keys(client.sender.pending());
        assert_eq!(keys.len(), COUNT);
        (keys, nonce)
    }

    /// Checks that each bit is set in about half of the samples.
    fn assert_balanced<const LEN: usize>(label: &str, samples: impl Iterator<Item = [u8; LEN]> + Clone) {
        for bit in 0..8 * LEN {
            let set = samples.clone().filter(|bytes| bytes[bit / 8] >> (bit % 8) & 1 == 1).count();
            let off = set.abs_diff(samples.clone().count() / 2);
            assert!(off <= MOST_OFF, "{label}: bit {bit} is set {set} times");
        }
    }

    fn xor([a, b]: [[u8; 4]; 2]) -> [u8; 4] {
        (u32::from_ne_bytes(a) ^ u32::from_ne_bytes(b)).to_ne_bytes()
    }

    /// How many samples equal an earlier one.
    fn repeated<T: std::hash::Hash + Eq>(samples: impl Iterator<Item = T>) -> usize {
        let mut seen = HashMap::new();
        samples.for_each(|sample| *seen.entry(sample).or_insert(0) += 1);
        seen.values().map(|count| count - 1).sum()
    }

    #[test]
    fn masking_keys_are_random() {
        let [(first, nonce), (second, other_nonce)] = [sample(), sample()];
        for keys in [&first, &second] {
            assert_balanced("a key", keys.iter().copied());
            // The high bits of a counter rarely change, the lowest always does.
            for distance in [1, 2, 4] {
                let differences = keys.iter().zip(&keys[distance..]).map(|(a, b)| xor([*a, *b]));
                assert_balanced("the difference of two keys", differences);
            }
        }
        // Any two keys are equal with a probability of 2⁻³²: one pair of 4096 keys in about 500 runs.
        assert!(repeated(first.iter()) < 4 && repeated(second.iter()) < 4);
        assert!(repeated(first.iter().chain(&second)) < 5);
        assert_balanced("the difference of two connections", first.iter().zip(&second).map(|(a, b)| xor([*a, *b])));
        let same_place = first.iter().zip(&second).filter(|(a, b)| a == b).count();
        let neighbours = first.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(same_place < 2 && neighbours < 2, "{same_place}, {neighbours}");
        assert_ne!(nonce, other_nonce);
    }

    /// The nonce is public: no key may follow from it.
    #[test]
    fn keys_do_not_follow_from_the_nonce() {
        let (keys, nonce) = sample();
        let nonce = decode(&nonce);
        let parts = nonce.as_chunks::<4>().0;
        let in_nonce = keys.iter().filter(|key| parts.contains(key)).count();
        assert!(in_nonce < 2, "{in_nonce} keys are in the nonce");
        // The first key after each of many nonces.
        let pairs: Vec<_> = (0..COUNT)
            .map(|_| {
                let (mut client, nonce) = connect(Config::new(), SystemRandom::new().unwrap());
                client.sender.send_ping(b"").unwrap();
                (decode(&nonce), self::keys(client.sender.pending())[0])
            })
            .collect();
        assert_eq!(repeated(pairs.iter().map(|(nonce, _)| nonce)), 0, "two nonces are the same");
        assert_balanced("a nonce", pairs.iter().map(|(nonce, _)| *nonce));
        assert_balanced("a first key", pairs.iter().map(|(_, key)| *key));
        for part in 0..4 {
            let differences = pairs.iter().map(|(nonce, key)| xor([nonce.as_chunks().0[part], *key]));
            assert_balanced("a first key and the nonce", differences);
        }
    }

    /// From base64 (RFC 4648 §4).
    fn decode(text: &str) -> [u8; 16] {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let value = |byte: u8| ALPHABET.iter().position(|known| *known == byte).unwrap() as u128;
        let (digits, last) = (&text.as_bytes()[..21], text.as_bytes()[21]);
        // 21 digits are 126 bits, the 22nd has two more.
        let bits = digits.iter().fold(0, |bits, byte| bits << 6 | value(*byte));
        (bits << 2 | value(last) >> 4).to_be_bytes()
    }
}
