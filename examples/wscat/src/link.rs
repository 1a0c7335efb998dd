//! The sending half of the connection, shared by all threads that send.
//!
//! | thread | what it does here |
//! |-|-|
//! | stdin | sends messages; waits while the backlog is too long |
//! | main | passes on the receiver's replies; never waits |
//! | writer | writes the pending bytes to the socket |
//!
//! Why not a channel to the writer? The receiver must never wait with its replies, so the channel would have to be
//! unbounded. Then a peer that sends Pings and reads nothing could fill our memory. The [`Sender`] limits its replies.

use std::{
    error::Error,
    fmt::{self, Display},
    io::{self, Write},
    net::TcpStream,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use websocket_proto::{Client, Reply, SendError, Sender, SystemRandom, Transport, frame::CloseCode};

/// How many bytes one write takes. Few, so that a slow network shows progress every few seconds.
const WRITE: usize = 16 << 10;

pub(crate) type ClientSender = Sender<Client<SystemRandom>, Vec<u8>>;

pub(crate) struct Link {
    state: Mutex<State>,
    /// Bytes became pending, or were written.
    changed: Condvar,
}

struct State {
    sender: ClientSender,
    /// How many bytes the socket took.
    written: u64,
    /// Where our own Close ends, counted in those bytes.
    close_ends: u64,
    /// The code in our own Close.
    close_code: Option<CloseCode>,
    lines_failed: bool,
}

impl Link {
    pub(crate) fn new(sender: ClientSender) -> Self {
        Self {
            state: Mutex::new(State {
                sender,
                written: 0,
                close_ends: u64::MAX,
                close_code: None,
                lines_failed: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Sends something as soon as the socket took enough earlier bytes. So a pipe into stdin runs at the peer's pace,
    /// and memory stays limited.
    pub(crate) fn send<E: Into<NotSent>>(
        &self,
        mut send: impl FnMut(&mut ClientSender) -> Result<(), E>,
    ) -> Result<(), NotSent> {
        let mut state = self.lock();
        loop {
            match send(&mut state.sender).map_err(E::into) {
                Err(NotSent::Backlog) => state = self.wait(state),
                result => {
                    self.changed.notify_all();
                    return result;
                }
            }
        }
    }

    /// Sends a Close, behind everything that was sent before.
    pub(crate) fn close(&self, close: Option<(CloseCode, &str)>) -> Result<(), NotSent> {
        let mut state = self.lock();
        match close {
            Some((code, reason)) => state.sender.close(code, reason)?,
            None => state.sender.close_without_code()?,
        }
        state.close_code = close.map(|(code, _)| code);
        state.close_ends = state.written + state.sender.pending().len() as u64;
        self.changed.notify_all();
        Ok(())
    }

    /// Sends a reply of the receiver.
    pub(crate) fn reply(&self, reply: Reply<'_>) {
        self.lock().sender.reply(reply);
        self.changed.notify_all();
    }

    /// Writes all pending bytes, for ever.
    pub(crate) fn write_to(&self, mut socket: &TcpStream) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(WRITE);
        loop {
            let mut state = self.lock();
            while state.sender.is_empty() {
                state = self.wait(state);
            }
            let pending = state.sender.pending();
            bytes.clear();
            bytes.extend_from_slice(&pending[..pending.len().min(WRITE)]);
            drop(state);

            // Without the lock, because the write may take for ever. If the receiver's reply had to wait for it, and
            // the peer did not read before we do, neither end would go on.
            socket.write_all(&bytes)?;
            socket.flush()?;

            // More bytes may be pending meanwhile, but always behind these.
            let mut state = self.lock();
            state.sender.consume(bytes.len());
            state.written += bytes.len() as u64;
            self.changed.notify_all();
        }
    }

    /// What to do with the socket now.
    pub(crate) fn transport(&self) -> Transport {
        self.lock().sender.transport()
    }

    /// How many bytes the socket took, up to our Close. Pongs behind it don't count: a peer that only sends Pings makes
    /// no progress.
    pub(crate) fn written(&self) -> u64 {
        let state = self.lock();
        state.written.min(state.close_ends)
    }

    /// The code of our Close, if there is one.
    pub(crate) fn close_code(&self) -> Option<CloseCode> {
        self.lock().close_code
    }

    /// Notes that a line from stdin was not sent.
    pub(crate) fn line_failed(&self) {
        self.lock().lines_failed = true;
    }

    /// Whether a line from stdin was not sent.
    pub(crate) fn lines_failed(&self) -> bool {
        self.lock().lines_failed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why something was not sent.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// The backlog is too long: try again later.
    Backlog,
    /// The connection is closing: don't try again.
    Closing,
    /// The message is not valid.
    Invalid(Box<dyn Error>),
}

impl From<SendError> for NotSent {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Backlog { .. } => Self::Backlog,
            SendError::Closing => Self::Closing,
            error => Self::Invalid(error.into()),
        }
    }
}

impl Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backlog => f.write_str("too much waits for the socket"),
            Self::Closing => f.write_str("the connection is closing"),
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl Error for NotSent {}
