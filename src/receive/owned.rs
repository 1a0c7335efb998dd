//! Messages and events that borrow nothing, for channels.

use alloc::{string::String, vec::Vec};

use super::{
    Event, Failure, Kind, Message, Receiver,
    piece::{At, Found, Piece},
};
use crate::{Input, Replies, Role, frame::CloseCode};

/// A whole message that borrows nothing.
///
/// ```
/// use websocket_proto::{Message, OwnedMessage};
///
/// let message = OwnedMessage::from("hello".to_owned());
/// assert_eq!(message.as_message(), Message::Text("hello"));
/// assert_eq!(message.into_bytes(), b"hello");
/// assert_eq!(OwnedMessage::from(Message::Binary(b"bytes")), OwnedMessage::Binary(b"bytes".to_vec()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the RFC's two")]
pub enum OwnedMessage {
    /// UTF-8.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl OwnedMessage {
    /// The same message, borrowed: to be [sent](crate::Sender::send).
    pub fn as_message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(bytes) => Message::Binary(bytes),
        }
    }

    /// The payload.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl From<Message<'_>> for OwnedMessage {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into()),
            Message::Binary(bytes) => Self::Binary(bytes.into()),
        }
    }
}

impl From<String> for OwnedMessage {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for OwnedMessage {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

impl<'a> From<&'a OwnedMessage> for Message<'a> {
    fn from(message: &'a OwnedMessage) -> Self {
        message.as_message()
    }
}

/// An [`Event`] that borrows nothing, from [`Receiver::next_owned`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnedEvent {
    /// A message.
    Message(OwnedMessage),
    /// As [`Event::Ping`].
    Ping(Vec<u8>),
    /// As [`Event::Pong`].
    Pong(Vec<u8>),
    /// As [`Event::Close`].
    Close {
        /// Why; `None` when the peer gave no code.
        code: Option<CloseCode>,
        /// Text for a log, often empty.
        reason: String,
        /// Whether a message had begun, whose end will not be received.
        message_cut_short: bool,
    },
    /// As [`Event::Failed`].
    Failed(Failure),
}

impl From<Event<'_>> for OwnedEvent {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Message(OwnedMessage::Text(text.into())),
            Event::Binary(bytes) => Self::Message(OwnedMessage::Binary(bytes.into())),
            Event::Ping(payload) => Self::Ping(payload.into()),
            Event::Pong(payload) => Self::Pong(payload.into()),
            Event::Close { code, reason, message_cut_short } => {
                Self::Close { code, reason: reason.into(), message_cut_short }
            }
            Event::Failed(failure) => Self::Failed(failure),
        }
    }
}

impl<R: Role> Receiver<R, Vec<u8>> {
    /// The same event as from [`next_message`](Self::next_message), owned: for another task.
    ///
    /// A message that was assembled in the store is moved out of it, without a copy, together with the store's memory,
    /// whose capacity may be larger than the message. Any other is copied out of the input.
    ///
    /// Unlike the rest of the receiver this aborts the program if there is no memory for a copy.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use websocket_proto::{Input, OwnedEvent, Receiver, Sender, Server};
    ///
    /// fn forward(
    ///     rx: &mut Receiver<Server, Vec<u8>>,
    ///     tx: &mut Sender<Server, Vec<u8>>,
    ///     mut input: Input<'_>,
    ///     events: &mpsc::Sender<OwnedEvent>,
    /// ) {
    ///     while let Some(event) = rx.next_owned(&mut input, tx) {
    ///         _ = events.send(event);
    ///     }
    /// }
    /// ```
    #[must_use = "an event is all that tells of a message, a close or a failure"]
    pub fn next_owned(&mut self, input: &mut Input<'_>, replies: &mut (impl Replies + ?Sized)) -> Option<OwnedEvent> {
        if self.frames.state.is_at_rest() || self.settle(input.is_empty()) {
            self.frames.state.leave_rest();
        }
        let found = self.next_assembled(input);
        if let Ok(Some(Found::Payload(Piece { at: At::Store, last: true }))) = found {
            let (kind, _) = self.frames.state.given(true);
            let store = self.assembly.take();
            return Some(OwnedEvent::Message(match kind {
                Kind::Text => OwnedMessage::Text(store.into_text()),
                Kind::Binary => OwnedMessage::Binary(store.into_bytes()),
            }));
        }
        self.tell(found, replies).map(|event| Event::of_whole(event).into())
    }
}
