use core::{fmt, time::Duration};

use super::clock::Time;

/// How long to wait for a peer: the limits of a [`Watch`](super::Watch). Each can be switched off with `None`.
///
/// The defaults hold behind a proxy that cuts connections which are silent for 60 seconds, as nginx does unless it is
/// configured otherwise.
///
/// ```
/// use std::time::Duration;
/// use websocket_proto::time::Patience;
///
/// const MOBILE: Patience = Patience::new().silence(Some(Duration::from_secs(50))).closing(None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    pub(super) opening: Time,
    pub(super) silence: Time,
    pub(super) answer: Time,
    pub(super) closing: Time,
    pub(super) end: Time,
}

impl Patience {
    /// Returns the default limits.
    pub const fn new() -> Self {
        Self {
            opening: Time::new(Duration::from_secs(10)),
            silence: Time::new(Duration::from_secs(25)),
            answer: Time::new(Duration::from_secs(25)),
            closing: Time::new(Duration::from_secs(10)),
            end: Time::new(Duration::from_secs(2)),
        }
    }

    /// Sets how long the opening handshake may take, from its first byte to its last. The default is 10 seconds.
    #[must_use]
    pub const fn opening(self, opening: Option<Duration>) -> Self {
        Self { opening: Time::limit(opening), ..self }
    }

    /// Sets how long a peer may be silent before it is sent a Ping. The default is 25 seconds.
    ///
    /// Without it no Ping is sent, and a dead peer is not noticed.
    #[must_use]
    pub const fn silence(self, silence: Option<Duration>) -> Self {
        Self { silence: Time::limit(silence), ..self }
    }

    /// Sets how long a peer may remain silent after a Ping was written. The default is 25 seconds.
    ///
    /// Without it Pings are sent, but nobody is given up.
    #[must_use]
    pub const fn answer(self, answer: Option<Duration>) -> Self {
        Self { answer: Time::limit(answer), ..self }
    }

    /// Sets how long the peer may take to answer our Close. The time begins anew when the transport takes bytes of a
    /// backlog. The default is 10 seconds.
    #[must_use]
    pub const fn closing(self, closing: Option<Duration>) -> Self {
        Self { closing: Time::limit(closing), ..self }
    }

    /// Sets how long to wait for the end of the stream, after both ends have closed. The default is 2 seconds.
    #[must_use]
    pub const fn end(self, end: Option<Duration>) -> Self {
        Self { end: Time::limit(end), ..self }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::new()
    }
}

/// The deadline that a peer has missed: drop the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimedOut {
    /// The opening handshake has taken too long.
    Opening,
    /// The peer was silent, and sent nothing after a Ping either.
    Answer,
    /// The transport has taken nothing of what waits for it: the peer does not read.
    Writing,
    /// The peer has not answered our Close, or not read what was pending before it.
    Closing,
    /// Both ends have closed, but the peer has not ended the stream.
    End,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Opening => "timed out in the opening handshake",
            Self::Answer => "timed out: no answer to a Ping",
            Self::Writing => "timed out: the peer does not read",
            Self::Closing => "timed out: no answer to our Close",
            Self::End => "timed out: the peer does not end the stream",
        })
    }
}

impl core::error::Error for TimedOut {}
