use core::fmt;

use crate::frame::CloseCode;

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
#[derive(Clone, Copy)]
pub(crate) struct Closing {
    phase: Phase,
    pub(crate) closes: Closes,
}

// In `Debug` this is all of `Closing`.
impl fmt::Debug for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.phase.fmt(f)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    CloseSent,
    Closed,
    Failed,
    Lost,
}

/// Which Closes have passed: the code of each, and which was first. [`Sender::closes`](crate::Sender::closes) returns
/// them.
///
/// A Close that has no code counts as code 1005, as other interfaces report it (RFC 6455 §7.1.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closes {
    /// 0 if there is none.
    sent: u16,
    /// 0 if there is none.
    received: u16,
    peer_was_first: bool,
}

impl Closes {
    pub(crate) fn add_sent(&mut self, payload: &[u8]) {
        self.sent = code(payload);
    }

    pub(crate) fn add_received(&mut self, payload: &[u8]) {
        self.received = code(payload);
        self.peer_was_first = self.sent == 0;
    }

    /// The receiver has a Close of the peer, whose reply may not have reached the sender.
    pub(crate) fn peer_has_closed(&mut self) {
        self.peer_was_first |= self.sent == 0;
    }

    /// The code of the Close that we sent, or have queued; `None` if there is none.
    pub fn sent(&self) -> Option<u16> {
        Some(self.sent).filter(|code| *code > 0)
    }

    /// The code of the Close that the peer sent; `None` if none was received.
    pub fn received(&self) -> Option<u16> {
        Some(self.received).filter(|code| *code > 0)
    }

    /// Whether the peer's Close was received before ours was sent.
    pub fn peer_was_first(&self) -> bool {
        self.peer_was_first
    }
}

/// What must be sent after a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a Close may have to be sent"]
pub(crate) enum Owed {
    Close,
    Nothing,
}

impl Closing {
    pub(crate) const OPEN: Self =
        Self { phase: Phase::Open, closes: Closes { sent: 0, received: 0, peer_was_first: false } };

    pub(crate) fn is_open(self) -> bool {
        self.phase == Phase::Open
    }

    pub(crate) fn is_lost(self) -> bool {
        self.phase == Phase::Lost
    }

    /// "an endpoint MUST send a Pong frame in response, unless it already received a Close frame" (RFC 6455 §5.5.2).
    /// So a Ping is answered even after our own Close.
    pub(crate) fn may_pong(self) -> bool {
        matches!(self.phase, Phase::Open | Phase::CloseSent)
    }

    /// The application has closed.
    pub(crate) fn close_sent(&mut self) {
        debug_assert!(self.is_open(), "the application closes once, and first");
        self.phase = Phase::CloseSent;
    }

    /// "Upon receiving such a frame, the other peer sends a Close frame in response, if it hasn't already sent one"
    /// (RFC 6455 §1.4).
    pub(crate) fn close_received(&mut self) -> Owed {
        self.end(Phase::Closed)
    }

    pub(crate) fn failed(&mut self) -> Owed {
        self.end(Phase::Failed)
    }

    /// There was no memory for a frame that had to be sent, perhaps the answer to a Close. Nothing more is sent.
    pub(crate) fn gave_up(&mut self) {
        self.phase = Phase::Failed;
    }

    /// The transport is lost: nothing more can be sent.
    pub(crate) fn lost(&mut self) {
        self.phase = Phase::Lost;
    }

    fn end(&mut self, end: Phase) -> Owed {
        let (next, owed) = match self.phase {
            Phase::Open => (end, Owed::Close),
            Phase::CloseSent => (end, Owed::Nothing),
            over @ (Phase::Closed | Phase::Failed | Phase::Lost) => (over, Owed::Nothing),
        };
        self.phase = next;
        owed
    }

    pub(crate) fn transport(self, all_written: bool, we_close_first: bool) -> Transport {
        match self.phase {
            Phase::Open => Transport::Open,
            Phase::Closed | Phase::Failed if !all_written => Transport::Closing,
            Phase::CloseSent => Transport::Closing,
            Phase::Closed if !we_close_first => Transport::AwaitEnd,
            Phase::Closed | Phase::Failed | Phase::Lost => Transport::CloseNow,
        }
    }
}

/// The code of a Close with this payload; 1005 if it has none.
fn code(payload: &[u8]) -> u16 {
    payload.first_chunk().map_or(CloseCode::NO_CODE, |code| u16::from_be_bytes(*code))
}

/// What to do with the transport, after the pending bytes were written (RFC 6455 §7.1.1).
///
/// | | read | write | arm a deadline |
/// |-|-|-|-|
/// | `Open` | yes | yes | |
/// | `Closing` | yes | yes | yes: the peer may never answer, or never take the pending bytes |
/// | `AwaitEnd` | until the end | no | yes: the server should close first, but may not |
/// | `CloseNow` | until the end, and discard it | no | yes: the peer may not end the stream |
///
/// A stream of HTTP/2 or HTTP/3 is treated as a socket is: END_STREAM ends our half, and a stream that is dropped
/// before the peer has ended its half is reset (RFC 8441 §5). The page [over HTTP/2](crate::guide::over_http2) has a table.
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
