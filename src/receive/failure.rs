use core::fmt;

use crate::{
    frame::{CloseCode, CloseError, HeaderError},
    text::InvalidUtf8,
};

/// Why a connection has failed (RFC 6455 §7.1.7): the peer broke a rule or a limit, unless the variant says otherwise.
///
/// The Close frame that is sent carries [`close_code`](Self::close_code), and [`reason`](Self::reason) as its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// A bit of RSV1–3 that no extension claims (0x40, 0x20, 0x10).
    ReservedBits(u8),
    /// A header that no endpoint may send.
    Header(HeaderError),
    /// A continuation frame when no message was open.
    NothingToContinue,
    /// A new message before the last fragment of the one that was open.
    MessageInsideMessage,
    /// A frame from a client without a mask.
    Unmasked,
    /// A frame from a server with a mask.
    Masked,
    /// A Close frame with a wrong body.
    Close(CloseError),
    /// Text that is not UTF-8.
    InvalidUtf8,
    /// A frame longer than allowed.
    FrameTooLong {
        /// Its length in bytes.
        len: u64,
        /// The most that was allowed.
        limit: u64,
    },
    /// A message longer than allowed, or than the store can hold.
    MessageTooLong {
        /// Its length in bytes, as far as it is known.
        len: u64,
        /// The most that was allowed.
        limit: u64,
    },
    /// A message in more frames than allowed.
    TooManyFragments {
        /// The most that was allowed.
        limit: u32,
    },
    /// A compressed message that can't be decompressed, or ends too early.
    Inflate,
    /// The allocator had no memory for the message; not the peer's fault.
    OutOfMemory,
    /// The caller's mistake, not the peer's: an input of [`ReadBuffer::room_for`](crate::ReadBuffer::room_for) was
    /// given to a receiver that it was not read for, or this receiver was used for something else between the read
    /// and now.
    ForeignInput,
}

impl Failure {
    /// The code of the Close that tells the peer.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::ReservedBits(_)
            | Self::Header(_)
            | Self::NothingToContinue
            | Self::MessageInsideMessage
            | Self::Unmasked
            | Self::Masked
            | Self::Close(CloseError::OneByte | CloseError::Code(_)) => CloseCode::PROTOCOL_ERROR,
            Self::Close(CloseError::Reason) | Self::InvalidUtf8 | Self::Inflate => CloseCode::INVALID_PAYLOAD,
            Self::FrameTooLong { .. } | Self::MessageTooLong { .. } => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFragments { .. } => CloseCode::POLICY_VIOLATION,
            Self::OutOfMemory | Self::ForeignInput => CloseCode::INTERNAL_ERROR,
        }
    }

    /// Returns the section that has the rule which was broken; `None` if the fault is not the peer's.
    ///
    /// For a limit it is the section that allows limits.
    pub const fn rule(self) -> Option<&'static str> {
        Some(match self {
            Self::ReservedBits(_) => "RFC 6455 §5.2",
            Self::Header(error) => match error {
                HeaderError::ReservedOpcode(_) => "RFC 6455 §5.2",
                HeaderError::FragmentedControl | HeaderError::ControlTooLong => "RFC 6455 §5.5",
                HeaderError::LengthNotMinimal { .. } | HeaderError::LengthTopBit => "RFC 6455 §5.2",
            },
            Self::NothingToContinue | Self::MessageInsideMessage => "RFC 6455 §5.4",
            Self::Unmasked | Self::Masked => "RFC 6455 §5.1",
            Self::Close(CloseError::OneByte | CloseError::Reason) => "RFC 6455 §5.5.1",
            Self::Close(CloseError::Code(_)) => "RFC 6455 §7.4",
            Self::InvalidUtf8 => "RFC 6455 §8.1",
            Self::FrameTooLong { .. } | Self::MessageTooLong { .. } | Self::TooManyFragments { .. } => "RFC 6455 §10.4",
            Self::Inflate => "RFC 7692 §7.2.2",
            Self::OutOfMemory | Self::ForeignInput => return None,
        })
    }

    /// Returns the reason in that Close. It is short, and does not tell the peer any limit of this end.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::ReservedBits(_) => "reserved bit set",
            Self::Header(error) => match error {
                HeaderError::ReservedOpcode(_) => "reserved opcode",
                HeaderError::FragmentedControl => "fragmented control frame",
                HeaderError::ControlTooLong => "control frame too long",
                HeaderError::LengthNotMinimal { .. } => "length not in its shortest form",
                HeaderError::LengthTopBit => "length with its top bit set",
            },
            Self::NothingToContinue => "nothing to continue",
            Self::MessageInsideMessage => "message inside a message",
            Self::Unmasked => "frame without a mask",
            Self::Masked => "frame with a mask",
            Self::Close(CloseError::OneByte) => "close frame of one byte",
            Self::Close(CloseError::Code(_)) => "close code not allowed",
            Self::Close(CloseError::Reason) => "close reason is not UTF-8",
            Self::InvalidUtf8 => "text is not UTF-8",
            Self::FrameTooLong { .. } => "frame too long",
            Self::MessageTooLong { .. } => "message too long",
            Self::TooManyFragments { .. } => "too many fragments",
            Self::Inflate => "invalid compressed data",
            Self::OutOfMemory => "out of memory",
            Self::ForeignInput => "internal error",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits(bits) => write!(f, "reserved bit set ({bits:#04x})"),
            Self::Header(error) => error.fmt(f),
            Self::Close(error) => error.fmt(f),
            Self::FrameTooLong { len, limit } => write!(f, "frame of {len} bytes (at most {limit})"),
            Self::MessageTooLong { len, limit } => write!(f, "message of {len} bytes (at most {limit})"),
            Self::ForeignInput => f.write_str("the input was read into the store of another receiver"),
            Self::TooManyFragments { limit } => write!(f, "message in more than {limit} fragments"),
            _ => f.write_str(self.reason()),
        }
    }
}

impl core::error::Error for Failure {}

impl From<HeaderError> for Failure {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

impl From<CloseError> for Failure {
    fn from(error: CloseError) -> Self {
        Self::Close(error)
    }
}

impl From<InvalidUtf8> for Failure {
    fn from(InvalidUtf8: InvalidUtf8) -> Self {
        Self::InvalidUtf8
    }
}

/// The stream ended without a closing handshake; browsers report it as close code 1006 (RFC 6455 §7.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UncleanEnd {
    /// Between two messages.
    WithoutClose,
    /// In the middle of a frame or a message.
    InsideMessage,
    /// After the connection had failed.
    Failed(Failure),
}

impl fmt::Display for UncleanEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WithoutClose => f.write_str("connection lost: the peer left without a closing handshake"),
            Self::InsideMessage => f.write_str("connection lost in the middle of a message"),
            Self::Failed(failure) => write!(f, "connection failed: {failure}"),
        }
    }
}

impl core::error::Error for UncleanEnd {}
