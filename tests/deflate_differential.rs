//! permessage-deflate compared with C's zlib at the other end, and with an inflater that follows RFC 1951 strictly.
#![cfg(feature = "deflate")]

mod common;
mod plain_inflate;

use std::{iter, slice};

use common::{Mode, Seen, ServerEnd, feed, frame, frames, open_in};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use plain_inflate::{End, Inflated, MAX_REACH, TAIL};
use proptest::{prelude::*, sample::Index};
use websocket_proto::{
    Config, Failure, FixedStorage, Message, SendError, Sender, Server,
    deflate::{self, Level, Pool, Prepared},
    frame::CloseCode,
    server,
};

/// A receiver for one direction of a connection that follows the RFC strictly.
struct StrictInflater {
    reach: usize,
    /// The bytes that may be referred to.
    history: Vec<u8>,
    /// The longest distance so far.
    furthest: usize,
}

impl StrictInflater {
    fn new(window_bits: u8) -> Self {
        Self { reach: 1 << window_bits, history: Vec::new(), furthest: 0 }
    }

    /// Later messages may refer to nothing before them.
    fn forget(&mut self) {
        self.history.clear();
    }

    /// The message in this payload.
    fn message(&mut self, payload: &[u8]) -> Result<Vec<u8>, End> {
        let Inflated { bytes, end, history, furthest, .. } =
            plain_inflate::message(payload, &self.history, self.reach, isize::MAX as usize);
        self.history = history[history.len().saturating_sub(MAX_REACH)..].to_vec();
        self.furthest = self.furthest.max(furthest);
        if end == End::Whole { Ok(bytes) } else { Err(end) }
    }
}

/// The agreement, as the server sees it.
#[derive(Clone, Copy, Debug)]
struct Terms {
    send_window: u8,
    receive_window: u8,
    send_takeover: bool,
    receive_takeover: bool,
}

impl Terms {
    const LARGEST: Self = Self { send_window: 15, receive_window: 15, send_takeover: true, receive_takeover: true };

    /// The server's end of a connection with these terms. The test supplies the other end.
    fn open(self, config: Config) -> ServerEnd {
        let offer = format!(
            "permessage-deflate; server_max_window_bits={}; client_max_window_bits={}{}{}",
            self.send_window,
            self.receive_window,
            if self.send_takeover { "" } else { "; server_no_context_takeover" },
            if self.receive_takeover { "" } else { "; client_no_context_takeover" },
        );
        let headers = [
            ("Host", "example.com"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Extensions", &offer),
        ];
        let request = server::Request::from_parts(config, "GET", "/", headers).unwrap();
        let connection = request.upgrade().unwrap().into_connection().unwrap();
        let agreed = connection.sender.compression().unwrap();
        assert_eq!((agreed.send_window.get(), agreed.send_takeover), (self.send_window, self.send_takeover));
        assert_eq!(
            (agreed.receive_window.get(), agreed.receive_takeover),
            (self.receive_window, self.receive_takeover)
        );
        connection
    }
}

/// Without limits of its own, and with everything compressed.
fn config(deflate: deflate::Config) -> Config {
    let all = 1 << 30;
    Config::new().max_frame(all).max_message(all).high_water(1 << 30).deflate(deflate.threshold(0))
}

/// The window for C's zlib, which has none of 8 bits. With 9 it uses so few of these bytes that a reader with 8
/// understands it.
fn bits_in_c(window: u8) -> u8 {
    window.max(9)
}

/// Inflates a message with C's zlib. The output buffer is small, so zlib must find earlier bytes in its window.
fn inflate(zlib: &mut Decompress, payload: &[u8]) -> Vec<u8> {
    let bytes = [payload, &TAIL].concat();
    let (mut rest, mut out, mut room) = (&bytes[..], Vec::new(), [0; 100]);
    loop {
        let (before_in, before_out) = (zlib.total_in(), zlib.total_out());
        let status = zlib.decompress(rest, &mut room, FlushDecompress::Sync).unwrap();
        assert_ne!(status, Status::StreamEnd, "a sender of ours never ends the stream");
        let len = (zlib.total_out() - before_out) as usize;
        rest = &rest[(zlib.total_in() - before_in) as usize..];
        out.extend_from_slice(&room[..len]);
        if rest.is_empty() && len < room.len() {
            return out;
        }
    }
}

/// Where to cut a message during compression, how to flush before the cut, and the level behind it if the flush ended
/// the stream.
type Step = (Index, FlushCompress, u32);

/// Compresses a message with C's zlib. Returns the payload.
fn deflate(zlib: &mut Compress, message: &[u8], steps: &[Step]) -> Vec<u8> {
    let (mut packed, mut rest) = (Vec::new(), message);
    for (cut, flush, level) in steps {
        let (part, behind) = rest.split_at(cut.index(rest.len() + 1));
        deflate_part(zlib, part, *flush, &mut packed);
        if matches!(flush, FlushCompress::Finish) {
            zlib.reset();
            zlib.set_level(Compression::new(*level)).unwrap();
        }
        rest = behind;
    }
    deflate_part(zlib, rest, FlushCompress::Sync, &mut packed);
    match packed.strip_suffix(&TAIL) {
        Some(payload) => payload.to_vec(),
        // There was nothing to flush, so the whole message is an empty block.
        None => [&packed[..], &[0x00]].concat(),
    }
}

fn effort(level: u8) -> Level {
    Level::new(level).unwrap()
}

/// Compresses without any message boundaries: a stream, and nothing behind it.
fn one_shot(zlib: &mut Compress, message: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    zlib.reset();
    deflate_part(zlib, message, FlushCompress::Finish, &mut packed);
    zlib.reset();
    packed
}

fn deflate_part(zlib: &mut Compress, part: &[u8], flush: FlushCompress, packed: &mut Vec<u8>) {
    let before = zlib.total_in();
    // Also space for the output that an earlier part left inside.
    packed.reserve(2 * part.len() + (300 << 10));
    zlib.compress_vec(part, packed, flush).unwrap();
    assert_eq!(zlib.total_in() - before, part.len() as u64);
}

fn as_message(seen: &Seen) -> Message<'_> {
    match seen {
        Seen::Text(text) => Message::Text(text),
        Seen::Binary(bytes) => Message::Binary(bytes),
        seen => panic!("{seen:?}"),
    }
}

fn bytes(seen: &Seen) -> &[u8] {
    as_message(seen).as_bytes()
}

/// Bytes without a pattern, the same for the same seed.
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
}

/// Noise that repeats after `period` bytes: compressors use exactly this distance.
fn periodic(seed: u64, period: usize, len: usize) -> Vec<u8> {
    noise(seed).take(period).collect::<Vec<_>>().into_iter().cycle().take(len).collect()
}

fn json(id: u32) -> String {
    let word = ["alpha", "beta", "gamma", "delta"][id as usize % 4];
    format!(r#"{{"id":{id},"user":{{"name":"{word}","tags":["{word}","x"]}},"text":"{word} has said {}"}}"#, id * 7)
}

/// Typical messages: each shares much with the others.
fn talk() -> impl Strategy<Value = Seen> {
    (0..1000_u32, 1..30_u32).prop_map(|(id, count)| Seen::Text((id..id + count).map(json).collect()))
}

/// Few seeds, so that messages share content; and periods around the sizes of windows.
fn message() -> impl Strategy<Value = Seen> {
    let period = prop_oneof![
        1..600_usize,
        (8..=15_u32, -270..5_i32)
            .prop_map(|(bits, offset)| (1_usize << bits).saturating_add_signed(offset as isize).max(1)),
    ];
    prop_oneof![
        1 => prop::sample::select(vec![Seen::Binary(vec![]), Seen::Text(String::new())]),
        1 => prop::collection::vec(any::<u8>(), 1..6).prop_map(Seen::Binary),
        3 => talk(),
        2 => "\\PC{0,200}".prop_map(Seen::Text),
        2 => prop::collection::vec(prop::sample::select(vec!["é", "漢", "🦀", "a", "ß", " "]), 0..1000)
            .prop_map(|chars| Seen::Text(chars.concat())),
        2 => (prop::collection::vec(any::<u8>(), 0..60), 1..300_usize)
            .prop_map(|(part, times)| Seen::Binary(part.repeat(times))),
        3 => (0..3_u64, 0..3000_usize).prop_map(|(seed, len)| Seen::Binary(noise(seed).take(len).collect())),
        4 => (0..3_u64, period.clone(), 0..9000_usize)
            .prop_map(|(seed, period, len)| Seen::Binary(periodic(seed, period, len))),
        1 => (0..3_u64, period, 65_536..150_000_usize)
            .prop_map(|(seed, period, len)| Seen::Binary(periodic(seed, period, len))),
        1 => (66..70_usize).prop_map(|times| Seen::Text("a kibibyte of Привет ".repeat(40 * times))),
    ]
}

fn terms() -> impl Strategy<Value = Terms> {
    // The largest window more often: most connections use it, and only with it contexts are kept and prepared messages
    // shared.
    let window = || prop_oneof![8..=15_u8, Just(15)];
    (window(), window(), any::<[bool; 2]>()).prop_map(|(send_window, receive_window, takeover)| Terms {
        send_window,
        receive_window,
        send_takeover: takeover[0],
        receive_takeover: takeover[1],
    })
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    prop_oneof![3 => Just(vec![]), 2 => prop::collection::vec(any::<Index>(), 1..5)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use FlushCompress::{Finish, Full, None, Partial, Sync};
    let flush = prop::sample::select(vec![None, Partial, Sync, Full, Finish]);
    prop::collection::vec((any::<Index>(), flush, 0..=9_u32), 0..4)
}

/// Ascending places in this length, and its end.
fn ends(cuts: &[Index], len: usize) -> Vec<usize> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(len + 1)).chain([len]).collect();
    ends.sort_unstable();
    ends
}

/// The payload of a message, in frames as a client would send them.
fn in_frames(message: &Seen, payload: &[u8], cuts: &[Index]) -> Vec<u8> {
    let ends = ends(cuts, payload.len());
    let starts = [0].iter().chain(&ends);
    let frames = starts.zip(&ends).enumerate().map(|(index, (start, end))| {
        let first = if index > 0 { 0 } else { 0x40 | as_message(message).kind().opcode() as u8 };
        let fin = if index + 1 < ends.len() { 0 } else { 0x80 };
        frame(fin | first, &payload[*start..*end], true)
    });
    frames.collect::<Vec<_>>().concat()
}

/// A server's sender, and the bytes that the socket took.
struct Out {
    sender: Sender<Server, Vec<u8>>,
    wire: Vec<u8>,
}

impl Out {
    fn new(server: ServerEnd) -> Self {
        Self { sender: server.sender, wire: Vec::new() }
    }

    fn drain(&mut self) {
        self.wire.extend_from_slice(self.sender.pending());
        self.sender.consume(usize::MAX);
    }

    /// Sends, and if that is refused again after the socket took the pending bytes. A refusal must change nothing.
    fn insist(&mut self, mut send: impl FnMut(&mut Sender<Server, Vec<u8>>) -> Result<(), SendError>) {
        let before = self.sender.pending().len();
        match send(&mut self.sender) {
            Ok(()) => {}
            Err(SendError::Backlog { .. }) => {
                assert_eq!(self.sender.pending().len(), before);
                self.drain();
                send(&mut self.sender).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends a message in one frame, or in fragments if there are cuts.
    fn send(&mut self, message: &Seen, cuts: &[Index]) {
        let message = as_message(message);
        if cuts.is_empty() {
            return self.insist(|sender| sender.send(message));
        }
        let mut start = 0;
        let ends = ends(cuts, message.as_bytes().len());
        for (index, end) in ends.iter().enumerate() {
            let last = index + 1 == ends.len();
            match message {
                Message::Text(text) if text.is_char_boundary(*end) => {
                    self.insist(|sender| sender.send_text_fragment(&text[start..*end], last));
                }
                Message::Text(_) => continue,
                Message::Binary(bytes) => {
                    self.insist(|sender| sender.send_binary_fragment(&bytes[start..*end], last));
                }
            }
            start = *end;
        }
    }

    /// Sends a message by a vectored write, of which the socket takes a share.
    fn write(&mut self, message: &Seen, taken: Index) {
        self.drain();
        let frame = self.sender.vectored_frame(as_message(message)).unwrap();
        let parts = frame.parts().concat();
        let taken = taken.index(parts.len() + 1);
        self.wire.extend_from_slice(&parts[..taken]);
        frame.sent(taken);
    }
}

/// The messages in these frames: whether they are compressed, and their payload.
fn messages(wire: &[u8]) -> Vec<(bool, Vec<u8>)> {
    let (mut messages, mut open) = (Vec::new(), None);
    for (first, payload) in frames(wire) {
        let (compressed, mut so_far) = match first & 0x7F {
            0x00 => open.take().expect("a message to continue"),
            0x01 | 0x02 => (false, Vec::new()),
            // Only the first frame of a message is marked.
            0x41 | 0x42 => (true, Vec::new()),
            0x09 => continue,
            first => panic!("a frame that begins with {first:#04x}"),
        };
        so_far.extend(payload);
        if first & 0x80 == 0 {
            open = Some((compressed, so_far));
        } else {
            messages.push((compressed, so_far));
        }
    }
    assert_eq!(open, None);
    messages
}

/// Two receivers for a server's messages.
struct Readers {
    strict: StrictInflater,
    zlib: Decompress,
    takeover: bool,
}

impl Readers {
    fn new(terms: Terms) -> Self {
        Self {
            strict: StrictInflater::new(terms.send_window),
            zlib: Decompress::new_with_window_bits(false, bits_in_c(terms.send_window)),
            takeover: terms.send_takeover,
        }
    }

    /// Both must find the sent messages in these bytes.
    fn check<'m>(&mut self, wire: &[u8], sent: impl IntoIterator<Item = &'m Seen>) {
        let mut sent = sent.into_iter();
        for (compressed, payload) in messages(wire) {
            let message = bytes(sent.next().expect("no more than was sent"));
            if !compressed {
                assert!(payload == message);
                continue;
            }
            match self.strict.message(&payload) {
                Ok(read) => assert!(read == message, "the RFC reads something else"),
                Err(wrong) => panic!("{wrong:?}"),
            }
            assert!(inflate(&mut self.zlib, &payload) == message, "zlib reads something else");
            if !self.takeover {
                self.strict.forget();
                self.zlib.reset(false);
            }
        }
        assert_eq!(sent.next(), None, "no less than was sent");
    }
}

/// One thing to send.
#[derive(Clone, Debug)]
enum Act {
    Message(Seen, Vec<Index>),
    /// Not compressed.
    Plain(Seen),
    Vectored(Seen, Index),
    /// One of the prepared messages.
    Prepared(Index),
    Ping,
}

fn act() -> impl Strategy<Value = Act> {
    let noise = (0..2000_usize).prop_map(|len| Seen::Binary(noise(len as u64).take(len).collect()));
    prop_oneof![
        3 => (talk(), cuts()).prop_map(|(message, cuts)| Act::Message(message, cuts)),
        2 => (message(), cuts()).prop_map(|(message, cuts)| Act::Message(message, cuts)),
        2 => (noise, cuts()).prop_map(|(noise, cuts)| Act::Message(noise, cuts)),
        1 => message().prop_map(Act::Plain),
        1 => (message(), any::<Index>()).prop_map(|(message, taken)| Act::Vectored(message, taken)),
        3 => any::<Index>().prop_map(Act::Prepared),
        1 => Just(Act::Ping),
    ]
}

/// Payloads of compressed messages, some of them damaged.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let compressed = (message(), 0..=9_u32, steps()).prop_map(|(message, level, steps)| {
        deflate(&mut Compress::new(Compression::new(level), false), bytes(&message), &steps)
    });
    let one_shots = (message(), 0..=9_u32)
        .prop_map(|(message, level)| one_shot(&mut Compress::new(Compression::new(level), false), bytes(&message)));
    let compressed = prop_oneof![compressed, one_shots];
    let damaged = (compressed, any::<Index>(), any::<Index>(), any::<u8>(), 0..4_u8).prop_map(
        |(mut payload, at, other, byte, damage)| {
            let (at, other) = (at.index(payload.len()), other.index(payload.len()));
            match damage {
                0 => payload.truncate(at),
                1 => payload[at] ^= byte,
                2 => payload.insert(at, byte),
                _ => drop(payload.drain(at.min(other)..at.max(other))),
            }
            payload
        },
    );
    prop_oneof![
        5 => damaged,
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => prop::collection::vec(prop::sample::select(vec![0x00, 0xFF, 0x01, 0x02, 0x05, 0x80]), 0..20),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Sent messages arrive at C's zlib with the agreed window, and at the strict inflater.
    #[test]
    fn sent_messages_are_understood(
        terms in terms(),
        level in 1..=9_u8,
        memory_level in 1..=9_u8,
        sent in prop::collection::vec((message(), cuts()), 1..8),
    ) {
        let deflate = deflate::Config::new().level(effort(level)).memory_level(effort(memory_level));
        let mut out = Out::new(terms.open(config(deflate)));
        for (message, cuts) in &sent {
            out.send(message, cuts);
        }
        out.drain();
        Readers::new(terms).check(&out.wire, sent.iter().map(|(message, _)| message));
    }

    /// Messages may be uncompressed, prepared, in pieces, or refused because the socket was too slow: the readers
    /// always remember what the sender assumes.
    #[test]
    fn nothing_between_messages_breaks_the_stream(
        terms in terms(),
        level in 1..=9_u8,
        threshold in 0..100_usize,
        acts in prop::collection::vec(act(), 1..20),
    ) {
        let news = [
            Seen::Text(json(1)),
            Seen::Text((0..100).map(json).collect()),
            Seen::Binary(periodic(1, 30_000, 70_000)),
            Seen::Binary(noise(7).take(1000).collect()),
            Seen::Binary(vec![]),
        ];
        let prepared = news.each_ref().map(|news| Prepared::new(as_message(news)));
        let deflate = deflate::Config::new().level(effort(level)).threshold(threshold);
        let config = config(deflate).deflate(deflate);
        let mut out = Out::new(terms.open(config.high_water(10_000)));
        let mut expected = Vec::new();
        for act in &acts {
            expected.extend(match act {
                Act::Message(message, _) | Act::Plain(message) | Act::Vectored(message, _) => Some(message),
                Act::Prepared(index) => Some(index.get(&news)),
                Act::Ping => None,
            });
            match act {
                Act::Message(message, cuts) => out.send(message, cuts),
                Act::Plain(message) => {
                    out.sender.compress(false);
                    out.send(message, &[]);
                    out.sender.compress(true);
                }
                Act::Vectored(message, taken) => out.write(message, *taken),
                Act::Prepared(index) => out.insist(|sender| sender.send_prepared(index.get(&prepared))),
                Act::Ping => out.insist(|sender| sender.send_ping(b"between")),
            }
        }
        out.drain();
        Readers::new(terms).check(&out.wire, expected);
    }

    /// A message that C's zlib compressed is received, however zlib flushes, ends and begins the stream.
    #[test]
    fn messages_of_zlib_are_received(
        terms in terms(),
        level in 0..=9_u32,
        sent in prop::collection::vec((message(), prop::option::weighted(0.7, steps()), cuts()), 1..6),
        read in prop_oneof![1..50_usize, 1..5000_usize, Just(usize::MAX)],
    ) {
        let mut zlib = Compress::new_with_window_bits(Compression::new(level), false, bits_in_c(terms.receive_window));
        let (mut wire, mut expected) = (Vec::new(), Vec::new());
        for (message, steps, cuts) in sent {
            let payload = match steps {
                Some(steps) => deflate(&mut zlib, bytes(&message), &steps),
                None => one_shot(&mut zlib, bytes(&message)),
            };
            wire.extend(in_frames(&message, &payload, &cuts));
            expected.push(message);
            if !terms.receive_takeover {
                zlib.reset();
            }
        }
        for mode in Mode::ALL {
            let reads = (0..wire.len()).step_by(read).skip(1);
            let trace = feed(terms.open(config(deflate::Config::new())), &wire, reads, mode);
            prop_assert!(trace.seen == expected, "{:?}", mode);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// D10: a payload that the RFC does not allow fails. A valid one is its message, and does not affect the next one.
    #[test]
    fn invalid_payloads_fail(payload in payload(), terms in terms()) {
        const HELLO: [u8; 7] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
        let expected = match StrictInflater::new(15).message(&payload) {
            Ok(message) => vec![Seen::Binary(message), Seen::Text("Hello".into())],
            Err(_) => vec![Seen::Failed(Failure::Inflate)],
        };
        let wire = [frame(0xC2, &payload, true), frame(0xC1, &HELLO, true)].concat();
        for mode in [Mode::Whole, Mode::Chunks] {
            let trace = feed(terms.open(config(deflate::Config::new())), &wire, [], mode);
            prop_assert!(trace.seen == expected, "{:.300}, not {:.300}", format!("{:?}", trace.seen), format!("{expected:?}"));
        }
    }
}

/// D5: distances are within the agreed window, also within that of 8 bits, which zlib does not have. The messages
/// repeat noise after almost a window, so distances are as large as possible.
#[test]
fn distances_are_within_the_window() {
    for bits in 8..=15 {
        // One level for each way of searching in zlib, and the best one.
        for level in [1, 2, 6, 9] {
            let terms = Terms { send_window: bits, ..Terms::LARGEST };
            let mut out = Out::new(terms.open(config(deflate::Config::new().level(effort(level)))));
            let mut readers = Readers::new(terms);
            let window = 1 << bits;
            // A compressor looks back a window less 262 bytes, and uses a window of 512 bytes for one of 8 bits.
            let reach = window.max(512) - 262;
            let sent = [reach, reach + 1, window, window + 1]
                .map(|period| Seen::Binary(periodic(period as u64, period, 2 * period + 1000)));
            sent.iter().for_each(|message| out.send(message, &[]));
            out.drain();
            readers.check(&out.wire, &sent);
            let furthest = readers.strict.furthest;
            assert!((reach - 1..=window).contains(&furthest), "{furthest} of {window}, level {level}");
        }
    }
}

/// A repeated message is found in the reader's window, even with a prepared message in between.
#[test]
fn a_prepared_message_is_in_the_readers_window() {
    let news = Seen::Text((500..530).map(json).collect());
    let prepared = Prepared::new(as_message(&news));
    let text = Seen::Text((0..30).map(json).collect());
    let mut out = Out::new(Terms::LARGEST.open(config(deflate::Config::new())));
    out.send(&text, &[]);
    out.insist(|sender| sender.send_prepared(&prepared));
    out.send(&text, &[]);
    out.drain();
    assert!(messages(&out.wire).iter().all(|(compressed, _)| *compressed));
    Readers::new(Terms::LARGEST).check(&out.wire, [&text, &news, &text]);
}

/// A context returns to the pool and serves another connection, which must not see the messages of the first.
#[test]
fn a_connection_knows_nothing_of_an_earlier_one() {
    static POOL: Pool = Pool::new(1);
    let terms = Terms { send_takeover: false, receive_takeover: false, ..Terms::LARGEST };
    let config = config(deflate::Config::new().pool(&POOL));
    let secret = Seen::Text((0..20).map(json).collect());

    // If the compressor remembered, a repeated message would be shorter.
    let said = [(); 3].map(|()| {
        let mut out = Out::new(terms.open(config));
        out.send(&secret, &[]);
        out.drain();
        out.wire
    });
    assert!(said[0] == said[1] && said[1] == said[2]);

    // If the decompressor remembered, this would read the secret: the first match of the second message is in the
    // first.
    let mut zlib = Compress::new(Compression::new(9), false);
    let payloads = [(); 2].map(|()| deflate(&mut zlib, bytes(&secret), &[]));
    let garbage = Seen::Failed(Failure::Inflate);
    for (payload, seen) in [(&payloads[0], &secret), (&payloads[1], &garbage), (&payloads[0], &secret)] {
        let trace = feed(terms.open(config), &in_frames(&secret, payload, &[]), [], Mode::Whole);
        assert_eq!(trace.seen, slice::from_ref(seen));
        assert_eq!(POOL.idle(), (1, 1));
    }
    // Nor does the same connection, from one message to the next.
    let wire = payloads.each_ref().map(|payload| in_frames(&secret, payload, &[])).concat();
    assert_eq!(feed(terms.open(config), &wire, [], Mode::Whole).seen, [secret, garbage]);
}

/// A window of less than 15 bits holds exactly its size.
#[test]
fn a_small_window_is_remembered_whole() {
    for bits in 8..15 {
        let window = 1_usize << bits;
        for distance in [window, window + 1] {
            // A stored block of this length, then 3 bytes from this distance, in a block with fixed codes.
            let first: Vec<u8> = noise(1).take(distance).collect();
            let len = (distance as u16).to_le_bytes();
            let stored = [&[0x00, len[0], len[1], !len[0], !len[1]], &first[..], &[0x00]].concat();
            let mut match_of_3 = Bits::default();
            match_of_3.put(0b010, 3);
            // The code after that of 256, seven zeros: a length of 3. Codes are sent with their highest bit first.
            match_of_3.put(0b100_0000, 7);
            let (symbol, extra, base) = (4..30)
                .map(|symbol| (symbol, (symbol - 2) / 2, ((2 + symbol % 2) << ((symbol - 2) / 2)) + 1))
                .rfind(|(.., base)| *base <= distance)
                .unwrap();
            match_of_3.put(symbol.reverse_bits() >> (usize::BITS - 5), 5);
            match_of_3.put(distance - base, extra);
            match_of_3.put(0, 7);
            // The empty block, as far as it is sent.
            match_of_3.put(0, 3);
            let wire = [frame(0xC2, &stored, true), frame(0xC2, &match_of_3.bytes, true)].concat();

            let mut strict = StrictInflater::new(bits);
            assert!(strict.message(&stored).as_ref() == Ok(&first));
            let second = strict.message(&match_of_3.bytes);
            let expected = match second {
                Ok(second) => {
                    assert_eq!((&second[..], distance), (&first[..3], window));
                    Seen::Binary(second)
                }
                Err(_) => Seen::Failed(Failure::Inflate),
            };
            let terms = Terms { receive_window: bits, ..Terms::LARGEST };
            for reads in [vec![], (1..wire.len()).collect()] {
                let trace = feed(terms.open(config(deflate::Config::new())), &wire, reads, Mode::Chunks);
                assert_eq!(trace.seen[1], expected, "{distance} in a window of {window}");
            }
        }
    }
}

/// The longest compressed form of a message or fragment is known before compression. An accepted message leaves space
/// for a Close.
#[test]
fn a_message_that_may_not_fit_is_refused() {
    // These bytes have fixed codes of 9 bits.
    let worst: Vec<u8> = noise(1).map(|byte| byte % 112 + 144).take(4000).collect();
    for level in [1, 2, 4, 6, 9] {
        for memory_level in [1, 2, 8] {
            for (room, is_whole) in (4000..5500).step_by(23).flat_map(|room| [(room, true), (room, false)]) {
                let deflate =
                    deflate::Config::new().level(effort(level)).memory_level(effort(memory_level)).threshold(0);
                let stores = [(); 4].map(|()| FixedStorage::new(vec![0; room]));
                let (ServerEnd { mut sender, .. }, _) = open_in(Config::new().deflate(deflate), stores);
                match if is_whole { sender.send_binary(&worst) } else { sender.send_binary_fragment(&worst, false) } {
                    Ok(()) => {}
                    Err(SendError::FrameTooLong { .. }) => assert!(room < 5000 && sender.is_empty(), "in {room} bytes"),
                    Err(error) => panic!("{error} in {room} bytes"),
                }
                sender.close(CloseCode::NORMAL, &"x".repeat(123)).unwrap();
                let sent = frames(sender.pending());
                assert_eq!(
                    sent.last().map(|(first, payload)| (*first, payload.len())),
                    Some((0x88, 125)),
                    "in {room} bytes"
                );
            }
        }
    }
}

/// Collects bits into bytes, the lowest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    fn put(&mut self, bits: usize, count: usize) {
        for place in 0..count {
            if self.len.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= ((bits >> place & 1) as u8) << (self.len % 8);
            self.len += 1;
        }
    }
}
