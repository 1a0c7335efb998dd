//! Feeds bytes to a connection, and records what happens.

use super::{frames::frames, open::Opening};
use websocket_proto::{
    ChunkEvent, Connection, Event, Failure, Input, ReadBuffer, Receiver, Role, Sender, Storage, UncleanEnd,
    frame::CloseCode,
};

/// Something that was received, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close { code: Option<u16>, reason: String, cut_short: bool },
    Failed(Failure),
}

/// How the receiver is called.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// `next_message`
    Whole,
    /// `next_chunk`, chunks assembled
    Chunks,
    /// `next_message` and `next_chunk` by turns, their parts assembled
    Mixed,
    /// `next_message`, from a `ReadBuffer` of this capacity
    Buffered(usize),
    /// `Mixed`, from a `ReadBuffer` of this capacity
    MixedBuffered(usize),
}

/// A text that was received.
pub fn text(text: &str) -> Seen {
    Seen::Text(text.into())
}

/// A Close that was received between messages.
pub fn close(code: impl Into<Option<u16>>, reason: &str) -> Seen {
    Seen::Close { code: code.into(), reason: reason.into(), cut_short: false }
}

impl Mode {
    pub const ALL: [Self; 6] =
        [Self::Whole, Self::Chunks, Self::Mixed, Self::Buffered(1), Self::Buffered(100_000), Self::MixedBuffered(20)];
}

/// Everything that follows from some bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    pub seen: Vec<Seen>,
    /// The part of an incomplete message that was delivered in chunks.
    pub partial: Vec<u8>,
    /// The replies as frames: first byte and payload.
    pub replies: Vec<(u8, Vec<u8>)>,
    pub end: Result<(), UncleanEnd>,
    /// How many bytes were received when the failure was reported.
    pub failed_after: Option<usize>,
}

impl Opening {
    /// [`feed`]s the end that these bytes are for: the server if they are masked.
    pub fn feed<S: Storage>(
        &self,
        stores: [S; 2],
        masked: bool,
        bytes: &[u8],
        cuts: impl IntoIterator<Item = usize>,
        mode: Mode,
    ) -> Trace {
        if masked { feed(self.server(stores), bytes, cuts, mode) } else { feed(self.client(stores), bytes, cuts, mode) }
    }
}

/// Feeds `bytes` in pieces that end at each of the `cuts`, and at their own end.
pub fn feed<R: Role, I: Storage, O: Storage>(
    connection: Connection<R, I, O>,
    bytes: &[u8],
    cuts: impl IntoIterator<Item = usize>,
    mode: Mode,
) -> Trace {
    let Connection { receiver: mut rx, sender: mut tx } = connection;
    let mut trace = Trace { seen: vec![], partial: vec![], replies: vec![], end: Ok(()), failed_after: None };
    let mut wire = Vec::new();
    let mut start = 0;
    let mut turn = false;
    let mut buffer = match mode {
        Mode::Buffered(capacity) | Mode::MixedBuffered(capacity) => Some(ReadBuffer::new(vec![0; capacity])),
        _ => None,
    };
    for end in cuts.into_iter().chain([bytes.len()]) {
        let before = trace.seen.len();
        let mut piece = bytes[start..end].to_vec();
        start = end;
        match &mut buffer {
            None => {
                let mut input = Input::new(&mut piece);
                while take(mode, &mut turn, &mut rx, &mut input, &mut tx, &mut trace) {}
                assert!(input.is_empty(), "all input is used");
            }
            Some(buffer) => {
                let mut piece = &piece[..];
                while !piece.is_empty() {
                    let room = buffer.room_for(&mut rx);
                    let n = room.len().min(piece.len());
                    assert!(n > 0, "there is room");
                    room[..n].copy_from_slice(&piece[..n]);
                    piece = &piece[n..];
                    let mut input = buffer.received(n);
                    while take(mode, &mut turn, &mut rx, &mut input, &mut tx, &mut trace) {}
                    assert!(input.is_empty(), "all input is used");
                }
            }
        }
        if trace.seen[before..].iter().any(|seen| matches!(seen, Seen::Failed(_))) {
            trace.failed_after = Some(end);
        }
        wire.extend_from_slice(tx.pending());
        tx.consume(tx.pending().len());
    }
    trace.replies = frames(&wire);
    trace.end = rx.end_of_input();
    trace
}

fn take<R: Role, I: Storage, O: Storage>(
    mode: Mode,
    turn: &mut bool,
    rx: &mut Receiver<R, I>,
    input: &mut Input<'_>,
    tx: &mut Sender<R, O>,
    trace: &mut Trace,
) -> bool {
    *turn = !*turn;
    match mode {
        Mode::Whole | Mode::Buffered(_) => take_whole(rx, input, tx, trace),
        Mode::Chunks => take_chunk(rx, input, tx, trace),
        Mode::Mixed | Mode::MixedBuffered(_) if *turn => take_whole(rx, input, tx, trace),
        Mode::Mixed | Mode::MixedBuffered(_) => take_chunk(rx, input, tx, trace),
    }
}

fn take_whole<R: Role, I: Storage, O: Storage>(
    rx: &mut Receiver<R, I>,
    input: &mut Input<'_>,
    tx: &mut Sender<R, O>,
    trace: &mut Trace,
) -> bool {
    let Some(event) = rx.next_message(input, tx) else { return false };
    let partial = std::mem::take(&mut trace.partial);
    let seen = match event {
        Event::Text(text) => Seen::Text(String::from_utf8(partial).unwrap() + text),
        Event::Binary(data) => Seen::Binary([&partial, data].concat()),
        event => {
            trace.partial = partial;
            match event {
                Event::Ping(payload) => Seen::Ping(payload.into()),
                Event::Pong(payload) => Seen::Pong(payload.into()),
                Event::Close { code, reason, message_cut_short } => close_event(code, reason, message_cut_short),
                Event::Failed(failure) => Seen::Failed(failure),
                event => panic!("{event:?}"),
            }
        }
    };
    trace.seen.push(seen);
    true
}

fn take_chunk<R: Role, I: Storage, O: Storage>(
    rx: &mut Receiver<R, I>,
    input: &mut Input<'_>,
    tx: &mut Sender<R, O>,
    trace: &mut Trace,
) -> bool {
    let Some(event) = rx.next_chunk(input, tx) else { return false };
    match event {
        ChunkEvent::Text(chunk) => {
            assert_eq!(chunk.first, trace.partial.is_empty());
            assert!(chunk.last || !chunk.data.is_empty());
            trace.partial.extend_from_slice(chunk.data.as_bytes());
            if chunk.last {
                let text = std::mem::take(&mut trace.partial);
                trace.seen.push(Seen::Text(String::from_utf8(text).unwrap()));
            }
        }
        ChunkEvent::Binary(chunk) => {
            assert_eq!(chunk.first, trace.partial.is_empty());
            assert!(chunk.last || !chunk.data.is_empty());
            trace.partial.extend_from_slice(chunk.data);
            if chunk.last {
                trace.seen.push(Seen::Binary(std::mem::take(&mut trace.partial)));
            }
        }
        ChunkEvent::Ping(payload) => trace.seen.push(Seen::Ping(payload.into())),
        ChunkEvent::Pong(payload) => trace.seen.push(Seen::Pong(payload.into())),
        ChunkEvent::Close { code, reason, message_cut_short } => {
            trace.seen.push(close_event(code, reason, message_cut_short));
        }
        ChunkEvent::Failed(failure) => trace.seen.push(Seen::Failed(failure)),
        event => panic!("{event:?}"),
    }
    true
}

fn close_event(code: Option<CloseCode>, reason: &str, cut_short: bool) -> Seen {
    Seen::Close { code: code.map(CloseCode::get), reason: reason.into(), cut_short }
}
