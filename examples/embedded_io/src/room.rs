//! The memory that a connection needs beside its state, and the errors.

use core::fmt;

use websocket_proto::{Failure, SendError, client::UpgradeError, head::HeadError, server::Refusal};

/// Three arrays of the caller's.
pub struct Room {
    /// The bytes of one read: any size.
    pub read: [u8; 64],
    /// The peer's head, then messages that arrive in pieces: as large as the largest accepted message.
    pub input: [u8; 1024],
    /// Our own head, then bytes that wait to be written: the largest frame, and 131 bytes that are kept free for a
    /// Close.
    pub output: [u8; 512],
}

impl Room {
    pub const fn new() -> Self {
        Self { read: [0; 64], input: [0; 1024], output: [0; 512] }
    }
}

/// Why a conversation failed. `E` is the transport's own error.
#[derive(Debug)]
pub enum Failed<E> {
    Transport(E),
    /// The server's response was cut short, too long, or not HTTP.
    Head(HeadError),
    /// The server's response opened no connection.
    Response(UpgradeError),
    /// The client's request opened no connection; the client was told why.
    Request(Refusal),
    /// An array is too small.
    Room,
    /// A message can't be sent.
    Send(SendError),
    /// The peer broke the protocol, and was told so.
    Peer(Failure),
    /// The stream ended before the conversation was over.
    Lost,
}

impl<E: fmt::Display> fmt::Display for Failed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => error.fmt(f),
            Self::Head(error) => error.fmt(f),
            Self::Response(error) => error.fmt(f),
            Self::Request(refusal) => refusal.fmt(f),
            Self::Room => f.write_str("an array is too small"),
            Self::Send(error) => error.fmt(f),
            Self::Peer(failure) => failure.fmt(f),
            Self::Lost => f.write_str("the connection was lost"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for Failed<E> {}
