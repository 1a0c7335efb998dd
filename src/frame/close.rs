use core::{fmt, num::NonZeroU16, str};

#[cfg(doc)]
use super::MAX_CLOSE_REASON;
use crate::storage::copy;

/// The reason why a connection ends, as a number that a Close frame can carry (RFC 6455 §7.4).
///
/// Codes that must never be sent (§7.4.1) cannot be constructed. Other interfaces report 1005 for a Close without a
/// code: that is `None` in [`Close::code`]. They report 1006 for a connection that ended without a Close: that is an
/// [`UncleanEnd`](crate::UncleanEnd). They report 1015 for a failed TLS handshake, which the TLS library reports.
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

            /// A short description of a code from 1000 to 1014; empty for all other codes.
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
    /// The connection has fulfilled its purpose.
    NORMAL = 1000, "normal closure";
    /// The server is going down, or the user has left the page.
    GOING_AWAY = 1001, "going away";
    /// The peer broke the protocol.
    PROTOCOL_ERROR = 1002, "protocol error";
    /// This endpoint cannot accept this type of data, such as binary where only text is allowed.
    UNSUPPORTED_DATA = 1003, "unsupported data";
    /// The data does not match its type: text that is not UTF-8.
    INVALID_PAYLOAD = 1007, "invalid payload";
    /// A message broke this endpoint's rules, and no other code fits.
    POLICY_VIOLATION = 1008, "policy violation";
    /// A message is too big to be processed.
    MESSAGE_TOO_BIG = 1009, "message too big";
    /// The client needed an extension that the server did not grant.
    MANDATORY_EXTENSION = 1010, "mandatory extension";
    /// The server encountered an unexpected condition.
    INTERNAL_ERROR = 1011, "internal error";
    /// The service is restarting; reconnect after a random delay of 5 to 30 seconds.
    SERVICE_RESTART = 1012, "service restart";
    /// The service is overloaded; reconnect later, or to another server.
    TRY_AGAIN_LATER = 1013, "try again later";
    /// A gateway received an invalid response from the server behind it.
    BAD_GATEWAY = 1014, "bad gateway";
}

impl CloseCode {
    /// What other interfaces report for a Close without a code (RFC 6455 §7.1.5).
    pub(crate) const NO_CODE: u16 = 1005;

    /// What other interfaces report for a connection that ended without a Close (RFC 6455 §7.1.5).
    pub(crate) const ABNORMAL: u16 = 1006;

    /// Returns the code with this number: 1000–1003 or 1007–1014 (registered), or 3000–4999 (for libraries and
    /// applications).
    ///
    /// # Errors
    ///
    /// Every other number is reserved, or must not be sent (RFC 6455 §7.4.1, §7.4.2).
    pub const fn new(code: u16) -> Result<Self, ForbiddenCloseCode> {
        match (code, NonZeroU16::new(code)) {
            (1000..=1003 | 1007..=1014 | 3000..=4999, Some(code)) => Ok(Self(code)),
            _ => Err(ForbiddenCloseCode(code)),
        }
    }

    /// Returns the number.
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

/// A number that must not be sent in a Close frame (RFC 6455 §7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the number is all there is to it")]
pub struct ForbiddenCloseCode(pub u16);

impl fmt::Display for ForbiddenCloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "close code {} (allowed are 1000-1003, 1007-1014 and 3000-4999)", self.0)
    }
}

impl core::error::Error for ForbiddenCloseCode {}

/// The payload of a Close frame: a code and a reason, or nothing (RFC 6455 §5.5.1).
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
#[expect(clippy::exhaustive_structs, reason = "the RFC defines a code and a reason")]
pub struct Close<'a> {
    /// The code; `None` in a Close with an empty payload, for which other interfaces report 1005.
    pub code: Option<CloseCode>,
    /// A text for logs, at most [`MAX_CLOSE_REASON`] bytes. Without a code it is not sent.
    pub reason: &'a str,
}

impl<'a> Close<'a> {
    /// A Close without a code.
    pub const EMPTY: Self = Self { code: None, reason: "" };

    /// Parses the whole payload of a Close frame, after it was unmasked.
    ///
    /// # Errors
    ///
    /// The payload has one byte, its code must not be sent, or its reason is not UTF-8.
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

    /// Checks the first bytes of a payload. Fails at the first byte that makes every continuation invalid.
    pub(crate) fn parse_prefix(payload: &[u8]) -> Result<(), CloseError> {
        let Some((code, reason)) = payload.split_first_chunk() else { return Ok(()) };
        CloseCode::new(u16::from_be_bytes(*code)).map_err(CloseError::Code)?;
        match str::from_utf8(reason) {
            Err(error) if error.error_len().is_some() => Err(CloseError::Reason),
            _ => Ok(()),
        }
    }

    /// Writes the payload to the front of `space`, and returns the bytes written: 0, or 2 to 125.
    ///
    /// `None` if the reason is longer than [`MAX_CLOSE_REASON`].
    pub fn encode(self, space: &mut [u8; super::MAX_CONTROL_PAYLOAD]) -> Option<&[u8]> {
        let Some(code) = self.code else { return Some(&[]) };
        let (code_bytes, reason) = space.split_first_chunk_mut()?;
        *code_bytes = code.get().to_be_bytes();
        copy(self.reason.as_bytes(), reason)?;
        space.get(..2 + self.reason.len())
    }
}

/// Why the payload of a Close frame is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseError {
    /// The payload has one byte, which is half a code.
    OneByte,
    /// The code must not be sent.
    Code(ForbiddenCloseCode),
    /// The reason is not UTF-8.
    Reason,
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneByte => f.write_str("close payload of 1 byte (0 or 2 to 125)"),
            Self::Code(code) => code.fmt(f),
            Self::Reason => f.write_str("close reason is not UTF-8"),
        }
    }
}

impl core::error::Error for CloseError {}
