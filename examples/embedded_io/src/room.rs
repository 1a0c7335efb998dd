//! All the memory that a connection needs beside its state, and what can go wrong.

use core::fmt;

use websocket_proto::{Failure, SendError, client::UpgradeError, head::HeadError, server::Refusal};

/// Three arrays of the caller's.
pub struct Room {
    /// What one read brings: any size.
    pub read: [u8; 64],
    /// The other side's head, then messages that come in pieces: the largest that is accepted.
    pub input: [u8; 1024],
    /// Our own head, then what waits to be written: the largest frame that is sent, and 131 bytes that are kept free for a Close.
    pub output: [u8; 512],
}

impl Room {
    pub const fn new() -> Self {
        Self { read: [0; 64], input: [0; 1024], output: [0; 512] }
    }
}

/// Why a conversation ended before its end. `E` is the transport's own error.
#[derive(Debug)]
pub enum Failed<E> {
    Transport(E),
    /// The server's response was cut, too long, or no HTTP.
    Head(HeadError),
    /// The server's response opened no connection.
    Response(UpgradeError),
    /// The client's request opened no connection; it was told why.
    Request(Refusal),
    /// An array is too small.
    Room,
    /// What was to be sent can't be.
    Send(SendError),
    /// The other side broke the protocol; it was told so.
    Peer(Failure),
    /// The stream ended before the conversation.
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
