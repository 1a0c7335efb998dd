use core::fmt;

use crate::{frame::MAX_CLOSE_REASON, storage::StorageFull};

/// Why a message, Ping or Pong was not sent. The output is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// One of the two ends has closed, or the connection failed: "The application MUST NOT send any more data frames
    /// after sending a Close frame" (RFC 6455 §5.5.1).
    Closing,
    /// The transport is lost: see [`Sender::transport_lost`](crate::Sender::transport_lost).
    TransportLost,
    /// A fragmented message is open, and must end before another message begins (RFC 6455 §5.4).
    MessageOpen,
    /// The backlog would exceed its limit, because the peer reads too slowly. Write the pending bytes, then try again.
    Backlog {
        /// The backlog, in bytes.
        waiting: usize,
        /// The limit, in bytes: [`Config::high_water`](crate::Config::high_water), or the capacity of the store less a
        /// Close.
        limit: usize,
    },
    /// The frame is larger than the store, so send the message in fragments; or the payload of a Ping or Pong is longer
    /// than 125 bytes.
    TooLong {
        /// The length of the frame, or of the payload of the Ping or Pong, in bytes.
        len: usize,
        /// The limit for that length, in bytes.
        limit: usize,
    },
    /// The allocator refused a request.
    OutOfMemory,
}

/// Why a Close was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendCloseError {
    /// A Close was sent before: by the application, as the answer to the peer, or to explain a failure.
    AlreadyClosing,
    /// The transport is lost: see [`Sender::transport_lost`](crate::Sender::transport_lost).
    TransportLost,
    /// The reason is longer than 123 bytes (RFC 6455 §5.5.1).
    ReasonTooLong {
        /// The length of the reason, in bytes.
        len: usize,
    },
}

const CLOSING: &str = "the connection is closing";
const TRANSPORT_LOST: &str = "the transport is lost";

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closing => f.write_str(CLOSING),
            Self::TransportLost => f.write_str(TRANSPORT_LOST),
            Self::MessageOpen => f.write_str("a fragmented message is open (only its next fragment may be sent)"),
            Self::Backlog { waiting, limit } => {
                write!(f, "{waiting} bytes wait for the transport (at most {limit} with this frame)")
            }
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

// A frame that can never fit was refused before, so the allocator is the only reason left.
impl From<StorageFull> for SendError {
    fn from(StorageFull: StorageFull) -> Self {
        Self::OutOfMemory
    }
}

impl core::error::Error for SendError {}
impl core::error::Error for SendCloseError {}
