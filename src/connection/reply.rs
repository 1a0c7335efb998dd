use core::fmt;

use crate::storage::{ControlPayload, ControlStore};

/// What a receiver owes the peer: a Pong, the answer to its Close, or the Close that says why the connection failed.
///
/// Made by a receiver, understood by [`Sender::reply`](crate::Sender::reply); in between it may travel, as
/// [`to_owned`](Self::to_owned), to another task.
#[derive(Clone, Copy)]
pub struct Reply<'a> {
    pub(crate) kind: ReplyKind,
    pub(crate) payload: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyKind {
    Pong,
    /// The peer has closed. Answered by a Close, unless one was sent before.
    Close,
    /// The connection fails. Announced by a Close, unless one was sent before.
    Fail,
}

impl Reply<'_> {
    /// Whether it is a Pong. When they pile up on their way to the sender, only the newest must arrive (RFC 6455 §5.5.3); every other
    /// reply must.
    pub fn is_pong(self) -> bool {
        self.kind == ReplyKind::Pong
    }

    /// The same reply in bytes of its own, less than 128 of them, without allocating.
    // Shadows `ToOwned`, which would only copy the reference.
    pub fn to_owned(self) -> OwnedReply {
        let mut payload = ControlPayload::default();
        // A receiver makes none that doesn't fit.
        let _ = payload.append(self.payload);
        OwnedReply { kind: self.kind, payload }
    }
}

impl fmt::Debug for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.kind, self.payload.len())
    }
}

/// A [`Reply`] that borrows nothing.
#[derive(Clone, Copy, Debug)]
pub struct OwnedReply {
    kind: ReplyKind,
    payload: ControlPayload,
}

impl OwnedReply {
    /// As [`Reply::is_pong`].
    pub fn is_pong(&self) -> bool {
        self.kind == ReplyKind::Pong
    }
}

impl<'a> From<&'a OwnedReply> for Reply<'a> {
    fn from(owned: &'a OwnedReply) -> Self {
        Self { kind: owned.kind, payload: owned.payload.bytes() }
    }
}

/// Where a receiver's replies go: to the sender, or through a closure to wherever the sender is.
///
/// ```
/// use std::sync::Mutex;
/// use websocket_proto::{Input, Receiver, Reply, Sender, Server};
///
/// // Two threads share the sender: the reader locks it for a moment, the writer not while it waits for the socket.
/// fn read(receiver: &mut Receiver<Server, Vec<u8>>, mut input: Input<'_>, sender: &Mutex<Sender<Server, Vec<u8>>>) {
///     let mut replies = |reply: Reply<'_>| sender.lock().unwrap().reply(reply);
///     while let Some(event) = receiver.next_message(&mut input, &mut replies) {
///         println!("{event:?}");
///     }
/// }
/// ```
pub trait Replies {
    /// Takes a reply. It can't fail: what can't be sent at once is for the sender to keep.
    fn reply(&mut self, reply: Reply<'_>);
}

impl<F: FnMut(Reply<'_>)> Replies for F {
    fn reply(&mut self, reply: Reply<'_>) {
        self(reply);
    }
}
