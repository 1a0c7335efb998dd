use core::fmt;

use crate::{
    frame::{MAX_CLOSE_REASON, MAX_CONTROL_PAYLOAD},
    storage::StorageFull,
};

/// Why a message, a Ping, a Pong or a Close was not sent. The output is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// One of the two ends has closed, or the connection failed: "The application MUST NOT send any more data frames
    /// after sending a Close frame" (RFC 6455 §5.5.1). A second Close is not sent either.
    Closing,
    /// The transport is lost: see [`Sender::transport_lost`](crate::Sender::transport_lost).
    TransportLost,
    /// A message is open: a fragmented one, which must end before another message begins; or one that is [sent in
    /// pieces](crate::Sender::begin_frame), which must end before anything else is sent (RFC 6455 §5.4).
    MessageOpen,
    /// The backlog would exceed its limit, because the peer reads too slowly. Write the pending bytes, then try again.
    Backlog {
        /// The backlog, in bytes.
        waiting: usize,
        /// The limit, in bytes: [`Config::high_water`](crate::Config::high_water), or the capacity of the store less a
        /// Close.
        limit: usize,
    },
    /// The frame is larger than the store, and will never fit: send the message in fragments.
    FrameTooLong {
        /// The length of the frame, in bytes.
        len: usize,
        /// The limit, in bytes: the capacity of the store less a Close.
        limit: usize,
    },
    /// The payload is longer than the frame that was [begun](crate::Sender::begin_frame).
    BeyondFrame {
        /// The length of the piece, in bytes.
        len: usize,
        /// How many bytes the frame can still take; 0 if none was begun.
        remaining: u64,
    },
    /// The payload of a Ping or Pong is longer than 125 bytes (RFC 6455 §5.5).
    ControlTooLong {
        /// Its length, in bytes.
        len: usize,
    },
    /// The reason of a Close is longer than 123 bytes (RFC 6455 §5.5.1).
    ReasonTooLong {
        /// Its length, in bytes.
        len: usize,
    },
    /// The allocator refused a request.
    OutOfMemory,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closing => f.write_str("the connection is closing"),
            Self::TransportLost => f.write_str("the transport is lost"),
            Self::MessageOpen => f.write_str("a message is open (only its next part may be sent)"),
            Self::Backlog { waiting, limit } => {
                write!(f, "{waiting} bytes wait for the transport (at most {limit} with this frame)")
            }
            Self::FrameTooLong { len, limit } => write!(f, "frame of {len} bytes (at most {limit})"),
            Self::BeyondFrame { len, remaining } => {
                write!(f, "{len} bytes of payload (at most {remaining} in this frame)")
            }
            Self::ControlTooLong { len } => write!(f, "control frame with {len} bytes (at most {MAX_CONTROL_PAYLOAD})"),
            Self::ReasonTooLong { len } => write!(f, "close reason of {len} bytes (at most {MAX_CLOSE_REASON})"),
            Self::OutOfMemory => f.write_str("out of memory"),
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
