use std::mem;

use websocket_proto::{ChunkEvent, Event, Failure, Kind, UncleanEnd, frame::CloseCode};

/// An event, owned. Chunks are assembled: nobody may rely on their cuts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Message(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close {
        code: Option<u16>,
        reason: String,
        message_cut_short: bool,
    },
    /// With the code of the Close for the peer.
    Failed(u16),
}

/// The meaning of the end of the stream at this point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Closed,
    BetweenMessages,
    InsideMessage,
    Failed,
}

/// Everything that a receiver reported.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Log {
    pub seen: Vec<Seen>,
    /// The message of which chunks were received, but not the last.
    pub open: Option<(Kind, Vec<u8>)>,
    /// How many bytes of it were received before each control frame: this must not depend on the cuts either.
    offsets: Vec<usize>,
    pub failure: Option<Failure>,
}

impl Log {
    pub fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Text(text) => self.rest(Kind::Text, text.as_bytes()),
            Event::Binary(bytes) => self.rest(Kind::Binary, bytes),
            Event::Ping(payload) => self.control(Seen::Ping(payload.to_vec())),
            Event::Pong(payload) => self.control(Seen::Pong(payload.to_vec())),
            Event::Close { code, reason, message_cut_short } => self.close(code, reason, message_cut_short),
            Event::Failed(failure) => self.failed(failure),
            _ => unreachable!("an event that this target does not know"),
        }
    }

    pub fn chunk(&mut self, event: ChunkEvent<'_>) {
        match event {
            ChunkEvent::Text(chunk) => self.piece(Kind::Text, chunk.data.as_bytes(), chunk.first, chunk.last),
            ChunkEvent::Binary(chunk) => self.piece(Kind::Binary, chunk.data, chunk.first, chunk.last),
            ChunkEvent::Ping(payload) => self.control(Seen::Ping(payload.to_vec())),
            ChunkEvent::Pong(payload) => self.control(Seen::Pong(payload.to_vec())),
            ChunkEvent::Close { code, reason, message_cut_short } => self.close(code, reason, message_cut_short),
            ChunkEvent::Failed(failure) => self.failed(failure),
            _ => unreachable!("an event that this target does not know"),
        }
    }

    /// Takes the events since the last call.
    pub fn take(&mut self) -> Vec<Seen> {
        self.offsets.clear();
        mem::take(&mut self.seen)
    }

    /// A whole message, or the rest of one that began in chunks.
    fn rest(&mut self, kind: Kind, bytes: &[u8]) {
        let first = self.open.is_none();
        self.piece(kind, bytes, first, true);
    }

    fn piece(&mut self, kind: Kind, bytes: &[u8], first: bool, last: bool) {
        assert_eq!(first, self.open.is_none(), "each message has one first and one last chunk");
        assert!(last || !bytes.is_empty(), "only a last chunk can be empty");
        let (open, message) = self.open.get_or_insert((kind, Vec::new()));
        assert_eq!(*open, kind);
        message.extend_from_slice(bytes);
        if last {
            self.seen.extend(self.open.take().map(|(kind, message)| Seen::Message(kind, message)));
        }
    }

    fn control(&mut self, seen: Seen) {
        self.offsets.push(self.open.as_ref().map_or(0, |(_, message)| message.len()));
        self.seen.push(seen);
    }

    fn close(&mut self, code: Option<CloseCode>, reason: &str, message_cut_short: bool) {
        self.control(Seen::Close { code: code.map(CloseCode::get), reason: reason.to_owned(), message_cut_short });
    }

    fn failed(&mut self, failure: Failure) {
        self.failure = Some(failure);
        self.control(Seen::Failed(failure.close_code().get()));
    }
}

impl From<Result<(), UncleanEnd>> for End {
    fn from(end: Result<(), UncleanEnd>) -> Self {
        match end {
            Ok(()) => Self::Closed,
            Err(UncleanEnd::WithoutClose) => Self::BetweenMessages,
            Err(UncleanEnd::InsideMessage) => Self::InsideMessage,
            Err(UncleanEnd::Failed(_)) => Self::Failed,
            Err(_) => unreachable!("an end that this target does not know"),
        }
    }
}
