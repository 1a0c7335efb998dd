//! One receiver, fed with any bytes.

use arbitrary::Arbitrary;
use websocket_proto::{Connection, FixedStorage, Input, ReadBuffer, Receiver, Role, Sender, Storage, UncleanEnd};

use crate::{
    End, Log, MAX_REPLIES, PONG_BACKLOG, Plan, Seen, assert_used, deflate,
    heap::{Meter, free_spare},
    naive::{self, Compression},
    plan::Reads,
};

/// The bytes of a peer, and how they arrive.
#[derive(Arbitrary, Debug)]
pub struct Case<'a> {
    pub plan: Plan,
    pub wire: &'a [u8],
}

/// A store for plans with a fixed size.
pub fn fixed_store() -> FixedStorage<[u8; Plan::FIXED]> {
    FixedStorage::new([0; Plan::FIXED])
}

/// Feeds a receiver, and compares it with the [naive] decoder and with rules that hold always.
pub fn check<R: Role, S: Storage>(
    case: &Case<'_>,
    connect: impl Fn() -> Connection<R, S, S>,
    from_client: bool,
    compression: Option<Compression>,
) {
    let Case { plan, wire } = case;
    free_spare();
    let (mut log, mut heap, mut output) = (Log::default(), Meter::default(), Vec::new());
    let Connection { receiver: mut rx, sender: mut tx } = heap.run(connect);
    let limits = plan.limits();
    let expected = naive::decode(wire, from_client, limits, compression);
    let (mut fed, mut calls) = (0, 0);
    let mut reader = Reader::new(plan.reads());

    for piece in plan.pieces(wire) {
        let mut piece = piece.to_vec();
        let mut read = 0;
        while read < piece.len() {
            let (count, mut input) = heap.run(|| reader.read(&mut piece[read..], &mut rx));
            read += count;
            let failed_before = log.failure.is_some();
            loop {
                calls += 1;
                if plan.is_chunk(calls) {
                    let Some(event) = heap.run(|| rx.next_chunk(&mut input, &mut tx)) else { break };
                    log.chunk(event);
                } else {
                    let Some(event) = heap.run(|| rx.next_message(&mut input, &mut tx)) else { break };
                    log.event(event);
                }
                assert!(tx.backlog() <= PONG_BACKLOG + MAX_REPLIES, "{} bytes of replies", tx.backlog());
            }
            assert_used(&input);

            // The failure must be reported with the very byte that proves it, wherever that is in a piece.
            if log.failure.is_some() && !failed_before {
                let at = expected.failed_at.clone().expect("nothing is wrong with the input");
                assert!(fed < at.end && at.start < fed + count, "failed in {fed}+{count}, not at {at:?}");
            }
            fed += count;
        }

        heap.run(free_spare);
        // A decompressed message may be longer than the received bytes, but not longer than the limit.
        let (message, inflater) = match compression {
            Some(_) => (limits.message as usize, deflate::INFLATER),
            None => (fed.min(limits.message as usize), 0),
        };
        // A `Vec` grows to twice its content, half of which a sender may have written before; and both may be kept.
        let most = 2 * message + 4 * (PONG_BACKLOG + MAX_REPLIES) + 2 * plan.keep() + inflater;
        assert!((0..=most as isize).contains(&heap.bytes), "{} bytes of heap for {fed} received", heap.bytes);

        let written = if plan.writes == 255 { usize::MAX } else { plan.writes.into() };
        output.extend_from_slice(&tx.pending()[..written.min(tx.pending().len())]);
        heap.run(|| tx.consume(written));
        if plan.releases() {
            heap.run(|| (rx.release(), tx.release()));
        }
    }

    assert_eq!(log.seen, expected.seen);
    assert_eq!(End::from(rx.end_of_input()), expected.end);
    if plan.only_chunks() {
        assert_eq!(log.open, expected.open);
    }
    if expected.end != End::Failed {
        assert_eq!(rx.payload_remaining(), expected.remaining);
    }

    while !tx.is_empty() {
        output.extend_from_slice(tx.pending());
        heap.run(|| tx.consume(usize::MAX));
    }
    assert_eq!(tx.backlog(), 0, "a reply was left behind");
    check_replies(&log.seen, &naive::frames(&output, !from_client, 0));

    heap.run(free_spare);
    heap.run(|| deflate::POOL.clear());
    if expected.end != End::InsideMessage {
        let context = match compression {
            Some(compression) if compression.takeover && expected.end == End::BetweenMessages => deflate::INFLATER,
            Some(_) => deflate::BOXES,
            None => 0,
        };
        let most = (2 * plan.keep() + context) as isize;
        assert!(heap.bytes <= most, "{} bytes of heap with no message in flight (at most {most})", heap.bytes);
    }
}

/// The same bytes, whole and cut, with the receiver's shortcuts and without: the same events, replies and end.
pub fn compare<R: Role, S: Storage>(case: &Case<'_>, connection: impl Fn() -> Connection<R, S, S>) {
    // One mode from beginning to end: otherwise the place of a change would depend on the cuts.
    let is_chunk = case.plan.modes & 1 != 0;
    let whole = feed(connection(), [case.wire], Reads::Plain, is_chunk);
    let planned = || case.plan.pieces(case.wire);
    let cut = feed(connection(), planned(), Reads::Plain, is_chunk);
    assert_eq!(whole.0, cut.0, "cut as planned");
    // Without shortcuts each event is reported with the same byte.
    let mut long = connection();
    long.receiver.take_the_long_way();
    assert_eq!(cut, feed(long, planned(), Reads::Plain, is_chunk), "the long way");
    assert_eq!(whole.0, feed(connection(), case.wire.chunks(1), Reads::Plain, is_chunk).0, "byte by byte");
    let buffered = Reads::Buffered { capacity: case.plan.capacity(), offered: true };
    assert_eq!(whole.0, feed(connection(), planned(), buffered, is_chunk).0, "{buffered:?}");
}

/// All results of a receiver.
type Outcome = (Log, Vec<u8>, Result<(), UncleanEnd>);

/// All results of a receiver, and how many events there were after each piece.
fn feed<'w, R: Role, S: Storage>(
    connection: Connection<R, S, S>,
    pieces: impl IntoIterator<Item = &'w [u8]>,
    reads: Reads,
    is_chunk: bool,
) -> (Outcome, Vec<usize>) {
    let Connection { receiver: mut rx, sender: mut tx } = connection;
    let (mut log, mut reader) = (Log::default(), Reader::new(reads));
    let (mut events, mut after) = (0, Vec::new());
    for piece in pieces {
        let mut piece = piece.to_vec();
        let mut read = 0;
        while read < piece.len() {
            let (count, mut input) = reader.read(&mut piece[read..], &mut rx);
            read += count;
            if is_chunk {
                while let Some(event) = rx.next_chunk(&mut input, &mut tx) {
                    log.chunk(event);
                    events += 1;
                }
            } else {
                while let Some(event) = rx.next_message(&mut input, &mut tx) {
                    log.event(event);
                    events += 1;
                }
            }
            assert_used(&input);
        }
        after.push(events);
    }
    ((log, drain(&mut tx), rx.end_of_input()), after)
}

/// The buffers for reads.
enum Reader {
    Plain,
    Buffered(ReadBuffer<Vec<u8>>, bool),
}

impl Reader {
    fn new(reads: Reads) -> Self {
        match reads {
            Reads::Plain => Self::Plain,
            Reads::Buffered { capacity, offered } => Self::Buffered(ReadBuffer::new(vec![0; capacity]), offered),
        }
    }

    /// Reads all bytes, or as many as fit, and returns their number. It allocates nothing itself.
    fn read<'b, R: Role, S: Storage>(
        &'b mut self,
        unread: &'b mut [u8],
        rx: &mut Receiver<R, S>,
    ) -> (usize, Input<'b>) {
        match self {
            Self::Plain => (unread.len(), Input::new(unread)),
            Self::Buffered(buffer, offered) => {
                let room = if *offered { buffer.room_for(rx) } else { buffer.room() };
                let count = room.len().min(unread.len());
                assert!(count > 0, "there is room");
                room[..count].copy_from_slice(&unread[..count]);
                (count, buffer.received(count))
            }
        }
    }
}

/// All pending bytes.
fn drain<R: Role, S: Storage>(tx: &mut Sender<R, S>) -> Vec<u8> {
    let mut output = Vec::new();
    while !tx.is_empty() {
        output.extend_from_slice(tx.pending());
        tx.consume(usize::MAX);
    }
    output
}

/// Asserts that the events have exactly these replies.
fn check_replies(seen: &[Seen], frames: &[(u8, Vec<u8>)]) {
    let mut frames = frames.to_vec();
    let close = frames.pop_if(|(first, _)| *first == 0x88).map(|(_, payload)| payload);
    let expected = seen.last().and_then(|last| match last {
        Seen::Close { code, reason, .. } => {
            Some(code.map_or(Vec::new(), |code| [&code.to_be_bytes(), reason.as_bytes()].concat()))
        }
        Seen::Failed(code) => {
            // The library may choose the words.
            let words = close.as_deref().and_then(|close| close.get(2..)).expect("a failure is explained");
            Some([&code.to_be_bytes(), words].concat())
        }
        _ => None,
    });
    assert_eq!(close, expected);

    let mut pings = seen.iter().filter_map(|seen| if let Seen::Ping(payload) = seen { Some(payload) } else { None });
    let all: usize = pings.clone().map(|payload| 2 + 4 + payload.len()).sum();
    if all <= Plan::FIXED.min(PONG_BACKLOG) - MAX_REPLIES {
        assert_eq!(frames.len(), pings.clone().count(), "there was room for every pong");
    }
    let newest = pings.clone().next_back();
    if let (None, Some(newest)) = (&close, newest) {
        assert_eq!(frames.last().map(|(_, payload)| payload), Some(newest), "the newest ping is answered");
    }
    for (first, payload) in &frames {
        assert_eq!(*first, 0x8A);
        assert!(pings.any(|ping| ping == payload), "a pong that no ping asked for, or out of order");
    }
}
