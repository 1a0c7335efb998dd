/// The closing handshake (RFC 6455 §7.1), as the sender sees it: every transition is here, and none knows the role.
///
/// ```text
///              we send Close                 peer's Close
///       Open ────────────────▶ CloseSent ────────────────▶ Closed
///         │                        │                         ▲
///         ├────────────────────────┼─────────────────────────┘
///         │      peer's Close, answered by ours
///         │                        │
///         └────────────────────────┴────────▶ Failed
///            the peer broke the protocol,
///            or memory is out
///
///       any state ────────────────▶ Lost
///                  transport is gone
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    Open,
    CloseSent,
    Closed,
    Failed,
    Lost,
}

/// What a transition leaves to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a Close may have to be sent"]
pub(crate) enum Owed {
    Close,
    Nothing,
}

impl Closing {
    pub(crate) fn is_open(self) -> bool {
        self == Self::Open
    }

    /// "an endpoint MUST send a Pong frame in response, unless it already received a Close frame" (§5.5.2): one of ours is
    /// no reason.
    pub(crate) fn may_pong(self) -> bool {
        matches!(self, Self::Open | Self::CloseSent)
    }

    /// The application closes; only from `Open`.
    pub(crate) fn close_sent(&mut self) {
        *self = Self::CloseSent;
    }

    /// "Upon receiving such a frame, the other peer sends a Close frame in response, if it hasn't already sent one" (§1.4).
    pub(crate) fn close_received(&mut self) -> Owed {
        self.end(Self::Closed)
    }

    pub(crate) fn failed(&mut self) -> Owed {
        self.end(Self::Failed)
    }

    /// There was no memory for what had to be said, perhaps the answer to a Close: nothing more is.
    pub(crate) fn gave_up(&mut self) {
        *self = Self::Failed;
    }

    /// The transport is gone: nothing can be sent any more.
    pub(crate) fn lost(&mut self) {
        *self = Self::Lost;
    }

    fn end(&mut self, end: Self) -> Owed {
        let (next, owed) = match *self {
            Self::Open => (end, Owed::Close),
            Self::CloseSent => (end, Owed::Nothing),
            over @ (Self::Closed | Self::Failed | Self::Lost) => (over, Owed::Nothing),
        };
        *self = next;
        owed
    }

    pub(crate) fn transport(self, all_written: bool, we_close_first: bool) -> Transport {
        match self {
            Self::Open => Transport::Open,
            Self::Closed | Self::Failed if !all_written => Transport::Closing,
            Self::CloseSent => Transport::Closing,
            Self::Closed if !we_close_first => Transport::AwaitEnd,
            Self::Closed | Self::Failed | Self::Lost => Transport::CloseNow,
        }
    }
}

/// What to do with the transport (RFC 6455 §7.1.1), once what is pending has been written.
///
/// | | read | write | arm a deadline |
/// |-|-|-|-|
/// | `Open` | yes | yes | |
/// | `Closing` | yes | yes | yes: the peer may never answer, or never take what is pending |
/// | `AwaitEnd` | until the end | no | yes: the server closes first, and may not |
/// | `CloseNow` | | no | |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a caller must treat them all")]
pub enum Transport {
    /// Messages may go both ways.
    Open,
    /// A Close is on its way, or its answer.
    Closing,
    /// Both sides have closed; a client waits for the server to end the stream, so that not it but the server is left
    /// with the connection in TIME_WAIT. Any end is a clean one now, an error of `read` included: many servers end a
    /// TLS stream without a `close_notify`, which a TLS library reports as `UnexpectedEof`.
    AwaitEnd,
    /// Everything has been said, or the transport [is gone](crate::Sender::transport_lost): close it.
    ///
    /// On TCP, a socket that is closed with unread input in it, or that something still comes to, resets the connection, and the Close on its way
    /// may be lost. So shut down writing, read and drop what comes for a second or two, then close. Over TLS send a
    /// `close_notify` before, which `shutdown` of an async TLS stream does by itself.
    ///
    /// ```no_run
    /// # use std::{io::Read, net::{Shutdown, TcpStream}, time::{Duration, Instant}};
    /// fn linger(mut socket: TcpStream) -> std::io::Result<()> {
    ///     let deadline = Instant::now() + Duration::from_secs(2);
    ///     socket.shutdown(Shutdown::Write)?;
    ///     socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    ///     while Instant::now() < deadline && socket.read(&mut [0; 4096])? > 0 {}
    ///     Ok(())
    /// }
    /// ```
    CloseNow,
}
