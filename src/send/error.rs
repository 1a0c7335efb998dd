use core::fmt;

use crate::{frame::MAX_CLOSE_REASON, storage::StorageFull};

/// Why a message, Ping or Pong was not sent. It is still the caller's, whole, and what was pending is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// One of the sides has closed, or the connection failed: "The application MUST NOT send any more
    /// data frames after sending a Close frame" (RFC 6455 §5.5.1).
    Closing,
    /// The transport is gone: see [`Sender::transport_lost`](crate::Sender::transport_lost).
    TransportLost,
    /// A fragmented message must end before another one begins (RFC 6455 §5.4).
    MessageOpen,
    /// Too much waits for the socket: the peer reads too slowly. Write, then try again.
    Backlog {
        /// How many bytes wait.
        waiting: usize,
        /// The most that may: [`Config::high_water`](crate::Config::high_water), or what the store can hold.
        limit: usize,
    },
    /// A frame that will never fit into the store (send the message in fragments), or the payload of a Ping or Pong beyond
    /// 125 bytes.
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The most that it may have.
        limit: usize,
    },
    /// The allocator had no room for it.
    OutOfMemory,
}

/// Why a Close was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendCloseError {
    /// One was sent before, by the application or in answer to the peer.
    AlreadyClosing,
    /// The transport is gone: see [`Sender::transport_lost`](crate::Sender::transport_lost).
    TransportLost,
    /// A reason of more than 123 bytes.
    ReasonTooLong {
        /// Its length in bytes.
        len: usize,
    },
}

const CLOSING: &str = "the connection is closing";
const TRANSPORT_LOST: &str = "the transport is gone";

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closing => f.write_str(CLOSING),
            Self::TransportLost => f.write_str(TRANSPORT_LOST),
            Self::MessageOpen => f.write_str("a fragmented message is open"),
            Self::Backlog { waiting, limit } => write!(f, "{waiting} bytes wait for the socket (at most {limit})"),
            Self::TooLong { len, limit } => write!(f, "{len} bytes are too many for one frame (at most {limit})"),
            Self::OutOfMemory => f.write_str("out of memory"),
        }
    }
}

impl fmt::Display for SendCloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyClosing => f.write_str(CLOSING),
            Self::TransportLost => f.write_str(TRANSPORT_LOST),
            Self::ReasonTooLong { len } => write!(f, "close reason of {len} bytes (at most {MAX_CLOSE_REASON})"),
        }
    }
}

// What can never fit was refused before.
impl From<StorageFull> for SendError {
    fn from(StorageFull: StorageFull) -> Self {
        Self::OutOfMemory
    }
}

impl core::error::Error for SendError {}
impl core::error::Error for SendCloseError {}
