//! What the tests of open connections share: connections in memory, bytes in every cut, and what came of them.
#![allow(dead_code, reason = "each test file uses its part")]

use websocket_proto::{
    ChunkEvent, Client, Config, Connection, EndOfInput, Event, Failure, Input, ReadBuffer, Receiver, Reply, Role,
    Sender, Server, Storage, Uri, client, frame::CloseCode, server,
};

pub type Keys = fn() -> [u8; 4];

/// Predictable, as a test needs it, and no bytes alike.
pub fn keys() -> [u8; 4] {
    [0x1B, 0x2C, 0x8D, 0xFE]
}

/// What the ends keep their bytes in, unless a test says otherwise: without an allocator, so much that no limit is lower for it.
#[cfg(feature = "alloc")]
pub type Store = Vec<u8>;
#[cfg(not(feature = "alloc"))]
pub type Store = websocket_proto::FixedStorage<Vec<u8>>;

pub fn store() -> Store {
    #[cfg(feature = "alloc")]
    {
        Vec::new()
    }
    #[cfg(not(feature = "alloc"))]
    {
        Store::new(vec![0; 200 << 10])
    }
}

pub type ServerEnd<I = Store, O = Store> = Connection<Server, I, O>;
pub type ClientEnd<I = Store, O = Store> = Connection<Client<Keys>, I, O>;

/// Both ends of a connection, out of a real handshake, with nothing pending.
pub fn open(config: Config) -> (ServerEnd, ClientEnd) {
    open_between([config; 2], [(); 4].map(|()| store()))
}

/// The same over the given stores: the server's input and output, the client's input and output.
pub fn open_in<S: Storage>(config: Config, stores: [S; 4]) -> (ServerEnd<S, S>, ClientEnd<S, S>) {
    open_between([config; 2], stores)
}

/// The same of a server and a client that want different things.
pub fn open_between<S: Storage>(configs: [Config; 2], stores: [S; 4]) -> (ServerEnd<S, S>, ClientEnd<S, S>) {
    let [server_in, server_out, client_in, client_out] = stores;
    let request = client::Request::new(Uri::parse("ws://example.com/").unwrap());
    let mut client =
        client::Handshake::with_storage(configs[1], &request, keys as Keys, client_in, client_out).unwrap();
    let mut server = server::Handshake::with_storage(configs[0], server_in, server_out);
    assert!(server.read(&mut Input::new(&mut client.pending().to_vec())));
    client.consume(usize::MAX);
    let mut server = server.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).unwrap();
    assert!(client.read(&mut Input::new(&mut server.sender.pending().to_vec())));
    server.sender.consume(usize::MAX);
    (server, client.into_response().unwrap().upgrade().unwrap())
}

/// Frees the memory that this thread has to spare, to see what a connection has of its own.
#[cfg(feature = "alloc")]
pub fn free_spare() {
    open(Config::new()).0.sender.release();
}

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

/// How the receiver is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// `next_message`
    Whole,
    /// `next`, chunks put together again
    Chunks,
    /// `next_message` and `next` by turns, what they give put together again
    Mixed,
    /// `next_message`, from a `ReadBuffer` of this capacity
    Buffered(usize),
    /// `Mixed`, from a `ReadBuffer` of this capacity
    MixedBuffered(usize),
}

impl Mode {
    pub const ALL: [Self; 6] =
        [Self::Whole, Self::Chunks, Self::Mixed, Self::Buffered(1), Self::Buffered(100_000), Self::MixedBuffered(20)];
}

/// All that came of some bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    pub seen: Vec<Seen>,
    /// The text of a message whose end did not come, as far as it was handed out in chunks.
    pub partial: Vec<u8>,
    /// The frames that were sent in reply: first byte and payload.
    pub replies: Vec<(u8, Vec<u8>)>,
    pub end: Result<(), EndOfInput>,
    /// How many bytes had come when the failure was reported.
    pub failed_after: Option<usize>,
}

/// [`feed`]s the end that such bytes are for: what is masked is for the server.
pub fn feed_either<S: Storage>(
    (server, client): (ServerEnd<S, S>, ClientEnd<S, S>),
    masked: bool,
    bytes: &[u8],
    cuts: impl IntoIterator<Item = usize>,
    mode: Mode,
) -> Trace {
    if masked { feed(server, bytes, cuts, mode) } else { feed(client, bytes, cuts, mode) }
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
                Event::Close { code, reason, message_cut_short } => close(code, reason, message_cut_short),
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
    let Some(event) = rx.next(input, tx) else { return false };
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
            trace.seen.push(close(code, reason, message_cut_short));
        }
        ChunkEvent::Failed(failure) => trace.seen.push(Seen::Failed(failure)),
        event => panic!("{event:?}"),
    }
    true
}

fn close(code: Option<CloseCode>, reason: &str, cut_short: bool) -> Seen {
    Seen::Close { code: code.map(CloseCode::get), reason: reason.into(), cut_short }
}

/// Takes bytes apart into frames, unmasked: a second, naive reader, for what is sent.
pub fn frames(mut wire: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while !wire.is_empty() {
        let masked = wire[1] & 0x80 != 0;
        let (len, header) = match wire[1] & 0x7F {
            126 => (u16::from_be_bytes([wire[2], wire[3]]).into(), 4),
            127 => (u64::from_be_bytes(wire[2..10].try_into().unwrap()) as usize, 10),
            len => (len.into(), 2),
        };
        let key = if masked { wire[header..header + 4].to_vec() } else { vec![0; 4] };
        let start = header + if masked { 4 } else { 0 };
        let payload = wire[start..start + len].iter().enumerate().map(|(index, byte)| byte ^ key[index % 4]);
        frames.push((wire[0], payload.collect()));
        wire = &wire[start + len..];
    }
    frames
}

/// A frame as the peer of a server (masked) or of a client (not) would send it.
pub fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let length = match payload.len() {
        len @ 0..=125 => vec![len as u8],
        len @ 126..=65535 => [&[126][..], &(len as u16).to_be_bytes()].concat(),
        len => [&[127][..], &(len as u64).to_be_bytes()].concat(),
    };
    [header(first, &length, masked), masking(payload, masked)].concat()
}

/// The beginning of a frame: its first byte, the length as given with the MASK bit added, the key.
pub fn header(first: u8, length: &[u8], masked: bool) -> Vec<u8> {
    let mut bytes = [&[first], length].concat();
    if masked {
        bytes[1] |= 0x80;
        bytes.extend_from_slice(&PEER_KEY);
    }
    bytes
}

fn masking(payload: &[u8], masked: bool) -> Vec<u8> {
    let key = if masked { PEER_KEY } else { [0; 4] };
    payload.iter().enumerate().map(|(index, byte)| byte ^ key[index % 4]).collect()
}

const PEER_KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A place to collect what a receiver owes.
pub fn ignore(_: Reply<'_>) {}
