use core::fmt;

use crate::storage::{ControlPayload, ControlStore};

/// A frame that a receiver owes the peer: a Pong, the answer to a Close, or the Close that explains a failure.
///
/// A receiver makes it, and [`Sender::reply`](crate::Sender::reply) takes it. A copy made with
/// [`to_owned`](Self::to_owned) can be sent to another task in between.
#[derive(Clone, Copy)]
pub struct Reply<'a> {
    pub(crate) kind: ReplyKind,
    pub(crate) payload: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyKind {
    Pong,
    /// The answer to the peer's Close: a Close, unless one was sent before.
    Close,
    /// The explanation of a failure: a Close, unless one was sent before.
    Fail,
}

impl Reply<'_> {
    /// Whether this is a Pong.
    ///
    /// If replies pile up before they reach the sender, all Pongs but the newest may be dropped (RFC 6455 §5.5.3). No
    /// other reply may be dropped.
    pub fn is_pong(self) -> bool {
        self.kind == ReplyKind::Pong
    }

    /// Copies the reply without allocating.
    ///
    /// The copy has fewer than 128 bytes.
    // This shadows `ToOwned`, which would only copy the reference.
    pub fn to_owned(self) -> OwnedReply {
        let mut payload = ControlPayload::default();
        let appended = payload.append(self.payload);
        debug_assert!(appended.is_ok(), "a reply is a control frame, whose payload fits");
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
    /// Whether this is a Pong: see [`Reply::is_pong`].
    pub fn is_pong(&self) -> bool {
        self.kind == ReplyKind::Pong
    }
}

impl<'a> From<&'a OwnedReply> for Reply<'a> {
    fn from(owned: &'a OwnedReply) -> Self {
        Self { kind: owned.kind, payload: owned.payload.bytes() }
    }
}

/// The destination of a receiver's replies: the sender, or a closure that passes them on to the sender.
///
/// ```
/// use std::sync::Mutex;
/// use websocket_proto::{Input, Receiver, Reply, Sender, Server};
///
/// // Two threads share the sender. The reader locks it for each reply. The writer does not lock it while it writes.
/// fn read(receiver: &mut Receiver<Server, Vec<u8>>, mut input: Input<'_>, sender: &Mutex<Sender<Server, Vec<u8>>>) {
///     let mut replies = |reply: Reply<'_>| sender.lock().unwrap().reply(reply);
///     while let Some(event) = receiver.next_message(&mut input, &mut replies) {
///         println!("{event:?}");
///     }
/// }
/// ```
pub trait Replies {
    /// Takes a reply.
    ///
    /// This cannot fail, because the sender stores a reply that cannot be sent at once.
    fn reply(&mut self, reply: Reply<'_>);
}

impl<F: FnMut(Reply<'_>)> Replies for F {
    fn reply(&mut self, reply: Reply<'_>) {
        self(reply);
    }
}
