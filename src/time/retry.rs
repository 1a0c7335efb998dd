use core::time::Duration;

use crate::{Ended, Error, Outcome, frame::CloseCode, head::HeadError};

/// Whether a client should connect again: advice for [`Backoff::delay`](super::Backoff::delay), which the application
/// may override.
///
/// | | |
/// |-|-|
/// | the connection was lost, also in the opening handshake, or could not be made; a deadline was missed; close codes 1001, 1006, 1011, 1014 | `Soon` |
/// | close codes 1012 (service restart) and 1013 (try again later) | `Later` |
/// | close codes 3000 to 4999 | `Application` |
/// | any other close code; we have closed first, even if the answer was lost; the peer broke the protocol or a limit | `Never` |
/// | refused with status 408, 425, 429 or 5xx | `Soon`, or `After` what its `Retry-After` says |
/// | refused with any other status, or the response was no valid answer | `Never` |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// The fault may be over at once.
    Soon,
    /// Not within the next 5 seconds (RFC 6455 §7.2.3, and the registry of close codes for 1012).
    Later,
    /// Not before this time has passed, which is what the server has said. It is believed: compare it with what you
    /// would wait.
    After(Duration),
    /// The application knows what its close code means.
    Application,
    /// The next attempt would end in the same way, or nobody wants one.
    Never,
}

impl Retry {
    /// Returns the advice after a server has refused with this status.
    ///
    /// [`client::Response::retry`](crate::client::Response::retry) also reads `Retry-After`.
    pub const fn after_status(status: u16) -> Self {
        match status {
            408 | 425 | 429 | 500..=599 => Self::Soon,
            _ => Self::Never,
        }
    }

    /// Returns the advice after the peer has closed with this code: 1005 for a Close without a code, 1006 for a
    /// connection without a Close.
    pub const fn after_code(code: u16) -> Self {
        match code {
            1001 | 1006 | 1011 | 1014 => Self::Soon,
            1012 | 1013 => Self::Later,
            3000..=4999 => Self::Application,
            _ => Self::Never,
        }
    }

    pub(crate) fn after(outcome: &Outcome) -> Self {
        let closes = outcome.closes();
        match outcome.ended() {
            Ended::Closed if closes.peer_was_first() => Self::after_code(outcome.code()),
            // The code that we have told the peer says whose fault it was.
            Ended::Failed(failure) => Self::after_code(failure.close_code().get()),
            Ended::Lost(_) | Ended::TimedOut(_) if closes.sent().is_none() => Self::after_code(CloseCode::ABNORMAL),
            // We have closed, whether or not the answer has arrived.
            Ended::Closed | Ended::Lost(_) | Ended::TimedOut(_) => Self::Never,
            Ended::Refused { retry, .. } => retry,
            Ended::NotConnected => Self::Soon,
            Ended::NotOpened(Error::Tunnel(error)) if error.may_pass() => Self::Soon,
            Ended::NotOpened(Error::Head(HeadError::Incomplete { .. }) | Error::OutOfMemory) => Self::Soon,
            Ended::NotOpened(_) => Self::Never,
        }
    }
}

/// The value of a `Retry-After` header (RFC 9110 §10.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAfter<'a> {
    /// A number of seconds, at most 136 years.
    Delay(Duration),
    /// What should be a date, as text: this crate has no calendar.
    Date(&'a str),
}

impl<'a> RetryAfter<'a> {
    pub(crate) fn parse(value: &'a str) -> Self {
        let seconds = value.bytes().try_fold(0_u32, |seconds, byte| {
            let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
            Some(seconds.saturating_mul(10).saturating_add(digit.into()))
        });
        match seconds {
            Some(seconds) if !value.is_empty() => Self::Delay(Duration::from_secs(seconds.into())),
            _ => Self::Date(value),
        }
    }
}
