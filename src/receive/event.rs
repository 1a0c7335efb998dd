use crate::frame::{CloseCode, Opcode};

use super::Failure;

/// A whole message or a control frame, from [`Receiver::next_message`](crate::Receiver::next_message).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A Ping, whose Pong was already passed to the [replies](crate::Replies).
    Ping(&'a [u8]),
    /// The answer to a Ping of ours, or an unsolicited Pong.
    Pong(&'a [u8]),
    /// The peer has sent a Close, and sends nothing more. If it was not the answer to ours, our answer was already
    /// passed to the [replies](crate::Replies).
    Close {
        /// Why; `None` when the peer gave no code (elsewhere reported as 1005).
        code: Option<CloseCode>,
        /// Text for a log, often empty.
        reason: &'a str,
        /// Whether a message had begun, whose end will not be received.
        message_cut_short: bool,
    },
    /// The connection has failed, usually because the peer broke a rule or a limit. The Close that says so was already
    /// passed to the [replies](crate::Replies). No further event follows.
    Failed(Failure),
}

impl<'a> Event<'a> {
    /// The message, ready to be [sent](crate::Sender::send); `None` for other events.
    pub const fn message(&self) -> Option<Message<'a>> {
        match *self {
            Self::Text(text) => Some(Message::Text(text)),
            Self::Binary(bytes) => Some(Message::Binary(bytes)),
            _ => None,
        }
    }

    /// The event of a chunk that is a whole message; other events as they are.
    pub(crate) fn of_whole(event: ChunkEvent<'a>) -> Self {
        match event {
            ChunkEvent::Text(Chunk { data, .. }) => Self::Text(data),
            ChunkEvent::Binary(Chunk { data, .. }) => Self::Binary(data),
            ChunkEvent::Ping(payload) => Self::Ping(payload),
            ChunkEvent::Pong(payload) => Self::Pong(payload),
            ChunkEvent::Close { code, reason, message_cut_short } => Self::Close { code, reason, message_cut_short },
            ChunkEvent::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// A chunk of a message or a control frame, from [`Receiver::next_chunk`](crate::Receiver::next_chunk).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkEvent<'a> {
    /// A part of a text message; never cut inside a code point.
    Text(Chunk<'a, str>),
    /// A part of a binary message.
    Binary(Chunk<'a, [u8]>),
    /// As [`Event::Ping`].
    Ping(&'a [u8]),
    /// As [`Event::Pong`].
    Pong(&'a [u8]),
    /// As [`Event::Close`].
    Close {
        /// Why; `None` when the peer gave no code.
        code: Option<CloseCode>,
        /// Text for a log, often empty.
        reason: &'a str,
        /// Whether a message had begun, whose last chunk will not be received.
        message_cut_short: bool,
    },
    /// As [`Event::Failed`].
    Failed(Failure),
}

/// A part of a message's payload, as it was received.
///
/// Reads and frames decide where a message is cut into chunks, so chunks are not fragments. Each message has exactly
/// one first and one last chunk, which may be the same. Only a last chunk can be empty.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the payload and its place in the message")]
pub struct Chunk<'a, T: ?Sized> {
    /// The payload.
    pub data: &'a T,
    /// Whether the message begins with it.
    pub first: bool,
    /// Whether the message ends with it.
    pub last: bool,
    /// How many bytes of the message follow, if that is known: its last frame has begun, and is not compressed.
    ///
    /// If it is known in the first chunk, the message has one frame, whatever reads have cut. [`Sender::send_chunk`]
    /// passes it on in one frame, too.
    ///
    /// [`Sender::send_chunk`]: crate::Sender::send_chunk
    pub remaining: Option<u64>,
}

impl<'a, T: ?Sized> Chunk<'a, T> {
    #[inline]
    pub(crate) const fn whole(data: &'a T) -> Self {
        Self { data, first: true, last: true, remaining: Some(0) }
    }
}

// Derived, these would ask the same of `T`.
impl<T: ?Sized> Clone for Chunk<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Chunk<'_, T> {}

/// Whether a message is text or binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the RFC's two")]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
}

impl Kind {
    /// The opcode of such a message's first frame.
    pub const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// A whole message to be sent.
///
/// ```
/// use websocket_proto::{Kind, Message};
/// assert_eq!(Message::from("text").kind(), Kind::Text);
/// assert_eq!(Message::from(&b"bytes"[..]).as_bytes(), b"bytes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the RFC's two")]
pub enum Message<'a> {
    /// UTF-8.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// Text or binary.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// The payload.
    pub const fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Binary(bytes)
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a alloc::string::String> for Message<'a> {
    fn from(text: &'a alloc::string::String) -> Self {
        Self::Text(text)
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a alloc::vec::Vec<u8>> for Message<'a> {
    fn from(bytes: &'a alloc::vec::Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Binary(bytes)
    }
}
