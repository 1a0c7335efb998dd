use crate::frame::{CloseCode, Opcode};

use super::Failure;

/// What [`Receiver::next_message`](crate::Receiver::next_message) has found: a whole message, or a control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// The peer asked for a sign of life; the Pong is already among the [replies](crate::Replies).
    Ping(&'a [u8]),
    /// An answer to a Ping of ours, or one that nobody asked for.
    Pong(&'a [u8]),
    /// The peer has closed, and will send nothing more. The Close that answers, if it was not ours that was answered, is already
    /// among the [replies](crate::Replies).
    Close {
        /// Why; `None` when the peer gave no code (elsewhere reported as 1005).
        code: Option<CloseCode>,
        /// Words for a log, often none.
        reason: &'a str,
        /// A message had begun, and its end will not come.
        message_cut_short: bool,
    },
    /// The peer broke the protocol or a limit. A Close that says so is already among the [replies](crate::Replies); nothing more
    /// comes.
    Failed(Failure),
}

impl<'a> Event<'a> {
    /// The message, if it is one: to be sent on as it is.
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

/// What [`Receiver::next_chunk`](crate::Receiver::next_chunk) has found: a chunk of a message, or a control frame.
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
        /// Words for a log, often none.
        reason: &'a str,
        /// A message had begun, and its last chunk will not come.
        message_cut_short: bool,
    },
    /// As [`Event::Failed`].
    Failed(Failure),
}

/// A part of a message's payload, as it arrived.
///
/// Chunks have nothing to do with fragments: they are what reads and frames happened to leave in one piece. Each message
/// has exactly one first and one last chunk, which may be the same. Only a last chunk can be empty.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the payload and its place in the message")]
pub struct Chunk<'a, T: ?Sized> {
    /// The payload.
    pub data: &'a T,
    /// Nothing of this message came before.
    pub first: bool,
    /// The message is complete.
    pub last: bool,
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
