use core::{fmt, num::NonZeroU16, str};

#[cfg(doc)]
use super::MAX_CLOSE_REASON;
use crate::storage::copy;

/// Why a connection ends, as a number that may stand in a Close frame (RFC 6455 §7.4).
///
/// Codes that must never be on the wire can't be built: 1005 ("no code was there") is the absence of a code, `None`;
/// 1006 ("no Close was there") is [`UncleanEnd`](crate::UncleanEnd); 1015 is the TLS library's to report.
///
/// ```
/// use websocket_proto::frame::CloseCode;
///
/// assert_eq!(CloseCode::new(1001), Ok(CloseCode::GOING_AWAY));
/// assert!(CloseCode::new(4999).is_ok());
/// assert!(CloseCode::new(1006).is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(NonZeroU16);

macro_rules! close_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $text:literal;)+) => {
        impl CloseCode {
            $($(#[doc = $doc])+ pub const $name: Self = Self(NonZeroU16::new($code).unwrap());)+

            /// A word or two on a code that the registry names; empty for the others.
            pub const fn description(self) -> &'static str {
                match self.get() {
                    $($code => $text,)+
                    _ => "",
                }
            }
        }
    };
}

close_codes! {
    /// The purpose of the connection is fulfilled.
    NORMAL = 1000, "normal closure";
    /// The server goes down, or the user has left the page.
    GOING_AWAY = 1001, "going away";
    /// The peer broke the protocol.
    PROTOCOL_ERROR = 1002, "protocol error";
    /// A kind of data that this endpoint can't take, such as binary where it understands only text.
    UNSUPPORTED_DATA = 1003, "unsupported data";
    /// Data that is not what its type says: text that is not UTF-8.
    INVALID_PAYLOAD = 1007, "invalid payload";
    /// A message that breaks this endpoint's rules, when no other code fits.
    POLICY_VIOLATION = 1008, "policy violation";
    /// A message too big to be processed.
    MESSAGE_TOO_BIG = 1009, "message too big";
    /// The client needed an extension that the server did not grant.
    MANDATORY_EXTENSION = 1010, "mandatory extension";
    /// The server met a condition that it did not expect.
    INTERNAL_ERROR = 1011, "internal error";
    /// The service restarts; come back after a random delay of 5 to 30 seconds.
    SERVICE_RESTART = 1012, "service restart";
    /// The service is overloaded; come back later, or elsewhere.
    TRY_AGAIN_LATER = 1013, "try again later";
    /// A gateway got an invalid answer from the server behind it.
    BAD_GATEWAY = 1014, "bad gateway";
}

impl CloseCode {
    /// A code from its number: 1000–1003, 1007–1014 (registered) and 3000–4999 (libraries and applications).
    ///
    /// # Errors
    ///
    /// Every other number: reserved, or not to be sent.
    pub const fn new(code: u16) -> Result<Self, ForbiddenCloseCode> {
        match (code, NonZeroU16::new(code)) {
            (1000..=1003 | 1007..=1014 | 3000..=4999, Some(code)) => Ok(Self(code)),
            _ => Err(ForbiddenCloseCode(code)),
        }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

impl TryFrom<u16> for CloseCode {
    type Error = ForbiddenCloseCode;

    fn try_from(code: u16) -> Result<Self, ForbiddenCloseCode> {
        Self::new(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.get()
    }
}

/// A number that may not stand in a Close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the number is the whole story")]
pub struct ForbiddenCloseCode(pub u16);

impl fmt::Display for ForbiddenCloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "close code {} (1000-1003, 1007-1014 and 3000-4999 may be sent)", self.0)
    }
}

impl core::error::Error for ForbiddenCloseCode {}

/// The body of a Close frame: a code and a reason, or nothing at all (RFC 6455 §5.5.1).
///
/// ```
/// use websocket_proto::frame::{Close, CloseCode};
///
/// let close = Close::parse(b"\x03\xe8bye")?;
/// assert_eq!((close.code, close.reason), (Some(CloseCode::NORMAL), "bye"));
/// assert_eq!(Close::parse(b"")?, Close::EMPTY);
/// # Ok::<(), websocket_proto::frame::CloseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a code and a reason, says the RFC")]
pub struct Close<'a> {
    /// The code; `None` is what other interfaces report as 1005.
    pub code: Option<CloseCode>,
    /// Words for a log, at most [`MAX_CLOSE_REASON`] bytes. Without a code there can be none: it would not be sent.
    pub reason: &'a str,
}

impl<'a> Close<'a> {
    /// A Close without a code.
    pub const EMPTY: Self = Self { code: None, reason: "" };

    /// Reads a Close frame's payload.
    ///
    /// # Errors
    ///
    /// A body of one byte, a code that may not be sent, a reason that is not UTF-8.
    pub fn parse(payload: &'a [u8]) -> Result<Self, CloseError> {
        let (code, reason) = match payload.split_first_chunk() {
            Some((code, reason)) => (u16::from_be_bytes(*code), reason),
            None if payload.is_empty() => return Ok(Self::EMPTY),
            None => return Err(CloseError::OneByte),
        };
        Ok(Self {
            code: Some(CloseCode::new(code).map_err(CloseError::Code)?),
            reason: str::from_utf8(reason).map_err(|_| CloseError::Reason)?,
        })
    }

    /// Judges as much of a payload as has come: an error as soon as no further byte could mend it.
    pub(crate) fn parse_prefix(payload: &[u8]) -> Result<(), CloseError> {
        let Some((code, reason)) = payload.split_first_chunk() else { return Ok(()) };
        CloseCode::new(u16::from_be_bytes(*code)).map_err(CloseError::Code)?;
        match str::from_utf8(reason) {
            Err(error) if error.error_len().is_some() => Err(CloseError::Reason),
            _ => Ok(()),
        }
    }

    /// Writes the payload to `room` and returns it; `None` when the reason is longer than [`MAX_CLOSE_REASON`].
    pub fn encode(self, room: &mut [u8; super::MAX_CONTROL_PAYLOAD]) -> Option<&[u8]> {
        let Some(code) = self.code else { return Some(&[]) };
        let (head, tail) = room.split_first_chunk_mut()?;
        *head = code.get().to_be_bytes();
        copy(self.reason.as_bytes(), tail)?;
        room.get(..2 + self.reason.len())
    }
}

/// Why the payload of a Close frame is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseError {
    /// A body of one byte: half a code.
    OneByte,
    /// A code that must not be sent.
    Code(ForbiddenCloseCode),
    /// A reason that is not UTF-8.
    Reason,
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneByte => f.write_str("close frame of one byte (0 or at least 2)"),
            Self::Code(code) => code.fmt(f),
            Self::Reason => f.write_str("close reason is not UTF-8"),
        }
    }
}

impl core::error::Error for CloseError {}
