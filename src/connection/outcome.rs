use core::fmt;

use crate::{
    Closes, Connection, Error, Failure, Role, Storage, UncleanEnd,
    client::UpgradeError,
    frame::CloseCode,
    proxy::TunnelError,
    time::{Retry, TimedOut},
};

/// How a connection ended: one value for a log, and for a client that may come back.
///
/// ```
/// use websocket_proto::{Ended, Outcome, ServerConnection};
///
/// /// After the loop, whatever has ended it.
/// fn log(connection: &ServerConnection) {
///     let outcome = connection.outcome();
///     println!("{outcome}");                      // such as: closed by the peer: 1001 (going away)
///     if let Ended::Failed(failure) = outcome.ended() && let Some(rule) = failure.rule() {
///         println!("see {rule}");
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    ended: Ended,
    closes: Closes,
}

/// What has ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The closing handshake.
    Closed,
    /// A failure: see [`Failure::rule`].
    Failed(Failure),
    /// The end of the stream, or an error of the transport.
    Lost(UncleanEnd),
    /// A deadline.
    TimedOut(TimedOut),
    /// A server's refusal of the opening handshake, or an HTTP proxy's of a tunnel.
    Refused {
        /// The status of the response.
        status: u16,
        /// Whether to ask again: by the status, and by `Retry-After` if it is known.
        retry: Retry,
    },
    /// Another fault in the opening handshake.
    NotOpened(Error),
    /// The transport was never connected: no address, no route, nobody who listens.
    NotConnected,
}

impl Outcome {
    /// Returns the outcome from what the two halves say: [`Receiver::end_of_input`](crate::Receiver::end_of_input) and
    /// [`Sender::closes`](crate::Sender::closes).
    ///
    /// With both halves at hand, [`Connection::outcome`] is shorter.
    ///
    /// If the halves are in two tasks, first give the sender the last reply of the receiver, even if the transport is
    /// lost: the sender knows the code of the peer's Close from that reply alone. Without it the code is 1006.
    pub fn new(end_of_input: Result<(), UncleanEnd>, mut closes: Closes) -> Self {
        if end_of_input.is_ok() {
            closes.peer_has_closed();
        }
        let ended = match end_of_input {
            Ok(()) => Ended::Closed,
            Err(UncleanEnd::Failed(failure)) => Ended::Failed(failure),
            Err(lost) => Ended::Lost(lost),
        };
        Self { ended, closes }
    }

    /// Returns the outcome of a client whose transport could not be connected: see [`Ended::NotConnected`].
    pub fn not_connected() -> Self {
        Self { ended: Ended::NotConnected, closes: Closes::default() }
    }

    /// Returns the outcome of a server that has refused with this status. A client asks its
    /// [`Response::outcome`](crate::client::Response::outcome).
    pub fn refused(status: u16) -> Self {
        Self { ended: Ended::Refused { status, retry: Retry::after_status(status) }, closes: Closes::default() }
    }

    /// Returns the outcome with this deadline as its cause, unless the cause is a Close, a failure or a refusal. With
    /// `None` it is unchanged.
    #[must_use]
    pub fn or_timed_out(self, timed_out: impl Into<Option<TimedOut>>) -> Self {
        match (self.ended, timed_out.into()) {
            (Ended::Lost(_), Some(timed_out)) => Self { ended: Ended::TimedOut(timed_out), ..self },
            _ => self,
        }
    }

    /// Returns what has ended the connection.
    pub fn ended(&self) -> Ended {
        self.ended
    }

    /// Returns the Closes that have passed.
    pub fn closes(&self) -> Closes {
        self.closes
    }

    /// Whether the peer has sent a Close. Everything that it sent before was received.
    pub fn is_clean(&self) -> bool {
        self.ended == Ended::Closed
    }

    /// Returns the close code as a browser reports it: that of the peer's Close, 1005 if it has none, and 1006
    /// without a Close (RFC 6455 §7.1.5).
    pub fn code(&self) -> u16 {
        self.closes.received().unwrap_or(CloseCode::ABNORMAL)
    }

    /// The same outcome, whose refusal says when to ask again.
    pub(crate) fn with_retry(self, retry: Retry) -> Self {
        match self.ended {
            Ended::Refused { status, .. } => Self { ended: Ended::Refused { status, retry }, ..self },
            _ => self,
        }
    }

    /// Returns whether a client should connect again: see [`Retry`].
    pub fn retry(&self) -> Retry {
        Retry::after(self)
    }
}

impl<R: Role, I: Storage, O: Storage> Connection<R, I, O> {
    /// Returns how the connection ended, if it ends now.
    pub fn outcome(&self) -> Outcome {
        Outcome::new(self.receiver.end_of_input(), self.sender.closes())
    }
}

/// From the error of an attempt to connect: that of this crate if one is in it, else [`Ended::NotConnected`].
#[cfg(feature = "std")]
impl From<std::io::Error> for Outcome {
    fn from(error: std::io::Error) -> Self {
        let ours = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
        ours.map_or(Self::not_connected(), |error| (*error).into())
    }
}

/// For a connection that was never open, or whose halves are gone. The Closes are not known.
impl<E: Into<Error>> From<E> for Outcome {
    fn from(error: E) -> Self {
        let ended = match error.into() {
            Error::Upgrade(UpgradeError::Refused { status }) | Error::Tunnel(TunnelError::Refused { status }) => {
                return Self::refused(status);
            }
            Error::Peer(failure) => Ended::Failed(failure),
            Error::Lost(lost) => Ended::Lost(lost),
            Error::TimedOut(timed_out) => Ended::TimedOut(timed_out),
            error => Ended::NotOpened(error),
        };
        Self { ended, closes: Closes::default() }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closes = self.closes;
        match self.ended {
            Ended::Closed if closes.peer_was_first() => write!(f, "closed by the peer: {}", Code(self.code())),
            Ended::Closed => match closes.sent() {
                Some(sent) if sent != self.code() => {
                    write!(f, "closed by us: {}, answered with {}", Code(sent), Code(self.code()))
                }
                _ => write!(f, "closed by us: {}", Code(self.code())),
            },
            Ended::Failed(failure) => {
                write!(f, "failed: {failure}")?;
                failure.rule().map_or(Ok(()), |rule| write!(f, " ({rule})"))
            }
            Ended::Lost(lost) => lost.fmt(f),
            Ended::TimedOut(timed_out) => timed_out.fmt(f),
            Ended::Refused { status, .. } => write!(f, "refused with status {status}"),
            Ended::NotOpened(error) => write!(f, "not opened: {error}"),
            Ended::NotConnected => f.write_str("not connected"),
        }?;
        // What became of a closing handshake that we have begun.
        match (self.ended, closes.sent()) {
            (Ended::TimedOut(TimedOut::Closing), Some(sent)) => write!(f, ": {}", Code(sent)),
            (Ended::Lost(_) | Ended::TimedOut(_), Some(sent)) => write!(f, " (after our Close: {})", Code(sent)),
            _ => Ok(()),
        }
    }
}

/// A close code with its description.
struct Code(u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(code) = *self;
        let description = match CloseCode::new(code).map(CloseCode::description) {
            Err(_) if code == CloseCode::NO_CODE => "no code",
            Ok(description) => description,
            Err(_) => "",
        };
        code.fmt(f)?;
        if description.is_empty() { Ok(()) } else { write!(f, " ({description})") }
    }
}
