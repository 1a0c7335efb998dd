/// The state of the closing handshake (RFC 6455 §7.1) in the sender. Every transition of the sender is a method here,
/// and none depends on the role. The receiver has a state of its own.
///
/// ```text
///            we send          the peer's
///            a Close          Close
///     Open ─────────▶ CloseSent ───────▶ Closed
///       │                 │                ▲
///       ├─────────────────┼────────────────┘
///       │   the peer's Close, answered
///       │                 │
///       └─────────────────┴────────▶ Failed
///           the connection fails,
///           or memory is out
///
///     any state ────────────────▶ Lost
///                the transport
///                is lost
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    Open,
    CloseSent,
    Closed,
    Failed,
    Lost,
}

/// What must be sent after a transition.
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

    /// "an endpoint MUST send a Pong frame in response, unless it already received a Close frame" (RFC 6455 §5.5.2).
    /// So a Ping is answered even after our own Close.
    pub(crate) fn may_pong(self) -> bool {
        matches!(self, Self::Open | Self::CloseSent)
    }

    /// The application has closed.
    pub(crate) fn close_sent(&mut self) {
        debug_assert!(self.is_open(), "the application closes once, and first");
        *self = Self::CloseSent;
    }

    /// "Upon receiving such a frame, the other peer sends a Close frame in response, if it hasn't already sent one"
    /// (RFC 6455 §1.4).
    pub(crate) fn close_received(&mut self) -> Owed {
        self.end(Self::Closed)
    }

    pub(crate) fn failed(&mut self) -> Owed {
        self.end(Self::Failed)
    }

    /// There was no memory for a frame that had to be sent, perhaps the answer to a Close. Nothing more is sent.
    pub(crate) fn gave_up(&mut self) {
        *self = Self::Failed;
    }

    /// The transport is lost: nothing more can be sent.
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

/// What to do with the transport, after the pending bytes were written (RFC 6455 §7.1.1).
///
/// | | read | write | arm a deadline |
/// |-|-|-|-|
/// | `Open` | yes | yes | |
/// | `Closing` | yes | yes | yes: the peer may never answer, or never take the pending bytes |
/// | `AwaitEnd` | until the end | no | yes: the server should close first, but may not |
/// | `CloseNow` | | no | |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a caller must handle all of them")]
pub enum Transport {
    /// Messages can be sent and received.
    Open,
    /// A Close is being sent, or its answer is awaited.
    Closing,
    /// Both ends have closed, and this client waits for the server to end the stream. So the TIME_WAIT state of TCP is
    /// held by the server, not by the client (RFC 6455 §7.1.1).
    ///
    /// From now on every end of the stream is clean, even an error of `read`: many servers end a TLS stream without a
    /// `close_notify`, which TLS libraries report as `UnexpectedEof`.
    AwaitEnd,
    /// Everything was sent, or the transport [is lost](crate::Sender::transport_lost): close it.
    ///
    /// A TCP socket resets the connection if it is closed with unread input, or if more bytes arrive afterwards. Then
    /// the peer may never read the Close. So shut down writing, read and discard input for a second or two, then close
    /// the socket. Over TLS, first send a `close_notify`; `shutdown` of an async TLS stream does so by itself.
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
