//! Two real ends that may have agreed on compression, and every operation of applications and sockets. Everything that
//! one end was allowed to send must arrive at the other. Another decoder, with the agreed window, must find the same on
//! the wire.

#![no_main]

use std::{array, collections::VecDeque, iter};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use websocket_proto::{
    Config, Connection, FixedStorage, Input, Kind, Message, Receiver, Role, SendError, Sender, Storage,
    deflate::{Agreement, Prepared},
};
use websocket_proto_fuzz::{
    Log, MAX_REPLIES, PONG_BACKLOG, Pair, Seen, assert_used, connect_as,
    deflate::{BOXES, DEFLATER, INFLATER, POOL, Wanted},
    heap::{Meter, free_spare},
    inflate, naive,
};

/// The most bytes that one end sends in a session: a few windows, and not too much work for a fuzzer.
const MOST: usize = 150_000;

/// The smallest store: for a request with two offers.
const LEAST_STORE: usize = 600;

#[derive(Arbitrary, Debug)]
struct Session {
    /// For the server and the client; `None` is no compression.
    wanted: [Option<Wanted>; 2],
    /// The size of the stores, in units of 16 bytes above the smallest; `None` is unlimited.
    store: Option<u8>,
    max_message: u8,
    high_water: u16,
    keep: u8,
    /// For each end, bit n: whether every eighth call, from the n-th, is `next_chunk` and not `next_message`.
    chunks: [u8; 2],
    ops: Vec<(bool, Op)>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Op {
    Message {
        text: bool,
        content: u8,
        len: u8,
        how: How,
    },
    /// A message that both ends may send, any number of times.
    Prepared {
        index: u8,
    },
    Compress {
        enabled: bool,
    },
    Ping {
        len: u8,
    },
    /// The socket takes this many bytes.
    Write {
        count: u16,
    },
    /// The peer reads this many bytes.
    Deliver {
        count: u16,
    },
    Release,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum How {
    Whole,
    Fragment {
        last: bool,
    },
    /// A vectored write, of which the socket takes this many bytes.
    Frame {
        sent: u16,
    },
    /// A vectored write that is dropped.
    FrameDropped,
}

fuzz_target!(|session: Session| {
    POOL.clear();
    let [server, client] = session.wanted.map(|wanted| {
        let limit = 1 << (7 + session.max_message % 10);
        let keep = usize::from(session.keep) * 64;
        let config = Config::new().max_message(limit).high_water(session.high_water.into()).keep(keep);
        match wanted {
            Some(wanted) => config.deflate(wanted.deflate()),
            None => config,
        }
    });
    free_spare();
    let mut heap = Meter::default();
    if let Some(units) = session.store {
        let capacity = LEAST_STORE + usize::from(units) * 16;
        let ends = heap.run(|| connect_as(client, server, || FixedStorage::new(vec![0; capacity])));
        run(&session, capacity, ends, heap);
    } else {
        let ends = heap.run(|| connect_as(client, server, Vec::new));
        run(&session, isize::MAX as usize, ends, heap);
    }
});

fn run<S: Storage>(session: &Session, capacity: usize, (client, server): Pair<S>, mut heap: Meter) {
    let prepared: [_; 4] = array::from_fn(|index| {
        let (content, len) = (index as u8, [90, 200, 2000, 9000][index]);
        if index % 2 == 0 { Prepared::new(&text(content, len)) } else { Prepared::new(&bytes(content, len)) }
    });
    let mut client = End::new(session, capacity, true, client);
    let mut server = End::new(session, capacity, false, server);
    assert_eq!(client.agreement.is_some(), server.agreement.is_some());

    let mut failed = false;
    for (is_client, op) in &session.ops {
        match (*is_client, *op) {
            (true, Op::Deliver { count }) => failed |= deliver(&mut client, &mut server, count.into()),
            (false, Op::Deliver { count }) => failed |= deliver(&mut server, &mut client, count.into()),
            (true, op) => client.act(op, &prepared),
            (false, op) => server.act(op, &prepared),
        }
        if failed {
            return;
        }
    }
    while client.is_busy() || server.is_busy() {
        client.write(usize::MAX);
        server.write(usize::MAX);
        if deliver(&mut client, &mut server, usize::MAX) || deliver(&mut server, &mut client, usize::MAX) {
            return;
        }
    }
    client.check_rest();
    server.check_rest();

    if client.fragments.is_none() && server.fragments.is_none() {
        heap.run(free_spare);
        heap.run(|| POOL.clear());
        let held = heap.bytes + client.heap.bytes + server.heap.bytes;
        let most = client.may_hold(session) + server.may_hold(session);
        assert!((0..=most as isize).contains(&held), "{held} bytes of heap, idle (at most {most})");
    }
}

struct End<R, S: Storage> {
    rx: Receiver<R, S>,
    tx: Sender<R, S>,
    heap: Meter,
    agreement: Option<Agreement>,
    threshold: usize,
    is_client: bool,
    capacity: usize,
    high_water: usize,
    longest_frame: usize,
    chunks: u8,
    calls: usize,
    log: Log,
    /// The last argument of `Sender::compress`.
    compresses: bool,
    /// All bytes that the socket took, and how many of them reached the other end.
    output: Vec<u8>,
    delivered: usize,
    /// Everything that was accepted for sending and has not arrived yet.
    sent: VecDeque<Seen>,
    /// All messages that were accepted whole.
    messages: Vec<Sent>,
    fragments: Option<Sent>,
    /// The longest message that the other end accepts, and whether one was longer.
    limit: usize,
    is_too_long: bool,
    budget: usize,
    pings: Vec<Vec<u8>>,
}

/// A message that was accepted.
#[derive(Debug)]
struct Sent {
    kind: Kind,
    payload: Vec<u8>,
    may_be_compressed: bool,
}

impl<R: Role, S: Storage> End<R, S> {
    fn new(session: &Session, capacity: usize, is_client: bool, connection: Connection<R, S, S>) -> Self {
        let index = usize::from(is_client);
        assert_eq!(connection.receiver.compression(), connection.sender.compression());
        Self {
            agreement: connection.sender.compression().copied(),
            rx: connection.receiver,
            tx: connection.sender,
            heap: Meter::default(),
            threshold: session.wanted[index].map_or(0, |wanted| wanted.threshold()),
            is_client,
            capacity,
            high_water: session.high_water.into(),
            longest_frame: 0,
            chunks: session.chunks[index],
            calls: 0,
            log: Log::default(),
            compresses: true,
            output: Vec::new(),
            delivered: 0,
            sent: VecDeque::new(),
            messages: Vec::new(),
            fragments: None,
            limit: 1 << (7 + session.max_message % 10),
            is_too_long: false,
            budget: MOST,
            pings: Vec::new(),
        }
    }

    fn act(&mut self, op: Op, prepared: &[Prepared]) {
        let before = self.tx.pending().to_vec();
        match op {
            Op::Write { count } => return self.write(count.into()),
            Op::Message { text: true, content, len, how } => {
                self.send(Message::Text(&text(content, self.length(len))), how);
            }
            Op::Message { text: false, content, len, how } => {
                self.send(Message::Binary(&bytes(content, self.length(len))), how);
            }
            Op::Prepared { index } => self.send_prepared(&prepared[usize::from(index) % prepared.len()]),
            Op::Compress { enabled } => {
                self.tx.compress(enabled);
                self.compresses = enabled;
            }
            Op::Ping { len } => {
                let payload = bytes(self.pings.len() as u8, usize::from(len) % 126);
                if self.heap.run(|| self.tx.send_ping(&payload)).is_ok() {
                    self.sent.push_back(Seen::Ping(payload.clone()));
                    self.pings.push(payload);
                }
            }
            Op::Release => self.heap.run(|| (self.rx.release(), self.tx.release())).0,
            Op::Deliver { .. } => unreachable!("needs both ends"),
        }
        let is_vectored = matches!(op, Op::Message { how: How::Frame { .. }, .. });
        assert!(is_vectored || self.tx.pending().starts_with(&before), "what is pending stays until it is consumed");
        assert!(self.tx.pending().len() <= self.room(), "a Close always has room");
        let most = self.high_water.max(self.longest_frame) + PONG_BACKLOG + MAX_REPLIES;
        assert!(self.tx.backlog() <= most, "{} bytes wait (at most {most})", self.tx.backlog());
    }

    fn send(&mut self, message: Message<'_>, how: How) {
        let (kind, payload) = (message.kind(), message.as_bytes());
        let is_fragment = matches!(how, How::Fragment { .. });
        let begun = self.fragments.as_ref().filter(|open| is_fragment && open.kind == kind);
        let before = begun.map_or(0, |open| open.payload.len());
        if before + payload.len() > self.capacity || payload.len() > self.budget {
            return; // more than the other end's store takes, or than there is time for
        }
        let may_be_compressed = begun.map_or(self.is_worth_it(payload.len()), |open| open.may_be_compressed);
        let is_whole = !is_fragment || begun.is_none() && matches!(how, How::Fragment { last: true });
        let is_open = self.fragments.is_some() && begun.is_none();
        // Reserved now, so that the allocations below are the sender's.
        self.output.reserve(self.tx.pending().len() + self.frame_len(payload.len()));
        let (tx, output) = (&mut self.tx, &mut self.output);

        let verdict = self.heap.run(|| match (how, message) {
            (How::Whole, Message::Text(text)) => tx.send_text(text),
            (How::Whole, Message::Binary(bytes)) => tx.send_binary(bytes),
            (How::Fragment { last }, Message::Text(text)) => tx.send_text_fragment(text, last),
            (How::Fragment { last }, Message::Binary(bytes)) => tx.send_binary_fragment(bytes, last),
            (How::FrameDropped, _) => tx.vectored_frame(message).map(drop),
            (How::Frame { sent }, _) => tx.vectored_frame(message).map(|frame| {
                let before = output.len();
                output.extend(frame.parts().into_iter().flatten().take(sent.into()));
                frame.sent(output.len() - before);
            }),
        });
        let may_grow = may_be_compressed && (!is_whole || self.threshold == 0);
        let longest = if may_grow { bound(payload.len()) } else { payload.len() };
        match verdict {
            Err(SendError::MessageOpen) => assert!(is_open),
            Err(refusal @ (SendError::Backlog { .. } | SendError::FrameTooLong { .. })) => {
                assert!(!is_open && self.no_room(longest), "refused without a reason: {refusal}");
            }
            Err(refusal) => panic!("{refusal}"),
            Ok(()) => {
                assert!(!is_open);
                self.budget -= payload.len();
                self.longest_frame = self.longest_frame.max(self.frame_len(longest));
                let mut whole = self.fragments.take().unwrap_or(Sent { kind, payload: Vec::new(), may_be_compressed });
                whole.payload.extend_from_slice(payload);
                self.is_too_long |= whole.payload.len() > self.limit;
                if let How::Fragment { last: false } = how {
                    self.fragments = Some(whole);
                } else {
                    self.sent(whole);
                }
            }
        }
    }

    fn send_prepared(&mut self, prepared: &Prepared) {
        let payload = prepared.as_bytes();
        if payload.len() > self.capacity.min(self.budget) {
            return;
        }
        let may_grow = self.threshold == 0 && self.is_worth_it(payload.len());
        let longest = if may_grow { bound(payload.len()) } else { payload.len() };
        let is_packed = prepared.compressed_len().is_some();
        let verdict = self.heap.run(|| self.tx.send_prepared(prepared));
        if !is_packed {
            // The shared form does not belong to this connection.
            self.heap.bytes -= prepared.compressed_len().unwrap_or(0) as isize;
        }
        match verdict {
            Err(SendError::MessageOpen) => assert!(self.fragments.is_some()),
            Err(SendError::Backlog { .. } | SendError::FrameTooLong { .. }) => assert!(self.no_room(longest)),
            Err(refusal) => panic!("{refusal}"),
            Ok(()) => {
                self.budget -= payload.len();
                self.longest_frame = self.longest_frame.max(self.frame_len(longest));
                self.is_too_long |= payload.len() > self.limit;
                let may_be_compressed = self.is_worth_it(payload.len());
                self.sent(Sent { kind: prepared.kind(), payload: payload.to_vec(), may_be_compressed });
            }
        }
    }

    fn sent(&mut self, message: Sent) {
        self.sent.push_back(Seen::Message(message.kind, message.payload.clone()));
        self.messages.push(message);
    }

    fn is_worth_it(&self, len: usize) -> bool {
        self.agreement.is_some() && self.compresses && len >= self.threshold
    }

    fn write(&mut self, count: usize) {
        let count = count.min(self.tx.pending().len());
        self.output.extend_from_slice(&self.tx.pending()[..count]);
        self.heap.run(|| self.tx.consume(count));
    }

    /// The space in the store that the application may use: a Close always fits beside it.
    fn room(&self) -> usize {
        self.capacity - self.frame_len(125)
    }

    /// Whether there may be a reason to refuse a payload of at most this many bytes.
    fn no_room(&self, payload: usize) -> bool {
        let (waiting, len) = (self.tx.backlog(), self.frame_len(payload));
        len > self.room() || waiting > 0 && waiting + len > self.high_water.min(self.room())
    }

    fn frame_len(&self, payload: usize) -> usize {
        let length = match payload {
            0..=125 => 0,
            126..=0xFFFF => 2,
            _ => 8,
        };
        2 + length + if self.is_client { 4 } else { 0 } + payload
    }

    /// Mostly short, up to two windows; and close to the size of a store.
    fn length(&self, len: u8) -> usize {
        match len {
            0..=127 => len.into(),
            128..=247 => (usize::from(len) - 120).pow(2) * 4,
            _ => self.room().min(300) - usize::from(255 - len) * 3,
        }
    }

    fn is_busy(&self) -> bool {
        self.tx.backlog() > 0 || self.delivered < self.output.len()
    }

    /// Everything arrived, and the bytes on the wire are right.
    fn check_rest(&self) {
        assert_eq!(self.sent, [], "accepted, and never arrived");
        assert!(!self.is_too_long, "a message beyond the limit has arrived");

        let (mut history, mut messages) = (Vec::new(), self.messages.iter());
        let mut open: Option<(u8, Vec<u8>)> = None;
        for (first, payload) in naive::frames(&self.output, self.is_client, 0x40) {
            let (fin, opcode) = (first & 0x80 != 0, first & 0x0F);
            if opcode >= 8 {
                continue;
            }
            assert_eq!(opcode == 0, open.is_some());
            let (begun, mut packed) = open.take().unwrap_or((first, Vec::new()));
            packed.extend(payload);
            if !fin {
                open = Some((begun, packed));
                continue;
            }
            let Sent { kind, payload, may_be_compressed } = messages.next().expect("a message that nobody has sent");
            assert_eq!(begun & 0x0F, kind.opcode() as u8);
            let is_fragmented = begun & 0x80 == 0;
            let may_grow = is_fragmented || self.threshold == 0;
            if begun & 0x40 == 0 {
                assert!(!may_be_compressed || !may_grow, "not compressed");
                assert!(packed == *payload);
                continue;
            }
            assert!(*may_be_compressed && (may_grow || packed.len() < payload.len()), "compressed");
            let agreement = self.agreement.unwrap();
            if !agreement.send_takeover {
                history.clear();
            }
            let reach = 1 << agreement.send_window.get();
            let inflated = inflate::message(&packed, &history, reach, usize::MAX / 2);
            assert_eq!(inflated.end, inflate::End::Whole);
            assert!(inflated.bytes == *payload);
            history = inflated.history;
        }
        assert!(messages.next().is_none());
    }

    /// The most memory while nothing is in flight.
    fn may_hold(&self, session: &Session) -> usize {
        let stores = if session.store.is_some() { 2 * self.capacity } else { 0 };
        let contexts = self.agreement.map_or(0, |agreement| {
            let deflater = if agreement.send_takeover { DEFLATER } else { 0 };
            BOXES + deflater + if agreement.receive_takeover { INFLATER } else { 0 }
        });
        // Each half keeps two kinds of memory: for messages, and for their compressed form.
        stores + contexts + 4 * usize::from(session.keep) * 64
    }
}

/// Moves bytes from one end's socket to the other's. Returns whether that failed, as it should.
fn deliver<A: Role, B: Role, S: Storage>(from: &mut End<A, S>, to: &mut End<B, S>, count: usize) -> bool {
    let undelivered = &from.output[from.delivered..];
    let mut piece = undelivered[..count.min(undelivered.len())].to_vec();
    from.delivered += piece.len();
    let mut input = Input::new(&mut piece);
    loop {
        to.calls += 1;
        let End { rx, tx, log, heap, .. } = to;
        if to.chunks >> (to.calls % 8) & 1 != 0 {
            let Some(event) = heap.run(|| rx.next_chunk(&mut input, tx)) else { break };
            log.chunk(event);
        } else {
            let Some(event) = heap.run(|| rx.next_message(&mut input, tx)) else { break };
            log.event(event);
        }
        let so_far = to.log.open.as_ref().map_or(0, |(_, open)| open.len());
        assert!(so_far <= from.limit, "{so_far} bytes of a message (at most {})", from.limit);
        for seen in to.log.take() {
            match seen {
                Seen::Pong(payload) => assert!(to.pings.contains(&payload), "a Pong that no Ping asked for"),
                Seen::Failed(1009) if from.is_too_long => return true,
                seen => assert!(from.sent.pop_front().as_ref() == Some(&seen), "something else has arrived"),
            }
        }
    }
    assert_used(&input);
    false
}

/// The longest compressed payload: fixed codes take up to nine bits for eight, blocks have headers, and a flush
/// follows.
fn bound(len: usize) -> usize {
    len + len / 8 + len / 64 + 64
}

/// Bytes that are the same for the same `content`, and compress in different ways.
fn bytes(content: u8, len: usize) -> Vec<u8> {
    let noise = |seed: u32| {
        iter::successors(Some(seed.wrapping_mul(0x9E37_79B1) | 1), |state| {
            let state = state ^ state << 13;
            let state = state ^ state >> 17;
            Some(state ^ state << 5)
        })
    };
    let seed = u32::from(content / 5);
    match content % 5 {
        0 => vec![content; len],
        1 => (0..len).map(|index| (index % (3 + usize::from(content))) as u8).collect(),
        2 => noise(seed).map(|state| (state >> 9) as u8).take(len).collect(),
        // At level 1 each of these bytes takes nine bits.
        3 => noise(seed).map(|state| (state >> 9) as u8 | 0x90).take(len).collect(),
        // The same few parts repeatedly, near and far.
        _ => {
            let parts = noise(seed).map(|state| noise(state >> 20).map(|state| (state >> 9) as u8).take(40));
            parts.flatten().take(len).collect()
        }
    }
}

/// The same as code points of every length.
fn text(content: u8, len: usize) -> String {
    let letters = ['a', 'b', 'c', 'd', 'e', 'f', ' ', 'é', 'ß', '世', '界', '🦀'];
    let mut text = String::new();
    for byte in bytes(content, len) {
        let letter = letters[usize::from(byte) % letters.len()];
        text.push(if text.len() + letter.len_utf8() <= len { letter } else { '.' });
        if text.len() == len {
            break;
        }
    }
    text
}
